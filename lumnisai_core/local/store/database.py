"""An SQLite file, opened for one service at a time and brought up to date step by step; and its tables of rows."""

# ruff: noqa: S608 - statements are built from names of columns and conditions of this package, never from values

from __future__ import annotations

import os
import shutil
import sqlite3
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, closing, contextmanager, suppress
from dataclasses import Field, fields
from pathlib import Path
from typing import Any, BinaryIO, ClassVar, Generic, Protocol, TypeVar

from lumnisai_core.file_texts import private
from lumnisai_core.local.web.json_text import Json, written
from lumnisai_core.local.web.work import OutOfTime, check_time

_T = TypeVar("_T")
_STEPS_BETWEEN_LOOKS = 10_000
#: What marks a file as a database of this service ("Lumn"), and tables of files from before the mark.
_APPLICATION = 0x4C756D6E
_OF_UNMARKED = {"tenants", "threads", "runs"}
#: Steps of the first two platforms, while a file counted those of all of them as one list.
_COUNTED_AS_ONE = (3, 1)


class StoreError(Exception):
    """The file cannot be used as the service's database."""


class Database:
    """An open database file, held by one service at a time.

    Committed data survives a process that is killed at any moment, durable or not: the operating system then holds the
    write-ahead log. A machine that loses power may lose the last moments, but the file stays whole; waiting for the
    disk at every commit would prevent that, and cost more than a run does.

    Args:
        path: the file; made when missing.
        steps: the statements that make the tables, by platform. The file knows how many steps of each it has gone
            through, so that each platform can have new ones.
        durable: whether the file must stay whole when the machine crashes; a temporary one need not.

    Raises:
        StoreError: the file is not a database of this kind, or another service has it open.
    """

    def __init__(self, path: Path, steps: Mapping[str, Sequence[str]], *, durable: bool = True) -> None:
        self.path = path
        opened = ExitStack()
        try:
            # Whoever holds this file has the database for itself; the database has to be open to readers in threads.
            self._held = opened.enter_context(closing(_connect(path.with_name(f"{path.name}-lock"))))
            self._held.execute("BEGIN EXCLUSIVE")
            self.sql: sqlite3.Connection = opened.enter_context(closing(_connect(path)))
            self._open(steps, durable=durable)
            self._opened = opened.pop_all()
        except sqlite3.Error as error:
            opened.close()
            if getattr(error, "sqlite_errorcode", None) == sqlite3.SQLITE_BUSY:
                raise StoreError(
                    f"{path} is locked: another service has it open. Stop that, or use another file"
                ) from error
            raise StoreError(f"{path} cannot be opened as a database: {error}") from error
        except StoreError as error:
            opened.close()
            raise StoreError(f"{path} {error}") from None

    def _open(self, steps: Mapping[str, Sequence[str]], *, durable: bool) -> None:
        self._refuse_foreign()
        self.sql.execute("PRAGMA journal_mode=WAL")
        self.sql.execute(f"PRAGMA synchronous={'NORMAL' if durable else 'OFF'}")
        self.sql.execute("PRAGMA secure_delete=ON")  # deleted texts are not left in the file
        with self.transaction():
            done = self._steps_done(steps)
            for platform, own in steps.items():
                version = done.get(platform, 0)
                if version > len(own):
                    raise StoreError(f"has {platform} version {version}; this service reads version {len(own)}")
                for step in own[version:]:
                    for statement in filter(str.strip, step.split(";")):
                        self.sql.execute(statement)
                self.sql.execute("INSERT OR REPLACE INTO versions VALUES (?, ?)", (platform, len(own)))

    def _refuse_foreign(self) -> None:
        """Refuse the database of another application before anything is written; mark an empty or older one as ours."""
        application = self.sql.execute("PRAGMA application_id").fetchone()[0]
        tables = {name for (name,) in self.sql.execute("SELECT name FROM sqlite_master WHERE type = 'table'")}
        if application not in (0, _APPLICATION) or (not application and tables and not tables >= _OF_UNMARKED):
            raise StoreError("is a database of another application")
        if not application:
            self.sql.execute(f"PRAGMA application_id={_APPLICATION}")

    def _steps_done(self, steps: Mapping[str, Sequence[str]]) -> dict[str, int]:
        """Return the number of steps that the file has gone through, by platform."""
        self.sql.execute("CREATE TABLE IF NOT EXISTS versions (platform TEXT PRIMARY KEY, version INTEGER NOT NULL)")
        done = dict(self.sql.execute("SELECT platform, version FROM versions").fetchall())
        # Files from before the table count the steps of all platforms as one list, in order.
        version = counted = int(self.sql.execute("PRAGMA user_version").fetchone()[0])
        if not done:
            for platform, most in zip(steps, _COUNTED_AS_ONE, strict=False):
                done[platform] = min(counted, most)
                counted -= done[platform]
            if counted:
                raise StoreError(f"has version {version}; this service reads version {version - counted}")
        return done

    def close(self) -> None:
        """Write everything back and release the file."""
        self._opened.close()

    @contextmanager
    def reader(self) -> Iterator[sqlite3.Connection]:
        """Open the file once more, to read it in another thread.

        Raises:
            OutOfTime: a query takes longer than the work of this thread may.
        """
        with closing(sqlite3.connect(f"{self.path.absolute().as_uri()}?mode=ro", uri=True)) as sql:
            sql.set_progress_handler(_is_over, _STEPS_BETWEEN_LOOKS)
            try:
                yield sql
            except sqlite3.OperationalError:
                check_time()  # then this is the reason
                raise

    def whole(self, read: Callable[[sqlite3.Connection], _T]) -> Json[_T]:
        """Read something that may be large and write it as JSON; to be called in a thread.

        Raises:
            OutOfTime: a query takes longer than the work of this thread may.
        """
        with self.reader() as sql:
            return Json(written(read(sql)))

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


