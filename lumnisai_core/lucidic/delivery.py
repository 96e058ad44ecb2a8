"""Delivery of events and session changes: a bounded store, a few sender threads, and a count of what happened."""

from __future__ import annotations

import logging
import math
import threading
import time
from collections import deque
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, NamedTuple

from lumnisai_core._transport import forks
from lumnisai_core._transport.retry import RetryPolicy
from lumnisai_core.exceptions import LumnisAIError
from lumnisai_core.lucidic import calls
from lumnisai_core.lucidic._sync.sessions import send_event
from lumnisai_core.lucidic.plain import Mask, masked

if TYPE_CHECKING:
    from lumnisai_core.lucidic._sync.client import Client

logger = logging.getLogger("lumnisai_core.lucidic")

#: Events that wait at most, and the bytes of their payloads; further ones are dropped and counted.
MOST_EVENTS, MOST_BYTES = 10_000, 32 * 1024 * 1024

MOST_SENDERS = 10

#: Nothing is given up while the process lives: the bound above keeps the memory small.
_PATIENT = RetryPolicy(max_retries=10**9, longest_pause=2.0, longest_retry_after=3600.0, budget=math.inf)

#: Seconds between two messages about the same trouble.
_QUIET = 60.0


class Statistics(NamedTuple):
    """What happened to the events of this process.

    Attributes:
        pending: Events that wait or are being sent.
        delivered: Events that the service has accepted.
        dropped: Events that were left out because too many waited, or no session was known.
        refused: Events that the service refused, or that could not be written.
        spooled: Events that found no room, and wait in the spool folder for the next start.
    """

    pending: int = 0
    delivered: int = 0
    dropped: int = 0
    refused: int = 0
    spooled: int = 0


class TrackedSession:
    """A session that events of this process belong to.

    Attributes:
        id: Its id here; the service may know it under another one.
        client: The client that its calls go through.
        mask: Hides personal data, or None.
        auto_end: Whether the end of the process ends it.
    """

    def __init__(
        self,
        session_id: str,
        client: Client,
        *,
        mask: Mask | None = None,
        creation: dict[str, Any] | None = None,
        auto_end: bool = False,
    ) -> None:
        self.id = session_id
        self.client = client
        self.mask = mask
        self.auto_end = auto_end
        self.ended = False
        #: Body of the creation that is still to be sent, or None.
        self.creation = creation
        self.server_id = session_id
        self.changes: dict[str, Any] = {}
        self.pending = 0
        self.lock = threading.Lock()


class Item(NamedTuple):
    """An event that waits, or the changes of a session if there is no ``make``.

    Attributes:
        session: Its session.
        make: Returns the body of the event, masked.
        size: Bytes that it is counted as.
        settled: Called once the event is delivered or refused.
    """

    session: TrackedSession
    make: Callable[[], dict[str, Any]] | None = None
    size: int = 0
    settled: Callable[[], None] | None = None


