"""Delivery of events and session changes: a bounded store, some sender threads per service, and statistics."""

from __future__ import annotations

import logging
import math
import threading
import time
from collections import defaultdict, deque
from collections.abc import Callable
from contextlib import suppress
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

#: Threads that send to one service.
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


class _Lane:
    """What waits for one service, so that one that does not answer holds up no other."""

    def __init__(self) -> None:
        self.queue: deque[Item] = deque()
        self.senders = 0
        self.idle = 0
        #: Events and changes that wait or are being sent.
        self.pending = 0
        self.last_success = -math.inf


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
        self._lanes: defaultdict[str, _Lane] = defaultdict(_Lane)
        self._admitted = self._bytes = 0
        self._delivered = self._dropped = self._refused = self._spooled = 0
        self._troubles: dict[str, float] = {}

    @property
    def statistics(self) -> Statistics:
        """What happened to the events of this process so far."""
        return Statistics(self._admitted, self._delivered, self._dropped, self._refused, self._spooled)

    @property
    def seconds_since_success(self) -> float:
        """Seconds since a service accepted something, infinite if none ever did."""
        with self._changed:
            latest = max((lane.last_success for lane in self._lanes.values()), default=-math.inf)
        return time.monotonic() - latest

    def note_success(self, client: Client) -> None:
        """Remember that the service of a client has just accepted something."""
        with self._changed:
            self._lanes[client._transport.base_url].last_success = time.monotonic()

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
                lane = self._lane(session)
                lane.pending += 1
                if not lane.senders:  # the events may be put when the interpreter shuts down, too late for a new thread
                    self._start(lane)
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
            for item in items:
                lane = self._lane(item.session)
                lane.queue.append(item)
                self._wake(lane)

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
        lane = self._lane(session)
        lane.pending += 1
        lane.queue.append(Item(session))
        self._wake(lane)

    def _lane(self, session: TrackedSession) -> _Lane:
        return self._lanes[session.client._transport.base_url]

    def _wake(self, lane: _Lane) -> None:
        """Have a sender for all that waits in a lane, as far as there may be so many."""
        self._changed.notify_all()
        if lane.idle < len(lane.queue) and lane.senders < MOST_SENDERS:
            self._start(lane)

    def _start(self, lane: _Lane) -> None:
        with suppress(RuntimeError):  # the interpreter shuts down: the senders that run must do
            work = (self._changed, lane)
            threading.Thread(target=self._work, args=work, name="lucidic-sender", daemon=True).start()
            lane.senders += 1

    # Sending

    def _work(self, changed: threading.Condition, lane: _Lane) -> None:
        while True:
            with changed:
                lane.idle += 1
                while not lane.queue:
                    changed.wait()
                lane.idle -= 1
                item = lane.queue.popleft()
            try:
                self._send(item)
            except Exception:
                logger.exception("Lucidic: an event could not be sent")
                self._settle(item, delivered=False)
            del item  # a sender that waits keeps no session alive

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
            lane = self._lane(session)
            lane.pending -= 1
            if delivered:
                lane.last_success = time.monotonic()
            if item.make is not None:
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
            patience: Seconds without any success after which waiting for a service is pointless.

        Returns:
            Whether everything was sent.
        """
        began = time.monotonic()
        with self._changed:
            while waiting := [lane.last_success for lane in self._lanes.values() if lane.pending]:
                now = time.monotonic()
                limit = min(began + timeout, max(began, *waiting) + patience)
                if now >= limit:
                    return False
                self._changed.wait(min(limit - now, threading.TIMEOUT_MAX))
        return True
