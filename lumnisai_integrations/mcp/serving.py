"""Serving of the MCP server: standard input and output, or streamable HTTP with a key and checks of the host."""

from __future__ import annotations

import asyncio
import hmac
import os
import signal
import socket
import sys
import threading
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import contextmanager, nullcontext, suppress
from ipaddress import ip_address
from typing import Any

import uvicorn
from mcp.server.auth.middleware.bearer_auth import BearerAuthBackend
from mcp.server.auth.provider import AccessToken
from mcp.server.lowlevel import Server
from mcp.server.stdio import stdio_server
from mcp.server.transport_security import TransportSecuritySettings
from starlette.applications import Starlette
from starlette.middleware.authentication import AuthenticationMiddleware

from lumnisai_core.exceptions import ConfigurationError

#: Path of the endpoint.
HTTP_PATH = "/mcp"

#: Seconds that open requests get when the server is stopped.
_GRACE = 3

_STOPS = (signal.SIGINT, signal.SIGTERM)


async def serve_stdio(server: Server[Any]) -> None:
    """Serve one client over standard input and output, until it closes them or SIGINT or SIGTERM comes.

    Calls of ``ask`` that are under way then are cancelled, which stops their runs. While the server works, whatever
    else the process prints to standard output goes to standard error.

    Args:
        server: Made by :func:`mcp_server`.
    """
    lines = _InputLines()
    async with stdio_server(stdin=lines) as (incoming, outgoing):  # type: ignore[arg-type] # it iterates only
        serving = asyncio.ensure_future(server.run(incoming, outgoing, server.create_initialization_options()))
        try:
            with _on_signal(serving.cancel):
                await asyncio.wait([serving])
        finally:
            serving.cancel()
            lines.close()
    if not serving.cancelled():
        serving.result()


class _InputLines:
    """Lines of standard input, read in a thread that keeps nobody from leaving, unlike a blocked read."""

    def __init__(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._lines: asyncio.Queue[str | None] = asyncio.Queue()
        threading.Thread(target=self._read, daemon=True, name="lumnis-mcp-stdin").start()

    def _read(self) -> None:
        pieces: list[bytes] = []
        with suppress(RuntimeError, OSError):  # the loop or the input is closed
            descriptor = sys.stdin.fileno()
            while content := os.read(descriptor, 65536):
                *ends, rest = content.split(b"\n")
                for end in ends:
                    self._pass(b"".join([*pieces, end]).decode(errors="replace"))
                    pieces.clear()
                pieces.append(rest)
            self._pass(None)

    def close(self) -> None:
        """End the lines, although the input is open."""
        self._lines.put_nowait(None)

    def _pass(self, line: str | None) -> None:
        self._loop.call_soon_threadsafe(self._lines.put_nowait, line)

    async def __aiter__(self) -> AsyncIterator[str]:
        while (line := await self._lines.get()) is not None:
            yield line


def http_app(server: Server[Any], *, host: str = "127.0.0.1", key: str | None = None) -> Starlette:
    """Return an ASGI application that serves any number of clients by streamable HTTP at ``/mcp``.

    On a loopback address it answers only requests that are addressed to this machine, so that no page in a browser can
    reach it through a name of its own.

    Args:
        server: Made by :func:`mcp_server`.
        host: The address that the application will be served at. Default: the loopback address.
        key: Key that clients must send as ``Authorization: Bearer KEY``. Default: none is needed.

    Raises:
        ConfigurationError: There is no key, and others than this machine can reach the address.
    """
    loopback = is_loopback(host)
    if not loopback and not key:
        raise ConfigurationError(
            f"Everybody who reaches {host} could run agents with your key: set a key that clients must send, or "
            "listen on 127.0.0.1."
        )
    names = ["127.0.0.1", "localhost", "[::1]", *([host] if loopback else [])]
    hosts = [*names, *(f"{name}:*" for name in names)]
    checks = TransportSecuritySettings(
        enable_dns_rebinding_protection=loopback,
        allowed_hosts=hosts,
        allowed_origins=[f"{scheme}://{name}" for name in hosts for scheme in ("http", "https")],
    )
    verifier = None if key is None else _Verifier(key)
    app = server.streamable_http_app(
        streamable_http_path=HTTP_PATH, host=host, transport_security=checks, token_verifier=verifier
    )
    if verifier is not None:
        app.add_middleware(AuthenticationMiddleware, backend=BearerAuthBackend(verifier))
    return app


def is_loopback(host: str) -> bool:
    """Return whether only this machine can reach an address."""
    try:
        return ip_address(host.strip("[]")).is_loopback
    except ValueError:
        return host.lower() == "localhost"


class _Verifier:
    """Accepts one key."""

    def __init__(self, key: str) -> None:
        self._key = key.encode()

    async def verify_token(self, token: str) -> AccessToken | None:
        if not hmac.compare_digest(token.encode(errors="surrogateescape"), self._key):
            return None
        return AccessToken(token="", client_id="lumnis", scopes=[])


async def serve_http(
    server: Server[Any],
    *,
    host: str = "127.0.0.1",
    port: int = 8788,
    key: str | None = None,
    ready: Callable[[str], object] | None = None,
) -> None:
    """Serve by streamable HTTP until SIGINT or SIGTERM comes.

    Args:
        server: Made by :func:`mcp_server`.
        host: Address to listen on. Default: the loopback address.
        port: Port to listen on; 0 picks a free one. Default 8788.
        key: Key that clients must send as ``Authorization: Bearer KEY``. Default: none is needed.
        ready: Called with the URL of the server once it listens.

    Raises:
        ConfigurationError: The address cannot be used, or needs a key.
    """
    app = http_app(server, host=host, key=key)
    with _listening(host, port) as listener:
        config = uvicorn.Config(
            app, log_level="warning", access_log=False, lifespan="on", timeout_graceful_shutdown=_GRACE
        )
        served = _Uvicorn(config)
        if ready is not None:
            shown = f"[{host}]" if ":" in host else host
            ready(f"http://{shown}:{listener.getsockname()[1]}{HTTP_PATH}")
        serving = asyncio.ensure_future(served.serve(sockets=[listener]))
        try:
            with _on_signal(served.stop):
                await asyncio.shield(serving)
        finally:
            served.stop()
            await asyncio.wait([serving])


class _Uvicorn(uvicorn.Server):
    """Leaves signals to :func:`serve_http`, which ends normally."""

    def stop(self) -> None:
        """Finish what is under way and end."""
        self.should_exit = True

    def capture_signals(self) -> nullcontext[None]:  # type: ignore[override] # any context manager does
        return nullcontext()


@contextmanager
def _listening(host: str, port: int) -> Iterator[socket.socket]:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    try:
        listener = socket.create_server((host.strip("[]"), port), family=family, backlog=128)
    except OSError as error:
        raise ConfigurationError(f"Cannot listen on {host}, port {port}: {error.strerror or error}.") from error
    with listener:
        yield listener


@contextmanager
def _on_signal(stop: Callable[[], object]) -> Iterator[None]:
    loop = asyncio.get_running_loop()
    for number in _STOPS:
        with suppress(NotImplementedError, RuntimeError, ValueError):  # Windows, or not the main thread
            loop.add_signal_handler(number, stop)
    try:
        yield
    finally:
        for number in _STOPS:
            with suppress(NotImplementedError, RuntimeError, ValueError):
                loop.remove_signal_handler(number)
