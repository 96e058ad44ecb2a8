"""Receiving bodies: up to a size limit, multipart ones streamed to disk."""

from __future__ import annotations

import hashlib
import shutil
from collections.abc import AsyncGenerator
from pathlib import Path
from typing import BinaryIO

from starlette.datastructures import FormData
from starlette.formparsers import MultiPartException, MultiPartParser
from starlette.requests import Request

from lumnisai_core.local.web.errors import ApiError, invalid

_MAX_FILES = 100
_DRAINED = 16_000_000


async def at_most(request: Request, limit: int, drained: int = _DRAINED) -> AsyncGenerator[bytes, None]:
    """Yield a body; read up to `drained` bytes past the limit, so that the sender gets to see the refusal.

    Raises:
        ApiError: the body is larger than `limit` bytes.
    """
    size = 0
    async for chunk in request.stream():
        size += len(chunk)
        if size <= limit:
            yield chunk
        elif size > limit + drained:
            break
    if size > limit:
        raise ApiError(413, "PAYLOAD_TOO_LARGE", f"The body is larger than {limit} bytes.")


async def read_form(request: Request, limit: int) -> FormData:
    """Read a multipart body of at most `limit` bytes; large files wait in temporary ones. Close it after use.

    Raises:
        ApiError: the body is too large.
        InvalidRequest: it is not multipart.
    """
    if not request.headers.get("content-type", "").lower().startswith("multipart/form-data"):
        raise invalid("The body must be multipart/form-data.", "multipart_invalid")
    body = at_most(request, limit)
    try:
        return await MultiPartParser(request.headers, body, max_files=_MAX_FILES, max_fields=_MAX_FILES).parse()
    except MultiPartException as error:
        raise invalid(error.message, "multipart_invalid") from error


def keep(source: BinaryIO, target: Path) -> str:
    """Copy an upload to its place and return its SHA-256 digest. Blocks; call it in a thread."""
    target.parent.mkdir(parents=True, exist_ok=True)
    with target.open("wb") as file:
        shutil.copyfileobj(source, file, 1 << 20)
    with target.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
