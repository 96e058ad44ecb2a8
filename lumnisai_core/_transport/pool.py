"""Pools of connections, which exchange one request for one answer within its deadline and its limits."""

from __future__ import annotations

import asyncio
import re
import threading
import weakref
from collections.abc import (
    AsyncGenerator,
    AsyncIterable,
    AsyncIterator,
    Awaitable,
    Callable,
    Generator,
    Iterable,
    Iterator,
)
from contextlib import AbstractContextManager, aclosing, closing, suppress
from functools import lru_cache
from importlib.util import find_spec
from typing import TYPE_CHECKING

import httpx

from lumnisai_core._transport import forks
from lumnisai_core._transport.answer import Answer, shortened
from lumnisai_core._transport.content import (
    ENCODINGS,
    MAX_ANSWER_SIZE,
    Arriving,
    Content,
    Rechunked,
    check_headers,
    headers_of,
)
from lumnisai_core._transport.loops import LoopBound
from lumnisai_core._transport.request import ExchangeFailed, Outgoing, Request, host_of
from lumnisai_core._transport.routes import Route, Routes
from lumnisai_core._transport.service import Service
from lumnisai_core._transport.sockets import Deadline, Limit, StreamedLimit
from lumnisai_core._transport.upload import Upload
from lumnisai_core.exceptions import ConfigurationError, LumnisAIError, ValidationError

if TYPE_CHECKING:
    from lumnisai_core._transport.pool_aiohttp import BulkTransport

AsyncHTTPClient = httpx.AsyncClient
HTTPClient = httpx.Client

#: Whether the extra ``aiohttp`` is installed.
BULK_AVAILABLE = find_spec("aiohttp") is not None

#: Share of a try's time that a named pipe may take to send something: less than all, so that the error names the pipe.
_WAIT = 0.9

#: Methods whose requests say how long their body is, also when it is empty.
_METHODS_WITH_BODY = frozenset({"POST", "PUT", "PATCH"})


class Pool:
    """Connections of a blocking client, made when first needed and shared by threads.

    Args:
        service: The service to talk to.
        client: The caller's own ``httpx.Client``, which is used as it is and never closed.
        max_answer_size: Bytes that the body of an answer may have.
    """

    def __init__(
        self, service: Service, client: httpx.Client | None = None, *, max_answer_size: int = MAX_ANSWER_SIZE
    ) -> None:
        if client is not None and not isinstance(client, httpx.Client):
            raise ConfigurationError(f"http_client must be an httpx.Client, not {type(client).__name__}.")
        self._service = service
        self._client = client
        self._max_answer_size = max_answer_size
        self._routes = Routes()
        self._transports: dict[Route, httpx.BaseTransport] = {}
        self._closers: list[weakref.finalize[[], Pool]] = []
        self._lock = threading.Lock()
        forks.register(self)

    def after_fork(self) -> None:
        """Open connections of its own in a forked child."""
        for closer in self._closers:
            closer.detach()
        forks.drop(self._transports)
        self._transports, self._closers, self._lock = {}, [], threading.Lock()

    def exchange(self, request: Request) -> Answer:
        """Send one request and read the whole answer.

        Raises:
            ExchangeFailed: The connection failed, time ran out, or the answer broke off or is too large.
        """
        return self.open(request).read()

    def open(self, request: Request) -> Body:
        """Send one request and return the answer with its body still to be read.

        Raises:
            ExchangeFailed: The connection failed, or time ran out.
        """
        with _failures(request):
            deadline = Deadline(request.timeout + request.held)
            return Body(request, self._response(request, deadline), deadline, self._max_answer_size)

    def _response(self, request: Request, deadline: Deadline) -> httpx.Response:
        if not isinstance(request.content, Upload):
            return self._send(request, request.content, deadline)
        with closing(request.content.chunks(_WAIT * request.timeout)) as chunks:
            return self._send(request, _renewing(chunks, deadline.renew), deadline)

    def _send(self, request: Request, content: bytes | Iterable[bytes] | None, deadline: Deadline) -> httpx.Response:
        outgoing = _outgoing(self._service, request)
        built = _built(outgoing, content, request, lambda seconds: Limit(seconds, deadline))
        if self._client is not None:
            _add_defaults(self._client, built, cookies=not self._service.sends_cookies)
            return self._client.send(built, auth=None, follow_redirects=False, stream=True)
        # Redirects, retries, credentials and cookies are ours: the transport is all that is needed.
        return self._transport(request).handle_request(built)

    def _transport(self, request: Request) -> httpx.BaseTransport:
        route = self._routes.of(request.address)
        with self._lock:
            transport = self._transports.get(route)
            if transport is None:
                transport = self._transports[route] = self._routes.transport(route)
                # Documented use never closes the client; its sockets must not be left to the collector.
                self._closers.append(weakref.finalize(self, transport.close))
            return transport

    def close(self) -> None:
        """Close the connections; a later request opens new ones."""
        with self._lock:
            transports = list(self._transports.values())
            self._transports.clear()
            self._routes.forget()
        for transport in transports:
            transport.close()


