"""Agents as runnables: the whole run, its news, its errors, and what happens when the caller leaves."""

from __future__ import annotations

import asyncio
import copy
import pickle
from collections.abc import AsyncGenerator, Generator, Iterator
from typing import Any, cast

import pytest
from langchain_core.callbacks import BaseCallbackHandler
from langchain_core.exceptions import ModelInvalidRequestError, ModelTimeoutError
from langchain_core.load import dumpd, load
from langchain_core.prompts import ChatPromptTemplate
from langchain_core.runnables import ConfigurableField, Runnable, RunnableLambda, RunnablePassthrough
from pydantic import BaseModel

from lumnisai_core import ResponseObject, RunUpdate
from lumnisai_core.local import LocalLumnis, Script, Step
from lumnisai_integrations.langchain import errors
from lumnisai_integrations.langchain.lumnis.runnable import LumnisRunnable
from tests.conftest import Serve
from tests.langchain.agents import MakeAgent, address, making_agents, runs_on
from tests.langchain.conftest import USER, AsyncRecorder, Recorder, assert_cancelled
from tests.servers import GatedEngine, HistoryEngine

QUESTION = "Spring tides follow the full moon. Which tides follow the full moon?"
SAID = ["Starting.", "Reading the tide tables.", "Starting."]


@pytest.fixture
def agent() -> Iterator[MakeAgent]:
    """Make runnables."""
    with making_agents() as make:
        yield make


def messages_of(news: list[Any]) -> list[str]:
    return [item.message for item in news if isinstance(item, RunUpdate) and item.entry_index is not None]


def kind_of(output: RunUpdate | ResponseObject) -> str:
    return f"{type(output).__name__} {output.output_text}"


# The run and its news


async def test_the_output_is_the_whole_run(tides: LocalLumnis, agent: MakeAgent) -> None:
    """Text, title, progress and ids come back, blocking and in asyncio."""
    runnable = agent(tides)
    for run in (runnable.invoke("When?"), await runnable.ainvoke("When?")):
        assert isinstance(run, ResponseObject)
        assert (run.output_text, run.response_title, run.status) == ("High at noon.", "Tides", "succeeded")
        assert [entry.message for entry in run.progress] == SAID
        assert run.thread_id


async def test_a_stream_is_updates_and_then_the_run(tides: LocalLumnis, agent: MakeAgent) -> None:
    """All elements but the last are updates; the last is what invoke returns."""
    runnable = agent(tides)
    for news in (list(runnable.stream("When?")), [item async for item in runnable.astream("When?")]):
        assert {type(item) for item in news[:-1]} == {RunUpdate}
        assert messages_of(news) == SAID
        assert kind_of(news[-1]) == "ResponseObject High at noon."


async def test_chains_see_the_same_streamed_or_not(tides: LocalLumnis, agent: MakeAgent) -> None:
    """The step after the runnable gets the run, never an update and never a sum of them."""
    chain = ChatPromptTemplate.from_template("{q}") | agent(tides) | RunnableLambda(kind_of)
    expected = "ResponseObject High at noon."
    assert chain.invoke({"q": "When?"}) == expected
    assert await chain.ainvoke({"q": "When?"}) == expected
    assert list(chain.stream({"q": "When?"})) == [expected]
    assert [part async for part in chain.astream({"q": "When?"})] == [expected]


def test_a_stream_beside_other_keys_ends_with_the_run(tides: LocalLumnis, agent: MakeAgent) -> None:
    """Streams of dicts, which LangChain adds up, hold the run in the end."""
    chain = RunnablePassthrough.assign(run=agent(tides)) | RunnableLambda(lambda state: kind_of(state["run"]))
    assert list(chain.stream({"messages": "When?"})) == ["ResponseObject High at noon."]


async def test_event_streams_have_updates_and_end_with_the_run(tides: LocalLumnis, agent: MakeAgent) -> None:
    """Each update is a chunk of the runnable, and its output is the run."""
    chain = agent(tides) | RunnableLambda(kind_of)
    events: list[Any] = [event async for event in chain.astream_events("When?", version="v2")]
    own = [event for event in events if event["name"] == "LumnisRunnable"]
    chunks = [event["data"]["chunk"] for event in own if event["event"] == "on_chain_stream"]
    assert messages_of(chunks) == SAID
    assert isinstance(chunks[-1], ResponseObject)
    assert isinstance(own[-1]["data"]["output"], ResponseObject)
    told = [event for event in events if event["event"] == "on_custom_event" and event["data"]["message"]]
    assert [event["data"]["message"] for event in told] == SAID


