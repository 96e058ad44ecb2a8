"""How long callers wait: for the end of a run, for its progress, for the embedded service, for many runs at once."""

from __future__ import annotations

import statistics
import time

import httpx

from lumnisai_core import Client, RunUpdate
from lumnisai_core.local import LocalLumnis
from tests.benchmarks.processes import columns_of, endpoint, numbers_of, server
from tests.benchmarks.rows import Reading

RUN_SECONDS = 0.2
_STEPS, _STEP_SECONDS = 20, 0.37
_MANY_SECONDS = 3.0


def latency(rounds: int) -> list[Reading]:
    """Measure what ``invoke`` takes on top of the run itself, for both ways to answer polls; then the first request.

    The run reports something in its middle.
    """
    readings = []
    for poll in ("end-only", "on-change"):
        own: list[float] = []
        official: list[float] = []
        with (
            server(run_seconds=RUN_SECONDS / 2, poll=poll, steps=1, step_seconds=RUN_SECONDS / 2) as service,
            Client(service.api_key, base_url=service.base_url, user_id="u") as client,
        ):
            client.invoke("Hi")
            for _ in range(rounds):
                own.extend(_taken(client) for _ in range(6))
                official.extend(numbers_of("child_official", "invoke", service.base_url, service.api_key, 2))
        readings.append(
            Reading(statistics.median(own) - RUN_SECONDS, max(statistics.median(official) - RUN_SECONDS, 0.0))
        )
    first = statistics.median(_first_request() for _ in range(2 * rounds))
    return [*readings, Reading(first)]


def guard(rounds: int) -> list[Reading]:
    """Measure what the privacy guard adds to a call, with its gateway in the same process, and to a stream."""
    return [Reading(statistics.median(column)) for column in columns_of("child_guard", rounds)]


def progress(rounds: int) -> list[Reading]:
    """Measure how late a listener hears of an entry, after the entry's own time; the mean, as polls end at any time."""
    own: list[float] = []

    def heard(update: RunUpdate) -> None:
        if update.entry_index is not None and update.ts is not None:
            own.append(time.time() - update.ts.timestamp())

    official: list[float] = []
    with (
        server(run_seconds=RUN_SECONDS, steps=_STEPS, step_seconds=_STEP_SECONDS) as service,
        Client(service.api_key, base_url=service.base_url, user_id="u") as client,
    ):
        for _ in range(min(rounds, 2)):  # 20 entries each; more of them say nothing new
            client.invoke("Hi", on_progress=heard)
            official.extend(numbers_of("child_official", "progress", service.base_url, service.api_key, 1))
    return [Reading(statistics.mean(own), statistics.mean(official))]


def many(rounds: int) -> list[Reading]:
    """Measure 500 and 5,000 runs at once, each time in a fresh process: seconds and memory of each."""
    some, most, official = [], [], []
    with endpoint(_MANY_SECONDS) as base_url:
        for _ in range(min(rounds, 3)):
            some.append(numbers_of("child_client", base_url, 500))
            official.append(numbers_of("child_official", "many", base_url, "key", 500))
            most.append(numbers_of("child_client", base_url, 5000))
    medians = [[statistics.median(values) for values in zip(*found, strict=True)] for found in (some, official, most)]
    (seconds, memory), (official_seconds, official_memory), (most_seconds, most_memory) = medians
    return [
        Reading(seconds, official_seconds),
        Reading(memory, official_memory),
        Reading(most_seconds),
        Reading(most_memory),
    ]


def _taken(client: Client) -> float:
    started = time.perf_counter()
    client.invoke("Hi")
    return time.perf_counter() - started


def _first_request() -> float:
    started = time.perf_counter()
    with LocalLumnis() as local, httpx.Client(trust_env=False) as http:
        http.get(local.base_url + "/v1/health").raise_for_status()
        return time.perf_counter() - started
