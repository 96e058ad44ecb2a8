"""Connections of asyncio clients end with their client or their event loop, whatever comes first."""

from __future__ import annotations

import asyncio
import gc
import logging
import subprocess
import sys
import weakref
from collections.abc import Callable, Coroutine
from typing import Any

import pytest

from lumnisai_core import AsyncClient
from lumnisai_core._transport import loops, pool
from lumnisai_core.local import LocalLumnis


@pytest.fixture(params=[True, False], ids=["aiohttp", "httpx"])
def _transport(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pool, "BULK_AVAILABLE", request.param)


def run_and_close(work: Coroutine[Any, Any, None]) -> None:
    """Run as programs did before ``asyncio.run``."""
    loop = asyncio.new_event_loop()
    try:
        loop.run_until_complete(work)
        loop.run_until_complete(loop.shutdown_asyncgens())
    finally:
        loop.close()


@pytest.mark.usefixtures("_transport")
@pytest.mark.parametrize("run", [asyncio.run, run_and_close])
def test_a_client_that_nobody_closes_leaves_nothing_behind(
    local: LocalLumnis, caplog: pytest.LogCaptureFixture, run: Callable[[Coroutine[Any, Any, None]], None]
) -> None:
    """Nor one that is dropped in the last moment of its loop. Connections left behind warn, and warnings are errors."""
    kept = AsyncClient(local.api_key, base_url=local.base_url, user_id="user-123")

    async def ask(client: AsyncClient) -> None:
        assert (await client.invoke("Ann has three cats.")).output_text

    async def main() -> None:
        await ask(kept)
        dropped = AsyncClient(local.api_key, base_url=local.base_url, user_id="user-123")
        await asyncio.gather(*(ask(dropped) for _ in range(3)))

    with caplog.at_level(logging.WARNING, "asyncio"):
        for _ in range(3):
            run(main())
        gc.collect()
    assert not caplog.messages


@pytest.mark.usefixtures("_transport")
async def test_a_loop_that_continues_loses_the_connections_of_dropped_clients(local: LocalLumnis) -> None:
    async def ask() -> None:
        client = AsyncClient(local.api_key, base_url=local.base_url, user_id="user-123")
        assert (await client.invoke("Ann has three cats.")).output_text

    for _ in range(3):
        await ask()
    gc.collect()
    await asyncio.sleep(0)  # dropped connections begin to close
    closing = asyncio.all_tasks() - {asyncio.current_task()}
    assert closing
    await asyncio.gather(*closing)
    assert not loops.dropped_connections


@pytest.mark.usefixtures("_transport")
@pytest.mark.parametrize("run", [asyncio.run, run_and_close])
def test_loops_that_are_over_are_collected(
    local: LocalLumnis, run: Callable[[Coroutine[Any, Any, None]], None]
) -> None:
    """One client for a program that has a loop for each job keeps none of them."""
    client = AsyncClient(local.api_key, base_url=local.base_url, user_id="user-123")
    ended: list[weakref.ref[asyncio.AbstractEventLoop]] = []

    async def job() -> None:
        ended.append(weakref.ref(asyncio.get_running_loop()))
        await client.list_responses()

    for _ in range(3):
        run(job())
    gc.collect()
    assert [reference() for reference in ended] == [None, None, None]


_PROGRAM = """
import asyncio, sys
from lumnisai_core import AsyncClient
from lumnisai_core._transport import pool

pool.BULK_AVAILABLE = sys.argv[3] == "aiohttp"
client = AsyncClient(sys.argv[1], base_url=sys.argv[2], user_id="user-123")
loop = asyncio.new_event_loop()
loop.slow_callback_duration = 60  # a busy machine is slow, too
loop.run_until_complete(client.list_responses())
"""


@pytest.mark.processes
@pytest.mark.parametrize("transport", ["aiohttp", "httpx"])
def test_a_program_may_end_with_its_loop_open(local: LocalLumnis, transport: str) -> None:
    """As notebooks and patched loops leave it. The development mode has nothing to say about us."""
    command = [sys.executable, "-X", "dev", "-c", _PROGRAM, local.api_key, local.base_url, transport]
    ended = subprocess.run(command, capture_output=True, text=True, check=True, timeout=120)
    left = [line for line in ended.stderr.splitlines() if "unclosed event loop" not in line]  # the program's own
    assert not left
