"""The web application: a table of routes, credentials, request ids, error bodies."""

from __future__ import annotations

import hashlib
import logging
from collections.abc import Awaitable, Callable, Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar

from pydantic import BaseModel
from starlette.datastructures import FormData
from starlette.requests import ClientDisconnect, Request
from starlette.responses import FileResponse, Response
from starlette.routing import Route, Router
from starlette.types import Receive, Scope, Send

from lumnisai_core.local.lumnis.files.blobs import Blobs
from lumnisai_core.local.lumnis.files.library import Library
from lumnisai_core.local.lumnis.replies import ArtifactShape, dumps, run_json
from lumnisai_core.local.lumnis.runs import Runs
from lumnisai_core.local.lumnis.store import RunRow, Store, TenantRow
from lumnisai_core.local.web.errors import ApiError
from lumnisai_core.local.web.faults import FaultPlan
from lumnisai_core.local.web.ids import is_past, new_id, now, user_id_of
from lumnisai_core.local.web.shapes import read, read_json
from lumnisai_core.local.web.uploads import read_form

_Model = TypeVar("_Model", bound=BaseModel)
_DRAIN_FACTOR = 8
_logger = logging.getLogger("lumnisai.local")


@dataclass(frozen=True, slots=True)
class Reply:
    """An answer: a status and a text, or a file, or no body."""

    status: int = 200
    body: str | None = None
    headers: Mapping[str, str] = field(default_factory=dict)
    media_type: str = "application/json"
    file: Path | None = None
    file_name: str | None = None


@dataclass(frozen=True, slots=True)
class Service:
    """What endpoints work with; `owner` is the tenant of the service's own key."""

    store: Store
    runs: Runs
    library: Library
    blobs: Blobs | None
    keys: dict[str, TenantRow]
    max_wait: float
    max_body: int
    max_file: int
    faults: FaultPlan = field(default_factory=lambda: FaultPlan(()))
    owner: str = ""
    clamp: bool = False
    artifact_shape: ArtifactShape = "parts"
    key_expiry: dict[str, str] = field(default_factory=dict)

    def admit(self, key: str, tenant: str | None = None, expires_at: str | None = None) -> TenantRow:
        """Let a key in, to a tenant by name or, on first sight, to one of its own. Only its hash is kept."""
        hashed = hash_key(key)
        self.keys[hashed] = self.store.tenant(hashed, tenant)
        self.key_expiry.pop(hashed, None)
        if expires_at is not None:
            self.key_expiry[hashed] = expires_at
        return self.keys[hashed]

    def tenant_of(self, key: str) -> TenantRow | None:
        """Return the tenant of a key; None if it is not known, or was good only until a moment that has passed."""
        hashed = hash_key(key)
        expires_at = self.key_expiry.get(hashed)
        return None if expires_at is not None and is_past(expires_at, now()) else self.keys.get(hashed)


class Call:
    """One request on its way to an endpoint."""

    def __init__(self, service: Service, request: Request, tenant: TenantRow) -> None:
        self.service = service
        self.store = service.store
        self.runs = service.runs
        self.library = service.library
        self.tenant = tenant
        self.path: Mapping[str, str] = request.path_params
        self._request = request
        self._data: Any = None

    async def body(self, model: type[_Model], *, optional: bool = False) -> _Model:
        """Read and check the body; an optional one may be missing or null."""
        raw = await _read_body(self._request, self.service.max_body)
        self._data = read_json(raw) if raw or not optional else {}
        if optional and self._data is None:
            self._data = {}
        return read(model, self._data, "body", clamp=self.service.clamp)

    @property
    def base_url(self) -> str:
        """The address of this service as the caller knows it."""
        return str(self._request.base_url).rstrip("/")

    async def form(self, limit: int) -> FormData:
        """Read a multipart body of at most `limit` bytes; close it after use."""
        return await read_form(self._request, limit)

    def segment(self, model: type[_Model]) -> _Model:
        """Read and check the path."""
        return read(model, dict(self.path), "path")

    def query(self, model: type[_Model]) -> _Model:
        """Read and check the query."""
        return read(model, dict(self._request.query_params), "query", clamp=self.service.clamp)

    def user_id(self, name: str) -> str:
        """Return the stable id of a user named in any form."""
        return user_id_of(self.tenant.id, name)

    def user(self, name: str | None) -> str | None:
        """Return the stable id of the user, if one is named."""
        return None if name is None else self.user_id(name)

    def shown(self, run: RunRow) -> str:
        """Return a run as this service shows it."""
        return run_json(run, self.service.artifact_shape)

    def fresh_tenant(self) -> TenantRow:
        """Return the tenant as it is stored now."""
        return self.store.tenant_now(self.tenant)

    def once(self, make: Callable[[], str], *, about: Any = None) -> Reply:
        """Make something new, or replay the reply if the request's idempotency key was used for it before.

        Requests are the same if their bodies are, or what they are `about`.
        """
        data = self._data if about is None else about
        key = self._request.headers.get("idempotency-key", "").strip()
        with self.store.transaction():
            if not key:
                return Reply(201, make())
            print_ = hashlib.sha256(f"{self._request.url.path}\n{_canonical(data)}".encode()).hexdigest()
            earlier = self.store.remembered(self.tenant.id, key)
            if earlier is None:
                reply = make()
                self.store.remember(self.tenant.id, key, print_, reply)
                return Reply(201, reply)
        if earlier[0] != print_:
            message = "This idempotency key was used for a different request."
            raise ApiError(409, "IDEMPOTENCY_KEY_REUSED", message)
        return Reply(200, earlier[1])


