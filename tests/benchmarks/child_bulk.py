"""Data sets in a process of their own: ``python -m tests.benchmarks.child_bulk WHAT URL COUNT``.

WHAT is ``map``, ``batch`` or ``ray`` (seconds for rows of 4 KB and 50 ms, 200 in flight; with Ray, at the rate once all
workers are up, and the kilobytes by which the program has grown for each row), ``bare`` (seconds for runs at once by
aiohttp alone) or ``storm`` (the most requests within one pause that a service asks for again and again).
"""

from __future__ import annotations

import asyncio
import json
import os
import sys
import threading
import time
from collections import Counter
from collections.abc import Callable
from typing import ClassVar

import aiohttp

from lumnisai_core import AsyncClient, JobProgress
from lumnisai_integrations.bulk import LumnisBatch
from tests.benchmarks.endpoint import Endpoint
from tests.benchmarks.processes import allow_many_connections, memory_now

_IN_FLIGHT = 200
_PAUSE, _STORM = 1.0, 8.0

#: Part of the rows after which all workers are up. The second one comes up to a second after the first, which has done
#: up to 3 % of 10,000 rows by then.
_STARTED = 0.05
_PADDING = "x" * 4000


def batch_of(job: str) -> LumnisBatch:
    return LumnisBatch(job=job, key="id", prompt="text", user_id="u", max_in_flight=_IN_FLIGHT)


def rows_of(count: int) -> list[dict[str, object]]:
    return [{"id": number, "text": f"{number} {_PADDING}"} for number in range(count)]


async def with_map(base_url: str, count: int) -> list[float]:
    async with AsyncClient(base_url=base_url, user_id="u") as client:
        await client.invoke("Hi")
        started = time.perf_counter()
        inputs = (f"{number} {_PADDING}" for number in range(count))
        failed = [outcome async for outcome in client.responses.map(inputs, max_in_flight=_IN_FLIGHT) if outcome.error]
        assert not failed
        return [time.perf_counter() - started]


def with_batch(count: int) -> list[float]:
    with batch_of("bench") as batch:
        batch([{"id": -1, "text": "Hi"}])
        started = time.perf_counter()
        found = batch(rows_of(count))
        assert not any(row["error"] for row in found)
        return [time.perf_counter() - started]


def with_ray(count: int) -> list[float]:
    import ray

    from lumnisai_integrations.bulk.ray import map_runs

    os.environ["RAY_AUTH_MODE"] = "disabled"
    ray.init(num_cpus=2, include_dashboard=False, object_store_memory=300_000_000, log_to_driver=False)
    ray.data.DataContext.get_current().enable_progress_bars = False

    def run(rows: int) -> float:
        points: list[tuple[int, float]] = []
        source = ray.data.range(rows).map_batches(
            lambda block: {**block, "text": [f"{n} {_PADDING}" for n in block["id"]]}
        )
        over = threading.Event()

        def show(progress: JobProgress) -> None:
            if progress.done >= rows * _STARTED:
                points.append((progress.done, progress.seconds))
            if progress.done == rows:
                over.set()

        dataset = map_runs(source, batch_of(f"bench-{rows}"), workers=2, total_in_flight=_IN_FLIGHT, progress=show)
        assert sum(len(block["id"]) for block in dataset.iter_batches(batch_size=None)) == rows
        over.wait()
        (done, began), (_, ended) = points[0], points[-1]
        return (ended - began) * rows / (rows - done)

    run(count // 10)
    before = memory_now(private=True)
    taken = run(count)
    growth = (memory_now(private=True) - before) / count
    ray.shutdown()
    return [taken, max(growth, 0.0)]


async def bare(base_url: str, count: int) -> list[float]:
    headers = {"authorization": "Bearer key", "idempotency-key": "k"}
    body = {"messages": [{"role": "user", "content": "Hi"}], "user_id": "u"}
    async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=0)) as session:

        async def one() -> None:
            async with session.post(base_url + "/v1/responses", json=body, headers=headers) as created:
                run = await created.json()
            url = f"{base_url}/v1/responses/{run['response_id']}"
            async with session.get(url, params={"wait": "10"}, headers=headers) as answer:
                assert (await answer.json())["status"] == "succeeded"

        await one()
        started = time.perf_counter()
        await asyncio.gather(*(one() for _ in range(count)))
        return [time.perf_counter() - started]


class Storm(Endpoint):
    """Refuses everything for a while, each time with a pause, and counts the requests within each pause."""

    first: float | None = None
    pause = 0
    over_at = 0.0
    arrived: ClassVar[Counter[int]] = Counter()

    def _create(self) -> None:
        now, kind = time.monotonic(), type(self)
        kind.first = kind.first or now
        if now - kind.first > _STORM:
            super()._create()
            return
        if now >= kind.over_at:  # the one that is first after a pause
            kind.pause += 1
            kind.over_at = now + _PAUSE
        else:
            kind.arrived[kind.pause] += 1
        self._transport.write(b"HTTP/1.1 429 Busy\r\nRetry-After: 1\r\nContent-Length: 2\r\n\r\n{}")


def storm(count: int) -> list[float]:
    Storm.started, Storm.run_seconds = {}, 0.0
    addresses: list[str] = []
    is_ready = threading.Event()

    async def serve() -> None:
        server = await asyncio.get_running_loop().create_server(Storm, "127.0.0.1", 0, backlog=1024)
        addresses.append(f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}")
        is_ready.set()
        await server.serve_forever()

    threading.Thread(target=lambda: asyncio.run(serve()), daemon=True).start()
    is_ready.wait()
    os.environ["LUMNISAI_BASE_URL"] = addresses[0]
    with LumnisBatch(job="storm", key="id", prompt="text", user_id="u", max_retries=100) as batch:
        found = batch(rows_of(count))
    assert not any(row["error"] for row in found)
    later = [requests for pause, requests in Storm.arrived.items() if pause > 1]
    return [float(max(later, default=0)), float(Storm.pause)]


def main(what: str, base_url: str, count: int) -> list[float]:
    os.environ["LUMNISAI_API_KEY"], os.environ["LUMNISAI_BASE_URL"] = "key", base_url
    measured: dict[str, Callable[[], list[float]]] = {
        "map": lambda: asyncio.run(with_map(base_url, count)),
        "batch": lambda: with_batch(count),
        "ray": lambda: with_ray(count),
        "bare": lambda: asyncio.run(bare(base_url, count)),
        "storm": lambda: storm(count),
    }
    return measured[what]()


if __name__ == "__main__":
    allow_many_connections()
    sys.stdout.write(json.dumps(main(sys.argv[1], sys.argv[2], int(sys.argv[3]))))
