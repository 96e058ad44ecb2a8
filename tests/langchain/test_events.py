"""The content-block protocol: events from news of a run, and from the chat model over real sockets."""

from __future__ import annotations

import asyncio
import gc
import json
from collections.abc import Iterable, Iterator
from typing import Any, cast

import pytest
from langchain.agents import create_agent
from langchain_core.language_models.chat_model_stream import ChatModelStream
from langchain_core.messages import AIMessage, AIMessageChunk
from langchain_core.prompts import ChatPromptTemplate
from langchain_core.tools import tool
from langgraph.graph import START, MessagesState, StateGraph

from lumnisai_core import Artifact, ProgressEntry, ResponseObject, RunUpdate, ToolCall
from lumnisai_core.local import LocalLumnis, RunReport, RunRequest, RunResult, Script, ScriptedEngine, Step
from lumnisai_core.tools import StructuredOutputError, Tool, ToolOffer
from lumnisai_integrations.langchain import ChatLumnis
from lumnisai_integrations.langchain.errors import RunFailedError
from lumnisai_integrations.langchain.lumnis.blocks import message_blocks
from lumnisai_integrations.langchain.lumnis.convert import convert_out
from lumnisai_integrations.langchain.lumnis.streaming import StreamWriter
from tests.conftest import Serve
from tests.langchain.conftest import Connect, Recorder, assert_cancelled

# The framework calls this whole interface a beta version.
pytestmark = pytest.mark.filterwarnings("ignore::langchain_core._api.beta_decorator.LangChainBetaWarning")

SEARCH: dict[str, Any] = {"name": "web_search", "args": {"query": "tides"}, "output_text": "3 hits"}
DOCUMENT: dict[str, Any] = {"artifactId": "a1", "name": "tides.md", "parts": [{"kind": "text", "text": "# Tides"}]}
TYPES = ["reasoning", "server_tool_call", "server_tool_result", "reasoning", "text", "non_standard"]


def finished(**fields: Any) -> RunUpdate:
    response = ResponseObject(**{"response_id": "r1", "thread_id": "t1", "status": "succeeded", **fields})
    return RunUpdate("r1", "t1", str(response.status), "completed", response=response)


def written(*news: RunUpdate, **writing: Any) -> list[dict[str, Any]]:
    writer = StreamWriter(**writing)
    return [cast("dict[str, Any]", event) for update in news for event in writer.events(update)]


def whole_run() -> list[RunUpdate]:
    search = ToolCall.model_validate(SEARCH)
    steps = [
        ProgressEntry(message="One."),
        ProgressEntry(message="Two.", tool_calls=[search]),
        ProgressEntry(message="3."),
    ]
    news = [
        RunUpdate("r1", "t1", "in_progress", "", message=step.message, tool_calls=step.tool_calls, entry_index=index)
        for index, step in enumerate(steps)
    ]
    queued = RunUpdate("r1", "t1", "queued", "queued")
    documents = [Artifact.model_validate(DOCUMENT)]
    return [queued, *news, finished(progress=steps, output_text="Noon.", artifacts=documents, response_title="Tides")]


def assert_well_formed(events: Iterable[Any]) -> None:
    """One start first, one finish last; blocks 0, 1, 2... each opened, fed and closed; deltas sum to the content."""
    first, *middle, last = events
    assert (first["event"], last["event"]) == ("message-start", "message-finish")
    starts = [event for event in middle if event["event"] == "content-block-start"]
    assert [event["index"] for event in starts] == list(range(len(starts)))
    for index in range(len(starts)):
        start, *deltas, finish = [event for event in middle if event["index"] == index]
        assert (start["event"], finish["event"]) == ("content-block-start", "content-block-finish")
        assert all(event["event"] == "content-block-delta" for event in deltas)
        assert _total(start["content"], deltas) in (None, _content(finish["content"]))


