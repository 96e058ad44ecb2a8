"""Data sets: rows a second on one machine and on Ray, a storm of refusals, runs at once, and experiments."""

from __future__ import annotations

import statistics
import sys
from collections.abc import Iterable
from pathlib import Path

from tests.benchmarks.processes import endpoint, numbers_of
from tests.benchmarks.rows import Reading

_COUNT, _AT_ONCE, _STORM_ROWS = 10_000, 5_000, 200
_ROW_SECONDS, _RUN_SECONDS = 0.05, 3.0
_EXPERIMENT_ROWS = 1_000


def bulk(rounds: int) -> list[Reading]:
    """Measure all in turns, each time in a fresh process, with Ray in the environment of ``make bulk``."""
    python = _with_ray()
    mapped, batched, on_ray, grown = [], [], [], []
    with endpoint(_ROW_SECONDS) as base_url:
        for _ in range(min(rounds, 3)):
            mapped += numbers_of("child_bulk", "map", base_url, _COUNT)
            batched += numbers_of("child_bulk", "batch", base_url, _COUNT)
            seconds, growth = numbers_of("child_bulk", "ray", base_url, _COUNT, python=python)
            on_ray.append(seconds)
            grown.append(growth)
    ours, bare = [], []
    with endpoint(_RUN_SECONDS) as base_url:
        for _ in range(min(rounds, 3)):
            bare += numbers_of("child_bulk", "bare", base_url, _AT_ONCE)
            ours.append(numbers_of("child_client", base_url, _AT_ONCE)[0])
    most, _ = numbers_of("child_bulk", "storm", "", _STORM_ROWS)
    return [
        _reading(batched, mapped),
        _reading(on_ray, mapped),
        Reading(statistics.median(grown)),
        Reading(most),
        _reading(ours, bare),
    ]


def experiment(rounds: int) -> list[Reading]:
    """Measure an experiment and the runs that it makes in turns, each time in a fresh process."""
    mapped, ours = [], []
    with endpoint(_ROW_SECONDS) as base_url:
        for _ in range(rounds):
            mapped += numbers_of("child_experiment", "map", base_url, _EXPERIMENT_ROWS)
            ours += numbers_of("child_experiment", "experiment", base_url, _EXPERIMENT_ROWS)
    return [_reading(ours, mapped)]


def _reading(own: Iterable[float], beside: Iterable[float]) -> Reading:
    owns, others = list(own), list(beside)
    ratios = [one / other for one, other in zip(owns, others, strict=True)]
    return Reading(statistics.median(owns), statistics.median(others), statistics.median(ratios))


def _with_ray() -> str:
    python = Path(sys.prefix) / "bulk" / "bin" / "python"
    if not python.exists():
        raise RuntimeError("Ray is measured in an environment of its own: run `make bulk` first.")
    return str(python)
