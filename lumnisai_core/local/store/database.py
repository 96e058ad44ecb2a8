"""An open database file and the steps that bring an older one up to date."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from lumnisai_core.local.lumnis.store.schema import STEPS


class StoreError(Exception):
    """The file cannot be used as the service's database."""


class Database:
    """An open database file, held by one service at a time.

    What is committed survives a process that is killed at any moment, whatever is chosen here: the write-ahead log is
    then in the hands of the operating system. A machine that loses power may take the last moments with it, but the
    file stays whole; a wait for the disk at every commit, which could prevent that, would cost more than a run does.

    Args:
        path: the file; made when missing.
        durable: whether the file must stay whole when the machine crashes; a temporary one need not.
    """

    def __init__(self, path: Path, *, durable: bool = True) -> None:
        try:
            self.sql = sqlite3.connect(path, isolation_level=None, timeout=0.2)
        except sqlite3.Error as error:
            raise StoreError(f"{path} cannot be opened as a database: {error}") from error
        try:
            self._open(durable=durable)
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

    def _open(self, *, durable: bool) -> None:
        self.sql.execute("PRAGMA locking_mode=EXCLUSIVE")
        self.sql.execute("PRAGMA journal_mode=WAL")
        self.sql.execute(f"PRAGMA synchronous={'NORMAL' if durable else 'OFF'}")
        with self.transaction():
            version = self.sql.execute("PRAGMA user_version").fetchone()[0]
            if version not in range(len(STEPS) + 1):
                raise StoreError(f"has version {version}; this service reads version {len(STEPS)}")
            for step in STEPS[version:]:
                for statement in filter(str.strip, step.split(";")):
                    self.sql.execute(statement)
            self.sql.execute(f"PRAGMA user_version={len(STEPS)}")

    def close(self) -> None:
        """Write everything back and release the file."""
        self.sql.close()

    @contextmanager
    def transaction(self) -> Iterator[None]:
        """Make everything inside happen together or not at all."""
        self.sql.execute("BEGIN IMMEDIATE")
        try:
            yield
        except BaseException:
            self.sql.execute("ROLLBACK")
            raise
        self.sql.execute("COMMIT")