def _total(start: dict[str, Any], deltas: list[dict[str, Any]]) -> Any:
    keys = {"text": "text", "reasoning": "reasoning", "tool_call_chunk": "args"}
    key = keys.get(start["type"])
    if key is None:
        assert deltas == []
        return None
    return start[key] + "".join(event["delta"][key] for event in deltas)


def _content(block: dict[str, Any]) -> str:
    said = block.get("text", block.get("reasoning", block.get("args")))
    return said if isinstance(said, str) else json.dumps(said, ensure_ascii=False)


def test_a_run_becomes_events() -> None:
    """Progress, answer and documents are blocks in order; the first event names the model, the last one the run."""
    events = written(*whole_run(), model_name="openai:gpt-4o")
    assert_well_formed(events)
    metadata = {"provider": "lumnis", "model": "openai:gpt-4o"}
    assert events[0] == {"event": "message-start", "role": "ai", "id": "r1", "metadata": metadata}
    contents = [event["content"] for event in events if event["event"] == "content-block-finish"]
    assert [content["type"] for content in contents] == TYPES
    assert [content["reasoning"] for content in contents if "reasoning" in content] == ["One.\nTwo.\n", "3.\n"]
    deltas = [event["delta"] for event in events if event["event"] == "content-block-delta"]
    assert [delta["type"] for delta in deltas] == ["reasoning-delta"] * 3 + ["text-delta"]
    facts = events[-1]["metadata"]
    assert facts == {
        "model_provider": "lumnis",
        "model_name": "openai:gpt-4o",
        "response_id": "r1",
        "thread_id": "t1",
        "status": "succeeded",
        "response_title": "Tides",
    }
    assert "usage" not in events[-1]


def test_large_contents_come_once() -> None:
    """The start of a block names it without arguments, output and value, which its finish brings."""
    events = written(*whole_run())
    first = [event["content"] for event in events if event["event"] == "content-block-start"]
    last = [event["content"] for event in events if event["event"] == "content-block-finish"]
    assert first[1] == {"type": "server_tool_call", "id": "call_r1_1_0", "name": "web_search", "args": {}}
    assert first[2] == {"type": "server_tool_result", "tool_call_id": "call_r1_1_0", "status": "success"}
    assert first[5] == {"type": "non_standard", "id": "a1", "value": {}}
    assert (last[1]["args"], last[2]["output"]) == ({"query": "tides"}, "3 hits")
    assert last[5]["value"]["artifact"]["name"] == "tides.md"


def test_events_add_up_to_the_message() -> None:
    """The framework makes of the events the message that the whole run becomes."""
    news = whole_run()
    stream = ChatModelStream()
    for event in written(*news):
        stream.dispatch(event)
    message, response = stream.output, news[-1].response
    assert response is not None
    expected = convert_out(response)
    assert without_index(message.content_blocks) == message_blocks(response, "Noon.")
    assert (message.id, message.text, message.usage_metadata) == ("r1", "Noon.", None)
    assert message.response_metadata == {**expected.response_metadata, "output_version": "v1"}
    assert message.additional_kwargs["lumnis_progress"] == expected.additional_kwargs["lumnis_progress"]


def without_index(blocks: Iterable[Any]) -> list[dict[str, Any]]:
    return [{name: value for name, value in block.items() if name != "index"} for block in blocks]


@pytest.mark.parametrize(
    ("writing", "fields", "text"),
    [
        ({"stop": ["oon"]}, {"output_text": "Noon."}, "N"),
        ({"structured": True}, {"output_text": "x", "structured_response": {"city": "Köln"}}, '{"city": "Köln"}'),
        ({}, {"output_text": ""}, None),
        ({}, {}, None),
    ],
)
def test_the_answer_is_that_of_invoke(writing: dict[str, Any], fields: dict[str, Any], text: str | None) -> None:
    """Stop texts and objects count as elsewhere, in one delta; without an answer there is no block of text."""
    events = written(finished(**fields), **writing)
    assert_well_formed(events)
    said = [event["delta"]["text"] for event in events if event["event"] == "content-block-delta"]
    assert said == ([] if text is None else [text])


