"""Pools of connections, which exchange one request for one answer. Only this file and ``pool_aiohttp`` name httpx."""

from __future__ import annotations

import asyncio
import logging
import re
import threading
import weakref
from collections.abc import AsyncGenerator, AsyncIterable, Generator, Iterable
from contextlib import closing
from functools import lru_cache
from importlib.util import find_spec
from typing import NamedTuple
from urllib.parse import urlsplit
from urllib.request import getproxies, proxy_bypass

import httpx

from lumnisai_core._transport import forks
from lumnisai_core._transport.answer import Answer
from lumnisai_core._transport.loops import LoopBound
from lumnisai_core._transport.request import ExchangeFailed, Request
from lumnisai_core._transport.service import Service, is_loopback
from lumnisai_core._transport.upload import Upload
from lumnisai_core.exceptions import ConfigurationError, ValidationError

# httpx reports a client that was closed, or whose event loop was, as a RuntimeError.
_FAILURES = (httpx.HTTPError, httpx.InvalidURL, httpx.StreamError, RuntimeError)

AsyncHTTPClient = httpx.AsyncClient
HTTPClient = httpx.Client

#: Whether the extra ``aiohttp`` is installed.
BULK_AVAILABLE = find_spec("httpx_aiohttp") is not None

#: Methods whose requests say how long their body is, also when it is empty.
_METHODS_WITH_BODY = frozenset({"POST", "PUT", "PATCH"})


def _hide_cookies(record: logging.LogRecord) -> bool:
    """Redact the cookies of answers, which the library logs at DEBUG: a session is as good as a key."""
    message = record.getMessage()
    if "set-cookie" in message.lower():
        record.msg, record.args = re.sub(r"(?i)(set-cookie', b')[^']*", r"\1[redacted]", message), ()
    return True


for _protocol in ("http11", "http2"):
    logging.getLogger(f"httpcore.{_protocol}").addFilter(_hide_cookies)

_LIMITS = httpx.Limits(max_connections=None, max_keepalive_connections=100, keepalive_expiry=30.0)


