"""Multipart forms and downloads to files."""

from __future__ import annotations

import io
from pathlib import Path

import pytest

from lumnisai_core._transport.call import FileContent, Form, FormFile
from lumnisai_core._transport.download import Download
from lumnisai_core._transport.upload import FilePart, multipart
from lumnisai_core.exceptions import ValidationError


def test_a_form_is_laid_out_with_its_files_unread(tmp_path: Path) -> None:
    """Fields come first; a file is a piece of its own and counts with its size."""
    path = tmp_path / "a.txt"
    path.write_bytes(b"12345")
    form = Form({"scope": "tenant"}, [FormFile("file", 'a "quoted"\r\n.txt', path, "text/plain")])
    upload = multipart(form, "XX")
    assert [piece for piece in upload.pieces if not isinstance(piece, bytes)] == [FilePart(path, size=5)]
    whole = b"".join(path.read_bytes() if not isinstance(piece, bytes) else piece for piece in upload.pieces)
    assert whole == (
        b'--XX\r\nContent-Disposition: form-data; name="scope"\r\n\r\ntenant\r\n'
        b'--XX\r\nContent-Disposition: form-data; name="file"; filename="a %22quoted%22%0D%0A.txt"\r\n'
        b"Content-Type: text/plain\r\n\r\n12345\r\n--XX--\r\n"
    )
    assert upload.length == len(whole)


class Pipe(io.RawIOBase):
    """A stream of unknown size."""

    def readable(self) -> bool:
        return True


def test_a_stream_counts_from_where_it_is_and_may_have_no_size() -> None:
    """Bytes read before are not sent; without a size the length stays open."""
    stream = io.BytesIO(b"0123456789")
    stream.seek(4)
    known = multipart(Form({}, [FormFile("f", "n", stream)]), "X").length
    empty = multipart(Form({}, [FormFile("f", "n", b"")]), "X").length
    assert known is not None
    assert empty is not None
    assert known - empty == 6
    assert stream.tell() == 4
    assert multipart(Form({}, [FormFile("f", "n", io.BufferedReader(Pipe()))]), "X").length is None


@pytest.mark.parametrize("content", [Path("missing.txt"), Path(), io.StringIO("text"), 5])
def test_unusable_files_are_refused_before_sending(content: FileContent) -> None:
    """Missing files, folders, text streams and other things."""
    with pytest.raises(ValidationError):
        multipart(Form({}, [FormFile("f", "n", content)]), "X")


def test_a_download_appears_only_when_it_is_complete(tmp_path: Path) -> None:
    """The old file stays until the new one is whole; a further try starts anew; nothing is left behind."""
    target = tmp_path / "report.pdf"
    target.write_bytes(b"old")
    download = Download(target)
    for content in (b"half", b"whole"):
        download.start()
        download.write(content)
        assert target.read_bytes() == b"old"
    download.finish()
    download.discard()
    assert target.read_bytes() == b"whole"
    broken = Download(target)
    broken.start()
    broken.write(b"half")
    broken.discard()
    assert [path.name for path in tmp_path.iterdir()] == ["report.pdf"]
    assert target.read_bytes() == b"whole"