class Delivery:
    """Sends events and session changes in the background. All methods return at once but :meth:`drain`."""

    def __init__(self, *, most_events: int = MOST_EVENTS, most_bytes: int = MOST_BYTES) -> None:
        self.most_events = most_events
        self.most_bytes = most_bytes
        self.after_fork()
        forks.register(self)

    def after_fork(self) -> None:
        """Start without the parent's events, which the parent sends."""
        # A condition's lock is reentrant: a signal handler may interrupt the thread that holds it.
        self._changed = threading.Condition()
        self._queue: deque[Item] = deque()
        self._senders = 0
        self._idle = 0
        self._admitted = self._bytes = 0
        self._controls = 0
        self._delivered = self._dropped = self._refused = self._spooled = 0
        self._last_success = -math.inf
        self._troubles: dict[str, float] = {}

    @property
    def statistics(self) -> Statistics:
        """What happened to the events of this process so far."""
        return Statistics(self._admitted, self._delivered, self._dropped, self._refused, self._spooled)

    @property
    def seconds_since_success(self) -> float:
        """Seconds since the service accepted something, infinite if it never did."""
        return time.monotonic() - self._last_success

    def note_success(self) -> None:
        """Remember that the service has just accepted something."""
        self._last_success = time.monotonic()

    # Accepting

    def admit(self, session: TrackedSession, size: int, *, spooled: bool = False, wait: bool = False) -> bool:
        """Count an event that :meth:`put` gets next; False if there is no room for it.

        Args:
            session: Its session.
            size: Bytes of its payload.
            spooled: Whether the next start sends it if there is no room now.
            wait: Whether to wait until there is room.
        """
        with self._changed:
            if wait:
                self._changed.wait_for(lambda: self._has_room(size))
            if self._has_room(size):
                self._admitted += 1
                self._bytes += size
                session.pending += 1
                return True
            self._spooled += spooled
        if not spooled:
            self.drop("too many events wait to be sent to Lucidic: new ones are dropped")
        return False

    def _has_room(self, size: int) -> bool:
        return not self._admitted or (self._admitted < self.most_events and self._bytes + size <= self.most_bytes)

    def drop(self, why: str) -> None:
        """Count an event that is left out."""
        with self._changed:
            self._dropped += 1
        self.complain(why)

    def put(self, items: list[Item]) -> None:
        """Send admitted events."""
        with self._changed:
            self._queue.extend(items)
            self._wake(len(items))

    def change(self, session: TrackedSession, changes: dict[str, Any]) -> None:
        """Send changes of a session; those that end it go after all of its events."""
        with self._changed:
            session.changes.update(changes)
            session.ended = session.ended or changes.get("is_finished") is True
            if not session.pending or not session.ended:
                self._control(session)

    def create(self, session: TrackedSession) -> None:
        """Send the creation of a session in the background, if the service does not have it yet."""
        with self._changed:
            self._control(session)

    def _control(self, session: TrackedSession) -> None:
        self._controls += 1
        self._queue.append(Item(session))
        self._wake(1)

    def _wake(self, count: int) -> None:
        self._changed.notify_all()
        for _ in range(min(count - self._idle, MOST_SENDERS - self._senders)):
            try:
                threading.Thread(target=self._work, args=(self._changed,), name="lucidic-sender", daemon=True).start()
            except RuntimeError:  # the interpreter shuts down: those that run must do
                return
            self._senders += 1

    def start(self) -> None:
        """Start a first sender, because none can be started any more when the interpreter shuts down."""
        with self._changed:
            if not self._senders:
                self._wake(self._idle + 1)

    # Sending

    def _work(self, changed: threading.Condition) -> None:
        while True:
            with changed:
                self._idle += 1
                while not self._queue:
                    changed.wait()
                self._idle -= 1
                item = self._queue.popleft()
            try:
                self._send(item)
            except Exception:
                logger.exception("Lucidic: an event could not be sent")
                self._settle(item, delivered=False)

    def _send(self, item: Item) -> None:
        session = item.session
        try:
            self._ensure_created(session)
            if item.make is None:
                self._send_changes(session)
            else:
                self._send_event(session, item.make())
        except LumnisAIError as error:
            self.complain(f"Lucidic refuses what is sent to it: {error}")
            self._settle(item, delivered=False)
        else:
            self._settle(item, delivered=True)

    def _ensure_created(self, session: TrackedSession) -> None:
        if session.creation is None:
            return
        with session.lock:
            if session.creation is not None:
                call = calls.create_session(session.creation)
                session.server_id = session.client._transport.send(call, policy=_PATIENT) or session.id
                session.creation = None

    def _send_changes(self, session: TrackedSession) -> None:
        with session.lock:
            with self._changed:
                changes, session.changes = session.changes, {}
            if changes:
                body = masked({name: value for name, value in changes.items() if value is not None}, session.mask)
                session.client._transport.send(calls.update_session(session.server_id, body), policy=_PATIENT)

    def _send_event(self, session: TrackedSession, body: dict[str, Any]) -> None:
        body["session_id"] = session.server_id
        send_event(session.client._transport, body, session.client._settings.blob_threshold, policy=_PATIENT)

    def _settle(self, item: Item, *, delivered: bool) -> None:
        session = item.session
        if item.settled is not None:
            item.settled()
        with self._changed:
            if delivered:
                self.note_success()
            if item.make is None:
                self._controls -= 1
            else:
                self._admitted -= 1
                self._bytes -= item.size
                self._delivered += delivered
                self._refused += not delivered
                session.pending -= 1
                if not session.pending and session.ended and session.changes:
                    self._control(session)
            self._changed.notify_all()

    def complain(self, trouble: str) -> None:
        """Log a trouble, once a minute."""
        now = time.monotonic()
        if now - self._troubles.get(trouble[:40], -math.inf) >= _QUIET:
            self._troubles[trouble[:40]] = now
            logger.warning("%s", trouble)

    # Waiting

    def drain(self, timeout: float, *, patience: float = math.inf) -> bool:
        """Wait until everything is sent.

        Args:
            timeout: Seconds to wait at most.
            patience: Seconds without any success after which waiting is pointless.

        Returns:
            Whether everything was sent.
        """
        began = time.monotonic()
        with self._changed:
            while self._admitted or self._controls:
                now = time.monotonic()
                limit = min(began + timeout, max(began, self._last_success) + patience)
                if now >= limit:
                    return False
                self._changed.wait(min(limit - now, threading.TIMEOUT_MAX))
        return True
