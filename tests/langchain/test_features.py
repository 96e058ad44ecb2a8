"""What LangChain offers around every model works around this one."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Iterator
from typing import Any

import pytest
from langchain_core.caches import InMemoryCache
from langchain_core.exceptions import ModelAPIError, ModelInvalidRequestError
from langchain_core.messages import AIMessage
from langchain_core.rate_limiters import BaseRateLimiter
from langchain_core.runnables import ConfigurableField, RunnableLambda
from langgraph.graph import START, MessagesState, StateGraph
from langgraph.types import RetryPolicy, TimeoutPolicy

from lumnisai_core.exceptions import RunFailedError, TransportError
from lumnisai_core.local import Fault, LocalLumnis, Script, Step
from tests.conftest import Serve
from tests.langchain.conftest import Connect
from tests.loops import no_blocking
from tests.servers import RecordingEngine

FAILS = Script(error=("AGENT_ERROR", "Out of paper."))


def test_a_failed_run_is_retried_if_its_type_is_named(serve: Serve, connect: Connect) -> None:
    engine = RecordingEngine(FAILS, Script(output_text="Yes."))
    retrying = connect(serve(engine)).with_retry(
        retry_if_exception_type=(RunFailedError,), wait_exponential_jitter=False
    )
    assert retrying.invoke("Well?").content == "Yes."
    assert len(engine.requests) == 2


def test_another_model_takes_over(serve: Serve, connect: Connect) -> None:
    model = connect(serve(FAILS)).with_fallbacks([connect(serve(Script(output_text="Yes.")))])
    assert model.invoke("Well?").content == "Yes."


def test_fields_are_chosen_by_config(serve: Serve, connect: Connect) -> None:
    engine = RecordingEngine(Script(output_text="Yes."))
    model = connect(serve(engine)).configurable_fields(model_name=ConfigurableField(id="model"))
    model.invoke("Well?", config={"configurable": {"model": "openai:gpt-4o"}})
    assert engine.requests[0].model_overrides == {"smart_model": "openai:gpt-4o"}


class CountingLimiter(BaseRateLimiter):
    """Lets everything through and counts."""

    def __init__(self) -> None:
        self.count = 0

    def acquire(self, *, blocking: bool = True) -> bool:
        self.count += 1
        return True

    async def aacquire(self, *, blocking: bool = True) -> bool:
        return self.acquire()


async def test_a_rate_limiter_is_called_before_every_run(local: LocalLumnis, connect: Connect) -> None:
    limiter = CountingLimiter()
    model = connect(local, rate_limiter=limiter)
    model.invoke("One.")
    await model.ainvoke("Two.")
    list(model.stream("Three."))
    assert [chunk async for chunk in model.astream("Four.")]
    assert limiter.count == 4


async def test_batches_are_runs_side_by_side_in_order(local: LocalLumnis, connect: Connect) -> None:
    model = connect(local)
    asked: list[Any] = [f"Ann has {number} cats." for number in range(6)]
    together = [model.batch(asked, {"max_concurrency": 3}), await model.abatch(asked)]
    assert together[0]
    assert [message.text for message in together[0]] == [message.text for message in together[1]]
    assert len({message.id for messages in together for message in messages}) == 12


def test_one_failed_run_does_not_take_the_batch_with_it(serve: Serve, connect: Connect) -> None:
    engine = RecordingEngine(Script(output_text="Yes."), FAILS, Script(output_text="Yes."))
    answers = connect(serve(engine)).batch(["1", "2", "3"], {"max_concurrency": 1}, return_exceptions=True)
    assert [isinstance(answer, RunFailedError) for answer in answers] == [False, True, False]


def test_a_cache_does_not_mix_threads_that_come_from_the_config(serve: Serve, connect: Connect) -> None:
    """Asked on threads A and B inside a chain, it answers from both."""
    engine = RecordingEngine(Script(output_text="Yes."))
    chain = RunnableLambda(lambda text: text) | connect(serve(engine), cache=InMemoryCache())
    first = chain.invoke("Well?").response_metadata["thread_id"]
    other = chain.invoke("Well, then?").response_metadata["thread_id"]
    for thread in (first, other):
        answer = chain.invoke("And?", {"configurable": {"lumnis_thread_id": thread}})
        assert answer.response_metadata["thread_id"] == thread


@pytest.mark.parametrize("keywords", [{"history": "both"}, {"response_format": 3}])
def test_bad_keywords_are_the_same_error_with_a_cache(local: LocalLumnis, connect: Connect, keywords: Any) -> None:
    """What a cache asks about a call raises as the call does."""
    with pytest.raises(ModelInvalidRequestError):
        connect(local, cache=InMemoryCache()).invoke("Well?", **keywords)


def test_tokens_are_estimated_without_a_tokenizer(local: LocalLumnis, connect: Connect) -> None:
    """Texts can be measured, as splitters do, and a tokenizer of the caller counts exactly."""
    model = connect(local)
    assert (model.get_num_tokens(""), model.get_num_tokens("x" * 400)) == (0, 100)
    assert connect(local, custom_get_token_ids=lambda text: [1] * len(text)).get_num_tokens("abc") == 3


def test_threads_with_loops_of_their_own_share_a_model(local: LocalLumnis, connect: Connect) -> None:
    model = connect(local)
    answers: list[AIMessage] = []

    def work() -> None:
        async def ask() -> None:
            answers.extend(await asyncio.gather(*(model.ainvoke(f"Ann has {number} cats.") for number in range(5))))

        asyncio.run(ask())

    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len({answer.id for answer in answers}) == 20


def test_graphs_do_not_repeat_what_cannot_work(serve: Serve, connect: Connect) -> None:
    """LangGraph's default policy retries plain exceptions; a failed run costs money and is none of them."""
    engine = RecordingEngine(FAILS)
    model = connect(serve(engine))
    graph: Any = StateGraph(MessagesState)
    graph.add_node("ask", lambda state: {"messages": [model.invoke(state["messages"])]}, retry_policy=RetryPolicy())
    graph.add_edge(START, "ask")
    with pytest.raises(RunFailedError):
        graph.compile().invoke({"messages": ["Well?"]})
    assert len(engine.requests) == 1