class Pool:
    """Connections of a blocking client, made when first needed and shared by threads.

    Args:
        service: The service to talk to.
        client: The caller's own ``httpx.Client``, which is used as it is and never closed.
    """

    def __init__(self, service: Service, client: httpx.Client | None = None) -> None:
        if client is not None and not isinstance(client, httpx.Client):
            raise ConfigurationError(f"http_client must be an httpx.Client, not {type(client).__name__}.")
        self._service = service
        self._client = client
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
            ExchangeFailed: The connection failed, time ran out, or the answer broke off.
        """
        try:
            response = self._response(request)
            try:
                return Answer(response.status_code, response.headers, response.read())
            finally:
                response.close()
        except _FAILURES as error:
            raise _failed(request, error) from error

    def open(self, request: Request) -> Body:
        """Send one request and return the answer with its body still to be read.

        Raises:
            ExchangeFailed: The connection failed, or time ran out.
        """
        try:
            return Body(request, self._response(request))
        except _FAILURES as error:
            raise _failed(request, error) from error

    def _response(self, request: Request) -> httpx.Response:
        if not isinstance(request.content, Upload):
            return self._send(request, request.content)
        with closing(request.content.chunks(request.timeout)) as chunks:
            return self._send(request, chunks)

    def _send(self, request: Request, content: bytes | Iterable[bytes] | None) -> httpx.Response:
        built = _built(self._service, request, content)
        if self._client is not None:
            _add_defaults(self._client, built, cookies=not self._service.sends_cookies)
            return self._client.send(built, auth=None, follow_redirects=False, stream=True)
        # Redirects, retries, credentials and cookies are ours: the transport is all that is needed.
        response = self._transport(request).handle_request(built)
        response.request = built
        return response

    def _transport(self, request: Request) -> httpx.BaseTransport:
        route = self._routes.of(request)
        with self._lock:
            transport = self._transports.get(route)
            if transport is None:
                transport = httpx.HTTPTransport(verify=route.verify, limits=_LIMITS, proxy=route.proxy)
                self._transports[route] = transport
                # Documented use never closes the client; its sockets must not be left to the collector.
                self._closers.append(weakref.finalize(self, transport.close))
            return transport

    def close(self) -> None:
        """Close the connections; a later request opens new ones."""
        with self._lock:
            transports = list(self._transports.values())
            self._transports.clear()
            self._routes = Routes()
        for transport in transports:
            transport.close()


class Body:
    """An answer whose body is still to be read.

    Attributes:
        head: Status and headers, without the body.
    """

    def __init__(self, request: Request, response: httpx.Response) -> None:
        self.head: Answer = Answer(response.status_code, response.headers)
        self._request = request
        self._response = response

    def read(self) -> Answer:
        """Read the whole body, and close the answer.

        Raises:
            ExchangeFailed: The answer broke off, or time ran out.
        """
        try:
            return self.head._replace(body=self._response.read())
        except _FAILURES as error:
            raise _failed(self._request, error) from error
        finally:
            self._response.close()

    def chunks(self, size: int | None = None) -> Generator[bytes, None, None]:
        """Read the body piece by piece: as it comes, or in pieces of this size.

        Raises:
            ExchangeFailed: The answer broke off, or time ran out.
        """
        try:
            yield from self._response.iter_bytes(size)
        except _FAILURES as error:
            raise _failed(self._request, error) from error

    def close(self) -> None:
        """Close the answer, and its connection if the body was not read to its end."""
        self._response.close()


class AsyncPool:
    """Connections of an asyncio client, one set for each event loop, closed together with their loop.

    Args:
        service: The service to talk to.
        client: The caller's own ``httpx.AsyncClient``, which is used as it is and never closed.
    """

    def __init__(self, service: Service, client: httpx.AsyncClient | None = None) -> None:
        if client is not None and not isinstance(client, httpx.AsyncClient):
            raise ConfigurationError(f"http_client must be an httpx.AsyncClient, not {type(client).__name__}.")
        self._service = service
        self._client = client
        self._routes = Routes()
        self._transports: weakref.WeakKeyDictionary[asyncio.AbstractEventLoop, _LoopTransports]
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
            ExchangeFailed: The connection failed, time ran out, or the answer broke off.
        """
        try:
            response = await self._response(request)
            try:
                return Answer(response.status_code, response.headers, await response.aread())
            finally:
                await response.aclose()
        except _FAILURES as error:
            raise _failed(request, error) from error

    async def open(self, request: Request) -> AsyncBody:
        """Send one request and return the answer with its body still to be read.

        Raises:
            ExchangeFailed: The connection failed, or time ran out.
        """
        try:
            return AsyncBody(request, await self._response(request))
        except _FAILURES as error:
            raise _failed(request, error) from error

    async def _response(self, request: Request) -> httpx.Response:
        if not isinstance(request.content, Upload):
            return await self._send(request, request.content)
        failures: list[ValidationError] = []
        try:
            return await self._send(request, request.content.async_chunks(request.timeout, failures))
        except Exception:
            if failures:
                raise failures[0] from failures[0].__cause__
            raise

    async def _send(self, request: Request, content: bytes | AsyncIterable[bytes] | None) -> httpx.Response:
        built = _built(self._service, request, content)
        if self._client is not None:
            _add_defaults(self._client, built, cookies=not self._service.sends_cookies)
            return await self._client.send(built, auth=None, follow_redirects=False, stream=True)
        response = await (await self._transport(request)).handle_async_request(built)
        response.request = built
        return response

    async def _transport(self, request: Request) -> httpx.AsyncBaseTransport:
        route, loop = self._routes.of(request), asyncio.get_running_loop()
        with self._lock:
            transports = self._transports.setdefault(loop, {})
            bound = transports.get(route)
            if bound is None:
                bound = transports[route] = LoopBound(_async_transport(route))
        await bound.started()
        return bound.held

    async def close(self) -> None:
        """Close the connections of the running loop; a later request opens new ones."""
        with self._lock:
            transports = self._transports.pop(asyncio.get_running_loop(), {})
            self._routes = Routes()
        for bound in transports.values():
            await bound.close()


class AsyncBody:
    """An answer whose body is still to be read.

    Attributes:
        head: Status and headers, without the body.
    """

    def __init__(self, request: Request, response: httpx.Response) -> None:
        self.head: Answer = Answer(response.status_code, response.headers)
        self._request = request
        self._response = response

    async def read(self) -> Answer:
        """Read the whole body, and close the answer.

        Raises:
            ExchangeFailed: The answer broke off, or time ran out.
        """
        try:
            return self.head._replace(body=await self._response.aread())
        except _FAILURES as error:
            raise _failed(self._request, error) from error
        finally:
            await self._response.aclose()

    async def chunks(self, size: int | None = None) -> AsyncGenerator[bytes, None]:
        """Read the body piece by piece: as it comes, or in pieces of this size.

        Raises:
            ExchangeFailed: The answer broke off, or time ran out.
        """
        try:
            async for chunk in self._response.aiter_bytes(size):
                yield chunk
        except _FAILURES as error:
            raise _failed(self._request, error) from error

    async def aclose(self) -> None:
        """Close the answer, and its connection if the body was not read to its end."""
        await self._response.aclose()


