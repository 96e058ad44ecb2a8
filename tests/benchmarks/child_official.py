"""What the official package takes, in a process of its own, because it prints and keeps an event loop.

``python -m tests.benchmarks.child_official WHAT URL KEY COUNT`` prints numbers as JSON.
"""

from __future__ import annotations

import asyncio
import json
import sys
import time
from contextlib import redirect_stdout
from io import StringIO

import lumnisai

from tests.benchmarks.processes import allow_many_connections, memory_now, most_memory
from tests.benchmarks.raw import two_raw_calls
from tests.benchmarks.timing import rounds_of


async def invoke(base_url: str, api_key: str, count: int) -> list[float]:
    """Return the seconds of each of so many runs, after one that does not count."""
    taken = []
    async with lumnisai.AsyncClient(api_key=api_key, base_url=base_url) as client:
        for _ in range(count + 1):
            started = time.perf_counter()
            await client.invoke("Hi", user_id="u", show_progress=False)
            taken.append(time.perf_counter() - started)
    return taken[1:]


async def progress(base_url: str, api_key: str, _: int) -> list[float]:
    """Return the seconds from each entry's own time until a stream has it."""
    delays = []
    async with lumnisai.AsyncClient(api_key=api_key, base_url=base_url) as client:
        async for entry in await client.invoke("Hi", user_id="u", stream=True):
            if entry.message.isdigit():
                delays.append(time.time() - entry.ts.timestamp())
    return delays


async def many(base_url: str, api_key: str, count: int) -> list[float]:
    """Return the seconds of so many runs at once, and the kilobytes of each."""
    allow_many_connections()
    async with lumnisai.AsyncClient(api_key=api_key, base_url=base_url) as client:
        await client.invoke("Hi", user_id="u", show_progress=False)
        before = memory_now()
        started = time.perf_counter()
        await asyncio.gather(*(client.invoke("Hi", user_id="u", show_progress=False) for _ in range(count)))
        taken = time.perf_counter() - started
        return [taken, (most_memory() - before) / count]


def cost(base_url: str, api_key: str, count: int) -> list[float]:
    """Return processor seconds of a blocking call over those of two raw calls of the same HTTP library, by round."""
    client = lumnisai.Client(api_key=api_key, base_url=base_url)
    with two_raw_calls(base_url, api_key) as raw:
        actions = {"raw": raw, "call": lambda: client.invoke("Hi", user_id="u", show_progress=False)}
        rounds = rounds_of(actions, rounds=count)
    client.close()  # type: ignore[no-untyped-call]
    return [taken["call"] / taken["raw"] for taken in rounds]


def construction(base_url: str, api_key: str, count: int) -> list[float]:
    """Return processor seconds of making a blocking client, by round."""
    rounds = rounds_of({"made": lambda: lumnisai.Client(api_key=api_key, base_url=base_url)}, rounds=count, times=10)
    return [taken["made"] for taken in rounds]


if __name__ == "__main__":
    what, where, key, wanted = sys.argv[1:]
    with redirect_stdout(StringIO()):
        if what in ("cost", "construction"):
            found = {"cost": cost, "construction": construction}[what](where, key, int(wanted))
        else:
            found = asyncio.run({"invoke": invoke, "progress": progress, "many": many}[what](where, key, int(wanted)))
    sys.stdout.write(json.dumps(found))
