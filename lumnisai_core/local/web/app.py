"""The web application: requests checked against their routes, credentials, request ids, error bodies."""

from __future__ import annotations

import logging
from collections.abc import AsyncGenerator, Callable, Iterable, Mapping
from typing import Any

from starlette.datastructures import FormData
from starlette.formparsers import MultiPartException, MultiPartParser
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response
from starlette.types import ASGIApp, Receive, Scope, Send

from lumnisai_core.local.web.errors import ApiError, invalid
from lumnisai_core.local.web.ids import new_id
from lumnisai_core.local.web.json_text import read_json, written
from lumnisai_core.local.web.log import NOTES
from lumnisai_core.local.web.routes import Once, Route, Router
from lumnisai_core.local.web.shapes import read
from lumnisai_core.local.web.work import OutOfTime

_DRAIN_FACTOR = 8
_DRAINED = 16_000_000
_MAX_FILES = 100
_logger = logging.getLogger("lumnisai_core.local")


class Call:
    """One request on its way to an endpoint: the parameters of its path, and its body once read, also as JSON value."""

    def __init__(self, request: Request, path: Mapping[str, str]) -> None:
        self.request = request
        self.path = path
        self.raw = b""
        self.data: Any = None

    def named_user(self) -> str | None:
        """Return the user that the request names, for the log."""
        body = self.data if isinstance(self.data, dict) else {}
        named = (place.get("user_id") for place in (self.request.query_params, body, self.path))
        return next((user for user in named if isinstance(user, str) and user), None)

    def check(self) -> None:
        """Refuse the request for what its platform demands of it; called when path, query and body have been read."""

    async def content(self, limit: int) -> bytes:
        """Read a body of at most `limit` bytes as it came."""
        return b"".join([chunk async for chunk in _at_most(self.request, limit, (_DRAIN_FACTOR - 1) * limit)])

    async def form(self, limit: int) -> FormData:
        """Read a multipart body of at most `limit` bytes; large files wait in temporary ones. Close it after use."""
        headers = self.request.headers
        if not headers.get("content-type", "").lower().startswith("multipart/form-data"):
            raise invalid("The body must be multipart/form-data.", "multipart_invalid")
        body = _at_most(self.request, limit, _DRAINED)
        try:
            return await MultiPartParser(headers, body, max_files=_MAX_FILES, max_fields=_MAX_FILES).parse()
        except MultiPartException as error:
            raise invalid(error.message, "multipart_invalid") from error


