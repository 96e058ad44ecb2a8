"""The embedded service as an object: start, address, close."""

from __future__ import annotations

import asyncio
import secrets
import signal
import tempfile
import threading
from collections import deque
from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import Future
from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import Path
from types import TracebackType
from typing import Any, Literal, Self

from lumnisai_core.local.engines.agents import AgentEngines
from lumnisai_core.local.engines.base import Engine, RunReport, RunRequest, RunResult
from lumnisai_core.local.engines.offline import OfflineEngine
from lumnisai_core.local.engines.scripted import Script, ScriptedEngine
from lumnisai_core.local.lumnis.app import App, Service, hash_key
from lumnisai_core.local.lumnis.files.blobs import Blobs
from lumnisai_core.local.lumnis.files.library import Library
from lumnisai_core.local.lumnis.keys import expiry_by_key, names_by_key
from lumnisai_core.local.lumnis.replies import ArtifactShape
from lumnisai_core.local.lumnis.routes import LOCAL_PUBLIC, LOCAL_ROUTES, PUBLIC, ROUTES
from lumnisai_core.local.lumnis.runs import PollMode, Runs
from lumnisai_core.local.lumnis.store import Store
from lumnisai_core.local.web.faults import Fault, FaultPlan
from lumnisai_core.local.web.ids import utc
from lumnisai_core.local.web.layers import FaultyApp, RecordedRequest, RecordingApp
from lumnisai_core.local.web.listener import Listener, address, bind, served

DEFAULT_STEP_DELAY = 0.02
_MEGABYTE = 1_000_000


