"""A running service: its sockets, its thread, its database."""

from __future__ import annotations

import asyncio
import os
import shutil
import signal
import sqlite3
import tempfile
import threading
from collections.abc import Iterator, Sequence
from concurrent.futures import Future
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from types import FrameType
from typing import Any, Protocol

from starlette.types import ASGIApp, Receive, Scope, Send

from lumnisai_core.local.engines.base import Engine
from lumnisai_core.local.lumnis.files.library import Blobs, Library
from lumnisai_core.local.lumnis.routes import EMBEDDED_ROUTES, ROUTES
from lumnisai_core.local.lumnis.runs import Runs
from lumnisai_core.local.lumnis.service import Keys, Service
from lumnisai_core.local.lumnis.settings import Settings
from lumnisai_core.local.lumnis.store.schema import STEPS
from lumnisai_core.local.lumnis.store.store import Store
from lumnisai_core.local.openai import embedded as openai
from lumnisai_core.local.store.database import Database
from lumnisai_core.local.web.app import App, Mounts
from lumnisai_core.local.web.faults import FaultPlan
from lumnisai_core.local.web.guard import Guard
from lumnisai_core.local.web.layers import FaultyApp, RecordingApp
from lumnisai_core.local.web.listener import Listener, address, bind
from lumnisai_core.local.web.log import LoggedApp
from lumnisai_core.local.web.routes import Route
from lumnisai_core.local.web.work import Work

#: Seconds between two deletions of what has expired.
_BETWEEN_CLEANINGS = 600.0
#: Handlers of SIGTERM that services with temporary folders have set.
_ENDS: list[object] = []


@contextmanager
def _removed_at_sigterm(folder: Path) -> Iterator[None]:
    """Remove a folder when SIGTERM ends this process inside the block, which is what it does unless somebody objects.

    Whoever handles the signal in some way is left alone, and so are threads, which cannot.
    """
    process = os.getpid()

    def end(number: int, _frame: FrameType | None) -> None:
        if os.getpid() == process:  # and not that of a forked child
            shutil.rmtree(folder, ignore_errors=True)
        signal.signal(number, previous)
        if callable(previous):
            previous(number, _frame)
        else:
            os.kill(os.getpid(), number)

    previous: Any = signal.getsignal(signal.SIGTERM)
    is_main = threading.current_thread() is threading.main_thread()
    if not is_main or not (previous is signal.SIG_DFL or previous in _ENDS):
        yield
        return
    _ENDS.append(end)
    signal.signal(signal.SIGTERM, end)
    try:
        yield
    finally:
        _ENDS.remove(end)
        if signal.getsignal(signal.SIGTERM) is end and threading.current_thread() is threading.main_thread():
            signal.signal(signal.SIGTERM, previous)


class Neighbour(Protocol):
    """A further platform of the service.

    Attributes:
        name: First segment of its paths, and name of its version in the database.
        routes: Its routes.
        steps: Statements that make its tables; see `Database`.
    """

    name: str
    routes: tuple[Route, ...]
    steps: tuple[str, ...]

    def application(self, database: Database, engine: Engine, max_body: int, address: str) -> ASGIApp:
        """Return the application for a service that starts; `address` is where clients reach the whole service."""

    def environment(self) -> dict[str, str]:
        """Return the environment variables with which clients find the platform."""


def plan_of(settings: Settings, neighbours: Sequence[Neighbour]) -> FaultPlan:
    """Return a fresh plan of the faults; a ValueError if one is about a route that does not exist."""
    return FaultPlan(
        (*ROUTES, *openai.ROUTES, *(route for neighbour in neighbours for route in neighbour.routes)), settings.faults
    )


