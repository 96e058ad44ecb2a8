"""Attacks on the wire: requests that never end, are too large, are ambiguous, or come by another name."""

from __future__ import annotations

import contextlib
import io
import json
import logging
from collections.abc import Iterator
from typing import Any

import pytest

from lumnisai_core.local import LocalLumnis
from lumnisai_core.local.web import listener
from lumnisai_core.local.web.guard import MOST_HEADERS, Guard, is_own_name, refused
from tests.attack.raw import connected, exchange, status_of, until_closed
from tests.local.conftest import Serve
from tests.local.support import Api, EchoEngine

HEAD = b"GET /v1/tenant HTTP/1.1\r\nhost: localhost\r\nx-api-key: KEY\r\n"
POST = b"POST /v1/threads HTTP/1.1\r\nhost: localhost\r\nx-api-key: KEY\r\n"


@pytest.fixture
def hasty(monkeypatch: pytest.MonkeyPatch, serve: Serve) -> Api:
    """A service that waits for nobody, and takes eight connections."""
    create = Guard.__init__
    monkeypatch.setattr(Guard, "__init__", lambda self, app, names: create(self, app, names, patience=0.1))
    monkeypatch.setattr(listener, "_HEAD_SECONDS", 0.1)
    monkeypatch.setattr(listener.Listener.__init__, "__kwdefaults__", {"http": None, "most": 8, "head_seconds": 0.1})
    return serve(EchoEngine())


@pytest.mark.parametrize("first", [b"", HEAD + b"\r\n"])
@pytest.mark.parametrize("sent", [b"GET", HEAD])
def test_headers_that_do_not_become_complete_end_the_connection(hasty: Api, first: bytes, sent: bytes) -> None:
    """Also those of a second request on a connection."""
    with connected(hasty) as connection:
        connection.sendall(first.replace(b"KEY", hasty.local.api_key.encode()))
        assert not first or connection.recv(65_536)
        connection.sendall(sent.replace(b"KEY", hasty.local.api_key.encode()))
        assert b" 408 " in until_closed(connection)
    assert hasty.get("/v1/health").status_code == 200


@pytest.mark.parametrize(
    "body",
    [b"content-length: 10\r\n\r\n{", b"transfer-encoding: chunked\r\n\r\n1\r\n{\r\n", b"content-length: 2\r\n\r\n"],
)
def test_bodies_that_do_not_become_complete_are_refused(hasty: Api, body: bytes) -> None:
    """The answer says so, and nothing is made."""
    answer = exchange(hasty, POST + body)
    assert status_of(answer) == 408
    assert b"REQUEST_TIMEOUT" in answer
    assert hasty.ok("GET", "/v1/threads")["total"] == 0


def test_at_the_limit_of_connections_those_who_wait_longest_make_room(hasty: Api) -> None:
    """Connections on which nothing comes keep nobody out."""
    with contextlib.ExitStack() as held:
        for _ in range(30):
            held.enter_context(connected(hasty))
        assert hasty.get("/v1/health").status_code == 200


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        (b"x-long: " + b"a" * MOST_HEADERS + b"\r\n", (400, 431)),
        (b"x-more: a\r\n" * MOST_HEADERS, (400, 431)),
        (b"content-length: 2\r\ntransfer-encoding: chunked\r\n", (400,)),
        (b"transfer-encoding: chunked\r\ncontent-length: 2\r\n", (400,)),
        (b"content-length: 2\r\ncontent-length: 3\r\n", (400,)),
        (b"content-length: -1\r\n", (400,)),
        (b"content-length: 1e9\r\n", (400,)),
        (b"transfer-encoding: chunked, identity\r\n", (400, 501)),
        (b"host: localhost\r\n", (400, 421)),
        (b"x-bad header: a\r\n", (400,)),
        (b"x-nul: a\0b\r\n", (400,)),
    ],
    ids=lambda value: repr(value)[:40],
)
def test_ambiguous_and_huge_headers_are_refused(
    api: Api, headers: bytes, status: tuple[int, ...], caplog: pytest.LogCaptureFixture
) -> None:
    """The connection ends with them, so that nothing behind them is read as a further request."""
    caplog.set_level(logging.CRITICAL)
    answer = exchange(api, POST + headers + b"\r\n{}" + HEAD + b"\r\n")
    assert status_of(answer) in status
    assert answer.count(b"HTTP/1.1 ") == 1
    assert api.ok("GET", "/v1/threads")["total"] == 0


