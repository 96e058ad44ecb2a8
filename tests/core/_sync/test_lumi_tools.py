# Generated from tests/core/_async/test_lumi_tools.py by `make sync`; edit that file.
"""The client of Lumi.new against prepared answers: e-mail, files, texts, images and functions."""

from __future__ import annotations

from collections.abc import Generator
from contextlib import nullcontext
from datetime import UTC, datetime
from io import BytesIO
from pathlib import Path
from typing import Any

import pytest

from lumnisai_core.exceptions import (
    ConfigurationError,
    LumnisAIError,
    RateLimitError,
    SessionExpiredError,
    TransportError,
    TruncatedStreamError,
    ValidationError,
    WaitTimeoutError,
)
from lumnisai_core.lumi import Client
from tests.core.backend import (
    API_KEY,
    EMAIL,
    PROJECT,
    SIGN_KEY,
    TOKEN,
    TOP_KEY,
    bad,
    body,
    events,
    good,
    is_signed,
    piece,
    routes,
)
from tests.servers import Canned, CannedServer, canned_server

AI_ROUTE = f"/lm/{PROJECT}/ai"


def client_to(server: CannedServer, **known: Any) -> Client:
    settings = {"sign_key": SIGN_KEY, "api_key": API_KEY, "top_access_key": "", **known}
    return Client(PROJECT, server.base_url, **settings)


def test_an_email_is_sent_once() -> None:
    """One address becomes a list, the text is empty if there is only HTML, times are UTC; a failure is not repeated."""
    at = datetime(2025, 9, 3, 6, tzinfo=UTC)
    with canned_server([good(), good(), Canned(503)]) as server:
        with client_to(server) as client:
            email = client.tools.email
            email.send(EMAIL, "Booked", html="<p>9:00</p>", from_name="Desk", reply_to="d@example.org", scheduled_at=at)
            email.send(["a@example.org", "b@example.org"], "Booked", text="9:00")
            with pytest.raises(TransportError):
                email.send(EMAIL, "Booked", text="9:00")
            for arguments in (
                {"to": [], "subject": "s", "text": "t"},
                {"to": "nobody", "subject": "s", "text": "t"},
                {"to": EMAIL, "subject": " ", "text": "t"},
                {"to": EMAIL, "subject": "s"},
                {"to": EMAIL, "subject": "s", "text": "t", "html": 5},
                {"to": EMAIL, "subject": "s", "text": "t", "scheduled_at": datetime(2025, 1, 1)},
            ):
                with pytest.raises(ValidationError):
                    email.send(**arguments)
    assert body(server.received[0]) == {
        "to": [EMAIL],
        "subject": "Booked",
        "fromName": "Desk",
        "html": "<p>9:00</p>",
        "text": "",
        "replyTo": ["d@example.org"],
        "scheduledAt": "2025-09-03T06:00:00.000Z",
    }
    assert body(server.received[1]) == {"to": ["a@example.org", "b@example.org"], "subject": "Booked", "text": "9:00"}
    assert len(server.received) == 3


def test_files_are_uploaded_and_deleted(tmp_path: Path) -> None:
    """Paths, streams and named bytes in one form, signed with an empty payload; each has an outcome of its own."""
    path = tmp_path / "tap.png"
    path.write_bytes(b"\x89PNG")
    rows = [
        {"fileName": "tap.png", "fileUrl": "https://files.example.test/tap.png"},
        {"fileName": "tool.exe", "uploadError": "File type not allowed"},
    ]
    with canned_server([good(rows), good(), good(rows[:1])]) as server:
        with client_to(server) as client:
            stored, refused = client.tools.file.upload([path, ("tool.exe", BytesIO(b"MZ"))])
            assert (stored.file_url, stored.upload_error) == ("https://files.example.test/tap.png", None)
            assert (refused.file_url, refused.upload_error) == (None, "File type not allowed")
            client.tools.file.delete([stored.file_url or ""])
            with pytest.raises(TransportError, match="2 files were uploaded, and the answer reports on 1"):
                client.tools.file.upload([path, path])
            wrong: list[Any] = [[], "tap.png", [b"bytes"], [tmp_path / "missing.png"], 5]
            for files in wrong:
                with pytest.raises(ValidationError):
                    client.tools.file.upload(files)
    upload, deletion, _ = server.received
    assert upload.body.count(b'name="files"') == 2
    assert b'filename="tap.png"\r\nContent-Type: image/png' in upload.body
    assert body(deletion) == {"fileUrls": ["https://files.example.test/tap.png"]}
    assert routes(server)[:2] == [f"POST /lm/{PROJECT}/file/batch", f"DELETE /lm/{PROJECT}/file/batch"]
    assert is_signed(upload)
    assert is_signed(deletion)


