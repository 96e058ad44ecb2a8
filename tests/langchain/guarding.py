"""What tests of the guard share: things to guard, each with its input, and the ways to call them."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any, TypedDict

from langchain_core.documents import Document
from langchain_core.messages import AIMessage, AIMessageChunk, HumanMessage, SystemMessage, ToolMessage
from langchain_core.output_parsers import StrOutputParser
from langchain_core.prompts import ChatPromptTemplate
from langchain_core.retrievers import BaseRetriever
from langchain_core.runnables import Runnable, RunnableLambda, RunnableParallel, RunnablePassthrough
from langchain_core.tools import tool
from langgraph.graph import START, StateGraph
from pydantic import BaseModel, Field

from lumnisai_integrations.langchain import LiminalGuard
from tests.langchain.recording import RecordingModel, turn
from tests.shared.guarded import CARD, CLEAR, MAIL, MESSAGE, PHONE, clear_values


class Contact(BaseModel):
    """Whom to write to."""

    to: str = Field(pattern=r"@|^\+")  # a placeholder does not match
    others: list[str]


class Records(BaseRetriever):
    """Finds a document with clear values, and records what it is waiting."""

    queries: list[str] = Field(default_factory=list)

    def _get_relevant_documents(self, query: str, *, run_manager: Any) -> list[Document]:
        self.queries.append(query)
        RunnableLambda(lambda text: text.upper()).invoke(query, {"callbacks": run_manager.get_child()})
        return [Document(f"Mail: {MAIL}, phone {PHONE}", metadata={"card": CARD, "n": 1}, id="doc-1")]


@tool
def send(to: str, others: list[str]) -> str:
    """Send a message."""
    assert to in CLEAR, to
    RunnableLambda(str).invoke(to)  # its run would show the value to the callbacks of the agent
    return f"Sent to {to}, {others}, and to {PHONE}."


# What is guarded, with its input: (guard, model) -> (runnable, input)
Payload = Callable[[LiminalGuard, RecordingModel], tuple[Runnable[Any, Any], Any]]


def text(guard: LiminalGuard, model: RecordingModel) -> tuple[Runnable[Any, Any], Any]:
    return guard.model(model), MESSAGE


def blocks(guard: LiminalGuard, model: RecordingModel) -> tuple[Runnable[Any, Any], Any]:
    model.as_blocks = True
    content: Any = [{"type": "text", "text": MESSAGE}, f"Also {MAIL}"]
    return guard.model(model), [SystemMessage(f"You work for {MAIL}."), HumanMessage(content)]


def tool_arguments(guard: LiminalGuard, model: RecordingModel) -> tuple[Runnable[Any, Any], Any]:
    return guard.model(model).bind_tools([send]), turn(MESSAGE)


def tool_results(guard: LiminalGuard, model: RecordingModel) -> tuple[Runnable[Any, Any], Any]:
    call = {"name": "send", "args": {"to": MAIL, "others": [PHONE]}, "id": "call-1", "type": "tool_call"}
    result = ToolMessage(f'{{"card": "{CARD}"}}', tool_call_id="call-1", artifact={"mail": MAIL, "thing": object()})
    calls = {"tool_calls": [call], "additional_kwargs": {"function_call": {"arguments": f'{{"to": "{MAIL}"}}'}}}
    return guard.model(model), [*turn(MESSAGE), AIMessage("", **calls), result]


def structured_output(guard: LiminalGuard, model: RecordingModel) -> tuple[Runnable[Any, Any], Any]:
    return guard.model(model).with_structured_output(Contact), turn(MESSAGE)


def documents(guard: LiminalGuard, model: RecordingModel) -> tuple[Runnable[Any, Any], Any]:
    prompt = ChatPromptTemplate.from_messages([("system", "Use: {context}"), ("human", "{question}")])
    parts: Any = {"context": guard.retriever(Records()), "question": RunnablePassthrough()}
    return guard.chain(RunnableParallel(parts) | prompt | model | StrOutputParser()), MESSAGE


class Question(TypedDict, total=False):
    """State of a graph."""

    question: str
    context: list[Document]
    answer: Any


def graph_documents(guard: LiminalGuard, model: RecordingModel) -> tuple[Runnable[Any, Any], Any]:
    retriever = guard.retriever(Records())

    def search(state: Question) -> dict[str, Any]:
        return {"context": retriever.invoke(state["question"])}

    def answer(state: Question) -> dict[str, Any]:
        return {"answer": model.invoke(f"Use {state['context']} for: {state['question']}")}

    graph = StateGraph(Question).add_sequence([("search", search), ("answer", answer)])
    return guard.chain(graph.add_edge(START, "search").compile()), {"question": MESSAGE}


PAYLOADS: list[Payload] = [
    text,
    blocks,
    tool_arguments,
    tool_results,
    structured_output,
    documents,
    graph_documents,
]


# Ways to call: (runnable, input, config) -> all that came back


def invoke(run: Runnable[Any, Any], value: Any, config: Any) -> list[Any]:
    return [run.invoke(value, config)]


def ainvoke(run: Runnable[Any, Any], value: Any, config: Any) -> list[Any]:
    return [asyncio.run(run.ainvoke(value, config))]


def stream(run: Runnable[Any, Any], value: Any, config: Any) -> list[Any]:
    return summed(list(run.stream(value, config)))


def astream(run: Runnable[Any, Any], value: Any, config: Any) -> list[Any]:
    async def collected() -> list[Any]:
        return [chunk async for chunk in run.astream(value, config)]

    return summed(asyncio.run(collected()))


def batch(run: Runnable[Any, Any], value: Any, config: Any) -> list[Any]:
    return run.batch([value, value], config)


def abatch(run: Runnable[Any, Any], value: Any, config: Any) -> list[Any]:
    return asyncio.run(run.abatch([value, value], config))


def events_v2(run: Runnable[Any, Any], value: Any, config: Any) -> list[Any]:
    async def collected() -> list[Any]:
        return [event async for event in run.astream_events(value, config, version="v2")]

    events = asyncio.run(collected())
    ends = [event["data"]["output"] for event in events if event["event"].endswith("_end")]
    return ends[-1:]


def events_v3(run: Runnable[Any, Any], value: Any, config: Any) -> list[Any]:
    stream: Any = getattr(run, "stream_events")(value, config, version="v3")  # noqa: B009 - typed for models only
    if hasattr(stream, "messages"):
        texts = ["".join(message.text) for message in stream.messages]
        assert clear_values([texts])
        return [stream.output]
    said = "".join(stream.text)
    message = stream.output
    assert message.text == said
    return [message]


def aevents_v3(run: Runnable[Any, Any], value: Any, config: Any) -> list[Any]:
    async def collected() -> list[Any]:
        stream: Any = await getattr(run, "astream_events")(value, config, version="v3")  # noqa: B009
        if hasattr(stream, "messages"):
            texts = ["".join([piece async for piece in message.text]) async for message in stream.messages]
            assert clear_values([texts])
            return [await stream.output()]
        said = "".join([piece async for piece in stream.text])
        message = await stream.output
        assert message.text == said
        return [message]

    return asyncio.run(collected())


def summed(chunks: list[Any]) -> list[Any]:
    if not isinstance(chunks[0], str | AIMessageChunk):
        return chunks[-1:]
    whole = chunks[0]
    for chunk in chunks[1:]:
        whole += chunk
    return [whole]


MODES = [invoke, ainvoke, stream, astream, batch, abatch, events_v2, events_v3, aevents_v3]
