"""Runs of LangChain and LangGraph as events of Lucidic: completeness, parents, errors, and how much is recorded."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any
from uuid import UUID

import pytest
from langchain.agents import create_agent
from langchain_core.callbacks import CallbackManagerForRetrieverRun, dispatch_custom_event
from langchain_core.documents import Document
from langchain_core.language_models import FakeListChatModel, FakeListLLM, GenericFakeChatModel
from langchain_core.language_models.chat_models import BaseChatModel
from langchain_core.messages import AIMessage, AIMessageChunk, BaseMessage, HumanMessage
from langchain_core.output_parsers import StrOutputParser
from langchain_core.outputs import ChatGenerationChunk, ChatResult
from langchain_core.prompts import ChatPromptTemplate
from langchain_core.retrievers import BaseRetriever
from langchain_core.runnables import Runnable, RunnableConfig, RunnableLambda, RunnableParallel
from langchain_core.tools import BaseTool, tool
from langgraph.checkpoint.memory import InMemorySaver
from langgraph.graph import START, MessagesState, StateGraph
from langgraph.types import interrupt

from lumnisai_core.exceptions import ValidationError
from lumnisai_core.local import LocalLumnis
from lumnisai_integrations._shared.lucidic import Extent
from lumnisai_integrations.langchain import ChatLumnis, LucidicCallbackHandler
from tests.langchain.conftest import Connect
from tests.shared.events import Tree, recorded

USAGE = {"input_tokens": 31, "output_tokens": 12, "total_tokens": 43, "input_token_details": {"cache_read": 7}}
CALL = {"name": "look_up", "args": {"question": "order 118"}, "id": "call-1"}


class Shelf(BaseRetriever):
    """Finds the same document whatever is looked for."""

    def _get_relevant_documents(self, query: str, *, run_manager: CallbackManagerForRetrieverRun) -> list[Document]:
        if query == "broken":
            raise ValueError("The shelf is broken.")
        return [Document("Order 118 is on its way.", metadata={"source": "orders"}, id="doc-1")]


def message_chunk(message: BaseMessage) -> AIMessageChunk:
    """Return a whole answer as one piece of a stream."""
    assert isinstance(message, AIMessage)
    return AIMessageChunk(
        content=message.content,
        tool_calls=message.tool_calls,
        usage_metadata=message.usage_metadata,
        response_metadata=message.response_metadata,
    )


@tool
def look_up(question: str) -> str:
    """Look up an order."""
    return Shelf().invoke(question)[0].page_content


class Scripted(GenericFakeChatModel):
    """Says what it is told, with tools."""

    @property
    def _llm_type(self) -> str:
        return "scripted"

    def _stream(self, messages: list[BaseMessage], *_: Any, **__: Any) -> Iterator[ChatGenerationChunk]:
        reply = self._generate(messages).generations[0].message
        yield ChatGenerationChunk(message=message_chunk(reply))

    def bind_tools(self, tools: Any, **kwargs: Any) -> Runnable[Any, AIMessage]:
        return self


def agent(turns: int = 1) -> Runnable[Any, Any]:
    """Return an agent that calls a tool and then answers, as often as it is asked."""
    replies = [
        AIMessage("", tool_calls=[CALL], usage_metadata=USAGE),
        AIMessage("It is on its way.", usage_metadata=USAGE, response_metadata={"finish_reason": "stop"}),
    ]
    return create_agent(Scripted(messages=iter(replies * turns)), [look_up], system_prompt="Be brief.", name="desk")


QUESTION = {"messages": [HumanMessage("Where is order 118?")]}

#: What happens in one turn of the agent.
TURN: Tree = (
    "desk",
    [
        ("model", [("Scripted", [])]),
        ("tools", [("look_up", [("Shelf", [])])]),
        ("model", [("Scripted", [])]),
    ],
)


async def by_invoke(runnable: Runnable[Any, Any], config: RunnableConfig) -> None:
    runnable.invoke(QUESTION, config)


async def by_ainvoke(runnable: Runnable[Any, Any], config: RunnableConfig) -> None:
    await runnable.ainvoke(QUESTION, config)


async def by_stream(runnable: Runnable[Any, Any], config: RunnableConfig) -> None:
    list(runnable.stream(QUESTION, config))


async def by_astream(runnable: Runnable[Any, Any], config: RunnableConfig) -> None:
    async for _ in runnable.astream(QUESTION, config, stream_mode="messages"):
        pass


async def by_events(runnable: Runnable[Any, Any], config: RunnableConfig) -> None:
    async for _ in runnable.astream_events(QUESTION, config, version="v2"):
        pass


async def by_thread(runnable: Runnable[Any, Any], config: RunnableConfig) -> None:
    with ThreadPoolExecutor(1) as pool:
        pool.submit(runnable.invoke, QUESTION, config).result()


Way = Callable[[Runnable[Any, Any], RunnableConfig], Any]


@pytest.mark.parametrize("way", [by_invoke, by_ainvoke, by_stream, by_astream, by_events, by_thread])
async def test_an_agent_with_a_tool_and_a_retriever_arrives_complete(way: Way) -> None:
    """Every run once, with the right parents, however the agent is run."""
    with recorded() as arrived:
        await way(agent(), {"callbacks": [LucidicCallbackHandler()]})
        assert arrived.trees() == [TURN]


async def test_batches_share_a_handler() -> None:
    """Each run of a batch is a tree of its own, blocking and with asyncio, all at the same time."""
    handler = LucidicCallbackHandler()
    with recorded() as arrived:
        agents = [agent() for _ in range(8)]
        RunnableParallel({str(number): one for number, one in enumerate(agents[:4])}).invoke(
            QUESTION, {"callbacks": [handler]}
        )
        await asyncio.gather(*(one.ainvoke(QUESTION, {"callbacks": [handler]}) for one in agents[4:]))
        parallel, *others = arrived.trees()
    assert parallel == ("RunnableParallel<0,1,2,3>", [TURN] * 4)
    assert others == [TURN] * 4


def test_a_model_call_has_all_its_parts() -> None:
    """Messages by role, structured tool calls, usage, model, provider, status; ids of LangChain; tags and metadata."""
    with recorded() as arrived:
        agent().invoke(
            QUESTION, {"callbacks": [LucidicCallbackHandler()], "metadata": {"customer": 7}, "tags": ["vip"]}
        )
        first, second = (event for event in arrived.events() if event["type"] == "llm_generation")
    assert first["payload"]["request"] == {
        "provider": "scripted",
        "model": "Scripted",
        "messages": [
            {"role": "system", "content": "Be brief."},
            {"role": "user", "content": "Where is order 118?"},
        ],
    }
    call = {"id": "call-1", "type": "function", "name": "look_up", "arguments": {"question": "order 118"}}
    assert first["payload"]["response"] == {"output": "", "tool_calls": [call]}
    assert first["payload"]["usage"] == {"input_tokens": 31, "output_tokens": 12, "cache": {"read_input_tokens": 7}}
    assert first["payload"]["status"] == "ok"
    assert second["payload"]["request"]["messages"][2:] == [
        {"role": "assistant", "content": "", "name": "desk", "tool_calls": [call]},
        {"role": "tool", "content": "Order 118 is on its way.", "name": "look_up", "tool_call_id": "call-1"},
    ]
    assert second["payload"]["response"] == {"output": "It is on its way."}
    assert second["payload"]["misc"]["finish_reason"] == "stop"
    assert first["metadata"]["customer"] == 7
    assert "vip" in first["tags"]


def test_tools_and_retrievers_have_arguments_and_results() -> None:
    """Structured, not as text."""
    with recorded() as arrived:
        agent().invoke(QUESTION, {"callbacks": [LucidicCallbackHandler()]})
        used, searched = arrived.payload("look_up"), arrived.payload("Shelf")
    assert (used["arguments"], used["return_value"]) == ({"question": "order 118"}, "Order 118 is on its way.")
    assert used["misc"]["tool_call_id"] == "call-1"
    assert searched["arguments"] == {"query": "order 118"}
    found = {"id": "doc-1", "content": "Order 118 is on its way.", "metadata": {"source": "orders"}}
    assert searched["return_value"] == [found]


def chain(model: Any) -> Runnable[Any, str]:
    """Return a prompt, a model and a parser."""
    made: Runnable[Any, str] = ChatPromptTemplate.from_messages([("user", "{question}")]) | model | StrOutputParser()
    return made


@pytest.mark.parametrize("way", [by_stream, by_astream])
async def test_a_stream_has_the_time_to_the_first_token(way: Way) -> None:
    """Beside the whole answer."""
    model = FakeListChatModel(responses=["Soon."])
    with recorded() as arrived:
        if way is by_stream:
            list(model.stream("When?", {"callbacks": [LucidicCallbackHandler()]}))
        else:
            async for _ in model.astream("When?", {"callbacks": [LucidicCallbackHandler()]}):
                pass
        payload = arrived.payload("FakeListChatModel")
    assert payload["response"]["output"] == "Soon."
    assert payload["misc"]["time_to_first_token"] >= 0


def test_text_models_are_recorded_too() -> None:
    """Each prompt of a batch is an event."""
    with recorded() as arrived:
        FakeListLLM(responses=["a", "b"]).batch(["one", "two"], {"callbacks": [LucidicCallbackHandler()]})
        events = arrived.events()
    asked = {event["payload"]["request"]["messages"][0]["content"] for event in events}
    assert asked == {"one", "two"}
    assert {event["payload"]["response"]["output"] for event in events} == {"a", "b"}


# Errors and early ends


def test_an_error_is_recorded_where_it_happened_and_on_its_way_out() -> None:
    """With one traceback, at the innermost run."""
    with recorded() as arrived:
        failing: Runnable[Any, Any] = RunnableLambda(lambda _: Shelf().invoke("broken")).with_config(run_name="outer")
        with pytest.raises(ValueError, match="broken"):
            failing.invoke("x", {"callbacks": [LucidicCallbackHandler()]})
        assert arrived.trees() == [("outer", [("Shelf", [("error_traceback", [])])])]
        assert "ValueError" in arrived.payload("error_traceback")["traceback"]
        errors = [arrived.payload(name)["error"] for name in ("outer", "Shelf")]
    assert errors == ["ValueError: The shelf is broken."] * 2


class Endless(BaseChatModel):
    """Never answers, or never ends a stream."""

    @property
    def _llm_type(self) -> str:
        return "endless"

    def _generate(self, *_: Any, **__: Any) -> ChatResult:
        raise NotImplementedError

    async def _agenerate(self, *_: Any, **__: Any) -> ChatResult:
        await asyncio.Event().wait()
        raise AssertionError

    def _stream(self, messages: list[BaseMessage], *_: Any, **__: Any) -> Iterator[ChatGenerationChunk]:
        while True:
            yield ChatGenerationChunk(message=AIMessageChunk(content="again "))

    async def _astream(self, messages: list[BaseMessage], *_: Any, **__: Any) -> AsyncIterator[ChatGenerationChunk]:
        for chunk in self._stream(messages):
            yield chunk


@pytest.mark.parametrize("inside", [False, True])
async def test_a_cancelled_task_ends_its_events(inside: bool) -> None:
    """Also those of which LangChain reports no end."""
    runnable: Runnable[Any, Any] = chain(Endless()) if inside else Endless()
    with recorded() as arrived:
        entered = asyncio.Event()

        async def work() -> None:
            entered.set()
            await runnable.ainvoke({"question": "?"} if inside else "?", {"callbacks": [LucidicCallbackHandler()]})

        task = asyncio.create_task(work())
        await entered.wait()
        for _ in range(20):
            await asyncio.sleep(0)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        await asyncio.sleep(0)
        payload = arrived.payload("Endless")
    assert (payload["status"], payload["error"]) == ("cancelled", "CancelledError")


async def test_a_stream_that_is_left_ends_its_event() -> None:
    """As cancelled, with what had come, blocking and with asyncio."""
    with recorded() as arrived:
        stream = Endless().stream("?", {"callbacks": [LucidicCallbackHandler()]})
        next(stream)
        stream.close()  # type: ignore[attr-defined]
        astream = Endless().astream("?", {"callbacks": [LucidicCallbackHandler()]})
        await anext(astream)
        await astream.aclose()  # type: ignore[attr-defined]
        events = arrived.events()
    assert [event["payload"]["status"] for event in events] == ["cancelled"] * 2
    assert all(event["payload"]["response"]["output"].startswith("again ") for event in events)


def test_a_graph_that_waits_for_a_person_has_not_failed() -> None:
    """Its interrupt is not an error."""

    def ask(state: MessagesState) -> dict[str, Any]:
        return {"messages": [HumanMessage(interrupt("Sure?"))]}

    graph = StateGraph(MessagesState).add_node("ask", ask).add_edge(START, "ask").compile(InMemorySaver())
    with recorded() as arrived:
        graph.invoke({"messages": []}, {"callbacks": [LucidicCallbackHandler()], "configurable": {"thread_id": "t"}})
        payloads = [event["payload"] for event in arrived.events()]
    assert [payload["function_name"] for payload in payloads] == ["LangGraph", "ask"]
    assert not any("error" in payload for payload in payloads)
    assert payloads[1]["misc"]["status"] == "interrupted"


def test_what_is_open_when_a_handler_is_closed_is_recorded_as_unfinished() -> None:
    """Nothing is lost at the end of a program that stops in the middle of a run."""
    with recorded() as arrived:
        handler = LucidicCallbackHandler()
        with handler:
            stream = Endless().stream("?", {"callbacks": [handler]})
            next(stream)
        assert arrived.payload("Endless")["status"] == "unfinished"
        stream.close()  # type: ignore[attr-defined]
        assert len(arrived.events()) == 1


# Progress and custom events


async def test_a_run_of_lumnis_shows_its_progress_as_children(tides: LocalLumnis, connect: Connect) -> None:
    """Steps with their messages, and the tools that the agent used on the service."""
    model = connect(tides, progress_interval=0.05)
    with recorded() as arrived:
        await model.ainvoke("When is high tide?", config={"callbacks": [LucidicCallbackHandler()]})
        ((_, steps),) = arrived.trees()
        messages = [event["payload"]["details"]["message"] for event in arrived.events() if event["type"] == "generic"]
        used = arrived.payload("web_search")
    assert ("lumnis_progress", [("web_search", [])]) in steps
    assert {"Starting.", "Reading the tide tables."} <= set(messages)
    assert used["arguments"] == {"query": "tides"}
    assert arrived.event("web_search")["type"] == "function_call"


def test_custom_events_are_children() -> None:
    """The program's own, whatever they hold."""

    def work(question: str) -> str:
        dispatch_custom_event("checked", {"rows": 3})
        dispatch_custom_event("noted", "text")
        return question

    with recorded() as arrived:
        RunnableLambda(work).invoke("x", {"callbacks": [LucidicCallbackHandler()]})
        assert arrived.trees() == [("work", [("checked", []), ("noted", [])])]
        assert arrived.payload("checked")["details"] == {"rows": 3}
        assert arrived.payload("noted")["details"] == {"data": "text"}


