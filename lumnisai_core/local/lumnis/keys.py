"""Which key belongs to which named tenant, and how long it is good. Pure."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from datetime import datetime

from lumnisai_core.local.web.ids import utc


def names_by_key(tenants: Mapping[str, Sequence[str]]) -> dict[str, str]:
    """Turn keys by name into names by key, in the same order.

    Raises:
        ValueError: a name or key is blank, a tenant has no key, or two tenants share one. No key is in the message.
    """
    names: dict[str, str] = {}
    for given, keys in tenants.items():
        name = given.strip()
        if not name:
            raise ValueError("tenants must not have a blank name")
        if isinstance(keys, str) or not keys:
            raise ValueError(f"tenants[{name!r}] must be a list of at least one key")
        for key in map(str.strip, keys):
            if not key:
                raise ValueError(f"tenants[{name!r}] must not hold a blank key")
            if names.setdefault(key, name) != name:
                raise ValueError(f"tenants {names[key]!r} and {name!r} must not share a key")
    return names


def expiry_by_key(given: Mapping[str, datetime], known: Collection[str]) -> dict[str, str]:
    """Return when keys expire, as times on the wire.

    Raises:
        ValueError: a key is not one of the service's, or its expiry is no date. No key is in the message.
    """
    expiry: dict[str, str] = {}
    for key, moment in given.items():
        if key.strip() not in known:
            raise ValueError("key_expiry names a key that is neither api_key nor one of tenants")
        expiry[key.strip()] = utc(moment)
    return expiry
