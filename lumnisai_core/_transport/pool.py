"""Pools that exchange one request for one answer. Only this file and ``_aiohttp`` name an HTTP library."""

from __future__ import annotations

import asyncio
import threading
import weakref
from collections.abc import AsyncGenerator, AsyncIterable, AsyncIterator, Iterable, Iterator, Sequence
from contextlib import ExitStack, aclosing, closing, suppress
from functools import lru_cache
from importlib.util import find_spec
from os import PathLike
from typing import BinaryIO, NamedTuple
from urllib.parse import quote, urlencode, urlsplit
from urllib.request import getproxies, proxy_bypass

import httpx

from lumnisai_core._transport.answer import Answer
from lumnisai_core._transport.call import FileContent
from lumnisai_core._transport.download import Sink
from lumnisai_core._transport.request import ExchangeFailed, Request, Upload
from lumnisai_core._transport.service import Service
from lumnisai_core._transport.waiting import last_things_done
from lumnisai_core.exceptions import ConfigurationError

# httpx reports a client that was closed, or whose event loop was, as a RuntimeError.
_FAILURES = (httpx.HTTPError, httpx.InvalidURL, httpx.StreamError, RuntimeError)

AsyncHTTPClient = httpx.AsyncClient
HTTPClient = httpx.Client

#: Whether the extra ``aiohttp`` is installed.
BULK_AVAILABLE = find_spec("httpx_aiohttp") is not None

#: Bytes of a file that are sent or received at a time.
_CHUNK = 1 << 18

_LIMITS = httpx.Limits(max_connections=None, max_keepalive_connections=100, keepalive_expiry=30.0)


class Pool:
    """Connections of a blocking client, made when first needed and shared by threads.

    Args:
        service: Whom to talk to.
        client: The caller's own ``httpx.Client``, which is used as it is and never closed.
    """

    def __init__(self, service: Service, client: httpx.Client | None = None) -> None:
        if client is not None and not isinstance(client, httpx.Client):
            raise ConfigurationError(f"http_client must be an httpx.Client, not {type(client).__name__}.")
        self._service = service
        self._given = client
        self._own: httpx.BaseTransport | None = None
        self._lock = threading.Lock()

    def exchange(self, request: Request, sink: Sink | None = None) -> Answer:
        """Send one request and read the whole answer.

        Args:
            request: What to send.
            sink: Takes the body of a good answer, which is then empty in the result.

        Raises:
            ExchangeFailed: The connection failed, time ran out, or the answer broke off.
        """
        try:
            with ExitStack() as files:
                content = _readable(request.content, files)
                response = self._response(_built(self._service, request, content))
            with closing(response):
                if sink is None or not response.is_success:
                    return Answer(response.status_code, response.headers, response.read())
                sink.start()
                for chunk in response.iter_bytes(_CHUNK):
                    sink.write(chunk)
                return Answer(response.status_code, response.headers)
        except _FAILURES as error:
            raise _failed(request, error) from error

    def _response(self, built: httpx.Request) -> httpx.Response:
        if self._given is not None:
            _as_client_would(self._given, built)
            return self._given.send(built, auth=None, follow_redirects=False, stream=True)
        # Redirects, retries and credentials are ours, and cookies nobody wants: the transport is all that is needed.
        response = self._transport().handle_request(built)
        response.request = built
        return response

    def _transport(self) -> httpx.BaseTransport:
        with self._lock:
            if self._own is None:
                service = self._service
                self._own = httpx.HTTPTransport(verify=not service.is_local, limits=_LIMITS, proxy=proxy_for(service))
                # Documented use never closes the client; its sockets must not be left to the collector.
                weakref.finalize(self, self._own.close)
            return self._own

    def close(self) -> None:
        """Close the connections; a later request opens new ones."""
        with self._lock:
            own, self._own = self._own, None
        if own is not None:
            own.close()


