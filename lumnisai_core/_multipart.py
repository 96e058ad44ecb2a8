"""Multipart forms as a sequence of pieces, files among them unread."""

from __future__ import annotations

import io
import os
from collections.abc import Mapping, Sequence
from typing import BinaryIO, NamedTuple

from lumnisai_core._call import FileContent, Form
from lumnisai_core.exceptions import ValidationError


class Upload(NamedTuple):
    """A request body that is read while it is sent.

    Attributes:
        pieces: Bytes, and files in their places.
        length: Bytes in total, or None if a stream does not tell.
    """

    pieces: Sequence[FileContent]
    length: int | None


def multipart(form: Form, boundary: str) -> Upload:
    """Lay out a form as ``multipart/form-data``.

    Args:
        form: Fields and files.
        boundary: Text that separates the parts and occurs in none of them.

    Raises:
        ValidationError: A file cannot be read.
    """
    pieces: list[FileContent] = []
    for name, value in form.fields.items():
        pieces.append(_head(boundary, {"name": name}) + value.encode() + b"\r\n")
    for file in form.files:
        pieces.append(_head(boundary, {"name": file.field, "filename": file.file_name}, file.content_type))
        pieces.append(file.content)
        pieces.append(b"\r\n")
    pieces.append(f"--{boundary}--\r\n".encode())
    sizes = [size_of(piece) for piece in pieces]
    return Upload(pieces, None if None in sizes else sum(size for size in sizes if size is not None))


def _head(boundary: str, attributes: Mapping[str, str], content_type: str | None = None) -> bytes:
    named = "".join(f'; {name}="{_escaped(value)}"' for name, value in attributes.items())
    kind = f"Content-Type: {content_type}\r\n" if content_type else ""
    return f"--{boundary}\r\nContent-Disposition: form-data{named}\r\n{kind}\r\n".encode()


def _escaped(text: str) -> str:
    # What browsers do (HTML standard, form-data encoding): only these three would end the attribute or the line.
    return text.replace('"', "%22").replace("\r", "%0D").replace("\n", "%0A")


def size_of(content: FileContent) -> int | None:
    """Return the bytes that are left to read, or None if a stream does not tell.

    Raises:
        ValidationError: There is no such file, or it is a folder, or a stream is for text.
    """
    if isinstance(content, bytes):
        return len(content)
    if isinstance(content, os.PathLike):
        try:
            with open(content, "rb") as file:  # noqa: PTH123 - any path-like object
                return os.fstat(file.fileno()).st_size
        except OSError as error:
            raise ValidationError(f"{os.fspath(content)!r} cannot be read: {error.strerror or error}") from error
    return _size_of_stream(content)


def _size_of_stream(stream: BinaryIO) -> int | None:
    if isinstance(stream, io.TextIOBase):
        raise ValidationError('A file opened for text cannot be uploaded: open it with mode "rb".')
    if not callable(getattr(stream, "read", None)):
        raise ValidationError(f"A file must be bytes, a path or a binary stream, not {type(stream).__name__}.")
    try:
        here = stream.tell()
        end = stream.seek(0, os.SEEK_END)
        stream.seek(here)
    except (AttributeError, OSError):
        return None
    return end - here
