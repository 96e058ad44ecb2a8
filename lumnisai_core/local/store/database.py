"""An SQLite file: opened for one service at a time, and brought up to date step by step."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path


class StoreError(Exception):
    """The file cannot be used as the service's database."""


class Database:
    """An open database file, held by one service at a time.

    Committed data survives a process that is killed at any moment, durable or not: the operating system then holds the
    write-ahead log. A machine that loses power may lose the last moments, but the file stays whole; waiting for the
    disk at every commit would prevent that, and cost more than a run does.

    Args:
        path: the file; made when missing.
        steps: the statements that make the tables; a file of version N has gone through the first N steps.
        durable: whether the file must stay whole when the machine crashes; a temporary one need not.

    Raises:
        StoreError: the file is not a database of this kind, or another service has it open.
    """

    def __init__(self, path: Path, steps: Sequence[str], *, durable: bool = True) -> None:
        try:
            self.sql = sqlite3.connect(path, isolation_level=None, timeout=0.2)
        except sqlite3.Error as error:
            raise StoreError(f"{path} cannot be opened as a database: {error}") from error
        try:
            self._open(steps, durable=durable)
        except sqlite3.Error as error:
            self.sql.close()
            if getattr(error, "sqlite_errorcode", None) == sqlite3.SQLITE_BUSY:
                raise StoreError(
                    f"{path} is locked: another service has it open. Stop that, or use another file"
                ) from error
            raise StoreError(f"{path} cannot be opened as a database: {error}") from error
        except StoreError as error:
            self.sql.close()
            raise StoreError(f"{path} {error}") from None

    def _open(self, steps: Sequence[str], *, durable: bool) -> None:
        self.sql.execute("PRAGMA locking_mode=EXCLUSIVE")
        self.sql.execute("PRAGMA journal_mode=WAL")
        self.sql.execute(f"PRAGMA synchronous={'NORMAL' if durable else 'OFF'}")
        with self.transaction():
            version = self.sql.execute("PRAGMA user_version").fetchone()[0]
            if version not in range(len(steps) + 1):
                raise StoreError(f"has version {version}; this service reads version {len(steps)}")
            for step in steps[version:]:
                for statement in filter(str.strip, step.split(";")):
                    self.sql.execute(statement)
            self.sql.execute(f"PRAGMA user_version={len(steps)}")

    def close(self) -> None:
        """Write everything back and release the file."""
        self.sql.close()

    @contextmanager
    def transaction(self) -> Iterator[None]:
        """Make everything inside happen together or not at all."""
        self.sql.execute("BEGIN IMMEDIATE")
        try:
            yield
            self.sql.execute("COMMIT")  # fails, too, when the disk is full
        except BaseException:
            if self.sql.in_transaction:  # SQLite gives up some by itself
                self.sql.execute("ROLLBACK")
            raise