# How much is recorded


def texts(events: list[dict[str, Any]]) -> str:
    """Return all that events say, but for their metadata."""
    return " ".join(str(event["payload"]) for event in events)


@pytest.mark.parametrize(("inputs", "outputs"), [(True, True), (False, True), (True, False), (False, False)])
def test_inputs_and_outputs_can_be_left_out(inputs: bool, outputs: bool) -> None:
    """Everywhere in the tree, which stays complete, with models and counts."""
    with recorded() as arrived:
        agent().invoke(QUESTION, {"callbacks": [LucidicCallbackHandler(inputs=inputs, outputs=outputs)]})
        assert arrived.trees() == [TURN]
        payloads = [event["payload"] for event in arrived.events()]
    models = [payload for payload in payloads if "request" in payload]
    others = [payload for payload in payloads if "request" not in payload]
    assert all(("messages" in payload["request"]) == inputs for payload in models)
    assert all(("arguments" in payload) == inputs for payload in others)
    assert all(("output" in payload.get("response", {})) == outputs for payload in models)
    assert all(("return_value" in payload) == outputs for payload in others)
    assert all(payload["usage"]["input_tokens"] == 31 for payload in models)
    if not inputs and not outputs:
        assert "118" not in str(payloads)


def test_long_texts_can_be_cut() -> None:
    """Wherever they are, with their length."""
    with recorded() as arrived:
        agent().invoke(QUESTION, {"callbacks": [LucidicCallbackHandler(max_characters=5)]})
        said = " ".join(str(event["payload"]) for event in arrived.events())
    assert "Where… (19 characters)" in said
    assert "order 118" not in said


