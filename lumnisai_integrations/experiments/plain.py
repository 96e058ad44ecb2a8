"""Plain data: values of any kind as JSON has them, their fingerprints, and how they read in a prompt. Pure."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from typing import Any

from pydantic import BaseModel
from pydantic_core import to_jsonable_python


def plain(value: object) -> Any:
    """Return a value as JSON has it: models as objects, dates as texts, NaN as None, other objects as their type."""
    return to_jsonable_python(_known(value), fallback=_other, inf_nan_mode="null", bytes_mode="base64")


def digest(value: object) -> str:
    """Return a fingerprint of a value: the same for equal values in every process."""
    text = json.dumps(plain(value), sort_keys=True, ensure_ascii=True)
    return hashlib.sha256(text.encode()).hexdigest()[:32]


def as_text(value: object) -> str:
    """Return a value as it reads in a prompt: texts as they are, None as an empty text, others as JSON."""
    if isinstance(value, str):
        return value
    return "" if value is None else json.dumps(plain(value), ensure_ascii=False)


def _known(value: object) -> object:
    """Replace what has no form in JSON of its own: classes of pydantic by their JSON Schema, sets by sorted lists."""
    if isinstance(value, type) and issubclass(value, BaseModel):
        return value.model_json_schema()
    if isinstance(value, Mapping):
        return {str(name): _known(one) for name, one in value.items()}
    if isinstance(value, list | tuple):
        return [_known(one) for one in value]
    if isinstance(value, set | frozenset):
        return sorted(map(str, value))
    if isinstance(value, BaseModel):
        return value.model_dump(mode="json", exclude_none=True)
    return value


def _other(value: object) -> object:
    if hasattr(value, "item") and hasattr(value, "dtype") and getattr(value, "size", 1) == 1:  # a number of NumPy
        return value.item()
    if hasattr(value, "tolist"):
        return value.tolist()
    return getattr(value, "__qualname__", None) or type(value).__qualname__
