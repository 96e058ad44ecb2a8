"""Clients that saved and restored copies of a component share, within one process.

The context of a workflow turns what it holds into a saved form and back between two runs. Such a copy works on with the
key and the connections of the first one, although its saved form holds only a reference, which means nothing elsewhere.
"""

from __future__ import annotations

import os
import threading
from uuid import uuid4

from pydantic import SecretStr

from lumnisai_integrations._shared.clients import Clients, ClientSettings

_Known = tuple[ClientSettings, tuple[str | None, ...]]

_lock = threading.Lock()
_references: dict[_Known, str] = {}
_shared: dict[str, tuple[ClientSettings, Clients]] = {}


def share(settings: ClientSettings) -> tuple[str, Clients]:
    """Return the clients of these settings, and a reference to both."""
    known = (settings, _environment())
    with _lock:
        reference = _references.setdefault(known, uuid4().hex)
        _, clients = _shared.setdefault(reference, (settings, Clients()))
        return reference, clients


def key_of(reference: str | None, base_url: str | None) -> SecretStr | None:
    """Return the API key that belongs to a reference, for the same service only."""
    with _lock:
        settings, _ = _shared.get(reference or "", (None, None))
    return settings.api_key if settings is not None and settings.base_url == base_url else None


def _environment() -> tuple[str | None, ...]:
    # Settings that are not given come from there; with other values there, the clients are others.
    return tuple(os.environ.get(f"LUMNISAI_{name}") for name in ("API_KEY", "BASE_URL", "TENANT_ID"))
