"""Sockets under the HTTP library: deadlines that no trickle stretches, and answers that come before a body is sent."""

from __future__ import annotations

import asyncio
import logging
import re
import selectors
import socket
import ssl
import time
from contextlib import suppress
from typing import Any

import httpcore

#: Bodies of this many bytes are sent in pieces, with an eye on an answer that comes early.
_LARGE = 1 << 16
_PIECE = 1 << 14


class Deadline:
    """The end of one try.

    Args:
        seconds: Seconds from now.
    """

    def __init__(self, seconds: float) -> None:
        self.seconds = seconds
        self.renew()

    def renew(self) -> None:
        """Begin anew: a piece of a stream has arrived or was sent."""
        self._ends = time.monotonic() + self.seconds

    def check(self) -> float:
        """Return the seconds that are left.

        Raises:
            TimeoutError: None are left.
        """
        left = self._ends - time.monotonic()
        if left <= 0:
            raise TimeoutError
        return left


class Limit(float):
    """Seconds for one step of a try, which its deadline shortens. For an HTTP library it is a number."""

    deadline: Deadline

    def __new__(cls, seconds: float, deadline: Deadline) -> Limit:
        limit = super().__new__(cls, seconds)
        limit.deadline = deadline
        return limit


class StreamedLimit(float):
    """Seconds for one step of an upload by the asyncio client. For an HTTP library it is a number."""


def _left(timeout: float | None) -> float | None:
    return min(timeout, timeout.deadline.check()) if isinstance(timeout, Limit) else timeout


def _checked(data: bytes, *, is_head: bool) -> bool:
    """Refuse an answer that says twice how long it is, as aiohttp does; return whether a further head may follow."""
    if is_head and data.partition(b"\r\n\r\n")[0].lower().count(b"\ncontent-length:") > 1:
        raise httpcore.RemoteProtocolError("Duplicate Content-Length")
    return is_head and data.startswith(b"HTTP/1.1 1")  # 103 Early Hints come before the answer


def _hide_cookies(record: logging.LogRecord) -> bool:
    """Redact the cookies of answers, which the library logs at DEBUG: a session is as good as a key."""
    message = record.getMessage()
    if "set-cookie" in message.lower():
        record.msg, record.args = re.sub(r"(?i)(set-cookie', b')[^']*", r"\1[redacted]", message), ()
    return True


for _protocol in ("http11", "http2"):
    logging.getLogger(f"httpcore.{_protocol}").addFilter(_hide_cookies)


class DeadlineBackend(httpcore.SyncBackend):
    """Connections of the blocking client, which obey :class:`Limit`."""

    def connect_tcp(self, host: str, port: int, timeout: float | None = None, *args: Any, **kwargs: Any) -> _Stream:
        """Connect to the first address that answers; all of them share the time."""
        try:
            addresses = [address for *_, address in socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)]
        except OSError as error:
            raise httpcore.ConnectError(str(error)) from error
        failure: Exception = httpcore.ConnectError(f"{host} has no address")
        for address in addresses:
            try:
                return _Stream(super().connect_tcp(str(address[0]), port, _left(timeout), *args, **kwargs))
            except (httpcore.ConnectError, httpcore.ConnectTimeout) as error:
                failure = error
        raise failure


class _Stream(httpcore.NetworkStream):
    """A connection of the blocking client."""

    def __init__(self, inner: httpcore.NetworkStream) -> None:
        self._inner = inner
        self._is_head = True

    def read(self, max_bytes: int, timeout: float | None = None) -> bytes:
        data = self._inner.read(max_bytes, _left(timeout))
        self._is_head = _checked(data, is_head=self._is_head)
        return data

    def write(self, buffer: bytes, timeout: float | None = None) -> None:
        self._is_head = True
        if len(buffer) < _LARGE:
            self._inner.write(buffer, _left(timeout))
            return
        sock = self._inner.get_extra_info("socket")
        with selectors.DefaultSelector() as selector:
            # TLS has messages of its own, so that data to read is not an answer yet.
            if not isinstance(sock, ssl.SSLSocket):
                selector.register(sock, selectors.EVENT_READ | selectors.EVENT_WRITE)
            for start in range(0, len(buffer), _PIECE):
                if selector.get_map():
                    events = [event for _, event in selector.select(_left(timeout))]
                    if events and not events[0] & selectors.EVENT_WRITE:
                        raise httpcore.WriteError("answered before the body was sent")
                self._inner.write(buffer[start : start + _PIECE], _left(timeout))

    def close(self) -> None:
        self._inner.close()

    def get_extra_info(self, info: str) -> Any:
        return self._inner.get_extra_info(info)

    def start_tls(
        self, ssl_context: ssl.SSLContext, server_hostname: str | None = None, timeout: float | None = None
    ) -> _Stream:
        return _Stream(self._inner.start_tls(ssl_context, server_hostname, _left(timeout)))


class EarlyAnswerBackend(httpcore.AnyIOBackend):
    """Connections of the asyncio client. Its deadlines are those of asyncio."""

    async def connect_tcp(self, *args: Any, **kwargs: Any) -> _AsyncStream:
        """Connect to a host."""
        return _AsyncStream(await super().connect_tcp(*args, **kwargs))


class _AsyncStream(httpcore.AsyncNetworkStream):
    """A connection of the asyncio client, which reads while it sends much.

    A server that refuses a body closes the connection with data unread. The reset that follows would destroy its answer
    before anybody has read it.
    """

    def __init__(self, inner: httpcore.AsyncNetworkStream) -> None:
        self._inner = inner
        self._is_head = True
        self._ahead: asyncio.Task[bytes] | None = None

    async def read(self, max_bytes: int, timeout: float | None = None) -> bytes:
        ahead, self._ahead = self._ahead, None
        if ahead is None:
            data = await self._inner.read(max_bytes, timeout)
        else:
            async with asyncio.timeout(timeout):
                data = await ahead
        self._is_head = _checked(data, is_head=self._is_head)
        return data

    async def write(self, buffer: bytes, timeout: float | None = None) -> None:
        self._is_head = True
        if len(buffer) < _LARGE and not isinstance(timeout, StreamedLimit):
            await self._inner.write(buffer, timeout)
            return
        if self._ahead is None:
            self._ahead = asyncio.ensure_future(self._inner.read(_LARGE))
        for _ in range(2):  # what has arrived is read first: an error in writing would throw it away
            await asyncio.sleep(0)
        writing = asyncio.ensure_future(self._inner.write(buffer, timeout))
        try:
            await asyncio.wait({writing, self._ahead}, return_when=asyncio.FIRST_COMPLETED)
            if not writing.done() and not self._ahead.exception():
                raise httpcore.WriteError("answered before the body was sent")
            await writing
        finally:
            writing.cancel()

    async def aclose(self) -> None:
        if self._ahead is not None:
            self._ahead.cancel()
            with suppress(Exception, asyncio.CancelledError):
                await self._ahead
        await self._inner.aclose()

    def get_extra_info(self, info: str) -> Any:
        return self._inner.get_extra_info(info)

    async def start_tls(self, *args: Any, **kwargs: Any) -> _AsyncStream:
        return _AsyncStream(await self._inner.start_tls(*args, **kwargs))