class Body:
    """An answer whose body is still to be read.

    Attributes:
        head: Status and headers, without the body.
    """

    def __init__(self, request: Request, response: httpx.Response, deadline: Deadline, limit: int) -> None:
        self.head = Answer(response.status_code, headers_of(response.headers.raw))
        self._request = request
        self._response = response
        self._deadline = deadline
        try:
            check_headers(response.headers.raw)
            self._content = Content(self.head, limit, is_inflated=response.is_stream_consumed)
        except ExchangeFailed:
            response.close()
            raise

    def _raw(self) -> Generator[bytes, None, None]:
        response = self._response
        for raw in response.iter_bytes() if response.is_stream_consumed else response.iter_raw():
            self._deadline.check()
            yield raw

    def read(self) -> Answer:
        """Read the whole body, and close the answer.

        Raises:
            ExchangeFailed: The answer broke off or is too large, or time ran out.
        """
        try:
            with _failures(self._request):
                for raw in self._raw():
                    if not self._content.collect(raw):
                        break
                return self.head._replace(body=self._content.collected())
        finally:
            self._response.close()

    def chunks(self, size: int | None = None) -> Generator[bytes, None, None]:
        """Read the body piece by piece, each within the time of a try: as it comes, or in pieces of at least this size.

        Raises:
            ExchangeFailed: The answer broke off, or time ran out.
        """
        joined = Rechunked(size)
        with _failures(self._request):
            self._deadline.renew()
            for raw in self._raw():
                for piece in self._content.pieces(raw):
                    yield from joined.add(piece)
                self._deadline.renew()
            self._content.check_end()
            yield from joined.rest()

    def close(self) -> None:
        """Close the answer, and its connection if the body was not read to its end."""
        self._response.close()


