# Generated from tests/core/_async/test_iterators.py by `make sync`; edit that file.
"""Iterators over all pages of the resources."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest

from lumnisai_core import Client
from tests.servers import Canned, canned_server


def users(ids: list[str], number: int) -> dict[str, Any]:
    rows = [{"id": name} for name in ids]
    return {"users": rows, "pagination": {"page": number, "total": 5, "has_next": number < 3}}


def skills(ids: list[str], number: int) -> dict[str, Any]:
    return {"skills": [{"id": name} for name in ids], "total": 5, "page": number, "page_size": 2}


def usages(ids: list[str], number: int) -> dict[str, Any]:
    return {"usages": [{"id": name} for name in ids], "total": 5, "page": number, "page_size": 2}


def files(ids: list[str], number: int) -> dict[str, Any]:
    return {"files": [{"id": name} for name in ids], "total_count": 5, "page": number, "has_more": number < 3}


def servers(ids: list[str], number: int) -> dict[str, Any]:
    return {"servers": [{"id": name} for name in ids], "total": 5, "skip": 0, "limit": 2}


def runs(ids: list[str], number: int) -> list[dict[str, Any]]:
    return [{"response_id": name, "id": name} for name in ids]


def threads(ids: list[str], number: int) -> list[dict[str, Any]]:
    return [{"thread_id": name, "id": name} for name in ids]


Iterate = Callable[[Client], Iterator[Any]]
NUMBERED = ["page=1", "page=2", "page=3"]
#: Without a length, each page is compared with the one before, which may have got items of later pages meanwhile.
COMPARED = ["page=1", "page=2", "page=1", "page=3", "page=2", "page=4", "page=3"]
PAGES = {
    "page=1": "ab",
    "page=2": "cd",
    "page=3": "e",
    "page=4": "",
    "skip=0": "ab",
    "skip=1": "bcd",
    "skip=3": "de",
    "offset=0": "ab",
    "offset=1": "bcd",
    "offset=3": "de",
    "offset=4": "e",
}


@pytest.mark.parametrize(
    ("iterate", "page", "expected"),
    [
        (lambda client: client.users.iter(page_size=2), users, NUMBERED),
        (lambda client: client.skills.iter(page_size=2), skills, NUMBERED),
        (lambda client: client.skills.iter_usage(page_size=2), usages, NUMBERED),
        (lambda client: client.files.iter(page_size=2), files, NUMBERED),
        (lambda client: client.mcp_servers.iter(page_size=2), servers, ["skip=0", "skip=1", "skip=3"]),
        (lambda client: client.users.iter_responses("u", page_size=2), runs, COMPARED),
        (lambda client: client.users.iter_threads("u", page_size=2), threads, COMPARED),
        (
            lambda client: client.threads.iter_responses("t", page_size=2),
            runs,
            ["offset=0", "offset=1", "offset=3", "offset=4"],
        ),
    ],
)
def test_all_pages_are_fetched(iterate: Iterate, page: Callable[[list[str], int], Any], expected: list[str]) -> None:
    """Each page is fetched when it is needed; nothing is left out or repeated."""
    pages = [page(list(PAGES[place]), int(place[-1])) for place in expected]
    with canned_server([Canned(body=one) for one in pages]) as server:
        with Client("lmn_test_key", base_url=server.base_url, user_id="u") as client:
            found = [row.model_extra.get("id") or row.id if row.model_extra else row.id for row in iterate(client)]
    assert found == ["a", "b", "c", "d", "e"]
    queries = [received.path.partition("?")[2].split("&") for received in server.received]
    assert len(queries) == len(expected)
    assert all(part in query for part, query in zip(expected, queries, strict=True))


@pytest.mark.parametrize("name", ["threads", "users"])
def test_an_odd_element_moves_no_page(name: str) -> None:
    """The next page counts everything that was sent, also what could not be read."""
    first = {"threads": [{"thread_id": "a"}, None], "users": [{"id": "a"}, 5], "total": 3}
    second = {"threads": [None, {"thread_id": "c"}], "users": [{"id": "c"}], "total": 3}
    with canned_server([Canned(body=first), Canned(body=second)]) as server:
        with Client("lmn_test_key", base_url=server.base_url, user_id="u") as client:
            found = [row for row in getattr(client, name).iter(page_size=2)]
    assert len(found) == 2
    assert ("offset=1" if name == "threads" else "page=2") in server.received[1].path


def test_a_service_that_knows_no_pages_ends_the_list() -> None:
    """A page that comes twice is not taken for another one."""
    with canned_server([Canned(body=threads(["a", "b"], 1))]) as server:
        with Client("lmn_test_key", base_url=server.base_url) as client:
            assert [row.thread_id for row in client.users.iter_threads("u")] == ["a", "b"]
    assert len(server.received) == 3


def test_an_iterator_checks_its_arguments() -> None:
    """They are those of the list, and nothing is sent for bad ones."""
    with Client("lmn_test_key", base_url="http://127.0.0.1:9", max_retries=0) as client:
        with pytest.raises(ValueError, match="page_size must be 1 to 100, not 0"):
            _ = [user for user in client.users.iter(page_size=0)]
