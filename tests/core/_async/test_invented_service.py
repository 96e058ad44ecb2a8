"""An invented service on the transport: logins, signatures, envelopes, forms and streams, over real sockets."""

from __future__ import annotations

import threading
from typing import Any
from urllib.parse import parse_qsl

import pytest

from lumnisai_core._transport._async.stream import AsyncStream
from lumnisai_core._transport._async.transport import AsyncTransport
from lumnisai_core._transport.answer import Answer
from lumnisai_core._transport.call import Call, Form, FormFile
from lumnisai_core._transport.hooks import Hooks, RequestInfo, ResponseInfo
from lumnisai_core._transport.lines import JsonLines, RawBytes, ServerSentEvent, ServerSentEvents
from lumnisai_core._transport.pool import AsyncHTTPClient, AsyncPool
from lumnisai_core._transport.retry import RetryPolicy
from lumnisai_core._transport.waiting import async_beside, async_each
from lumnisai_core.exceptions import (
    AuthenticationError,
    RateLimitError,
    TransportError,
    ValidationError,
)
from tests.core.harbour import Harbour, harbour_server, problem_of

MANY = 20


def transport_to(service: Harbour, *, timeout: float = 10.0, hooks: Hooks | None = None) -> AsyncTransport:
    policy = RetryPolicy(first_pause=0.01)
    return AsyncTransport(service, AsyncPool(service), timeout=timeout, policy=policy, hooks=hooks)


def tide(number: int = 1, **known: Any) -> Call[dict[str, str]]:
    return Call("POST", "/tide", dict, body={"number": number}, **known)


# Logging in


async def test_one_login_serves_all_calls() -> None:
    """Many calls at once make one login before the first of them is sent."""
    with harbour_server() as server:
        transport = transport_to(Harbour(server.base_url))

        async def ask(number: int) -> str:
            return (await transport.send(tide(number)))["body"]

        bodies = {body async for body in async_each(ask, range(MANY), limit=MANY, stop=transport.close)}
        await transport.close()
    assert bodies == {f'{{"number":{number}}}' for number in range(MANY)}
    assert server.counts["logins"] == 1
    assert "cookie" not in server.seen[0].headers
    assert {seen.headers["cookie"] for seen in server.seen[1:]} == {"session=session-1"}


async def test_an_expired_login_is_renewed_once_for_all_calls_that_wait() -> None:
    """All of them are refused before the first logs in anew; each is sent again once, also what cannot be repeated."""
    with harbour_server() as server:
        transport = transport_to(Harbour(server.base_url))
        await transport.send(tide())
        server.expire()
        server.together = threading.Barrier(MANY)

        async def ask(number: int) -> str:
            return (await transport.send(tide(number)))["body"]

        bodies = {body async for body in async_each(ask, range(MANY), limit=MANY, stop=transport.close)}
        await transport.close()
    assert len(bodies) == MANY
    assert (server.counts["logins"], server.counts["refusals"], len(server.to("/tide"))) == (2, MANY, 1 + 2 * MANY)


async def test_a_call_is_sent_again_only_once_after_a_login() -> None:
    """A service that refuses its own new session gets no endless logins; the session shows nowhere."""
    with harbour_server() as server:
        service = Harbour(server.base_url)
        transport = transport_to(service)
        server.answers["/tide"] = [401, 401, 401]
        with pytest.raises(AuthenticationError, match="No: session=\\[redacted\\]") as caught:
            await transport.send(tide())
        await transport.close()
    assert (server.counts["logins"], len(server.to("/tide"))) == (2, 2)
    assert "session-" not in repr(vars(caught.value)) + repr(service)


async def test_a_refused_login_is_the_error_of_the_call() -> None:
    """The next call tries again; a service without a way to log in gets the refusal itself."""
    with harbour_server() as server:
        transport = transport_to(Harbour(server.base_url, "wrong-badge"))
        for _ in range(2):
            with pytest.raises(AuthenticationError, match="POST /login: 403 Forbidden") as caught:
                await transport.send(tide())
        assert "wrong-badge" not in str(caught.value) + repr(vars(caught.value))
        assert (server.counts["logins"], server.to("/tide")) == (2, [])
        anonymous = transport_to(Harbour(server.base_url, None))
        with pytest.raises(AuthenticationError, match="Unknown None") as caught:
            await anonymous.send(tide())
        assert (caught.value.status_code, caught.value.code) == (401, "2100")
        await transport.close()
        await anonymous.close()