async def test_callbacks_hear_progress_under_the_own_run(tides: LocalLumnis, agent: MakeAgent) -> None:
    """In a chain each step reaches a callback once, with the id of the runnable's run."""
    ids: list[Any] = []

    class Chains(Recorder):
        def on_chain_start(self, *_: Any, run_id: Any, name: str | None = None, **__: Any) -> None:
            if name == "LumnisRunnable":
                ids.append(run_id)

    chain: Runnable[Any, Any] = RunnablePassthrough() | agent(tides)
    for call in (chain.invoke, chain.ainvoke, lambda *given: list(chain.stream(*given))):
        recorder = Chains()
        result = cast("Any", call)("When?", {"callbacks": [recorder]})
        if asyncio.iscoroutine(result):
            await result
        assert recorder.messages == SAID
        assert {run_id for run_id, _ in recorder.events} == {ids[-1]}


def test_structured_answers_are_objects(local: LocalLumnis, agent: MakeAgent) -> None:
    """A class as response_format, of the field or of the call, gives an object that fits it."""

    class Tide(BaseModel):
        name: str
        height: float

    of_field = agent(local, response_format=Tide).invoke(QUESTION)
    of_call = agent(local).invoke(QUESTION, response_format=Tide)
    for run in (of_field, of_call):
        assert isinstance(Tide.model_validate(run.structured_response), Tide)


async def test_many_runs_at_once(local: LocalLumnis, agent: MakeAgent) -> None:
    """Batches keep their order; with return_exceptions a bad input harms no other."""
    runnable = agent(local)
    questions: list[Any] = [f"Port {number} opens at {number}. When does port {number} open?" for number in range(5)]
    for runs in (runnable.batch(questions), await runnable.abatch(questions)):
        texts = [run.output_text or "" for run in runs]
        assert all(f"Port {number}" in text for number, text in enumerate(texts))
    mixed: list[Any] = runnable.batch([questions[0], {"input": "?"}], return_exceptions=True)
    assert isinstance(mixed[0], ResponseObject)
    assert isinstance(mixed[1], errors.ValidationError)


def test_threads_go_on(serve: Serve, agent: MakeAgent) -> None:
    """A thread id of the config continues a conversation; history="server" finds it in the messages."""
    service = serve(HistoryEngine())
    runnable = agent(service)
    first = runnable.invoke("One.")
    config: Any = {"configurable": {"lumnis_thread_id": first.thread_id}}
    assert runnable.invoke("Two.", config).output_text == "3: One. | 1: One. | Two."
    state = runnable.as_node().invoke("A.")["messages"]
    run = runnable.invoke({"messages": [("user", "A."), *state, ("user", "B.")]}, history="server")
    assert run.output_text == "3: A. | 1: A. | B."


# Picking up


async def test_a_run_is_picked_up_after_a_timeout(serve: Serve, agent: MakeAgent) -> None:
    """The run goes on at the service; resume waits for its end and makes no second one."""
    engine = GatedEngine(Script(steps=[Step("Working.")], output_text="At last."))
    service = serve(engine, poll="on-change")
    runnable = agent(service)
    with pytest.raises(errors.RunTimeoutError) as caught:
        runnable.invoke("Work.", run_timeout=0.2)
    assert isinstance(caught.value, ModelTimeoutError)
    engine.open()
    response_id = caught.value.response_id
    assert response_id is not None
    assert runnable.resume(response_id).output_text == "At last."
    assert (await runnable.aresume(response_id)).output_text == "At last."
    assert [run.response_id for run in runs_on(service)] == [response_id]


async def test_a_known_run_streams_from_its_beginning(tides: LocalLumnis, agent: MakeAgent) -> None:
    """Everything a run reported is there again for whoever comes later."""
    runnable = agent(tides)
    known = {"response_id": runnable.invoke("When?").response_id}
    for news in (list(runnable.stream(known)), [item async for item in runnable.astream(known)]):
        assert messages_of(news) == SAID
        assert isinstance(news[-1], ResponseObject)


async def test_callbacks_hear_of_a_known_run(tides: LocalLumnis, agent: MakeAgent) -> None:
    """Resuming tells callbacks everything, too."""
    runnable = agent(tides)
    response_id = runnable.invoke("When?").response_id
    blocking, awaited = Recorder(), AsyncRecorder()
    runnable.resume(response_id, {"callbacks": [blocking]})
    await runnable.aresume(response_id, {"callbacks": [awaited]})
    assert blocking.messages == awaited.messages == SAID