def test_a_text_is_generated() -> None:
    """With pictures; the key is in the body, and the call is made once."""
    messages: list[dict[str, Any]] = [
        {"role": "system", "content": "Answer in one line."},
        {"role": "user", "content": "What is it?", "medias": [{"mime_type": "image/png", "url": "https://x.test/p"}]},
    ]
    with canned_server([good({"chatId": "c-81", "content": "A tap."}), good({"chatId": "c"}), Canned(503)]) as server:
        with client_to(server) as client:
            answer = client.tools.ai.generate_text(messages)
            assert (answer.chat_id, answer.content) == ("c-81", "A tap.")
            client.tools.ai.generate_text("Hello", model="m-2", timeout=5)
            with pytest.raises(TransportError):
                client.tools.ai.generate_text("Hello")
    first, second, _ = server.received
    picture = {"mimeType": "image/png", "url": "https://x.test/p"}
    assert body(first) == {
        "lumiApiKey": API_KEY,
        "modelName": "gemini-2.5-flash",
        "chatMessages": [messages[0], {"role": "user", "content": "What is it?", "medias": [picture]}],
    }
    assert body(second)["modelName"] == "m-2"
    assert body(second)["chatMessages"] == [{"role": "user", "content": "Hello"}]
    assert (routes(server)[0], len(server.received)) == (f"POST {AI_ROUTE}/chat/completions", 3)


@pytest.mark.parametrize(
    ("messages", "problem"),
    [
        ([], "messages is empty"),
        ("", "non-empty string"),
        (5, "messages must be a string or a list"),
        ({"role": "user", "content": "x"}, "messages must be a string or a list"),
        ([{"role": "tool", "content": "x"}], "role must be one of"),
        ([{"role": "user"}], "content must be a string"),
        ([{"role": "user", "content": "x", "name": "n"}], "has name; it may have"),
        ([{"role": "user", "content": "x", "medias": [{"url": "u"}]}], r"medias\[0\] must be a dict with"),
        (["hello"], r"messages\[0\] must be a dict"),
    ],
)
def test_messages_that_cannot_be_sent_are_refused(messages: Any, problem: str) -> None:
    """Before anything is sent, naming the place."""
    with canned_server([good()]) as server:
        with client_to(server) as client:
            with pytest.raises(ValidationError, match=problem):
                client.tools.ai.generate_text(messages)
    assert server.received == []


def test_without_an_api_key_nothing_is_sent() -> None:
    """The error has the official client's code."""
    with canned_server([good()]) as server:
        with client_to(server, api_key="") as client:
            with pytest.raises(ConfigurationError, match="LUMI_API_KEY") as caught:
                client.tools.ai.generate_text("Hello")
            with pytest.raises(ConfigurationError):
                client.tools.ai.generate_image("A lake")
    assert caught.value.code == "10400"
    assert server.received == []


def test_a_text_streams_as_bytes_and_as_events() -> None:
    """The bytes are those of the service; the events hold the pieces; ``[DONE]`` is none."""
    answer = events(piece("A dripping "), "event: piece\n" + 'data: {"chatId":"c-82","content":"tap."}', "data: [DONE]")
    with canned_server([answer]) as server:
        with client_to(server) as client:
            with client.tools.ai.generate_text_stream("What is it?") as raw:
                assert b"".join([chunk for chunk in raw]) == answer.body
            stream = client.tools.ai.parse_stream(client.tools.ai.generate_text_stream("What is it?"))
            with stream as parsed:
                found = [(event.event, event.data.chat_id, event.data.content) for event in parsed]
    assert found == [(None, "c-82", "A dripping "), ("piece", "c-82", "tap.")]
    sent = server.received[0]
    assert sent.headers["accept"] == "text/event-stream"
    assert (sent.headers["cache-control"], sent.headers["x-accel-buffering"]) == ("no-cache", "no")
    assert is_signed(sent)


@pytest.mark.parametrize(
    ("answer", "kind", "code"),
    [
        (bad(2100), SessionExpiredError, "2100"),
        (bad(429), RateLimitError, "429"),
        (bad(500, status=500), TransportError, "500"),
        (Canned(200, bad(2100).body, {"Content-Type": "text/event-stream"}), SessionExpiredError, "2100"),
        (events(piece("A"), {"code": 429, "message": "Enough."}), RateLimitError, "429"),
        (events(piece("A"), 'event: error\ndata: {"message": "Broken."}'), TransportError, None),
        (events(piece("A"), "data: {half"), TruncatedStreamError, None),
        (events(piece("A"), "data: 5"), TruncatedStreamError, None),
        (Canned(200, b'data: {"chatId"', {"Content-Type": "text/event-stream"}), TruncatedStreamError, None),
        (Canned(200, [1], {"Content-Type": "text/event-stream"}), TruncatedStreamError, None),
    ],
)
def test_an_error_in_place_of_a_stream_or_within_is_an_error(
    answer: Canned, kind: type[LumnisAIError], code: str | None
) -> None:
    """Nothing ends as an empty or shortened text."""
    with canned_server([answer]) as server:
        with client_to(server, authorization=TOKEN, max_retries=0) as client:
            ai = client.tools.ai
            with pytest.raises(kind) as caught:
                with ai.parse_stream(ai.generate_text_stream("x")) as events_of_text:
                    for event in events_of_text:
                        assert event.data.content == "A"
    assert caught.value.code == code
    assert API_KEY not in str(caught.value)