async def test_a_login_can_take_forms_to_another_host_and_pauses() -> None:
    """A device-code flow: its host sees nothing of the service, and its "not yet" is an answer."""
    with harbour_server() as server, harbour_server() as identity:
        service = Harbour(server.base_url, None, identity=identity.base_url)
        transport = transport_to(service)
        assert (await transport.send(tide()))["path"] == "/tide"
        await transport.close()
    assert service.messages == ["Enter 123."]
    assert [seen.path for seen in identity.seen] == ["/device", "/token", "/token", "/token"]
    for seen in identity.seen:
        assert seen.headers["content-type"] == "application/x-www-form-urlencoded"
        assert not {"x-pier", "x-sign", "cookie", "authorization"} & set(seen.headers)
    assert server.seen[0].headers["authorization"] == "Bearer entry-token"


async def test_a_login_can_call_a_function_of_the_users() -> None:
    """Its failure is ours, with the cause."""

    def broken() -> str:
        raise KeyError("keychain")

    with harbour_server() as server:
        transport = transport_to(Harbour(server.base_url, lambda: "badge-of-the-pilot"))
        assert (await transport.send(tide()))["path"] == "/tide"
        failing = transport_to(Harbour(server.base_url, broken))
        with pytest.raises(AuthenticationError, match="keychain") as caught:
            await failing.send(tide())
        assert isinstance(caught.value.__cause__, KeyError)
        await transport.close()
        await failing.close()


async def test_hooks_see_neither_cookies_nor_signatures_nor_badges() -> None:
    """Requests and answers are described without secrets, in login calls too."""
    events: list[RequestInfo | ResponseInfo] = []
    with harbour_server() as server:
        transport = transport_to(Harbour(server.base_url), hooks=Hooks(events.append, events.append))
        await transport.send(tide())
        await transport.close()
    assert len(events) == 4
    for secret in ("session-1", "badge", "X-Sign", "set-cookie"):
        assert secret not in repr(events)


async def test_cookies_of_a_callers_own_client_stay_away() -> None:
    """The session of another identity, which the client holds, is not sent along."""
    with harbour_server() as server:
        async with AsyncHTTPClient(trust_env=False, cookies={"session": "of-another"}) as own:
            service = Harbour(server.base_url)
            transport = AsyncTransport(service, AsyncPool(service, own), timeout=10.0, policy=RetryPolicy())
            await transport.send(tide())
    assert [seen.headers.get("cookie") for seen in server.seen] == [None, "session=session-1"]


# Requests and answers


async def test_each_try_has_a_signature_of_its_own() -> None:
    """The service refuses a nonce that it has seen; bodies, repeated queries and forms are signed as they are sent."""
    form = Form({"scope": "pier"}, [FormFile("files", "a.png", b"\x89PNG")])
    with harbour_server() as server:
        transport = transport_to(Harbour(server.base_url))
        server.answers["/tide"] = [503, 503]
        await transport.send(tide(idempotent=True))
        query = (("ids", "a 1"), ("ids", "b!2"))
        deleted = await transport.send(Call("DELETE", "/many", dict, query=query, body={"urls": ["ü"]}))
        uploaded = await transport.send(Call("POST", "/file", dict, form=form))
        raw = await transport.send(Call("PUT", "/raw", dict, content=b"\x1f\x8b", headers={"Content-Type": "x/y"}))
        await transport.close()
    assert len({seen.headers["x-nonce"] for seen in server.to("/tide")}) == 3
    assert parse_qsl(deleted["path"].partition("?")[2]) == list(query)
    assert server.to("/many")[0].body == '{"urls":["ü"]}'.encode()
    assert b"\x89PNG".decode("latin-1") in uploaded["body"]
    assert raw["body"].encode("latin-1") == b"\x1f\x8b"
    assert server.to("/raw")[0].headers["content-type"] == "x/y"


@pytest.mark.parametrize(
    ("code", "kind", "tries"),
    [(5030, TransportError, 4), (4290, RateLimitError, 4), (4710, ValidationError, 1)],
)
async def test_an_error_inside_a_good_answer_is_an_error(code: int, kind: type[Exception], tries: int) -> None:
    """A busy code is tried again like a busy status, up to max_retries; the error carries the code."""
    with harbour_server() as server:
        transport = transport_to(Harbour(server.base_url))
        server.answers["/tide"] = [{"code": code, "message": "No.", "data": None}] * 9
        with pytest.raises(kind, match=r"No\.") as caught:
            await transport.send(tide(idempotent=True))
        await transport.close()
    assert getattr(caught.value, "code", None) == str(code)
    assert len(server.to("/tide")) == tries


