"""One tracing system measured from inside, in an environment that has all of them.

``python -m tests.benchmarks.child_peers SYSTEM ADDRESS ROUNDS`` prints costs and recorded spans as JSON. ADDRESS is a
collector of Lucidic's routes, for the systems that send there; the others hand their spans to an exporter that keeps
them.
"""

from __future__ import annotations

import asyncio
import gc
import json
import statistics
import sys
import threading
import time
from collections.abc import Callable, Iterable, Sequence
from contextlib import redirect_stdout
from dataclasses import dataclass, field
from io import StringIO
from typing import Any

from langchain.agents import create_agent
from langchain_core.callbacks import CallbackManagerForLLMRun, CallbackManagerForRetrieverRun
from langchain_core.documents import Document
from langchain_core.language_models import BaseChatModel, FakeListChatModel
from langchain_core.messages import AIMessage, BaseMessage, ToolMessage
from langchain_core.output_parsers import StrOutputParser
from langchain_core.outputs import ChatGeneration, ChatResult
from langchain_core.prompts import ChatPromptTemplate
from langchain_core.retrievers import BaseRetriever
from langchain_core.runnables import Runnable, RunnableConfig
from langchain_core.tools import StructuredTool
from llama_index.core import SummaryIndex
from llama_index.core.llms import MockLLM
from llama_index.core.schema import TextNode
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor, SpanExporter, SpanExportResult

QUESTION = "Where is order 118, and when does it arrive?"
ARGUMENT, DOCUMENT = "order-118", "Orders are sent within two days."
CALLS, CHAINS = 500, 60
Work = Callable[[str], dict[str, Any]]


class Kept(SpanExporter):
    """Keeps spans of OpenTelemetry."""

    def __init__(self) -> None:
        self.spans: list[ReadableSpan] = []
        self.is_keeping = False  # not while costs are measured

    def export(self, spans: Sequence[ReadableSpan]) -> SpanExportResult:
        """Keep a batch."""
        if self.is_keeping:
            self.spans.extend(spans)
        return SpanExportResult.SUCCESS

    def recorded(self) -> list[dict[str, str | None]]:
        """Return the spans in the form of all systems."""
        return [
            {
                "id": str(span.context.span_id),
                "parent": None if span.parent is None else str(span.parent.span_id),
                "name": span.name,
                "text": json.dumps(dict(span.attributes or {}), default=str, ensure_ascii=False),
            }
            for span in self.spans
        ]


@dataclass
class System:
    """A system under measurement.

    Attributes:
        decorate: Decorates a function; None if the system has no decorator.
        config: Config of LangChain's calls.
        begin: Begins recording, also what is global; called after the costs of nothing have been measured.
        flush: Waits until what was recorded has left.
        kept: Spans of OpenTelemetry; None if the collector has them.
    """

    decorate: Callable[[Work], Work] | None = None
    config: RunnableConfig = field(default_factory=RunnableConfig)
    begin: Callable[[], object] = lambda: None
    flush: Callable[[], object] = lambda: None
    kept: Kept | None = None


def lumnis(address: str) -> System:
    """Return this package."""
    import lumnisai_core.lucidic as lai
    from lumnisai_integrations.langchain import LucidicCallbackHandler
    from lumnisai_integrations.llama_index import LucidicHandler

    def begin() -> None:
        lai.init("peers", base_url=address, api_key="key", agent_id="agent", masking_function=str)
        LucidicHandler().install()

    handler = LucidicCallbackHandler()
    return System(lai.event(), {"callbacks": [handler]}, begin, lambda: lai.flush(60))


def opentelemetry(_: str) -> System:
    """Return the bare SDK: a span with arguments and result as JSON."""
    kept = Kept()
    provider = TracerProvider(shutdown_on_exit=False)
    provider.add_span_processor(BatchSpanProcessor(kept))
    tracer = provider.get_tracer("bare")

    def decorate(function: Work) -> Work:
        def recorded(question: str) -> dict[str, Any]:
            with tracer.start_as_current_span("work") as span:
                span.set_attribute("arguments", json.dumps({"question": question}))
                result = function(question)
                span.set_attribute("result", json.dumps(result))
                return result

        return recorded

    return System(decorate, flush=provider.force_flush, kept=kept)


def openinference(_: str) -> System:
    """Return the instrumentors of OpenInference."""
    from openinference.instrumentation.langchain import LangChainInstrumentor
    from openinference.instrumentation.llama_index import LlamaIndexInstrumentor

    kept = Kept()
    provider = TracerProvider(shutdown_on_exit=False)
    provider.add_span_processor(BatchSpanProcessor(kept))

    def begin() -> None:
        LangChainInstrumentor().instrument(tracer_provider=provider)
        LlamaIndexInstrumentor().instrument(tracer_provider=provider)

    return System(None, begin=begin, flush=provider.force_flush, kept=kept)


def langfuse(_: str) -> System:
    """Return Langfuse, whose exporter is replaced by one that keeps."""
    from langfuse import Langfuse, observe
    from langfuse.langchain import CallbackHandler

    kept = Kept()
    client = Langfuse(public_key="pk", secret_key="sk", base_url="http://127.0.0.1:9", span_exporter=kept)
    return System(observe(), {"callbacks": [CallbackHandler()]}, flush=client.flush, kept=kept)


