"""Walks through lists that may change between two pages: what to fetch next, and which items are new. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Generic, NamedTuple, TypeVar

from lumnisai_core._transport.checks import LARGEST_PAGE
from lumnisai_core._transport.wire import Page, id_of

T = TypeVar("T")

#: Pages without a new item, one after the other, that end a walk: such a service ignores positions.
_MOST_BARREN = 100


class Place(NamedTuple):
    """What to fetch.

    Attributes:
        position: Items to skip, or the number of the page from 1.
        size: Items on the page.
    """

    position: int
    size: int


class _Fetched(NamedTuple, Generic[T]):
    """A page as far as a walk needs it.

    Attributes:
        fresh: Items that were not seen before, by id.
        received: Number of items the service sent, also unreadable ones.
        page: The whole page, or None for a bare list.
    """

    position: int
    ids: tuple[str, ...]
    fresh: dict[str, T]
    received: int
    page: Page[T] | None

    @property
    def is_known(self) -> bool:
        """Whether all of it was seen before."""
        return self.received > 0 and not self.fresh

    @property
    def touches_known(self) -> bool:
        """Whether some of it was seen before, and so everything in front of it, too."""
        return len(self.fresh) < len(self.ids)


class Walk(Generic[T]):
    """Finds every item once that is in a list from beginning to end, whatever is added or deleted meanwhile.

    Deleted items move later ones to pages that were read before; new ones come in front of the others, as all lists
    are newest first. So a page must adjoin what is known: by an item that it shares with the page before, or by a
    total that did not fall. Otherwise the walk steps back until it does.

    Args:
        page_size: Items to fetch at a time.
        numbered: Whether the list counts pages, from 1, instead of items. Numbered pages cannot overlap.
    """

    def __init__(self, page_size: int, *, numbered: bool) -> None:
        self._first = 1 if numbered else 0
        self._numbered = numbered
        self._page_size = page_size
        self._known: set[str] = set()
        self._largest = 0
        self._total = 0
        self._ends = [0]  # items up to the end of each page, if they are numbered
        self._held: _Fetched[T] | None = None
        self._before: tuple[str, ...] = ()
        self._barren = 0
        self.place: Place | None = Place(self._first, page_size)

    def accept(self, page: Page[T] | list[T]) -> Sequence[T]:
        """Take the page that was to be fetched; set :attr:`place` to the next one, None after the last.

        Returns:
            The items to yield.
        """
        fetched = self._fetched(page)
        self._largest = max(self._largest, fetched.received)
        if self._held is not None and fetched.is_known:
            fetched = self._held  # it adjoins what is known
        elif (
            fetched.position > self._first
            and not fetched.touches_known
            and (self._held is not None or self._may_have_shrunk(fetched))
        ):
            self._held = fetched
            step = 1 if self._numbered else max(1, min(self._page_size, self._largest))
            self._go_to(max(self._first, fetched.position - step))
            return ()
        self._held = None
        self._known.update(fetched.fresh)
        self._go_on(fetched)
        return list(fetched.fresh.values())

    def _fetched(self, page: Page[T] | list[T]) -> _Fetched[T]:
        position = self.place.position if self.place is not None else self._first
        items = page if isinstance(page, list) else page.items
        ids = tuple(id_of(item) for item in items)
        fresh = {key: item for key, item in zip(ids, items, strict=True) if key not in self._known}
        whole = None if isinstance(page, list) else page
        return _Fetched(position, ids, fresh, len(items) if whole is None else whole.received, whole)

    def _end_of(self, fetched: _Fetched[T]) -> int:
        start = self._ends[fetched.position - 1] if self._numbered else fetched.position
        return start + fetched.received

    def _may_have_shrunk(self, fetched: _Fetched[T]) -> bool:
        """Return whether the list is shorter than at the page before, or does not report a credible length."""
        total = 0 if fetched.page is None else fetched.page.total
        return total < self._total or total < self._end_of(fetched)

    def _go_on(self, fetched: _Fetched[T]) -> None:
        """Choose the page after one whose items are all known now."""
        end = self._end_of(fetched)
        size = self._page_size if fetched.position == self._first else self._overlapping
        is_short = fetched.received < size
        if fetched.page is not None:
            self._total = fetched.page.total
        is_repeated = self._barren > 0 and fetched.ids and fetched.ids == self._before
        self._barren, self._before = (0 if fetched.fresh else self._barren + 1), fetched.ids
        if (
            not fetched.received
            or (self._barren and (fetched.received < self._largest or is_repeated or self._barren > _MOST_BARREN))
            or (is_short and fetched.page is not None and fetched.page.total and not fetched.page.more_after(end))
        ):
            self.place = None
        elif self._numbered:
            self._ends[fetched.position :] = [end]
            self._go_to(fetched.position + 1)
        else:
            self._go_to(fetched.position + max(1, fetched.received - 1))

    @property
    def _overlapping(self) -> int:
        return self._page_size if self._numbered else min(self._page_size + 1, LARGEST_PAGE)

    def _go_to(self, position: int) -> None:
        self.place = Place(position, self._page_size if position == self._first else self._overlapping)
