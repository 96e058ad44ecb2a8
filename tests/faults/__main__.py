"""Run the table of faults and print what became of every request: ``make faults``.

With ``--markdown`` the tables come out as ``docs/reliability.md`` holds them.
"""

from __future__ import annotations

import importlib.util
import sys
from collections.abc import Mapping

from tests.faults.expectations import EXPECTED, Cell, Kind, Lasting, Outcome, cells, markdown
from tests.faults.running import CLIENTS, World, run_cell


def said(outcomes: Mapping[str, Outcome]) -> str:
    """Say what the clients got: once if they agree, or else each for itself."""
    different = {str(outcome) for outcome in outcomes.values()}
    return different.pop() if len(different) == 1 else "; ".join(f"{name}: {got}" for name, got in outcomes.items())


def main(arguments: list[str]) -> int:
    """Run all cells; the result is 1 if a promise was broken or an outcome is not the expected one."""
    seen: dict[Cell, str] = {}
    problems: list[str] = []
    with World() as world:
        for cell, expected in cells():
            outcomes = {}
            for name, use in CLIENTS.items():
                done = run_cell(cell, use, world)
                outcomes[name] = done.outcome
                problems += [f"{cell}, {name}: {promise}" for promise in done.broken]
                if done.outcome != expected:
                    problems.append(f"{cell}, {name}: {done.outcome}, expected {expected}")
            seen[cell] = said(outcomes)
    if "--markdown" in arguments or importlib.util.find_spec("rich") is None:
        sys.stdout.write("\n\n".join(markdown(lasting, seen) for lasting in Lasting) + "\n")
    else:
        _show(seen)
    checked = f"{len(seen)} cells with {', '.join(CLIENTS)}: " + ("as expected" if not problems else "PROBLEMS")
    sys.stderr.write("\n".join([checked, *problems]) + "\n")
    return 1 if problems else 0


def _show(seen: Mapping[Cell, str]) -> None:
    from rich.console import Console  # noqa: PLC0415 - an optional package
    from rich.table import Table  # noqa: PLC0415

    console = Console(width=max(Console().width, 140))
    for lasting in Lasting:
        table = Table(f"What goes wrong {lasting}", *Kind)
        for fault in EXPECTED[lasting]:
            table.add_row(fault.replace("`", ""), *(seen[Cell(fault, kind, lasting)] for kind in Kind))
        console.print(table)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