def official(address: str) -> System:
    """Return the official package of Lucidic, with its instrumentation of LangChain."""
    from lucidicai import LucidicAI

    client: Any = None

    def begin() -> None:
        nonlocal client
        client = LucidicAI(api_key="key", agent_id="agent", base_url=address, providers=["langchain"])
        client.sessions.create(session_name="peers").__enter__()

    def decorate(function: Work) -> Work:
        chosen: list[Work] = []

        def recorded(question: str) -> dict[str, Any]:
            if not chosen:  # its decorator is a method of the client
                chosen.append(client.event()(function))
            return chosen[0](question)

        return recorded

    def flush() -> None:
        from lucidicai.telemetry.telemetry_manager import get_telemetry_manager

        if client is None:
            return
        get_telemetry_manager().force_flush()
        for thread in set(threading.enumerate()) - {threading.current_thread()}:
            if "emit" in thread.name:  # it sends each event in a thread
                thread.join(10)

    return System(decorate, begin=begin, flush=flush)


SYSTEMS = {one.__name__: one for one in (lumnis, opentelemetry, openinference, langfuse, official)}


# What is recorded


class CallingModel(BaseChatModel):
    """Calls the tool that it is bound to, then answers; with usage."""

    tool: str = ""

    @property
    def _llm_type(self) -> str:
        return "calling"

    def bind_tools(self, tools: Sequence[Any], **_: Any) -> Runnable[Any, AIMessage]:
        """Return the model with the name of a tool."""
        return CallingModel(tool=tools[0].name)

    def _generate(
        self,
        messages: list[BaseMessage],
        stop: list[str] | None = None,
        run_manager: CallbackManagerForLLMRun | None = None,
        **_: Any,
    ) -> ChatResult:
        is_done = isinstance(messages[-1], ToolMessage)
        calls = [] if is_done else [{"name": self.tool, "args": {"number": ARGUMENT}, "id": "call-1"}]
        usage = {"input_tokens": 4711, "output_tokens": 815, "total_tokens": 5526}
        message = AIMessage("It is sent." if is_done else "", tool_calls=calls, usage_metadata=usage)
        return ChatResult(generations=[ChatGeneration(message=message)])


class OrderRetriever(BaseRetriever):
    """Finds one document."""

    def _get_relevant_documents(self, query: str, *, run_manager: CallbackManagerForRetrieverRun) -> list[Document]:
        return [Document(DOCUMENT, metadata={"query": query})]


def _find(number: str, config: RunnableConfig) -> str:
    return OrderRetriever().invoke(number, config)[0].page_content


def agent() -> Any:
    """Return an agent with a tool that uses a retriever."""
    return create_agent(CallingModel(), [StructuredTool.from_function(_find, name="find_order", description="Finds.")])


# Costs


def measured(action: Callable[[], object], flush: Callable[[], object], times: int, rounds: int) -> float:
    """Return the processor seconds of a call in the caller's thread: the median of rounds."""
    taken = []
    for _ in range(rounds):
        flush()
        gc.collect()
        gc.disable()
        started = time.thread_time()
        for _ in range(times):
            action()
        taken.append((time.thread_time() - started) / times)
        gc.enable()
    return statistics.median(taken)


def work(question: str) -> dict[str, Any]:
    """Do nothing, to be recorded."""
    return {"answer": question}


def main(name: str, address: str, rounds: int) -> dict[str, Any]:
    """Measure a system, then let it record an agent in three ways and a query engine."""
    prompt = ChatPromptTemplate.from_messages([("system", "Be brief."), ("user", "{question}")])
    chain = prompt | FakeListChatModel(responses=["It is sent."]) | StrOutputParser()
    system = SYSTEMS[name](address)
    asked = {"question": QUESTION}
    bare = measured(lambda: chain.invoke(asked), lambda: None, CHAINS, rounds)
    system.begin()
    decorated = system.decorate(work) if system.decorate is not None else None
    costs: dict[str, float | None] = {"bare chain": bare, "decorated": None, "chain": None}
    if decorated is not None:
        costs["decorated"] = measured(lambda: decorated(QUESTION), system.flush, CALLS, rounds)
    if name != "opentelemetry":
        costs["chain"] = measured(lambda: chain.invoke(asked, system.config), system.flush, CHAINS, rounds) - bare
    recorded = {way: _recorded(system, way) for way in ("invoke", "ainvoke", "batch", "query")}
    return {"costs": costs, "recorded": recorded}


def _recorded(system: System, way: str) -> Any:
    """Return the spans of one way to run the agent; where the collector has them, the time when they began."""
    system.flush()
    began = time.time()
    if system.kept is not None:
        system.kept.spans.clear()
        system.kept.is_keeping = True
    asked = {"messages": [("user", "Where is the order?")]}
    if way == "invoke":
        agent().invoke(asked, system.config)
    elif way == "ainvoke":
        asyncio.run(agent().ainvoke(asked, system.config))
    elif way == "batch":
        agent().batch([asked, asked], system.config)
    else:
        SummaryIndex([TextNode(text=DOCUMENT)]).as_query_engine(llm=MockLLM(max_tokens=3)).query(QUESTION)
    system.flush()
    return [began, time.time()] if system.kept is None else system.kept.recorded()


def _arguments(values: Iterable[str]) -> tuple[str, str, int]:
    name, address, rounds = values
    return name, address, int(rounds)


if __name__ == "__main__":
    with redirect_stdout(StringIO()):  # some of them print
        found = main(*_arguments(sys.argv[1:]))
    sys.stdout.write(f"\n{json.dumps(found)}\n")
