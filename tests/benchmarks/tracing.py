"""Recording into Lucidic: what a call costs, what arrives however a process ends, and a service that is not there."""

from __future__ import annotations

import json
import socket
import subprocess
import sys
import time
from tempfile import TemporaryDirectory
from typing import Any

from tests.benchmarks.processes import rounds_from
from tests.benchmarks.rows import Reading
from tests.benchmarks.timing import median_of
from tests.core.collector import Collector, collector
from tests.house import ROOT

_EVENTS = 500


def tracing(rounds: int) -> list[Reading]:
    """Measure the part, one row after the other."""
    with collector() as service:
        taken, chains, spans = (
            rounds_from("child_tracing", what, service.base_url, rounds) for what in ("calls", "chains", "spans")
        )
    own = Reading(median_of(taken, "own"), median_of(taken, "bare"), median_of(taken, "own", "bare"))
    more = [
        Reading(median_of(chains, "added")),
        Reading(median_of(spans, "own"), median_of(spans, "bare"), median_of(spans, "own", "bare")),
        Reading(median_of(spans, "nothing")),
    ]
    ends = [Reading(_missing(what)) for what in ("exit", "crash", "SIGTERM", "kill")]
    return [own, *more, *ends, *_dead()]


def _missing(what: str) -> float:
    """Return how many of 500 events did not arrive after an end of this kind."""
    with collector() as service, TemporaryDirectory() as folder:
        _run(what, service.base_url, folder)
        if what == "kill":
            arrived = _arrived(service)
            _run("start", service.base_url, folder, str(_EVENTS - arrived))
        return _EVENTS - _arrived(service)


def _arrived(service: Collector) -> int:
    return sum(row["type"] == "function_call" for row in service.events())


def _dead() -> list[Reading]:
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        address = f"http://127.0.0.1:{unused.getsockname()[1]}"
    done = _run("dead", address, "")
    memory, ended = json.loads(done.stdout)
    return [Reading(memory), Reading(time.time() - ended)]


def _run(*arguments: str) -> subprocess.CompletedProcess[Any]:
    command = [sys.executable, "-m", "tests.benchmarks.child_tracing", *arguments]
    return subprocess.run(command, capture_output=True, text=True, check=False, cwd=ROOT)
