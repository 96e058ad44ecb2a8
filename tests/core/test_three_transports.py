"""Three transports (blocking; asyncio on aiohttp; asyncio on httpx) under odd servers: one behaviour, no hanging."""

from __future__ import annotations

import asyncio
import gzip
import json
import socket
import struct
import threading
import zlib
from collections.abc import AsyncIterator, Callable
from contextlib import aclosing
from functools import partial
from typing import Any

import pytest

from lumnisai_core import AsyncClient, Client, ResponseInfo
from lumnisai_core._transport import pool
from lumnisai_core._transport.upload import Upload
from lumnisai_core.exceptions import LumnisAIError, RunTimeoutError, TransportError, ValidationError
from tests.servers import RawServer, raw_server

RUN = {"response_id": "r", "thread_id": "t", "status": "succeeded", "progress": [], "output_text": "Ebbe für alle"}
BODY = json.dumps(RUN, ensure_ascii=False).encode()

TRANSPORTS = ("blocking", "aiohttp", "httpx")


def use(transport: str, base_url: str, action: Callable[[Any], Any], **options: Any) -> Any:
    """Call an action with a client of a transport."""
    options = {"base_url": base_url, "user_id": "ann", "max_retries": 0, "timeout": 10.0, **options}
    if transport == "blocking":
        with Client("key-0123456789", **options) as client:
            return action(client)

    async def main() -> Any:
        async with AsyncClient("key-0123456789", **options) as client:
            return await action(client)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(pool, "BULK_AVAILABLE", transport == "aiohttp")
        return asyncio.run(main())


@pytest.fixture(name="transport", params=TRANSPORTS)
def _transport(request: pytest.FixtureRequest) -> str:
    name: str = request.param
    return name


def written(body: bytes, *headers: str, status: int = 200, length: bool = True) -> bytes:
    """Write an answer."""
    lines = [f"HTTP/1.1 {status} X", *([f"content-length: {len(body)}"] if length else []), *headers]
    if not any(header.startswith("content-type") for header in headers):
        lines.append("content-type: application/json")
    return "\r\n".join(lines).encode() + b"\r\n\r\n" + body


def trickle(server: RawServer, connection: socket.socket, head: bytes, piece: bytes) -> None:
    """Send a piece again and again until the client has had enough."""
    connection.sendall(head)
    while not server.released.wait(0.005):
        connection.sendall(piece)


def get_run_named(name: str, client: Any) -> Any:
    """Get a run."""
    return client.get_response(name)


def list_threads(user: str, client: Any) -> Any:
    """List threads of a user."""
    return client.list_threads(user_id=user)


def silent(server: RawServer, *_: object) -> None:
    """Send nothing."""
    server.released.wait()


def get_run(client: Any) -> Any:
    """Get the run ``r``."""
    return client.get_response("r")


# Answers

ANSWERS = {
    "gzip": written(gzip.compress(BODY), "content-encoding: gzip"),
    "gzip in two members": written(gzip.compress(BODY[:20]) + gzip.compress(BODY[20:]), "content-encoding: x-gzip"),
    "deflate": written(zlib.compress(BODY), "content-encoding: deflate"),
    "deflate without the header of zlib": written(zlib.compress(BODY)[2:-4], "content-encoding: deflate"),
    "identity": written(BODY, "content-encoding: identity"),
    "byte order mark": written(b"\xef\xbb\xbf" + BODY),
    "UTF-16": written(BODY.decode().encode("utf-16")),
    "Latin-1": written(BODY.decode().encode("latin-1"), 'content-type: application/json; charset="ISO-8859-1"'),
    "early hints": b"HTTP/1.1 103 Early Hints\r\nlink: </x>\r\n\r\n" + written(BODY),
    "headers of 60 kB": written(BODY, *(f"x-{number}: {'a' * 6000}" for number in range(10))),
    "one header of 60 kB": written(BODY, "x-long: " + "a" * 60_000),
    "500 headers": written(BODY, *(f"x-{number}: a" for number in range(500))),
    "header that is not ASCII": written(BODY, "x-note: für"),
}

REFUSED = {
    "gzip that breaks off": (written(gzip.compress(BODY)[:-12], "content-encoding: gzip"), "gzip body broke off"),
    "not gzip": (written(BODY, "content-encoding: gzip"), "gzip body cannot be read"),
    "not asked for": (written(BODY, "content-encoding: br"), "encoded as 'br', which was not asked for"),
    "one header of 100 kB": (written(BODY, "x-long: " + "a" * 100_000), "headers have more than"),
    "two lengths": (written(BODY, f"content-length: {len(BODY)}"), "Duplicate Content-Length"),
    "unknown charset": (written(b'{"a": "\xe4"}', "content-type: application/json; charset=x-none"), "is not JSON"),
    "half an IPv6 address": (written(b"", "location: http://[::1", status=302), "not an address"),
    "port too large": (written(b"", "location: http://h:99999/", status=302), "not an address"),
    "no http": (written(b"", "location: javascript:alert(1)", status=302), "not an http address"),
    "a host with blanks": (written(b"", "location: http://a b/", status=302), "no answer from"),
    "a label that is too long": (written(b"", f"location: http://{'a' * 70}.example/", status=302), "no answer from"),
}


