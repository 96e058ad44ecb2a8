"""Collections of documents: who may use them, how they are listed, made, changed and deleted."""

from __future__ import annotations

import asyncio
import json
import secrets
import sqlite3
import time
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from lumnisai_core.local.lumi.filters import Query
from lumnisai_core.local.lumi.settings import Access, LumiSettings
from lumnisai_core.local.lumi.shapes import DocumentRow
from lumnisai_core.local.lumi.store import Store
from lumnisai_core.local.web.errors import ApiError, not_found
from lumnisai_core.local.web.ids import now_z
from lumnisai_core.local.web.json_text import Json, dumps
from lumnisai_core.local.web.shapes import Object

_FIXED = ("_id", "creator")
#: Selections that are kept for the next page.
_SELECTIONS = 4


@dataclass(frozen=True, slots=True)
class Caller:
    """Who makes a request: the id of their account, or None, and whether everything is allowed to them."""

    user_id: str | None = None
    is_admin: bool = False


def is_allowed(access: Access, caller: Caller, owner: str | None = None, *, owned: bool = True) -> bool:
    """Tell whether a rule lets a caller do something; with `owned` false, to nothing that has an owner yet."""
    if caller.is_admin or access == "anyone":
        return True
    if access == "admin" or caller.user_id is None:
        return False
    return access == "user" or not owned or owner == caller.user_id


