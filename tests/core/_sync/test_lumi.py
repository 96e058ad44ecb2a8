# Generated from tests/core/_async/test_lumi.py by `make sync`; edit that file.
"""The client of Lumi.new against prepared answers: documents, errors, retries and signatures."""

from __future__ import annotations

from datetime import date, datetime, timedelta, timezone
from typing import Any
from urllib.parse import parse_qsl, urlsplit
from uuid import UUID

import pytest

from lumnisai_core.exceptions import (
    AuthenticationError,
    ConflictError,
    LumnisAIError,
    NotFoundError,
    RateLimitError,
    TransportError,
    ValidationError,
)
from lumnisai_core.lumi import Client, Document
from tests.core.backend import (
    API_KEY,
    DOCUMENT,
    PROJECT,
    SIGN_KEY,
    TOP_KEY,
    bad,
    body,
    good,
    is_signed,
    routes,
)
from tests.servers import Canned, CannedServer, canned_server

POSTS = f"/lm/{PROJECT}/Posts/documents"


def client_to(server: CannedServer, **known: Any) -> Client:
    settings = {"sign_key": SIGN_KEY, "api_key": API_KEY, "top_access_key": "", **known}
    return Client(PROJECT, server.base_url, **settings)


# Entities


def test_documents_are_listed_whole_or_in_part() -> None:
    """Without a limit in one request; with one, the total is that of all matches."""
    page = {"total": 37, "list": [DOCUMENT]}
    with canned_server([good([DOCUMENT]), good(page), good(page)]) as server:
        with client_to(server) as client:
            posts = client.entities.Posts
            documents, total = posts.list(filter={"status": "open"}, sort={"createdAt": -1})
            assert (documents, total, documents[0].id, documents[0]["id"]) == ([DOCUMENT], 1, "66d1f0", "66d1f0")
            assert (posts.list(limit=1)).total == 37
            assert (posts.list({"a": 1.0}, limit=0)) == ([], 37)
    assert routes(server) == [f"POST {POSTS}/list", f"POST {POSTS}/listByPage", f"POST {POSTS}/listByPage"]
    assert [body(request) for request in server.received] == [
        {"filter": {"status": "open"}, "sort": {"createdAt": -1}},
        {"limit": 1, "skip": 0},
        {"filter": {"a": 1}, "limit": 1, "skip": 0},
    ]


def test_a_service_with_small_pages_gives_all_that_was_asked_for() -> None:
    """The rest is fetched; a skip without a limit reads from there to the end."""
    rows = [{"_id": str(number)} for number in range(5)]
    answers = [good({"total": 5, "list": rows[1:3]}), good({"total": 5, "list": rows[3:]})]
    for limit in (None, 4, 900):
        with canned_server(answers) as server:
            with client_to(server) as client:
                assert client.entities.Posts.list(limit=limit, skip=1) == (rows[1:], 5)
        assert [body(request)["skip"] for request in server.received] == [1, 3]


def test_iterating_gives_each_document_once_and_fetches_on_demand() -> None:
    """Pages overlap by one document, so that a deletion between two of them loses nothing."""
    rows = [{"_id": str(number)} for number in range(6)]

    def page(*numbers: int) -> Canned:
        return good({"total": 9, "list": [rows[number] for number in numbers]})

    # 0 and 1 are deleted after the first page; the second page starts behind what is known, so it steps back.
    answers = [page(0, 1, 2), page(4, 5), page(2, 3, 4, 5), page(4, 5), page(5), good({"total": 0, "list": []})]
    with canned_server(answers) as server:
        with client_to(server) as client:
            found = client.entities.Posts.iter(sort={"title": 1}, page_size=3)
            assert (next(found))["_id"] == "0"
            assert len(server.received) == 1
            assert [document["_id"] for document in found] == ["1", "2", "3", "4", "5"]
    assert body(server.received[0])["sort"] == {"title": 1, "_id": 1}


