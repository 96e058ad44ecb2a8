"""Many runs of our client in a process of their own: ``python -m tests.benchmarks.child_client URL COUNT``.

Prints the seconds that all of them took and the kilobytes that each one cost, as JSON.
"""

from __future__ import annotations

import asyncio
import json
import sys
import time

from lumnisai_core import AsyncClient
from tests.benchmarks.processes import allow_many_connections, memory_now, most_memory


async def many(base_url: str, count: int) -> list[float]:
    async with AsyncClient("key", base_url=base_url, user_id="u") as client:
        await client.invoke("Hi")
        before = memory_now()
        started = time.perf_counter()
        await asyncio.gather(*(client.invoke("Hi") for _ in range(count)))
        taken = time.perf_counter() - started
        return [taken, (most_memory() - before) / count]


if __name__ == "__main__":
    allow_many_connections()
    sys.stdout.write(json.dumps(asyncio.run(many(sys.argv[1], int(sys.argv[2])))))
