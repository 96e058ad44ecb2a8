"""Files whose size is unknown, wrong or changing, and targets that cannot be written, over real sockets."""

from __future__ import annotations

import io
import os
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from lumnisai_core import AsyncClient
from lumnisai_core.exceptions import TransportError, ValidationError
from tests.core._async.test_uploads import TAKEN, Pipe, files_of
from tests.servers import Canned, canned_server


class Changing(io.BytesIO):
    """A file that grows or shrinks as soon as it is read."""

    name = "app.log"

    def __init__(self, content: bytes, becomes: bytes) -> None:
        super().__init__(content)
        self._becomes = becomes

    def read(self, size: int | None = -1) -> bytes:
        here = self.tell()
        self.seek(0)
        self.write(self._becomes)
        self.truncate()
        self.seek(here)
        return super().read(size)


def named_pipe(folder: Path, content: bytes | None) -> Path:
    """Return a named pipe through which a thread writes, or nobody."""
    path = folder / "pipe.txt"
    os.mkfifo(path)
    if content is not None:
        threading.Thread(target=path.write_bytes, args=(content,), daemon=True).start()
    return path


def open_pipe(content: bytes) -> Path:
    """Return the path of an unnamed pipe, as shells pass it for ``<(command)``."""
    reading, writing = os.pipe()
    os.write(writing, content)
    os.close(writing)
    return Path(f"/dev/fd/{reading}")


def odd_name(folder: Path) -> Path:
    """Return a file whose name is not UTF-8."""
    path = os.fsencode(folder) + b"/h\xe4fen\x01.txt"
    Path(os.fsdecode(path)).write_bytes(b"ports")
    return Path(os.fsdecode(path))


@pytest.mark.parametrize(
    ("source", "content"),
    [
        (lambda _: Changing(b"line\n" * 50, b"line\n" * 90), b"line\n" * 50),
        (lambda folder: named_pipe(folder, b"piped"), b"piped"),
        (lambda _: open_pipe(b"piped"), b"piped"),
        (odd_name, b"ports"),
        (lambda _: Path("/proc/sys/kernel/ostype"), b"Linux\n"),
    ],
    ids=["growing", "named pipe", "open pipe", "name of bytes", "proc"],
)
async def test_a_form_is_whole_whatever_is_in_it(source: Callable[[Path], Any], content: bytes, tmp_path: Path) -> None:
    """What was there when the upload began arrives, and the form has its end."""
    with canned_server([Canned(201, TAKEN)]) as server:
        async with AsyncClient("lmn_test_key", base_url=server.base_url, user_id="u") as client:
            await client.upload_file(source(tmp_path))
    assert [content for _, _, _, content in files_of(server.received[0])] == [content]


@pytest.mark.parametrize(
    ("source", "reason"),
    [
        (lambda _: Changing(b"line\n" * 50, b""), "'app.log' has become shorter while it was sent: 250 bytes"),
        (lambda folder: named_pipe(folder, None), "nothing came through the pipe within 0.5 s"),
        (lambda _: Path("/dev/zero"), "is a device or socket"),
        (lambda folder: folder, "cannot be read: Is a directory"),
        (lambda _: (piece for piece in [b"a"]), "must be a path, bytes or a binary stream, not generator"),
    ],
    ids=["shrinking", "named pipe", "device", "folder", "generator"],
)
async def test_what_cannot_be_sent_whole_is_an_error(
    source: Callable[[Path], Any], reason: str, tmp_path: Path
) -> None:
    """It says what was wrong; no form is cut off in silence."""
    with canned_server([Canned(201, TAKEN)]) as server:
        async with AsyncClient("lmn_test_key", base_url=server.base_url, user_id="u", timeout=0.5) as client:
            with pytest.raises(ValidationError, match=reason):
                await client.upload_file(source(tmp_path))


async def test_a_stream_is_sent_again_after_a_redirect_only_if_it_can_be_read_again() -> None:
    """An open file goes back to where it was; a pipe is refused."""
    redirect = Canned(307, b"", {"Location": "/v2/files/upload"})
    stream = io.BytesIO(b"0123456789")
    stream.seek(4)
    with canned_server([redirect, Canned(201, TAKEN), redirect]) as server:
        async with AsyncClient("lmn_test_key", base_url=server.base_url, user_id="u") as client:
            await client.upload_file(stream, file_name="a.txt")
            with pytest.raises(TransportError, match="a stream was sent that can be read only once"):
                await client.upload_file(Pipe(b"piped"), file_name="a.txt")  # type: ignore[arg-type]
    assert [files_of(received)[0][3] for received in server.received] == [b"456789", b"456789", b"piped"]


@pytest.mark.parametrize("target", [".", "missing/a.txt", "n" * 300])
async def test_a_target_that_can_never_be_written_is_refused_first(target: str, tmp_path: Path) -> None:
    """A folder, a folder that does not exist, a name that is too long: nothing is sent."""
    with canned_server([Canned(body=b"content")]) as server:
        async with AsyncClient("lmn_test_key", base_url=server.base_url, user_id="u") as client:
            with pytest.raises(ValidationError, match="cannot be written"):
                await client.files.download_to("f-1", tmp_path / target)
    assert server.received == []
    assert list(tmp_path.iterdir()) == []


async def test_a_long_name_can_be_written(tmp_path: Path) -> None:
    """The temporary name is short, however long the other is; nothing is left behind."""
    target = tmp_path / ("n" * 255)
    with canned_server([Canned(body=b"content")]) as server:
        async with AsyncClient("lmn_test_key", base_url=server.base_url, user_id="u") as client:
            await client.files.download_to("f-1", target)
    assert [path.name for path in tmp_path.iterdir()] == [target.name]


@pytest.mark.skipif(not os.access("/dev/full", os.W_OK), reason="there is no /dev/full")
async def test_a_full_disk_is_an_error_that_names_the_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing incomplete is left behind."""
    target = tmp_path / "tides.txt"
    real = Path.open
    monkeypatch.setattr(
        Path,
        "open",
        lambda path, mode: real(Path("/dev/full") if path.suffix == ".part" else path, mode.replace("x", "w")),
    )
    with canned_server([Canned(body=b"content")]) as server:
        async with AsyncClient("lmn_test_key", base_url=server.base_url, user_id="u") as client:
            with pytest.raises(ValidationError, match=r"tides\.txt' cannot be written: No space left on device"):
                await client.files.download_to("f-1", target)
    assert list(tmp_path.iterdir()) == []