class LocalLumnis:
    """A Lumnis service on this machine: a real HTTP server in a background thread, with its own database.

    Use it with `with`, with `async with`, or with `start` and `close`. Once closed it can be started again.

    Args:
        engine: answers the runs; `"offline"` is the built-in one that quotes what it is given.
        agents: engines by the name of the specialized agent whose runs they answer. The runs of any other agent go to
            `engine`; the built-in one fails them with `AGENT_NOT_AVAILABLE`.
        path: database file that outlives the service; default: a temporary one.
        host: address to listen on.
        port: port to listen on; 0 picks a free one.
        api_key: the key clients must send; default: the first one of `tenants`, else a fresh random one.
        tenants: keys by the name of their tenant, any number of each; a key that is not among them has a tenant of its
            own.
        key_expiry: when keys among `api_key` and `tenants` expire; a date without a zone is in UTC. Requests with such
            a key are then refused as with one that is not known.
        poll: when a held poll is answered early: `"end-only"` when the run has ended, `"on-change"` also on news.
        max_wait: longest time a poll is held, in seconds.
        max_body: largest request body, in bytes.
        max_file: largest uploaded file, in bytes; a bulk upload may be ten times as large in all.
        download: how files are handed out: `"inline"` as the reply, `"redirect"` by a 302 to a second port that asks
            for no credentials, as blob storage does.
        step_delay: pause between the steps of the offline engine and of processing a file, in seconds.
        limits: what becomes of a `limit` or `page_size` above its maximum, in lists and in the search of files:
            `"reject"` refuses it with 422, `"clamp"` takes the maximum instead.
        entry_ids: give progress entries and tool calls an `id` when they are made, which they keep and feedback may
            name; a tool call that the engine gave one keeps that.
        artifact_shape: shape of the artifacts in runs: `"parts"` as the engine made them, which is
            `{artifactId, name, description, parts, ...}`; `"content"` as `{type, content, language?}`, the texts of the
            parts joined by line breaks.
        faults: what is to go wrong; their counts start anew with each start of the service.
    """

    def __init__(
        self,
        *,
        engine: Engine | str = "offline",
        agents: Mapping[str, Engine] | None = None,
        path: str | Path | None = None,
        host: str = "127.0.0.1",
        port: int = 0,
        api_key: str | None = None,
        tenants: Mapping[str, Sequence[str]] | None = None,
        key_expiry: Mapping[str, datetime] | None = None,
        poll: PollMode = "end-only",
        max_wait: float = 60.0,
        max_body: int = 10 * _MEGABYTE,
        max_file: int = 50 * _MEGABYTE,
        download: Literal["inline", "redirect"] = "inline",
        step_delay: float = DEFAULT_STEP_DELAY,
        limits: Literal["reject", "clamp"] = "reject",
        entry_ids: bool = False,
        artifact_shape: Literal["parts", "content"] = "parts",
        faults: Iterable[Fault] = (),
    ) -> None:
        if poll not in ("end-only", "on-change"):
            raise ValueError(f"poll must be 'end-only' or 'on-change', not {poll!r}")
        if download not in ("inline", "redirect"):
            raise ValueError(f"download must be 'inline' or 'redirect', not {download!r}")
        if limits not in ("reject", "clamp"):
            raise ValueError(f"limits must be 'reject' or 'clamp', not {limits!r}")
        if not isinstance(entry_ids, bool):
            raise ValueError(f"entry_ids must be True or False, not {entry_ids!r}")
        if artifact_shape not in ("parts", "content"):
            raise ValueError(f"artifact_shape must be 'parts' or 'content', not {artifact_shape!r}")
        if api_key is not None and not api_key.strip():
            raise ValueError("api_key must not be blank")
        if isinstance(port, bool) or not isinstance(port, int) or not 0 <= port <= 65535:
            raise ValueError(f"port must be a whole number from 0 to 65535, not {port!r}")
        if isinstance(faults, Fault):
            raise ValueError("faults must be a list of Fault objects, not a single Fault")
        names = names_by_key(tenants or {})
        self.api_key: str = (api_key or next(iter(names), None) or _fresh_key()).strip()
        expiry = expiry_by_key(key_expiry or {}, (self.api_key, *names))
        self._setup = _Setup(
            engine=AgentEngines(_engine(engine, step_delay), agents),
            path=None if path is None else Path(path),
            host=host,
            port=port,
            api_key=self.api_key,
            tenants=names,
            key_expiry=expiry,
            poll=poll,
            max_wait=max_wait,
            max_body=max_body,
            max_file=max_file,
            redirect=download == "redirect",
            step_delay=step_delay,
            clamp=limits == "clamp",
            entry_ids=entry_ids,
            artifact_shape=artifact_shape,
            faults=tuple(faults),
        )
        _plan(self._setup.faults)
        self._lock = threading.Lock()
        self._running: _Running | None = None
        self._closing = threading.Event()

    def __repr__(self) -> str:
        return f"<LocalLumnis {self._running.base_url if self._running else 'not running'}>"

    @property
    def base_url(self) -> str:
        """Address of the running service, such as `http://127.0.0.1:49152`."""
        if self._running is None:
            raise RuntimeError("LocalLumnis is not running; use `with LocalLumnis() as local:` or call start()")
        return self._running.base_url

    def start(self) -> Self:
        """Start serving; returns when requests are answered. Does nothing if it runs already.

        Raises:
            OSError: the port is taken, or the host is none of this machine.
            StoreError: the file is no database of this service, or another one has it open.
        """
        with self._lock:
            if self._running is None:
                self._closing.clear()
                self._running = _Running(self._setup)
        return self

    def close(self) -> None:
        """Stop serving: held polls are answered, open runs stopped, socket and database closed."""
        with self._lock:
            running, self._running = self._running, None
            self._closing.set()
            if running is not None:
                running.close()

    def add_key(
        self, api_key: str | None = None, *, tenant: str | None = None, expires_at: datetime | None = None
    ) -> str:
        """Let in a further key and return it, until the service is closed; only its hash is stored.

        A key that is let in again has its new expiry from then on, so a test can let the key of a client expire.

        Args:
            api_key: the key; default: a fresh random one.
            tenant: name of the tenant that it belongs to; default: that which it has, else one of its own.
            expires_at: when requests with it begin to be refused, with 401; a date without a zone is in UTC. Default:
                never.

        Raises:
            RuntimeError: the service is not running.
            ValueError: `expires_at` is no date, or the key is blank.
        """
        if self._running is None:
            raise RuntimeError("LocalLumnis is not running")
        if api_key is not None and not api_key.strip():
            raise ValueError("api_key must not be blank")
        key = (api_key or _fresh_key()).strip()
        self._running.admit(key, tenant, None if expires_at is None else utc(expires_at))
        return key

    def serve_forever(self, on_ready: Callable[[str, str], None] | None = None) -> None:
        """Serve in the foreground until Ctrl-C, SIGTERM or `close`; prints nothing.

        Args:
            on_ready: called with address and key once requests are answered.
        """
        previous = _catch_signals(self._closing.set)
        try:
            self.start()
            if on_ready is not None:
                on_ready(self.base_url, self.api_key)
            while not self._closing.wait(0.5):
                pass
        finally:
            self.close()
            for number, handler in previous.items():
                signal.signal(number, handler)

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    async def __aenter__(self) -> Self:
        return await asyncio.to_thread(self.start)

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await asyncio.to_thread(self.close)


