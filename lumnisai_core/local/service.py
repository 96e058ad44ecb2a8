"""The embedded service as an object: started, addressed, scripted, closed."""

from __future__ import annotations

import os
import threading
from collections import deque
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from pathlib import Path
from typing import Any, Self

from lumnisai_core.local.engines.base import AgentEngines, Engine, RunReport, RunRequest, RunResult
from lumnisai_core.local.engines.offline import OfflineEngine
from lumnisai_core.local.engines.scripted import Script, ScriptedEngine
from lumnisai_core.local.liminal.platform import LocalLiminal
from lumnisai_core.local.liminal.settings import LiminalSettings
from lumnisai_core.local.lucidic.platform import LocalLucidic
from lumnisai_core.local.lumi.platform import LocalLumi
from lumnisai_core.local.lumi.settings import LumiSettings, SignatureMode
from lumnisai_core.local.lumnis.settings import (
    ArtifactShape,
    DownloadMode,
    LimitMode,
    PollMode,
    Reach,
    Settings,
    clean_key,
    expiry_by_key,
    names_by_key,
)
from lumnisai_core.local.openai.routes import PREFIX
from lumnisai_core.local.running import Running, plan_of
from lumnisai_core.local.serving import Server
from lumnisai_core.local.web.faults import Fault
from lumnisai_core.local.web.ids import utc
from lumnisai_core.local.web.layers import RecordedRequest

DEFAULT_STEP_DELAY = 0.02
_MEGABYTE = 1_000_000