@pytest.mark.parametrize(
    ("pieces", "text", "kind"),
    [
        # A code of 200 is no error, whether the piece is beside it or in its envelope.
        ([{"code": 200, "content": "A"}, piece("B")], "AB", None),
        ([{"code": 200, "message": "success", "data": piece("A")}, piece("B")], "AB", None),
        # Any other whole number is; the text beside it, or in its envelope, comes first.
        ([piece("A"), {**piece("B"), "code": 500}], "AB", TransportError),
        ([piece("A"), {"code": 429, "message": "Enough.", "data": piece("B")}], "AB", RateLimitError),
        ([piece("A"), 'event: error\ndata: {"content": "B", "message": "Broken."}'], "AB", TransportError),
        # A code that is not a whole number, and one in the text, are the text of a model.
        ([{**piece("A"), "code": "E42"}, piece('{"code": 500}')], 'A{"code": 500}', None),
        # Text that may be the whole text so far, or a piece, is held for one event, and not lost with an error.
        ([piece("A"), piece("AB"), {"code": 500, "message": "Broken."}], "AB", TransportError),
        ([piece("A"), piece("AB"), "data: {half"], "AB", TruncatedStreamError),
    ],
)
def test_no_text_of_a_stream_is_lost(
    pieces: list[dict[str, Any] | str], text: str, kind: type[LumnisAIError] | None
) -> None:
    """A piece that looks like an answer of the service, or like an error, gives its text in any case."""
    read: list[str] = []
    with canned_server([events(*pieces)]) as server:
        with client_to(server, max_retries=0) as client:
            ai = client.tools.ai
            with pytest.raises(kind) if kind else nullcontext():
                with ai.parse_stream(ai.generate_text_stream("x")) as found:
                    for event in found:
                        read.append(event.data.content)
    assert "".join(read) == text


def test_no_text_is_lost_when_the_connection_breaks() -> None:
    """What was held comes before the error of the bytes."""

    def chunks() -> Generator[bytes, None]:
        for text in ("A", "AB"):
            yield f'data: {{"chatId": "c", "content": "{text}"}}\n\n'.encode()
        raise TruncatedStreamError("The connection broke.")

    read: list[str] = []
    with canned_server([good()]) as server:
        with client_to(server) as client:
            with pytest.raises(TruncatedStreamError):
                for event in client.tools.ai.parse_stream(chunks()):
                    read.append(event.data.content)
    assert "".join(read) == "AB"


def test_leaving_a_stream_early_closes_what_it_reads_from() -> None:
    """At once, not when the garbage collector runs."""
    closed: list[bool] = []

    def chunks() -> Generator[bytes, None]:
        try:
            for number in range(1000):
                yield b'data: {"chatId": "c", "content": "%d"}\n\n' % number
        finally:
            closed.append(True)

    with canned_server([good()]) as server:
        with client_to(server) as client:
            with client.tools.ai.parse_stream(chunks()) as stream:
                assert (next(stream)).data.content == "0"
            assert closed == [True]


def test_an_image_is_awaited() -> None:
    """The pauses grow; the failure of an image is a result; one that takes too long can be read later."""

    def state(status: str, **known: str) -> Canned:
        return good({"chatId": "c", "messageId": "m-9", "generationStatus": status, **known})

    processing, ready = state("PROCESSING"), state("SUCCESS", imageURL="https://files.example.test/m-9.png")
    with canned_server([processing, processing, ready, state("FAILED"), processing]) as server:
        with client_to(server) as client:
            ai = client.tools.ai
            image = ai.generate_image("A lake", poll_interval=0.001)
            assert (image.generation_status, image.image_url) == ("SUCCESS", "https://files.example.test/m-9.png")
            assert (ai.generate_image("A lake")).generation_status == "FAILED"
            with pytest.raises(WaitTimeoutError, match=r"tools\.ai\.get_image\('m-9'\)"):
                ai.generate_image("A lake", timeout=2, poll_interval=3)
            assert (ai.get_image("m-9")).generation_status == "PROCESSING"
            with pytest.raises(ValidationError, match="timeout must be"):
                ai.generate_image("A lake", timeout=0)
            with pytest.raises(ValidationError, match="poll_interval must be"):
                ai.generate_image("A lake", poll_interval=-1)
    assert routes(server)[:2] == [f"POST {AI_ROUTE}/image/task", f"POST {AI_ROUTE}/image/get"]
    assert body(server.received[0])["modelName"] == "gemini-2.5-flash-image"
    assert body(server.received[1]) == {"lumiApiKey": API_KEY, "messageId": "m-9"}


