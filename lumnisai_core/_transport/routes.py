"""Routes to hosts: directly or through a proxy of the environment, and the certificates that are checked on the way."""

from __future__ import annotations

import os
import ssl
from collections.abc import Iterator
from contextlib import contextmanager
from importlib import import_module
from ipaddress import ip_address, ip_network
from typing import TYPE_CHECKING, NamedTuple
from urllib.parse import urlsplit
from urllib.request import getproxies, proxy_bypass

import httpx

from lumnisai_core._transport.request import DEFAULT_PORTS, host_of
from lumnisai_core._transport.service import is_loopback
from lumnisai_core._transport.sockets import DeadlineBackend, EarlyAnswerBackend
from lumnisai_core.exceptions import ConfigurationError

if TYPE_CHECKING:
    from lumnisai_core._transport.pool_aiohttp import BulkTransport

#: Schemes of proxies, with the one that the HTTP library knows. GNOME writes ``socks`` for SOCKS 5.
_PROXY_SCHEMES = {"http": "http", "https": "https", "socks": "socks5", "socks5": "socks5", "socks5h": "socks5h"}


_LIMITS = httpx.Limits(max_connections=None, max_keepalive_connections=100, keepalive_expiry=30.0)


class Route(NamedTuple):
    """The way to a host.

    Attributes:
        verify: Whether certificates are checked.
        proxy: Address of the proxy, or None.
        variable: Name of the variable that names the proxy.
    """

    verify: bool
    proxy: str | None = None
    variable: str | None = None


class Routes:
    """The routes that a pool has looked up, by scheme and host, and one TLS context for all of them."""

    def __init__(self) -> None:
        self._known: dict[str, Route] = {}
        self._contexts: dict[bool, ssl.SSLContext] = {}

    def of(self, address: str) -> Route:
        """Return the route of an address."""
        host = host_of(address)
        route = self._known.get(host)
        if route is None:
            route = self._known[host] = route_to(host)
        return route

    def forget(self) -> None:
        """Look routes up anew: the environment may have changed."""
        self._known.clear()

    def tls(self, *, verify: bool) -> ssl.SSLContext:
        """Return the TLS context of the pool; the first one with certificates is loaded from disk.

        Raises:
            ConfigurationError: The certificates cannot be loaded.
        """
        context = self._contexts.get(verify)
        if context is None:
            try:
                context = self._contexts.setdefault(verify, httpx.create_ssl_context(verify))
            except (OSError, ValueError) as error:
                raise ConfigurationError(_certificates_problem(error)) from error
        return context

    def transport(self, route: Route) -> httpx.BaseTransport:
        """Return a new transport for a route.

        Raises:
            ConfigurationError: The certificates or the proxy cannot be used.
        """
        context, proxy = self.tls(verify=route.verify), self._proxy(route)
        with _socks_needs_a_package(route):
            transport = httpx.HTTPTransport(verify=context, limits=_LIMITS, proxy=proxy)
        _set_backend(transport, DeadlineBackend())
        return transport

    def async_transport(self, route: Route, *, bulk: bool) -> httpx.AsyncBaseTransport | BulkTransport:
        """Return a new transport for a route.

        Args:
            route: The route.
            bulk: Whether to use aiohttp where it can be used.

        Raises:
            ConfigurationError: The certificates or the proxy cannot be used.
        """
        context, proxy = self.tls(verify=route.verify), self._proxy(route)
        if bulk and proxy is None:
            # Imported here, because it takes longer than all the rest and blocking programs never need it.
            from lumnisai_core._transport.pool_aiohttp import BulkTransport

            return BulkTransport(context)
        import_module("anyio._backends._asyncio")  # which would otherwise be loaded inside the event loop
        with _socks_needs_a_package(route):
            transport = httpx.AsyncHTTPTransport(verify=context, limits=_LIMITS, proxy=proxy)
        _set_backend(transport, EarlyAnswerBackend())
        return transport

    def _proxy(self, route: Route) -> httpx.Proxy | None:
        if route.proxy is None:
            return None
        scheme, _, rest = route.proxy.partition("://")
        if scheme.lower() not in _PROXY_SCHEMES:
            raise ConfigurationError(
                f"The proxy in {route.variable} must be an http, https, socks5 or socks5h address, not {scheme!r}."
            )
        try:
            url = httpx.URL(f"{_PROXY_SCHEMES[scheme.lower()]}://{rest}")
            return httpx.Proxy(url, ssl_context=self.tls(verify=True) if url.scheme == "https" else None)
        except (httpx.InvalidURL, ValueError) as error:
            raise ConfigurationError(f"The proxy in {route.variable} is not a usable address: {error}") from error


def _set_backend(
    transport: httpx.HTTPTransport | httpx.AsyncHTTPTransport, backend: DeadlineBackend | EarlyAnswerBackend
) -> None:
    # httpx has no parameter for it. With another version whose pool looks otherwise this fails at once.
    getattr(transport._pool, "_network_backend")  # noqa: B009 - for its AttributeError
    transport._pool._network_backend = backend


@contextmanager
def _socks_needs_a_package(route: Route) -> Iterator[None]:
    try:
        yield
    except ImportError as error:
        raise ConfigurationError(
            f'The SOCKS proxy in {route.variable} needs a further package: pip install "httpx[socks]".'
        ) from error


def _certificates_problem(error: Exception) -> str:
    for variable in ("SSL_CERT_FILE", "SSL_CERT_DIR"):
        if path := os.environ.get(variable):
            return f"The certificates of the environment variable {variable}={path!r} cannot be loaded: {error}"
    return f"The certificates of the package certifi cannot be loaded: {error}"


def route_to(url: str) -> Route:
    """Return the way to a host through the proxy that the environment names; this machine is never behind one.

    Raises:
        ValueError: The address has no usable port.
    """
    parts = urlsplit(url)
    host, scheme = parts.hostname or "", parts.scheme.lower()
    if is_loopback(url):
        return Route(verify=False)
    secure = scheme == "https"
    proxies = getproxies()
    port = parts.port or DEFAULT_PORTS.get(scheme)
    if is_exempt(scheme, host, port, proxies.get("no", "")) or proxy_bypass(f"{host}:{port}"):
        return Route(secure)
    for name in (scheme, "all"):
        if address := proxies.get(name):
            return Route(secure, address if "://" in address else f"http://{address}", f"{name}_proxy".upper())
    return Route(secure)


def is_exempt(scheme: str, host: str, port: int | None, no_proxy: str) -> bool:
    """Say whether ``NO_PROXY`` names a host: by name or domain, address or network, with a port or a scheme or not.

    Args:
        scheme: ``http`` or ``https``.
        host: Name or address in lower case.
        port: The port, also if the address leaves it out.
        no_proxy: The variable's value, separated by commas.
    """
    return any(_names(entry.strip().lower(), scheme, host, port) for entry in no_proxy.split(","))


def _names(entry: str, scheme: str, host: str, port: int | None) -> bool:
    if entry == "*":
        return True
    own_scheme, separator, rest = entry.rpartition("://")
    if not rest or (separator and own_scheme not in (scheme, "all")):
        return False
    try:
        return ip_address(host) in ip_network(rest.strip("[]"), strict=False)
    except ValueError:
        pass
    name, _, its_port = rest.rpartition(":") if rest.rpartition(":")[2].isdigit() else (rest, "", "")
    name = name.strip("[]").removeprefix("*").lstrip(".")
    return (not its_port or int(its_port) == port) and (host == name or (bool(name) and host.endswith(f".{name}")))
