"""From a call and a service to the HTTP request. Pure, but for fresh keys and the sizes of files."""

from __future__ import annotations

import io
import os
from collections.abc import Mapping, Sequence
from typing import Any, BinaryIO, NamedTuple
from uuid import uuid4

from lumnisai_core._transport.call import SETTING_METHODS, Call, FileContent, Form, json_bytes, query_pairs
from lumnisai_core._transport.hooks import RequestInfo
from lumnisai_core._transport.service import Service
from lumnisai_core.exceptions import ValidationError


class ExchangeFailed(Exception):
    """There is no complete answer. The text says what happened."""


class Request(NamedTuple):
    """One HTTP request, complete but for the credential.

    Attributes:
        content: The body: bytes, or pieces that are read while they are sent.
        timeout: Seconds for connecting, sending and each wait for data.
        held: Seconds the service may take on top before it answers.
        with_credential: Whether the credential goes along.
    """

    method: str
    url: str
    query: dict[str, str]
    headers: dict[str, str]
    content: bytes | Upload | None
    timeout: float
    held: float = 0.0
    with_credential: bool = True


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


def request_for(call: Call[Any], service: Service, *, timeout: float) -> Request:
    """Write a call as the request that all its tries share.

    Raises:
        ValidationError: The body cannot be written, or a file cannot be read.
    """
    headers = {**service.headers, "Accept": "application/json"}
    key = call.idempotency_key or (str(uuid4()) if call.method in SETTING_METHODS else None)
    if key is not None:
        headers["Idempotency-Key"] = key
    content: bytes | Upload | None = None
    if call.form is not None:
        boundary = uuid4().hex
        headers["Content-Type"] = f"multipart/form-data; boundary={boundary}"
        content = multipart(call.form, boundary)
    elif call.body is not None:
        headers["Content-Type"] = "application/json"
        content = json_bytes(call.body)
    return Request(
        method=call.method,
        url=service.base_url + call.path,
        query=query_pairs(call.query),
        headers=headers,
        content=content,
        timeout=timeout,
        held=call.held,
    )


def about_request(request: Request, tries: int) -> RequestInfo:
    """Describe a request for hooks. Queries are left out: those of download addresses hold signatures."""
    return RequestInfo(request.method, request.url.partition("?")[0], dict(request.headers), tries)
