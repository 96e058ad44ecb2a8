"""How actions are timed: in turns, without the collector, by processor time."""

from __future__ import annotations

import gc
import statistics
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from typing import TypeAlias

#: Something to time.
Action: TypeAlias = Callable[[], object]

_WARM_UP = 3


def rounds_of(actions: Mapping[str, Action], *, rounds: int, times: int = 40) -> list[dict[str, float]]:
    """Time actions call by call in turns, so that a slow second of the machine hits all of them alike.

    Args:
        actions: What to time, by name.
        rounds: How often to do all of it.
        times: Calls of each action in one round, after a few that do not count.

    Returns:
        For each round the median processor seconds of one call.
    """
    return [{name: statistics.median(taken) for name, taken in _round(actions, times).items()} for _ in range(rounds)]


def median_of(rounds: Iterable[Mapping[str, float]], name: str, over: str | None = None) -> float:
    """Return the median over all rounds of an action, or of its ratio to another one in the same round."""
    return statistics.median(taken[name] / (taken[over] if over else 1.0) for taken in rounds)


def _round(actions: Mapping[str, Action], times: int) -> dict[str, list[float]]:
    names = list(actions)
    taken: dict[str, list[float]] = {name: [] for name in names}
    with _without_collector():
        for turn in range(_WARM_UP + times):
            first = turn % len(names)  # nobody always comes after the same neighbour
            for name in names[first:] + names[:first]:
                started = time.process_time()
                actions[name]()
                if turn >= _WARM_UP:
                    taken[name].append(time.process_time() - started)
    return taken


@contextmanager
def _without_collector() -> Iterator[None]:
    # It runs at any time and pays for what others left behind.
    gc.collect()
    gc.disable()
    try:
        yield
    finally:
        gc.enable()
