"""The sessions that this process records into, and which one is current."""

from __future__ import annotations

import os
import threading
from functools import partial
from pathlib import Path
from typing import Any
from uuid import uuid4
from weakref import WeakValueDictionary

from lumnisai_core._transport import forks
from lumnisai_core.exceptions import ConfigurationError, TransportError
from lumnisai_core.lucidic import calls, context
from lumnisai_core.lucidic._sync.client import Client
from lumnisai_core.lucidic.config import NO_RETRY
from lumnisai_core.lucidic.delivery import Delivery, Item, TrackedSession, logger
from lumnisai_core.lucidic.plain import Mask, encoded, masked
from lumnisai_core.lucidic.spool import Spool

#: Seconds that ``init()`` waits for the service; later, the session is created in the background.
_CREATION_SECONDS = 5.0

#: Variables that the default client depends on.
_VARIABLES = ("API_KEY", "AGENT_ID", "BASE_URL", "REGION", "TIMEOUT", "MAX_RETRIES")


class Tracing:
    """Sessions and clients of the module-level calls; there is one of it.

    Attributes:
        delivery: Sends what is recorded.
        active: Id of the session that ``init()`` or ``set_active_session()`` chose for the process.
        open: Sessions that this process has opened and not ended, by id.
        mask: Hides personal data in events of sessions without a function of their own.
        spool: Keeps events until they are sent, or None.
    """

    def __init__(self) -> None:
        self.delivery = Delivery()
        self.active: str | None = None
        self.open: dict[str, TrackedSession] = {}
        self.mask: Mask | None = None
        self.spool: Spool | None = None
        self._known: WeakValueDictionary[str, TrackedSession] = WeakValueDictionary()
        self._clients: dict[tuple[Any, ...], Client] = {}
        self._default: Client | None = None
        self._environment: tuple[str | None, ...] = ()
        self._lock = threading.Lock()
        forks.register(self)

    def after_fork(self) -> None:
        """Leave the sessions of the parent to it: a child adds events to them and never ends them by itself."""
        self._lock = threading.Lock()
        for session in list(self._known.values()):
            session.lock = threading.Lock()
            session.pending = 0
            session.changes = {}
            session.auto_end = False

    # Clients

    def client(self) -> Client:
        """Return the client of the last ``init()``, or else one with the settings of the environment.

        Raises:
            ConfigurationError: There is no key or no agent id.
        """
        return self._default or self.client_for()

    def client_for(self, **settings: Any) -> Client:
        """Return the client for some settings and the environment; there is one for equal ones.

        Without settings it is the chosen one, as long as the environment stays as it was.

        Raises:
            ConfigurationError: There is no key or no agent id.
        """
        chosen = {name: value for name, value in settings.items() if value is not None}
        environment = _environment()
        if not chosen and self._default is not None and environment == self._environment:
            return self._default
        key = (*environment, *sorted(chosen.items()))
        with self._lock:
            if key not in self._clients:
                self._clients[key] = Client(**chosen)
            return self._clients[key]

    def choose(self, client: Client) -> None:
        """Make a client the one of all calls without settings of their own."""
        self._default, self._environment = client, _environment()

    # The spool

    def keep_in(self, folder: str | os.PathLike[str], client: Client) -> None:
        """Keep events in a folder until they are sent, and send what earlier processes left there.

        Raises:
            ConfigurationError: The folder cannot be used, or another one is in use.
        """
        with self._lock:
            if self.spool is not None:
                if self.spool.folder != Path(folder):
                    raise ConfigurationError(f"spool is {self.spool.folder} already; a process has one.")
                return
            self.spool = Spool(folder, client._settings)
        threading.Thread(target=self._replay, args=(self.spool, client), name="lucidic-replay", daemon=True).start()

    def _replay(self, spool: Spool, client: Client) -> None:
        for remains in spool.left():
            sessions: dict[str, TrackedSession] = {}
            bodies = list(remains.events.values())
            if not bodies:
                remains.discard()
            for body in bodies:
                session_id, event_id = body["session_id"], body["client_event_id"]
                if session_id not in sessions:
                    creation = remains.sessions.get(session_id)
                    sessions[session_id] = TrackedSession(session_id, client, creation=creation)
                size = len(encoded(body["payload"]))
                self.delivery.admit(sessions[session_id], size, wait=True)
                item = Item(sessions[session_id], partial(dict, body), size, partial(remains.settle, event_id))
                self.delivery.put([item])

    # Sessions

    def create(
        self, client: Client, *, mask: Mask | None, auto_end: bool, session_id: str | None = None, **known: Any
    ) -> TrackedSession:
        """Create a session, in the background if the service does not answer in time.

        Raises:
            APIKeyVerificationError: The service refuses the key.
            ValidationError: The service refuses the session.
        """
        known["task"] = masked(known.get("task"), mask)
        body = calls.session_body(session_id=session_id or str(uuid4()), agent_id=client.agent_id, **known)
        session = TrackedSession(body["session_id"], client, mask=mask, creation=body, auto_end=auto_end)
        try:
            session.server_id = (
                client._transport.send(
                    calls.create_session(body),
                    policy=NO_RETRY,
                    total=min(_CREATION_SECONDS, client._settings.timeout),
                )
                or session.id
            )
        except TransportError as error:
            logger.warning("Lucidic does not answer; the session is created in the background: %s", error)
        else:
            session.creation = None
            self.delivery.note_success(client)
        with self._lock:
            self.open[session.id] = self._known[session.id] = session
        if session.creation is not None:
            if self.spool is not None:
                self.spool.keep_session(body)
            self.delivery.create(session)
        return session

    def session(self, session_id: str | None) -> TrackedSession | None:
        """Return a session, or the current one; None if there is none or nothing is configured."""
        chosen = session_id or context.session_id.get() or self.active
        if chosen is None:
            # A thread without a context: its session is known only if there is no other.
            opened = list(self.open.values())
            return opened[0] if len(opened) == 1 else None
        return self.open.get(chosen) or self._known.get(chosen) or self._adopted(chosen)

    def _adopted(self, session_id: str) -> TrackedSession | None:
        """Return a session that another process or client has created."""
        try:
            client = self.client()
        except ConfigurationError as error:
            self.delivery.complain(f"Lucidic: events of session {session_id} are dropped: {error}")
            return None
        with self._lock:
            session = TrackedSession(session_id, client, mask=self.mask)
            return self._known.setdefault(session_id, session)

    def end(self, session: TrackedSession, changes: dict[str, Any]) -> None:
        """End a session after its events; once."""
        with self._lock:
            self.open.pop(session.id, None)
            if self.active == session.id:
                self.active = None
        if not session.ended:
            self.delivery.change(session, {**changes, "is_finished": True})


def _environment() -> tuple[str | None, ...]:
    return tuple(os.environ.get(f"LUCIDIC_{name}") for name in _VARIABLES)


_tracing: Tracing | None = None
_making = threading.Lock()


def tracing() -> Tracing:
    """Return the sessions of this process."""
    global _tracing  # noqa: PLW0603 - one for the process
    if _tracing is None:
        with _making:
            _tracing = _tracing or Tracing()
    return _tracing