class Running:
    """A started service in a thread of its own; OSError or StoreError if it cannot use its address or its file."""

    def __init__(self, settings: Settings, neighbours: Sequence[Neighbour]) -> None:
        self._settings, path = settings, settings.path
        self._neighbours = neighbours
        self._ready: Future[tuple[asyncio.AbstractEventLoop, Listener, Service]] = Future()
        with ExitStack() as opened:
            if path is None:
                folder = tempfile.TemporaryDirectory(prefix="lumnis-", ignore_cleanup_errors=True)
                path = Path(opened.enter_context(folder)) / "lumnis.db"
                opened.enter_context(_removed_at_sigterm(path.parent))
            self._path = path
            self._socket = opened.enter_context(bind(settings.host, settings.port))
            redirects = settings.download == "redirect"
            self._blob_socket = opened.enter_context(bind(settings.host, 0)) if redirects else None
            self.base_url = address(settings.host, self._socket)
            self._thread = threading.Thread(target=self._serve, name="lumnis-local", daemon=True)
            self._thread.start()
            self._loop, self._listener, self._service = self._ready.result()
            opened.callback(self._thread.join)
            self._opened = opened.pop_all()

    def admit(self, key: str, tenant: str | None, expires_at: str | None) -> None:
        """Admit a further key."""

        async def admit() -> None:
            self._service.keys.admit(key, tenant, expires_at)

        asyncio.run_coroutine_threadsafe(admit(), self._loop).result()

    def close(self) -> None:
        """Stop the thread and wait for it."""
        self._loop.call_soon_threadsafe(self._listener.stop)
        self._opened.close()

    def _serve(self) -> None:
        """Run the whole service in this thread."""
        loop = asyncio.new_event_loop()
        try:
            loop.run_until_complete(self._serve_async(loop))
        except BaseException as error:  # noqa: BLE001 - handed to the thread that waits for the start
            if not self._ready.done():
                self._ready.set_exception(error)
        finally:
            loop.run_until_complete(loop.shutdown_asyncgens())
            loop.close()

    async def _serve_async(self, loop: asyncio.AbstractEventLoop) -> None:
        settings = self._settings
        steps = {"lumnis": STEPS, **{neighbour.name: neighbour.steps for neighbour in self._neighbours}}
        database = Database(self._path, steps, durable=settings.path is not None)
        try:
            service = self._service_of(Store(database))
            routes, clamp = (*ROUTES, *EMBEDDED_ROUTES), settings.limits == "clamp"
            app = App(routes, service.open_call, max_body=settings.max_body, clamp=clamp)
            mounted = {
                neighbour.name: neighbour.application(database, settings.engine, settings.max_body, service.address)
                for neighbour in self._neighbours
            }
            mounted[openai.MOUNT] = openai.application(service, settings.agents, settings.max_body)

            def connection(client: object) -> asyncio.Transport | None:
                return listener.connection(client)

            faulty = FaultyApp(Mounts(app, mounted), service.faults, connection)

            async def forget() -> None:
                while True:
                    await asyncio.sleep(_BETWEEN_CLEANINGS)
                    with suppress(sqlite3.OperationalError):  # the disk is full: next time
                        service.store.forget_replies()

            cleaning = loop.create_task(forget())

            async def stop() -> None:
                cleaning.cancel()
                faulty.stop()
                await service.runs.stop()
                await service.library.stop()

            outer = faulty if settings.record is None else RecordingApp(faulty, settings.record)
            sockets = [sock for sock in (self._socket, self._blob_socket) if sock is not None]
            ports = [sock.getsockname()[1] for sock in sockets]

            async def by_port(scope: Scope, receive: Receive, send: Send) -> None:
                app = outer if service.blobs is None or scope["server"][1] != ports[-1] else service.blobs
                await app(scope, receive, send)

            listener = Listener(
                LoggedApp(Guard(by_port, settings.host_names)),
                on_started=lambda: self._ready.set_result((loop, listener, service)),
                on_stopping=stop,
            )
            service.library.recover()
            service.runs.recover()
            await listener.serve(sockets=sockets)
        finally:
            database.close()

    def _service_of(self, store: Store) -> Service:
        settings, keys = self._settings, Keys(store)
        library = Library(store, self._path.with_name(f"{self._path.name}.files"), settings.step_delay)
        for key in (settings.api_key, *settings.tenants):
            keys.admit(key, settings.tenants.get(key), settings.key_expiry.get(key))
        return Service(
            settings=settings,
            store=store,
            runs=Runs(store, library, settings),
            library=library,
            blobs=Blobs(store, library, address(settings.host, self._blob_socket)) if self._blob_socket else None,
            keys=keys,
            faults=plan_of(settings, self._neighbours),
            work=Work(),
            address=settings.public_url or self.base_url,
        )
