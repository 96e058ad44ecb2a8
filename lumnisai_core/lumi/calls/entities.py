"""Calls of collections: queries, pages, and changes of documents. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, NamedTuple
from urllib.parse import quote

from pydantic import TypeAdapter

from lumnisai_core._transport import answer
from lumnisai_core._transport.answer import Problem
from lumnisai_core._transport.call import Call, QueryValue
from lumnisai_core._transport.checks import not_none, path, text, texts, whole_number_between
from lumnisai_core.exceptions import ValidationError
from lumnisai_core.lumi.calls.values import plain_json
from lumnisai_core.lumi.models import (
    Document,
    DocumentList,
)

#: Documents on a page that helpers fetch, and the most that one request asks for.
PAGE = 100
LARGEST_PAGE = 1000

#: Characters of ids in the address of one deletion; longer addresses are refused by many servers.
_LONGEST_IDS = 4000
_MOST_IDS = 100


class Query(NamedTuple):
    """Which documents, and in which order.

    Attributes:
        filter: Conditions, a field each; None for all documents.
        sort: 1 (ascending) or -1 (descending) by field; None for the service's order.
    """

    filter: Mapping[str, Any] | None = None
    sort: Mapping[str, int] | None = None

    def body(self) -> dict[str, Any]:
        """Return the body of a request.

        Raises:
            ValidationError: The filter is not a mapping, or a direction is neither 1 nor -1.
        """
        if self.filter is not None and not isinstance(self.filter, Mapping):
            raise ValidationError(f"filter must be a dict of conditions, not {self.filter!r}.")
        if self.sort is not None and not isinstance(self.sort, Mapping):
            raise ValidationError(f'sort must be a dict such as {{"createdAt": -1}}, not {self.sort!r}.')
        for field, direction in (self.sort or {}).items():
            if isinstance(direction, bool) or direction not in (1, -1):
                raise ValidationError(f"sort[{field!r}] must be 1 or -1, not {direction!r}.")
        found: dict[str, Any] = plain_json(not_none(filter=self.filter, sort=self.sort))
        return found

    def in_order(self) -> Query:
        """Return the same query with an order that tells all documents apart, so that pages fit together."""
        sort = self.sort if isinstance(self.sort, Mapping) else {}
        return self if self.sort is not None and "_id" in sort else self._replace(sort={**sort, "_id": 1})


class Collection(NamedTuple):
    """Calls of one collection.

    Attributes:
        project_id: The application.
        name: Name of the collection.
    """

    project_id: str
    name: str

    @classmethod
    def named(cls, project_id: str, name: str) -> Collection:
        """Return the calls of a collection.

        Raises:
            ValidationError: The name is blank or cannot be part of a path.
        """
        path("/{}", text("name", name))
        return cls(project_id, name)

    def _path(self, rest: str, *parameters: object) -> str:
        return path(f"/lm/{{}}/{{}}/documents{rest}", self.project_id, self.name, *parameters)

    def list(self, query: Query) -> Call[DocumentList]:
        """Read all documents that match."""
        return Call("POST", self._path("/list"), _all, body=query.body(), idempotent=True)

    def page(self, query: Query, limit: int, skip: int) -> Call[DocumentList]:
        """Read one page of the documents that match."""
        body = {**query.body(), "limit": limit, "skip": skip}
        return Call("POST", self._path("/listByPage"), _page, body=body, idempotent=True)

    def get(self, document_id: str) -> Call[Document | None]:
        """Read one document."""
        return Call("GET", self._path("/{}", document_id), lambda data: None if data is None else document(data))

    def create(self, data: Mapping[str, Any]) -> Call[Document]:
        """Create a document."""
        return Call("POST", self._path(""), document, body=_fields("data", data))

    def create_many(self, data: Sequence[Mapping[str, Any]]) -> Call[Sequence[Document]]:
        """Create several documents."""
        body = [_fields(f"data[{index}]", row) for index, row in enumerate(data)]
        return Call("POST", self._path("/batch"), documents, body=body)

    def update(self, document_id: str, data: Mapping[str, Any]) -> Call[Document]:
        """Change some fields of a document."""
        fields = _fields("data", data)
        if not fields:
            raise ValidationError("data is empty: name at least one field to change.")
        body = {"filter": {"_id": _id(document_id)}, "update": fields}

        def read(row: Any) -> Document:
            if row is None:
                raise Problem(f"{self.name} has no document {document_id!r}", status=404)
            return document(row)

        return Call("PUT", self._path(""), read, body=body)

    def delete(self, document_id: str) -> Call[None]:
        """Delete a document."""
        return Call("DELETE", self._path("/{}", document_id), answer.nothing)

    def delete_many(self, ids: Sequence[str]) -> Iterator[Call[None]]:
        """Delete documents, in as many requests as their ids need."""
        for batch in id_batches(ids):
            query: tuple[tuple[str, QueryValue], ...] = tuple(("ids", one) for one in batch)
            yield Call("DELETE", self._path("/batch-by-ids"), answer.nothing, query=query)


_OBJECT = TypeAdapter(dict[str, Any])
_OBJECTS = TypeAdapter(list[dict[str, Any]] | None)


def document(data: Any) -> Document:
    """Read a document."""
    return Document(_OBJECT.validate_python(data))


def documents(data: Any) -> list[Document]:
    """Read an array of documents; null is an empty one."""
    return [Document(row) for row in _OBJECTS.validate_python(data) or ()]


def _all(data: Any) -> DocumentList:
    rows = documents(data)
    return DocumentList(rows, len(rows))


def _page(data: Any) -> DocumentList:
    page = _OBJECT.validate_python(data)
    return DocumentList(documents(page.get("list")), TypeAdapter(int).validate_python(page.get("total")))


def _fields(name: str, data: Mapping[str, Any]) -> dict[str, Any]:
    if not isinstance(data, Mapping):
        raise ValidationError(f"{name} must be a dict of fields, not {type(data).__name__}.")
    fields: dict[str, Any] = plain_json(data)
    return fields


def _id(document_id: str) -> str:
    return text("id", document_id)


def id_batches(ids: Iterable[str]) -> Iterator[Sequence[str]]:
    """Divide ids, each once, so that each part fits into an address.

    Raises:
        ValidationError: An id is blank, or there is one string instead of a list.
    """
    batch: list[str] = []
    length = 0
    for one in dict.fromkeys(texts("ids", ids) if ids else ()):
        size = len(quote(one, safe="", errors="surrogatepass")) + len("&ids=")
        if batch and (length + size > _LONGEST_IDS or len(batch) == _MOST_IDS):
            yield batch
            batch, length = [], 0
        batch.append(one)
        length += size
    if batch:
        yield batch


class Span(NamedTuple):
    """Which part of the matching documents is wanted.

    Attributes:
        limit: Most documents to return; None for all.
        skip: Documents to leave out at the beginning.
    """

    limit: int | None
    skip: int

    @classmethod
    def of(cls, limit: int | None, skip: int | None) -> Span:
        """Check limit and skip.

        Raises:
            ValidationError: One of them is not a whole number, or negative.
        """
        if limit is not None:
            limit = whole_number_between("limit", limit, 0, 2**31)
        return cls(limit, whole_number_between("skip", skip or 0, 0, 2**31))

    @property
    def is_everything(self) -> bool:
        """Whether all matching documents are wanted."""
        return self.limit is None and not self.skip

    def next_size(self, found: int) -> int:
        """Return how many documents to ask for after so many were found; at least one, so that there is a total."""
        return PAGE if self.limit is None else max(1, min(self.limit - found, LARGEST_PAGE))

    def result(self, found: Sequence[Document], total: int) -> DocumentList:
        """Return the documents that were wanted; a service may send more of them."""
        return DocumentList(list(found if self.limit is None else found[: self.limit]), total)

    def is_complete(self, found: int, received: int, total: int) -> bool:
        """Return whether nothing is left to fetch.

        Args:
            found: Documents so far.
            received: Documents on the last page.
            total: How many match in all.
        """
        return not received or (self.limit is not None and found >= self.limit) or self.skip + found >= total