@dataclass(frozen=True, slots=True)
class _Setup:
    """How a service is to run."""

    engine: Engine
    path: Path | None
    host: str
    port: int
    api_key: str
    tenants: Mapping[str, str]
    key_expiry: Mapping[str, str]
    poll: PollMode
    max_wait: float
    max_body: int
    max_file: int
    redirect: bool
    step_delay: float
    clamp: bool
    entry_ids: bool
    artifact_shape: ArtifactShape
    faults: tuple[Fault, ...]
    record: Callable[[RecordedRequest], None] | None = None


class _Running:
    """A started service: its socket, its thread, its database."""

    def __init__(self, setup: _Setup) -> None:
        self._setup, path = setup, setup.path
        self._folder = None if path else tempfile.TemporaryDirectory(prefix="lumnis-", ignore_cleanup_errors=True)
        self._path = path or Path(self._folder.name if self._folder else "") / "lumnis.db"
        self._ready: Future[tuple[asyncio.AbstractEventLoop, Listener, Service]] = Future()
        try:
            self._socket = bind(setup.host, setup.port)
        except OSError:
            self._clean()
            raise
        self._blob_socket = bind(setup.host, 0) if setup.redirect else None
        self.base_url = address(setup.host, self._socket)
        self._thread = threading.Thread(target=self._serve, name="lumnis-local", daemon=True)
        self._thread.start()
        try:
            self._loop, self._listener, self._service = self._ready.result()
        except Exception:
            self._thread.join()
            self._clean()
            raise

    def admit(self, key: str, tenant: str | None, expires_at: str | None) -> None:
        """Let in a further key."""

        async def admit() -> None:
            self._service.admit(key, tenant, expires_at)

        asyncio.run_coroutine_threadsafe(admit(), self._loop).result()

    def close(self) -> None:
        """Stop the thread and wait for it."""
        self._loop.call_soon_threadsafe(self._listener.stop)
        self._thread.join()
        self._clean()

    def _clean(self) -> None:
        if self._folder is not None:
            self._folder.cleanup()

    def _serve(self) -> None:
        """Run the whole service in this thread."""
        loop = asyncio.new_event_loop()
        try:
            loop.run_until_complete(self._serve_async(loop))
        except BaseException as error:  # noqa: BLE001 - handed to the thread that waits for the start
            if not self._ready.done():
                self._ready.set_exception(error)
        finally:
            self._socket.close()
            if self._blob_socket is not None:
                self._blob_socket.close()
            loop.run_until_complete(loop.shutdown_asyncgens())
            loop.close()

    async def _serve_async(self, loop: asyncio.AbstractEventLoop) -> None:
        setup = self._setup
        store = Store(self._path, durable=self._folder is None)
        try:
            library = Library(store, self._path.with_name(f"{self._path.name}.files"), setup.step_delay)
            runs = Runs(store, library, setup.engine, setup.poll, entry_ids=setup.entry_ids)
            blobs = None
            if self._blob_socket is not None:
                blobs = Blobs(store, library, address(setup.host, self._blob_socket))
            limits = (setup.max_wait, setup.max_body, setup.max_file)
            plan = _plan(setup.faults)
            owner = store.tenant(hash_key(setup.api_key), setup.tenants.get(setup.api_key)).id
            shown = (setup.clamp, setup.artifact_shape)
            service = Service(store, runs, library, blobs, {}, *limits, plan, owner, *shown)
            for key in (setup.api_key, *setup.tenants):
                service.admit(key, setup.tenants.get(key), setup.key_expiry.get(key))
            app = App(service, (*ROUTES, *LOCAL_ROUTES), PUBLIC | LOCAL_PUBLIC)

            def connection(client: object) -> asyncio.Transport | None:
                return listener.connection(client)

            faulty = FaultyApp(app, plan, connection)

            async def stop() -> None:
                faulty.stop()
                await runs.stop()
                await library.stop()

            listener = Listener(
                faulty if setup.record is None else RecordingApp(faulty, setup.record),
                on_started=lambda: self._ready.set_result((loop, listener, service)),
                on_stopping=stop,
            )
            library.recover()
            runs.recover()
            async with served(blobs, self._blob_socket):
                await listener.serve(sockets=[self._socket])
        finally:
            store.close()


