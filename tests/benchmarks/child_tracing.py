"""Programs that record into Lucidic, measured from inside or by how they end."""

from __future__ import annotations

import json
import os
import signal
import statistics
import sys
import time
from typing import Any

from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor, SpanExporter, SpanExportResult

import lumnisai_core.lucidic as lai
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


def dead() -> list[float]:
    """Record 100,000 events for a dead service; return kilobytes of memory, and the time when the program ends."""
    work(_QUESTION)
    before = memory_now()
    for _ in range(100_000):
        work(_QUESTION)
    return [memory_now() - before, time.time()]


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
    if what == "calls":
        print(json.dumps(calls(int(argument))))  # noqa: T201 - read by the benchmark
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
