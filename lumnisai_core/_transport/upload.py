"""Uploads: forms with files, which are measured before they are sent and read while they are."""

from __future__ import annotations

import asyncio
import inspect
import io
import mimetypes
import os
import re
import select
import stat
from collections.abc import AsyncGenerator, Callable, Generator, Mapping, Sequence
from contextlib import ExitStack, suppress
from functools import cache, partial
from pathlib import Path, PurePath
from typing import BinaryIO, NamedTuple, TypeAlias

from lumnisai_core._transport.call import FileContent, Form, FormFile
from lumnisai_core.exceptions import ValidationError

#: Bytes of a file that are sent or received at a time.
CHUNK = 1 << 18

#: A file to upload: a path (also as a string), bytes, or a file opened for reading bytes.
FileInput: TypeAlias = str | os.PathLike[str] | bytes | bytearray | memoryview | BinaryIO

#: A file name and the file.
NamedFile: TypeAlias = tuple[str, FileInput]


@cache
def _media_types() -> mimetypes.MimeTypes:
    # An own instance, because the module's functions read the tables of the operating system. Making one takes longer
    # than importing most of the client.
    types = mimetypes.MimeTypes()
    types.add_type("text/markdown", ".md")
    return types


def form_file(field: str, file: FileInput | NamedFile, file_name: str | None = None) -> FormFile:
    """Describe a file to upload, without reading it. Default name: that of the path or of the opened file."""
    if isinstance(file, tuple):
        own_name, file = file
        file_name = file_name or own_name
    content = _content(file)
    name = file_name or _name_of(content)
    if not name or not name.strip():
        raise ValidationError("file_name is missing: bytes and streams without a name need one, such as report.pdf.")
    kind, encoding = _media_types().guess_type(name)
    return FormFile(field, name, content, "application/octet-stream" if kind is None or encoding else kind)


def _content(file: object) -> FileContent:
    if isinstance(file, str):
        if not file.strip():
            raise ValidationError("The path of the file is empty. Pass the content of a file as bytes.")
        return Path(file)
    if isinstance(file, bytearray | memoryview):
        return bytes(file)
    if isinstance(file, bytes | os.PathLike) or callable(getattr(file, "read", None)):
        return file  # type: ignore[return-value]  # an object with read() is taken for a binary stream
    raise ValidationError(f"A file must be a path, bytes or a binary stream, not {type(file).__name__}.")


def _name_of(content: FileContent) -> str | None:
    if isinstance(content, bytes):
        return None
    source = content if isinstance(content, os.PathLike) else getattr(content, "name", None)
    # The name of a stream on a file descriptor is a number.
    return PurePath(source).name if isinstance(source, str | os.PathLike) else None


class FilePart(NamedTuple):
    """A file of a form.

    Attributes:
        content: A path or a binary stream.
        start: Position from which a stream is read, or None if it has none, such as a pipe: it can be read only once.
        size: Bytes to send: no more and no less. None if unknown.
    """

    content: FileContent
    start: int | None = None
    size: int | None = None

    @property
    def replayable(self) -> bool:
        """Whether it can be read twice."""
        return self.size is not None if isinstance(self.content, os.PathLike) else self.start is not None

    def chunks(self, wait: float) -> Generator[bytes, None, None]:
        """Read the file.

        Args:
            wait: Seconds to wait for the bytes of a named pipe.

        Raises:
            ValidationError: It cannot be read, or ends before its size.
        """
        with ExitStack() as files:
            read = self._reader(files, wait)
            left = self.size
            while left is None or left > 0:
                chunk = self._read(read, CHUNK if left is None else min(CHUNK, left))
                if not chunk:
                    break
                left = None if left is None else left - len(chunk)
                yield chunk
            if left:
                raise ValidationError(f"{self} has become shorter while it was sent: {left} bytes are missing.")

    def _reader(self, files: ExitStack, wait: float) -> Callable[[int], bytes]:
        try:
            if isinstance(self.content, os.PathLike):
                if stat.S_ISFIFO(os.stat(self.content).st_mode):  # noqa: PTH116 - any path-like object
                    pipe = os.open(self.content, os.O_RDONLY | os.O_NONBLOCK)
                    files.callback(os.close, pipe)
                    return partial(self._read_pipe, pipe, wait)
                return files.enter_context(open(self.content, "rb")).read  # noqa: PTH123 - any path-like object
            if isinstance(self.content, bytes):
                return io.BytesIO(self.content).read
            if self.start is not None:
                self.content.seek(self.start)
        except (OSError, ValueError) as error:
            raise self._unreadable(error) from error
        return self.content.read

    def _read(self, read: Callable[[int], object], size: int) -> bytes:
        try:
            chunk = read(size)
        except ValidationError:
            raise
        except Exception as error:
            raise self._unreadable(error) from error
        if not isinstance(chunk, bytes | bytearray | memoryview):
            raise ValidationError(f"{self} must be read as bytes, not {type(chunk).__name__}.")
        return bytes(chunk[:size])

    def _read_pipe(self, pipe: int, wait: float, size: int) -> bytes:
        poll = select.poll()
        poll.register(pipe, select.POLLIN)
        if not poll.poll(wait * 1000):
            raise ValidationError(f"{self}: nothing came through the pipe within {wait:.3g} s.")
        return os.read(pipe, size)

    def _unreadable(self, error: Exception) -> ValidationError:
        return ValidationError(f"{self} cannot be read: {getattr(error, 'strerror', None) or error}")

    def __str__(self) -> str:
        if isinstance(self.content, os.PathLike):
            return repr(os.fspath(self.content))
        return f"The stream {getattr(self.content, 'name', type(self.content).__name__)!r}"


