"""A proxy on loopback that lets one thing go wrong between a client and a service."""

from __future__ import annotations

import asyncio
import gzip
import json
import re
import socket
import struct
import threading
from collections import Counter
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from email.utils import format_datetime
from types import TracebackType
from typing import Any, Self
from urllib.parse import urlsplit

from tests.faults.expectations import Fault, Kind, Lasting

LARGE = 10_000_000

_KINDS = {
    Kind.CREATE: re.compile(r"POST /v1/responses$"),
    Kind.POLL: re.compile(r"GET /v1/responses/[^/?]+(\?.*)?$"),
    Kind.LIST: re.compile(r"GET /v1/(responses|threads)(\?.*)?$"),
    Kind.UPLOAD: re.compile(r"POST /v1/files/upload$"),
}


class _CutOff(Exception):
    """The connection to the client is to be reset."""


@dataclass(frozen=True)
class Request:
    """One request as it arrived."""

    method: str
    path: str
    headers: dict[str, str]
    body: bytes

    @property
    def kind(self) -> Kind | None:
        """What it does, or None for what the tests do not disturb."""
        line = f"{self.method} {self.path}"
        return next((kind for kind, pattern in _KINDS.items() if pattern.match(line)), None)


@dataclass(frozen=True)
class Answer:
    """One answer.

    Attributes:
        missing: Bytes that are promised and never sent.
        endless: Bytes that are sent again and again instead of the body, until the client has had enough.
    """

    status: int
    body: bytes
    headers: dict[str, str] = field(default_factory=dict)
    missing: int = 0
    endless: bytes = b""

    def written(self) -> bytes:
        """Return it as it goes over the wire."""
        headers = {
            "content-type": "application/json",
            **self.headers,
            "content-length": str(len(self.body) + self.missing),
        }
        lines = [f"HTTP/1.1 {self.status} X", *(f"{name}: {value}" for name, value in headers.items())]
        return "\r\n".join(lines).encode() + b"\r\n\r\n" + self.body


@dataclass(frozen=True)
class Plan:
    """Which fault happens to which requests: to the ``nth`` of a kind, or to all of it from there."""

    fault: Fault
    kind: Kind
    lasting: Lasting = Lasting.ONCE
    nth: int = 1

    def applies(self, kind: Kind | None, count: int) -> bool:
        """Say whether it happens to this request, the ``count``-th of its kind."""
        return kind is self.kind and (count == self.nth or (self.lasting is Lasting.ALWAYS and count > self.nth))


class Proxy:
    """Forwards requests to a service and does as planned; use it with ``with``.

    Attributes:
        base_url: Where the client finds it.
        plan: What goes wrong, or None.
        received: Requests that came from the client.
        elsewhere: Requests that came to the other host of a redirect.
    """

    def __init__(self, upstream: Callable[[], str], restart: Callable[[], None] | None = None) -> None:
        self.plan: Plan | None = None
        self.received: list[Request] = []
        self.elsewhere: list[Request] = []
        self._upstream = upstream
        self._restart = restart
        self._counts: Counter[Kind | None] = Counter()
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name="faults-proxy")
        self._servers: list[asyncio.Server] = []

    def expect(self, plan: Plan | None) -> None:
        """Forget what was, and let this go wrong from now on."""
        self.plan = plan
        self._counts.clear()
        self.received.clear()
        self.elsewhere.clear()

    def __enter__(self) -> Self:
        self._thread.start()
        self.base_url = self._listen(self._disturbed)
        self._other_url = self._listen(self._other_host)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        asyncio.run_coroutine_threadsafe(self._stop(), self._loop).result()
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()

    def _listen(self, handle: Callable[[Request, asyncio.StreamReader], Awaitable[Answer]]) -> str:
        async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            try:
                while (request := await _read_request(reader)) is not None:
                    answer = await handle(request, reader)
                    if answer.endless:
                        await _write_without_end(writer, answer)
                    writer.write(answer.written())
                    await writer.drain()
                    if answer.missing:
                        raise _CutOff
            except (_CutOff, OSError):
                _reset(writer)
            except asyncio.CancelledError:
                pass  # the test is over
            finally:
                writer.close()

        async def start() -> asyncio.Server:
            return await asyncio.start_server(serve, "127.0.0.1", 0, limit=1 << 20)

        server = asyncio.run_coroutine_threadsafe(start(), self._loop).result()
        self._servers.append(server)
        return f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"

    async def _stop(self) -> None:
        for server in self._servers:
            server.close()
        others = asyncio.all_tasks() - {asyncio.current_task()}
        for task in others:
            task.cancel()
        await asyncio.gather(*others, return_exceptions=True)
        await asyncio.sleep(0)  # transports that were closed let go of their sockets

    async def _other_host(self, request: Request, reader: asyncio.StreamReader) -> Answer:
        self.elsewhere.append(request)
        return await self._forwarded(request)

    async def _disturbed(self, request: Request, reader: asyncio.StreamReader) -> Answer:
        self.received.append(request)
        self._counts[request.kind] += 1
        plan = self.plan
        if plan is None or not plan.applies(request.kind, self._counts[request.kind]):
            return await self._forwarded(request)
        match plan.fault:
            case Fault.RESET_BEFORE:
                raise _CutOff
            case Fault.BUSY_SECONDS:
                return _error(429, "RATE_LIMITED", {"retry-after": "0.05"})
            case Fault.BUSY_DATE:
                return _error(429, "RATE_LIMITED", {"retry-after": format_datetime(datetime.now(UTC), usegmt=True)})
            case Fault.ERROR_503:
                return Answer(503, b"<html><h1>Service Unavailable</h1></html>", {"content-type": "text/html"})
            case Fault.REDIRECT:
                return Answer(307, b"", {"location": self._other_url + request.path})
            case Fault.RESTART if self._restart is not None:
                if request.kind is not Kind.POLL:  # a poll would be held until the run is over
                    await self._forwarded(request)
                await asyncio.to_thread(self._restart)
                raise _CutOff
        answer = await self._forwarded(request)
        match plan.fault:
            case Fault.RESET_AFTER:
                raise _CutOff
            case Fault.ERROR_500:
                return _error(500, f"INTERNAL: {request.headers}")  # as careless services do, with the key
            case Fault.STALLED:
                await reader.read()  # until the client has had enough
                raise _CutOff
            case Fault.TRUNCATED:
                half = len(answer.body) // 2
                return replace(answer, body=answer.body[:half], missing=len(answer.body) - half)
            case Fault.TRICKLED:
                return replace(answer, endless=b" ")
            case Fault.ENDLESS:
                return replace(answer, endless=b" " * (1 << 16))
            case Fault.HEADERS:
                return replace(answer, headers={**answer.headers, "x-padding": "x" * 100_000})
            case Fault.BROKEN_GZIP:
                cut = gzip.compress(answer.body)[:-20]
                return replace(answer, body=cut, headers={**answer.headers, "content-encoding": "gzip"})
            case Fault.GARBAGE:
                return replace(answer, body=b"\xff\xfe{]" + str(request.headers).encode())
            case Fault.ODD_ENUMS | Fault.NULLS | Fault.WRONG_TYPES:
                return _rewritten(answer, lambda data: disturbed(data, plan.fault))
            case Fault.LARGE:
                return _rewritten(answer, enlarged)
        raise AssertionError(plan)

    async def _forwarded(self, request: Request) -> Answer:
        """Let the service process a request."""
        address = urlsplit(self._upstream())
        reader, writer = await asyncio.open_connection(address.hostname, address.port)
        try:
            lines = [f"{request.method} {request.path} HTTP/1.1", "connection: close"]
            lines += [f"{name}: {value}" for name, value in request.headers.items() if name != "connection"]
            writer.write("\r\n".join(lines).encode() + b"\r\n\r\n" + request.body)
            head, _, body = (await reader.read(-1)).partition(b"\r\n\r\n")
        finally:
            writer.close()
        if not head:
            raise _CutOff
        first, headers = _head(head)
        kept = {name: value for name, value in headers.items() if name in ("content-type", "x-request-id")}
        return Answer(int(first.split()[1]), body, kept)


