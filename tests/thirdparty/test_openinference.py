"""OpenInference: each call of a model is one span of kind LLM, with its input and its output, in both frameworks."""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable, Iterator
from typing import Any

import pytest
from llama_index.core.llms import ChatMessage
from llama_index.core.prompts import PromptTemplate
from llama_index.core.tools import FunctionTool
from openinference.instrumentation.langchain import LangChainInstrumentor
from openinference.instrumentation.llama_index import LlamaIndexInstrumentor
from openinference.semconv.trace import OpenInferenceSpanKindValues, SpanAttributes
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from pydantic import BaseModel

from lumnisai_integrations.langchain import ChatLumnis
from lumnisai_integrations.llama_index import LumnisLLM
from tests.thirdparty.conftest import Play
from tests.thirdparty.moves import Gives, Move, Says, call

QUESTION, ANSWER = "When is high tide?", "High tide is at noon."
HOUR = {"hour": 12}
#: Methods that LlamaIndex gives a span of their own for every LLM, next to or around that of the call.
AROUND_CALLS = frozenset({"_prepare_chat_with_tools", "predict", "stream", "structured_predict"})
SAYS, GIVES, CALLS = Says(ANSWER), Gives(HOUR), call("look_up", port="North Quay")


class Hour(BaseModel):
    """An hour."""

    hour: int


def look_up(port: str) -> str:
    """Look up the tide table of a port."""
    return f"High tide at {port}: noon."


class Spans:
    """The spans of one test."""

    def __init__(self, exporter: InMemorySpanExporter) -> None:
        self._exporter = exporter

    def of_calls(self) -> list[ReadableSpan]:
        """Return the finished spans of calls: of kind LLM, but for those that LlamaIndex itself puts around calls."""
        kind = SpanAttributes.OPENINFERENCE_SPAN_KIND
        spans = self._exporter.get_finished_spans()
        models = [one for one in spans if (one.attributes or {}).get(kind) == OpenInferenceSpanKindValues.LLM.value]
        return [span for span in models if span.name.removeprefix("LumnisLLM.") not in AROUND_CALLS]


def spans_of(instrumentor: Any) -> Iterator[Spans]:
    exporter = InMemorySpanExporter()
    provider = TracerProvider()
    provider.add_span_processor(SimpleSpanProcessor(exporter))
    instrumentor.instrument(tracer_provider=provider, skip_dep_check=True)
    yield Spans(exporter)
    instrumentor.uninstrument()


@pytest.fixture
def langchain_spans() -> Iterator[Spans]:
    yield from spans_of(LangChainInstrumentor())


@pytest.fixture
def llama_index_spans() -> Iterator[Spans]:
    yield from spans_of(LlamaIndexInstrumentor())


def assert_one_span(spans: Spans, *expected: str) -> None:
    """One span of a call, with the question as input and these texts in its output."""
    found = spans.of_calls()
    assert len(found) == 1, [span.name for span in found]
    attributes = dict(found[0].attributes or {})
    assert QUESTION in str(attributes[SpanAttributes.INPUT_VALUE])
    output = [str(value) for name, value in attributes.items() if name.startswith(("output.", "llm.output_messages."))]
    assert all(text in "\n".join(output) for text in expected), output
    assert found[0].status.status_code.name != "ERROR"


async def collected(chunks: Any) -> None:
    async for _ in chunks:
        pass


async def collected_later(chunks: Awaitable[Any]) -> None:
    await collected(await chunks)