@pytest.mark.parametrize("answer", ANSWERS.values(), ids=ANSWERS)
def test_what_servers_may_send_is_read(transport: str, answer: bytes) -> None:
    """Compressed or not, in the charset that is declared, with headers up to 64 kB."""
    with raw_server(lambda *_: answer) as server:
        assert use(transport, server.base_url, get_run).output_text == "Ebbe für alle"


@pytest.mark.parametrize(("answer", "words"), REFUSED.values(), ids=REFUSED)
def test_what_cannot_be_read_is_an_error_of_ours(transport: str, answer: bytes, words: str) -> None:
    """In the same words on each transport, and short."""
    with raw_server(lambda *_: answer) as server, pytest.raises(TransportError, match=words.replace("[", r"\[")) as got:
        use(transport, server.base_url, get_run)
    assert len(str(got.value)) < 1000


def test_headers_read_the_same(transport: str) -> None:
    """Names are in lower case, values of equal names are joined, and are UTF-8 or else Latin-1."""
    head, gap, body = written(BODY, "X-Note: für", "X-Way: out", "x-way: home").partition(b"\r\n\r\n")
    seen: list[ResponseInfo] = []
    with raw_server(lambda *_: head + b"\r\nX-Old: f\xfcr" + gap + body) as server:
        use(transport, server.base_url, get_run, on_response=seen.append)
    found = {name: value for name, value in seen[0].headers.items() if name.startswith("x-")}
    assert found == {"x-note": "für", "x-way": "out, home", "x-old": "für"}


def test_messages_stay_short(transport: str) -> None:
    """Whatever the service says, also in its request id and code."""
    much = "x" * 50_000
    body = json.dumps({"detail": [{"loc": ["a"] * 500, "msg": much}] * 50, "error": {"code": much}}).encode()
    with (
        raw_server(lambda *_: written(body, f"x-request-id: {much}", status=422)) as server,
        pytest.raises(ValidationError) as refused,
    ):
        use(transport, server.base_url, get_run)
    assert refused.value.status_code == 422
    assert len(str(refused.value)) < 3000


# Limits


def test_an_answer_has_a_limit(transport: str) -> None:
    """The limit can be changed, and there is no second try. What is compressed counts after inflation."""
    large = written(gzip.compress(b" " * 3_000_000 + BODY), "content-encoding: gzip")
    with raw_server(lambda *_: large) as server:
        with pytest.raises(TransportError, match="more than 2000000 bytes: download it to a file"):
            use(transport, server.base_url, get_run, max_answer_size=2_000_000, max_retries=3)
        assert len(server.targets) == 1
        assert use(transport, server.base_url, get_run, max_answer_size=4_000_000).output_text


def test_the_body_of_an_error_is_cut_off(transport: str) -> None:
    """The status is known, so that the rest of an endless body is not needed."""

    def endless(server: RawServer, connection: socket.socket, _: str) -> None:
        head = written(b"", "transfer-encoding: chunked", status=404, length=False)
        trickle(server, connection, head, b"%x\r\n%b\r\n" % (1 << 18, b" " * (1 << 18)))

    with raw_server(endless) as server, pytest.raises(LumnisAIError) as refused:
        use(transport, server.base_url, get_run)
    assert refused.value.status_code == 404


@pytest.mark.parametrize("size", [0, -1, True, 1.5, "1"])
def test_a_limit_must_be_a_number_of_bytes(size: Any) -> None:
    with pytest.raises(ValidationError, match="max_answer_size must be a whole number of bytes"):
        Client("key-0123456789", max_answer_size=size)


# Deadlines

TRICKLES = {
    "in the status line": (b"HTTP/1.1 200 ", b"O"),
    "in the headers": (b"HTTP/1.1 200 OK\r\n", b"x-a: b\r\n"),
    "of early hints": (b"", b"HTTP/1.1 103 X\r\nlink: <x>\r\n\r\n"),
    "in the body": (written(b"", "transfer-encoding: chunked", length=False), b"1\r\n \r\n"),
    "in a body with a length": (written(b"", "content-length: 99999", length=False), b" "),
    "between chunks": (written(b"", "transfer-encoding: chunked", length=False) + b"1;", b"x"),
    "in the body of an error": (written(b"", "content-length: 99999", length=False, status=500), b" "),
}