def _connect(path: Path) -> sqlite3.Connection:
    """Open a file that only its owner may read; SQLite gives the files beside it the same rights."""
    with suppress(OSError):  # then SQLite says what is wrong, or the file is of another owner
        os.close(os.open(path, os.O_CREAT | os.O_RDWR, 0o600))
        path.chmod(0o600)
    return sqlite3.connect(path, isolation_level=None, timeout=0.2)


def write_file(path: Path, source: BinaryIO) -> None:
    """Write an upload whole or not at all, for its owner's eyes only. Blocks; call it in a thread."""
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    try:
        with open(path, "xb", opener=private) as file:
            shutil.copyfileobj(source, file, 1 << 20)
    except OSError:  # a full disk, above all
        path.unlink(missing_ok=True)
        raise


def _is_over() -> bool:
    try:
        check_time()
    except OutOfTime:
        return True
    return False


def containing(text: str) -> str:
    """Return the pattern of texts that contain a text, whose signs are escaped by a backslash."""
    escaped = "".join(f"\\{sign}" if sign in "\\%_" else sign for sign in text)
    return f"%{escaped}%"


class AnyRow(Protocol):
    """A dataclass whose fields are the columns of a table."""

    __dataclass_fields__: ClassVar[dict[str, Field[Any]]]


Row = TypeVar("Row", bound=AnyRow)
_CONDITIONS = {"visible_to": "(user_id IS NULL OR user_id = ?)", "since": "created_at >= ?", "before": "created_at < ?"}
#: Columns that SQLite returns as another type, by the beginning of their annotation.
_TYPES: dict[str, Callable[[Any], Any]] = {"bool": bool, "Json": Json}


