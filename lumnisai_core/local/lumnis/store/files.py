"""Stored files, the pieces of their texts, and the search for those pieces by words."""

# ruff: noqa: S608 - statements are built from texts of this file, never from values

from __future__ import annotations

import json
import math
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from heapq import nsmallest
from typing import Any

from lumnisai_core.local.lumnis.store.rows import ChunkRow, FileRow
from lumnisai_core.local.store.database import Database, Table

#: A piece of a file and its score.
Hit = tuple[ChunkRow, float]
_OPEN = ("pending", "parsing", "embedding")
_CONDITIONS = {
    "seen_by": "(file_scope = 'tenant' OR user_id = ?)",
    "owner": "coalesce(user_id, '') = ?",
    "is_deleted": "(deleted_at IS NOT NULL) = ?",
    "ids": "id IN (SELECT value FROM json_each(?))",
    "types": "file_type IN (SELECT value FROM json_each(?))",
    "any_tag": "EXISTS (SELECT 1 FROM json_each(tags) t JOIN json_each(?) w ON t.value = w.value)",
}


def visible(tenant_id: str, user_id: str | None, *, deleted: bool = False) -> dict[str, Any]:
    """Return the conditions of files that a request may see: those of the tenant, and of the user if one is named."""
    return {"tenant_id": tenant_id, "seen_by": user_id or "", "is_deleted": None if deleted else False}


def of_kind(types: Sequence[str] | None, tags: Sequence[str] | None) -> dict[str, Any]:
    """Return the conditions of files of one of these types with one of these tags; None or none for any."""
    plain = [kind.lower().lstrip(".") for kind in types or ()]
    return {"types": json.dumps(plain) if plain else None, "any_tag": json.dumps(list(tags)) if tags else None}


def of_ids(ids: Sequence[str] | None) -> dict[str, Any]:
    """Return the condition of files with one of these ids; None for any."""
    return {"ids": None if ids is None else json.dumps(list(ids))}


class Files(Table[FileRow]):
    """All files, and the pieces of their texts. For conditions see `visible` and `of_kind`; `owner` may be empty."""

    def __init__(self, database: Database) -> None:
        super().__init__(database, "files", FileRow, conditions=_CONDITIONS)
        self._database = database
        self._chunks = Table(database, "chunks", ChunkRow)

    def named(self, tenant_id: str, user_id: str | None, file_name: str) -> FileRow | None:
        """Return the file of that name that belongs to the user, or to the tenant as a whole."""
        return self.one(tenant_id=tenant_id, owner=user_id or "", file_name=file_name, is_deleted=False)

    def unfinished(self) -> list[FileRow]:
        """Return the files of every tenant that are still to be read, oldest first."""
        found = (self.all(oldest_first=True, processing_status=status, is_deleted=False) for status in _OPEN)
        return [file for files in found for file in files]

    def add_chunks(self, chunks: Iterable[tuple[ChunkRow, str]]) -> None:
        """Store pieces, each with the text that the search looks into."""
        with self._database.transaction():
            for chunk, searched in chunks:
                self._chunks.add(chunk)
                self._sql.execute("INSERT INTO chunk_words (rowid, text) VALUES (last_insert_rowid(), ?)", (searched,))

    def delete_chunks(self, file_id: str, most: int) -> int:
        """Delete some of the pieces of a file; return how many."""
        found = self._sql.execute("SELECT rowid FROM chunks WHERE file_id = ? LIMIT ?", (file_id, most)).fetchall()
        with self._database.transaction():
            for table in ("chunk_words", "chunks"):
                self._sql.executemany(f"DELETE FROM {table} WHERE rowid = ?", found)
        return len(found)

    def orphans(self) -> list[str]:
        """Return the ids of deleted files that still have pieces."""
        query = "SELECT DISTINCT file_id FROM chunks WHERE file_id NOT IN (SELECT id FROM files)"
        return [file_id for (file_id,) in self._sql.execute(query)]

    def search(self, terms: Sequence[str], limit: int, least: float, **conditions: Any) -> list[Hit]:
        """Return the pieces that match most of the terms with their scores, best first. To be called in a thread.

        A piece scores the share of the terms it contains, from 0 to 1, where a rare term weighs more than a common one.
        Only pieces that the request may see count, so that scores reveal nothing about the files of others.
        """
        where, values = self.where(conditions)
        pieces = f"FROM chunks WHERE file_id IN (SELECT id FROM files {where})"
        query = f"SELECT rowid {pieces} AND rowid IN (SELECT rowid FROM chunk_words WHERE chunk_words MATCH ?)"
        with self._database.reader() as sql:
            total = int(sql.execute(f"SELECT count(*) {pieces}", values).fetchone()[0])
            matches = {term: [row for (row,) in sql.execute(query, [*values, term])] for term in terms}
            scores = _scores(matches, total)
            best = nsmallest(limit, scores, key=lambda row: (-scores[row], row))
            return [
                (chunk, scores[row])
                for row in best
                if scores[row] >= least
                for chunk in self._chunks.all(sql, rowid=row)
            ]


def _scores(matches: Mapping[str, Sequence[int]], total: int) -> dict[int, float]:
    weights = {term: math.log(1 + (total - len(rows) + 0.5) / (len(rows) + 0.5)) for term, rows in matches.items()}
    scores: dict[int, float] = defaultdict(float)
    for term, rows in matches.items():
        for row in rows:
            scores[row] += weights[term]
    whole = sum(weights.values())
    return {row: min(1.0, score / whole) for row, score in scores.items()}
