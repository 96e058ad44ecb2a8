"""Routes: proxies of the environment in every spelling, and certificates that cannot be loaded."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from lumnisai_core import AsyncClient, Client
from lumnisai_core._transport.routes import Route, Routes, is_exempt, route_to
from lumnisai_core.exceptions import ConfigurationError

PUBLIC = "https://harbour.invalid"


@pytest.fixture(autouse=True)
def _no_proxies(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in list(os.environ):
        if name.lower().endswith("_proxy") or name.startswith("SSL_CERT"):
            monkeypatch.delenv(name)


@pytest.mark.parametrize(
    ("no_proxy", "exempt"),
    [
        ("", False),
        ("*", True),
        ("other.example, *", True),
        ("pier.example", True),
        (".example", True),
        ("*.example", True),
        ("EXAMPLE", True),
        ("er.example", False),
        ("pier.example:8443", True),
        ("pier.example:443", False),
        ("https://pier.example", True),
        ("http://pier.example", False),
        ("all://pier.example:8443", True),
        ("other.example,,", False),
    ],
)
def test_no_proxy_names_hosts(no_proxy: str, *, exempt: bool) -> None:
    """With domains, ports and schemes."""
    assert is_exempt("https", "pier.example", 8443, no_proxy) is exempt


@pytest.mark.parametrize(
    ("host", "no_proxy", "exempt"),
    [
        ("10.1.2.3", "10.0.0.0/8", True),
        ("11.1.2.3", "10.0.0.0/8", False),
        ("10.1.2.3", "10.1.2.3:80", True),
        ("fe80::1", "[fe80::1]", True),
        ("fe80::1", "fe80::/10", True),
    ],
)
def test_no_proxy_names_addresses(host: str, no_proxy: str, *, exempt: bool) -> None:
    """With networks."""
    assert is_exempt("http", host, 80, no_proxy) is exempt


def test_a_proxy_without_a_scheme_is_an_http_proxy(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HTTPS_PROXY", "proxy.example:3128")
    assert route_to(PUBLIC) == Route(True, "http://proxy.example:3128", "HTTPS_PROXY")


def use_both(**options: Any) -> Iterator[ConfigurationError]:
    """Make a request with each client, and yield the errors."""
    with pytest.raises(ConfigurationError) as refused, Client("key-0123456789", user_id="ann", **options) as client:
        client.get_response("r")
    yield refused.value

    async def main() -> None:
        async with AsyncClient("key-0123456789", user_id="ann", **options) as client:
            await client.get_response("r")

    with pytest.raises(ConfigurationError) as refused:
        asyncio.run(main())
    yield refused.value


@pytest.mark.parametrize(
    ("proxy", "words"),
    [
        ("socks5://user:secret@127.0.0.1:1", r"ALL_PROXY needs a further package: pip install \"httpx\[socks\]\""),
        ("socks://127.0.0.1:1/", r"ALL_PROXY needs a further package"),
        ("socks4://127.0.0.1:1", "ALL_PROXY must be an http, https, socks5 or socks5h address, not 'socks4'"),
        ("http://127.0.0.1:port", "ALL_PROXY is not a usable address"),
    ],
)
def test_a_proxy_that_cannot_be_used_is_an_error_of_ours(
    monkeypatch: pytest.MonkeyPatch, proxy: str, words: str
) -> None:
    """It names the variable and not the value, which may hold a password."""
    monkeypatch.setenv("ALL_PROXY", proxy)
    for error in use_both(base_url=PUBLIC):
        assert "secret" not in str(error)
        with pytest.raises(ConfigurationError, match=words):
            raise error


@pytest.mark.parametrize("content", [None, b"", b"not a certificate"])
def test_certificates_that_cannot_be_loaded_are_named(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, content: bytes | None
) -> None:
    """The variable that names a file which is gone or broken. Services without TLS do not need it."""
    path = tmp_path / "ca.pem"
    if content is not None:
        path.write_bytes(content)
    monkeypatch.setenv("SSL_CERT_FILE", str(path))
    for error in use_both(base_url=PUBLIC):
        assert "environment variable SSL_CERT_FILE=" in str(error)
    Routes().transport(route_to("http://harbour.invalid")).close()


def test_a_pool_has_one_tls_context() -> None:
    """Loading the certificates takes longer than a request, and much memory."""
    routes = Routes()
    assert routes.tls(verify=True) is routes.tls(verify=True)
