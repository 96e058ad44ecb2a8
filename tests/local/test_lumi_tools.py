"""Tools of the embedded application backend: e-mails, files, texts, images and functions; and data for its page."""

from __future__ import annotations

import asyncio
import base64
import json
import socketserver
import threading
import zlib
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager
from typing import Any

import httpx
import pytest
from starlette.responses import JSONResponse

from lumnisai_core.local import EngineError, LumiMail, LumiRequest, RunReport, RunRequest, RunResult
from lumnisai_core.local.lumi.files import file_of, picture
from tests.local.backend import Backend, Started
from tests.local.support import EchoEngine

# E-mails


MAIL = {"to": ["ines@example.org"], "subject": "Repair booked", "html": "<p>Thürsday</p>", "text": ""}


def send(backend: Backend, **fields: Any) -> int:
    return backend.code("POST", f"{backend.project}/email/send", {**MAIL, **fields})


def test_an_email_is_in_the_outbox(started: Started) -> None:
    """With all that was sent; as a message, both its parts are there."""
    backend = started(sender="desk@example.org")
    fields = {"fromName": "House, Desk", "replyTo": ["a@example.org", "b@example.org"], "text": "Thursday"}
    assert send(backend, **fields, scheduledAt="2030-09-03T06:00:00Z") == 200
    (mail,) = backend.local.lumi.outbox
    assert mail == LumiMail(
        id=1,
        created_at=mail.created_at,
        sender="desk@example.org",
        to=("ines@example.org",),
        subject="Repair booked",
        text="Thursday",
        html="<p>Thürsday</p>",
        from_name="House, Desk",
        reply_to=("a@example.org", "b@example.org"),
        scheduled_at="2030-09-03T06:00:00Z",
    )
    message = mail.message
    assert (message["From"], message["Reply-To"]) == (
        '"House, Desk" <desk@example.org>',
        "a@example.org, b@example.org",
    )
    contents = [part.get_content().strip() for part in message.iter_parts()]
    assert contents == ["Thursday", "<p>Thürsday</p>"]


WRONG_MAILS: list[dict[str, Any]] = [
    {"to": []},
    {"to": ["nobody"]},
    {"to": ["a@example.org, b@example.org"]},
    {"to": ["a@example.org\r\nBcc: b@example.org"]},
    {"subject": ""},
    {"subject": "a\nBcc: b@example.org"},
    {"fromName": "a\r\nb"},
    {"html": "", "text": ""},
    {"html": None, "text": None},
    {"scheduledAt": "tomorrow"},
]


@pytest.mark.parametrize("fields", WRONG_MAILS)
def test_an_email_that_cannot_be_sent_is_refused(started: Started, fields: dict[str, Any]) -> None:
    """Without an address, a subject or content, or with a header inside another one."""
    backend = started()
    assert send(backend, **fields) == 400
    assert backend.local.lumi.outbox == []


class _MailServer(socketserver.StreamRequestHandler):
    """Takes e-mails for everybody but refused@example.org."""

    taken: list[str]

    def handle(self) -> None:
        self.wfile.write(b"220 ready\r\n")
        while line := self.rfile.readline():
            if line.upper().startswith(b"DATA"):
                self.wfile.write(b"354 go\r\n")
                lines = list(iter(self.rfile.readline, b".\r\n"))
                self.taken.append(b"".join(lines).decode())
            if line.startswith(b"rcpt") and b"refused@" in line:
                self.wfile.write(b"550 no\r\n")
            else:
                self.wfile.write(b"221 bye\r\n" if line.upper().startswith(b"QUIT") else b"250 ok\r\n")


@contextmanager
def mail_server() -> Iterator[tuple[str, list[str]]]:
    """Serve SMTP; return the address, and the messages that come."""
    taken: list[str] = []
    handler = type("Handler", (_MailServer,), {"taken": taken})
    with socketserver.ThreadingTCPServer(("127.0.0.1", 0), handler) as server:
        threading.Thread(target=server.serve_forever, args=(0.01,)).start()
        yield f"smtp://127.0.0.1:{server.server_address[1]}", taken
        server.shutdown()


