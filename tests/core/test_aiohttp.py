"""The true errors of aiohttp."""

from __future__ import annotations

import aiohttp
import httpx
import pytest
from aiohttp.client_reqrep import ConnectionKey

from lumnisai_core._transport import pool
from lumnisai_core._transport.pool_aiohttp import true_error

_KEY = ConnectionKey("127.0.0.1", 1, False, True, None, None, None)


@pytest.mark.parametrize(
    ("error", "restored"),
    [
        (aiohttp.ConnectionTimeoutError("late"), httpx.ConnectTimeout),
        (aiohttp.SocketTimeoutError("late"), httpx.ReadTimeout),
        (aiohttp.ClientConnectorError(_KEY, OSError(111, "refused")), httpx.ConnectError),
        (aiohttp.ServerDisconnectedError(), httpx.RemoteProtocolError),
        (aiohttp.ClientPayloadError("half"), httpx.RemoteProtocolError),
        (aiohttp.ClientOSError(104, "reset"), httpx.ReadError),
        (aiohttp.ClientConnectionResetError("gone"), httpx.ReadError),
        (ValueError("odd header"), httpx.RemoteProtocolError),
    ],
)
def test_each_failure_has_its_own_error(error: Exception, restored: type[Exception]) -> None:
    """Callers of any transport get the same words for the same failure."""
    assert type(true_error(error)) is restored


def test_the_extra_is_used_where_it_is_installed() -> None:
    """The development environment has it, so that all asyncio tests run over it."""
    assert pool.BULK_AVAILABLE
