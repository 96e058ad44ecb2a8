"""The faster asyncio transport of the extra ``aiohttp``, with the errors that really happened.

httpx searches its whole pool on every asynchronous request; aiohttp does not, which matters from some hundred requests
at once. The bridge between the two reports every failure of a connection as a ``ConnectTimeout``, as if nothing had
been sent. That is put right here.
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


#: What the bridge raises, and what it lets through.
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
    """Does the same for the body of an answer."""

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
    """Say in httpx's words what happened to aiohttp.

    Args:
        error: What the bridge raised, its cause being what aiohttp raised; or the latter itself.
    """
    cause = error.__cause__ or error
    said = str(cause)
    match cause:
        case aiohttp.ConnectionTimeoutError():
            return httpx.ConnectTimeout(said)
        case aiohttp.ServerTimeoutError():
            return httpx.ReadTimeout(said)
        case aiohttp.ClientConnectorError():
            return httpx.ConnectError(said)
        case aiohttp.ServerDisconnectedError():
            return httpx.RemoteProtocolError("Server disconnected without sending a response.")
        case aiohttp.ClientPayloadError():
            return httpx.RemoteProtocolError(said)
        case aiohttp.ClientOSError() | aiohttp.ClientConnectionError():
            return httpx.ReadError(said)
        case httpx.TransportError():
            return cause
        case _:
            return httpx.RemoteProtocolError(f"{type(cause).__name__}: {said}")