class App:
    """The ASGI application.

    Args:
        routes: the routes of all paths.
        open_call: makes the call of a request: from the request, its path and the key it came with, None for a route
            that needs no key. It raises `ApiError` for a key that is not valid.
        max_body: largest JSON body, in bytes.
        clamp: lower a `limit` or `page_size` above its maximum instead of refusing it.
        body_of: the body of a refusal.
        status_of: the HTTP status of a refusal.
    """

    def __init__(
        self,
        routes: Iterable[Route],
        open_call: Callable[[Request, Mapping[str, str], str | None], Call],
        *,
        max_body: int,
        clamp: bool = False,
        body_of: Callable[[ApiError], object] = lambda error: error.body,
        status_of: Callable[[ApiError], int] = lambda error: error.status,
    ) -> None:
        self._router = Router(routes)
        self._open_call = open_call
        self._max_body = max_body
        self._clamp = clamp
        self._body_of = body_of
        self._status_of = status_of

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        if scope["type"] != "http":
            return
        request = Request(scope, receive)
        request_id = _request_id(request)
        try:
            reply = await self._answer(request)
        except ApiError as error:
            reply = self._refusal(error)
        except ClientDisconnect:
            return
        except OutOfTime as error:
            reply = self._refusal(ApiError(400, "TOO_LARGE", f"The request was ended, because {error}."))
        except Exception:
            _logger.exception("Request %s failed", request_id)
            text = "The service failed to answer; its log has the reason."
            reply = self._refusal(ApiError(500, "INTERNAL_ERROR", text, request_id=request_id))
        reply.headers["x-request-id"] = request_id
        await reply(scope, receive, send)

    async def _answer(self, request: Request) -> Response:
        found = self._router.find(request.scope["path"])
        if found is None:
            raise ApiError(404, "NOT_FOUND", f"There is nothing at {request.url.path[:200]}.")
        routes, values = found
        route = routes.get("GET" if request.method == "HEAD" else request.method)
        if route is None:
            allowed = ", ".join(routes)
            text = f"{request.method} is not possible here; try {allowed}."
            return self._refusal(ApiError(405, "METHOD_NOT_ALLOWED", text), {"allow": allowed})
        notes: dict[str, str] = request.scope.setdefault(NOTES, {})
        notes["route"] = f"{route.method} {route.path}"
        path = dict(zip(route.parameters, values, strict=True))
        call = self._open_call(request, path, None if route.public else _credential(request))
        arguments: dict[str, Any] = {}
        for name in route.parts:
            arguments |= route.arguments(name, await self._part(name, call, route))
        call.check()
        notes["user"] = call.named_user() or ""
        return _reply(await route.endpoint(call, **arguments), route.status)

    async def _part(self, name: str, call: Call, route: Route) -> Any:
        """Read and check the path, the query or the body."""
        shape = route.parts[name]
        if name == "path":
            return read(shape, call.path, "path")
        if name == "query":
            return read(shape, dict(call.request.query_params), "query", clamp=self._clamp)
        call.raw = await call.content(self._max_body)
        call.data = read_json(call.raw) if call.raw or not route.optional else None
        if route.optional and call.data is None:
            call.data = {}
        return read(shape, call.data, "body", clamp=self._clamp)

    def _refusal(self, error: ApiError, headers: Mapping[str, str] | None = None) -> Response:
        closing = {"connection": "close"} if error.status in (408, 413) else {}
        return _json(written(self._body_of(error)), self._status_of(error), {**closing, **(headers or {})})


class Mounts:
    """Applications by the first segment of their paths.

    Args:
        root: answers all other paths.
        mounted: the applications; each sees whole paths.
    """

    def __init__(self, root: ASGIApp, mounted: Mapping[str, ASGIApp]) -> None:
        self._root = root
        self._mounted = mounted

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        first = scope.get("path", "").lstrip("/").partition("/")[0]
        await self._mounted.get(first, self._root)(scope, receive, send)


async def _at_most(request: Request, limit: int, drained: int) -> AsyncGenerator[bytes, None]:
    """Yield a body; read up to `drained` bytes past the limit, so that the sender gets to see the refusal."""
    size = 0
    async for chunk in request.stream():
        size += len(chunk)
        if size <= limit:
            yield chunk
        elif size > limit + drained:
            break
    if size > limit:
        raise ApiError(413, "PAYLOAD_TOO_LARGE", f"The body is larger than {limit} bytes.")


def _reply(returned: object, status: int) -> Response:
    if isinstance(returned, Response):
        return returned
    if isinstance(returned, Once):
        return _json(returned.text, 201 if returned.is_new else 200)
    return Response(status_code=204) if returned is None else _json(written(returned), status)


def _json(text: str, status: int, headers: Mapping[str, str] | None = None) -> Response:
    return Response(text, status, headers, "application/json")


def _credential(request: Request) -> str:
    scheme, _, token = request.headers.get("authorization", "").partition(" ")
    if scheme.lower() == "bearer" and token.strip():
        return token.strip()
    return request.headers.get("x-api-key", "").strip()


def _request_id(request: Request) -> str:
    """Return the caller's request id if it can be a header and a line of a log, else a new one."""
    sent = request.headers.get("x-request-id", "")
    return sent if 0 < len(sent) <= 128 and sent.isascii() and sent.isprintable() else new_id()
