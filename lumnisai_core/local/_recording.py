"""Requests as they arrived, for tests that look at what was sent."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from starlette.requests import Request
from starlette.types import ASGIApp, Receive, Scope, Send

from lumnisai_core.local._asgi import read_whole, replayed

_CREDENTIALS = frozenset({"authorization", "cookie", "proxy-authorization", "x-api-key"})


@dataclass(frozen=True, slots=True)
class RecordedRequest:
    """One request that came to the service, each try and each poll by itself.

    Attributes:
        method: `"POST"` and so on.
        path: Path without the query.
        query: Parameters of the query.
        headers: Headers by their names in lower case, without credentials.
        json: The body's JSON value; None if it has none.
        content: The body as it came.
    """

    method: str
    path: str
    query: Mapping[str, str] = field(default_factory=dict)
    headers: Mapping[str, str] = field(default_factory=dict)
    json: Any = None
    content: bytes = field(default=b"", repr=False)


class RecordingApp:
    """Tells of each request before it is processed."""

    def __init__(self, app: ASGIApp, record: Callable[[RecordedRequest], None]) -> None:
        self._app = app
        self._record = record

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass one request on."""
        body = await read_whole(receive)
        if body is None:
            return
        request = Request(scope)
        headers = {name: value for name, value in request.headers.items() if name not in _CREDENTIALS}
        query = dict(request.query_params)
        self._record(RecordedRequest(scope["method"], scope["path"], query, headers, _json(body), body))
        await self._app(scope, replayed(body, receive), send)


def _json(body: bytes) -> Any:
    try:
        return json.loads(body)
    except ValueError:
        return None