LANGCHAIN: dict[str, tuple[Move, Callable[[ChatLumnis], Any]]] = {
    "invoke": (SAYS, lambda model: model.invoke(QUESTION)),
    "ainvoke": (SAYS, lambda model: model.ainvoke(QUESTION)),
    "stream": (SAYS, lambda model: list(model.stream(QUESTION))),
    "astream": (SAYS, lambda model: collected(model.astream(QUESTION))),
    "batch": (SAYS, lambda model: model.batch([QUESTION])),
    "structured": (GIVES, lambda model: model.with_structured_output(Hour).invoke(QUESTION)),
    "structured stream": (GIVES, lambda model: list(model.with_structured_output(Hour).stream(QUESTION))),
    "tools": (CALLS, lambda model: model.bind_tools([look_up]).invoke(QUESTION)),
    "tools stream": (CALLS, lambda model: list(model.bind_tools([look_up]).stream(QUESTION))),
}
MESSAGES = [ChatMessage(QUESTION)]
PROMPT = PromptTemplate("{question}")
TOOL = FunctionTool.from_defaults(look_up)
LLAMA_INDEX: dict[str, tuple[Move, Callable[[LumnisLLM], Any]]] = {
    "chat": (SAYS, lambda llm: llm.chat(MESSAGES)),
    "achat": (SAYS, lambda llm: llm.achat(MESSAGES)),
    "complete": (SAYS, lambda llm: llm.complete(QUESTION)),
    "acomplete": (SAYS, lambda llm: llm.acomplete(QUESTION)),
    "stream_chat": (SAYS, lambda llm: list(llm.stream_chat(MESSAGES))),
    "astream_chat": (SAYS, lambda llm: collected_later(llm.astream_chat(MESSAGES))),
    "stream_complete": (SAYS, lambda llm: list(llm.stream_complete(QUESTION))),
    "astream_complete": (SAYS, lambda llm: collected_later(llm.astream_complete(QUESTION))),
    "chat_with_tools": (CALLS, lambda llm: llm.chat_with_tools([TOOL], QUESTION)),
    "stream_chat_with_tools": (CALLS, lambda llm: list(llm.stream_chat_with_tools([TOOL], QUESTION))),
    "predict": (SAYS, lambda llm: llm.predict(PROMPT, question=QUESTION)),
    "stream": (SAYS, lambda llm: list(llm.stream(PROMPT, question=QUESTION))),
    "structured_predict": (GIVES, lambda llm: llm.structured_predict(Hour, PROMPT, question=QUESTION)),
    "stream_structured_predict": (
        GIVES,
        lambda llm: list(llm.stream_structured_predict(Hour, PROMPT, question=QUESTION)),
    ),
}


def expected_of(move: Move) -> tuple[str, ...]:
    match move:
        case Says(text):
            return (text,)
        case Gives():
            return ("hour", "12")
        case _:
            return ("look_up", "North Quay")


@pytest.mark.parametrize("way", LANGCHAIN)
async def test_a_call_of_langchain_is_one_span(way: str, play: Play, langchain_spans: Spans) -> None:
    move, run = LANGCHAIN[way]
    result = run(play(move).chat())
    if isinstance(result, Awaitable):
        await result
    assert_one_span(langchain_spans, *expected_of(move))


@pytest.mark.parametrize("way", LLAMA_INDEX)
async def test_a_call_of_llama_index_is_one_span(way: str, play: Play, llama_index_spans: Spans) -> None:
    """Also a stream: reading it inside the adapter is part of the call."""
    move, run = LLAMA_INDEX[way]
    result = run(play(move).llm())
    if isinstance(result, Awaitable):
        await result
    assert_one_span(llama_index_spans, *expected_of(move))


def test_a_failed_call_is_one_span_with_an_error(play: Play, langchain_spans: Spans, llama_index_spans: Spans) -> None:
    stage = play()  # without moves every run fails
    for spans, run in ((langchain_spans, stage.chat().invoke), (llama_index_spans, stage.llm().complete)):
        with pytest.raises(Exception, match="NO_MOVE"):
            run(QUESTION)
        (span,) = spans.of_calls()
        assert span.status.status_code.name == "ERROR"
        assert QUESTION in str((span.attributes or {})[SpanAttributes.INPUT_VALUE])


def test_the_key_is_in_no_span(play: Play, langchain_spans: Spans, llama_index_spans: Spans) -> None:
    stage = play(SAYS, SAYS)
    stage.chat().invoke(QUESTION)
    stage.llm().complete(QUESTION)
    written = json.dumps([span.to_json() for one in (langchain_spans, llama_index_spans) for span in one.of_calls()])
    assert stage.local.api_key not in written