class AsyncPool:
    """Connections of an asyncio client, one set for each event loop, closed together with their loop.

    Args:
        service: The service to talk to.
        client: The caller's own ``httpx.AsyncClient``, which is used as it is and never closed.
        max_answer_size: Bytes that the body of an answer may have.
    """

    def __init__(
        self, service: Service, client: httpx.AsyncClient | None = None, *, max_answer_size: int = MAX_ANSWER_SIZE
    ) -> None:
        if client is not None and not isinstance(client, httpx.AsyncClient):
            raise ConfigurationError(f"http_client must be an httpx.AsyncClient, not {type(client).__name__}.")
        self._service = service
        self._client = client
        self._max_answer_size = max_answer_size
        self._routes = Routes()
        self._prepared: set[Route] = set()
        self._transports: weakref.WeakKeyDictionary[
            asyncio.AbstractEventLoop, dict[Route, LoopBound[httpx.AsyncBaseTransport | BulkTransport]]
        ]
        self._transports = weakref.WeakKeyDictionary()
        self._lock = threading.Lock()
        forks.register(self)

    def after_fork(self) -> None:
        """Open connections of its own in a forked child."""
        forks.drop(list(self._transports.items()))
        self._transports, self._lock = weakref.WeakKeyDictionary(), threading.Lock()

    async def exchange(self, request: Request) -> Answer:
        """Send one request and read the whole answer.

        Raises:
            ExchangeFailed: The connection failed, time ran out, or the answer broke off or is too large.
        """
        _check_loop()
        with _failures(request):
            async with asyncio.timeout(request.timeout + request.held) as deadline:
                arriving = await self._answered(request, deadline)
                return await AsyncBody(request, arriving, deadline, self._max_answer_size).collected()

    async def open(self, request: Request) -> AsyncBody:
        """Send one request and return the answer with its body still to be read.

        Raises:
            ExchangeFailed: The connection failed, or time ran out.
        """
        _check_loop()
        with _failures(request):
            async with asyncio.timeout(request.timeout + request.held) as deadline:
                arriving = await self._answered(request, deadline)
                return AsyncBody(request, arriving, deadline, self._max_answer_size)

    def _answered(self, request: Request, deadline: asyncio.Timeout) -> Awaitable[Arriving]:
        if isinstance(request.content, Upload):
            return self._upload(request.content, request, deadline)
        return self._send(request, request.content)

    async def _upload(self, upload: Upload, request: Request, deadline: asyncio.Timeout) -> Arriving:
        loop, seconds = asyncio.get_running_loop(), request.timeout + request.held
        failures: list[ValidationError] = []
        chunks = upload.async_chunks(_WAIT * request.timeout, failures)
        try:
            renewing = _async_renewing(chunks, lambda: deadline.reschedule(loop.time() + seconds))
            return await self._send(request, renewing)
        except Exception:
            if failures:
                raise failures[0] from failures[0].__cause__
            raise

    async def _send(self, request: Request, content: bytes | AsyncIterable[bytes] | None) -> Arriving:
        limit = StreamedLimit if isinstance(request.content, Upload) else float
        if self._client is not None:
            built = _built(_outgoing(self._service, request), content, request, limit)
            _add_defaults(self._client, built, cookies=not self._service.sends_cookies)
            return _arriving(await self._client.send(built, auth=None, follow_redirects=False, stream=True))
        transport = await self._transport(request)
        if not request.repeatable:
            for _ in range(2):  # the loop notices connections that the server has closed meanwhile
                await asyncio.sleep(0)
        outgoing = _outgoing(self._service, request)
        if isinstance(transport, httpx.AsyncBaseTransport):
            return _arriving(await transport.handle_async_request(_built(outgoing, content, request, limit)))
        return await transport.send(outgoing, content, request.timeout)

    async def _transport(self, request: Request) -> httpx.AsyncBaseTransport | BulkTransport:
        route, loop = self._routes.of(request.address), asyncio.get_running_loop()
        if route not in self._prepared:
            # Certificates and the HTTP library come from the disk, which must not hold up the event loop.
            await asyncio.to_thread(self._routes.async_transport, route, bulk=BULK_AVAILABLE)
            self._prepared.add(route)
        with self._lock:
            transports = self._transports.setdefault(loop, {})
            bound = transports.get(route)
            if bound is None:
                bound = transports[route] = LoopBound(self._routes.async_transport(route, bulk=BULK_AVAILABLE))
        await bound.started()
        return bound.held

    async def close(self) -> None:
        """Close the connections of the running loop; a later request opens new ones."""
        with suppress(RuntimeError):  # outside asyncio nothing was opened
            loop = asyncio.get_running_loop()
            with self._lock:
                transports = self._transports.pop(loop, {})
                self._routes.forget()
            for bound in transports.values():
                await bound.close()


class AsyncBody:
    """An answer whose body is still to be read.

    Attributes:
        head: Status and headers, without the body.
    """

    def __init__(self, request: Request, arriving: Arriving, deadline: asyncio.Timeout, limit: int) -> None:
        self.head = Answer(arriving.status, headers_of(arriving.fields))
        self._request = request
        self._arriving = arriving
        self._deadline = deadline
        self._limit = limit

    def _content(self) -> Content:
        check_headers(self._arriving.fields)
        return Content(self.head, self._limit, is_inflated=self._arriving.is_inflated)

    async def collected(self) -> Answer:
        """Read the whole body within the deadline of the caller, and close the answer.

        Raises:
            ExchangeFailed: The answer broke off or is too large.
        """
        try:
            content = self._content()
            async for raw in self._arriving.pieces:
                if not content.collect(raw):
                    break
            return self.head._replace(body=content.collected())
        finally:
            await self._arriving.close()

    async def read(self) -> Answer:
        """Read the whole body, and close the answer.

        Raises:
            ExchangeFailed: The answer broke off or is too large, or time ran out.
        """
        with _failures(self._request):
            async with asyncio.timeout_at(self._deadline.when()):
                return await self.collected()

    async def chunks(self, size: int | None = None) -> AsyncGenerator[bytes, None]:
        """Read the body piece by piece, each within the time of a try: as it comes, or in pieces of at least this size.

        Raises:
            ExchangeFailed: The answer broke off, or time ran out.
        """
        joined = Rechunked(size)
        with _failures(self._request):
            content = self._content()
            while True:
                async with asyncio.timeout(self._request.timeout + self._request.held):
                    raw = await anext(self._arriving.pieces, None)
                if raw is None:
                    break
                for piece in content.pieces(raw):
                    for chunk in joined.add(piece):
                        yield chunk
            content.check_end()
            for chunk in joined.rest():
                yield chunk

    async def aclose(self) -> None:
        """Close the answer, and its connection if the body was not read to its end."""
        await self._arriving.close()


