"""Sessions of a chat store: in the process, or in a file that survives it."""

from __future__ import annotations

import os
import sqlite3
import threading
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from typing import Protocol, TypeVar

from pydantic import TypeAdapter, ValidationError

from lumnisai_core.exceptions import ConfigurationError
from lumnisai_integrations.llama_index.conversation import ChatConversation

T = TypeVar("T")

#: From a session, None if it is not known, to what replaces it, None to forget it, and a result.
Change = Callable[[ChatConversation | None], tuple[ChatConversation | None, T]]

_changing = threading.Lock()  # one for all, because a change takes no time and locks cannot be saved or copied
_form = TypeAdapter(ChatConversation)
_SECONDS_FOR_ANOTHER_WRITER = 30.0
_TABLE = """
    CREATE TABLE IF NOT EXISTS lumnis_sessions (
        owner TEXT NOT NULL, key TEXT NOT NULL, session TEXT NOT NULL, PRIMARY KEY (owner, key)
    )
"""


class Sessions(Protocol):
    """Sessions by key. Safe for threads."""

    def change(self, key: str, change: Change[T]) -> T:
        """Change a session, one change at a time, and return the result."""

    def keys(self) -> list[str]:
        """Return the keys of all sessions, oldest first."""


class ProcessSessions:
    """Sessions in a dict.

    Args:
        kept: The dict.
    """

    def __init__(self, kept: dict[str, ChatConversation]) -> None:
        self._kept = kept

    def change(self, key: str, change: Change[T]) -> T:
        """Change a session, one change at a time, and return the result."""
        with _changing:
            session, result = change(self._kept.get(key))
            if session is None:
                self._kept.pop(key, None)
            else:
                self._kept[key] = session
            return result

    def keys(self) -> list[str]:
        """Return the keys of all sessions, oldest first."""
        with _changing:
            return list(self._kept)


class FileSessions:
    """Sessions in an SQLite file, which several processes may use at once.

    Args:
        path: The file. It is made when it is first needed, readable by its owner only.
        owner: Owner of the sessions; those of another owner are not seen.
    """

    def __init__(self, path: str, owner: str) -> None:
        self._path = path
        self._owner = owner

    def change(self, key: str, change: Change[T]) -> T:
        """Change a session, one change at a time, and return the result."""
        where = (self._owner, key)
        with self._open() as database:
            database.execute("BEGIN IMMEDIATE")
            query = "SELECT session FROM lumnis_sessions WHERE owner = ? AND key = ?"
            row = database.execute(query, where).fetchone()
            kept = None if row is None else _form.validate_json(row[0])
            session, result = change(kept)
            if session is None:
                database.execute("DELETE FROM lumnis_sessions WHERE owner = ? AND key = ?", where)
            elif session is not kept:
                query = """
                    INSERT INTO lumnis_sessions VALUES (?, ?, ?)
                    ON CONFLICT (owner, key) DO UPDATE SET session = excluded.session
                """
                database.execute(query, (*where, _form.dump_json(session).decode()))
            database.execute("COMMIT")
            return result

    def keys(self) -> list[str]:
        """Return the keys of all sessions, oldest first."""
        with self._open() as database:
            query = "SELECT key FROM lumnis_sessions WHERE owner = ? ORDER BY rowid"
            return [key for (key,) in database.execute(query, (self._owner,))]

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