@pytest.mark.parametrize(("head", "piece"), TRICKLES.values(), ids=TRICKLES)
def test_bytes_that_trickle_do_not_stretch_a_try(transport: str, head: bytes, piece: bytes) -> None:
    with (
        raw_server(lambda server, connection, _: trickle(server, connection, head, piece)) as server,
        pytest.raises(TransportError, match=r"timeout: no complete answer within 0\.3 s"),
    ):
        use(transport, server.base_url, get_run, timeout=0.3)


def test_a_stalled_upload_ends(transport: str) -> None:
    """The service takes the head and nothing more."""
    with (
        raw_server(silent) as server,
        pytest.raises(TransportError),
    ):
        use(
            transport,
            server.base_url,
            lambda client: client.upload_file(b"x" * 30_000_000, file_name="a.bin"),
            timeout=0.3,
        )


def test_run_timeout_ends_polls_that_trickle(transport: str) -> None:
    """It bounds each try, not only the number of polls; the error is that of any run that takes too long."""

    def answer(server: RawServer, connection: socket.socket, target: str) -> bytes | None:
        if "/r" not in target.removeprefix("/v1/responses"):
            return written(json.dumps({**RUN, "status": "queued"}).encode(), status=201)
        trickle(server, connection, *TRICKLES["in the body"])
        return None

    with raw_server(answer) as server, pytest.raises(RunTimeoutError, match="r is still queued after run_timeout"):
        use(transport, server.base_url, lambda client: client.invoke("How deep?", run_timeout=0.5))


def test_run_timeout_ends_a_create_without_an_answer(transport: str) -> None:
    """The key to try again with is in the error."""
    with (
        raw_server(silent) as server,
        pytest.raises(TransportError, match="within 1 s") as failed,
    ):
        use(transport, server.base_url, lambda client: client.invoke("How deep?", run_timeout=0.5))
    assert "idempotency_key=" in failed.value.__notes__[0]


def test_a_long_download_may_take_longer_than_a_try(transport: str, tmp_path: Any) -> None:
    """As long as bytes arrive, in time for each piece; and a file has no limit."""

    def slow(_: RawServer, connection: socket.socket, __: str) -> None:
        connection.sendall(written(b"", "content-length: 8", length=False))
        for number in range(8):
            threading.Event().wait(0.2)
            connection.sendall(b"%d" % number)

    target = tmp_path / "tides.txt"
    with raw_server(slow) as server:
        action = lambda client: client.files.download_to("f", target)  # noqa: E731
        use(transport, server.base_url, action, timeout=1.5, max_answer_size=1)
    assert target.read_bytes() == b"01234567"


# Requests


def test_targets_are_the_same_bytes() -> None:
    """Odd ids, users and addresses."""
    odd = ("a/b?c", "a%2Fb", "ü€潮", "a b+c", "~*'()!", "a:b@c", "[1]{x}|", '"<>^`\\', "#;=&", "\U0001f30a")
    empty = written(b'{"threads": [], "total": 0}')
    with raw_server(lambda _, __, ___: empty) as server:
        seen = {}
        for transport in TRANSPORTS:
            server.targets.clear()
            for name in odd:
                use(transport, server.base_url + "/a b/%7e", partial(list_threads, name))
                with pytest.raises(TransportError):
                    use(transport, server.base_url, partial(get_run_named, name))
            seen[transport] = list(server.targets)
    assert seen["blocking"] == seen["aiohttp"] == seen["httpx"]
    assert len(seen["blocking"]) == 2 * len(odd)


@pytest.mark.parametrize("link", ["/b/x%20%281%29%3a.pdf?sig=aB%2F9%3D%3D&se=00%3A00", "/b/a+b.pdf?sig=x%2By%7E&q='!"])
def test_a_signed_link_is_followed_byte_for_byte(transport: str, link: str) -> None:
    """Storage compares what was signed."""
    moved = written(b"", f"location: {link}", status=302)
    with raw_server(lambda _, __, target: moved if target.startswith("/v1/") else written(b"the file")) as server:
        assert use(transport, server.base_url, lambda client: client.download_file("f")) == b"the file"
    assert server.targets[-1] == link