async def test_a_run_can_be_started_only(tides: LocalLumnis, agent: MakeAgent) -> None:
    """Start returns ids at once; the same key and question give the same run."""
    runnable = agent(tides)
    started = runnable.start("When?", idempotency_key="noon")
    again = await runnable.astart("When?", idempotency_key="noon")
    assert started.response_id == again.response_id
    assert runnable.resume(started.response_id).output_text == "High at noon."
    nobody, config = agent(tides, user_id=None), {"configurable": {"lumnis_user_id": USER}}
    nobody.start("When?", cast("Any", config))
    await nobody.astart("When?", cast("Any", config))
    assert len(runs_on(tides)) == 3


async def test_an_unknown_run_is_not_found(local: LocalLumnis, agent: MakeAgent) -> None:
    """A wrong id is an error of LangChain's family."""
    with pytest.raises(errors.NotFoundError):
        agent(local).resume("00000000-0000-0000-0000-000000000000")
    with pytest.raises(errors.NotFoundError):
        await agent(local).aresume("00000000-0000-0000-0000-000000000000")


# Errors


async def test_a_failed_run_raises(serve: Serve, agent: MakeAgent) -> None:
    """The error carries the run; streams give the news first."""
    service = serve(Script(steps=[Step("Trying.")], error=("agent_error", "No luck.")), poll="on-change")
    runnable = agent(service)
    with pytest.raises(errors.RunFailedError, match="No luck"):
        runnable.invoke("Work.")
    with pytest.raises(errors.RunFailedError, match="No luck"):
        await runnable.ainvoke("Work.")
    seen: list[Any] = []
    with pytest.raises(errors.RunFailedError) as caught:
        seen.extend(runnable.stream("Work."))
    assert caught.value.response is not None
    with pytest.raises(errors.RunFailedError):
        async for item in runnable.astream("Work."):
            seen.append(item)
    assert "Trying." in messages_of(seen)


def test_bad_settings_are_errors_before_anything_is_sent(local: LocalLumnis, agent: MakeAgent) -> None:
    """A missing user, a misspelt argument and a wrong one are named."""
    with pytest.raises(errors.MissingUserId) as caught:
        agent(local, user_id=None).invoke("Hi.")
    assert isinstance(caught.value, ModelInvalidRequestError)
    with pytest.raises(TypeError, match=r"LumnisRunnable has no user; it has .*user_id"):
        agent(local, user="u")
    with pytest.raises(errors.ValidationError):
        agent(local).invoke([])
    with pytest.raises(errors.ConfigurationError, match="LUMNISAI_API_KEY"):
        LumnisRunnable(base_url=local.base_url)


async def test_a_failing_handler_harms_no_run(tides: LocalLumnis, agent: MakeAgent) -> None:
    """What a callback raises about progress is logged."""

    class Failing(BaseCallbackHandler):
        raise_error = True

        def on_custom_event(self, *_: Any, **__: Any) -> None:
            raise RuntimeError("handler failed")

    assert agent(tides).invoke("When?", {"callbacks": [Failing()]}).output_text == "High at noon."
    assert (await agent(tides).ainvoke("When?", {"callbacks": [Failing()]})).output_text == "High at noon."


# Leaving


def test_leaving_a_stream_cancels(endless: LocalLumnis, agent: MakeAgent) -> None:
    """A blocking stream that is closed stops the run, in a chain too."""
    chain: Runnable[Any, Any] = RunnablePassthrough() | agent(endless)
    for runnable in (agent(endless), chain):
        stream = cast("Generator[Any, None, None]", runnable.stream("Work."))
        update = next(stream)
        stream.close()
        assert_cancelled(endless, update.response_id)


def test_breaking_out_of_a_stream_cancels(endless: LocalLumnis, agent: MakeAgent) -> None:
    """A loop that is left by break stops the run as soon as nothing holds the stream any more."""
    seen: list[str] = []
    for update in agent(endless).stream("Work."):
        seen.append(update.response_id)
        break
    assert_cancelled(endless, seen[0])


async def test_leaving_an_asyncio_stream_cancels(endless: LocalLumnis, agent: MakeAgent) -> None:
    """An asyncio stream that is closed stops the run, in a chain too."""
    chain: Runnable[Any, Any] = RunnablePassthrough() | agent(endless)
    for runnable in (agent(endless), chain):
        stream = cast("AsyncGenerator[Any, None]", runnable.astream("Work."))
        update = await anext(stream)
        await stream.aclose()
        await asyncio.to_thread(assert_cancelled, endless, update.response_id)


