"""Receiving a multipart body: to disk as it comes, with an end to how much is taken."""

from __future__ import annotations

import hashlib
import shutil
from collections.abc import AsyncGenerator
from pathlib import Path
from typing import BinaryIO

from starlette.datastructures import FormData
from starlette.formparsers import MultiPartException, MultiPartParser
from starlette.requests import Request

from lumnisai_core.local.web.errors import ApiError, InvalidRequest

_MAX_FILES = 100
_DRAINED = 16_000_000


async def read_form(request: Request, limit: int) -> FormData:
    """Read a multipart body of at most `limit` bytes; what is large waits in temporary files. Close it after use.

    Raises:
        ApiError: the body is too large.
        InvalidRequest: it is not multipart.
    """
    if not request.headers.get("content-type", "").lower().startswith("multipart/form-data"):
        raise _invalid("The body must be multipart/form-data.")
    body = _at_most(request, limit)
    try:
        return await MultiPartParser(request.headers, body, max_files=_MAX_FILES, max_fields=_MAX_FILES).parse()
    except MultiPartException as error:
        raise _invalid(error.message) from error


async def _at_most(request: Request, limit: int) -> AsyncGenerator[bytes, None]:
    """Yield the body; read a while past the limit so that the sender gets to see the refusal."""
    size = 0
    async for chunk in request.stream():
        size += len(chunk)
        if size <= limit:
            yield chunk
        elif size > limit + _DRAINED:
            break
    if size > limit:
        raise ApiError(413, "PAYLOAD_TOO_LARGE", f"The upload is larger than {limit} bytes.")


def keep(source: BinaryIO, target: Path) -> str:
    """Copy an upload to its place; return a digest of it. For use in a thread."""
    target.parent.mkdir(parents=True, exist_ok=True)
    with target.open("wb") as file:
        shutil.copyfileobj(source, file, 1 << 20)
    with target.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _invalid(message: str) -> InvalidRequest:
    return InvalidRequest([{"loc": ["body"], "msg": message, "type": "multipart_invalid"}])
