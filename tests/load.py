"""The embedded service under load: `make load` prints a table, `make load ARGS=--write` puts it into the documents.

Each client creates runs and waits for their ends, one after the other. With `--beside PATH` another checkout of the
project has its turn with each number of clients, on the same machine at the same time.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from statistics import median

import aiohttp

from tests.benchmarks.page import machine

ROOT = Path(__file__).resolve().parent.parent
PAGE = ROOT / "docs" / "performance.md"
BEGIN, END = "<!-- written by: make load ARGS=--write -->\n", "<!-- end of the load -->\n"
#: Clients at once, and runs in all.
LOADS = {1: 300, 10: 1_500, 100: 2_000, 1_000: 3_000}
_HEAD = ("Clients", "Runs a second", "Processor a run", "Median of a run", "99 of 100 runs within", "Memory")
_KEY = "lmn_load"
_SERVER = f"""
import lumnisai_core
from lumnisai_core.local import LocalLumnis, OfflineEngine
print(lumnisai_core.__file__, flush=True)
local = LocalLumnis(engine=OfflineEngine(step_delay=0), step_delay=0, api_key={_KEY!r})
local.serve_forever(lambda base_url, _: print(base_url, flush=True))
"""


@dataclass(frozen=True, slots=True)
class Load:
    """What one load has shown: rate of runs, seconds and seconds of a processor for a run, and bytes of memory."""

    rate: float
    processor: float
    times: Sequence[float]
    memory: float

    def cells(self) -> tuple[str, ...]:
        """Return the cells of a row."""
        late = sorted(self.times)[int(len(self.times) * 0.99)]
        return (
            f"{self.rate:,.0f}",
            f"{1000 * self.processor:.1f} ms",
            f"{1000 * median(self.times):,.0f} ms",
            f"{1000 * late:,.0f} ms",
            f"{self.memory / 1e6:,.0f} MB",
        )


def measured(tree: Path, clients: int) -> Load:
    """Serve from a checkout, and put the load of so many clients on it."""
    with _served(tree) as (process, base_url):
        before = _processor(process)
        began = time.perf_counter()
        times = asyncio.run(_runs(base_url, clients, LOADS[clients]))
        rate = len(times) / (time.perf_counter() - began)
        return Load(rate, (_processor(process) - before) / len(times), times, _memory(process))


async def _runs(base_url: str, clients: int, runs: int) -> list[float]:
    times: list[float] = []
    numbers = iter(range(runs))
    connector = aiohttp.TCPConnector(limit=0)
    async with aiohttp.ClientSession(headers={"x-api-key": _KEY}, connector=connector) as session:

        async def client() -> None:
            for number in numbers:
                began = time.perf_counter()
                text = f"Springs follow the full moon. When do springs come? {number}"
                body = {"messages": [{"role": "user", "content": text}], "user_id": "load"}
                async with session.post(f"{base_url}/v1/responses", json=body) as reply:
                    run = (await reply.json())["response_id"]
                async with session.get(f"{base_url}/v1/responses/{run}", params={"wait": "60"}) as reply:
                    assert (await reply.json())["status"] == "succeeded"
                times.append(time.perf_counter() - began)

        await asyncio.gather(*(client() for _ in range(clients)))
    return times


@contextmanager
def _served(tree: Path) -> Iterator[tuple[int, str]]:
    # The code of a `-c` is found from the working folder first, and in PYTHONPATH only then.
    environment = {**os.environ, "PYTHONPATH": str(tree)}
    with subprocess.Popen(
        [sys.executable, "-c", _SERVER], cwd=tree, env=environment, stdout=subprocess.PIPE, text=True
    ) as server:
        assert server.stdout is not None
        try:
            module = Path(server.stdout.readline().strip())
            assert module.is_relative_to(tree.resolve()), f"{module} is not of {tree}"
            yield server.pid, server.stdout.readline().strip()
        finally:
            server.terminate()


def _processor(process: int) -> float:
    """Return the seconds of a processor that a process has used."""
    fields = Path(f"/proc/{process}/stat").read_text("utf-8").rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def _memory(process: int) -> float:
    lines = Path(f"/proc/{process}/status").read_text("utf-8").splitlines()
    return next(1024.0 * int(line.split()[1]) for line in lines if line.startswith("VmHWM"))


def table(rows: Mapping[str, Load]) -> str:
    """Write loads as a table of Markdown."""
    lines = [_HEAD, ("---",) * len(_HEAD), *((name, *load.cells()) for name, load in rows.items())]
    return "\n".join(f"| {' | '.join(cells)} |" for cells in lines)


def main(arguments: Sequence[str] | None = None) -> None:
    """Measure all loads and print them."""
    parser = argparse.ArgumentParser(prog="make load ARGS=...", description=__doc__)
    parser.add_argument("--beside", type=Path, metavar="PATH", help="another checkout, to be measured in turn")
    parser.add_argument("--write", action="store_true", help="write the table into docs/performance.md")
    options = parser.parse_args(arguments)
    own, others = dict[str, Load](), dict[str, Load]()
    for clients in LOADS:
        own[f"{clients:,}"] = measured(ROOT, clients)
        if options.beside is not None:
            others[f"{clients:,} ({options.beside.name})"] = measured(options.beside.resolve(), clients)
    print(table({**own, **others}))  # noqa: T201 - the result
    if options.write:
        before, _, rest = PAGE.read_text("utf-8").partition(BEGIN)
        text = f"{before}{BEGIN}\nMeasured on {machine()}.\n\n{table(own)}\n\n{END}{rest.partition(END)[2]}"
        PAGE.write_text(text, "utf-8")


if __name__ == "__main__":
    main()
