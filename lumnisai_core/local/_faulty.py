"""A layer around the application that does what the plan of faults says."""

from __future__ import annotations

import asyncio
import socket
import struct
from collections.abc import Callable
from contextlib import suppress
from datetime import datetime
from http import HTTPStatus
from typing import Any

from starlette.types import ASGIApp, Receive, Scope, Send

from lumnisai_core.local._asgi import Answer, answered, hung_up, read_whole, replayed
from lumnisai_core.local._errors import ApiError
from lumnisai_core.local._wire import dumps
from lumnisai_core.local.faults import Fault, FaultPlan, http_date

_GARBAGE = b'\xff\xfe{"response_id": ]'
_CODES = {429: "RATE_LIMITED", 500: "INTERNAL_ERROR"}
_BODILESS = (204, 205, 304)


class FaultyApp:
    """Passes requests on, and lets go wrong what is due.

    Args:
        connection: finds the open connection of a client address.
    """

    def __init__(self, app: ASGIApp, plan: FaultPlan, connection: Callable[[Any], asyncio.Transport | None]) -> None:
        self._app = app
        self._plan = plan
        self._connection = connection
        self._stopping = asyncio.Event()

    def stop(self) -> None:
        """End all waiting."""
        self._stopping.set()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request, or do not."""
        fault = self._plan.due(scope["method"], scope["path"]) if scope["type"] == "http" else None
        if fault is None:
            await self._app(scope, receive, send)
            return
        transport = self._connection(scope["client"])
        body = await read_whole(receive)
        if body is None or transport is None:
            return
        await self._pause(fault.latency)
        if fault.status is not None:
            await _refusal(fault, fault.status).send(send)
            return
        if fault.reset != "before":
            answer = await answered(self._app, scope, replayed(body, receive))
            if fault.duplicate:
                await answered(self._app, scope, replayed(body, receive))
            await self._pause(fault.stall or 0)
            if fault.truncate:
                await _send_half(answer, send)
            elif fault.garbage:
                await _json(200, _GARBAGE).send(send)
            elif fault.reset is None and fault.stall is None:
                await answer.send(send)
        if fault.truncate:
            transport.close()
        elif fault.reset or fault.stall is not None:
            _reset(transport)
        await hung_up(receive)

    async def _pause(self, seconds: float) -> None:
        if not seconds:
            return
        with suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await self._stopping.wait()


def _refusal(fault: Fault, status: int) -> Answer:
    more = []
    if isinstance(fault.retry_after, datetime):
        more = [(b"retry-after", http_date(fault.retry_after).encode())]
    elif fault.retry_after is not None:
        more = [(b"retry-after", f"{fault.retry_after:g}".encode())]
    if status in _BODILESS:
        return Answer(status, more, b"")
    if isinstance(fault.body, str):
        text = fault.body.encode()
        return Answer(status, [*_headers(b"text/plain; charset=utf-8", len(text)), *more], text)
    body = fault.body
    if body is None:
        body = ApiError(status, _code(status), "This fault was asked for.").body
    return _json(status, dumps(body).encode(), *more)


def _code(status: int) -> str:
    try:
        return _CODES.get(status) or HTTPStatus(status).name
    except ValueError:
        return f"STATUS_{status}"


def _json(status: int, body: bytes, *more: tuple[bytes, bytes]) -> Answer:
    return Answer(status, [*_headers(b"application/json", len(body)), *more], body)


def _headers(media_type: bytes, length: int) -> list[tuple[bytes, bytes]]:
    return [(b"content-type", media_type), (b"content-length", str(length).encode())]


async def _send_half(answer: Answer, send: Send) -> None:
    """Promise more than is sent; an answer without a body gets one that never comes."""
    kept = [header for header in answer.headers if header[0].lower() != b"content-length"]
    headers = [*kept, (b"content-length", str(max(len(answer.body), 2)).encode())]
    status = 200 if answer.status in _BODILESS else answer.status
    await send({"type": "http.response.start", "status": status, "headers": headers})
    half = answer.body[: len(answer.body) // 2]
    await send({"type": "http.response.body", "body": half, "more_body": True})


def _reset(transport: asyncio.Transport) -> None:
    """Close with RST, as a service that dies does."""
    sock = transport.get_extra_info("socket")
    if sock is not None and sock.fileno() != -1:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    transport.abort()
