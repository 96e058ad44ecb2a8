"""Values of a program as JSON: snapshots that never consume, change or fail on what they are made from. Pure."""

from __future__ import annotations

import dataclasses
import json
import math
from collections.abc import Callable, Mapping
from datetime import date, time, timedelta
from decimal import Decimal
from enum import Enum
from pathlib import PurePath
from types import CodeType, FunctionType
from typing import Any
from uuid import UUID

#: Levels of nesting that are kept.
_DEEPEST = 20

#: Characters of the text of an object that has no form of its own in JSON.
_LONGEST_REPR = 10_000

#: Stands for a text when the masking function raised or returned something else than a text.
MASKED_NOTICE = "[masked: the masking function failed]"

#: A function that hides personal data in a text.
Mask = Callable[[str], str]

_AS_TEXT = (UUID, Decimal, PurePath, date, time, timedelta)


def plain(value: Any) -> Any:
    """Return a value as JSON data: what JSON knows as it is, the rest by its fields or as a text.

    Iterators and generators become a text, because reading them would empty them.
    """
    return _plain(value, ())


def _plain(value: Any, above: tuple[int, ...]) -> Any:
    if value is None or isinstance(value, bool):
        return value
    if isinstance(value, Enum):
        return _plain(value.value, above)
    if isinstance(value, str):
        return str(value).encode("utf-8", "replace").decode()
    if isinstance(value, int):
        return int(value)
    if isinstance(value, float):
        return float(value) if math.isfinite(value) else str(value)
    if id(value) in above:
        return "<circular>"
    if len(above) >= _DEEPEST:
        return f"<{type(value).__name__}: nested too deeply>"
    below = (*above, id(value))
    try:
        if isinstance(value, Mapping):
            return {_key(key): _plain(item, below) for key, item in list(value.items())}
        if isinstance(value, list | tuple | set | frozenset):
            return [_plain(item, below) for item in list(value)]
        return _plain(_fields(value), below)
    except Exception:  # noqa: BLE001 - any property of any object may raise
        return f"<{type(value).__name__}>"


def _key(key: Any) -> str:
    return str(key).encode("utf-8", "replace").decode()


def _fields(value: Any) -> Any:
    """Return an object by its fields or as a text; never the object itself."""
    if isinstance(value, type | FunctionType | CodeType):
        return f"<{getattr(value, '__qualname__', type(value).__name__)}>"
    if isinstance(value, bytes | bytearray | memoryview):
        return f"<{type(value).__name__}: {len(value)} bytes>"
    if isinstance(value, _AS_TEXT):
        return str(value)
    if isinstance(value, BaseException):
        return described(value)
    if callable(dump := getattr(value, "model_dump", None)):
        return dump()
    if dataclasses.is_dataclass(value):
        return {field.name: getattr(value, field.name, None) for field in dataclasses.fields(value) if field.repr}
    text = repr(value)
    return text if len(text) <= _LONGEST_REPR else f"{text[: _LONGEST_REPR - 1]}…"


_encode_quickly = json.JSONEncoder(ensure_ascii=False, separators=(",", ":"), allow_nan=False, default=plain).encode


def encoded(value: Any) -> str:
    """Write a value as compact JSON. It cannot fail, and does not change the value."""
    try:
        return _encode_quickly(value)
    except Exception:  # noqa: BLE001 - keys that are not texts, circles, NaN, a dict that another thread changes
        return _encode_quickly(plain(value))


def described(error: BaseException) -> str:
    """Return the class and the text of an exception."""
    try:
        text = str(error)
    except Exception:  # noqa: BLE001 - written by others
        text = ""
    return f"{type(error).__name__}: {text}" if text else type(error).__name__


def masked(value: Any, mask: Mask | None) -> Any:
    """Return JSON data with every text masked; keys stay.

    Args:
        value: The data.
        mask: The caller's function. Where it raises or returns no text, a notice stands for the text.
    """
    if mask is None:
        return value
    if isinstance(value, str):
        try:
            text = mask(value)
        except Exception:  # noqa: BLE001 - the caller's function; what it was for must not leave
            return MASKED_NOTICE
        return text if isinstance(text, str) else MASKED_NOTICE
    if isinstance(value, Mapping):
        return {key: masked(item, mask) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [masked(item, mask) for item in value]
    return value