def test_a_function_is_called_with_any_method_and_content() -> None:
    """Unsigned, with the token unless the caller has a header of their own; without top access."""
    with canned_server([Canned(200, {"ok": True})]) as server:
        with client_to(server, authorization=TOKEN, top_access_key=TOP_KEY) as client:
            invoke = client.functions.invoke
            assert invoke("list", query={"tag": ["a 1", "b"], "n": 2}) == {"ok": True}
            invoke("send", body={"to": EMAIL}, headers={"X-Campaign-ID": "weekly"})
            invoke("send", method="put", body="plain", headers={"content-type": "text/x", "authorization": "Own"})
            invoke("send", method="DELETE")
            invoke("send", body=b"\x00\x01")
            invoke("send", form={"a": "1"}, files=[("a.txt", b"x")])
    get, post, put, delete, binary, form = server.received
    assert (get.method, get.path) == ("GET", f"/v1/functions/{PROJECT}/list?tag=a%201&tag=b&n=2")
    assert (post.method, post.headers["x-campaign-id"], body(post)) == ("POST", "weekly", {"to": EMAIL})
    assert (put.method, put.headers["content-type"], put.headers["authorization"]) == ("PUT", "text/x", "Own")
    assert (delete.method, delete.body) == ("DELETE", b"")
    assert (binary.body, binary.headers["content-type"]) == (b"\x00\x01", "application/octet-stream")
    assert form.headers["content-type"].startswith("multipart/form-data")
    for request in server.received:
        assert not {"x-sign", "x-nonce", "x-timestamp", "x-top-access"} & request.headers.keys()
        assert request.headers["authorization"] in (f"Bearer {TOKEN}", "Own")


@pytest.mark.parametrize(
    ("body_sent", "kind", "response_type", "expected"),
    [
        (b'{"code": 500, "x": 1}', "application/json", None, {"code": 500, "x": 1}),
        (b"null", "application/json", None, None),
        ("Grüße".encode("latin-1"), "text/plain; charset=latin-1", None, "Grüße"),
        (b"\x00", "image/png", None, b"\x00"),
        (b"", "image/png", None, None),
        (b"", "text/plain", None, ""),
        (b"[1]", "text/plain", "json", [1]),
        (b"[1]", "application/json", "text", "[1]"),
        (b"", "image/png", "bytes", b""),
    ],
)
def test_what_a_function_returns_is_read_by_its_type(
    body_sent: bytes, kind: str, response_type: Any, expected: Any
) -> None:
    """There is no envelope, also where it looks like one."""
    with canned_server([Canned(200, body_sent, {"Content-Type": kind})]) as server:
        with client_to(server) as client:
            assert client.functions.invoke("f", response_type=response_type) == expected


def test_a_function_may_stream_and_fail() -> None:
    """The bytes of a text pass through it; an error status is an error with what the function wrote."""
    answers = [events(piece("Hello")), Canned(418, {"error": "Only coffee."}), Canned(200, b"oops")]
    with canned_server(answers) as server:
        with client_to(server, max_retries=0) as client:
            raw = client.functions.invoke("ai-stream", response_type="stream")
            with client.tools.ai.parse_stream(raw) as stream:
                assert [event.data.content for event in stream] == ["Hello"]
            with pytest.raises(ValidationError, match="Only coffee") as caught:
                client.functions.invoke("brew")
            assert (caught.value.status_code, caught.value.detail) == (418, {"error": "Only coffee."})
            with pytest.raises(TransportError, match="is not JSON"):
                client.functions.invoke("brew")
            with pytest.raises(ValidationError, match="only one content"):
                client.functions.invoke("brew", body={}, form={})
            with pytest.raises(ValidationError, match="method must be an HTTP method"):
                client.functions.invoke("brew", method="GET /x")
            with pytest.raises(ValidationError, match="query must be a dict"):
                client.functions.invoke("brew", query="a=1")  # type: ignore[call-overload]
            with pytest.raises(ValidationError, match="timeout must be"):
                client.functions.invoke("brew", timeout=0)
            with pytest.raises(ValidationError, match="response_type must be"):
                client.functions.invoke("brew", response_type="blob")  # type: ignore[call-overload]
