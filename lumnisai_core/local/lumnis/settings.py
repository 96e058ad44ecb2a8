"""Settings of the embedded service, checked; keys of tenants among them."""

from __future__ import annotations

import re
import secrets
import socket
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Literal, get_args
from urllib.parse import urlsplit

from lumnisai_core.local.engines.base import Engine
from lumnisai_core.local.web.faults import Fault
from lumnisai_core.local.web.ids import utc
from lumnisai_core.local.web.layers import RecordedRequest

PollMode = Literal["end-only", "on-change"]
DownloadMode = Literal["inline", "redirect"]
LimitMode = Literal["reject", "clamp"]
ArtifactShape = Literal["parts", "content"]
Reach = Literal["user", "tenant"]
_URL = re.compile(r"https?://[^/?#\s@]+(/[^?#\s]*[^?#\s/])?")
_CHOICES = {
    "poll": PollMode,
    "download": DownloadMode,
    "limits": LimitMode,
    "artifact_shape": ArtifactShape,
    "reach": Reach,
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """The options of `LocalLumnis`, checked, with engines and keys made ready: names of tenants and times by key.

    `agents` are those with engines of their own. `record` is called with each request before that is processed.
    """

    engine: Engine
    path: Path | None
    host: str
    port: int
    api_key: str
    tenants: Mapping[str, str]
    key_expiry: Mapping[str, str]
    poll: PollMode
    max_wait: float
    max_body: int
    max_file: int
    download: DownloadMode
    step_delay: float
    limits: LimitMode
    entry_ids: bool
    artifact_shape: ArtifactShape
    reach: Reach
    public_url: str | None
    faults: tuple[Fault, ...]
    fault_routes: bool
    agents: tuple[str, ...] = ()
    record: Callable[[RecordedRequest], None] | None = None

    def __post_init__(self) -> None:
        for name, choices in _CHOICES.items():
            first, second = get_args(choices)
            if getattr(self, name) not in (first, second):
                raise ValueError(f"{name} must be {first!r} or {second!r}, got {getattr(self, name)!r}")
        for name in ("entry_ids", "fault_routes"):
            if not isinstance(getattr(self, name), bool):
                raise ValueError(f"{name} must be True or False, got {getattr(self, name)!r}")
        if self.public_url is not None and not _URL.fullmatch(self.public_url):
            raise ValueError(f"public_url must be like 'https://lumnis.example.org', got {self.public_url!r}")
        if isinstance(self.port, bool) or not isinstance(self.port, int) or not 0 <= self.port <= 65535:
            raise ValueError(f"port must be a whole number from 0 to 65535, got {self.port!r}")

    @property
    def host_names(self) -> frozenset[str]:
        """The names of this service in `Host` headers, in lower case."""
        public = urlsplit(self.public_url or "").hostname
        return frozenset(name.lower() for name in (self.host, socket.gethostname(), public) if name)

    @property
    def owner_key(self) -> str | None:
        """The key of the service itself, which may do more than use it; None if it is the key of a tenant."""
        return None if self.api_key in self.tenants else self.api_key


def clean_key(key: str | None, default: str | None = None) -> str:
    """Return a key without spaces around it; default: a fresh random one. A blank key is a ValueError."""
    if key is not None and not key.strip():
        raise ValueError("api_key must be a non-empty string")
    return (key or default or f"lmn_local_{secrets.token_urlsafe(24)}").strip()


def names_by_key(tenants: Mapping[str, Sequence[str]]) -> dict[str, str]:
    """Turn keys by name into names by key, in the same order; a ValueError explains what is wrong, without any key."""
    names: dict[str, str] = {}
    for name, keys in ((name.strip(), keys) for name, keys in tenants.items()):
        if not name:
            raise ValueError("names in tenants must be non-empty strings")
        if isinstance(keys, str) or not keys:
            raise ValueError(f"tenants[{name!r}] must be a list of at least one key")
        for key in map(str.strip, keys):
            if not key:
                raise ValueError(f"keys in tenants[{name!r}] must be non-empty strings")
            if names.setdefault(key, name) != name:
                raise ValueError(f"tenants {names[key]!r} and {name!r} must not share a key")
    return names


def expiry_by_key(expiry: Mapping[str, datetime], known: Collection[str]) -> dict[str, str]:
    """Return when keys expire, as times on the wire; a ValueError if a key is not known, without the key."""
    if any(key.strip() not in known for key in expiry):
        raise ValueError("key_expiry names a key that is neither api_key nor one of tenants")
    return {key.strip(): utc(moment) for key, moment in expiry.items()}