OFFER = ToolOffer(tools=(Tool("add"), Tool("sub")))


def test_calls_of_the_callers_tools_are_tool_calls() -> None:
    """A call opens as a chunk, has its arguments as a delta and ends parsed, or invalid with the reason."""
    calls = [{"name": "add", "args": {"x": "数"}}, {"name": "sub", "args": {}}, {"name": "sub", "args": [1]}]
    events = written(finished(structured_response={"tool_calls": calls}), offer=OFFER)
    assert_well_formed(events)
    first = [event for event in events if event.get("index") == 0]
    call_id = first[0]["content"]["id"]
    assert [event.get("content", event.get("delta")) for event in first] == [
        {"type": "tool_call_chunk", "id": call_id, "name": "add", "args": "", "index": 0},
        {"type": "tool-call-delta", "args": '{"x": "数"}'},
        {"type": "tool_call", "id": call_id, "name": "add", "args": {"x": "数"}},
    ]
    stream = ChatModelStream()
    for event in events:
        stream.dispatch(event)
    assert [call["args"] for call in stream.output.tool_calls] == [{"x": "数"}, {}]
    (invalid,) = stream.output.invalid_tool_calls
    assert (invalid["name"], invalid["args"]) == ("sub", "[1]")
    assert "[1]" in (invalid["error"] or "")


def test_an_unusable_reply_is_an_error() -> None:
    """A run that returns neither calls nor an answer has no finish, but an error."""
    with pytest.raises(StructuredOutputError):
        written(finished(structured_response={"odd": 1}), offer=OFFER)


@pytest.mark.parametrize("status", ["failed", "cancelled"])
def test_a_run_that_did_not_succeed_has_no_finish(status: str) -> None:
    """What it showed stays shown; its end has no event, because its stream raises."""
    news = whole_run()
    events = written(*news[:2], finished(status=status, output_text="Half."))
    assert [event["event"] for event in events] == ["message-start", "content-block-start", "content-block-delta"]
    assert written(finished(status=status)) == []


# Over real sockets


@pytest.fixture(scope="module")
def rich() -> Iterator[LocalLumnis]:
    """A service whose runs report steps and a tool call, answer, and leave a document."""
    steps = [Step("One."), Step("Two.", tool_calls=[SEARCH]), Step("Three.")]
    script = Script(steps=steps, output_text="High at noon.", artifacts=[DOCUMENT], title="Tides")
    with LocalLumnis(engine=ScriptedEngine(script), poll="on-change") as service:
        yield service


def block_types(events: Iterable[Any]) -> list[str]:
    return [event["content"]["type"] for event in events if event["event"] == "content-block-finish"]


async def test_the_model_writes_events_itself(rich: LocalLumnis, connect: Connect) -> None:
    """Blocking and with asyncio the events come from the run, not from chunks, which know no server tool calls."""
    model = connect(rich)
    stream = model.stream_events("When?", version="v3")
    events = list(stream)
    assert_well_formed(events)
    assert block_types(events) == TYPES
    assert (str(stream.text), str(stream.reasoning)) == ("High at noon.", "One.\nTwo.\nThree.\n")

    async with await model.astream_events("When?", version="v3") as again:
        same = [event async for event in again]
        message = await again.output
    assert_well_formed(same)
    assert block_types(same) == TYPES
    ids = {message.id, message.response_metadata["response_id"], same[0]["id"]}
    assert len(ids) == 1
    assert "".join([text async for text in again.text]) == "High at noon."


def test_the_stream_ends_with_the_message_of_invoke(rich: LocalLumnis, connect: Connect) -> None:
    """Text, metadata and progress are those that invoke gives."""
    model = connect(rich)
    streamed, invoked = model.stream_events("When?", version="v3").output, model.invoke("When?")
    assert streamed.text == invoked.text
    own = ("response_id", "thread_id", "output_version")
    assert [
        {name: value for name, value in message.response_metadata.items() if name not in own}
        for message in (streamed, invoked)
    ] == [
        {"model_provider": "lumnis", "model_name": "lumnis", "status": "succeeded", "response_title": "Tides"},
    ] * 2
    said = [
        [entry["message"] for entry in message.additional_kwargs["lumnis_progress"]] for message in (streamed, invoked)
    ]
    assert said[0] == said[1] == ["One.", "Two.", "Three."]


