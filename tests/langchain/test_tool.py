"""Agents as tools of other agents."""

from __future__ import annotations

import asyncio
import json
import pickle
from collections.abc import Iterator, Sequence
from typing import Any
from uuid import UUID

import pytest
from langchain.agents import create_agent
from langchain_core.language_models import GenericFakeChatModel
from langchain_core.messages import AIMessage, ToolMessage, messages_from_dict, messages_to_dict
from langchain_core.tools import ToolException
from langgraph.checkpoint.serde.jsonplus import JsonPlusSerializer
from langgraph.graph import START, MessagesState, StateGraph
from langgraph.prebuilt import ToolNode
from pydantic import ValidationError

from lumnisai_core import ResponseObject
from lumnisai_core.local import LocalLumnis, Script, Step
from lumnisai_integrations.langchain import errors
from lumnisai_integrations.langchain.lumnis.tool import LumnisTool
from tests.conftest import Serve
from tests.langchain.agents import MakeAgent, address, making_agents, runs_on
from tests.langchain.conftest import USER, AsyncRecorder, Connect, Recorder, assert_cancelled
from tests.servers import HistoryEngine

TASK = {"task": "Find the time of high water."}
SAID = ["Starting.", "Reading the tide tables.", "Starting."]
FAILING = Script(error=("agent_error", "No luck."))


@pytest.fixture
def agent() -> Iterator[MakeAgent]:
    """Make runnables."""
    with making_agents() as make:
        yield make


@pytest.fixture
def failing(serve: Serve) -> LocalLumnis:
    """A service whose runs fail."""
    return serve(FAILING)


class CallingModel(GenericFakeChatModel):
    """A model that asks for the tool and then answers."""

    def bind_tools(self, tools: Sequence[Any], **_: Any) -> Any:
        return self


def calling_model(name: str = "lumnis_agent") -> CallingModel:
    return CallingModel(messages=iter([AIMessage("", tool_calls=[called(name)]), AIMessage("Done.")]))


def called(name: str = "lumnis_agent", **args: Any) -> Any:
    return {"type": "tool_call", "name": name, "id": "call-1", "args": args or TASK}


async def test_a_tool_call_gives_answer_and_run(tides: LocalLumnis, agent: MakeAgent) -> None:
    """The content is the text, the artifact the whole run; without a call there is only the text."""
    tool = LumnisTool(runnable=agent(tides))
    for message in (tool.invoke(called()), await tool.ainvoke(called())):
        assert isinstance(message, ToolMessage)
        assert (message.content, message.status) == ("High at noon.", "success")
        assert ResponseObject.model_validate(message.artifact).response_title == "Tides"
    assert tool.invoke(TASK) == "High at noon."
    assert await tool.ainvoke(TASK) == "High at noon."
    assert LumnisTool(runnable=agent(tides), response_format="content").invoke(TASK) == "High at noon."


async def test_agents_use_the_tool(tides: LocalLumnis, agent: MakeAgent) -> None:
    """In create_agent the tool answers, and its progress comes in the custom stream."""
    tool = LumnisTool(runnable=agent(tides))
    question: Any = {"messages": [("user", "When is high water?")]}
    state = create_agent(calling_model(), tools=[tool]).invoke(question, {"recursion_limit": 8})
    result = state["messages"][-2]
    assert (result.content, type(result.artifact)) == ("High at noon.", dict)
    assert state["messages"][-1].content == "Done."
    graph = create_agent(calling_model(), tools=[tool])
    items: list[Any] = [item async for item in graph.astream(question, {"recursion_limit": 8}, stream_mode="custom")]
    assert [item["lumnis_progress"]["message"] for item in items if item["lumnis_progress"]["message"]] == SAID


async def test_callbacks_hear_progress(tides: LocalLumnis, agent: MakeAgent) -> None:
    """Each step reaches the callbacks of the tool once, from the agent's run inside the tool's."""

    class Family(Recorder):
        def on_tool_start(self, *_: Any, run_id: UUID, **__: Any) -> None:
            self.tool = run_id

        def on_chain_start(self, *_: Any, run_id: UUID, parent_run_id: UUID | None = None, **__: Any) -> None:
            self.child = (run_id, parent_run_id)

    tool = LumnisTool(runnable=agent(tides))
    recorder = Family()
    tool.invoke(called(), {"callbacks": [recorder]})
    assert recorder.messages == SAID
    assert recorder.child == (recorder.events[0][0], recorder.tool)
    awaited = AsyncRecorder()
    await tool.ainvoke(called(), {"callbacks": [awaited]})
    assert awaited.messages == SAID


def test_structured_answers_are_json(local: LocalLumnis, agent: MakeAgent) -> None:
    """A runnable with a response_format makes JSON of it; a text that is empty says so."""
    schema = {"title": "Tide", "type": "object", "properties": {"kind": {"const": "spring"}}, "required": ["kind"]}
    message = LumnisTool(runnable=agent(local, response_format=schema)).invoke(called())
    assert message.content == '{"kind": "spring"}'
    assert message.artifact["structured_response"] == {"kind": "spring"}


def test_an_empty_answer_has_a_text(serve: Serve, agent: MakeAgent) -> None:
    """Models do not get empty results, which some refuse."""
    assert LumnisTool(runnable=agent(serve(Script()))).invoke(TASK) == "The agent finished without a text."


