"""Spans and events of LlamaIndex as events of Lucidic: completeness, parents, streams, errors, how much is recorded."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import nullcontext
from typing import Any

import pytest
from langchain_core.runnables import Runnable, RunnableLambda
from llama_index.core import Settings, VectorStoreIndex
from llama_index.core.agent.workflow import FunctionAgent
from llama_index.core.base.llms.types import (
    ChatMessage,
    ChatResponse,
    ChatResponseGen,
    MessageRole,
    TextBlock,
    ToolCallBlock,
)
from llama_index.core.embeddings import MockEmbedding
from llama_index.core.llms import MockLLM
from llama_index.core.llms.callbacks import llm_chat_callback
from llama_index.core.llms.mock import MockFunctionCallingLLM
from llama_index.core.node_parser import TokenTextSplitter
from llama_index.core.query_engine import BaseQueryEngine
from llama_index.core.schema import TextNode
from llama_index.core.tools import FunctionTool
from llama_index_instrumentation import get_dispatcher
from llama_index_instrumentation.base import BaseEvent
from llama_index_instrumentation.dispatcher import instrument_tags

import lumnisai_core.lucidic as lai
from lumnisai_core.exceptions import ValidationError
from lumnisai_core.local import Script, Step
from lumnisai_integrations.langchain import LucidicCallbackHandler
from lumnisai_integrations.llama_index import LucidicHandler, LumnisLLM
from tests.llama_index.conftest import Stage
from tests.shared.events import Recorded, Tree, name_of, recorded

#: The agents of llama-index-core themselves use what pydantic and the workflows package deprecate.
pytestmark = [
    pytest.mark.filterwarnings("ignore::pydantic.warnings.PydanticDeprecationWarning"),
    pytest.mark.filterwarnings("ignore:is_running called from within a step:DeprecationWarning"),
]

dispatcher = get_dispatcher("tests.llama_index.lucidic")


@pytest.fixture(autouse=True)
def _offline_splitter(monkeypatch: pytest.MonkeyPatch) -> None:
    """The default splitter wants to download data."""
    monkeypatch.setattr(Settings, "_node_parser", TokenTextSplitter())


@pytest.fixture(scope="module")
def index() -> VectorStoreIndex:
    """An index of one document."""
    node = TextNode(text="Order 118 is on its way.", id_="doc-1", metadata={"source": "orders"})
    return VectorStoreIndex([node], embed_model=MockEmbedding(8))


@pytest.fixture
def arrived() -> Iterator[Recorded]:
    """What a handler of all spans sends during the test."""
    with recorded() as events, LucidicHandler():
        yield events


def engine(index: VectorStoreIndex, **options: Any) -> BaseQueryEngine:
    """Return a query engine over the index."""
    return index.as_query_engine(llm=MockLLM(max_tokens=3), **options)


def reply(messages: Sequence[ChatMessage], **_: Any) -> ChatMessage:
    """Call a tool, then answer."""
    if messages[-1].role is MessageRole.TOOL:
        return ChatMessage(role="assistant", blocks=[TextBlock(text="It is on its way.")])
    block = ToolCallBlock(tool_call_id="call-1", tool_name="look_up", tool_kwargs={"question": "order 118"})
    return ChatMessage(role="assistant", blocks=[block])


class Counting(MockFunctionCallingLLM):
    """Reports usage as a provider does."""

    @llm_chat_callback()
    async def achat(self, messages: Sequence[ChatMessage], **kwargs: Any) -> ChatResponse:
        usage = {"prompt_tokens": 31, "completion_tokens": 12, "prompt_tokens_details": {"cached_tokens": 7}}
        raw = {"usage": usage, "model": "desk-1", "choices": [{"finish_reason": "stop"}]}
        return ChatResponse(message=reply(messages), raw=raw)


def names(tree: Tree, wanted: set[str]) -> list[Tree]:
    """Return a tree with nothing but the wanted names, each below the nearest wanted one above it."""
    name, children = tree
    kind, _, method = name.rpartition(".")
    name = f"{kind}.{method[1:]}" if method.startswith("a") else name  # of the asyncio twins
    below = [one for child in children for one in names(child, wanted)]
    if [one for one, _ in below] == [name]:
        return below  # a method that calls its twin
    return [(name, below)] if name in wanted else below


#: What happens in a query, without the methods that call each other inside of a class.
QUERY: Tree = (
    "RetrieverQueryEngine.query",
    [
        ("VectorIndexRetriever.retrieve", [("MockEmbedding.get_query_embedding", [])]),
        ("CompactAndRefine.synthesize", [("unknown", [])]),  # the model of MockLLM has no name
    ],
)
WANTED = {
    "RetrieverQueryEngine.query",
    "VectorIndexRetriever.retrieve",
    "MockEmbedding.get_query_embedding",
    "CompactAndRefine.synthesize",
    "unknown",
}


async def by_query(queried: BaseQueryEngine) -> None:
    queried.query("Where is order 118?")


async def by_aquery(queried: BaseQueryEngine) -> None:
    await queried.aquery("Where is order 118?")


async def by_thread(queried: BaseQueryEngine) -> None:
    with ThreadPoolExecutor(1) as pool:
        pool.submit(queried.query, "Where is order 118?").result()


@pytest.mark.parametrize("way", [by_query, by_aquery, by_thread])
async def test_a_query_engine_arrives_complete(
    index: VectorStoreIndex, arrived: Recorded, way: Callable[[BaseQueryEngine], Any]
) -> None:
    """Retriever, embedding, synthesizer and model, with the right parents."""
    await way(engine(index))
    assert [one for tree in arrived.trees() for one in names(tree, WANTED)] == [QUERY]


def once(tree: Tree) -> Tree:
    """Return a tree without repetitions: LlamaIndex before 0.14.25 calls the model twice for an asynchronous stream."""
    name, below = tree
    children = [once(child) for child in below]
    return name, [child for place, child in enumerate(children) if child not in children[:place]]


async def test_a_streamed_answer_belongs_to_its_query(index: VectorStoreIndex, arrived: Recorded) -> None:
    """Although the model is called when the stream is read, after the query has returned, and read elsewhere."""
    answer: Any = engine(index, streaming=True).query("Where is order 118?")
    with ThreadPoolExecutor(1) as pool:
        assert pool.submit("".join, answer.response_gen).result() == "text text text"
    answer = await engine(index, streaming=True).aquery("Where is order 118?")
    assert "".join([piece async for piece in answer.response_gen]) == "text text text"
    trees = arrived.trees()
    assert [once(one) for tree in trees for one in names(tree, WANTED)] == [QUERY, QUERY]
    assert len(trees) == 2
    models = [event["payload"] for event in arrived.events() if event["type"] == "llm_generation"]
    assert all(payload["response"]["output"].startswith("text text") for payload in models)
    assert all(payload["misc"]["time_to_first_token"] >= 0 for payload in models)


async def test_queries_at_the_same_time_do_not_mix(index: VectorStoreIndex, arrived: Recorded) -> None:
    """One handler serves all of a process: tasks and threads."""
    queried = engine(index)
    with ThreadPoolExecutor(4) as pool:
        list(pool.map(queried.query, ["?"] * 4))
    await asyncio.gather(*(queried.aquery("?") for _ in range(4)))
    assert [one for tree in arrived.trees() for one in names(tree, WANTED)] == [QUERY] * 8


def test_nodes_are_documents(index: VectorStoreIndex, arrived: Recorded) -> None:
    """With text, metadata and score; vectors are left out."""
    engine(index).query("Where is order 118?")
    (node,) = arrived.payload("VectorIndexRetriever.retrieve")["return_value"]
    assert node["content"] == "Order 118 is on its way."
    assert node["metadata"] == {"source": "orders"}
    assert isinstance(node["score"], float)
    assert arrived.payload("MockEmbedding.get_query_embedding")["return_value"] == "<8 numbers>"


async def test_an_agent_with_a_tool_and_a_retriever(index: VectorStoreIndex, arrived: Recorded) -> None:
    """Structured tool calls, roles, usage, arguments and results; steps of the workflow around them."""

    def look_up(question: str) -> str:
        """Look up an order."""
        return index.as_retriever().retrieve(question)[0].text

    agent = FunctionAgent(tools=[look_up], llm=Counting(), system_prompt="Be brief.", streaming=False)
    await agent.run("Where is order 118?")
    events = arrived.events()
    first, second = (event["payload"] for event in events if event["type"] == "llm_generation")
    call = {"id": "call-1", "type": "function", "name": "look_up", "arguments": {"question": "order 118"}}
    assert first["request"]["messages"] == [
        {"role": "system", "content": "Be brief."},
        {"role": "user", "content": "Where is order 118?"},
    ]
    assert first["response"] == {"output": "", "tool_calls": [call]}
    assert first["usage"] == {"input_tokens": 31, "output_tokens": 12, "cache": {"read_input_tokens": 7}}
    assert (first["request"]["model"], first["status"]) == ("desk-1", "ok")
    assert first["misc"]["finish_reason"] == "stop"
    assert second["request"]["messages"][2:] == [
        {"role": "assistant", "content": "", "tool_calls": [call]},
        {"role": "tool", "content": "Order 118 is on its way.", "tool_call_id": "call-1"},
    ]
    used = arrived.payload("look_up")
    assert (used["arguments"], used["return_value"]) == ({"question": "order 118"}, "Order 118 is on its way.")
    (tree,) = arrived.trees()
    wanted = {"FunctionAgent.run", "desk-1", "look_up", "VectorIndexRetriever.retrieve"}
    below: list[Tree] = [("desk-1", []), ("look_up", [("VectorIndexRetriever.retrieve", [])]), ("desk-1", [])]
    assert names(tree, wanted) == [("FunctionAgent.run", below)]


def test_a_tool_by_itself(arrived: Recorded) -> None:
    """Under its own name."""
    FunctionTool.from_defaults(lambda number: number * 2, name="double").call(number=21)
    payload = arrived.payload("double")
    assert (payload["arguments"], payload["return_value"]) == ({"number": 21}, 42)


@lai.event()
def inner(number: int) -> int:
    """Return what the tool returns."""
    return number * 2


@pytest.mark.parametrize("around", [False, True])
async def test_a_decorated_function_in_a_tool_is_a_child_of_the_tool(arrived: Recorded, around: bool) -> None:
    """Also if the tool is called inside of an event, and by its asyncio twin."""
    double = FunctionTool.from_defaults(inner, name="double")
    with lai.start_event("generic", name="around") if around else nullcontext():
        double.call(number=21)
        await double.acall(number=21)
    tools: list[Tree] = [("double", [("inner", [])])] * 2
    found = arrived.trees()
    assert found == ([("around", tools)] if around else tools)


def test_a_chain_and_a_query_in_each_other_are_one_tree(index: VectorStoreIndex, arrived: Recorded) -> None:
    """Runs of one framework are children of the run of the other one that called them."""
    chain: Runnable[str, str] = RunnableLambda(lambda question: str(engine(index).query(question)))
    chain.invoke("Where is order 118?", {"callbacks": [LucidicCallbackHandler()]})
    ((name, (query,)),) = arrived.trees()
    assert name == "RunnableLambda"
    assert names(query, WANTED) == [QUERY]


# Errors and early ends


class Broken(MockLLM):
    """Fails, at once or in the middle of a stream."""

    def complete(self, *_: Any, **__: Any) -> Any:
        raise ValueError("The model is broken.")

    @llm_chat_callback()
    def stream_chat(self, messages: Sequence[ChatMessage], **kwargs: Any) -> ChatResponseGen:
        def pieces() -> ChatResponseGen:
            yield ChatResponse(message=ChatMessage(role="assistant", content="It"), delta="It")
            raise ValueError("The line is broken.")

        return pieces()


def test_an_error_is_recorded_on_its_way_out(arrived: Recorded) -> None:
    """With one traceback, at the innermost span."""
    with pytest.raises(ValueError, match="The model is broken"):
        Broken(max_tokens=1).chat([ChatMessage("?")])
    events = arrived.events()
    assert [event["type"] for event in events].count("error_traceback") == 1
    failed = [event["payload"] for event in events if event["type"] != "error_traceback"]
    assert {payload["error"] for payload in failed} == {"ValueError: The model is broken."}


def test_an_error_in_a_stream_ends_its_event(arrived: Recorded) -> None:
    """Although its span has ended before."""
    with pytest.raises(ValueError, match="The line is broken"):
        list(Broken(max_tokens=1).stream_chat([ChatMessage("?")]))
    payload = arrived.payload("unknown")
    assert (payload["status"], payload["error"]) == ("error", "ValueError: The line is broken.")


def test_a_stream_that_is_left_ends_its_event(arrived: Recorded) -> None:
    """As cancelled."""
    stream = MockLLM(max_tokens=5).stream_complete("?")
    next(stream)
    stream.close()
    assert arrived.payload("unknown")["status"] == "cancelled"


async def test_a_cancelled_task_ends_its_events(arrived: Recorded) -> None:
    """As cancelled, without a traceback."""
    entered = asyncio.Event()

    @dispatcher.span
    async def endless() -> None:
        entered.set()
        await asyncio.Event().wait()

    task = asyncio.create_task(endless())
    await entered.wait()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    (event,) = arrived.events()
    assert event["payload"]["misc"]["status"] == "cancelled"


def test_what_is_open_at_the_end_is_recorded_as_unfinished() -> None:
    """Nothing is lost when a handler is removed in the middle of a stream."""
    with recorded() as arrived:
        with LucidicHandler():
            stream = MockLLM(max_tokens=5).stream_complete("?")
            next(stream)
        assert arrived.payload("unknown")["status"] == "unfinished"
        stream.close()
        assert len(arrived.events()) == 1


# Progress, events of the program's own, parents


async def test_a_run_of_lumnis_shows_its_progress_as_children(
    make: Callable[..., LumnisLLM], stage: Stage, arrived: Recorded
) -> None:
    """Steps with their messages, and the tools that the agent used on the service."""
    search = {"name": "web_search", "args": {"query": "tides"}}
    stage.play(Script(steps=[Step("Starting."), Step("Reading.", tool_calls=[search])], output_text="At noon."))
    await make(progress_interval=0.05).achat([ChatMessage("When is high tide?")])
    steps = [event for event in arrived.events() if event["payload"].get("name") == "LumnisProgressEvent"]
    model = next(event for event in arrived.events() if event["type"] == "llm_generation")
    assert {"Starting.", "Reading."} <= {event["payload"]["details"]["message"] for event in steps}
    assert {event["client_parent_event_id"] for event in steps} == {model["client_event_id"]}
    assert arrived.event("web_search")["client_parent_event_id"] in {event["client_event_id"] for event in steps}
    assert model["payload"]["response"]["output"] == "At noon."


class Checked(BaseEvent):
    """An event of the program."""

    rows: int


def test_events_and_spans_of_the_program(arrived: Recorded) -> None:
    """Are recorded like those of the framework, with tags as metadata, below the event around them."""

    @dispatcher.span
    def work(question: str) -> str:
        dispatcher.event(Checked(rows=3))
        return question

    with lai.start_event("generic", name="around"), instrument_tags({"customer": 7}):
        work("x")
    ((name, ((span, children),)),) = arrived.trees()
    assert (name, span.rpartition(".")[2], children) == ("around", "work", [("Checked", [])])
    assert arrived.payload("Checked")["details"]["rows"] == 3
    assert next(event for event in arrived.events() if name_of(event) == span)["metadata"] == {"customer": 7}


# How much is recorded, and where


def test_inputs_and_outputs_can_be_left_out(index: VectorStoreIndex) -> None:
    """Everywhere; what remains is the tree."""
    with recorded() as arrived, LucidicHandler(inputs=False, outputs=False):
        engine(index).query("Where is order 118?")
        assert [one for tree in arrived.trees() for one in names(tree, WANTED)] == [QUERY]
        assert "118" not in str([event["payload"] for event in arrived.events()])


def test_sampling_takes_whole_trees(index: VectorStoreIndex) -> None:
    """Nothing, with a rate of zero."""
    with recorded() as arrived, LucidicHandler(sample_rate=0):
        engine(index).query("Where is order 118?")
        assert arrived.events() == []


def test_a_wrong_switch_is_refused() -> None:
    """Before anything runs."""
    with pytest.raises(ValidationError, match="sample_rate"):
        LucidicHandler(sample_rate=-1)


def test_a_handler_can_be_installed_for_a_part_and_removed(index: VectorStoreIndex) -> None:
    """Twice is once; afterwards the dispatcher is as it was."""
    handler = LucidicHandler()
    before = list(dispatcher.span_handlers), list(dispatcher.event_handlers)

    @dispatcher.span
    def work() -> None: ...

    with recorded() as arrived:
        handler.install(dispatcher).install(dispatcher)
        work()
        MockLLM().complete("elsewhere")
        handler.uninstall(dispatcher)
        work()
        assert [name.rpartition(".")[2] for name, _ in arrived.trees()] == ["work"]
    assert (list(dispatcher.span_handlers), list(dispatcher.event_handlers)) == before


def test_without_a_session_nothing_is_recorded(index: VectorStoreIndex) -> None:
    """And the engine does not notice."""
    with LucidicHandler():
        assert str(engine(index).query("Where is order 118?")) == "text text text"
