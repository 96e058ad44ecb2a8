"""The database: the only place with SQL. Used from the service's own thread only."""

# ruff: noqa: S608 - statements are built from column names of this file, never from values

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import astuple, dataclass, fields
from datetime import timedelta
from pathlib import Path
from typing import Any

from lumnisai_core.local._times import ago, now, tenant_id_of

_VERSION = 1
_IDEMPOTENCY_LIFETIME = timedelta(hours=24)

_SCHEMA = """
CREATE TABLE tenants (
    key_hash TEXT PRIMARY KEY, id TEXT NOT NULL, name TEXT NOT NULL, created_at TEXT NOT NULL
) WITHOUT ROWID;
CREATE TABLE threads (
    thread_id TEXT NOT NULL UNIQUE, tenant_id TEXT NOT NULL, user_id TEXT, title TEXT, created_at TEXT NOT NULL,
    updated_at TEXT, response_count INTEGER NOT NULL, last_response_at TEXT
);
CREATE INDEX threads_by_tenant ON threads (tenant_id, created_at);
CREATE TABLE runs (
    response_id TEXT NOT NULL UNIQUE, thread_id TEXT NOT NULL, tenant_id TEXT NOT NULL, user_id TEXT,
    status TEXT NOT NULL, progress TEXT NOT NULL, input_messages TEXT NOT NULL, output_text TEXT,
    structured_response TEXT, artifacts TEXT, response_title TEXT, error TEXT, options TEXT,
    created_at TEXT NOT NULL, completed_at TEXT, request TEXT NOT NULL
);
CREATE INDEX runs_by_tenant ON runs (tenant_id, created_at);
CREATE INDEX runs_by_thread ON runs (thread_id);
CREATE INDEX runs_open ON runs (status) WHERE status IN ('queued', 'in_progress');
CREATE TABLE idempotency (
    tenant_id TEXT NOT NULL, key TEXT NOT NULL, fingerprint TEXT NOT NULL, reply TEXT NOT NULL,
    created_at TEXT NOT NULL, PRIMARY KEY (tenant_id, key)
) WITHOUT ROWID;
"""


@dataclass(frozen=True, slots=True)
class TenantRow:
    """A tenant: whoever holds the key."""

    id: str
    name: str
    created_at: str


@dataclass(frozen=True, slots=True)
class ThreadRow:
    """A conversation."""

    thread_id: str
    tenant_id: str
    user_id: str | None
    title: str | None
    created_at: str
    updated_at: str | None
    response_count: int = 0
    last_response_at: str | None = None


@dataclass(frozen=True, slots=True)
class RunRow:
    """A run. `progress`, `input_messages`, `structured_response`, `artifacts`, `error` and `options` hold JSON text."""

    response_id: str
    thread_id: str
    tenant_id: str
    user_id: str | None
    status: str
    progress: str
    input_messages: str
    output_text: str | None
    structured_response: str | None
    artifacts: str | None
    response_title: str | None
    error: str | None
    options: str | None
    created_at: str
    completed_at: str | None
    request: str


@dataclass(frozen=True, slots=True)
class RunFilter:
    """Which runs a list shows; dates are `YYYY-MM-DD`, `before` is exclusive."""

    tenant_id: str
    user_id: str | None = None
    thread_id: str | None = None
    status: str | None = None
    since: str | None = None
    before: str | None = None


class StoreError(Exception):
    """The file cannot be used as the service's database."""


_THREAD = ", ".join(item.name for item in fields(ThreadRow))
_RUN = ", ".join(item.name for item in fields(RunRow))
_RUN_MARKS = ", ".join("?" for _ in fields(RunRow))