async def test_a_closed_asyncio_stream_has_cancelled(endless: LocalLumnis, agent: MakeAgent) -> None:
    """When aclose returns, the service has been told."""
    stream = cast("AsyncGenerator[Any, None]", agent(endless).astream("Work."))
    await anext(stream)
    await stream.aclose()
    assert [run.status for run in await asyncio.to_thread(runs_on, endless)] == ["cancelled"]


@pytest.mark.parametrize("method", ["ainvoke", "abatch", "aresume", "astream"])
async def test_cancelling_a_task_cancels(endless: LocalLumnis, agent: MakeAgent, method: str) -> None:
    """A cancelled task stops the run it waits for, also one that it picked up."""
    working = asyncio.Event()
    ids: list[str] = []

    class Waiting(AsyncRecorder):
        async def on_custom_event(self, name: str, data: Any, **_: Any) -> None:
            if data["message"]:
                ids.append(data["response_id"])
                working.set()

    runnable = agent(endless)
    given: Any = {
        "ainvoke": "Work.",
        "abatch": ["Work."],
        "astream": "Work.",
        "aresume": (await runnable.astart("Work.")).response_id,
    }[method]

    async def work() -> None:
        working_on = getattr(runnable, method)(given, {"callbacks": [Waiting()]})
        if method == "astream":
            [item async for item in working_on]
        else:
            await working_on

    task = asyncio.ensure_future(work())
    await working.wait()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    await asyncio.to_thread(assert_cancelled, endless, ids[0])


def test_runs_may_be_left_going_on(endless: LocalLumnis, agent: MakeAgent) -> None:
    """With cancel_on_interrupt=False the run goes on."""
    stream = cast("Generator[Any, None, None]", agent(endless).stream("Work.", cancel_on_interrupt=False))
    next(stream)
    stream.close()
    assert [run.status for run in runs_on(endless)] == ["in_progress"]


# Copies


def test_copies_and_pickles_work_and_hold_no_connections(local: LocalLumnis, agent: MakeAgent) -> None:
    """A used runnable can be copied and pickled; the pickle and what is shown do not have the key."""
    runnable = agent(local, model="openai:gpt-4o")
    runnable.invoke(QUESTION)
    twin = copy.deepcopy(runnable)
    assert twin == runnable
    assert twin.invoke(QUESTION).output_text
    twin.close()
    pickled = pickle.dumps(runnable)
    assert local.api_key.encode() not in pickled
    assert pickle.loads(pickled).model_name == "openai:gpt-4o"
    assert local.api_key not in repr(runnable) + str(dumpd(runnable))


@pytest.mark.filterwarnings("ignore:.*in beta")
def test_a_saved_runnable_can_be_loaded(local: LocalLumnis, agent: MakeAgent, monkeypatch: pytest.MonkeyPatch) -> None:
    """LangChain saves everything but the key, which comes from the environment again."""
    monkeypatch.setenv("LUMNISAI_API_KEY", local.api_key)
    saved = dumpd(agent(local, agent_config={"coordinator_model_type": "SMART_MODEL"}))
    loaded = load(saved, allowed_objects=[LumnisRunnable], valid_namespaces=["lumnisai_integrations"])
    assert loaded.invoke(QUESTION).output_text
    assert loaded.agent_config == {"coordinator_model_type": "SMART_MODEL"}
    loaded.close()


def test_fields_can_be_configured(serve: Serve, agent: MakeAgent) -> None:
    """LangChain's configurable fields, bound keywords and schemas work."""
    service = serve(HistoryEngine())
    runnable = agent(service)
    thread_id = runnable.invoke("One.").thread_id
    configurable = runnable.configurable_fields(thread_id=ConfigurableField(id="talk"))
    assert (
        cast("ResponseObject", configurable.invoke("Two.", {"configurable": {"talk": thread_id}})).thread_id
        == thread_id
    )
    assert cast("ResponseObject", runnable.bind(thread_id=thread_id).invoke("Three.")).thread_id == thread_id
    assert "response_id" in runnable.get_output_jsonschema()["properties"]
    assert runnable.get_input_jsonschema()


def test_address_is_all_that_is_needed(local: LocalLumnis) -> None:
    """A runnable without a user serves any user of the config."""
    runnable = LumnisRunnable(**address(local))
    assert runnable.invoke(QUESTION, {"configurable": {"lumnis_user_id": "user-9"}}).output_text
    runnable.close()