def test_texts_of_errors_are_outputs() -> None:
    """Without outputs, an error is its class."""
    with recorded() as arrived:
        with pytest.raises(ValueError, match="broken"):
            Shelf().invoke("broken", {"callbacks": [LucidicCallbackHandler(outputs=False)]})
        (event,) = arrived.events()
    assert event["payload"]["error"] == "ValueError"


def test_sampling_takes_whole_trees() -> None:
    """All or nothing of each root run, the same for the same id in every process."""
    kept, left = UUID(int=3), UUID(int=1)
    assert [Extent(sample_rate=0.5).is_sampled(run_id) for run_id in (kept, left)] == [True, False]
    with recorded() as arrived:
        handler = LucidicCallbackHandler(sample_rate=0.5)
        for run_id in (kept, left):
            config: RunnableConfig = {"callbacks": [handler], "run_id": run_id}
            chain(FakeListChatModel(responses=["x"])).invoke({"question": "?"}, config)
        below: list[Tree] = [("ChatPromptTemplate", []), ("FakeListChatModel", []), ("StrOutputParser", [])]
        assert arrived.trees() == [("RunnableSequence", below)]
        assert arrived.events()[0]["client_event_id"] == str(kept)


@pytest.mark.parametrize(
    ("chains", "expected"),
    [
        (None, [("Scripted", []), ("look_up", [("Shelf", [])]), ("Scripted", [])]),
        ("generic", [TURN]),
    ],
)
def test_chains_can_be_left_out(chains: Any, expected: list[Tree]) -> None:
    """What they run then belongs to what is around them."""
    with recorded() as arrived:
        agent().invoke(QUESTION, {"callbacks": [LucidicCallbackHandler(chains=chains)]})
        assert arrived.trees() == expected