async def _read_request(reader: asyncio.StreamReader) -> Request | None:
    """Read one request, or None when the client has closed the connection."""
    try:
        first, headers = _head((await reader.readuntil(b"\r\n\r\n"))[:-4])
        body = await reader.readexactly(int(headers.get("content-length", "0")))
    except asyncio.IncompleteReadError:
        return None
    method, path, _ = first.split()
    return Request(method, path, headers, body)


def _head(head: bytes) -> tuple[str, dict[str, str]]:
    first, *lines = head.decode("latin-1").split("\r\n")
    pairs = (line.split(":", 1) for line in lines)
    return first, {name.strip().lower(): value.strip() for name, value in pairs}


async def _write_without_end(writer: asyncio.StreamWriter, answer: Answer) -> None:
    writer.write(b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ntransfer-encoding: chunked\r\n\r\n")
    while not writer.is_closing():
        writer.write(b"%x\r\n%b\r\n" % (len(answer.endless), answer.endless))
        await writer.drain()
        await asyncio.sleep(0.01 if len(answer.endless) == 1 else 0)
    raise _CutOff


def _reset(writer: asyncio.StreamWriter) -> None:
    """Close with RST, as a service that dies does."""
    sock = writer.get_extra_info("socket")
    if sock is not None and sock.fileno() != -1:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    writer.transport.abort()


def _error(status: int, text: str, headers: dict[str, str] | None = None) -> Answer:
    body = {"error": {"code": text.partition(":")[0], "message": text}}
    return Answer(status, json.dumps(body).encode(), headers or {})


def _rewritten(answer: Answer, change: Callable[[Any], Any]) -> Answer:
    return replace(answer, body=json.dumps(change(json.loads(answer.body))).encode())


def disturbed(data: Any, fault: Fault, name: str = "") -> Any:
    """Make a JSON value odd, but leave ids and the outline of objects and lists of objects."""
    if isinstance(data, dict):
        return {key: disturbed(value, fault, key) for key, value in data.items()}
    if name == "id" or name.endswith("_id"):
        return data
    if isinstance(data, list) and data and all(isinstance(item, dict) for item in data):
        rows = [disturbed(item, fault) for item in data]
        return [*rows, 17, "odd", None] if fault is Fault.WRONG_TYPES else rows
    match fault:
        case Fault.ODD_ENUMS:
            return f"new_{data}" if name in ("status", "state", "role", "kind", "mode") else data
        case Fault.NULLS:
            return None
        case _:
            return {"odd": data} if isinstance(data, str | int | list) else ["odd"]


def enlarged(data: Any) -> Any:
    """Make a JSON object large, in the answer's text if it has one."""
    return {**data, ("output_text" if data.get("output_text") else "padding"): "x" * LARGE}
