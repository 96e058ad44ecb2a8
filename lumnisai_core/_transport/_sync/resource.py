# Generated from lumnisai_core/_transport/_async/resource.py by `make sync`; edit that file.
"""Base class of a platform's resources: sending calls, and iterating over the pages of a list."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Generic, TypeVar

from lumnisai_core._transport._sync.transport import Transport
from lumnisai_core._transport.answer import model
from lumnisai_core._transport.call import Call, QueryValue
from lumnisai_core._transport.walk import Place, Walk
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

    def _iterate(
        self, fetch: Callable[[Place], Page[T] | list[T]], page_size: int, *, numbered: bool = False
    ) -> Iterator[T]:
        """Yield the items of all pages, each fetched when it is needed, and each item once.

        Args:
            fetch: Returns the page at a place.
            page_size: Items to fetch at a time.
            numbered: Whether the list counts pages, from 1, instead of items.
        """
        walk: Walk[T] = Walk(page_size, numbered=numbered)
        while walk.place is not None:
            for item in walk.accept(fetch(walk.place)):
                yield item
