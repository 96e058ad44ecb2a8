"""A second address without credentials that hands out files by signed links, as blob storage does."""

from __future__ import annotations

import hashlib
import hmac
import secrets
import time

from starlette.requests import Request
from starlette.responses import FileResponse, PlainTextResponse, Response
from starlette.types import Receive, Scope, Send

from lumnisai_core.local.lumnis.files.library import Library
from lumnisai_core.local.lumnis.store import FileRow, Store

_LIFETIME = 3600


class Blobs:
    """Signs links and answers them.

    Args:
        base_url: address that the links lead to.
    """

    def __init__(self, store: Store, library: Library, base_url: str) -> None:
        self._files = store.files
        self._library = library
        self._base_url = base_url
        self._secret = secrets.token_bytes(32)

    def link(self, file: FileRow) -> str:
        """Return a link to a file that works for an hour."""
        expires = str(int(time.time()) + _LIFETIME)
        return f"{self._base_url}/{file.id}?expires={expires}&signature={self._sign(file.id, expires)}"

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        if scope["type"] == "http":
            await self._answer(Request(scope, receive))(scope, receive, send)

    def _answer(self, request: Request) -> Response:
        file_id, expires = request.url.path.strip("/"), request.query_params.get("expires", "")
        signature = request.query_params.get("signature", "")
        valid = hmac.compare_digest(signature.encode(), self._sign(file_id, expires).encode())
        if request.method not in ("GET", "HEAD") or not valid or int(expires) < time.time():
            return PlainTextResponse("This link is not valid.", 403)
        file = self._files.by_id(file_id)
        if file is None or file.deleted_at is not None:
            return PlainTextResponse("The file is gone.", 404)
        return FileResponse(self._library.path(file.id), media_type=file.mime_type, filename=file.file_name)

    def _sign(self, file_id: str, expires: str) -> str:
        return hmac.new(self._secret, f"{file_id}\n{expires}".encode(), hashlib.sha256).hexdigest()