def test_emails_are_handed_to_a_server_if_there_is_one(started: Started) -> None:
    """Codes too, scheduled ones not; one that the server refuses is a failure and not in the outbox."""
    with mail_server() as (address, taken):
        backend = started(smtp=address)
        assert send(backend) == 200
        code = backend.sent_code("ann@example.org")
        assert send(backend, scheduledAt="2030-09-03T06:00:00Z") == 200
        assert send(backend, to=["refused@example.org"]) == 500
    assert send(backend) == 500
    assert ["Subject: Repair booked" in taken[0], code in taken[1], len(taken)] == [True, True, 2]
    assert [mail.scheduled_at is None for mail in backend.local.lumi.outbox] == [True, True, False]


# Files


def upload(backend: Backend, *files: tuple[str, bytes, str]) -> list[dict[str, str]]:
    parts = [("files", file) for file in files]
    found: list[dict[str, str]] = backend.ok("POST", f"{backend.project}/file/batch", files=parts)
    return found


def test_a_file_is_served_as_an_attachment(started: Started) -> None:
    """Under a permanent address, without a token, and never as a page of the service."""
    backend = started()
    (stored,) = upload(backend, ("tap ü.html", b"<script>", "text/html"))
    assert stored["fileName"] == "tap ü.html"
    reply = httpx.get(stored["fileUrl"])
    assert (reply.content, reply.headers["content-type"]) == (b"<script>", "text/html; charset=utf-8")
    assert reply.headers["content-disposition"].startswith("attachment")
    assert reply.headers["x-content-type-options"] == "nosniff"
    assert "sandbox" in reply.headers["content-security-policy"]
    assert httpx.get(stored["fileUrl"], headers={"range": "bytes=1-6"}).content == b"script"


def test_a_file_that_is_refused_does_not_stop_the_others(started: Started) -> None:
    """Programs by their names, and what is too large; one outcome for each file in order."""
    backend = started(max_file=10)
    files = [("a.txt", b"drip"), ("tool.EXE", b"MZ"), ("b.exe.", b"MZ"), ("big.txt", b"x" * 11), ("c.txt", b"")]
    stored = upload(backend, *[(name, content, "text/plain") for name, content in files])
    assert [(one["fileName"], "fileUrl" in one) for one in stored] == [
        ("a.txt", True),
        ("tool.EXE", False),
        ("b.exe.", False),
        ("big.txt", False),
        ("c.txt", True),
    ]
    assert [one["uploadError"] for one in stored[1:4]] == ["File type not allowed"] * 2 + [
        "File is larger than 10 bytes"
    ]
    assert backend.code("POST", f"{backend.project}/file/batch", files=[("other", b"x")]) == 400
    assert backend.code("POST", f"{backend.project}/file/batch") == 400


@pytest.mark.parametrize("name", ["../../etc/passwd", "..\\up.txt", "/abs.txt", "a/b.txt"])
def test_a_file_cannot_choose_its_place(started: Started, name: str) -> None:
    """Only the last part of its name counts, for the address and the download."""
    backend = started()
    (stored,) = upload(backend, (name, b"drip", "text/plain"))
    reply = httpx.get(stored["fileUrl"])
    last = name.replace("\\", "/").rpartition("/")[2]
    assert reply.headers["content-disposition"] == f'attachment; filename="{last}"'
    assert stored["fileUrl"].endswith(f"/{last}")


def test_files_are_deleted_by_their_addresses(started: Started) -> None:
    """Addresses of others are ignored; a file of a user is deleted by that user only, and all or none are."""
    backend = started()
    ines = backend.signed_up("ines@example.org")
    (hers,), (anybodys,) = upload(ines, ("a.txt", b"a", "")), upload(backend, ("b.txt", b"b", ""))
    both = {"fileUrls": [anybodys["fileUrl"], hers["fileUrl"]]}
    path = f"{backend.project}/file/batch"
    assert backend.code("DELETE", path, both) == 403
    assert httpx.get(anybodys["fileUrl"]).status_code == 200
    assert ines.code("DELETE", path, both) == 200
    assert [httpx.get(url).status_code for url in both["fileUrls"]] == [404, 404]
    assert ines.code("DELETE", path, {"fileUrls": [*both["fileUrls"], "https://example.org/files/x", "x"]}) == 200


