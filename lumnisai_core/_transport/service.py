"""What the transport has to know about a service: where it is and how to prove who calls."""

from __future__ import annotations

import ipaddress
import warnings
from collections.abc import Mapping
from types import MappingProxyType
from typing import NamedTuple
from urllib.parse import urlsplit

from pydantic import SecretStr

from lumnisai_core.exceptions import ConfigurationError


class Service(NamedTuple):
    """A service to talk to.

    Attributes:
        name: Shown in error messages.
        base_url: Address without a trailing slash; a path in it is kept.
        credential: The secret, which only the HTTP layer reads.
        credential_header: Header that carries the secret.
        credential_prefix: Text in front of the secret in that header.
        headers: Further headers of every request.
    """

    name: str
    base_url: str
    credential: SecretStr
    credential_header: str = "Authorization"
    credential_prefix: str = "Bearer "
    headers: Mapping[str, str] = MappingProxyType({})

    @property
    def is_local(self) -> bool:
        """Whether the service is on this machine, where neither proxies nor certificates matter."""
        return is_loopback(self.base_url)


def is_loopback(url: str) -> bool:
    """Say whether a URL names this machine by ``localhost`` or a loopback address."""
    host = urlsplit(url).hostname or ""
    try:
        return host == "localhost" or ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def checked_base_url(url: str) -> str:
    """Check a base URL and take off the trailing slash; a path stays.

    Raises:
        ConfigurationError: It is no http or https address, or carries a user, query or fragment.
    """
    text = url.strip()
    try:
        parts = urlsplit(text)
        usable = parts.scheme in ("http", "https") and bool(parts.hostname) and parts.port != 0
    except ValueError:
        usable = False
    if not usable:
        raise ConfigurationError(
            f"base_url {url!r} is not an http or https address. Example: https://api.lumnis.ai "
            "(argument base_url or environment variable LUMNISAI_BASE_URL)."
        )
    if parts.username or parts.password or parts.query or parts.fragment:
        raise ConfigurationError("base_url must not carry a user name, password, query or fragment.")
    if parts.scheme == "http" and not is_loopback(text):
        warnings.warn(
            f"The API key will be sent unencrypted to {parts.hostname}: use an https base URL.",
            UserWarning,
            stacklevel=5,
        )
    return text.rstrip("/")
