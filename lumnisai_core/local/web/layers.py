"""ASGI layers around the application: one records requests, one carries out the plan of faults."""

from __future__ import annotations

import asyncio
import json
import socket
import struct
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import datetime
from http import HTTPStatus
from typing import Any

from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from lumnisai_core.local.web.errors import ApiError
from lumnisai_core.local.web.faults import Fault, FaultPlan, http_date
from lumnisai_core.local.web.json_text import written
from lumnisai_core.local.web.log import NOTES
from lumnisai_core.local.web.text import word_set

_CREDENTIALS = word_set(
    """authorization cookie proxy-authorization x-api-key x-sign x-test-automation-api-key x-top-access"""
)
_GARBAGE = b'\xff\xfe{"response_id": ]'
_CODES = {429: "RATE_LIMITED", 500: "INTERNAL_ERROR"}
_BODILESS = (204, 205, 304)


async def _read_whole(receive: Receive) -> bytes | None:
    """Read a request's whole body; None when the caller hung up meanwhile."""
    chunks: list[bytes] = []
    while (message := await receive())["type"] == "http.request":
        chunks.append(message.get("body", b""))
        if not message.get("more_body", False):
            return b"".join(chunks)
    return None


def _replayed(body: bytes, receive: Receive) -> Receive:
    """Return a `receive` that yields a body that was read before, then what comes after it."""
    pending: list[Message] = [{"type": "http.request", "body": body, "more_body": False}]

    async def again() -> Message:
        return pending.pop() if pending else await receive()

    return again


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
    """Records each request before it is processed."""

    def __init__(self, app: ASGIApp, record: Callable[[RecordedRequest], None]) -> None:
        self._app = app
        self._record = record

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass one request on."""
        body = await _read_whole(receive)
        if body is None:
            return
        request = Request(scope)
        headers = {name: value for name, value in request.headers.items() if name not in _CREDENTIALS}
        query, value = dict(request.query_params), None
        with suppress(ValueError):
            value = json.loads(body)
        self._record(RecordedRequest(scope["method"], scope["path"], query, headers, value, body))
        await self._app(scope, _replayed(body, receive), send)


class FaultyApp:
    """Passes requests on, and carries out the faults that are due; `connection` finds that of a client address."""

    def __init__(self, app: ASGIApp, plan: FaultPlan, connection: Callable[[Any], asyncio.Transport | None]) -> None:
        self._app = app
        self._plan = plan
        self._connection = connection
        self._stopping = asyncio.Event()

    def stop(self) -> None:
        """End all waiting."""
        self._stopping.set()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request, or fail to."""
        fault = self._plan.due(scope["method"], scope["path"]) if scope["type"] == "http" else None
        if fault is None:
            await self._app(scope, receive, send)
            return
        scope.get(NOTES, {})["fault"] = "planned"
        transport = self._connection(scope["client"])
        body = await _read_whole(receive)
        if body is None or transport is None:
            return
        await self._pause(fault.latency)
        if fault.status is not None:
            await _refusal(fault, fault.status)(scope, receive, send)
            return
        if fault.reset != "before":
            answer = await self._answer(scope, body, receive)
            if fault.duplicate:
                await self._answer(scope, body, receive)
            await self._pause(fault.stall or 0)
            if fault.truncate:
                await _send_half(answer, send)
            elif fault.garbage:
                await Response(_GARBAGE, media_type="application/json")(scope, receive, send)
            elif fault.reset is None and fault.stall is None:
                await answer(scope, receive, send)
        if fault.truncate:
            transport.close()
        elif fault.reset or fault.stall is not None:
            _reset(transport)
        await hung_up(receive)

    async def _answer(self, scope: Scope, body: bytes, receive: Receive) -> Response:
        """Let the application process a request; return its answer instead of sending it."""
        head: Message = {}
        chunks: list[bytes] = []

        async def keep(message: Message) -> None:
            if message["type"] == "http.response.start":
                head.update(message)
            else:
                chunks.append(message.get("body", b""))

        await self._app(dict(scope), _replayed(body, receive), keep)
        answer = Response(b"".join(chunks), head["status"])
        answer.raw_headers = list(head["headers"])
        return answer

    async def _pause(self, seconds: float) -> None:
        if not seconds:
            return
        with suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await self._stopping.wait()


async def hung_up(receive: Receive) -> None:
    """Wait until the server knows that the request is over; it complains about one that nobody answers."""
    while (await receive())["type"] != "http.disconnect":
        pass


async def _send_half(answer: Response, send: Send) -> None:
    """Promise more than is sent; an answer without a body gets one that never comes."""
    body = bytes(answer.body)
    kept = [header for header in answer.raw_headers if header[0].lower() != b"content-length"]
    headers = [*kept, (b"content-length", b"%d" % max(len(body), 2))]
    status = 200 if answer.status_code in _BODILESS else answer.status_code
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": body[: len(body) // 2], "more_body": True})


def _refusal(fault: Fault, status: int) -> Response:
    headers: dict[str, str] = {}
    if isinstance(fault.retry_after, datetime):
        headers = {"retry-after": http_date(fault.retry_after)}
    elif fault.retry_after is not None:
        headers = {"retry-after": f"{fault.retry_after:g}"}
    if status in _BODILESS:
        return Response(status_code=status, headers=headers)
    if isinstance(fault.body, str):
        return PlainTextResponse(fault.body, status, headers)
    body = ApiError(status, _code(status), "This fault was planned.").body if fault.body is None else fault.body
    return Response(written(body), status, headers, "application/json")


def _code(status: int) -> str:
    try:
        return _CODES.get(status) or HTTPStatus(status).name
    except ValueError:
        return f"STATUS_{status}"


def _reset(transport: asyncio.Transport) -> None:
    """Close with RST, as a service that dies does."""
    sock = transport.get_extra_info("socket")
    if sock is not None and sock.fileno() != -1:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    transport.abort()