class AsyncPool:
    """Connections of an asyncio client, one set for each event loop, closed together with their loop.

    Args:
        service: Whom to talk to.
        client: The caller's own ``httpx.AsyncClient``, which is used as it is and never closed.
    """

    def __init__(self, service: Service, client: httpx.AsyncClient | None = None) -> None:
        if client is not None and not isinstance(client, httpx.AsyncClient):
            raise ConfigurationError(f"http_client must be an httpx.AsyncClient, not {type(client).__name__}.")
        self._service = service
        self._given = client
        self._own: weakref.WeakKeyDictionary[asyncio.AbstractEventLoop, _LoopTransport] = weakref.WeakKeyDictionary()
        self._lock = threading.Lock()

    async def exchange(self, request: Request, sink: Sink | None = None) -> Answer:
        """Send one request and read the whole answer.

        Args:
            request: What to send.
            sink: Takes the body of a good answer, which is then empty in the result.

        Raises:
            ExchangeFailed: The connection failed, time ran out, or the answer broke off.
        """
        try:
            with ExitStack() as files:
                content = await _async_readable(request.content, files)
                response = await self._response(_built(self._service, request, content))
            async with aclosing(response):
                if sink is None or not response.is_success:
                    return Answer(response.status_code, response.headers, await response.aread())
                await asyncio.to_thread(sink.start)
                async for chunk in response.aiter_bytes(_CHUNK):
                    await asyncio.to_thread(sink.write, chunk)
                return Answer(response.status_code, response.headers)
        except _FAILURES as error:
            raise _failed(request, error) from error

    async def _response(self, built: httpx.Request) -> httpx.Response:
        if self._given is not None:
            _as_client_would(self._given, built)
            return await self._given.send(built, auth=None, follow_redirects=False, stream=True)
        response = await (await self._transport()).handle_async_request(built)
        response.request = built
        return response

    async def _transport(self) -> httpx.AsyncBaseTransport:
        loop = asyncio.get_running_loop()
        with self._lock:
            held = self._own.get(loop)
            if held is None:
                held = self._own[loop] = _LoopTransport(self._new_transport())
        await held.started()
        return held.transport

    def _new_transport(self) -> httpx.AsyncBaseTransport:
        verify, proxy = not self._service.is_local, proxy_for(self._service)
        if BULK_AVAILABLE and proxy is None:
            # Imported here, because it takes longer than all the rest and blocking programs never need it.
            from lumnisai_core._transport.pool_aiohttp import bulk_transport

            return bulk_transport(verify=verify)
        return httpx.AsyncHTTPTransport(verify=verify, limits=_LIMITS, proxy=proxy)

    async def close(self) -> None:
        """Close the connections of the running loop; a later request opens new ones."""
        with self._lock:
            held = self._own.pop(asyncio.get_running_loop(), None)
        if held is not None:
            await held.close()


class _LoopTransport:
    """A transport that closes with its event loop, or when nobody has it any more, whatever comes first.

    ``asyncio.run`` closes suspended asynchronous generators before it closes the loop, so one that waits
    in front of ``aclose`` is all it takes.
    """

    def __init__(self, transport: httpx.AsyncBaseTransport) -> None:
        self.transport = transport
        self._closing = _Closing(transport)
        self._guard = _closing_with_loop(self._closing)
        self._started = False

    async def started(self) -> None:
        """Put the guard in its place, once."""
        if not self._started:
            self._started = True
            forgotten = weakref.finalize(self, _close_soon, asyncio.get_running_loop(), self._guard, self._closing)
            forgotten.atexit = False
            await anext(self._guard)

    async def close(self) -> None:
        """Close now."""
        await self._guard.aclose()
        await self._closing.done()


class _Closing:
    """Closes a transport once; whoever asks meanwhile waits until it is closed."""

    def __init__(self, transport: httpx.AsyncBaseTransport) -> None:
        self._transport = transport
        self._lock = asyncio.Lock()
        self._is_done = False

    async def done(self) -> None:
        async with self._lock:
            if not self._is_done:
                await last_things_done()
                await self._transport.aclose()
                self._is_done = True
        _forgotten.pop(self, None)


class _Forgotten(NamedTuple):
    loop: asyncio.AbstractEventLoop
    guard: AsyncGenerator[None, None]
    task: asyncio.Task[None] | None = None


#: What is to be closed because nobody has it any more. ``asyncio.run`` cancels all tasks at its end, so the task may
#: not get to it; the guard, alive because it is here, then does.
_forgotten: dict[_Closing, _Forgotten] = {}


