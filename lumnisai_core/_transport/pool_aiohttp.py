"""The asyncio transport of the extra ``aiohttp``, faster with many requests at once.

httpx searches its whole pool on every asynchronous request; aiohttp does not, which matters from some hundred requests
at once. Deadlines are those of the pool, so that aiohttp needs a limit for connecting only.
"""

from __future__ import annotations

import inspect
import os
import ssl
from collections.abc import AsyncIterable, AsyncIterator
from contextlib import suppress
from functools import lru_cache, partial
from typing import Any

import aiohttp
import httpx
from aiohttp.client_proto import ResponseHandler
from yarl import URL

from lumnisai_core._transport.content import Arriving
from lumnisai_core._transport.request import Outgoing

#: Bytes and number of header fields; what is allowed in the end is decided for all transports alike.
_HEADER_LIMITS: dict[str, Any] = {"max_line_size": 1 << 16, "max_field_size": 1 << 17, "max_headers": 1 << 13}

_SESSION_PARAMETERS = inspect.signature(aiohttp.ClientSession).parameters

#: Bytes that are read at a time from a connection that is lost.
_PIECE = 1 << 16

#: Headers that aiohttp would add to any request, and to one with a body.
_AUTO_HEADERS = frozenset({"User-Agent", "Accept"})
_AUTO_HEADERS_WITH_BODY = _AUTO_HEADERS | {"Content-Type"}


@lru_cache(maxsize=64)
def _timeout(seconds: float) -> aiohttp.ClientTimeout:
    return aiohttp.ClientTimeout(sock_connect=seconds)


class BulkTransport:
    """Sends the target byte for byte, and raises the errors of aiohttp under the names that httpx has for them.

    Args:
        context: What checks certificates.
    """

    def __init__(self, context: ssl.SSLContext) -> None:
        self._context = context
        self._session: aiohttp.ClientSession | None = None

    async def send(self, outgoing: Outgoing, content: bytes | AsyncIterable[bytes] | None, seconds: float) -> Arriving:
        """Send a request and return its answer, whose body is still to come.

        Args:
            outgoing: The request.
            content: Its body.
            seconds: Seconds that connecting may take.

        Raises:
            httpx.TransportError: The connection failed.
        """
        session = self._session = self._session or self._opened()
        unwanted = (_AUTO_HEADERS_WITH_BODY if content else _AUTO_HEADERS) - outgoing.headers.keys()
        try:
            response = await session.request(
                outgoing.method,
                URL(outgoing.target, encoded=True),
                headers=outgoing.headers,
                skip_auto_headers=unwanted or None,  # to skip none is quicker
                data=content or None,
                allow_redirects=False,
                auto_decompress=False,
                timeout=_timeout(seconds),
            )
        except (aiohttp.ClientError, ValueError) as error:
            raise true_error(error) from error
        body = _Body(response)
        return Arriving(response.status, response.raw_headers, body, body.aclose)

    def _opened(self) -> aiohttp.ClientSession:
        connector = _Connector(limit=0, ssl=self._context, keepalive_timeout=30.0)
        limits = {name: value for name, value in _HEADER_LIMITS.items() if name in _SESSION_PARAMETERS}
        session = aiohttp.ClientSession(connector=connector, cookie_jar=aiohttp.DummyCookieJar(), **limits)
        # aiohttp would silently send some requests a second time, unseen by the caller's max_retries and hooks.
        session._retry_connection = False
        return session

    async def aclose(self) -> None:
        """Close the connections."""
        if self._session is not None:
            await self._session.close()


class _Connection(ResponseHandler):
    """Reads an early answer although the server has broken off the upload, which writing may notice first."""

    def connection_lost(self, exc: BaseException | None) -> None:
        self._read_rest(exc)
        super().connection_lost(exc)

    def set_exception(self, exc: BaseException, *cause: Any) -> None:
        self._read_rest(exc)
        super().set_exception(exc, *cause)

    def _read_rest(self, error: BaseException | None) -> None:
        transport = self.transport
        if not isinstance(error, ConnectionError | aiohttp.ClientOSError) or transport is None:
            return
        if transport.get_extra_info("sslcontext") is None:  # with TLS, only the event loop could read it
            with suppress(OSError):  # there is no more
                while piece := os.read(transport.get_extra_info("socket").fileno(), _PIECE):
                    self.data_received(piece)


class _Connector(aiohttp.TCPConnector):
    """Drops what a server has not taken of an upload, for which a connection would stay open otherwise."""

    def __init__(self, **options: Any) -> None:
        super().__init__(**options)
        connection: type[ResponseHandler] = _Connection
        self._factory = partial(connection, loop=self._loop)

    def _release(self, key: Any, protocol: Any, *, should_close: bool = False) -> None:
        transport = protocol.transport
        if should_close and transport is not None and transport.get_write_buffer_size():
            transport.abort()
        super()._release(key, protocol, should_close=should_close)


class _Body(AsyncIterator[bytes]):
    """The body of an answer."""

    def __init__(self, response: aiohttp.ClientResponse) -> None:
        self._response = response

    async def __anext__(self) -> bytes:
        try:
            piece = await self._response.content.readany()
        except (aiohttp.ClientError, ValueError) as error:
            raise true_error(error) from error
        if not piece:
            raise StopAsyncIteration
        return piece

    async def aclose(self) -> None:
        """Give the connection back if the body was read to its end, and close it otherwise."""
        self._response.close()


def true_error(error: Exception) -> httpx.TransportError:
    """Return the httpx error for a failure of aiohttp."""
    text = str(error)
    match error:
        case aiohttp.ConnectionTimeoutError():
            return httpx.ConnectTimeout(text)
        case aiohttp.ServerTimeoutError():
            return httpx.ReadTimeout(text)
        case aiohttp.ClientConnectorError():
            return httpx.ConnectError(text)
        case aiohttp.ServerDisconnectedError():
            return httpx.RemoteProtocolError("Server disconnected without sending a response.")
        case aiohttp.ClientPayloadError():
            return httpx.RemoteProtocolError(text)
        case aiohttp.ClientOSError() | aiohttp.ClientConnectionError():
            return httpx.ReadError(text)
        case _:
            return httpx.RemoteProtocolError(f"{type(error).__name__}: {text}")
