"""Streams that are left without being closed, on each asyncio transport."""

from __future__ import annotations

import asyncio

import pytest

from lumnisai_core._transport import pool
from lumnisai_core._transport._async.stream import AsyncStream
from lumnisai_core._transport._async.transport import AsyncTransport
from lumnisai_core._transport.call import Call
from lumnisai_core._transport.lines import JsonLines
from lumnisai_core._transport.pool import AsyncPool
from lumnisai_core._transport.retry import RetryPolicy
from tests.core.harbour import Harbour, HarbourServer, harbour_server


@pytest.fixture(autouse=True, params=[True, False], ids=["aiohttp", "httpx"])
def _transport(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pool, "BULK_AVAILABLE", request.param)


def numbers(server: HarbourServer) -> tuple[AsyncTransport, AsyncStream[int]]:
    service = Harbour(server.base_url)
    transport = AsyncTransport(service, AsyncPool(service), timeout=10.0, policy=RetryPolicy())
    return transport, transport.stream(Call("GET", "/lines", lambda event: int(event["number"])), JsonLines)


async def test_a_cancelled_task_closes_the_connection() -> None:
    """The service notices at once, and the transport goes on working."""
    with harbour_server() as server:
        server.rest = "trickle"
        transport, stream = numbers(server)
        arrived = asyncio.Event()

        async def listen() -> None:
            async for number in stream:
                if number == 3:
                    arrived.set()

        task = asyncio.ensure_future(listen())
        await arrived.wait()
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        assert await asyncio.to_thread(server.gone.wait, 10)
        assert await transport.send(Call("GET", "/tide", dict))
        await transport.close()


async def test_a_dropped_stream_closes_the_connection() -> None:
    """Without ``with``, after a ``break``."""
    with harbour_server() as server:
        server.rest = "trickle"
        transport, stream = numbers(server)
        async for number in stream:
            assert number == 1
            break
        del stream
        assert await asyncio.to_thread(server.gone.wait, 10)
        await transport.close()


def test_a_loop_that_ends_closes_its_streams() -> None:
    """Nothing is left that would warn."""
    with harbour_server() as server:
        server.rest = "trickle"

        async def main() -> None:
            _, stream = numbers(server)
            assert await anext(stream) == 1

        asyncio.run(main())
        assert server.gone.wait(10)
