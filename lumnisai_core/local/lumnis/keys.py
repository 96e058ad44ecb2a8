"""API keys: whose tenant they open, and when they expire. Only their hashes are kept."""

from __future__ import annotations

import hashlib
import secrets
from collections.abc import Collection, Mapping, Sequence
from datetime import datetime

from lumnisai_core.local.lumnis.store.rows import TenantRow
from lumnisai_core.local.lumnis.store.store import Store
from lumnisai_core.local.web.ids import is_past, now, utc


class Keys:
    """The keys that clients may send."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._tenants: dict[str, TenantRow] = {}
        self._expiry: dict[str, str] = {}

    def admit(self, key: str, tenant: str | None = None, expires_at: str | None = None) -> TenantRow:
        """Admit a key, to a tenant by name or, on first sight, to one of its own."""
        hashed = _hash(key)
        self._tenants[hashed] = self._store.tenant(hashed, tenant)
        self._expiry.pop(hashed, None)
        if expires_at is not None:
            self._expiry[hashed] = expires_at
        return self._tenants[hashed]

    def tenant_of(self, key: str) -> TenantRow | None:
        """Return the tenant of a key; None if the key is unknown or has expired."""
        hashed = _hash(key)
        expires_at = self._expiry.get(hashed)
        return None if expires_at is not None and is_past(expires_at, now()) else self._tenants.get(hashed)


def _hash(key: str) -> str:
    return hashlib.sha256(key.encode()).hexdigest()


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