class Documents:
    """The collections of the project.

    Args:
        settings: access rules, and the longest time of a filter.
        store: the tables.
    """

    def __init__(self, settings: LumiSettings, store: Store) -> None:
        self._settings = settings
        self._store = store
        self._changes: Counter[str] = Counter()
        self._selections: dict[tuple[str, str | None, str], tuple[int, list[str]]] = {}

    async def page(
        self, caller: Caller, collection: str, query: Query, *, limit: int | None = None, skip: int = 0
    ) -> tuple[list[Json[Any]], int]:
        """Return documents, and how many there are besides `limit` and `skip`.

        Raises:
            ApiError: the caller may not, or the filter takes too long.
        """
        owner = self._shown_owner(caller, collection)
        if not query.is_everything:
            ids = await self._selected(collection, owner, query)
            slices = self._store.slices_by_id(collection, ids[skip:] if limit is None else ids[skip : skip + limit])
            return await _whole(slices), len(ids)
        if limit is not None:
            texts, total = self._store.page(collection, owner, limit, skip)
            return [*map(Json, texts)], total
        found = await _whole(self._store.slices(collection, owner))
        return found, len(found)

    async def _selected(self, collection: str, owner: str | None, query: Query) -> list[str]:
        """Return the ids of all documents that a query selects; other requests are answered meanwhile.

        They are kept until the collection changes, so that a walk over many pages reads the collection once.
        """
        key, changes = (collection, owner, query.text), self._changes[collection]
        kept = self._selections.pop(key, None)
        if kept is None or kept[0] != changes:
            kept = changes, await self._scanned(collection, owner, query)
        self._selections[key] = kept
        while len(self._selections) > _SELECTIONS:
            del self._selections[next(iter(self._selections))]
        return kept[1]

    async def _scanned(self, collection: str, owner: str | None, query: Query) -> list[str]:
        ends = time.monotonic() + self._settings.filter_seconds
        found: list[Object] = []
        for texts in self._store.slices(collection, owner):
            found += await asyncio.to_thread(query.matching, texts)
            if time.monotonic() > ends:
                message = f"The filter took longer than {self._settings.filter_seconds:g} seconds."
                raise ApiError(400, "FILTER_TOO_SLOW", message)
        return await asyncio.to_thread(query.ordered, found)

    def _shown_owner(self, caller: Caller, collection: str) -> str | None:
        """Return whose documents a caller sees; None for all of them."""
        access = self._settings.rule(collection).read
        if not is_allowed(access, caller, owned=False):
            raise _forbidden("read", collection)
        return caller.user_id if access == "owner" and not caller.is_admin else None

    def get(self, caller: Caller, collection: str, document_id: str) -> Json[Any] | None:
        """Return a document, or None if there is none that the caller may see.

        Raises:
            ApiError: the caller may not read the collection.
        """
        self._shown_owner(caller, collection)
        row = self._visible(caller, collection, document_id)
        return None if row is None else Json(row.data)

    def _visible(self, caller: Caller, collection: str, document_id: str) -> DocumentRow | None:
        row = self._store.document(collection, document_id)
        shown = row is not None and is_allowed(self._settings.rule(collection).read, caller, row.owner)
        return row if shown else None

    def create(self, caller: Caller, collection: str, documents: Sequence[Object]) -> list[Json[Any]]:
        """Store new documents, all or none, and return them.

        Raises:
            ApiError: the caller may not, or an id is taken.
        """
        if not is_allowed(self._settings.rule(collection).create, caller, owned=False):
            raise _forbidden("create", collection)
        made: list[Json[Any]] = []
        self._changes[collection] += 1
        with self._store.transaction():
            for document in documents:
                now, document_id = now_z(), document.get("_id") or secrets.token_hex(12)
                times = {name: document.get(name, now) for name in ("createdAt", "updatedAt")}
                whole = {"_id": document_id, **document, "creator": caller.user_id, **times}
                made.append(dumps(whole))
                try:
                    self._store.add_document(collection, document_id, caller.user_id, made[-1])
                except sqlite3.IntegrityError as error:
                    raise ApiError(409, "DUPLICATE_ID", f"There is a document {document_id[:100]}.") from error
        return made

    async def update(
        self, caller: Caller, collection: str, condition: Mapping[str, Any], values: Mapping[str, Any]
    ) -> Json[Any]:
        """Change the given fields of the first document that a filter applies to, and return it.

        Raises:
            ApiError: there is none, the caller may not, or a field cannot be changed.
        """
        document_id = await self._first(caller, collection, condition)
        with self._store.transaction():
            row = self._writable(caller, collection, document_id or "")
            if row is None:
                raise not_found("document", "that the filter applies to")
            before = json.loads(row.data)
            for name in _FIXED:
                if name in values and values[name] != before.get(name):
                    raise ApiError(400, "FIXED_FIELD", f"{name} cannot be changed.")
            self._changes[collection] += 1
            changed = dumps({**before, "updatedAt": now_z(), **values})
            self._store.change_document(row.seq, changed)
        return changed

    async def _first(self, caller: Caller, collection: str, condition: Mapping[str, Any]) -> str | None:
        """Return the id of the first document that a filter applies to; by its id, without reading others."""
        owner, query = self._shown_owner(caller, collection), Query(condition)
        named = condition.get("_id")
        if not isinstance(named, str):
            return next(iter(await self._selected(collection, owner, query)), None)
        row = self._visible(caller, collection, named)
        return named if row is not None and query.matching([row.data]) else None

    def delete(self, caller: Caller, collection: str, ids: Sequence[str]) -> None:
        """Delete documents, all or none; those that are not there count as deleted.

        Raises:
            ApiError: the caller may not.
        """
        self._changes[collection] += 1
        with self._store.transaction():
            for document_id in ids:
                row = self._writable(caller, collection, document_id)
                if row is not None:
                    self._store.remove_document(row.seq)

    def _writable(self, caller: Caller, collection: str, document_id: str) -> DocumentRow | None:
        """Return a document that the caller sees and may change; None if they see none."""
        write = self._settings.rule(collection).write
        if not is_allowed(write, caller, owned=False):
            raise _forbidden("write", collection)
        row = self._visible(caller, collection, document_id)
        if row is not None and not is_allowed(write, caller, row.owner):
            raise _forbidden("write", collection)
        return row


async def _whole(slices: Iterable[list[str]]) -> list[Json[Any]]:
    """Return all documents of some slices; other requests are answered meanwhile."""
    found: list[Json[Any]] = []
    for texts in slices:
        found += map(Json, texts)
        await asyncio.sleep(0)
    return found


def _forbidden(action: Literal["read", "create", "write"], collection: str) -> ApiError:
    return ApiError(403, "FORBIDDEN", f"The rule of {collection[:100]!r} does not allow this caller to {action}.")
