"""A folder that keeps events until they are sent: a file for each process, read by the next start."""

from __future__ import annotations

import json
import os
import threading
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import IO, Any, NamedTuple
from uuid import uuid4

try:
    import fcntl
except ImportError:  # Windows, where nobody could tell the files of the living from those of the dead
    fcntl = None  # type: ignore[assignment]

from lumnisai_core._transport import forks
from lumnisai_core.exceptions import ConfigurationError
from lumnisai_core.lucidic.config import Settings
from lumnisai_core.lucidic.delivery import logger
from lumnisai_core.lucidic.plain import encoded

#: A file of this size is emptied when nothing in it waits any more.
_LARGE = 1024 * 1024


class Spool:
    """Appends events to a file of this process, and what has been sent.

    A line is written with one call to the system, so that it is whole or missing whenever the process ends. The file
    is locked while the process lives, and removed when everything in it has been sent.

    Args:
        folder: Where the files are; it is made if need be.
        settings: Whose events they are.

    Raises:
        ConfigurationError: The folder cannot be used.
    """

    def __init__(self, folder: str | os.PathLike[str], settings: Settings) -> None:
        if fcntl is None:
            raise ConfigurationError("spool= needs file locks, which this system does not have.")
        self.folder = Path(folder)
        self._head = {"base_url": settings.service.base_url, "agent_id": settings.agent_id}
        try:
            self.folder.mkdir(parents=True, exist_ok=True, mode=0o700)
            self._open()
        except OSError as error:
            raise ConfigurationError(f"spool must be a folder that can be written to: {error}") from error
        forks.register(self)

    def _open(self) -> None:
        self._lock = threading.RLock()
        self._waiting: set[str] = set()
        self._path = self.folder / f"{os.getpid()}-{uuid4().hex[:12]}.jsonl"
        self._file = os.open(self._path, os.O_RDWR | os.O_CREAT | os.O_APPEND, 0o600)
        fcntl.flock(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        os.write(self._file, _line(self._head))

    def after_fork(self) -> None:
        """Write into a file of the child's own."""
        os.close(self._file)
        self._open()

    def keep_session(self, creation: dict[str, Any]) -> None:
        """Keep the creation of a session that the service does not have yet."""
        self._append({"session": creation})

    def keep(self, body: dict[str, Any]) -> None:
        """Keep an event, already masked."""
        with self._lock:
            self._append({"event": body})
            self._waiting.add(body["client_event_id"])

    def sent(self, event_id: str) -> None:
        """Note that an event has been sent, or refused for good."""
        with self._lock:
            self._waiting.discard(event_id)
            if not self._waiting and os.fstat(self._file).st_size > _LARGE:
                os.ftruncate(self._file, 0)
                self._append(self._head)
            else:
                self._append({"sent": event_id})

    def _append(self, row: dict[str, Any]) -> None:
        try:
            os.write(self._file, _line(row))
        except OSError as error:
            logger.warning("Lucidic: an event could not be written to %s: %s", self._path, error)

    def close(self) -> None:
        """Remove the file if nothing in it waits."""
        with self._lock:
            if not self._waiting:
                self._path.unlink(missing_ok=True)

    def left(self) -> Iterator[Remains]:
        """Yield what processes that have ended left here for this service and agent, each file locked meanwhile."""
        for path in sorted(self.folder.glob("*.jsonl")):
            if path == self._path:
                continue
            try:
                file = path.open("r+b")
            except OSError:
                continue
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
                remains = read_spool(file, path)
            except OSError:
                file.close()  # its process is alive
                continue
            if remains is None or remains.head != self._head or not path.exists():
                file.close()
            else:
                yield remains


class Remains(NamedTuple):
    """What a file holds that was not sent.

    Attributes:
        file: The file, which keeps its lock as long as it is open.
        path: Where it is.
        head: Whose events they are.
        sessions: Bodies of sessions to create first, by id.
        events: Bodies of events, by id.
    """

    file: IO[bytes]
    path: Path
    head: dict[str, Any]
    sessions: dict[str, dict[str, Any]]
    events: dict[str, dict[str, Any]]

    def settle(self, event_id: str) -> None:
        """Note that an event has been sent, and remove the file after the last one."""
        self.events.pop(event_id, None)
        if self.events:
            os.write(self.file.fileno(), _line({"sent": event_id}))
        else:
            self.discard()

    def discard(self) -> None:
        """Remove the file."""
        self.path.unlink(missing_ok=True)
        self.file.close()


def read_spool(file: IO[bytes], path: Path) -> Remains | None:
    """Read a file; a line that was cut off is left out. None if it has no beginning."""
    head: dict[str, Any] | None = None
    sessions: dict[str, dict[str, Any]] = {}
    events: dict[str, dict[str, Any]] = {}
    for line in iter(partial(file.readline), b""):
        try:
            row = json.loads(line)
        except ValueError:
            continue
        match row:
            case {"event": {"client_event_id": str(event_id)} as body}:
                events[event_id] = body
            case {"session": {"session_id": str(session_id)} as body}:
                sessions[session_id] = body
            case {"sent": str(event_id)}:
                events.pop(event_id, None)
            case {"base_url": str(), "agent_id": str()}:
                head = row
    return None if head is None else Remains(file, path, head, sessions, events)


def _line(row: dict[str, Any]) -> bytes:
    return f"{encoded(row)}\n".encode("utf-8", "replace")
