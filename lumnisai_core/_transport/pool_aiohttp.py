"""The asyncio transport of the extra ``aiohttp``, faster with many requests at once, with truthful errors.

httpx searches its whole pool on every asynchronous request; aiohttp does not, which matters from some hundred requests
at once. The bridge between the two reports every failure of a connection as a ``ConnectTimeout``, as if nothing had
been sent; this module restores the errors.
"""

from __future__ import annotations

import ssl
from collections.abc import AsyncIterator

import aiohttp
import httpx
from httpx_aiohttp import AiohttpTransport


def bulk_transport(*, verify: bool) -> httpx.AsyncBaseTransport:
    """Return the aiohttp transport.

    Args:
        verify: Whether to check certificates.
    """
    context = httpx.create_ssl_context() if verify else False

    def session() -> aiohttp.ClientSession:
        connector = aiohttp.TCPConnector(limit=0, ssl=context, keepalive_timeout=30.0)
        made = aiohttp.ClientSession(connector=connector, cookie_jar=aiohttp.DummyCookieJar())
        # aiohttp would silently send some requests a second time, unseen by the caller's max_retries and hooks.
        made._retry_connection = False
        return made

    return _TruthfulTransport(
        AiohttpTransport(verify=context if isinstance(context, ssl.SSLContext) else False, client=session)
    )


#: Errors that the bridge raises or lets through.
_UNTRUE = (httpx.TransportError, aiohttp.ClientError, ValueError)


class _TruthfulTransport(httpx.AsyncBaseTransport):
    """Restores the errors of another transport from their causes."""

    def __init__(self, inner: httpx.AsyncBaseTransport) -> None:
        self._inner = inner

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        try:
            response = await self._inner.handle_async_request(request)
        except _UNTRUE as error:
            raise true_error(error) from error.__cause__ or error
        if isinstance(response.stream, httpx.AsyncByteStream):
            response.stream = _TruthfulStream(response.stream)
        return response

    async def aclose(self) -> None:
        await self._inner.aclose()


class _TruthfulStream(httpx.AsyncByteStream):
    """Restores the errors of an answer's body."""

    def __init__(self, inner: httpx.AsyncByteStream) -> None:
        self._inner = inner

    async def __aiter__(self) -> AsyncIterator[bytes]:
        try:
            async for chunk in self._inner:
                yield chunk
        except _UNTRUE as error:
            raise true_error(error) from error.__cause__ or error

    async def aclose(self) -> None:
        try:
            await self._inner.aclose()
        except _UNTRUE as error:
            raise true_error(error) from error.__cause__ or error


def true_error(error: BaseException) -> httpx.TransportError:
    """Return the httpx error for a failure of aiohttp.

    Args:
        error: An error of the bridge, whose cause is aiohttp's, or aiohttp's error itself.
    """
    cause = error.__cause__ or error
    text = str(cause)
    match cause:
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
        case httpx.TransportError():
            return cause
        case _:
            return httpx.RemoteProtocolError(f"{type(cause).__name__}: {text}")