@pytest.mark.parametrize(
    "wrong", [{"sample_rate": 2}, {"sample_rate": "all"}, {"max_characters": 0}, {"chains": "none"}]
)
def test_a_wrong_switch_is_refused(wrong: dict[str, Any]) -> None:
    """Before anything runs."""
    with pytest.raises(ValidationError, match=next(iter(wrong))):
        LucidicCallbackHandler(**wrong)


def test_without_a_session_nothing_is_recorded() -> None:
    """And the chain does not notice."""
    answer = chain(FakeListChatModel(responses=["x"])).invoke(
        {"question": "?"}, {"callbacks": [LucidicCallbackHandler()]}
    )
    assert answer == "x"


class Odd(BaseTool):
    """Takes and returns what cannot be written as JSON."""

    name: str = "odd"
    description: str = "x"

    def _run(self, thing: Any) -> Any:
        return {"circle": thing, "bytes": b"\x00", "nan": float("nan")}


def test_odd_values_harm_nothing() -> None:
    """Circles, bytes, NaN, objects, halves of surrogate pairs: the run goes through, and an event arrives."""
    circle: list[Any] = ["\ud800"]
    circle.append(circle)
    with recorded() as arrived:
        result = Odd().invoke({"thing": circle}, {"callbacks": [LucidicCallbackHandler()]})
        assert result["circle"] is circle
        assert arrived.payload("odd")["function_name"] == "odd"


def test_chat_lumnis_is_recorded_as_a_model(local: LocalLumnis, model: ChatLumnis) -> None:
    """With provider and answer, and no key anywhere."""
    with recorded() as arrived:
        model.invoke("Neap tides are small. Which tides are small?", config={"callbacks": [LucidicCallbackHandler()]})
        events = arrived.events()
    (event,) = (event for event in events if event["type"] == "llm_generation")
    assert event["payload"]["request"]["provider"] == "lumnis"
    assert "Neap tides are small." in event["payload"]["response"]["output"]
    assert local.api_key not in str(events)