def test_the_id_in_an_address() -> None:
    """Behind any host, and nothing else."""
    known = "6f0c3c0e-8d9e-4a57-8d4e-0c4de3f1b5a1"
    assert file_of(f"https://example.org/lumi/files/{known}/a%20b.txt") == known
    wrong = [f"/other/files/{known}/a", "/lumi/files/x/a", f"/lumi/{known}/a", "", "https://["[:8]]
    assert [file_of(url) for url in wrong] == [None] * len(wrong)


# Text


class Keeping:
    """Answers with a fixed text and keeps the requests."""

    def __init__(self) -> None:
        self.requests: list[RunRequest] = []

    async def run(self, request: RunRequest, report: RunReport) -> RunResult:
        report.progress("Working.")
        self.requests.append(request)
        return RunResult("A dripping  kitchen\ntap.")


class Failing:
    """Fails each run: with a code, or with an error that nobody expects."""

    def __init__(self, error: Exception) -> None:
        self._error = error

    async def run(self, request: RunRequest, report: RunReport) -> RunResult:
        raise self._error


def streamed(backend: Backend, body: Any) -> tuple[str, list[str]]:
    """Return the media type of a stream, and its events."""
    reply = backend.post(f"{backend.project}/ai/chat/stream", json=body)
    return reply.headers["content-type"].partition(";")[0], reply.text.split("\n\n")[:-1]


def test_the_engine_answers_the_whole_chat(started: Started) -> None:
    """With the pictures as files, and for the user of the token."""
    engine = Keeping()
    backend = started(engine=engine)
    ines = backend.signed_up("ines@example.org")
    medias = [{"mimeType": "image/png", "url": "https://files.example.test/tap.png"}]
    messages: list[dict[str, Any]] = [
        {"role": "system", "content": "Be short."},
        {"role": "user", "content": "Hello"},
        {"role": "assistant", "content": "Hi"},
        {"role": "user", "content": "What is this?", "medias": medias},
    ]
    answer = ines.ok("POST", f"{backend.project}/ai/chat/completions", backend.chat(chatMessages=messages))
    assert answer["content"] == "A dripping  kitchen\ntap."
    (request,) = engine.requests
    assert [(one.role, one.content) for one in request.messages] == [(one["role"], one["content"]) for one in messages]
    assert request.files[0]["uri"] == "https://files.example.test/tap.png"
    assert request.user_id == ines.ok("POST", "/lm/user/info")["userId"]


def test_a_stream_has_the_text_in_pieces(started: Started) -> None:
    """Each piece new text, nothing lost; the end is marked where the settings say so."""
    backend = started(engine=Keeping())
    kind, events = streamed(backend, backend.chat("What is this?"))
    chunks = [json.loads(event.removeprefix("data: ")) for event in events]
    assert kind == "text/event-stream"
    assert len(chunks) > 1
    assert "".join(chunk["content"] for chunk in chunks) == "A dripping  kitchen\ntap."
    assert len({chunk["chatId"] for chunk in chunks}) == 1
    marked = started(engine=Keeping(), stream_done=True)
    assert streamed(marked, marked.chat("What is this?"))[1][-1] == "data: [DONE]"


def test_an_engine_that_fails(started: Started) -> None:
    """A code 500 with its message; in a stream, an envelope in place of it or an event in it."""
    failing = Failing(EngineError("DRY", "No water."))
    backend = started(engine=failing)
    expected = {"code": 500, "message": "No water.", "data": None}
    for path in ("completions", "stream"):
        reply = backend.post(f"{backend.project}/ai/chat/{path}", json=backend.chat("?"))
        assert (reply.status_code, reply.json()) == (200, expected)
    inside = started(engine=failing, stream_errors="event")
    event = 'event: error\ndata: {"code":500,"message":"No water."}'
    assert streamed(inside, inside.chat("?")) == ("text/event-stream", [event])
    broken = started(engine=Failing(RuntimeError("secret")), stream_errors="event")
    (event,) = streamed(broken, broken.chat("?"))[1]
    assert event.startswith('event: error\ndata: {"code":500')
    assert "secret" not in event


