"""Entities at Lumi.new: collections of documents."""

from __future__ import annotations

from collections.abc import (
    AsyncIterator,
    Mapping,
    Sequence,
)
from typing import Any

from lumnisai_core._transport._async.resource import AsyncResource
from lumnisai_core._transport._async.transport import AsyncTransport
from lumnisai_core._transport.checks import whole_number_between
from lumnisai_core._transport.walk import Place
from lumnisai_core.exceptions import NotFoundError
from lumnisai_core.lumi.calls.entities import PAGE, Collection, Query, Span
from lumnisai_core.lumi.config import LumiService
from lumnisai_core.lumi.models import (
    Document,
    DocumentList,
    Documents,
)


class AsyncEntities(AsyncResource[LumiService]):
    """Collections of documents, by name: ``client.entities.Posts`` or ``client.entities["Posts"]``."""

    def __getattr__(self, name: str) -> AsyncEntity:
        if name.startswith("_"):  # what Python itself looks for
            raise AttributeError(name)
        return self[name]

    def __getitem__(self, name: str) -> AsyncEntity:
        return AsyncEntity(self._transport, self._settings, name)


class AsyncEntity(AsyncResource[LumiService]):
    """One collection of documents."""

    def __init__(self, transport: AsyncTransport, settings: LumiService, name: str) -> None:
        super().__init__(transport, settings)
        self._calls = Collection.named(settings.project_id, name)

    def __repr__(self) -> str:
        return f"<{type(self).__name__} {self._calls.name!r}>"

    async def list(
        self,
        filter: Mapping[str, Any] | None = None,  # noqa: A002 - the product's name
        sort: Mapping[str, int] | None = None,
        limit: int | None = None,
        skip: int | None = None,
    ) -> DocumentList:
        """List documents.

        Args:
            filter: Conditions as a dict, such as ``{"status": "open"}``; sent as they are. Default: all documents.
            sort: 1 (ascending) or -1 (descending) by field. Default: the service's order.
            limit: Most documents to return. Default: all. With 0 only the total is read.
            skip: Documents to leave out at the beginning.

        Returns:
            The documents as ``list``, and as ``total`` how many match in all.
        """
        query, span = Query(filter, sort), Span.of(limit, skip)
        if span.is_everything:
            return await self._send(self._calls.list(query))
        found: Sequence[Document] = ()
        while True:
            page = await self._send(self._calls.page(query, span.next_size(len(found)), span.skip + len(found)))
            found = [*found, *page.list]
            if span.is_complete(len(found), len(page.list), page.total):
                return span.result(found, page.total)

    async def iter(
        self,
        filter: Mapping[str, Any] | None = None,  # noqa: A002 - the product's name
        sort: Mapping[str, int] | None = None,
        page_size: int = PAGE,
    ) -> AsyncIterator[Document]:
        """Iterate over documents, a page at a time, each document once also while others are added or deleted.

        Args:
            filter: Conditions as a dict. Default: all documents.
            sort: 1 (ascending) or -1 (descending) by field. Equal documents come in the order of their ids.
            page_size: Documents to fetch at a time, 1 to 100.
        """
        query = Query(filter, sort).in_order()
        size = whole_number_between("page_size", page_size, 1, PAGE)

        async def fetch(place: Place) -> Documents:
            return (await self._send(self._calls.page(query, place.size, place.position))).list

        async for document in self._iterate(fetch, size):
            yield document

    async def get(self, id: str) -> Document | None:  # noqa: A002 - the product's name
        """Return a document, or None if there is none with this id.

        Args:
            id: The document's id.
        """
        try:
            return await self._send(self._calls.get(id))
        except NotFoundError as error:
            if error.code is None:  # an address without an API, not a missing document
                raise
            return None

    async def create(self, data: Mapping[str, Any]) -> Document:
        """Create a document.

        Args:
            data: Its fields. Times with a zone, dates and UUIDs are written as text.

        Returns:
            The document with its id and what else the service adds.
        """
        return await self._send(self._calls.create(data))

    async def create_many(self, data: Sequence[Mapping[str, Any]]) -> Sequence[Document]:
        """Create several documents in one request.

        Args:
            data: The fields of each; an empty list sends nothing.
        """
        return await self._send(self._calls.create_many(data)) if data else []

    async def update(self, id: str, data: Mapping[str, Any]) -> Document:  # noqa: A002 - the product's name
        """Change some fields of a document; the others stay.

        Args:
            id: The document's id.
            data: The fields to change.

        Returns:
            The whole document.

        Raises:
            NotFoundError: There is no such document.
        """
        return await self._send(self._calls.update(id, data))

    async def delete(self, id: str) -> None:  # noqa: A002 - the product's name
        """Delete a document.

        Args:
            id: The document's id.
        """
        await self._send(self._calls.delete(id))

    async def delete_many(self, ids: Sequence[str]) -> None:
        """Delete documents. Many ids take several requests; after an error, the same call can be made again.

        Args:
            ids: Their ids; an empty list sends nothing.
        """
        for call in tuple(self._calls.delete_many(ids)):
            await self._send(call)
