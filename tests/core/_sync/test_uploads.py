# Generated from tests/core/_async/test_uploads.py by `make sync`; edit that file.
"""Files on their way to the service and back, over real sockets."""

from __future__ import annotations

import io
from email.message import Message
from email.parser import BytesParser
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, urlsplit

import pytest

from lumnisai_core import Client, DuplicateHandling, FileScope
from lumnisai_core.exceptions import FileNotFoundError, ValidationError  # noqa: A004 - the platform's own name
from tests.servers import Canned, Received, canned_server

TAKEN = {"file_id": "f-1", "file_name": "tides.txt", "status": "pending", "message": "Processing."}
CONTENT = b"Neap tides follow the quarters.\r\n\x00\xff--\r\n"


class Pipe(io.RawIOBase):
    """A stream of unknown length."""

    def __init__(self, content: bytes) -> None:
        self._content = io.BytesIO(content)

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        return self._content.readinto(buffer)

    def seekable(self) -> bool:
        return False


def parts_of(received: Received) -> list[tuple[str, str | None, str, bytes]]:
    """Return field, file name, content type and content of every part of a form."""
    head = f"Content-Type: {received.headers['content-type']}\r\n\r\n".encode()
    message = BytesParser().parsebytes(head + received.body)
    parts = message.get_payload()
    assert isinstance(parts, list)
    found = []
    for part in parts:
        assert isinstance(part, Message)
        field = part.get_param("name", header="content-disposition")
        content = part.get_payload(decode=True)
        assert isinstance(content, bytes)
        found.append((str(field), part.get_filename(), part.get_content_type(), content))
    return found


def fields_of(received: Received) -> dict[str, str]:
    """Return the plain fields of a form."""
    return {field: content.decode() for field, name, _, content in parts_of(received) if name is None}


def files_of(received: Received) -> list[tuple[str, str | None, str, bytes]]:
    """Return the files of a form."""
    return [part for part in parts_of(received) if part[1] is not None]


@pytest.mark.parametrize("form", ["file", "file_path", "text", "bytes", "file_content", "bytearray", "stream", "pipe"])
def test_a_file_arrives_however_it_is_given(form: str, tmp_path: Path) -> None:
    """Path, bytes and streams give the same form: fields, name, content type and every byte."""
    target = tmp_path / "tides.txt"
    target.write_bytes(CONTENT)
    ways: dict[str, dict[str, Any]] = {
        "file": {"file": target},
        "file_path": {"file_path": str(target)},
        "text": {"file": str(target)},
        "bytes": {"file": CONTENT, "file_name": "tides.txt"},
        "file_content": {"file_content": CONTENT, "file_name": "tides.txt"},
        "bytearray": {"file": bytearray(CONTENT), "file_name": "tides.txt"},
        "pipe": {"file": Pipe(CONTENT), "file_name": "tides.txt"},
    }
    with canned_server([Canned(201, TAKEN)]) as server, target.open("rb") as stream:
        ways["stream"] = {"file": stream}
        with Client("lmn_test_key", base_url=server.base_url, user_id="u@example.org") as client:
            result = client.upload_file(**ways[form], tags=["Sea ", "tides"])
    assert (result.file_id, result.status, result.message) == ("f-1", "pending", "Processing.")
    received = server.received[0]
    assert f"{received.method} {received.path}" == "POST /v1/files/upload"
    assert fields_of(received) == {
        "scope": "user",
        "user_id": "u@example.org",
        "tags": "sea,tides",
        "duplicate_handling": "suffix",
    }
    assert files_of(received) == [("file", "tides.txt", "text/plain", CONTENT)]


@pytest.mark.parametrize("content", [b"", io.BytesIO(b"")])
def test_row_43_an_empty_file_can_be_uploaded(content: Any) -> None:
    """No bytes are bytes too."""
    with canned_server([Canned(201, TAKEN)]) as server:
        with Client("lmn_test_key", base_url=server.base_url, user_id="u") as client:
            client.upload_file(file_content=content, file_name="empty.pdf")
    assert files_of(server.received[0]) == [("file", "empty.pdf", "application/pdf", b"")]


