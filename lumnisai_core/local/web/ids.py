"""Times and identifiers as they appear on the wire."""

from __future__ import annotations

import time
from datetime import UTC, datetime, timedelta
from uuid import UUID, uuid4, uuid5

_NAMESPACE = UUID("5a0c8f5e-0c4e-4c55-9f0e-6c756d6e6973")


def now() -> str:
    """Return the current time with microseconds and its zone."""
    return datetime.now(UTC).isoformat(timespec="microseconds")


def now_z() -> str:
    """Return the current time with milliseconds and a Z."""
    moment, fraction = divmod(time.time_ns() // 1_000_000, 1000)
    return f"{time.strftime('%Y-%m-%dT%H:%M:%S', time.gmtime(moment))}.{fraction:03d}Z"


def ago(delta: timedelta) -> str:
    """Return the time that lies `delta` in the past."""
    return (datetime.now(UTC) - delta).isoformat(timespec="microseconds")


def utc(moment: datetime) -> str:
    """Return a time as it is on the wire; one without a zone is in UTC."""
    if not isinstance(moment, datetime):
        raise ValueError(f"expires_at must be a datetime, got {moment!r}")
    zoned = moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment.astimezone(UTC)
    return zoned.isoformat(timespec="microseconds")


def is_past(expires_at: str | None, moment: str) -> bool:
    """Tell whether an expiry, None for never, has passed at a moment; both as times on the wire."""
    return expires_at is not None and datetime.fromisoformat(expires_at) <= datetime.fromisoformat(moment)


def new_id() -> str:
    """Return a fresh identifier."""
    return str(uuid4())


def tenant_id_of(key_hash: str) -> str:
    """Return the tenant that belongs to a hashed key."""
    return str(uuid5(_NAMESPACE, key_hash))


def user_id_of(tenant_id: str, name: str) -> str:
    """Map any form of user id to the UUID of that user: a UUID to itself, e-mail addresses without regard to case."""
    name = name.strip()
    try:
        return str(UUID(name))
    except ValueError:
        return str(uuid5(UUID(tenant_id), name.lower() if "@" in name else name))