def test_text_and_images_need_the_key(started: Started) -> None:
    """Which is in the body; and at least one message."""
    backend = started()
    for path in ("chat/completions", "chat/stream", "image/task"):
        full = f"{backend.project}/ai/{path}"
        assert backend.code("POST", full, backend.chat("?", lumiApiKey="wrong")) == 403
        assert backend.code("POST", full, backend.chat()) == 400


# Images


def poll(backend: Backend, message_id: str) -> Any:
    body = {"lumiApiKey": backend.local.lumi.api_key, "messageId": message_id}
    return backend.ok("POST", f"{backend.project}/ai/image/get", body)


def test_an_image_is_finished_after_some_polls(started: Started) -> None:
    """At once by default; it is a file, the same for the same messages."""
    backend = started(engine=EchoEngine(), image_polls=2)
    begun = [
        backend.ok("POST", f"{backend.project}/ai/image/task", backend.chat(text)) for text in ("gull", "gull", "tap")
    ]
    assert {one["generationStatus"] for one in begun} == {"PROCESSING"}
    states = [poll(backend, begun[0]["messageId"])["generationStatus"] for _ in range(3)]
    assert states == ["PROCESSING", "PROCESSING", "SUCCESS"]
    for one in begun[1:]:
        poll(backend, one["messageId"])
        poll(backend, one["messageId"])
    images = [poll(backend, one["messageId"]) for one in begun]
    assert images[0] == {
        "chatId": begun[0]["chatId"],
        "messageId": begun[0]["messageId"],
        "generationStatus": "SUCCESS",
        "content": "user: gull",
        "imageURL": images[0]["imageURL"],
    }
    first, second, third = (httpx.get(image["imageURL"]).content for image in images)
    assert first == second == picture("user: gull")
    assert first != third
    assert backend.code("POST", f"{backend.project}/ai/image/get", {"lumiApiKey": "x", "messageId": "x"}) == 403


def test_an_image_that_fails_is_an_answer(started: Started) -> None:
    """With the reason as its content; an unknown one is code 404."""
    backend = started(engine=Failing(EngineError("DRY", "No paint.")))
    begun = backend.ok("POST", f"{backend.project}/ai/image/task", backend.chat("gull"))
    assert begun["generationStatus"] == "PROCESSING"
    failed = poll(backend, begun["messageId"])
    assert (failed["generationStatus"], failed["content"], "imageURL" in failed) == ("FAILED", "No paint.", False)
    unknown = {"lumiApiKey": backend.local.lumi.api_key, "messageId": "x"}
    assert backend.code("POST", f"{backend.project}/ai/image/get", unknown) == 404


def test_a_picture_is_a_png() -> None:
    """Header and checksums are right, and it has as many bytes of pixels as it says."""
    data = picture("gull")
    assert data[:16] == b"\x89PNG\r\n\x1a\n\x00\x00\x00\rIHDR"
    width, height = (int.from_bytes(data[at : at + 4]) for at in (16, 20))
    start = data.index(b"IDAT") + 4
    length = int.from_bytes(data[start - 8 : start - 4])
    assert int.from_bytes(data[start + length : start + length + 4]) == zlib.crc32(data[start - 4 : start + length])
    assert len(zlib.decompress(data[start : start + length])) == height * (1 + 3 * width)


# Functions


def invoke(backend: Backend, name: str, method: str = "GET", **options: Any) -> httpx.Response:
    path = f"/v1/functions/{backend.local.lumi.project_id}/{name}"
    return backend.request(method, path, **{"auth": None, **options})


@pytest.mark.parametrize("method", ["GET", "POST", "PUT", "PATCH", "DELETE"])
def test_a_function_is_called_by_any_method(started: Started, method: str) -> None:
    """It sees method, query, headers, body and the user; a token that is not valid is nobody's."""
    backend = started()
    ines = backend.signed_up("ines@example.org")
    seen: list[LumiRequest] = []

    @backend.local.lumi.function("send/news")
    def send_news(request: LumiRequest) -> dict[str, Any]:
        seen.append(request)
        return {"sent": True}

    reply = invoke(ines, "send%2Fnews", method, params={"a": "1"}, json={"to": "x"}, headers={"x-campaign": "w"})
    assert (reply.status_code, reply.json()) == (200, {"sent": True})
    assert invoke(backend.another("nobody"), "send%2Fnews", method).status_code == 200
    assert [request.user and request.user["email"] for request in seen] == ["ines@example.org", None]
    assert (seen[0].method, seen[0].query, seen[0].json()) == (method, {"a": "1"}, {"to": "x"})
    assert seen[0].headers["x-campaign"] == "w"
    assert ines.token not in repr(seen)