Endpoint = Callable[[Call], Awaitable[Reply]]
RouteLine = tuple[str, str, Endpoint]


class App:
    """The ASGI application.

    Args:
        routes: lines of method, path and endpoint; literal paths stand before `{parameters}`.
        public: paths that need no key.
    """

    def __init__(self, service: Service, routes: Iterable[RouteLine], public: frozenset[str]) -> None:
        self._service = service
        paths: dict[str, dict[str, Endpoint]] = {}
        for method, path, endpoint in routes:
            paths.setdefault(path, {})[method] = endpoint
        table = [Route(path, _Resource(service, methods, public=path in public)) for path, methods in paths.items()]
        self._router = Router(table, redirect_slashes=False, default=_unknown)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        if scope["type"] == "http":
            await self._router(scope, receive, send)


class _Resource:
    """One path with the endpoints of its methods."""

    def __init__(self, service: Service, methods: Mapping[str, Endpoint], *, public: bool) -> None:
        self._service = service
        self._methods = methods
        self._public = public

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        request = Request(scope, receive)
        request_id = _request_id(request)
        try:
            reply = await self._answer(request)
        except ApiError as error:
            reply = _refusal(error)
        except ClientDisconnect:
            return
        except Exception:
            _logger.exception("Request %s failed", request_id)
            text = "The service failed to answer; its log has the reason."
            reply = _refusal(ApiError(500, "INTERNAL_ERROR", text, request_id=request_id))
        await _respond(reply, request_id)(scope, receive, send)

    async def _answer(self, request: Request) -> Reply:
        endpoint = self._methods.get("GET" if request.method == "HEAD" else request.method)
        if endpoint is None:
            text = f"{request.method} is not possible here; try {', '.join(self._methods)}."
            return _refusal(ApiError(405, "METHOD_NOT_ALLOWED", text), {"allow": ", ".join(self._methods)})
        tenant = None if self._public else self._service.tenant_of(_credential(request))
        if tenant is None:
            if not self._public:
                raise ApiError(401, "INVALID_API_KEY", "The API key is missing or not valid.")
            tenant = TenantRow("", "", "")
        return await endpoint(Call(self._service, request, tenant))


def hash_key(key: str) -> str:
    """Return the form of a key that may be stored."""
    return hashlib.sha256(key.encode()).hexdigest()


async def _unknown(scope: Scope, receive: Receive, send: Send) -> None:
    request = Request(scope, receive)
    reply = _refusal(ApiError(404, "NOT_FOUND", f"There is nothing at {request.url.path[:200]}."))
    await _respond(reply, _request_id(request))(scope, receive, send)


def _credential(request: Request) -> str:
    scheme, _, token = request.headers.get("authorization", "").partition(" ")
    if scheme.lower() == "bearer" and token.strip():
        return token.strip()
    return request.headers.get("x-api-key", "").strip()


def _request_id(request: Request) -> str:
    given = request.headers.get("x-request-id", "")
    return given if 0 < len(given) <= 128 and given.isascii() and given.isprintable() else new_id()


def _refusal(error: ApiError, headers: Mapping[str, str] | None = None) -> Reply:
    closing = {"connection": "close"} if error.status == 413 else {}
    return Reply(error.status, dumps(error.body), {**closing, **(headers or {})})


def _respond(reply: Reply, request_id: str) -> Response:
    headers = {**reply.headers, "x-request-id": request_id}
    if reply.file is not None:
        headers["x-content-type-options"] = "nosniff"
        return FileResponse(reply.file, reply.status, headers, reply.media_type, filename=reply.file_name)
    if reply.body is None:
        return Response(status_code=reply.status, headers=headers)
    return Response(reply.body, reply.status, headers, reply.media_type)


async def _read_body(request: Request, limit: int) -> bytes:
    """Read a body of at most `limit` bytes; read a while past it so that the sender gets to see the refusal."""
    chunks: list[bytes] = []
    size = 0
    async for chunk in request.stream():
        size += len(chunk)
        if size <= limit:
            chunks.append(chunk)
        elif size > limit * _DRAIN_FACTOR:
            break
    if size > limit:
        raise ApiError(413, "PAYLOAD_TOO_LARGE", f"The body is larger than {limit} bytes.")
    return b"".join(chunks)


def _canonical(data: Any) -> str:
    return dumps(_sorted(data))


def _sorted(data: Any) -> Any:
    if isinstance(data, dict):
        return {name: _sorted(data[name]) for name in sorted(data)}
    return [_sorted(item) for item in data] if isinstance(data, list) else data
