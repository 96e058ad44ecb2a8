"""The service goes away and comes back at the same address, with nothing in between."""

from __future__ import annotations

import asyncio
import socket
import threading
from pathlib import Path

import pytest

from lumnisai_core import AsyncClient, RequestInfo, RunUpdate
from lumnisai_core._transport.retry import RetryPolicy
from lumnisai_core.exceptions import RunFailedError
from lumnisai_core.local import LocalLumnis, OfflineEngine
from tests.servers import EndlessEngine

KEY = "lmn_local_restart"


def free_port() -> int:
    """Return a port that nobody listens on."""
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        port: int = unused.getsockname()[1]
        return port


async def test_a_run_cut_off_by_a_restart_fails_clearly(tmp_path: Path) -> None:
    """The listener hears its first news, then the failure with its reason; the error names the run."""
    port = free_port()
    first = LocalLumnis(engine=EndlessEngine(), path=tmp_path / "l.db", port=port, api_key=KEY, poll="on-change")
    again = LocalLumnis(path=tmp_path / "l.db", port=port, api_key=KEY)
    heard: list[RunUpdate] = []

    async def hear(update: RunUpdate) -> None:
        heard.append(update)
        if update.message == "Working.":
            await asyncio.to_thread(first.close)
            await asyncio.to_thread(again.start)

    first.start()
    try:
        async with AsyncClient(KEY, base_url=f"http://127.0.0.1:{port}", user_id="u") as client:
            with pytest.raises(RunFailedError, match=r"restarted.*\(SERVICE_RESTARTED\)") as caught:
                await client.invoke("Hi", on_progress=hear)
    finally:
        first.close()
        again.close()
    assert caught.value.response_id == heard[0].response_id
    assert heard[-1].status == "failed"


@pytest.mark.parametrize("method", ["POST", "GET"], ids=["create", "list"])
async def test_a_service_that_is_away_for_a_moment_is_waited_for(tmp_path: Path, method: str) -> None:
    """Refused connections are tried again until the service is back; the run is made and answered once."""
    port = free_port()
    local = LocalLumnis(engine=OfflineEngine(step_delay=0), path=tmp_path / "l.db", port=port, api_key=KEY)
    refused = threading.Event()

    def heard(request: RequestInfo) -> None:
        if request.method != method or not request.url.endswith("/v1/responses") or refused.is_set():
            return
        if request.tries == 1:
            local.close()
        else:
            refused.set()
            local.start()

    local.start()
    try:
        async with AsyncClient(KEY, base_url=f"http://127.0.0.1:{port}", user_id="u", on_request=heard) as client:
            client._transport._policy = RetryPolicy(first_pause=0.01)
            run = await client.responses.create("Hello")
            assert (await client.responses.wait(run.response_id)).status == "succeeded"
            assert [row.response_id async for row in client.responses.iter()] == [run.response_id]
    finally:
        local.close()
    assert refused.is_set()