class Table(Generic[Row]):
    """Rows of one kind; `key` is the column that decides between rows of the same moment.

    Conditions name columns and the values they must have; `visible_to` is a user who sees rows without an owner and
    their own, `since` and `before` are times of creation; `conditions` has more as SQL with one mark, by name. A
    condition whose value is None does not count.
    """

    def __init__(
        self,
        database: Database,
        name: str,
        kind: type[Row],
        key: str = "rowid",
        conditions: Mapping[str, str] | None = None,
    ) -> None:
        self._sql = database.sql
        self._name = name
        self._kind = kind
        self._conditions = {**_CONDITIONS, **(conditions or {})}
        self.columns = tuple(column.name for column in fields(kind))
        self._order = ("created_at", key) if "created_at" in self.columns else (key,)
        columns = [(column.name, str(column.type)) for column in fields(kind)]
        self._types = [(name, read) for name, type_ in columns for of, read in _TYPES.items() if type_.startswith(of)]

    def add(self, row: Row, verb: str = "INSERT") -> Row:
        """Store a new row and return it; `verb` may be `INSERT OR REPLACE`."""
        marks = ", ".join("?" for _ in self.columns)
        values = [getattr(row, name) for name in self.columns]
        self._sql.execute(f"{verb} INTO {self._name} ({', '.join(self.columns)}) VALUES ({marks})", values)
        return row

    def one(self, **conditions: Any) -> Row | None:
        """Return a row that meets the conditions."""
        return next(iter(self.all(limit=1, **conditions)), None)

    def all(
        self,
        sql: sqlite3.Connection | None = None,
        *,
        limit: int = -1,
        offset: int = 0,
        oldest_first: bool = False,
        **conditions: Any,
    ) -> list[Row]:
        """Return the rows that meet the conditions, newest first by default; `sql` is a reader of another thread."""
        where, values = self.where(conditions)
        order = ", ".join(f"{name} {'ASC' if oldest_first else 'DESC'}" for name in self._order)
        query = f"SELECT {', '.join(self.columns)} FROM {self._name} {where} ORDER BY {order} LIMIT ? OFFSET ?"
        found = (sql or self._sql).execute(query, [*values, limit, offset])
        return [self._row(values) for values in found]

    def page(
        self,
        limit: int,
        offset: int,
        sql: sqlite3.Connection | None = None,
        *,
        oldest_first: bool = False,
        **conditions: Any,
    ) -> tuple[list[Row], int]:
        """Return a page of the rows that meet the conditions, and how many there are."""
        [(total,)] = self.aggregate("count(*)", sql=sql, **conditions)
        return self.all(sql, limit=limit, offset=offset, oldest_first=oldest_first, **conditions), total

    def aggregate(
        self, *expressions: str, sql: sqlite3.Connection | None = None, by: str | None = None, **conditions: Any
    ) -> list[tuple[Any, ...]]:
        """Return what SQL expressions amount to in the rows that meet the conditions, for each value of a column."""
        where, values = self.where(conditions)
        query = f"SELECT {', '.join(expressions)} FROM {self._name} {where}{f' GROUP BY {by}' if by else ''}"
        return (sql or self._sql).execute(query, values).fetchall()

    def change(self, conditions: dict[str, Any], **values: Any) -> None:
        """Store new values in the rows that meet the conditions."""
        if values:
            where, wanted = self.where(conditions)
            names = ", ".join(f"{name} = ?" for name in values)
            self._sql.execute(f"UPDATE {self._name} SET {names} {where}", [*values.values(), *wanted])

    def remove(self, **conditions: Any) -> int:
        """Delete the rows that meet the conditions; return how many there were."""
        where, values = self.where(conditions)
        return self._sql.execute(f"DELETE FROM {self._name} {where}", values).rowcount

    def where(self, conditions: Mapping[str, Any]) -> tuple[str, list[Any]]:
        """Return conditions as SQL, and its values."""
        counting = {name: value for name, value in conditions.items() if value is not None}
        texts = [self._conditions.get(name, f"{name} = ?") for name in counting]
        return f"WHERE {' AND '.join(texts)}" if texts else "", list(counting.values())

    def _row(self, found: Sequence[Any]) -> Row:
        values = dict(zip(self.columns, found, strict=True))
        for name, read in self._types:
            values[name] = None if values[name] is None else read(values[name])
        return self._kind(**values)