def test_row_26_scope_and_duplicates_may_be_texts_enums_or_nothing(tmp_path: Path) -> None:
    """All ways of naming them arrive alike, and the scope of the client is the default."""
    target = tmp_path / "a b.bin"
    target.write_bytes(b"\x00")
    with canned_server([Canned(201, TAKEN)]) as server:
        with Client("lmn_test_key", base_url=server.base_url, scope="tenant") as client:
            client.upload_file(file_path=target)
            client.upload_file(file_path=target, scope=FileScope.TENANT, duplicate_handling="replace")
            client.upload_file(
                file_path=target, scope="user", user_id="u", duplicate_handling=DuplicateHandling.REPLACE
            )
    default, tenant, user = [fields_of(received) for received in server.received]
    assert default == {"scope": "tenant", "duplicate_handling": "suffix"}
    assert tenant == {"scope": "tenant", "duplicate_handling": "replace"}
    assert user == {"scope": "user", "user_id": "u", "duplicate_handling": "replace"}
    assert files_of(server.received[0]) == [("file", "a b.bin", "application/octet-stream", b"\x00")]


def test_several_files_go_with_one_request(tmp_path: Path) -> None:
    """Paths, and contents with their names; the answer has the accepted ones."""
    target = tmp_path / "one.md"
    target.write_bytes(b"# One")
    reply = {
        "uploaded": [TAKEN, {"message": "without an id"}],
        "failed": [{"filename": "two.txt", "error": "Too large."}],
        "total_uploaded": 1,
        "total_failed": 1,
    }
    with canned_server([Canned(201, reply)]) as server:
        with Client("lmn_test_key", base_url=server.base_url, user_id="u") as client:
            result = client.bulk_upload_files([target, ("two.txt", b"Two"), ("3", io.BytesIO(b""))], tags="a")
    assert [taken.file_id for taken in result.uploaded] == ["f-1"]
    assert [(refused.filename, refused.error) for refused in result.failed] == [("two.txt", "Too large.")]
    received = server.received[0]
    assert received.path == "/v1/files/bulk-upload"
    assert fields_of(received) == {"scope": "user", "user_id": "u", "tags": "a"}
    assert [(field, name, content) for field, name, _, content in files_of(received)] == [
        ("files", "one.md", b"# One"),
        ("files", "two.txt", b"Two"),
        ("files", "3", b""),
    ]


def test_an_upload_is_not_sent_twice() -> None:
    """It carries no key that would make a repetition safe, so a failure of the service is raised."""
    with canned_server([Canned(503, {"detail": "Busy."})]) as server:
        with Client("lmn_test_key", base_url=server.base_url, user_id="u") as client:
            with pytest.raises(Exception, match="Busy"):
                client.upload_file(b"a", file_name="a")
    assert len(server.received) == 1


def test_a_file_opened_for_text_is_refused(tmp_path: Path) -> None:
    """The error says how to open it."""
    target = tmp_path / "a.txt"
    target.write_text("a")
    with Client("lmn_test_key", base_url="http://127.0.0.1:9", user_id="u", max_retries=0) as client:
        with target.open() as stream, pytest.raises(ValidationError, match='mode "rb"'):
            client.upload_file(stream)  # type: ignore[arg-type]  # that is the point


def test_a_file_is_downloaded_to_memory_and_to_a_path(tmp_path: Path) -> None:
    """Every byte arrives, whatever the content type says."""
    with canned_server([Canned(body=CONTENT, headers={"Content-Type": "text/plain"})]) as server:
        with Client("lmn_test_key", base_url=server.base_url, user_id="u@example.org") as client:
            assert client.download_file("f-1") == CONTENT
            target = client.files.download_to("f-1", str(tmp_path / "tides.txt"), user_id="other")
    assert target == tmp_path / "tides.txt"
    assert target.read_bytes() == CONTENT
    assert [urlsplit(received.path).path for received in server.received] == ["/v1/files/f-1/download"] * 2
    queries = [dict(parse_qsl(urlsplit(received.path).query)) for received in server.received]
    assert queries == [{"user_id": "u@example.org"}, {"user_id": "other"}]


def test_a_download_that_is_refused_leaves_no_file(tmp_path: Path) -> None:
    """The error is about a file, and the folder stays as it was."""
    with canned_server([Canned(404, {"detail": "There is no such file."})]) as server:
        with Client("lmn_test_key", base_url=server.base_url, user_id="u") as client:
            with pytest.raises(FileNotFoundError, match="no such file"):
                client.files.download_to("f-1", tmp_path / "tides.txt")
    assert list(tmp_path.iterdir()) == []
