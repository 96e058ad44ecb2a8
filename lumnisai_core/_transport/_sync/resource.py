# Generated from lumnisai_core/_transport/_async/resource.py by `make sync`; edit that file.
"""Base class of a platform's resources: sending calls, and iterating over the pages of a list."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from itertools import count
from typing import Generic, TypeVar

from lumnisai_core._transport._sync.transport import Transport
from lumnisai_core._transport.answer import model
from lumnisai_core._transport.call import Call, QueryValue
from lumnisai_core._transport.wire import Page, WireModel

T = TypeVar("T")
ModelT = TypeVar("ModelT", bound=WireModel)
SettingsT = TypeVar("SettingsT")


class Resource(Generic[SettingsT]):
    """A part of an API, bound to a client's connections and settings."""

    def __init__(self, transport: Transport, settings: SettingsT) -> None:
        self._transport = transport
        self._settings = settings

    def _send(self, call: Call[T]) -> T:
        return self._transport.send(call)

    def _get(self, kind: type[ModelT], route: str, /, **query: QueryValue) -> ModelT:
        """Read one object; query parameters that are None are left out."""
        return self._send(Call("GET", route, model(kind), query=query))

    def _iterate(self, fetch: Callable[[int], Page[T]]) -> Iterator[T]:
        """Yield the entries of all pages, each fetched when it is needed.

        Args:
            fetch: Returns the page after so many entries.
        """
        seen = 0
        while True:
            page = fetch(seen)
            for item in page.items:
                yield item
            seen += page.received
            if not page.received or not page.more_after(seen):
                return

    def _iterate_numbered(self, fetch: Callable[[int], Page[T]]) -> Iterator[T]:
        """Yield the entries of all pages, each fetched when it is needed.

        Args:
            fetch: Returns the page with this number, from 1.
        """
        numbers = count(1)
        return self._iterate(lambda _: fetch(next(numbers)))

    def _iterate_rows(self, fetch: Callable[[int], list[T]]) -> Iterator[T]:
        """Yield the entries of all pages of a list whose length is unknown.

        Args:
            fetch: Returns the page with this number, from 1; an empty one after the last. A page that equals the
                one before ends the list too: such a service ignores page numbers.
        """
        number = 0
        before: list[T] = []
        while True:
            number += 1
            rows = fetch(number)
            if not rows or rows == before:
                return
            for row in rows:
                yield row
            before = rows
