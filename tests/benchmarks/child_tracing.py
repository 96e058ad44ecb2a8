"""Programs that record into Lucidic, measured from inside or by how they end."""

from __future__ import annotations

import json
import os
import signal
import statistics
import sys
import time
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

from opentelemetry import trace
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor, SpanExporter, SpanExportResult

import lumnisai_core.lucidic as lai
from lumnisai_core._transport.call import Call
from lumnisai_core.lumnis.calls.runs import RunStart
from lumnisai_core.lumnis.models import ResponseObject, RunUpdate
from lumnisai_core.lumnis.runs.spans import run_span
from tests.benchmarks.processes import memory_now

_QUESTION = "Where is order 118, and when does it arrive?"
_CALLS = 500


@lai.event()
def work(question: str) -> dict[str, Any]:
    """Do nothing, recorded."""
    return {"answer": question}


class _Nowhere(SpanExporter):
    def export(self, spans: Any) -> SpanExportResult:
        return SpanExportResult.SUCCESS


def calls(rounds: int) -> list[dict[str, float]]:
    """Time decorated calls in the caller's thread, in turns with a span of the bare SDK with the same content."""
    provider = TracerProvider(shutdown_on_exit=False)
    provider.add_span_processor(BatchSpanProcessor(_Nowhere()))
    tracer = provider.get_tracer("bare")

    def bare(question: str) -> dict[str, Any]:
        with tracer.start_as_current_span("work") as span:
            span.set_attribute("arguments", json.dumps({"question": question}))
            result = {"answer": question}
            span.set_attribute("result", json.dumps(result))
            return result

    taken = []
    for _ in range(rounds):
        row = {}
        for name, action in (("bare", bare), ("own", work)):
            times = []
            for _ in range(5):
                lai.flush(30)
                started = time.thread_time()
                for _ in range(_CALLS):
                    action(_QUESTION)
                times.append((time.thread_time() - started) / _CALLS)
            row[name] = statistics.median(times)
        taken.append(row)
    return taken


def chains(rounds: int) -> list[dict[str, float]]:
    """Time a chain of four runs in the caller's thread, in turns with and without the handler."""
    from langchain_core.language_models import FakeListChatModel
    from langchain_core.output_parsers import StrOutputParser
    from langchain_core.prompts import ChatPromptTemplate

    from lumnisai_integrations.langchain import LucidicCallbackHandler

    prompt = ChatPromptTemplate.from_messages([("system", "Be brief."), ("user", "{question}")])
    chain = prompt | FakeListChatModel(responses=["It is sent."]) | StrOutputParser()
    config: Any = {"callbacks": [LucidicCallbackHandler()]}
    times = [
        {
            "bare": _of_one(lambda: chain.invoke({"question": _QUESTION}), 50),
            "own": _of_one(lambda: chain.invoke({"question": _QUESTION}, config), 50),
        }
        for _ in range(5 * rounds)
    ]
    return [{"added": one["own"] - one["bare"]} for one in times]


def spans(rounds: int) -> list[dict[str, float]]:
    """Time the span of a run: without a provider, and in turns with one of the bare SDK with the same content."""
    body = {"messages": [{"role": "user", "content": _QUESTION}], "user_id": "u"}
    start = RunStart(Call("POST", "/v1/responses", ResponseObject.model_validate, body=body))
    first = ResponseObject(response_id="r-1", thread_id="t-1")
    step = RunUpdate("r-1", "t-1", "in_progress", "processing", "Working.", entry_index=0, ts=datetime.now(UTC))
    last = RunUpdate("r-1", "t-1", "succeeded", "completed", output_text="It is sent.", response=first)

    def own() -> None:
        with run_span(start, "http://127.0.0.1:8000", "whole") as span:
            for updates in ([], [step, last]):
                with span.sending():
                    span.carried_by(start.call)
                span.started(first)
                span.reported(updates)

    nothing = [_of_one(own, _CALLS) for _ in range(rounds)]
    provider = TracerProvider(shutdown_on_exit=False)
    provider.add_span_processor(BatchSpanProcessor(_Nowhere()))
    trace.set_tracer_provider(provider)
    tracer = provider.get_tracer("bare")
    known = {"gen_ai.operation.name": "invoke_agent", "gen_ai.provider.name": "lumnis", "gen_ai.output.type": "text"}
    known |= {"server.address": "127.0.0.1", "server.port": 8000, "lumnis.run.part": "whole"}  # type: ignore[dict-item]
    ending = {"gen_ai.response.id": "r-1", "gen_ai.conversation.id": "t-1", "gen_ai.response.finish_reasons": ["stop"]}

    def bare() -> None:
        with tracer.start_as_current_span("invoke_agent", kind=trace.SpanKind.CLIENT, attributes=known) as span:
            span.add_event("lumnis.progress", {"lumnis.progress.state": "processing", "lumnis.progress.index": 0})
            span.set_attributes(ending)

    taken = []
    for unrecorded in nothing:
        provider.force_flush()
        taken.append({"nothing": unrecorded, "bare": _of_one(bare, _CALLS), "own": _of_one(own, _CALLS)})
    return taken


def _of_one(action: Callable[[], object], times: int) -> float:
    """Return the processor seconds of a call in this thread, while nothing is sent."""
    action()
    lai.flush(30)
    started = time.thread_time()
    for _ in range(times):
        action()
    return (time.thread_time() - started) / times


def dead() -> list[float]:
    """Record 100,000 events for a dead service; return kilobytes of memory, and the time when the program ends."""
    work(_QUESTION)
    before = memory_now()
    for _ in range(100_000):
        work(_QUESTION)
    return [memory_now() - before, time.time()]


MEASURED: dict[str, Callable[[int], list[dict[str, float]]]] = {"calls": calls, "chains": chains, "spans": spans}


def main(what: str, address: str, argument: str) -> None:
    """Begin a session and do what is to be measured."""
    lai.init(
        base_url=address,
        api_key="key",
        agent_id="agent",
        masking_function=str,
        flush_on_sigterm=what == "SIGTERM",
        spool=argument if what in ("kill", "start") else None,
    )
    if what in MEASURED:
        print(json.dumps(MEASURED[what](int(argument))))  # noqa: T201 - read by the benchmark
    elif what == "dead":
        print(json.dumps(dead()))  # noqa: T201
    elif what == "start":
        while lai.statistics().delivered < int(sys.argv[4]):
            time.sleep(0.01)
    else:
        for _ in range(_CALLS):
            work(_QUESTION)
    if what == "crash":
        raise RuntimeError
    if what in ("SIGTERM", "kill"):
        os.kill(os.getpid(), signal.SIGTERM if what == "SIGTERM" else signal.SIGKILL)


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2], sys.argv[3])
