"""An MCP server in front of an embedded service, and MCP's own client."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from typing import Any

import pytest
from mcp.client.client import Client

from lumnisai_core import AsyncClient
from lumnisai_core.local import LocalLumnis
from lumnisai_integrations.mcp import mcp_server, serve_http

USER = "user-123"

Connect = Callable[..., AbstractAsyncContextManager[Any]]


def lumnis_client(local: LocalLumnis, user: str = USER) -> AsyncClient:
    """Make a client of the embedded service."""
    return AsyncClient(local.api_key, base_url=local.base_url, user_id=user)


@pytest.fixture
def connect() -> Connect:
    """Connects MCP's client to a server in this process, for the length of an ``async with`` block."""

    @asynccontextmanager
    async def connected(
        local: LocalLumnis, *, mode: str = "auto", user: str = USER, **options: Any
    ) -> AsyncIterator[Any]:
        async with lumnis_client(local, user) as client, Client(mcp_server(client, **options), mode=mode) as mcp:
            yield mcp

    return connected


@asynccontextmanager
async def over_http(local: LocalLumnis, **options: Any) -> AsyncIterator[str]:
    """Serve by HTTP in this process; yield the URL."""
    url: asyncio.Future[str] = asyncio.get_running_loop().create_future()

    def failed(serving: asyncio.Task[None]) -> None:
        if not url.done():
            url.set_exception(serving.exception() or EOFError())

    async with lumnis_client(local) as client:
        server = mcp_server(client, **options.pop("server", {}))
        serving = asyncio.ensure_future(serve_http(server, port=0, ready=url.set_result, **options))
        try:
            serving.add_done_callback(failed)
            yield await url
        finally:
            if not serving.done():
                serving.cancel()
                await asyncio.wait([serving])


def text_of(result: Any) -> str:
    """Return the text of a tool's result."""
    return "\n".join(block.text for block in result.content if block.type == "text")