def test_calls_are_conversations_of_their_own(serve: Serve, agent: MakeAgent) -> None:
    """The thread of the conversation around is not continued, the user is the same; an own thread goes on."""
    service = serve(HistoryEngine())
    runnable = agent(service)
    outer = runnable.invoke("Outer.")
    config: Any = {"configurable": {"lumnis_thread_id": outer.thread_id, "lumnis_user_id": USER}}
    tool = LumnisTool(runnable=agent(service, user_id=None))
    assert tool.invoke({"task": "Inner."}, config) == "1: Inner."
    assert len(runs_on(service)) == 2
    own = LumnisTool(runnable=agent(service, thread_id=outer.thread_id))
    assert own.invoke({"task": "Later."}) == "3: Outer. | 1: Outer. | Later."


# Errors


async def test_errors_are_raised_as_they_are(failing: LocalLumnis, agent: MakeAgent) -> None:
    """Without handling, the platform's errors come through with their run."""
    tool = LumnisTool(runnable=agent(failing))
    with pytest.raises(errors.RunFailedError, match="No luck") as caught:
        tool.invoke(called())
    assert caught.value.response is not None
    with pytest.raises(errors.RunFailedError):
        await tool.ainvoke(called())


async def test_errors_can_be_handled(failing: LocalLumnis, agent: MakeAgent) -> None:
    """With handle_tool_error the model is told; a function gets the error with its cause."""
    tool = LumnisTool(runnable=agent(failing), handle_tool_error=True)
    for message in (tool.invoke(called()), await tool.ainvoke(called())):
        assert message.status == "error"
        assert "No luck" in message.content

    def explain(error: ToolException) -> str:
        return type(error.__cause__).__name__

    explaining = LumnisTool(runnable=agent(failing), handle_tool_error=explain)
    assert explaining.invoke(called()).content == "RunFailedError"


def test_tool_nodes_handle_errors(failing: LocalLumnis, agent: MakeAgent) -> None:
    """A ToolNode that handles errors needs nothing of the tool."""
    builder = StateGraph(MessagesState)
    builder.add_node("tools", ToolNode([LumnisTool(runnable=agent(failing))], handle_tool_errors=True))
    builder.add_edge(START, "tools")
    asked: Any = {"messages": [AIMessage("", tool_calls=[called()])]}
    message = builder.compile().invoke(asked)["messages"][-1]
    assert (message.status, "No luck" in message.content) == ("error", True)


def test_bad_arguments_send_nothing(failing: LocalLumnis, agent: MakeAgent) -> None:
    """A call without a task is refused, and a model can be told."""
    with pytest.raises(ValidationError, match="task"):
        LumnisTool(runnable=agent(failing)).invoke({"task": ""})
    tolerant = LumnisTool(runnable=agent(failing), handle_validation_error=True)
    assert tolerant.invoke(called(job="?")).status == "error"
    assert runs_on(failing) == []


def test_a_tool_is_made_of_a_runnable_or_of_its_fields(local: LocalLumnis, agent: MakeAgent) -> None:
    """Fields make the runnable; what fits neither is named."""
    tool = LumnisTool(**address(local), user_id=USER, run_timeout=5, name="researcher", description="Researches.")
    assert (tool.name, tool.description, tool.runnable.run_timeout) == ("researcher", "Researches.", 5.0)
    assert list(tool.args) == ["task"]
    with pytest.raises(TypeError, match="user"):
        LumnisTool(**address(local), user="u")
    with pytest.raises(TypeError, match="Pass user_id to the runnable"):
        LumnisTool(runnable=agent(local), user_id="u")
    with pytest.raises(TypeError, match=r"runnable=LumnisRunnable\(response_format=\.\.\.\)"):
        LumnisTool(**address(local), response_format={"type": "object"})
    with pytest.raises(errors.ConfigurationError, match="LUMNISAI_API_KEY"):
        LumnisTool(base_url=local.base_url)


async def test_cancelling_the_call_cancels_the_run(endless: LocalLumnis, agent: MakeAgent) -> None:
    """A cancelled task stops the run, under an agent too."""
    working = asyncio.Event()
    ids: list[str] = []

    class Waiting(AsyncRecorder):
        async def on_custom_event(self, name: str, data: Any, **_: Any) -> None:
            if data["message"]:
                ids.append(data["response_id"])
                working.set()

    graph: Any = create_agent(calling_model(), tools=[LumnisTool(runnable=agent(endless))])
    asked = {"messages": [("user", "When is high water?")]}
    task = asyncio.ensure_future(graph.ainvoke(asked, {"callbacks": [Waiting()]}))
    await working.wait()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    await asyncio.to_thread(assert_cancelled, endless, ids[0])


@pytest.mark.filterwarnings("error")
def test_messages_survive_every_checkpoint(serve: Serve, connect: Connect) -> None:
    """What comes back from a serializer is equal to what was stored, and no warning says that a type is unknown."""
    script = Script(steps=[Step("Looking.")], output_text="High at noon.", artifacts=[{"uri": "s3://a", "name": "a"}])
    service = serve(script)
    with making_agents() as make:
        result = LumnisTool(runnable=make(service)).invoke({"type": "tool_call", "name": "t", "id": "1", "args": TASK})
    for model in (connect(service), connect(service, output_version="v1")):
        answer = model.invoke("When?")
        serializer = JsonPlusSerializer(allowed_msgpack_modules=None)
        for message in (result, answer):
            for stored in (
                serializer.loads_typed(serializer.dumps_typed(message)),
                pickle.loads(pickle.dumps(message)),
                messages_from_dict(json.loads(json.dumps(messages_to_dict([message]))))[0],
            ):
                assert stored == message
    assert ResponseObject.model_validate(result.artifact).output_text == "High at noon."
