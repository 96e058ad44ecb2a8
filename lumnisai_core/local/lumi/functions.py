"""Functions of the application backend, written in Python and called by any method."""

from __future__ import annotations

import asyncio
import inspect
import json
import logging
from collections.abc import AsyncIterator, Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, TypeVar

from starlette.responses import PlainTextResponse, Response, StreamingResponse

from lumnisai_core.local.web.json_text import written

_Handler = TypeVar("_Handler", bound=Callable[..., Any])
_logger = logging.getLogger("lumnisai_core.local")


@dataclass(frozen=True, slots=True)
class LumiRequest:
    """A call of a function.

    Attributes:
        method: `"GET"` and so on.
        query: Parameters of the query; of a repeated one the last.
        headers: Headers by their names in lower case, with the caller's `authorization`.
        body: The body as it came.
        user: The account of the caller's token, with the fields of the platform, such as `userId` and `email`; None
            without a valid token.
    """

    method: str
    query: Mapping[str, str]
    headers: Mapping[str, str] = field(repr=False)
    body: bytes = field(repr=False)
    user: Mapping[str, Any] | None = None

    def json(self) -> Any:
        """Return the JSON value of the body; a ValueError if it has none."""
        return json.loads(self.body)


class Functions:
    """The registered functions by name."""

    def __init__(self) -> None:
        self._known: dict[str, Callable[[LumiRequest], Any]] = {}

    def register(self, name: str) -> Callable[[_Handler], _Handler]:
        """Return a decorator that registers a function."""
        if not isinstance(name, str) or not name.strip():
            raise ValueError(f"a function's name must be a non-empty string, got {name!r}")

        def keep(handler: _Handler) -> _Handler:
            self._known[name] = handler
            return handler

        return keep

    async def call(self, name: str, request: LumiRequest) -> Response:
        """Return the reply of a function: text, bytes, a stream, or JSON; 404 without one, 500 if it fails."""
        handler = self._known.get(name)
        if handler is None:
            return _json({"message": f"There is no function {name[:100]}."}, 404)
        try:
            if inspect.iscoroutinefunction(handler):
                result = await handler(request)
            else:
                result = await asyncio.to_thread(handler, request)
            return _reply(result)
        except Exception:
            _logger.exception("The function %s failed", name)
            return _json({"message": "The function failed; the log of the service has the reason."}, 500)


def _reply(result: Any) -> Response:
    match result:
        case Response():
            return result
        case None:
            return Response(status_code=204)
        case str():
            return PlainTextResponse(result)
        case bytes():
            return Response(result, media_type="application/octet-stream")
        case AsyncIterator() | Iterator():
            return StreamingResponse(result, media_type="text/event-stream")
    return _json(result, 200)


def _json(value: Any, status: int) -> Response:
    return Response(written(value), status, media_type="application/json")