async def test_an_error_inside_a_good_answer_can_ask_for_a_login() -> None:
    """A code for "token invalid" renews the login like a 401."""
    with harbour_server() as server:
        transport = transport_to(Harbour(server.base_url))
        server.answers["/tide"] = [{"code": 2100, "message": "Expired.", "data": None}]
        assert (await transport.send(tide()))["path"] == "/tide"
        await transport.close()
    assert server.counts["logins"] == 2


async def test_a_call_can_go_to_another_address_with_its_own_query() -> None:
    """An upload link is used as it is, without anything of the service."""
    with harbour_server() as server, harbour_server() as blobs:
        blobs.session = "open"
        transport = transport_to(Harbour(server.base_url))
        link = f"{blobs.base_url}/login?sig=a%2Bb"
        with pytest.raises(AuthenticationError) as caught:
            await transport.send(Call("PUT", "", dict, content=b"x", base_url=link))
        await transport.close()
    assert blobs.seen[0].path == "/login?sig=a%2Bb"
    assert not {"x-pier", "x-sign", "cookie"} & set(blobs.seen[0].headers)
    assert "sig" not in str(caught.value)
    assert server.counts["logins"] == 0


async def test_an_answer_can_be_anything() -> None:
    """A function of a platform answers as it likes, without an envelope."""

    def read(answer: Answer) -> tuple[str, bytes]:
        return answer.headers["content-type"], answer.body

    with harbour_server() as server:
        transport = transport_to(Harbour(server.base_url))
        server.answers["/function"] = [b"\x00session-1"]
        assert await transport.send(Call("GET", "/function", read, whole_answer=True)) == (
            "text/plain",
            b"\x00session-1",
        )
        await transport.close()


# Streams


def number_of(event: dict[str, Any]) -> int:
    if event["code"] != 200:
        raise problem_of(event)
    number: int = event["number"]
    return number


def number_of_event(event: ServerSentEvent) -> int:
    return number_of(event.json())


def streams(transport: AsyncTransport, path: str, **options: Any) -> AsyncStream[int]:
    """Open the stream of a path."""
    if path == "/lines":
        return transport.stream(Call("POST", path, number_of, idempotent=True), JsonLines, **options)
    return transport.stream(Call("POST", path, number_of_event, idempotent=True), ServerSentEvents, **options)


BOTH = pytest.mark.parametrize("path", ["/lines", "/events"])


async def collected(stream: AsyncStream[int], numbers: list[int]) -> None:
    async for number in stream:
        numbers.append(number)


@BOTH
async def test_a_stream_gives_results_as_they_come(path: str) -> None:
    """Nothing is sent before the first is asked for; after an unbroken end the connection is used again."""
    numbers: list[int] = []
    with harbour_server() as server:
        transport = transport_to(Harbour(server.base_url))
        async with streams(transport, path) as stream:
            assert server.seen == []
            await collected(stream, numbers)
        await transport.close()
    assert numbers == [1, 2]
    accepted = {"/lines": "application/x-ndjson, application/json", "/events": "text/event-stream"}[path]
    assert server.to(path)[0].headers["accept"] == accepted


async def test_raw_bytes_can_be_streamed() -> None:
    """Piece by piece, as they are."""
    with harbour_server() as server:
        transport = transport_to(Harbour(server.base_url))
        async with transport.stream(Call("GET", "/bytes", bytes), RawBytes) as stream:
            content = b"".join([piece async for piece in stream])
        await transport.close()
    assert content == b"\x00\r\n1\x00\r\n2"


@BOTH
async def test_before_its_first_event_a_stream_is_tried_again_and_logs_in(path: str) -> None:
    """Statuses are read first: a busy service, then an expired session, then the stream."""
    numbers: list[int] = []
    with harbour_server() as server:
        transport = transport_to(Harbour(server.base_url))
        server.answers[path] = [503, 401]
        async with streams(transport, path) as stream:
            await collected(stream, numbers)
        await transport.close()
    assert numbers == [1, 2]
    assert (server.counts["logins"], len(server.to(path))) == (2, 3)


@BOTH
async def test_a_stream_that_breaks_off_is_an_error_and_never_repeated(path: str) -> None:
    """What came before was handed out."""
    numbers: list[int] = []
    with harbour_server() as server:
        server.rest = "cut"
        transport = transport_to(Harbour(server.base_url))
        with pytest.raises(TransportError, match=f"POST {path}: the stream broke off after 2 events"):
            await collected(streams(transport, path), numbers)
        await transport.close()
    assert numbers == [1, 2]
    assert len(server.to(path)) == 1


