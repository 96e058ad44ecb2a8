"""The HTTP server: listening sockets, and a uvicorn server that starts and stops at once."""

from __future__ import annotations

import asyncio
import importlib.util
import socket
from collections.abc import Awaitable, Callable
from contextlib import suppress

import uvicorn
from starlette.types import ASGIApp

_TICK = 1.0
_DRAIN_STEP = 0.002
#: Turns of the event loop from an accepted connection to its protocol.
_ACCEPT_STEPS = 3
_DRAIN_STEPS = 500


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


class Listener(uvicorn.Server):
    """A uvicorn server that starts and stops without waiting for a clock tick."""

    def __init__(
        self, app: ASGIApp, on_started: Callable[[], None], on_stopping: Callable[[], Awaitable[None]]
    ) -> None:
        http = "httptools" if importlib.util.find_spec("httptools") else "h11"
        config = uvicorn.Config(
            app,
            loop="asyncio",
            http=http,
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