class Upload(NamedTuple):
    """A request body that is read while it is sent.

    Attributes:
        pieces: Bytes, and files in their places.
        length: Bytes in total, or None if the size of a file is unknown.
    """

    pieces: Sequence[bytes | FilePart]
    length: int | None

    @property
    def replayable(self) -> bool:
        """Whether it can be sent twice."""
        return all(isinstance(piece, bytes) or piece.replayable for piece in self.pieces)

    def chunks(self, wait: float) -> Generator[bytes, None, None]:
        """Read everything piece by piece.

        Args:
            wait: Seconds to wait for the bytes of a named pipe.

        Raises:
            ValidationError: A file cannot be read, or ends before its size.
        """
        for piece in self.pieces:
            if isinstance(piece, FilePart):
                yield from piece.chunks(wait)
            elif piece:
                yield piece

    async def async_chunks(self, wait: float, failures: list[ValidationError]) -> AsyncGenerator[bytes, None]:
        """Read everything beside the event loop; an error is added to ``failures``, because HTTP libraries hide it."""
        chunks = self.chunks(wait)
        try:
            while chunk := await asyncio.to_thread(next, chunks, b""):
                yield chunk
        except ValidationError as error:
            failures.append(error)
            raise
        finally:
            with suppress(ValueError):  # a thread still reads; the file is closed with the generator
                chunks.close()


def multipart(form: Form, boundary: str) -> Upload:
    """Lay out a form as ``multipart/form-data``.

    Args:
        form: Fields and files.
        boundary: Text that separates the parts and occurs in none of them.

    Raises:
        ValidationError: A file cannot be read, or a field cannot be written.
    """
    pieces: list[bytes | FilePart] = []
    for name, value in form.fields.items():
        pieces.append(_part_head(boundary, {"name": name}) + utf8(name, value) + b"\r\n")
    for file in form.files:
        names = {"name": file.field, "filename": _SURROGATES.sub("\ufffd", _without_escapes(file.file_name))}
        pieces.append(_part_head(boundary, names, file.content_type))
        pieces.append(file.content if isinstance(file.content, bytes) else measured(file.content))
        pieces.append(b"\r\n")
    pieces.append(f"--{boundary}--\r\n".encode())
    sizes = [len(piece) if isinstance(piece, bytes) else piece.size for piece in pieces]
    return Upload(pieces, None if None in sizes else sum(size for size in sizes if size is not None))


def utf8(name: str, value: str) -> bytes:
    """Encode the value of a field.

    Raises:
        ValidationError: It contains half of a surrogate pair.
    """
    try:
        return value.encode()
    except UnicodeEncodeError as error:
        raise ValidationError(f"{name} must be valid Unicode, not {value!r}: {error.reason}.") from error


def _part_head(boundary: str, attributes: Mapping[str, str], content_type: str | None = None) -> bytes:
    named = "".join(f'; {name}="{_CONTROLS.sub(_percent, value)}"' for name, value in attributes.items())
    kind = f"Content-Type: {content_type}\r\n" if content_type else ""
    return utf8("The form", f"--{boundary}\r\nContent-Disposition: form-data{named}\r\n{kind}\r\n")


#: What would end the attribute or the line, written as browsers do (HTML standard, form-data encoding).
_CONTROLS = re.compile(r'["\x00-\x1f\x7f]')
_SURROGATES = re.compile("[\ud800-\udfff]")


def _percent(match: re.Match[str]) -> str:
    return f"%{ord(match[0]):02X}"


def _without_escapes(name: str) -> str:
    """Return the name of a file with its undecodable bytes read anew, as far as they are UTF-8."""
    try:
        return name.encode("utf-8", "surrogateescape").decode("utf-8", "replace")
    except UnicodeEncodeError:
        return name


def measured(content: FileContent) -> FilePart:
    """Describe a file to send, with its size if it is certain.

    Raises:
        ValidationError: It does not exist or cannot be read, is a folder or device, or a stream is open for text.
    """
    if not isinstance(content, os.PathLike):
        return _measured_stream(content)
    try:
        status = os.stat(content)  # noqa: PTH116 - any path-like object
        if stat.S_ISFIFO(status.st_mode):
            return FilePart(content)  # opening it here would take it from its writer
        if not stat.S_ISREG(status.st_mode) and not stat.S_ISDIR(status.st_mode):
            raise ValidationError(
                f"{os.fspath(content)!r} is a device or socket, not a file: pass its content as bytes."
            )
        with open(content, "rb") as file:  # noqa: PTH123 - any path-like object
            size: int | None = os.fstat(file.fileno()).st_size
            # Files of /proc and /sys have content but no blocks, and no true size.
            if not getattr(status, "st_blocks", 1) and file.read(1):
                size = None
    except (OSError, ValueError) as error:
        if isinstance(error, ValidationError):
            raise
        raise ValidationError(
            f"{os.fspath(content)!r} cannot be read: {getattr(error, 'strerror', None) or error}"
        ) from error
    return FilePart(content, size=size)


def _measured_stream(stream: bytes | BinaryIO) -> FilePart:
    if isinstance(stream, io.TextIOBase):
        raise ValidationError('A file opened for text cannot be uploaded: open it with mode "rb".')
    read = getattr(stream, "read", None)
    if isinstance(stream, bytes) or not callable(read) or inspect.iscoroutinefunction(read):
        raise ValidationError(f"A file must be bytes, a path or a binary stream, not {type(stream).__name__}.")
    try:
        here = stream.tell()
        end = stream.seek(0, os.SEEK_END)
        stream.seek(here)
    except (AttributeError, OSError):
        return FilePart(stream)
    except ValueError as error:
        raise ValidationError(f"{FilePart(stream)} cannot be read: {error}") from error
    return FilePart(stream, here, max(0, end - here))
