"""Stored files, the pieces of their texts, and the search for those pieces by words."""

# ruff: noqa: S608 - statements are built from texts of this file, never from values

from __future__ import annotations

import json
import math
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from lumnisai_core.local.lumnis.store.rows import ChunkRow, FileRow
from lumnisai_core.local.store.database import Database
from lumnisai_core.local.store.table import Table

#: A piece of a file and its score.
Hit = tuple[ChunkRow, float]
_OPEN = ("pending", "parsing", "embedding")


@dataclass(frozen=True, slots=True)
class FileFilter:
    """The files that a request may see and asks for: those of the tenant, and of the user if one is named."""

    tenant_id: str
    user_id: str | None = None
    scope: str | None = None
    types: Sequence[str] = ()
    status: str | None = None
    tags: Sequence[str] = ()
    deleted: bool = False

    def where(self) -> tuple[str, list[Any]]:
        """Return the condition on a table of files called `f`."""
        texts = ["f.tenant_id = ?", "(f.file_scope = 'tenant' OR f.user_id = ?)"]
        values: list[Any] = [self.tenant_id, self.user_id]
        if not self.deleted:
            texts.append("f.deleted_at IS NULL")
        for column, value in (("file_scope", self.scope), ("processing_status", self.status)):
            if value is not None:
                texts.append(f"f.{column} = ?")
                values.append(value)
        if self.types:
            texts.append("f.file_type IN (SELECT value FROM json_each(?))")
            values.append(json.dumps([kind.lower().lstrip(".") for kind in self.types]))
        if self.tags:
            texts.append("EXISTS (SELECT 1 FROM json_each(f.tags) t JOIN json_each(?) w ON t.value = w.value)")
            values.append(json.dumps(list(self.tags)))
        return " AND ".join(texts), values


class Files:
    """All files."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._sql = database.sql
        self._table = Table(database, "files", FileRow)
        self._chunks = Table(database, "chunks", ChunkRow)
        self._columns = ", ".join(f"f.{name}" for name in self._table.columns)
        self.add = self._table.add

    def one(self, file_id: str, wanted: FileFilter) -> FileRow | None:
        """Return a file if the request may see it."""
        where, values = wanted.where()
        return next(iter(self._found(f"{where} AND f.id = ?", *values, file_id)), None)

    def by_id(self, file_id: str) -> FileRow | None:
        """Return a file, whoever it belongs to."""
        return self._table.one(id=file_id)

    def page(self, wanted: FileFilter, limit: int, offset: int) -> tuple[list[FileRow], int]:
        """Return a page of files, newest first, and how many there are."""
        where, values = wanted.where()
        rows = self._found(f"{where} ORDER BY f.rowid DESC LIMIT ? OFFSET ?", *values, limit, offset)
        return rows, int(self._sql.execute(f"SELECT count(*) FROM files f WHERE {where}", values).fetchone()[0])

    def named(self, tenant_id: str, user_id: str | None, file_name: str) -> FileRow | None:
        """Return the file of that name that belongs to the user, or to the tenant as a whole."""
        where = "f.tenant_id = ? AND f.user_id IS ? AND f.file_name = ? AND f.deleted_at IS NULL"
        return next(iter(self._found(where, tenant_id, user_id, file_name)), None)

    def of_tenant(self, tenant_id: str) -> list[FileRow]:
        """Return all files of a tenant that are not deleted."""
        return [file for file in self._table.all(tenant_id=tenant_id) if file.deleted_at is None]

    def unfinished(self) -> list[FileRow]:
        """Return the files of every tenant that are still to be read, oldest first."""
        files = [file for status in _OPEN for file in self._table.all(processing_status=status, oldest_first=True)]
        return [file for file in files if file.deleted_at is None]

    def change(self, file_id: str, **values: Any) -> None:
        """Store new values of the named columns."""
        self._table.change({"id": file_id}, **values)

    def remove(self, file_id: str) -> None:
        """Delete a file with its pieces."""
        self.remove_chunks(file_id)
        self._table.remove(id=file_id)

    def delete_of_user(self, tenant_id: str, user_id: str) -> list[str]:
        """Delete all files of a user; return their ids."""
        ids = [file.id for file in self._table.all(tenant_id=tenant_id, user_id=user_id)]
        for file_id in ids:
            self.remove(file_id)
        return ids

    def _found(self, where: str, *values: Any) -> list[FileRow]:
        found = self._sql.execute(f"SELECT {self._columns} FROM files f WHERE {where}", values)
        return [self._table.row(row) for row in found]

    # Pieces

    def add_chunks(self, chunks: Iterable[tuple[ChunkRow, str]]) -> None:
        """Store pieces, each with the text that the search looks into."""
        with self._database.transaction():
            for chunk, searched in chunks:
                self._chunks.add(chunk)
                self._sql.execute("INSERT INTO chunk_words (rowid, text) VALUES (last_insert_rowid(), ?)", (searched,))

    def remove_chunks(self, file_id: str) -> None:
        """Delete the pieces of a file."""
        rows = "SELECT rowid FROM chunks WHERE file_id = ?"
        self._sql.execute(f"DELETE FROM chunk_words WHERE rowid IN ({rows})", (file_id,))
        self._chunks.remove(file_id=file_id)

    def search(self, terms: Sequence[str], wanted: FileFilter, limit: int, least: float) -> list[Hit]:
        """Return the pieces that match most of the terms with their scores, best first.

        A piece scores the share of the terms it contains, from 0 to 1, where a rare term weighs more than a common one.
        Only pieces that the request may see count, so that scores reveal nothing about the files of others.
        """
        where, values = wanted.where()
        seen = f"FROM chunks c JOIN files f ON f.id = c.file_id WHERE {where}"
        total = int(self._sql.execute(f"SELECT count(*) {seen}", values).fetchone()[0])
        query = f"SELECT c.rowid {seen} AND c.rowid IN (SELECT rowid FROM chunk_words WHERE chunk_words MATCH ?)"
        matches = {term: [row for (row,) in self._sql.execute(query, [*values, term])] for term in terms}
        scores = _scores(matches, total)
        best = sorted(scores, key=lambda row: (-scores[row], row))[:limit]
        return [(self._chunk(row), scores[row]) for row in best if scores[row] >= least]

    def _chunk(self, row: int) -> ChunkRow:
        names = ", ".join(self._chunks.columns)
        return self._chunks.row(self._sql.execute(f"SELECT {names} FROM chunks WHERE rowid = ?", (row,)).fetchone())


def _scores(matches: Mapping[str, Sequence[int]], total: int) -> dict[int, float]:
    weights = {term: math.log(1 + (total - len(rows) + 0.5) / (len(rows) + 0.5)) for term, rows in matches.items()}
    scores: dict[int, float] = defaultdict(float)
    for term, rows in matches.items():
        for row in rows:
            scores[row] += weights[term]
    whole = sum(weights.values())
    return {row: min(1.0, score / whole) for row, score in scores.items()}