async def test_nonsense_in_a_stream_is_an_error() -> None:
    """It is neither passed on nor quoted."""
    numbers: list[int] = []
    with harbour_server() as server:
        server.rest = "nonsense"
        transport = transport_to(Harbour(server.base_url))
        with pytest.raises(TransportError, match="after 2 events: line 4 is not JSON") as caught:
            await collected(streams(transport, "/lines"), numbers)
        await transport.close()
    assert "oops" not in str(caught.value)


@BOTH
async def test_an_event_can_report_an_error(path: str) -> None:
    """It has the class of its code, and ends the stream."""
    numbers: list[int] = []
    with harbour_server() as server:
        server.rest = "problem"
        transport = transport_to(Harbour(server.base_url))
        with pytest.raises(RateLimitError, match="Enough") as caught:
            await collected(streams(transport, path), numbers)
        await transport.close()
    assert numbers == [1, 2]
    assert (caught.value.code, len(server.to(path))) == ("4290", 1)


async def test_an_error_in_the_first_event_counts_as_no_event() -> None:
    """A session that is refused there is renewed, and the stream asked for again."""
    numbers: list[int] = []
    with harbour_server() as server:
        transport = transport_to(Harbour(server.base_url))
        server.answers["/lines"] = [b'{"code": 2100, "message": "Expired."}\n']
        await collected(streams(transport, "/lines"), numbers)
        await transport.close()
    assert numbers == [1, 2]
    assert server.counts["logins"] == 2


async def test_an_envelope_instead_of_events_is_read_as_one() -> None:
    """An error with a good status is an error, not an empty stream; any other JSON is one too."""
    numbers: list[int] = []
    with harbour_server() as server:
        transport = transport_to(Harbour(server.base_url))
        server.answers["/events"] = [{"code": 4710, "message": "No credit.", "data": None}]
        with pytest.raises(ValidationError, match="No credit"):
            await collected(streams(transport, "/events"), numbers)
        server.answers["/events"] = [{"code": 200, "message": "ok", "data": 1}] * 9
        with pytest.raises(TransportError, match="not a stream of events but JSON"):
            await collected(streams(transport, "/events"), numbers)
        await transport.close()
    assert numbers == []


@BOTH
@pytest.mark.parametrize("way", ["with", "close"])
async def test_leaving_a_stream_early_closes_its_connection(path: str, way: str) -> None:
    """The service notices, although it would send for ever; a later call works."""
    with harbour_server() as server:
        server.rest = "trickle"
        transport = transport_to(Harbour(server.base_url))
        stream = streams(transport, path)
        if way == "with":
            async with stream:
                assert await anext(stream) == 1
        else:
            assert await anext(stream) == 1
            await stream.aclose()
            await stream.aclose()
        assert await async_beside(lambda: server.gone.wait(10))
        await transport.send(tide())
        await transport.close()


@BOTH
async def test_a_stream_has_a_deadline_between_its_events(path: str) -> None:
    """Silence longer than the timeout is an error."""
    numbers: list[int] = []
    with harbour_server() as server:
        server.rest = "stall"
        transport = transport_to(Harbour(server.base_url))
        with pytest.raises(TransportError, match=r"after 2 events: timeout: no complete answer within 1 s"):
            await collected(streams(transport, path, timeout=1.0), numbers)
        server.released.set()
        await transport.close()
    assert numbers == [1, 2]


@BOTH
async def test_a_stream_has_a_deadline_as_a_whole(path: str) -> None:
    """Also if something comes all the time."""
    numbers: list[int] = []
    with harbour_server() as server:
        server.rest = "trickle"
        transport = transport_to(Harbour(server.base_url))
        with pytest.raises(TransportError, match=r"the stream was not over within 1 s"):
            await collected(streams(transport, path, total=1.0), numbers)
        assert await async_beside(lambda: server.gone.wait(10))
        await transport.close()
    assert numbers[:3] == [1, 2, 3]


async def test_an_unreachable_service_is_an_error_before_the_first_event() -> None:
    """As for any other call."""
    with harbour_server() as server:
        address = server.base_url
    transport = transport_to(Harbour(address, None))
    with pytest.raises(TransportError, match=f"POST /lines: no answer from Harbour at {address}"):
        await anext(streams(transport, "/lines", policy=RetryPolicy(max_retries=0)))
    await transport.close()
