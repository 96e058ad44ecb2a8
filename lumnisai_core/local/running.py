"""A running service: its sockets, its thread, its database."""

from __future__ import annotations

import asyncio
import tempfile
import threading
from concurrent.futures import Future
from contextlib import ExitStack
from pathlib import Path

from starlette.types import Receive, Scope, Send

from lumnisai_core.local.liminal import routes as liminal_routes
from lumnisai_core.local.liminal import service as liminal
from lumnisai_core.local.liminal import store as liminal_store
from lumnisai_core.local.liminal.settings import LiminalSettings
from lumnisai_core.local.lumnis.files.library import Blobs, Library
from lumnisai_core.local.lumnis.routes import EMBEDDED_ROUTES, ROUTES
from lumnisai_core.local.lumnis.runs import Runs
from lumnisai_core.local.lumnis.service import Keys, Service
from lumnisai_core.local.lumnis.settings import Settings
from lumnisai_core.local.lumnis.store.store import Store
from lumnisai_core.local.web.app import App, Mounts
from lumnisai_core.local.web.faults import FaultPlan
from lumnisai_core.local.web.layers import FaultyApp, RecordingApp
from lumnisai_core.local.web.listener import Listener, address, bind


def plan_of(settings: Settings) -> FaultPlan:
    """Return a fresh plan of the faults; a ValueError if one is about a route that does not exist."""
    return FaultPlan((*ROUTES, *liminal_routes.route), settings.faults)


class Running:
    """A started service in a thread of its own; OSError or StoreError if it cannot use its address or its file."""

    def __init__(self, settings: Settings, gateway: LiminalSettings, gateway_token: str) -> None:
        self._settings, path = settings, settings.path
        self._gateway_settings, self._gateway_token = gateway, gateway_token
        self._ready: Future[tuple[asyncio.AbstractEventLoop, Listener, Service]] = Future()
        with ExitStack() as opened:
            if path is None:
                folder = tempfile.TemporaryDirectory(prefix="lumnis-", ignore_cleanup_errors=True)
                path = Path(opened.enter_context(folder)) / "lumnis.db"
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

    def expire_gateway_sessions(self) -> None:
        """End all sessions of the privacy gateway."""
        self._gateway.sessions.expire()

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
        store = Store(self._path, durable=settings.path is not None, further=liminal_store.STEPS)
        try:
            service = self._service_of(store)
            routes, clamp = (*ROUTES, *EMBEDDED_ROUTES), settings.limits == "clamp"
            app = App(routes, service.open_call, max_body=settings.max_body, clamp=clamp)
            gateway_store = liminal_store.Store(store.database)
            self._gateway = liminal.Service(self._gateway_settings, self._gateway_token, gateway_store, settings.engine)
            gateway = App(
                liminal_routes.route, self._gateway.open_call, max_body=settings.max_body, body_of=liminal.refused
            )

            def connection(client: object) -> asyncio.Transport | None:
                return listener.connection(client)

            faulty = FaultyApp(Mounts(app, {liminal_routes.MOUNT: gateway}), service.faults, connection)

            async def stop() -> None:
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
                by_port, on_started=lambda: self._ready.set_result((loop, listener, service)), on_stopping=stop
            )
            service.library.recover()
            service.runs.recover()
            await listener.serve(sockets=sockets)
        finally:
            store.close()

    def _service_of(self, store: Store) -> Service:
        settings, keys = self._settings, Keys(store)
        library = Library(store, self._path.with_name(f"{self._path.name}.files"), settings.step_delay)
        tenants = [
            keys.admit(key, settings.tenants.get(key), settings.key_expiry.get(key))
            for key in (settings.api_key, *settings.tenants)
        ]
        return Service(
            settings=settings,
            store=store,
            runs=Runs(store, library, settings),
            library=library,
            blobs=Blobs(store, library, address(settings.host, self._blob_socket)) if self._blob_socket else None,
            keys=keys,
            faults=plan_of(settings),
            owner=tenants[0],
        )
