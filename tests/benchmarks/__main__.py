"""What calls cost, measured in one run: ``make bench``, with ``ARGS="--only cost"`` for a part of it."""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from rich.console import Console
from rich.table import Table

from tests.benchmarks import bulk, computing, page, peers, profiles, tracing, waiting
from tests.benchmarks.rows import HEAD, OF_PAGE, PARTS, Reading, cells, rows_of

MEASUREMENTS: Mapping[str, Callable[[int], list[Reading]]] = {
    "latency": waiting.latency,
    "progress": waiting.progress,
    "many": waiting.many,
    "bulk": bulk.bulk,
    "experiment": bulk.experiment,
    "guard": waiting.guard,
    "cost": computing.cost,
    "imports": computing.imports,
    "construction": computing.construction,
    "tracing": tracing.tracing,
}

#: Characters of a line where there is no terminal to ask.
_WIDTH = 160


def main(arguments: Sequence[str] | None = None) -> None:
    """Measure what is asked for and print one table."""
    parser = _parser()
    asked = parser.parse_args(arguments)
    parts = asked.only or OF_PAGE
    if asked.rounds < 1:
        parser.error("--rounds must be 1 or more")
    if asked.write and set(parts) not in (set(OF_PAGE), {"tracing"}):
        parser.error("--write needs all parts of the page: leave --only out")
    console = Console(highlight=False)
    if not console.is_terminal:
        console.width = _WIDTH
    if asked.profile:
        console.print(*profiles.profile(asked.profile), sep="\n")
        return
    readings = measure([part for part in PARTS if part in parts], asked.rounds, console)
    console.print(_table(parts, readings))
    beside = _beside(asked.rounds, console) if "tracing" in parts else None
    if asked.write:
        text = page.PAGE.read_text("utf-8")
        if set(parts) == set(OF_PAGE):
            text = page.with_table(text, page.written(readings))
        if beside is not None:
            text = page.with_table(text, peers.written(beside), peers.BEGIN, peers.END)
        page.PAGE.write_text(text, "utf-8")
        console.print(f"Written to docs/{page.PAGE.name}.")


def measure(parts: Sequence[str], rounds: int, console: Console) -> dict[str, Reading]:
    """Measure parts, one after the other, and return the readings by the name of their row."""
    readings: dict[str, Reading] = {}
    for part in parts:
        started = time.monotonic()
        found = MEASUREMENTS[part](rounds)
        readings |= {row.what: reading for row, reading in zip(rows_of([part]), found, strict=True)}
        console.print(f"{part}: measured in {time.monotonic() - started:.0f} s", style="dim")
    return readings


def _beside(rounds: int, console: Console) -> dict[str, dict[str, Any]] | None:
    """Measure other tracing systems and print the tables; None if they are not installed."""
    if not peers.is_installed():
        console.print(peers.ABSENT)
        return None
    found = peers.measure(rounds)
    for head, lines in peers.tables(found):
        table = Table(*(cell.replace("`", "") for cell in head), title="Tracing beside others")
        for line in lines:
            table.add_row(*line)
        console.print(table)
    return found


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="make bench ARGS=...", description="Measure what calls cost.")
    parser.add_argument("--only", nargs="+", choices=PARTS, metavar="PART", help=f"some of: {', '.join(PARTS)}")
    parser.add_argument("--rounds", type=int, default=5, help="how often all have their turn (default: 5)")
    parser.add_argument("--write", action="store_true", help="write the table into docs/performance.md")
    parser.add_argument(
        "--profile", choices=profiles.PROFILES, help="show where the time of one call goes, instead of the table"
    )
    return parser


def _table(parts: Sequence[str], readings: Mapping[str, Reading]) -> Table:
    table = Table(*HEAD, title="Lumnis integrations")
    for row in rows_of(parts):
        table.add_row(*(cell.replace("`", "") for cell in cells(row, readings[row.what])))
    return table


if __name__ == "__main__":
    main()
