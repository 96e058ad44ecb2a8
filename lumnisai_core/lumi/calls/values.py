"""Values that the wire knows: times, JSON data, e-mail addresses. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, date, datetime
from enum import Enum
from typing import Any
from uuid import UUID

from lumnisai_core._transport.checks import text
from lumnisai_core.exceptions import ValidationError

#: Whole floats up to here are written without a point, as JavaScript does.
_LARGEST_WHOLE = 1e21


def plain_json(value: Any) -> Any:
    """Return a value as JSON data: dates and UUIDs as text, whole floats as integers, as the official client has them.

    Raises:
        ValidationError: A time has no zone, or the value contains itself.
    """
    try:
        return _plain(value)
    except RecursionError:
        raise ValidationError("The value is nested too deeply to be sent as JSON.") from None


def _plain(value: Any) -> Any:
    match value:
        case Enum():
            return _plain(value.value)
        case datetime():
            return moment("a time", value)
        case date() | UUID():
            return str(value)
        case float():
            return int(value) if value.is_integer() and abs(value) < _LARGEST_WHOLE else value
        case Mapping():
            return {_name(name): _plain(item) for name, item in value.items()}
        case list() | tuple():
            return [_plain(item) for item in value]
    return value


def _name(name: object) -> str:
    if not isinstance(name, str):
        raise ValidationError(f"The names of fields must be strings, not {name!r}.")
    return name


def moment(name: str, value: datetime | str) -> str:
    """Write a time as the service does, in UTC with milliseconds; a text is taken as it is."""
    if isinstance(value, str):
        return text(name, value)
    if not isinstance(value, datetime):
        raise ValidationError(f"{name} must be a datetime or an ISO 8601 string, not {type(value).__name__}.")
    if value.tzinfo is None:
        raise ValidationError(f"{name} must have a time zone, unlike {value.isoformat()}: use datetime.now(UTC).")
    return value.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def address(name: str, email: str) -> str:
    """Accept an e-mail address."""
    if "@" not in text(name, email):
        raise ValidationError(f"{name} must be an e-mail address, not {email!r}.")
    return email