def test_documents_are_created_changed_and_deleted() -> None:
    """With dates, UUIDs and whole floats as the official client writes them."""
    moment = datetime(2025, 9, 3, 14, tzinfo=timezone(timedelta(hours=2)))
    data = {"title": "Zürich", "at": moment, "day": date(2025, 9, 3), "ref": UUID(int=5), "n": 2.0, "x": [1.5, (3.0,)]}
    answers = [good(DOCUMENT), good([DOCUMENT, DOCUMENT]), good(DOCUMENT), good(), good(), good(DOCUMENT), good()]
    with canned_server(answers) as server:
        with client_to(server) as client:
            posts = client.entities["Posts"]
            created = posts.create(data)
            assert isinstance(created, Document)
            assert len(posts.create_many([{"a": 1}, {"b": None}])) == 2
            assert (posts.update("66d1f0", {"status": "done"}))["status"] == "open"
            posts.delete("66d1f0")
            posts.delete_many(["a 1", "b!2", "a 1"])
            assert posts.get("66d1f0") == DOCUMENT
            assert posts.get("66d1f0") is None
            assert posts.create_many([]) == []
            posts.delete_many([])
    written = {"title": "Zürich", "at": "2025-09-03T12:00:00.000Z", "day": "2025-09-03", "ref": str(UUID(int=5))}
    assert body(server.received[0]) == {**written, "n": 2, "x": [1.5, [3]]}
    assert "Zürich".encode() in server.received[0].body
    assert b'"n":2,' in server.received[0].body
    assert body(server.received[1]) == [{"a": 1}, {"b": None}]
    assert body(server.received[2]) == {"filter": {"_id": "66d1f0"}, "update": {"status": "done"}}
    assert parse_qsl(urlsplit(server.received[4].path).query) == [("ids", "a 1"), ("ids", "b!2")]
    assert routes(server) == [
        f"POST {POSTS}",
        f"POST {POSTS}/batch",
        f"PUT {POSTS}",
        f"DELETE {POSTS}/66d1f0",
        f"DELETE {POSTS}/batch-by-ids",
        f"GET {POSTS}/66d1f0",
        f"GET {POSTS}/66d1f0",
    ]
    assert all(is_signed(request) for request in server.received)


def test_get_gives_none_for_a_missing_document_only() -> None:
    """Whatever the HTTP status; a wrong address and a refusal are errors."""
    for answer in (bad(404), bad(404, status=404), good(None)):
        with canned_server([answer]) as server:
            with client_to(server) as client:
                assert client.entities.Posts.get("x") is None
    for answer, kind in ((Canned(404, b"<html>"), NotFoundError), (bad(403), AuthenticationError)):
        with canned_server([answer]) as server:
            with client_to(server) as client:
                with pytest.raises(kind):
                    client.entities.Posts.get("x")


def test_an_update_that_matches_nothing_is_an_error() -> None:
    """By the service's code, or by the lack of a document."""
    for answer in (bad(404), good(None)):
        with canned_server([answer]) as server:
            with client_to(server) as client:
                with pytest.raises(NotFoundError):
                    client.entities.Posts.update("x", {"a": 1})


@pytest.mark.parametrize(
    ("arguments", "problem"),
    [
        ({"filter": [1]}, "filter must be a dict"),
        ({"sort": ["a"]}, "sort must be a dict"),
        ({"sort": {"a": "desc"}}, r"sort\['a'\] must be 1 or -1, not 'desc'"),
        ({"limit": -1}, "limit must be a whole number"),
        ({"limit": True}, "limit must be a whole number"),
        ({"skip": 1.5}, "skip must be a whole number"),
        ({"filter": {"a": {1, 2}}}, "cannot be written as JSON"),
        ({"filter": {"at": datetime(2025, 1, 1)}}, "must have a time zone"),
        ({"filter": {1: 2}}, "names of fields must be strings"),
        ({"filter": {"a": float("nan")}}, "cannot be written as JSON"),
    ],
)
def test_a_query_that_cannot_be_sent_is_refused(arguments: dict[str, Any], problem: str) -> None:
    """Before anything is sent."""
    with canned_server([good([])]) as server:
        with client_to(server) as client:
            with pytest.raises(ValidationError, match=problem):
                client.entities.Posts.list(**arguments)
    assert server.received == []


def test_documents_that_cannot_be_sent_are_refused() -> None:
    """Before anything is sent."""
    loop: dict[str, Any] = {}
    loop["self"] = loop
    with canned_server([good([])]) as server:
        with client_to(server) as client:
            posts = client.entities.Posts
            wrong: list[Any] = [5, "text", loop]
            for data in wrong:
                with pytest.raises(ValidationError):
                    posts.create(data)
            with pytest.raises(ValidationError, match=r"data\[1\] must be a dict"):
                posts.create_many([{}, 5])  # type: ignore[list-item]
            with pytest.raises(ValidationError, match="data is empty"):
                posts.update("x", {})
            with pytest.raises(ValidationError, match="ids must be a list"):
                posts.delete_many("abc")
            for name in ("", "..", "  "):
                with pytest.raises(ValidationError):
                    client.entities[name].list()
            with pytest.raises(AttributeError):
                client.entities._private  # noqa: B018
    assert server.received == []


