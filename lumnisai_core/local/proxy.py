"""A proxy that speaks OpenAI's protocol in front of an agent platform: a server in a thread of its own."""

from __future__ import annotations

import asyncio
import socket
import threading
from collections.abc import Mapping, Sequence
from concurrent.futures import Future
from hmac import compare_digest
from typing import Self
from urllib.parse import urlsplit

from starlette.requests import Request

from lumnisai_core.local.lumnis.settings import clean_key
from lumnisai_core.local.openai.attempts import Attempts
from lumnisai_core.local.openai.backend import OpenAIBackend
from lumnisai_core.local.openai.replies import error_body, status_of
from lumnisai_core.local.openai.routes import PREFIX, Call, Endpoint, route
from lumnisai_core.local.serving import Server
from lumnisai_core.local.web.app import App
from lumnisai_core.local.web.errors import ApiError
from lumnisai_core.local.web.guard import Guard
from lumnisai_core.local.web.listener import Listener, address, bind

_MEGABYTE = 1_000_000


class OpenAIProxy(Server):
    """Serves OpenAI's chat completions and Responses in front of an agent platform.

    Use it with `with`, or with `serve_forever`. It keeps nothing: runs and threads are those of the platform.

    Args:
        backend: Reaches the platform, with a key of its own.
        host: Address to listen on. Default: this machine only.
        port: Port to listen on. Default: 0, which picks a free one.
        api_key: The key that clients must send. Default: a fresh random one.
        agents: Names of specialized agents, which clients choose as models.
        public_url: Address under which clients reach it through another proxy. Requests to any other name are refused
            with 421, but for addresses, `localhost`, `host` and the name of this machine.
        max_body: Largest request body, in bytes. Default: 10 MB.

    Raises:
        ValueError: The key is blank.
    """

    def __init__(
        self,
        backend: OpenAIBackend,
        *,
        host: str = "127.0.0.1",
        port: int = 0,
        api_key: str | None = None,
        agents: Sequence[str] = (),
        public_url: str | None = None,
        max_body: int = 10 * _MEGABYTE,
    ) -> None:
        super().__init__()
        self.api_key: str = clean_key(api_key)
        self._backend = backend
        self._host = host
        self._port = port
        self._agents = tuple(agents)
        public = urlsplit(public_url or "").hostname
        self._names = frozenset(name.lower() for name in (host, socket.gethostname(), public) if name)
        self._max_body = max_body
        self._running: tuple[str, asyncio.AbstractEventLoop, Listener, threading.Thread] | None = None

    def __repr__(self) -> str:
        return f"<OpenAIProxy {self._running[0] if self._running else 'not running'}>"

    @property
    def base_url(self) -> str:
        """Address for clients of OpenAI, such as `http://127.0.0.1:49152/openai/v1`."""
        if self._running is None:
            raise RuntimeError("OpenAIProxy is not running; use `with OpenAIProxy(backend) as proxy:` or call start()")
        return f"{self._running[0]}{PREFIX}"

    def start(self) -> Self:
        """Start serving; returns when requests are answered. Does nothing if it runs already.

        Raises:
            OSError: The port is taken, or the host is not an address of this machine.
        """
        if self._running is None:
            listening = bind(self._host, self._port)
            ready: Future[tuple[asyncio.AbstractEventLoop, Listener]] = Future()
            thread = threading.Thread(
                target=lambda: asyncio.run(self._serve(listening, ready)), name="lumnis-openai", daemon=True
            )
            base_url = address(self._host, listening)
            thread.start()
            self._running = (base_url, *ready.result(), thread)
        return self

    def close(self) -> None:
        """Stop serving: open answers end, and runs that clients have left are stopped."""
        running, self._running = self._running, None
        self._closing.put(None)
        if running is not None:
            _, loop, listener, thread = running
            loop.call_soon_threadsafe(listener.stop)
            thread.join()

    async def _serve(self, listening: socket.socket, ready: Future[tuple[asyncio.AbstractEventLoop, Listener]]) -> None:
        attempts = Attempts()
        endpoint = Endpoint(attempts, self._agents)

        def open_call(request: Request, path: Mapping[str, str], key: str | None) -> Call:
            if key is None or not compare_digest(key.encode(), self.api_key.encode()):
                raise ApiError(401, "INVALID_API_KEY", "The API key is missing or not valid.")
            return Call(request, path, endpoint, self._backend)

        app = App(route, open_call, max_body=self._max_body, body_of=error_body, status_of=status_of)
        loop = asyncio.get_running_loop()
        listener = Listener(
            Guard(app, self._names),
            on_started=lambda: ready.set_result((loop, listener)),
            on_stopping=attempts.close,
        )
        try:
            await listener.serve(sockets=[listening])
        except BaseException as error:
            if ready.done():
                raise
            ready.set_exception(error)