async def _closing_with_loop(closing: _Closing) -> AsyncGenerator[None, None]:
    try:
        yield
    finally:
        await closing.done()


def _close_soon(loop: asyncio.AbstractEventLoop, guard: AsyncGenerator[None, None], closing: _Closing) -> None:
    def begin() -> None:
        _forgotten[closing] = _Forgotten(loop, guard, loop.create_task(closing.done()))

    for left in [known for known, about in list(_forgotten.items()) if about.loop.is_closed()]:
        _forgotten.pop(left, None)
    with suppress(RuntimeError):  # the loop is closed, and the guard has done its work
        loop.call_soon_threadsafe(begin)
        _forgotten[closing] = _Forgotten(loop, guard)


def proxy_for(service: Service) -> str | None:
    """Return the proxy that the environment names for a service, or None; this machine is never behind one."""
    host = urlsplit(service.base_url).hostname or ""
    if service.is_local or proxy_bypass(host):
        return None
    proxies = getproxies()
    return proxies.get(urlsplit(service.base_url).scheme) or proxies.get("all")


def _built(
    service: Service, request: Request, content: bytes | Iterable[bytes] | AsyncIterable[bytes] | None
) -> httpx.Request:
    headers = {"Accept-Encoding": "gzip, deflate", **request.headers}
    if isinstance(request.content, Upload) and request.content.length is not None:
        headers["Content-Length"] = str(request.content.length)
    if request.with_credential:
        # At the last moment, so that no other frame of ours holds a header with the key.
        headers[service.credential_header] = service.credential_prefix + service.credential.get_secret_value()
    query = f"?{urlencode(request.query, quote_via=quote)}" if request.query else ""
    wait = request.timeout
    return httpx.Request(
        request.method,
        _url(request.url + query),
        headers=headers,
        content=content,
        extensions={"timeout": {"connect": wait, "read": wait + request.held, "write": wait, "pool": wait}},
    )


# Reading an address costs as much as sending a request; most requests go to a few of them.
_url = lru_cache(maxsize=256)(httpx.URL)


def _as_client_would(client: httpx.Client | httpx.AsyncClient, built: httpx.Request) -> None:
    """Add what the caller's own client would send with every request."""
    for name, value in client.headers.items():
        if name not in built.headers:
            built.headers[name] = value
    client.cookies.set_cookie_header(built)


def _readable(content: bytes | Upload | None, files: ExitStack) -> bytes | Iterable[bytes] | None:
    """Return a body for sending; the files in it are opened."""
    if not isinstance(content, Upload):
        return content
    opened = [_opened(piece, files) for piece in content.pieces]
    return (chunk for piece in opened for chunk in _chunks(piece))


async def _async_readable(content: bytes | Upload | None, files: ExitStack) -> bytes | AsyncIterable[bytes] | None:
    """Return a body for sending; the files in it are opened, and read beside the event loop."""
    if not isinstance(content, Upload):
        return content
    return _async_chunks([await asyncio.to_thread(_opened, piece, files) for piece in content.pieces])


async def _async_chunks(opened: Sequence[bytes | BinaryIO]) -> AsyncIterator[bytes]:
    for piece in opened:
        chunks = _chunks(piece)
        while chunk := await asyncio.to_thread(next, chunks, b""):
            yield chunk


def _opened(piece: FileContent, files: ExitStack) -> bytes | BinaryIO:
    if isinstance(piece, PathLike):
        return files.enter_context(open(piece, "rb"))  # noqa: PTH123 - any path-like object
    return piece


def _chunks(piece: bytes | BinaryIO) -> Iterator[bytes]:
    if isinstance(piece, bytes):
        yield piece
        return
    while chunk := piece.read(_CHUNK):
        yield chunk


def _failed(request: Request, error: Exception) -> ExchangeFailed:
    kind = type(error).__name__
    if isinstance(error, httpx.ReadTimeout):
        return ExchangeFailed(f"{kind}: nothing came back within {request.timeout + request.held:g} s")
    if isinstance(error, httpx.TimeoutException):
        return ExchangeFailed(f"{kind}: not done within {request.timeout:g} s")
    said = str(error).strip()
    return ExchangeFailed(f"{kind}: {said}" if said else kind)