@pytest.mark.parametrize("closes", [True, False])
@pytest.mark.parametrize("size", [200_000, 30_000_000])
def test_an_upload_that_is_refused_early_has_its_status(transport: str, size: int, *, closes: bool) -> None:
    """The service answers before the body is there. It closes with data unread, or leaves the connection as it is."""

    def refuse(server: RawServer, connection: socket.socket, _: str) -> None:
        connection.sendall(written(b'{"detail": "too large"}', "connection: close", status=413))
        if not closes:
            server.released.wait()

    with raw_server(refuse) as server, pytest.raises(ValidationError, match="413") as refused:
        use(transport, server.base_url, lambda client: client.upload_file(b"x" * size, file_name="a.bin"))
    assert "too large" in str(refused.value)


@pytest.mark.parametrize("transport", ["aiohttp", "httpx"])
def test_an_early_answer_is_read_although_writing_fails_first(transport: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """The service resets the connection between two pieces of an upload, while the event loop does something else."""
    has_begun, is_reset = threading.Event(), threading.Event()
    pieces_of = Upload.async_chunks

    async def pieces(upload: Upload, wait: float, failures: list[ValidationError]) -> AsyncIterator[bytes]:
        async with aclosing(pieces_of(upload, wait, failures)) as read:
            yield await anext(read)
            async for piece in read:
                has_begun.set()
                is_reset.wait()
                yield piece

    def refuse(_: RawServer, connection: socket.socket, target: str) -> None:
        assert target == "/v1/files/upload"
        has_begun.wait()
        connection.sendall(written(b'{"detail": "too large"}', "connection: close", status=413))
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))  # resets it
        connection.close()
        is_reset.set()

    monkeypatch.setattr(Upload, "async_chunks", pieces)
    with raw_server(refuse) as server, pytest.raises(ValidationError, match="413") as refused:
        use(transport, server.base_url, lambda client: client.upload_file(b"x" * 600_000, file_name="a.bin"))
    assert "too large" in str(refused.value)


def test_a_connection_that_was_closed_meanwhile_is_not_used(transport: str) -> None:
    """A request that must not be sent twice would be lost on it."""
    closed = threading.Event()

    def answer_and_close(_: RawServer, connection: socket.socket, target: str) -> bytes | None:
        if target.endswith("/upload"):
            return written(b'{"file_id": "f", "file_name": "a", "status": "pending"}', status=201)
        connection.sendall(written(BODY))
        connection.shutdown(socket.SHUT_RDWR)
        closed.set()
        return None

    def both(client: Any) -> Any:
        get_run(client)
        closed.wait(10)
        return client.upload_file(b"x", file_name="a.bin")

    async def async_both(client: Any) -> Any:
        await get_run(client)
        closed.wait(10)  # the event loop has no chance to notice
        return await client.upload_file(b"x", file_name="a.bin")

    with raw_server(answer_and_close) as server:
        assert use(transport, server.base_url, both if transport == "blocking" else async_both).file_id == "f"


# Nothing foreign

HALF = "\ud83d"
UNSENDABLE: dict[str, Callable[[Any], Any]] = {
    "user": lambda client: client.list_threads(user_id=HALF),
    "question": lambda client: client.invoke(HALF),
    "query": lambda client: client.search_files(HALF),
    "form": lambda client: client.upload_file(b"x", file_name="a.bin", tags=HALF),
    "key": lambda client: client.invoke("x", idempotency_key=f"a{HALF}"),
}


@pytest.mark.parametrize("action", UNSENDABLE.values(), ids=UNSENDABLE)
def test_half_a_surrogate_pair_is_refused_before_sending(transport: str, action: Callable[[Any], Any]) -> None:
    with raw_server(lambda *_: written(b"{}")) as server, pytest.raises(ValidationError):
        use(transport, server.base_url, action)
    assert not server.targets


def test_without_an_event_loop_of_asyncio_the_error_says_so() -> None:
    """As in trio, or in a plain thread that runs a coroutine by hand."""
    client = AsyncClient("key-0123456789", base_url="http://127.0.0.1:9", user_id="ann")
    for coroutine in (client.get_response("r"), client.invoke("How deep?")):
        with pytest.raises(LumnisAIError, match="needs a running asyncio event loop"):
            coroutine.send(None)
    with pytest.raises(StopIteration):
        client.close().send(None)


def test_errors_of_a_callers_client_are_errors_of_ours() -> None:
    """Whatever a transport raises, also one of the caller's."""
    import httpx  # noqa: PLC0415 - the caller's

    def broken(_: httpx.Request) -> httpx.Response:
        raise MemoryError

    with (
        httpx.Client(transport=httpx.MockTransport(broken)) as own,
        Client(
            "key-0123456789", base_url="http://127.0.0.1:9", user_id="ann", http_client=own, max_retries=0
        ) as client,
        pytest.raises(TransportError, match="MemoryError"),
    ):
        client.get_response("r")


@pytest.fixture(autouse=True)
def _no_proxies(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NO_PROXY", "*")