@pytest.mark.parametrize(
    "name", ["evil.example", "localhost.evil.example", "127.0.0.1.evil.example", "evil.example:80", "", "a b"]
)
def test_a_page_of_another_name_reaches_nothing(api: Api, name: str) -> None:
    """A name that somebody has resolved to this machine is refused, on public routes, too, and not quoted."""
    for path in ("/", "/v1/health", "/v1/tenant", "/liminal/api/v1/users/me"):
        request = f"GET {path} HTTP/1.1\r\nhost: {name}\r\nconnection: close\r\n\r\n"
        answer = exchange(api, request.encode())
        assert status_of(answer) in (400, 421)
        assert not name or name.encode() not in answer


@pytest.mark.parametrize(
    "name", ["localhost", "LOCALHOST:1", "127.0.0.1:9", "[::1]:80", "10.0.0.7", "a.localhost", "localhost."]
)
def test_addresses_and_localhost_are_names_of_the_service(api: Api, name: str) -> None:
    """Ports may be mapped, and nobody can have these resolved to another machine."""
    answer = exchange(api, f"GET /v1/health HTTP/1.1\r\nhost: {name}\r\nconnection: close\r\n\r\n".encode())
    assert status_of(answer) == 200


def test_links_have_the_public_address_and_never_the_host_of_a_request(serve: Serve) -> None:
    """Behind a proxy the service is told its address; that name is one of its own."""
    api = serve(EchoEngine(), public_url="https://Lumnis.example.org/agents/")
    body = {"user_id": "ada", "app_name": "GITHUB"}
    for host in ("lumnis.example.org", "10.9.8.7:1"):
        link = api.ok("POST", "/v1/integrations/connections/initiate", json=body, headers={"host": host})[
            "redirect_url"
        ]
        assert link.startswith("https://Lumnis.example.org/agents/v1/integrations/authorize/")


@pytest.mark.parametrize(
    "address", ["lumnis.example.org", "ftp://a", "https://", "https://a b", "https://a?x", "http://u@a"]
)
def test_a_public_address_that_is_none_is_refused(address: str) -> None:
    """The error quotes it."""
    with pytest.raises(ValueError, match="public_url must be like"):
        LocalLumnis(public_url=address)


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ([], None),
        ([(b"host", b"a.example")], None),
        ([(b"host", b"b.example")], 421),
        ([(b"host", b"a.example"), (b"host", b"a.example")], 421),
        ([(b"content-length", b"1"), (b"transfer-encoding", b"chunked")], 400),
        ([(b"x", b"a" * MOST_HEADERS)], 431),
    ],
)
def test_headers_are_judged(headers: list[tuple[bytes, bytes]], status: int | None) -> None:
    """Whatever server has read them."""
    error = refused(headers, {"a.example"})
    assert (error and error.status) == status
    assert is_own_name("A.EXAMPLE:80", {"a.example"})


#: Names and media types of uploads that could end a header, begin another one, or be shown by a browser.
HOSTILE: list[tuple[str, str]] = [
    ('a".html', "text/html"),
    ("a\r\nset-cookie: x=1.bin", "application/octet-stream"),
    ("\u2028\u202eexe.txt", "text/plain"),
    ("a;b=c.svg", "image/svg+xml"),
    ("潮" * 300 + ".md", "text/plain"),
    ("a.bin2", "text/html\r\nx-evil: 1"),
    ("a.bin3", "té/xt"),
    ("a.bin4", 'a/b"; x="'),
    ("a.bin5", "x" * 500),
]


