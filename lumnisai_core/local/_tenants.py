"""Which key belongs to which named tenant. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence


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