class LocalLumnis(Server):
    """A Lumnis service on this machine: a real HTTP server in a background thread, with its own database.

    Use it with `with`, with `async with`, or with `start` and `close`. Once closed it can be started again. It lives in
    the process that started it: a forked child may call it over HTTP, and its `close` does nothing.

    Args:
        engine: answers the runs; `"offline"` is the built-in one that quotes from the question and its files.
        agents: engines by the name of the specialized agent whose runs they answer. The runs of any other agent go to
            `engine`; the built-in one fails them with `AGENT_NOT_AVAILABLE`.
        path: database file that outlives the service; default: a temporary one.
        host: address to listen on.
        port: port to listen on; 0 picks a free one.
        api_key: the key clients must send; default: the first one of `tenants`, else a fresh random one.
        tenants: keys by the name of their tenant, any number of each; any other key has a tenant of its own.
        key_expiry: when keys among `api_key` and `tenants` expire; a date without a zone is in UTC. Requests with an
            expired key are refused like those with an unknown one.
        poll: when a held poll is answered early: `"end-only"` when the run ends, `"on-change"` when it changes. The
            text of an answer that grows counts as a change for polls of at most 2 seconds, at most 10 times a second.
        max_wait: longest time a poll is held, in seconds.
        max_body: largest request body, in bytes.
        max_file: largest uploaded file, in bytes; a bulk upload may be ten times as large in all.
        download: how files are served: `"inline"` as the reply, `"redirect"` by a 302 to a second port that needs no
            credentials, as blob storage does.
        step_delay: pause between the steps of the offline engine and of processing a file, in seconds.
        limits: how a `limit` or `page_size` above its maximum is handled, in lists and in the search of files:
            `"reject"` refuses it with 422, `"clamp"` lowers it to the maximum.
        entry_ids: give progress entries and tool calls a permanent `id` that feedback may name; an id from the engine
            is kept.
        artifact_shape: shape of the artifacts in runs: `"parts"` as the engine made them, which is
            `{artifactId, name, description, parts, ...}`; `"content"` as `{type, content, language?}`, the texts of the
            parts joined by line breaks.
        reach: what a request by id that names a user reaches: `"user"` only what lists show for that user, anything
            else is a 404; `"tenant"` everything of the tenant, which is how the platform is documented. Files of a user
            need that user either way.
        public_url: address under which clients reach the service through a proxy, such as
            `"https://lumnis.example.org"`. Requests to any other name are refused with 421, but for addresses,
            `localhost`, `host` and the name of this machine; links in replies begin with it.
        faults: faults on demand; their counts start at zero with each start of the service.
        fault_routes: let the service's own key add and remove faults over HTTP; never a key of `tenants`.
        liminal: the privacy gateway under `/liminal`; default: one model instance whose policy redacts everything.
        lumi: the application backend under `/lumi`; default: an open one.
        lumi_signature: its `signature`, `"off"`, `"warn"` or `"strict"`, in place of that of `lumi`.

    Attributes:
        liminal: The privacy gateway: its address, token and model instance.
        lucidic: The observability service: its address, key and an agent id.
        lumi: The application backend: its address, project, keys, outbox and functions.

    Raises:
        ValueError: an option is not one of its choices, or a fault is about a route that does not exist.
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
        download: DownloadMode = "inline",
        step_delay: float = DEFAULT_STEP_DELAY,
        limits: LimitMode = "reject",
        entry_ids: bool = False,
        artifact_shape: ArtifactShape = "parts",
        reach: Reach = "user",
        public_url: str | None = None,
        faults: Iterable[Fault] = (),
        fault_routes: bool = True,
        liminal: LiminalSettings | None = None,
        lumi: LumiSettings | None = None,
        lumi_signature: SignatureMode | None = None,
    ) -> None:
        super().__init__()
        if isinstance(faults, Fault):
            raise ValueError("faults must be a list of Fault objects, got a single Fault")
        names = names_by_key(tenants or {})
        self.api_key: str = clean_key(api_key, next(iter(names), None))
        self._settings = Settings(
            engine=AgentEngines(_engine(engine, step_delay), agents),
            path=None if path is None else Path(path),
            host=host,
            port=port,
            api_key=self.api_key,
            tenants=names,
            key_expiry=expiry_by_key(key_expiry or {}, (self.api_key, *names)),
            poll=poll,
            max_wait=max_wait,
            max_body=max_body,
            max_file=max_file,
            download=download,
            step_delay=step_delay,
            limits=limits,
            entry_ids=entry_ids,
            artifact_shape=artifact_shape,
            reach=reach,
            public_url=None if public_url is None else public_url.rstrip("/"),
            faults=tuple(faults),
            fault_routes=fault_routes,
            agents=tuple(agents or ()),
        )
        self.liminal: LocalLiminal = LocalLiminal(lambda: self.base_url, liminal or LiminalSettings())
        self.lucidic: LocalLucidic = LocalLucidic(lambda: self.base_url, self.api_key, self._settings.key_expiry)
        backend = LumiSettings() if lumi is None else lumi
        if lumi_signature is not None:
            backend = replace(backend, signature=lumi_signature)
        self.lumi: LocalLumi = LocalLumi(lambda: self.base_url, backend, self.api_key, self._settings.key_expiry)
        self._neighbours = (self.liminal, self.lucidic, self.lumi)
        plan_of(self._settings, self._neighbours)
        self._lock = threading.Lock()
        self._running: Running | None = None
        self._process = os.getpid()

    def __repr__(self) -> str:
        return f"<LocalLumnis {self._running.base_url if self._running else 'not running'}>"

    @property
    def base_url(self) -> str:
        """Address of the running service, such as `http://127.0.0.1:49152`."""
        if self._running is None:
            raise RuntimeError("LocalLumnis is not running; use `with LocalLumnis() as local:` or call start()")
        return self._running.base_url

    @property
    def openai_base_url(self) -> str:
        """Address at which clients of OpenAI reach the running service, with the key `api_key`."""
        return f"{self.base_url}{PREFIX}"

    def start(self) -> Self:
        """Start serving; returns when requests are answered. Does nothing if it runs already.

        Raises:
            OSError: the port is taken, or the host is not an address of this machine.
            StoreError: the file is not a database of this service, or another service has it open.
        """
        self._check_process()
        with self._lock:
            if self._running is None:
                self._running = Running(self._settings, self._neighbours)
        return self

    def environment(self) -> dict[str, str]:
        """Return the environment variables with which clients find the running service."""
        return {
            "LUMNISAI_API_KEY": self.api_key,
            "LUMNISAI_BASE_URL": self.base_url,
            **{name: value for neighbour in self._neighbours for name, value in neighbour.environment().items()},
        }

    def _check_process(self) -> None:
        if self._process != os.getpid():
            raise RuntimeError(
                f"This LocalLumnis lives in the parent process {self._process}: call it over HTTP from here, or make a "
                "LocalLumnis in this process."
            )

    def close(self) -> None:
        """Stop serving: held polls are answered, open runs stopped, socket and database closed."""
        if self._process != os.getpid():
            return  # its thread, sockets and database are the parent's
        with self._lock:
            running, self._running = self._running, None
            self._closing.put(None)
            if running is not None:
                running.close()

    def add_key(
        self, api_key: str | None = None, *, tenant: str | None = None, expires_at: datetime | None = None
    ) -> str:
        """Admit a further key, until the service is closed; return it. Only its hash is stored.

        A key that is admitted again gets the new expiry, so a test can let the key of a client expire.

        Args:
            api_key: the key; default: a fresh random one.
            tenant: name of its tenant; default: the tenant that it already has, else one of its own.
            expires_at: when requests with it begin to be refused, with 401; a date without a zone is in UTC. Default:
                never.

        Raises:
            RuntimeError: the service is not running.
            ValueError: `expires_at` is not a date, or the key is blank.
        """
        self._check_process()
        if self._running is None:
            raise RuntimeError("LocalLumnis is not running")
        key = clean_key(api_key)
        moment = None if expires_at is None else utc(expires_at)
        self._running.admit(key, tenant, moment)
        self.lucidic.admit(key, moment)
        self.lumi.admit(key, moment)
        return key


def _engine(engine: Engine | str, step_delay: float) -> Engine:
    if engine == "offline":
        return OfflineEngine(step_delay=step_delay)
    if isinstance(engine, str):
        raise ValueError(f"engine must be 'offline' or an object with a run method, got {engine!r}")
    return engine


class ScriptableLumnis(LocalLumnis):
    """A Lumnis service for tests: `script` sets how the next runs go, `requests` are the requests so far.

    Args:
        engine: answers runs when no script is left; default: the offline one, without its pauses.
        agents: engines by the name of the specialized agent, for runs when no script is left.
        **options: those of `LocalLumnis`.

    Attributes:
        requests: Requests in order of arrival; clear the list to start over.
    """

    def __init__(
        self, *, engine: Engine | None = None, agents: Mapping[str, Engine] | None = None, **options: Any
    ) -> None:
        self._scripts: deque[Script] = deque()
        self.requests: list[RecordedRequest] = []
        player = _Player(self._scripts, AgentEngines(engine or OfflineEngine(step_delay=0), agents))
        super().__init__(engine=player, **{"step_delay": 0, **options})
        self._settings = replace(self._settings, record=self.requests.append, agents=tuple(agents or ()))

    def script(self, *scripts: str | Script, **fields: Any) -> None:
        """Set how the next runs go, one script each, in order of arrival.

        Args:
            *scripts: scripts, or texts to answer with.
            **fields: one more script, by the fields of `Script`, such as `error=("CODE", "message")`.

        Raises:
            ValueError: there is no script and no field, or a field is unknown.
        """
        if not scripts and not fields:
            raise ValueError("script() needs a text, a Script or fields of one, such as output_text='Hello'")
        made = [Script(output_text=script) if isinstance(script, str) else script for script in scripts]
        if wrong := [script for script in made if not isinstance(script, Script)]:
            raise ValueError(f"script() takes texts and Scripts, got {type(wrong[0]).__name__}")
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