def test_bound_models_write_events(rich: LocalLumnis, connect: Connect) -> None:
    """What is bound counts, and the tracer's keywords are not sent."""
    bound = connect(rich).bind(stop=["noon"], ls_structured_output_format={"kwargs": {}, "schema": {}})
    assert bound.stream_events("When?", version="v3").output.text == "High at "


def test_progress_events_go_on(rich: LocalLumnis, connect: Connect) -> None:
    """Custom events fire as well, under the model run's own id."""
    recorder = Recorder()
    connect(rich).stream_events("When?", {"callbacks": [recorder]}, version="v3").output  # noqa: B018 - it waits
    assert recorder.messages == ["One.", "Two.", "Three."]
    assert {run_id for run_id, _ in recorder.events} == set(recorder.model_runs)


async def test_version_2_streams_chunks(rich: LocalLumnis, connect: Connect) -> None:
    """The older event stream has the model's chunks: progress as reasoning, then the answer, then the whole."""
    events = [event async for event in connect(rich).astream_events("When?", version="v2")]
    names = [event["event"] for event in events]
    assert (names[0], names[-1]) == ("on_chat_model_start", "on_chat_model_end")
    chunks = [event["data"]["chunk"] for event in events if event["event"] == "on_chat_model_stream"]
    assert all(isinstance(chunk, AIMessageChunk) for chunk in chunks)
    assert [chunk.text for chunk in chunks if chunk.text] == ["High at noon."]
    assert "".join(chunk.additional_kwargs.get("reasoning_content", "") for chunk in chunks).startswith("One.\nTwo.\n")
    assert events[-1]["data"]["output"].text == "High at noon."


def graph_of(model: ChatLumnis) -> Any:
    chain = ChatPromptTemplate.from_messages([("system", "Be brief."), ("placeholder", "{messages}")]) | model

    def answer(state: MessagesState) -> dict[str, Any]:
        return {"messages": [chain.invoke({"messages": state["messages"]})]}

    return StateGraph(MessagesState).add_node("answer", answer).add_edge(START, "answer").compile()


QUESTION: Any = {"messages": [("user", "When?")]}


def test_a_chain_in_a_graph_writes_events(rich: LocalLumnis, connect: Connect) -> None:
    """The stream of a graph shows one message with the model's own blocks, also from a chain in a node."""
    run = graph_of(connect(rich)).stream_events(QUESTION, version="v3")
    (events,) = [list(message) for message in run.messages]
    assert_well_formed(events)
    assert block_types(events) == TYPES
    assert [message.type for message in run.output["messages"]] == ["human", "ai"]


@tool
def depth(port: str) -> str:
    """Tell the depth of a port."""
    return f"{port}: 4 m"


async def test_an_agent_runs_only_its_own_tools(serve: Serve, connect: Connect) -> None:
    """An agent runs the calls it is asked for, not those that the service made, and answers from blocks."""
    call = {"name": "depth", "args": {"port": "Köln"}}
    scripts = [
        Script(steps=[Step("Looking.", tool_calls=[SEARCH])], structured_response={"tool_calls": [call]}),
        Script(structured_response={"content": "It is 4 m deep."}),
    ]
    agent = create_agent(connect(serve(scripts, poll="on-change")), [depth])
    run = await agent.astream_events(QUESTION, {"recursion_limit": 8}, version="v3")
    kinds = [block_types([event async for event in message]) async for message in run.messages]
    assert kinds == [["reasoning", "server_tool_call", "server_tool_result", "tool_call"], ["text"]]
    result = await run.output()
    assert result is not None
    _, asked, depths, answer = result["messages"]
    assert [made["name"] for made in asked.tool_calls] == ["depth"]
    assert (depths.content, answer.text) == ("Köln: 4 m", "It is 4 m deep.")