@pytest.fixture
def nothing_blocks() -> Iterator[None]:
    """Raise where code of ours blocks a running event loop."""
    with no_blocking():
        yield


@pytest.mark.usefixtures("nothing_blocks")
async def test_nothing_blocks_the_loop(tides: LocalLumnis, connect: Connect) -> None:
    model = connect(tides)
    assert (await model.ainvoke("When?")).content == "High at noon."
    assert [chunk async for chunk in model.astream("When?")]


@pytest.mark.parametrize(("failures", "works"), [(3, True), (4, False)])
def test_there_is_one_layer_of_retries(serve: Serve, connect: Connect, failures: int, works: bool) -> None:
    """Three retries are four requests, whatever stands around the model, and at most one run."""
    engine = RecordingEngine(Script(output_text="Yes."))
    fault = Fault("POST /v1/responses", times=failures, status=503, retry_after=0)
    model = connect(serve(engine, faults=[fault]), max_retries=3)
    if works:
        assert model.invoke("Well?").content == "Yes."
    else:
        with pytest.raises(ModelAPIError) as caught:
            model.invoke("Well?")
        assert isinstance(caught.value, TransportError)
    assert len(engine.requests) == works


async def test_a_long_run_that_reports_is_not_idle(serve: Serve, connect: Connect) -> None:
    """A graph whose nodes may not be silent for long lets a run work as long as it reports."""
    steps = [Step(f"Step {number}.", after=0.4) for number in range(6)]
    model = connect(serve(Script(steps=steps, output_text="Done."), poll="on-change"))

    async def ask(state: MessagesState) -> dict[str, Any]:
        return {"messages": [await model.ainvoke(state["messages"])]}

    graph: Any = StateGraph(MessagesState)
    graph.add_node("ask", ask, timeout=TimeoutPolicy(idle_timeout=2.0))
    graph.add_edge(START, "ask")
    state = await graph.compile().ainvoke({"messages": ["How long?"]})
    assert state["messages"][-1].text == "Done."
