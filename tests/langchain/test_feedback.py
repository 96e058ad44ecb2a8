"""What a human says to an interrupt reaches the run that goes on meanwhile."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, TypedDict

import pytest
from langchain_core.runnables import RunnableConfig
from langgraph.checkpoint.memory import InMemorySaver
from langgraph.graph import START, StateGraph
from langgraph.types import Command, interrupt

from lumnisai_core import Client
from lumnisai_core.local import LocalLumnis, RunReport, RunRequest, RunResult
from lumnisai_integrations.langchain import errors
from tests.conftest import Serve
from tests.langchain.agents import MakeAgent, making_agents, runs_on
from tests.langchain.conftest import USER
from tests.servers import FeedbackEngine

TALK: Any = {"configurable": {"thread_id": "talk-1"}}
SAID = "Only the north coast."


class State(TypedDict, total=False):
    question: str
    response_id: str
    answer: str | None


class AskingEngine(FeedbackEngine):
    """Asks, waits until the test releases it, and answers with the feedback it got meanwhile."""

    async def run(self, request: RunRequest, report: RunReport) -> RunResult:
        report.progress("Which coast?", state="asking")
        return await super().run(request, report)


@pytest.fixture
def agent() -> Iterator[MakeAgent]:
    """Make runnables."""
    with making_agents() as make:
        yield make


@pytest.fixture
def engine() -> Iterator[AskingEngine]:
    """The engine behind the service; its runs end with the test."""
    made = AskingEngine()
    yield made
    made.release()


@pytest.fixture
def service(serve: Serve, engine: AskingEngine) -> LocalLumnis:
    """A service whose runs take feedback."""
    return serve(engine, poll="on-change")


def compiled(*nodes: Any) -> Any:
    builder = StateGraph(State)
    builder.add_sequence(list(nodes))
    builder.add_edge(START, nodes[0].__name__)
    return builder.compile(checkpointer=InMemorySaver())


def assert_one_run_that_heard(service: LocalLumnis, *said: str) -> None:
    (run,) = runs_on(service)
    assert run.status == "succeeded"
    assert run.output_text == " | ".join(said)
    with Client(service.api_key, base_url=service.base_url, user_id=USER) as client:
        heard = client.responses.list_feedback(run.response_id).feedback
    assert [(item.feedback_text, item.is_consumed) for item in heard] == [(text, True) for text in said]


def test_an_answer_to_an_interrupt_reaches_the_run(
    service: LocalLumnis, engine: AskingEngine, agent: MakeAgent
) -> None:
    """One node starts the run, the next asks and tells it, the last follows: there is one run, and it heard."""
    runnable = agent(service)

    def start(state: State) -> State:
        return {"response_id": runnable.start(state["question"]).response_id}

    def review(state: State) -> State:
        runnable.send_feedback(state["response_id"], interrupt("Anything to add?"))
        engine.release()
        return {}

    def follow(state: State) -> State:
        return {"answer": runnable.resume(state["response_id"]).output_text}

    graph = compiled(start, review, follow)
    asked = graph.invoke({"question": "When is high water?"}, TALK)
    assert [item.value for item in asked["__interrupt__"]] == ["Anything to add?"]
    assert all(not run.is_terminal for run in runs_on(service))
    assert graph.invoke(Command(resume=SAID), TALK)["answer"] == SAID
    assert_one_run_that_heard(service, SAID)


async def test_a_node_that_is_executed_again_keeps_its_run(
    service: LocalLumnis, engine: AskingEngine, agent: MakeAgent
) -> None:
    """A key from the node's own task makes one node enough, in asyncio too."""
    runnable = agent(service)

    async def work(state: State, config: RunnableConfig) -> State:
        key = config["configurable"]["checkpoint_ns"]
        started = await runnable.astart(state["question"], idempotency_key=key)
        await runnable.asend_feedback(started.response_id, interrupt("Anything to add?"), feedback_type="correction")
        engine.release()
        return {"answer": (await runnable.aresume(started.response_id)).output_text}

    graph = compiled(work)
    await graph.ainvoke({"question": "When is high water?"}, TALK)
    assert (await graph.ainvoke(Command(resume=SAID), TALK))["answer"] == SAID
    assert_one_run_that_heard(service, SAID)


def test_following_may_be_interrupted(service: LocalLumnis, engine: AskingEngine, agent: MakeAgent) -> None:
    """A node that is interrupted while it follows a run leaves it going on, if it says so, and follows it anew."""
    runnable = agent(service, cancel_on_interrupt=False)

    def start(state: State) -> State:
        return {"response_id": runnable.start(state["question"]).response_id}

    def follow(state: State) -> State:
        answer = None
        for item in runnable.stream({"response_id": state["response_id"]}):
            if getattr(item, "state", "") == "asking":
                runnable.send_feedback(state["response_id"], interrupt("Which coast?"))
                engine.release()
            answer = item.output_text
        return {"answer": answer}

    graph = compiled(start, follow)
    graph.invoke({"question": "When is high water?"}, TALK)
    assert graph.invoke(Command(resume=SAID), TALK)["answer"] == SAID
    assert_one_run_that_heard(service, SAID)


async def test_feedback_says_who_and_what(service: LocalLumnis, agent: MakeAgent) -> None:
    """The user is that of the call, the config or the field; the type goes along."""
    run = agent(service).start("When?")
    nobody = agent(service, user_id=None)
    by_config: Any = {"configurable": {"lumnis_user_id": USER}}
    agent(service).send_feedback(run.response_id, "Faster.", feedback_type="guidance")
    await nobody.asend_feedback(run.response_id, "Slower.", by_config)
    nobody.send_feedback(run.response_id, "Louder.", user_id=USER)
    with Client(service.api_key, base_url=service.base_url, user_id=USER) as client:
        heard = client.responses.list_feedback(run.response_id).feedback
    assert [item.feedback_text for item in heard] == ["Faster.", "Slower.", "Louder."]
    assert heard[0].feedback_type == "guidance"
    assert len({item.user_id for item in heard}) == 1
    with pytest.raises(errors.NotFoundError):
        agent(service, user_id="user-9").send_feedback(run.response_id, "Mine.")


async def test_feedback_that_cannot_be_taken_is_an_error(
    service: LocalLumnis, engine: AskingEngine, agent: MakeAgent
) -> None:
    """Empty feedback, an unknown run and a run that is over are told apart."""
    runnable = agent(service)
    run = runnable.start("When?")
    with pytest.raises(errors.ValidationError):
        runnable.send_feedback(run.response_id, "")
    with pytest.raises(errors.NotFoundError):
        await runnable.asend_feedback("00000000-0000-0000-0000-000000000000", "Faster.")
    engine.release()
    runnable.resume(run.response_id)
    with pytest.raises(errors.ConflictError):
        runnable.send_feedback(run.response_id, "Too late.")
    with pytest.raises(errors.ConflictError):
        await runnable.asend_feedback(run.response_id, "Too late.")