def test_what_a_function_returns(started: Started) -> None:
    """Text, bytes, JSON, nothing, a response, streams of both kinds."""
    lumi = (backend := started()).local.lumi

    async def lines() -> AsyncIterator[str]:
        yield "data: 1\n\n"
        await asyncio.sleep(0)
        yield "data: 2\n\n"

    async def waiting(_: LumiRequest) -> AsyncIterator[str]:
        return lines()

    returned = {"text": "Hello", "bytes": b"\xff", "json": [1, None], "none": None, "teapot": JSONResponse({}, 418)}
    for name, value in returned.items():
        lumi.function(name)(lambda _, value=value: value)
    lumi.function("stream")(lambda _: iter(["data: 1\n\n", "data: 2\n\n"]))
    lumi.function("async-stream")(waiting)
    replies = {name: invoke(backend, name) for name in (*returned, "stream", "async-stream")}
    assert {name: (reply.status_code, reply.content) for name, reply in replies.items()} == {
        "text": (200, b"Hello"),
        "bytes": (200, b"\xff"),
        "json": (200, b"[1,null]"),
        "none": (204, b""),
        "teapot": (418, b"{}"),
        "stream": (200, b"data: 1\n\ndata: 2\n\n"),
        "async-stream": (200, b"data: 1\n\ndata: 2\n\n"),
    }


def test_a_function_that_fails_is_a_status(started: Started) -> None:
    """Without what it raised; one that is not there is 404, also for other projects."""
    backend = started()

    @backend.local.lumi.function("broken")
    def broken(_: LumiRequest) -> None:
        raise RuntimeError("secret")

    reply = invoke(backend, "broken")
    assert (reply.status_code, "secret" in reply.text) == (500, False)
    assert invoke(backend, "missing").status_code == 404
    with pytest.raises(ValueError, match="a function's name must be a non-empty string"):
        backend.local.lumi.function(" ")


def test_a_function_may_use_the_backend(started: Started) -> None:
    """By calling it, and its outbox, from a thread and from the loop of the service."""
    backend = started()
    lumi = backend.local.lumi

    @lumi.function("count")
    def count(_: LumiRequest) -> int:
        with Backend(backend.local) as inner:
            return len([*inner.documents("POST", {}, below="/list"), *lumi.outbox])

    @lumi.function("mails")
    async def mails(_: LumiRequest) -> int:
        return len(lumi.outbox)

    backend.documents("POST", {"n": 1})
    assert send(backend) == 200
    assert [invoke(backend, name).json() for name in ("count", "mails")] == [2, 1]


# The page


def test_the_page_reads_with_the_key_of_the_service(started: Started) -> None:
    """Collections, e-mails and files; nobody else does, whatever other keys they have."""
    backend = started()
    backend.documents("POST", [{"_id": "1"}, {"_id": "2"}], below="/batch", of="Posts%2FOld")
    assert send(backend) == 200
    upload(backend, ("a.txt", b"drip", "text/plain"))
    owner = {"headers": {"x-api-key": backend.local.api_key}}
    shown = backend.ok("GET", "/_local/overview", **owner)
    assert shown["collections"] == {"Posts/Old": 2}
    assert [mail["subject"] for mail in shown["mails"]] == ["Repair booked"]
    assert [(file["name"], file["size"]) for file in shown["files"]] == [("a.txt", 4)]
    page = backend.ok("GET", "/_local/collections/Posts%2FOld", **owner)
    assert (page["total"], [one["_id"] for one in page["list"]]) == (2, ["1", "2"])
    top = {"x-api-key": backend.local.lumi.top_access_key, "x-top-access": backend.local.lumi.top_access_key}
    for headers in ({}, top, {"authorization": f"Basic {base64.b64encode(b'x:y').decode()}"}):
        assert backend.code("GET", "/_local/overview", headers=headers) == 403
        assert backend.code("GET", "/_local/collections/Posts", headers=headers) == 403
