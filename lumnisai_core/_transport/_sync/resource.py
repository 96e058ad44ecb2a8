# Generated from lumnisai_core/_transport/_async/resource.py by `make sync`; edit that file.
"""What all resources share."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import TypeVar

from lumnisai_core._transport._sync.transport import Transport
from lumnisai_core._transport.call import Call
from lumnisai_core._transport.wire import Page
from lumnisai_core.lumnis.config import Settings

T = TypeVar("T")


class Resource:
    """A part of the API, bound to a client's connections and scope."""

    def __init__(self, transport: Transport, settings: Settings) -> None:
        self._transport = transport
        self._settings = settings

    def _send(self, call: Call[T]) -> T:
        return self._transport.send(call)

    def _iterate(self, fetch: Callable[[int], Page[T]]) -> Iterator[T]:
        """Yield everything on all pages, each fetched when it is needed.

        Args:
            fetch: Returns the page that follows so many things.
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
        """Yield everything on all pages, each fetched when it is needed.

        Args:
            fetch: Returns the page with this number, from 1.
        """
        number = seen = 0
        while True:
            number += 1
            page = fetch(number)
            for item in page.items:
                yield item
            seen += page.received
            if not page.received or not page.more_after(seen):
                return

    def _iterate_rows(self, fetch: Callable[[int], list[T]]) -> Iterator[T]:
        """Yield everything on all pages of a list that does not tell its length.

        Args:
            fetch: Returns the page with this number, from 1; an empty one after the last. A page that equals the
                one before ends the list too: then the service knows no pages.
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
