"""The HTTP server: listening sockets, connections with limits, and a uvicorn server that starts and stops at once."""

from __future__ import annotations

import asyncio
import importlib
import importlib.util
import socket
from collections.abc import Awaitable, Callable
from contextlib import suppress
from http import HTTPStatus
from typing import Any

import uvicorn
from starlette.types import ASGIApp

from lumnisai_core.local.web.guard import MOST_HEADERS

_TICK = 1.0
_DRAIN_STEP = 0.002
#: Turns of the event loop from an accepted connection to its protocol.
_ACCEPT_STEPS = 3
_DRAIN_STEPS = 500
#: Seconds until the headers of a request have to be complete.
_HEAD_SECONDS = 30.0
_MOST_CONNECTIONS = 10_000
#: Descriptors that are kept for files, the database and processes.
_RESERVED = 100
#: Bytes that are still taken after an answer: the rest of a body that was refused.
_MOST_LEFT = 100_000_000


def bind(host: str, port: int) -> socket.socket:
    """Return a listening socket. Its explicit protocol lets asyncio switch off Nagle's delay of 40 ms an answer."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    sock = socket.socket(family, socket.SOCK_STREAM, proto=socket.IPPROTO_TCP)
    try:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        sock.bind((host, port))
        sock.listen(2048)
        sock.setblocking(False)
    except (OSError, UnicodeError) as error:
        sock.close()
        place = f"cannot listen on {host}, port {port}"
        if isinstance(error, UnicodeError):  # raised for host names that cannot exist
            raise OSError(f"{error}: {place}") from error
        raise OSError(error.errno, f"{error.strerror}: {place}") from error
    return sock


def protocol(name: str, most: int, head_seconds: float) -> Any:
    """Return a protocol of uvicorn whose connections have limits.

    A connection is closed if the headers of a request do not become complete. At the limit of connections, a new one
    takes the place of the one that has waited longest for a request.

    Args:
        name: `"h11"` or `"httptools"`.
        most: how many connections there are at most.
        head_seconds: how long the headers of a request may take.
    """
    base: Any = importlib.import_module(f"uvicorn.protocols.http.{name}_impl")
    (kind,) = (getattr(base, name) for name in ("H11Protocol", "HttpToolsProtocol") if hasattr(base, name))

    class Bounded(kind):  # type: ignore[misc, valid-type]  # chosen above
        """A connection with limits."""

        _head = 0
        #: When it began to wait for a request; None while one is answered.
        waits_since: float | None = None

        def connection_made(self, transport: asyncio.Transport) -> None:
            super().connection_made(transport)
            self.waits_since = self.loop.time()
            if len(self.connections) > most:
                idle = [item for item in self.connections if item.waits_since is not None and item is not self]
                oldest = min(idle, key=lambda item: item.waits_since, default=self)
                oldest.turn_away(HTTPStatus.SERVICE_UNAVAILABLE)

        def data_received(self, data: bytes) -> None:
            before = self.cycle
            was_body = before is not None and before.more_body and not before.response_complete
            super().data_received(data)
            cycle = self.cycle
            is_answered = cycle is None or cycle.response_complete
            has_body = cycle is not None and cycle.more_body  # perhaps one that nobody reads any more
            self._head = 0 if was_body or cycle is not before else self._head + len(data)
            self.waits_since = (self.waits_since or self.loop.time()) if is_answered else None
            if self._head > (_MOST_LEFT if has_body else MOST_HEADERS):
                self.turn_away(HTTPStatus.REQUEST_HEADER_FIELDS_TOO_LARGE)

        def on_response_complete(self) -> None:
            super().on_response_complete()
            self.waits_since = self.loop.time()

        def look(self, now: float) -> None:
            """Close the connection if a request on it does not become complete."""
            is_idle = self.timeout_keep_alive_task is not None  # then the server closes it
            if self.waits_since is not None and not is_idle and now - self.waits_since > head_seconds:
                self.turn_away(HTTPStatus.REQUEST_TIMEOUT)

        def turn_away(self, status: HTTPStatus) -> None:
            """Close the connection with a status."""
            if not self.transport.is_closing():
                head = f"HTTP/1.1 {status.value} {status.phrase}\r\nconnection: close\r\ncontent-length: 0\r\n\r\n"
                self.transport.write(head.encode())
                self.transport.close()
            self.connections.discard(self)

    return Bounded


def _most_connections() -> int:
    """Return how many connections leave descriptors for everything else."""
    try:
        resource: Any = importlib.import_module("resource")
    except ImportError:
        return _MOST_CONNECTIONS
    soft, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    return _MOST_CONNECTIONS if soft < 0 else max(1, min(_MOST_CONNECTIONS, soft - _RESERVED))


class Listener(uvicorn.Server):
    """A uvicorn server that starts and stops without waiting for a clock tick."""

    def __init__(
        self,
        app: ASGIApp,
        on_started: Callable[[], None],
        on_stopping: Callable[[], Awaitable[None]],
        *,
        http: str | None = None,
        most: int | None = None,
        head_seconds: float = _HEAD_SECONDS,
    ) -> None:
        http = http or ("httptools" if importlib.util.find_spec("httptools") else "h11")
        config = uvicorn.Config(
            app,
            loop="asyncio",
            http=protocol(http, most or _most_connections(), head_seconds),
            h11_max_incomplete_event_size=MOST_HEADERS,
            ws="none",
            lifespan="off",
            log_config=None,
            access_log=False,
            server_header=False,
            proxy_headers=False,
            timeout_keep_alive=75,
        )
        super().__init__(config)
        self._on_started = on_started
        self._on_stopping = on_stopping
        self._stop = asyncio.Event()

    def stop(self) -> None:
        """Stop serving; to be called in the server's event loop."""
        self.should_exit = True
        self._stop.set()

    def connection(self, client: object) -> asyncio.Transport | None:
        """Return the open connection of a client address."""
        open_ = (item for item in self.server_state.connections if getattr(item, "client", None) == client)
        return next((item.transport for item in open_), None)

    async def main_loop(self) -> None:
        """Serve until `stop`."""
        await self.on_tick(0)
        self._on_started()
        while not await self.on_tick(0):
            with suppress(TimeoutError):
                async with asyncio.timeout(_TICK):
                    await self._stop.wait()
            now = asyncio.get_running_loop().time()
            for connection in list(self.server_state.connections):
                getattr(connection, "look")(now)  # noqa: B009 - of `protocol`, which uvicorn does not know

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """Stop listening, let pending answers finish, cut off the rest."""
        await self._stop_accepting()
        for server in self.servers:
            server.close()
        for sock in sockets or ():
            sock.close()
        for connection in list(self.server_state.connections):
            connection.shutdown()
        await self._on_stopping()
        for _ in range(_DRAIN_STEPS):
            if not self.server_state.connections and not self.server_state.tasks:
                break
            await asyncio.sleep(_DRAIN_STEP)
        for connection in list(self.server_state.connections):
            connection.transport.abort()
        for task in list(self.server_state.tasks):
            task.cancel()
        await asyncio.sleep(0)

    async def _stop_accepting(self) -> None:
        """Let accepted connections in: once a server is closed, asyncio drops them without closing them."""
        loop = asyncio.get_running_loop()
        for server in self.servers:
            for sock in server.sockets:
                loop.remove_reader(sock.fileno())
        for _ in range(_ACCEPT_STEPS):
            await asyncio.sleep(0)


def address(host: str, sock: socket.socket) -> str:
    """Return the address that a listening socket is reached at."""
    name = f"[{host}]" if ":" in host else host
    return f"http://{name}:{sock.getsockname()[1]}"