# Errors and retries


@pytest.mark.parametrize("status", [200, 400, 500])
@pytest.mark.parametrize(
    ("code", "kind"),
    [
        (400, ValidationError),
        (403, AuthenticationError),
        (409, ConflictError),
        (429, RateLimitError),
        (500, TransportError),
        (2100, AuthenticationError),
    ],
)
def test_every_code_is_a_typed_error_whatever_the_http_status(
    code: int, kind: type[LumnisAIError], status: int
) -> None:
    """With the code, the service's message, and the request id."""
    answer = bad(code, "Not today", status=status, headers={"X-Request-ID": "r-1"})
    with canned_server([answer]) as server:
        with client_to(server, max_retries=0) as client:
            with pytest.raises(kind, match="Not today") as caught:
                client.entities.Posts.create({"a": 1})
    assert (caught.value.code, caught.value.request_id) == (str(code), "r-1")


def test_an_unknown_code_is_an_error_too() -> None:
    """So is an answer without a code, which is no answer of the platform."""
    for answer, kind in ((bad(7001), ValidationError), (Canned(200, {"data": 1}), TransportError)):
        with canned_server([answer]) as server:
            with client_to(server, max_retries=0) as client:
                with pytest.raises(kind):
                    client.entities.Posts.list()


def test_reads_are_repeated_and_each_try_is_signed_anew() -> None:
    """After a status or a code that may pass; what changes something is sent once."""
    with canned_server([Canned(503, headers={"Retry-After": "0"}), bad(500), good([DOCUMENT])]) as server:
        with client_to(server) as client:
            assert (client.entities.Posts.list()).total == 1
    assert len({request.headers["x-nonce"] for request in server.received}) == 3
    assert all(is_signed(request) for request in server.received)
    with canned_server([bad(500)]) as server:
        with client_to(server) as client:
            with pytest.raises(TransportError):
                client.entities.Posts.create({"a": 1})
    assert len(server.received) == 1


def test_keys_travel_where_they_belong() -> None:
    """Top access on signed routes only; without a signing key nothing is signed."""
    with canned_server([good([])]) as server:
        with client_to(server, top_access_key=TOP_KEY, sign_key="") as client:
            client.entities.Posts.list()
        with client_to(server) as client:
            client.entities.Posts.list()
    first, second = (request.headers for request in server.received)
    assert first["x-top-access"] == TOP_KEY
    assert "x-sign" not in first
    assert "x-top-access" not in second
    assert "x-sign" in second
    assert "authorization" not in first


def test_ids_and_names_cannot_change_a_route() -> None:
    """They are percent-encoded; a path of dots is refused."""
    with canned_server([good(DOCUMENT)]) as server:
        with client_to(server) as client:
            client.entities["a/../b"].get("../x?y#z")
            client.entities.Posts.delete("..%2f")
            client.functions.invoke("../lm/user/info")
            for wrong in ("..", ".", ""):
                with pytest.raises(ValidationError):
                    client.entities.Posts.delete(wrong)
                with pytest.raises(ValidationError):
                    client.functions.invoke(wrong)
    assert [request.path for request in server.received] == [
        f"/lm/{PROJECT}/a%2F..%2Fb/documents/..%2Fx%3Fy%23z",
        f"{POSTS}/..%252f",
        f"/v1/functions/{PROJECT}/..%2Flm%2Fuser%2Finfo",
    ]


def test_many_ids_are_deleted_in_several_requests() -> None:
    """So that no address becomes too long; each id is sent once."""
    ids = [f"{number:024d}" for number in range(250)]
    with canned_server([good()]) as server:
        with client_to(server) as client:
            client.entities.Posts.delete_many([*ids, *ids])
            client.entities.Posts.delete_many(["ü" * 900])
    sent = [value for request in server.received[:-1] for _, value in parse_qsl(urlsplit(request.path).query)]
    assert sent == ids
    assert max(len(request.path) for request in server.received[:-1]) < 4500
    assert all(is_signed(request) for request in server.received)
