"""Where the time of one call goes, function by function.

The profiler makes small functions look dearer than they are; what counts is the order. What is spent in system calls on
the connection is shown apart, because most of it is waiting.
"""

from __future__ import annotations

import cProfile
import pstats
import re
from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from types import ModuleType

from rich.table import Table

from tests.benchmarks.processes import endpoint, server

#: What can be profiled: the framework and the name of the call in its module, and how it is called.
PROFILES = {
    "invoke": ("core", "core", "Client.invoke"),
    "chat": ("langchain", "own", "ChatLumnis.invoke"),
    "llm": ("llama_index", "own", "LumnisLLM.chat"),
}
_WAITING = re.compile(r"'(recv|send|sendall|poll|select)' of|select\.")
BUILT_IN, WAITING = "built in", "sending, and waiting for the service"
_CALLS = 300
_LINES = 25


@dataclass(frozen=True, slots=True)
class Cost:
    """What one function cost.

    Attributes:
        place: Module and function.
        package: The package it belongs to.
        calls: How often it was called in one call of ours.
        own: Microseconds in one call of ours, without the functions it calls.
        whole: The same, with them.
    """

    place: str
    package: str
    calls: float
    own: float
    whole: float


def framework_of(name: str) -> ModuleType:
    """Return the module with the calls of a framework, which loads that framework."""
    return import_module(f"tests.benchmarks.with_{name}")


def profile(name: str) -> list[Table]:
    """Profile one of :data:`PROFILES`: a table by package, the functions with the highest own cost, and ours."""
    framework, call, shown = PROFILES[name]
    with (
        server(run_seconds=0.0) as service,
        endpoint() as to_openai,
        framework_of(framework).calls(service.base_url, service.api_key, to_openai) as actions,
    ):
        action, profiler = actions[call], cProfile.Profile()
        for _ in range(20):
            action()
        profiler.enable()
        for _ in range(_CALLS):
            action()
        profiler.disable()
    found = costs(pstats.Stats(profiler), _CALLS)
    working = [cost for cost in found if cost.package != WAITING]
    ours = [cost for cost in working if cost.package.startswith("lumnisai_")]
    return [
        _packages(f"{shown}, by package", found),
        _functions(f"{shown}, highest own costs", sorted(working, key=lambda cost: -cost.own)),
        _functions("Ours, with what they call", sorted(ours, key=lambda cost: -cost.whole)),
    ]


def costs(stats: pstats.Stats, times: int) -> list[Cost]:
    """Read a profile of so many calls."""
    found = []
    for (path, _, function), (_, called, own, whole, _) in stats.stats.items():  # type: ignore[attr-defined]
        package, module = place_of(path)
        package = WAITING if package == BUILT_IN and _WAITING.search(function) else package
        place = f"{module}:{function}" if module else function
        found.append(Cost(place, package, called / times, 1e6 * own / times, 1e6 * whole / times))
    return found


def place_of(path: str) -> tuple[str, str]:
    """Return package and module of a file: those under ``site-packages`` and ours by name, else the library's."""
    if path in ("~", ""):
        return BUILT_IN, ""
    parts = Path(path).with_suffix("").parts
    if "site-packages" in parts:
        parts = parts[parts.index("site-packages") + 1 :]
    else:
        ours = [at for at, part in enumerate(parts) if part.startswith("lumnisai_")]
        if not ours:
            return "standard library", re.sub(r"[<>]", "", parts[-1])
        parts = parts[ours[0] :]
    return parts[0], ".".join(part for part in parts if part != "__init__")


def _packages(title: str, found: Iterable[Cost]) -> Table:
    by_package: defaultdict[str, float] = defaultdict(float)
    for cost in found:
        by_package[cost.package] += cost.own
    total = sum(by_package.values())
    table = Table("Package", "Own us", "Share", title=title)
    for package, own in sorted(by_package.items(), key=lambda item: -item[1]):
        if own >= total / 200:
            table.add_row(package, f"{own:.0f}", f"{100 * own / total:.0f}%")
    return table


def _functions(title: str, found: list[Cost]) -> Table:
    table = Table("Function", "Calls", "Own us", "With callees us", title=title)
    for cost in found[:_LINES]:
        table.add_row(cost.place, f"{cost.calls:.1f}", f"{cost.own:.0f}", f"{cost.whole:.0f}")
    return table