@pytest.mark.parametrize("download", ["inline", "redirect"])
def test_downloads_are_never_shown_and_their_headers_hold(serve: Serve, download: str) -> None:
    """Each is an attachment, and no browser guesses at its type."""
    api = serve(EchoEngine(), download=download)
    for name, media_type in HOSTILE:
        boundary = "xyz"
        head = f'--{boundary}\r\ncontent-disposition: form-data; name="scope"\r\n\r\ntenant\r\n--{boundary}\r\n'
        plain = name.replace('"', '\\"').replace("\r\n", "%0D%0A")
        kind = media_type.replace("\r\n", " ")
        head += f'content-disposition: form-data; name="file"; filename="{plain}"\r\ncontent-type: {kind}\r\n\r\n'
        body = head.encode() + b"<script>alert(1)</script>" + f"\r\n--{boundary}--\r\n".encode()
        sent = api.post(
            "/v1/files/upload", content=body, headers={"content-type": f"multipart/form-data; boundary={boundary}"}
        )
        assert sent.status_code == 201, (name, sent.text)
        reply = api.get(f"/v1/files/{sent.json()['file_id']}/download", follow_redirects=True)
        assert (reply.status_code, reply.content) == (200, b"<script>alert(1)</script>")
        assert reply.headers["content-disposition"].startswith("attachment")
        assert reply.headers["x-content-type-options"] == "nosniff"
        assert not {"set-cookie", "x-evil"} & set(reply.headers)


@pytest.mark.parametrize(
    "path", ["/", "/v1/health", "/v1/tenant", "/v1/nothing", "/v1/openapi.json", "/liminal/nothing"]
)
def test_no_answer_is_sniffed(api: Api, path: str) -> None:
    """Refusals and pages neither."""
    assert api.get(path).headers["x-content-type-options"] == "nosniff"


def _bodies() -> Iterator[Any]:
    yield from (None, [], 1, "x", {"messages": None}, {"messages": [[]]}, {"messages": [{"role": "user"}] * 1000})
    yield {"messages": [{"role": "user", "content": "x"}], "options": json.loads("[" * 100 + "]" * 100)}


def test_odd_bodies_are_refused_and_never_a_fault_of_the_service(api: Api) -> None:
    """Every route answers them with a 4xx, whatever they are."""
    lines = [
        f"{method.upper()} {path}" for path, of in api.ok("GET", "/v1/openapi.json")["paths"].items() for method in of
    ]
    for line in lines:
        method, path = line.split(" ")
        path = path.replace("{", "").replace("}", "")
        for body in _bodies():
            reply = api.request(method, path, json=body, timeout=20)
            assert reply.status_code < 500 or reply.status_code == 501, (line, body, reply.text)
        reply = api.request(method, path, content=io.BytesIO(b"\xff\0{").read(), headers={"content-type": "a/b"})
        assert reply.status_code < 500 or reply.status_code == 501, line


def test_large_bodies_are_no_headers(api: Api) -> None:
    """Their bytes do not count, however they arrive, nor do those of the next request on the connection."""
    body = {"messages": [{"role": "user", "content": "x" * 3_000_000}]}
    for _ in range(2):
        assert api.post("/v1/responses", json=body).status_code == 201
        assert api.get("/v1/health", headers={"x-long": "a" * 60_000}).status_code == 200


@pytest.mark.parametrize(
    ("body", "status"),
    [
        (b"[" + b"1," * 2_000_000 + b"1]", 413),
        (b"[" + b'"a",' * 1_000_000 + b'"a"]', 413),
        (b'"' + b'\\"' * 2_000_000, 422),
        (b'"' + b"," * 4_000_000, 422),
        (b"\\" * 2_000_000, 422),
    ],
    ids=lambda value: repr(value)[:12],
)
def test_bodies_of_very_many_values_are_refused_before_they_are_read(api: Api, body: bytes, status: int) -> None:
    """Commas in texts do not count, and nothing is looked at twice."""
    assert api.post("/v1/threads", content=body).status_code == status


def test_a_large_table_in_a_prompt_is_no_crowd_of_values(api: Api) -> None:
    """Its commas are those of a text."""
    content = 'tide,"4.1",noon\n' * 100_000
    assert api.post("/v1/responses", json={"messages": [{"role": "user", "content": content}]}).status_code == 201