# Routes


class Route(NamedTuple):
    """The way to a host.

    Attributes:
        verify: Whether certificates are checked.
        proxy: Address of the proxy, or None.
    """

    verify: bool
    proxy: str | None


#: The transports of one event loop.
_LoopTransports = dict[Route, LoopBound[httpx.AsyncBaseTransport]]


class Routes:
    """The routes that a pool has looked up, by scheme and host."""

    def __init__(self) -> None:
        self._known: dict[str, Route] = {}

    def of(self, request: Request) -> Route:
        """Return the route of a request."""
        address = request.address
        end = address.find("/", len("https://"))  # quicker than to take every address apart
        host = address if end < 0 else address[:end]
        route = self._known.get(host)
        if route is None:
            route = self._known[host] = route_to(host)
        return route


def route_to(url: str) -> Route:
    """Return the way to a host through the proxy that the environment names; this machine is never behind one."""
    parts = urlsplit(url)
    if is_loopback(url):
        return Route(verify=False, proxy=None)
    if proxy_bypass(parts.hostname or ""):
        return Route(verify=True, proxy=None)
    proxies = getproxies()
    return Route(verify=True, proxy=proxies.get(parts.scheme) or proxies.get("all"))


def _async_transport(route: Route) -> httpx.AsyncBaseTransport:
    if BULK_AVAILABLE and route.proxy is None:
        # Imported here, because it takes longer than all the rest and blocking programs never need it.
        from lumnisai_core._transport.pool_aiohttp import bulk_transport

        return bulk_transport(verify=route.verify)
    return httpx.AsyncHTTPTransport(verify=route.verify, limits=_LIMITS, proxy=route.proxy)


# Requests


def _built(
    service: Service, request: Request, content: bytes | Iterable[bytes] | AsyncIterable[bytes] | None
) -> httpx.Request:
    # Authorised at the last moment, so that each try has a signature of its own and no other frame a header with a key.
    authorised = service.authorise(request) if request.authorised else request
    url = _url(authorised.target)
    headers = {"Host": url.netloc.decode(), "Accept-Encoding": "gzip, deflate"}
    for name, value in authorised.headers.items():
        headers[name] = value if isinstance(value, str) else value.get_secret_value()
    wait = request.timeout
    timeouts = {"timeout": {"connect": wait, "read": wait + request.held, "write": wait, "pool": wait}}
    if isinstance(request.content, Upload):
        if request.content.length is not None:
            headers["Content-Length"] = str(request.content.length)
        return httpx.Request(request.method, url, headers=headers, content=content, extensions=timeouts)
    body = request.content or b""
    if body or request.method in _METHODS_WITH_BODY:
        headers["Content-Length"] = str(len(body))
    # Given as a stream, the body costs a third: httpx would read and write all headers once more.
    built = httpx.Request(request.method, url, headers=headers, stream=httpx.ByteStream(body), extensions=timeouts)
    built.read()
    return built


# Reading an address costs as much as sending a request; most requests go to a few of them.
_url = lru_cache(maxsize=256)(httpx.URL)


def _add_defaults(client: httpx.Client | httpx.AsyncClient, built: httpx.Request, *, cookies: bool) -> None:
    """Add what the caller's own client would send with every request."""
    for name, value in client.headers.items():
        if name not in built.headers:
            built.headers[name] = value
    if cookies:
        client.cookies.set_cookie_header(built)


def _failed(request: Request, error: Exception) -> ExchangeFailed:
    kind = type(error).__name__
    if isinstance(error, httpx.ReadTimeout):
        return ExchangeFailed(f"{kind}: nothing came back within {request.timeout + request.held:g} s")
    if isinstance(error, httpx.TimeoutException):
        return ExchangeFailed(f"{kind}: not done within {request.timeout:g} s")
    text = str(error).strip()
    return ExchangeFailed(f"{kind}: {text}" if text else kind)