def _plan(faults: Iterable[Fault]) -> FaultPlan:
    return FaultPlan(((method, path) for method, path, _ in ROUTES), faults)


def _fresh_key() -> str:
    return f"lmn_local_{secrets.token_urlsafe(24)}"


def _engine(engine: Engine | str, step_delay: float) -> Engine:
    if engine == "offline":
        return OfflineEngine(step_delay=step_delay)
    if isinstance(engine, str):
        raise ValueError(f"there is no engine called {engine!r}; use 'offline' or an object with a run method")
    return engine


def _catch_signals(act: Callable[[], None]) -> dict[signal.Signals, signal._HANDLER]:
    """Let Ctrl-C and SIGTERM call `act`; only the main thread may do so."""
    if threading.current_thread() is not threading.main_thread():
        return {}
    numbers = (signal.SIGINT, signal.SIGTERM)
    return {number: signal.signal(number, lambda *_: act()) for number in numbers}


class ScriptableLumnis(LocalLumnis):
    """A Lumnis service for tests: `script` says what the next runs do, `requests` is what came in.

    Args:
        engine: answers the runs that no script is left for; default: the offline one, without its pauses.
        agents: engines by the name of the specialized agent, for runs that no script is left for.
        **options: those of `LocalLumnis`.

    Attributes:
        requests: Requests in order of arrival; clear it to forget them.
    """

    def __init__(
        self, *, engine: Engine | None = None, agents: Mapping[str, Engine] | None = None, **options: Any
    ) -> None:
        self._scripts: deque[Script] = deque()
        self.requests: list[RecordedRequest] = []
        player = _Player(self._scripts, AgentEngines(engine or OfflineEngine(step_delay=0), agents))
        super().__init__(engine=player, **{"step_delay": 0, **options})
        self._setup = replace(self._setup, record=self.requests.append)

    def script(self, *scripts: str | Script, **fields: Any) -> None:
        """Say what the next runs do, one script each, in order of arrival.

        Args:
            *scripts: scripts, or texts to answer with.
            **fields: one more script, by the fields of `Script`, such as `error=("CODE", "message")`.

        Raises:
            ValueError: nothing is said, or a field is not known.
        """
        if not scripts and not fields:
            raise ValueError("script() needs a text, a Script or fields of one, such as output_text='Hello'")
        made = [Script(output_text=script) if isinstance(script, str) else script for script in scripts]
        if wrong := [script for script in made if not isinstance(script, Script)]:
            raise ValueError(f"script() takes texts and Scripts, not {type(wrong[0]).__name__}")
        self._scripts.extend(made)
        if fields:
            self._scripts.append(Script.from_dict(fields))


class _Player:
    """Plays each script once, then leaves the runs to another engine."""

    def __init__(self, scripts: deque[Script], rest: Engine) -> None:
        self._scripts = scripts
        self._rest = rest

    async def run(self, request: RunRequest, report: RunReport) -> RunResult:
        """Answer one run."""
        engine = ScriptedEngine(self._scripts.popleft()) if self._scripts else self._rest
        return await engine.run(request, report)