class Store:
    """An open database file, held by one service at a time.

    Args:
        path: the file; made when missing.
        durable: whether accepted work must survive a crash of the machine too, not only of the process.
    """

    def __init__(self, path: Path, *, durable: bool = True) -> None:
        try:
            self._db = sqlite3.connect(path, isolation_level=None, timeout=0.2)
        except sqlite3.Error as error:
            raise StoreError(f"{path} cannot be opened as a database: {error}") from error
        try:
            self._open(durable=durable)
        except sqlite3.Error as error:
            self._db.close()
            raise StoreError(f"{path} cannot be opened as a database: {error}") from error
        except StoreError as error:
            self._db.close()
            raise StoreError(f"{path} {error}") from None

    def _open(self, *, durable: bool) -> None:
        self._db.execute("PRAGMA locking_mode=EXCLUSIVE")
        self._db.execute("PRAGMA journal_mode=WAL")
        self._db.execute(f"PRAGMA synchronous={'NORMAL' if durable else 'OFF'}")
        with self.transaction():
            version = self._db.execute("PRAGMA user_version").fetchone()[0]
            if version not in (0, _VERSION):
                raise StoreError(f"has version {version}; this service reads version {_VERSION}")
            if version == 0:
                for statement in filter(str.strip, _SCHEMA.split(";")):
                    self._db.execute(statement)
                self._db.execute(f"PRAGMA user_version={_VERSION}")
            self._db.execute("DELETE FROM idempotency WHERE created_at <= ?", (ago(_IDEMPOTENCY_LIFETIME),))

    def close(self) -> None:
        """Write everything back and release the file."""
        self._db.close()

    @contextmanager
    def transaction(self) -> Iterator[None]:
        """Make everything inside happen together or not at all."""
        self._db.execute("BEGIN IMMEDIATE")
        try:
            yield
        except BaseException:
            self._db.execute("ROLLBACK")
            raise
        self._db.execute("COMMIT")

    # Tenants

    def tenant(self, key_hash: str) -> TenantRow:
        """Return the tenant of a hashed key, made on first sight."""
        tenant_id = tenant_id_of(key_hash)
        self._db.execute(
            "INSERT OR IGNORE INTO tenants VALUES (?, ?, ?, ?)", (key_hash, tenant_id, "Local tenant", now())
        )
        query = "SELECT id, name, created_at FROM tenants WHERE key_hash = ?"
        return TenantRow(*self._db.execute(query, (key_hash,)).fetchone())

    # Threads

    def add_thread(self, thread: ThreadRow) -> None:
        """Store a new thread."""
        self._db.execute(f"INSERT INTO threads ({_THREAD}) VALUES (?, ?, ?, ?, ?, ?, ?, ?)", astuple(thread))

    def thread(self, tenant_id: str, thread_id: str, user_id: str | None = None) -> ThreadRow | None:
        """Return one thread of the tenant, and of the user if one is named."""
        rows = self._threads("tenant_id = ? AND thread_id = ?", [tenant_id, thread_id], user_id, "")
        return next(rows, None)

    def threads(self, tenant_id: str, user_id: str | None, limit: int, offset: int) -> tuple[list[ThreadRow], int]:
        """Return a page of threads, newest first, and how many there are."""
        page = f"ORDER BY created_at DESC, rowid DESC LIMIT {int(limit)} OFFSET {int(offset)}"
        rows = list(self._threads("tenant_id = ?", [tenant_id], user_id, page))
        owner, values = ("", [tenant_id]) if user_id is None else ("AND user_id = ?", [tenant_id, user_id])
        count = self._db.execute(f"SELECT count(*) FROM threads WHERE tenant_id = ? {owner}", values)
        return rows, count.fetchone()[0]

    def _threads(self, where: str, values: list[str], user_id: str | None, tail: str) -> Iterator[ThreadRow]:
        if user_id is not None:
            where, values = f"{where} AND user_id = ?", [*values, user_id]
        query = f"SELECT {_THREAD} FROM threads WHERE {where} {tail}"
        return (ThreadRow(*row) for row in self._db.execute(query, values))

    def set_thread_title(self, thread_id: str, title: str | None) -> None:
        """Rename a thread."""
        self._db.execute("UPDATE threads SET title = ?, updated_at = ? WHERE thread_id = ?", (title, now(), thread_id))

    def delete_thread(self, thread_id: str) -> None:
        """Delete a thread and its runs."""
        with self.transaction():
            self._db.execute("DELETE FROM runs WHERE thread_id = ?", (thread_id,))
            self._db.execute("DELETE FROM threads WHERE thread_id = ?", (thread_id,))

    # Runs

    def add_run(self, run: RunRow) -> None:
        """Store an accepted run and count it in its thread."""
        self._db.execute(f"INSERT INTO runs ({_RUN}) VALUES ({_RUN_MARKS})", astuple(run))
        self._db.execute(
            "UPDATE threads SET response_count = response_count + 1, last_response_at = ? WHERE thread_id = ?",
            (run.created_at, run.thread_id),
        )

    def run(self, tenant_id: str, response_id: str, user_id: str | None = None) -> RunRow | None:
        """Return one run of the tenant, and of the user if one is named."""
        row = self._db.execute(
            f"SELECT {_RUN} FROM runs WHERE response_id = ? AND tenant_id = ? AND (? IS NULL OR user_id = ?)",
            (response_id, tenant_id, user_id, user_id),
        ).fetchone()
        return RunRow(*row) if row else None

    def runs(self, wanted: RunFilter, limit: int, offset: int) -> tuple[list[RunRow], int]:
        """Return a page of runs, newest first, and how many there are."""
        conditions = {
            "tenant_id = ?": wanted.tenant_id,
            "user_id = ?": wanted.user_id,
            "thread_id = ?": wanted.thread_id,
            "status = ?": wanted.status,
            "created_at >= ?": wanted.since,
            "created_at < ?": wanted.before,
        }
        given = {text: value for text, value in conditions.items() if value is not None}
        where, values = " AND ".join(given), list(given.values())
        page = f"ORDER BY created_at DESC, rowid DESC LIMIT {int(limit)} OFFSET {int(offset)}"
        rows = [RunRow(*row) for row in self._db.execute(f"SELECT {_RUN} FROM runs WHERE {where} {page}", values)]
        total = self._db.execute(f"SELECT count(*) FROM runs WHERE {where}", values).fetchone()[0]
        return rows, total

    def open_runs(self) -> list[RunRow]:
        """Return the runs of every tenant that have not ended, oldest first."""
        query = f"SELECT {_RUN} FROM runs WHERE status IN ('queued', 'in_progress') ORDER BY rowid"
        return [RunRow(*row) for row in self._db.execute(query)]

    def earlier_turns(self, run: RunRow) -> list[tuple[str, str | None]]:
        """Return input messages (JSON) and answer of the thread's succeeded runs before this one, oldest first."""
        query = """
            SELECT input_messages, output_text FROM runs WHERE thread_id = ? AND status = 'succeeded'
            AND rowid < (SELECT rowid FROM runs WHERE response_id = ?) ORDER BY rowid
        """
        return self._db.execute(query, (run.thread_id, run.response_id)).fetchall()

    def update_run(self, response_id: str, **values: str | None) -> None:
        """Store new values of the named columns."""
        names = ", ".join(f"{name} = ?" for name in values)
        self._db.execute(f"UPDATE runs SET {names} WHERE response_id = ?", [*values.values(), response_id])

    def end_run(self, run: RunRow, title: str | None, **values: str | None) -> None:
        """Store the end of a run together with what it means for its thread."""
        with self.transaction():
            self.update_run(run.response_id, **values)
            self._db.execute(
                "UPDATE threads SET title = coalesce(title, ?), updated_at = ? WHERE thread_id = ?",
                (title, values["completed_at"], run.thread_id),
            )

    # Idempotency keys

    def remembered(self, tenant_id: str, key: str) -> tuple[str, str] | None:
        """Return fingerprint and reply of the request that came with this key in the last 24 hours."""
        query = "SELECT fingerprint, reply FROM idempotency WHERE tenant_id = ? AND key = ? AND created_at > ?"
        row: tuple[str, str] | None = self._db.execute(query, (tenant_id, key, ago(_IDEMPOTENCY_LIFETIME))).fetchone()
        return row

    def remember(self, tenant_id: str, key: str, fingerprint: str, reply: str) -> None:
        """Keep the reply to a request that came with a key."""
        values: tuple[Any, ...] = (tenant_id, key, fingerprint, reply, now())
        self._db.execute("INSERT OR REPLACE INTO idempotency VALUES (?, ?, ?, ?, ?)", values)