def _check_loop() -> None:
    try:
        asyncio.get_running_loop()
    except RuntimeError as error:
        raise ConfigurationError(
            "The asynchronous client needs a running asyncio event loop (trio has another): use asyncio.run() or the "
            "blocking client."
        ) from error


# Requests


def _outgoing(service: Service, request: Request) -> Outgoing:
    # Authorised at the last moment, so that each try has a signature of its own and no other frame a header with a key.
    authorised = service.authorise(request) if request.authorised else request
    target = authorised.target
    headers = {"Host": _host(host_of(target)), "Accept-Encoding": ENCODINGS}
    for name, value in authorised.headers.items():
        headers[name] = value if isinstance(value, str) else value.get_secret_value()
    if isinstance(request.content, Upload):
        if request.content.length is not None:
            headers["Content-Length"] = str(request.content.length)
    elif request.content or request.method in _METHODS_WITH_BODY:
        headers["Content-Length"] = str(len(request.content or b""))
    return Outgoing(request.method, target if _PLAIN.fullmatch(target) else str(_url(target)), headers)


#: Most addresses, which are sent as they are. Any other one is written anew by httpx, which costs as much as sending.
_PLAIN = re.compile(r"https?://[a-z0-9.-]+(?::[0-9]+)?(?:/[\w~-]+)+(?:\?\w+=\w+)?", re.ASCII)
_url = lru_cache(maxsize=256)(httpx.URL)


@lru_cache(maxsize=256)
def _host(origin: str) -> str:
    return httpx.URL(origin).netloc.decode()


def _built(
    outgoing: Outgoing,
    content: bytes | Iterable[bytes] | AsyncIterable[bytes] | None,
    request: Request,
    limit: Callable[[float], float],
) -> httpx.Request:
    wait, read = limit(request.timeout), limit(request.timeout + request.held)
    timeouts = {"timeout": {"connect": wait, "read": read, "write": wait, "pool": wait}}
    method, url, headers = outgoing.method, _url(outgoing.target), outgoing.headers
    if isinstance(request.content, Upload):
        return httpx.Request(method, url, headers=headers, content=content, extensions=timeouts)
    # Given as a stream, the body costs a third: httpx would read and write all headers once more.
    stream = httpx.ByteStream(request.content or b"")
    built = httpx.Request(method, url, headers=headers, stream=stream, extensions=timeouts)
    built.read()
    return built


def _add_defaults(client: httpx.Client | httpx.AsyncClient, built: httpx.Request, *, cookies: bool) -> None:
    """Add what the caller's own client would send with every request."""
    for name, value in client.headers.items():
        if name not in built.headers:
            built.headers[name] = value
    if cookies:
        client.cookies.set_cookie_header(built)


def _renewing(chunks: Iterable[bytes], renew: Callable[[], None]) -> Iterator[bytes]:
    """Yield the pieces of a body; each has the time of a try."""
    for chunk in chunks:
        renew()
        yield chunk
    renew()


async def _async_renewing(chunks: AsyncGenerator[bytes, None], renew: Callable[[], None]) -> AsyncIterator[bytes]:
    """Do the same beside the event loop."""
    async with aclosing(chunks):
        async for chunk in chunks:
            renew()
            yield chunk
    renew()


# Answers


def _arriving(response: httpx.Response) -> Arriving:
    is_read = response.is_stream_consumed
    pieces = response.aiter_bytes() if is_read else response.aiter_raw()
    return Arriving(response.status_code, response.headers.raw, pieces, response.aclose, is_inflated=is_read)


class _failures(AbstractContextManager["_failures"]):  # noqa: N801 - used like a function; a generator costs more
    """Reports whatever an HTTP library raises inside a block as an exchange that failed."""

    def __init__(self, request: Request) -> None:
        self._request = request

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: object) -> None:
        if isinstance(error, Exception) and not isinstance(error, (ExchangeFailed, LumnisAIError)):
            raise ExchangeFailed(_problem(self._request, error)) from error


def _problem(request: Request, error: Exception) -> str:
    kind, text = type(error).__name__, shortened(str(error))
    if isinstance(error, (TimeoutError, httpx.ReadTimeout)):
        return f"timeout: no complete answer within {request.timeout + request.held:.3g} s"
    if isinstance(error, httpx.TimeoutException):
        return f"{kind}: not done within {request.timeout:.3g} s"
    return f"{kind}: {text}" if text else kind
