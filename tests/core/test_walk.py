"""Walking through lists that change, or whose lengths are wrong."""

from __future__ import annotations

import itertools
from collections.abc import Iterator

import pytest

from lumnisai_core import ThreadList, ThreadObject
from lumnisai_core._transport.walk import Walk

#: What a service reports as the length of a list.
TOTALS = ["true", "missing", "capped", "of the page", "too large", "constant"]


def reported(total: str, true: int, received: int) -> int:
    """Return a length that a service may report for a list of ``true`` items and a page of ``received``."""
    lengths = {"true": true, "missing": 0, "capped": min(true, 5), "of the page": received, "too large": true + 7}
    return lengths.get(total, 1)


class Rows:
    """A list of threads on a service."""

    def __init__(self, count: int, *, total: str = "true", most: int = 100, bare: bool = False) -> None:
        self.ids = [f"t{number}" for number in range(count)]
        self.requests = 0
        self._total, self._most, self._bare = total, most, bare

    def walk(self, page_size: int, *, numbered: bool) -> Iterator[str]:
        """Yield the ids that a walk finds."""
        walk: Walk[ThreadObject] = Walk(page_size, numbered=numbered)
        while walk.place is not None:
            self.requests += 1
            assert self.requests < 2000, "the walk does not end"
            size = min(walk.place.size, self._most)
            start = (walk.place.position - 1) * size if numbered else walk.place.position
            rows = [ThreadObject(thread_id=name) for name in self.ids[start : start + size]]
            page = ThreadList.model_validate(
                {"threads": rows, "total": reported(self._total, len(self.ids), len(rows))}
            )
            yield from (thread.thread_id for thread in walk.accept(rows if self._bare else page))


@pytest.mark.parametrize(
    ("total", "most"), [*((name, 100) for name in TOTALS), ("true", 2), ("missing", 2), ("too large", 2)]
)
@pytest.mark.parametrize("page_size", [1, 3, 4, 100])
@pytest.mark.parametrize("numbered", [True, False])
def test_every_item_comes_once_whatever_length_is_reported(
    numbered: bool, page_size: int, total: str, most: int
) -> None:
    """Also where the service has a smaller limit for pages than the caller."""
    for count in (0, 1, 2, 3, 4, 6, 12, 13):
        rows = Rows(count, total=total, most=most)
        assert list(rows.walk(page_size, numbered=numbered)) == rows.ids


@pytest.mark.parametrize("bare", [True, False])
@pytest.mark.parametrize("total", ["true", "missing"])
@pytest.mark.parametrize("page_size", [1, 2, 5, 20])
@pytest.mark.parametrize("numbered", [True, False])
def test_nothing_is_skipped_while_the_caller_deletes(numbered: bool, page_size: int, total: str, bare: bool) -> None:
    """Each item at once, every second one, or all of those found so far after every third."""
    for chosen in (range(23), range(1, 23, 2), range(2, 23, 3)):
        rows = Rows(23, total=total, bare=bare)
        before, found = list(rows.ids), []
        for number, name in enumerate(rows.walk(page_size, numbered=numbered)):
            found.append(name)
            if number in chosen:
                rows.ids = [kept for kept in rows.ids if kept not in found]
        assert sorted(found) == sorted(before)


@pytest.mark.parametrize("bare", [True, False])
@pytest.mark.parametrize("page_size", [1, 2, 5, 20])
@pytest.mark.parametrize("numbered", [True, False])
def test_nothing_comes_twice_while_the_caller_adds(numbered: bool, page_size: int, bare: bool) -> None:
    """New items move the others on; also if each item is replaced by a new one in front."""
    for replaced in (False,) if bare else (True, False):
        rows = Rows(23, bare=bare)
        before, found, numbers = list(rows.ids), [], itertools.count()
        for name in rows.walk(page_size, numbered=numbered):
            found.append(name)
            rows.ids.insert(0, f"new{next(numbers)}")
            if replaced:
                rows.ids.remove(name)
        assert [name for name in found if name in before] == before
        assert len(found) == len(set(found))


def test_a_page_costs_a_request() -> None:
    """As long as nothing changes and the service reports a length."""
    for numbered in (True, False):
        rows = Rows(95)
        assert len(list(rows.walk(20, numbered=numbered))) == 95
        assert rows.requests == 5
