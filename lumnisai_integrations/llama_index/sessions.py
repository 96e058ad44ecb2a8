"""Where sessions are kept: in the process, or in a file that survives it."""

from __future__ import annotations

import os
import sqlite3
import threading
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from typing import ClassVar, Protocol, TypeVar

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from lumnisai_core.exceptions import ConfigurationError
from lumnisai_integrations.llama_index.conversation import Conversation


class ModelLock:
    """A lock whose copies are locks of their own and which does not tell equal models apart."""

    def __init__(self) -> None:
        self._lock = threading.Lock()

    def __enter__(self) -> None:
        self._lock.acquire()

    def __exit__(self, *_: object) -> None:
        self._lock.release()

    def __reduce__(self) -> tuple[type[ModelLock], tuple[()]]:
        return ModelLock, ()

    def __eq__(self, other: object) -> bool:
        return isinstance(other, ModelLock)

    def __hash__(self) -> int:
        return hash(ModelLock)


T = TypeVar("T")
_SECONDS_FOR_ANOTHER_WRITER = 30.0
_TABLE = """
    CREATE TABLE IF NOT EXISTS lumnis_sessions (
        owner TEXT NOT NULL, key TEXT NOT NULL, session TEXT NOT NULL, PRIMARY KEY (owner, key)
    )
"""


class Session(BaseModel):
    """What is known of a session: its thread, and its messages.

    Attributes:
        thread_id: The thread; None before it is needed.
        conversation: The messages.
    """

    model_config: ClassVar[ConfigDict] = ConfigDict(frozen=True)

    thread_id: str | None = None
    conversation: Conversation = Field(default_factory=Conversation)


#: From a session, if it is known, to what becomes of it (None: it is forgotten), and a result.
Change = Callable[[Session | None], tuple[Session | None, T]]


class Sessions(Protocol):
    """Keeps sessions by key. Safe for threads."""

    def read(self, key: str) -> Session | None:
        """Return a session, if there is one."""

    def change(self, key: str, change: Change[T]) -> T:
        """Change a session, one change at a time, and return the result."""

    def keys(self) -> list[str]:
        """Return the keys of all sessions, oldest first."""


class ProcessSessions:
    """Sessions in a dict.

    Args:
        kept: The dict.
        lock: Held while one of them changes.
    """

    def __init__(self, kept: dict[str, Session], lock: ModelLock) -> None:
        self._kept = kept
        self._lock = lock

    def read(self, key: str) -> Session | None:
        """Return a session, if there is one."""
        return self._kept.get(key)

    def change(self, key: str, change: Change[T]) -> T:
        """Change a session, one change at a time, and return the result."""
        with self._lock:
            session, result = change(self._kept.get(key))
            if session is None:
                self._kept.pop(key, None)
            else:
                self._kept[key] = session
            return result

    def keys(self) -> list[str]:
        """Return the keys of all sessions, oldest first."""
        with self._lock:
            return list(self._kept)


class FileSessions:
    """Sessions in an SQLite file, which several processes may use at once.

    Args:
        path: The file. It is made when it is first needed, readable by its owner only.
        owner: Whose sessions they are; another owner's are not seen.
    """

    def __init__(self, path: str, owner: str) -> None:
        self._path = path
        self._owner = owner

    def read(self, key: str) -> Session | None:
        """Return a session, if there is one."""
        with self._open() as database:
            return self._read(database, key)

    def change(self, key: str, change: Change[T]) -> T:
        """Change a session, one change at a time, and return the result."""
        with self._open() as database:
            database.execute("BEGIN IMMEDIATE")
            session, result = change(self._read(database, key))
            if session is None:
                query = "DELETE FROM lumnis_sessions WHERE owner = ? AND key = ?"
                database.execute(query, (self._owner, key))
            else:
                query = """
                    INSERT INTO lumnis_sessions VALUES (?, ?, ?)
                    ON CONFLICT (owner, key) DO UPDATE SET session = excluded.session
                """
                database.execute(query, (self._owner, key, session.model_dump_json()))
            database.execute("COMMIT")
            return result

    def keys(self) -> list[str]:
        """Return the keys of all sessions, oldest first."""
        with self._open() as database:
            query = "SELECT key FROM lumnis_sessions WHERE owner = ? ORDER BY rowid"
            return [key for (key,) in database.execute(query, (self._owner,))]

    def _read(self, database: sqlite3.Connection, key: str) -> Session | None:
        query = "SELECT session FROM lumnis_sessions WHERE owner = ? AND key = ?"
        row = database.execute(query, (self._owner, key)).fetchone()
        return None if row is None else Session.model_validate_json(row[0])

    @contextmanager
    def _open(self) -> Iterator[sqlite3.Connection]:
        try:
            os.close(os.open(self._path, os.O_RDWR | os.O_CREAT, 0o600))
            waits = _SECONDS_FOR_ANOTHER_WRITER
            with closing(sqlite3.connect(self._path, timeout=waits, isolation_level=None)) as database:
                database.execute(_TABLE)
                yield database
        except (OSError, sqlite3.Error, ValidationError) as error:
            raise ConfigurationError(
                f"The sessions cannot be kept in path={self._path!r}: {error}. Name an SQLite file of this store, or "
                "one that does not exist yet in a folder that can be written to."
            ) from error
