# Generated from tests/core/_async/test_transport.py by `make sync`; edit that file.
"""What goes over the wire and what does not: credentials, headers, hooks, redirects, files. Over real sockets."""

from __future__ import annotations

import io
from pathlib import Path

import pytest

from lumnisai_core import Client, RequestInfo, ResponseInfo
from lumnisai_core._transport.answer import nothing
from lumnisai_core._transport.call import Call, FileContent, Form, FormFile
from lumnisai_core.exceptions import ConfigurationError, NotFoundError, RateLimitError, TransportError
from tests.servers import Canned, canned_server

THREAD = {"thread_id": "t-1"}


def test_the_key_can_go_in_the_other_header() -> None:
    """auth="x-api-key" sends the key there and nowhere else."""
    with canned_server([Canned(200, THREAD)]) as server:
        with Client("lmn_1", base_url=server.base_url, auth="x-api-key") as client:
            client.get_thread("t-1")
    headers = server.received[0].headers
    assert headers["x-api-key"] == "lmn_1"
    assert "authorization" not in headers


def test_headers_of_the_caller_go_with_every_request() -> None:
    """default_headers are added; those that the client needs itself are refused."""
    with canned_server([Canned(200, THREAD)]) as server:
        headers = {"X-Team": "tides", "User-Agent": "harbour/1"}
        with Client("lmn_1", base_url=server.base_url, default_headers=headers) as client:
            client.get_thread("t-1")
    assert server.received[0].headers["x-team"] == "tides"
    assert server.received[0].headers["user-agent"] == "harbour/1"
    for wrong in ({"Authorization": "x"}, {"x-api-key": "x"}, {"X-A": "a\nb"}, {"X-A": 5}, {"": "x"}):
        with pytest.raises(ConfigurationError, match="default_headers"):
            Client("lmn_1", default_headers=wrong)  # type: ignore[arg-type]
    with pytest.raises(ConfigurationError, match="auth must be"):
        Client("lmn_1", auth="basic")  # type: ignore[arg-type]


def test_hooks_see_every_try_and_never_the_key(caplog: pytest.LogCaptureFixture) -> None:
    """Requests and answers are told in order; a failing hook harms nothing."""
    told: list[object] = []

    def heard(news: RequestInfo | ResponseInfo) -> None:
        told.append(news)
        raise RuntimeError("broken hook")

    with canned_server([Canned(503), Canned(200, THREAD, {"X-Request-ID": "req-1"})]) as server:
        client = Client("lmn_1", base_url=server.base_url, on_request=heard, on_response=heard)
        with client:
            client.get_thread("t-1")
    first, busy, second, good = told
    assert isinstance(first, RequestInfo)
    assert isinstance(second, RequestInfo)
    assert isinstance(busy, ResponseInfo)
    assert isinstance(good, ResponseInfo)
    assert (first.method, first.url, first.tries, second.tries) == ("GET", f"{server.base_url}/v1/threads/t-1", 1, 2)
    assert (busy.status, good.status, good.headers["x-request-id"]) == (503, 200, "req-1")
    assert "lmn_1" not in repr(told)
    assert "broken hook" in caplog.text
    with pytest.raises(Exception, match="on_request must be callable"):
        Client("lmn_1", on_request="print")  # type: ignore[arg-type]


def test_a_redirect_to_another_host_gets_no_credentials() -> None:
    """The file arrives; the other host learns neither the key nor our headers."""
    with canned_server([Canned(200, b"PDF", {"Content-Type": "application/pdf"})]) as blobs:
        location = f"{blobs.base_url}/f?sig=1"
        with canned_server([Canned(302, headers={"Location": location})]) as server:
            headers = {"X-Team": "tides"}
            with Client("lmn_1", base_url=server.base_url, default_headers=headers) as client:
                content = client._transport.download(Call("GET", "/v1/files/f/download", nothing))
    assert content == b"PDF"
    assert blobs.received[0].path == "/f?sig=1"
    assert not {"authorization", "x-api-key", "x-team"} & set(blobs.received[0].headers)
    assert server.received[0].headers["authorization"] == "Bearer lmn_1"


def test_redirects_have_an_end() -> None:
    """A circle is an error."""
    with canned_server([Canned(307, headers={"Location": "/v1/threads/t-1"})]) as server:
        with Client("lmn_1", base_url=server.base_url) as client:
            with pytest.raises(TransportError, match="redirected more than 5 times"):
                client.get_thread("t-1")
    assert len(server.received) == 6