class Requests:
    """Remembers what it was asked."""

    def __init__(self) -> None:
        self.seen: list[RunRequest] = []

    async def run(self, request: RunRequest, report: RunReport) -> RunResult:
        self.seen.append(request)
        return RunResult("Yes.")


async def test_config_names_thread_and_user(serve: Serve, connect: Connect) -> None:
    """lumnis_thread_id and lumnis_user_id of a config reach every event stream; a keyword of the call wins."""
    requests = Requests()
    model = connect(serve(requests), user_id=None)
    config: Any = {"configurable": {"lumnis_user_id": "ann"}}
    thread = model.stream_events("one", config, version="v3").output.response_metadata["thread_id"]
    config["configurable"]["lumnis_thread_id"] = thread
    model.stream_events("two", config, version="v3").output  # noqa: B018 - it waits
    await (await model.astream_events("three", config, version="v3"))
    [event async for event in model.astream_events("four", config, version="v2")]
    bound = model.bind(options={"team": "sea"})
    bound.stream_events("five", config, version="v3").output  # noqa: B018 - it waits
    graph_of(model).stream_events({"messages": [("user", "six")]}, config, version="v3").output  # noqa: B018
    assert [request.thread_id for request in requests.seen] == [thread] * 6
    assert len({request.user_id for request in requests.seen}) == 1
    fresh = model.stream_events("seven", config, version="v3", thread_id=None).output
    assert fresh.response_metadata["thread_id"] != thread


async def test_a_failed_run_raises(serve: Serve, connect: Connect) -> None:
    """The stream shows what came and then raises, and callbacks hear of the error."""
    model = connect(serve(Script(steps=[Step("Trying.")], error=("NO", "It broke.")), poll="on-change"))
    recorder = Recorder()
    events: list[Any] = []
    with pytest.raises(RunFailedError, match="It broke"):
        events.extend(model.stream_events("Go.", {"callbacks": [recorder]}, version="v3"))
    assert [event["event"] for event in events] == ["message-start", "content-block-start", "content-block-delta"]
    assert isinstance(recorder.errors[0], RunFailedError)
    with pytest.raises(RunFailedError, match="It broke"):
        await (await model.astream_events("Go.", version="v3"))


def test_dropping_a_stream_cancels(endless: LocalLumnis, connect: Connect) -> None:
    """A blocking event stream has no close: the run is stopped when the stream is collected."""
    stream = connect(endless, progress_interval=0.1).stream_events("Work.", version="v3")
    assert next(iter(stream.reasoning)) == "Working.\n"
    response_id = stream.message_id or ""
    del stream
    gc.collect()
    assert_cancelled(endless, response_id)


async def test_leaving_an_asyncio_stream_cancels(endless: LocalLumnis, connect: Connect) -> None:
    """Leaving the block of an asyncio event stream stops the run."""
    async with await connect(endless, progress_interval=0.1).astream_events("Work.", version="v3") as stream:
        assert await anext(aiter(stream.reasoning)) == "Working.\n"
    await asyncio.to_thread(assert_cancelled, endless, stream.message_id or "")


async def test_cancelling_a_task_in_a_graph_cancels(endless: LocalLumnis, connect: Connect) -> None:
    """A graph that is left stops the run of its node."""
    model = connect(endless, progress_interval=0.1)

    async def answer(state: MessagesState) -> dict[str, list[AIMessage]]:
        return {"messages": [await model.ainvoke(state["messages"])]}

    graph = StateGraph(MessagesState).add_node("answer", answer).add_edge(START, "answer").compile()
    async with await graph.astream_events(QUESTION, version="v3") as run:
        message = await anext(aiter(run.messages))
        assert await anext(aiter(message.reasoning)) == "Working.\n"
    await asyncio.to_thread(assert_cancelled, endless, message.message_id or "")