@pytest.mark.parametrize("kind", ["bytes", "path", "stream", "pipe"])
def test_files_are_sent_in_pieces(kind: str, tmp_path: Path) -> None:
    """Bytes, paths and streams arrive whole, larger than any buffer; a pipe without a size is sent in chunks."""
    data = bytes(range(256)) * 4000
    path = tmp_path / "a.bin"
    path.write_bytes(data)
    with path.open("rb") as stream:
        content: FileContent = {"bytes": data, "path": path, "stream": stream, "pipe": Pipe(data)}[kind]  # type: ignore[assignment]
        form = Form({"scope": "user"}, [FormFile("file", "a.bin", content)])
        with canned_server([Canned(201, {})]) as server:
            with Client("lmn_1", base_url=server.base_url) as client:
                client._transport.send(Call("POST", "/v1/files/upload", nothing, form=form))
    (received,) = server.received
    assert data in received.body
    assert b'name="scope"\r\n\r\nuser\r\n' in received.body
    assert received.headers["content-type"].startswith("multipart/form-data; boundary=")
    assert ("content-length" in received.headers) is (kind != "pipe")


class Pipe(io.RawIOBase):
    """A stream without a size."""

    def __init__(self, data: bytes) -> None:
        self._data = io.BytesIO(data)

    def read(self, size: int = -1) -> bytes:
        return self._data.read(size)


def test_downloads_are_tried_again_and_written_when_complete(tmp_path: Path) -> None:
    """A broken download starts anew; an error leaves no file."""
    target = tmp_path / "f.bin"
    data = b"x" * 1_000_000
    answers = [Canned(200, data, reset_in_body=True), Canned(503), Canned(200, data), Canned(404, {"detail": "Gone."})]
    with canned_server(answers) as server:
        with Client("lmn_1", base_url=server.base_url) as client:
            call = Call("GET", "/v1/files/f/download", nothing)
            assert client._transport.download_to(call, target) == target
            assert target.read_bytes() == data
            with pytest.raises(NotFoundError, match="Gone"):
                client._transport.download_to(call, tmp_path / "g.bin")
    assert [path.name for path in tmp_path.iterdir()] == ["f.bin"]
    assert len(server.received) == 4


def test_an_answer_that_broke_off_is_fetched_again() -> None:
    """Half a JSON body is no answer; a page of another kind is one that will not change."""
    with canned_server([Canned(200, b'{"thread_id": '), Canned(200, THREAD)]) as server:
        with Client("lmn_1", base_url=server.base_url) as client:
            assert (client.get_thread("t-1")).thread_id == "t-1"
    page = Canned(200, b"<html>Log in</html>", {"Content-Type": "text/html"})
    with canned_server([page]) as server:
        with Client("lmn_1", base_url=server.base_url) as client:
            with pytest.raises(TransportError, match="Log in"):
                client.get_thread("t-1")
    assert len(server.received) == 1


def test_a_long_retry_after_is_handed_on() -> None:
    """Whoever asks for an hour is not asked again before."""
    with canned_server([Canned(429, headers={"Retry-After": "3600"})]) as server:
        with Client("lmn_1", base_url=server.base_url) as client:
            with pytest.raises(RateLimitError) as caught:
                client.get_thread("t-1")
    assert caught.value.retry_after == 3600
    assert len(server.received) == 1


_MINE, _OTHER = "4e1b0c5a-7d0f-4c1e-9a51-0d4f5a1c2b3a", "5e1b0c5a-7d0f-4c1e-9a51-0d4f5a1c2b3a"


@pytest.mark.parametrize(
    ("asked", "mine", "other"),
    [
        (_MINE, _MINE, _OTHER),
        (_MINE.upper(), _MINE, _OTHER),
        (_MINE.replace("-", ""), _MINE, "latest"),
        ("run-1", "run-1", "run-2"),
        ("latest", _MINE, "newest"),
    ],
)
def test_an_answer_about_another_run_is_refused(asked: str, mine: str, other: str) -> None:
    """Whatever mixed them up: it may be somebody else's. Other forms of an id and other names of a run are good."""
    run = {"response_id": mine, "status": "succeeded", "output_text": "mine"}
    with canned_server([Canned(body=run), Canned(body=run | {"response_id": other, "output_text": "x"})]) as server:
        with Client("lmn_test_key", base_url=server.base_url, user_id="u", max_retries=0) as client:
            assert (client.responses.get(asked)).output_text == "mine"
            if asked == "latest":
                assert (client.responses.get(asked)).response_id == other
            else:
                with pytest.raises(TransportError, match=f"about run {other}") as refused:
                    client.responses.get(asked)
                assert refused.value.status_code == 200
            assert len(server.received) == 2
