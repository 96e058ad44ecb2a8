"""JSON text: written compactly, read strictly, and stored texts spliced into replies."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Mapping
from dataclasses import is_dataclass
from typing import Any, Generic, TypeVar, get_args

from pydantic import GetCoreSchemaHandler
from pydantic_core import CoreSchema, from_json

from lumnisai_core.local.web.errors import ApiError, invalid

T_co = TypeVar("T_co", covariant=True)
_encode = json.JSONEncoder(ensure_ascii=False, allow_nan=False, separators=(",", ":")).encode
#: Types of values that one call of the encoder writes together, which is much faster than one by one.
_PLAIN = frozenset({str, int, float, bool, type(None)})
#: A body of more bytes is counted before it is parsed: millions of values would hold up everybody.
_LARGE = 1_000_000
_MOST_VALUES = 200_000
#: A text, also one without an end, so that each byte is looked at once.
_TEXT = re.compile(rb'"(?:[^"\\]++|\\.)*+(?:"|\\?\Z)', re.DOTALL)
_MAYBE_HUGE = re.compile(rb"[0-9][eE]\+?[0-9]|[0-9]{309}")


class Json(str, Generic[T_co]):
    """The JSON text of a value of that type; `written` splices it in without parsing it."""

    @classmethod
    def __get_pydantic_core_schema__(cls, source: Any, handler: GetCoreSchemaHandler) -> CoreSchema:
        """Describe the value, not the text: that is what a reply shows."""
        return handler.generate_schema(get_args(source)[0])


def dumps(value: object) -> Json[Any]:
    """Return compact JSON, or raise for NaN, infinity, a lone surrogate and what JSON cannot express."""
    text = _encode(value)
    text.encode()
    return Json(text)


def written(value: object) -> str:
    """Return a reply as JSON text: dataclasses as objects of their fields, `Json` as it is."""
    if isinstance(value, Json):
        return value
    if isinstance(value, list | tuple):
        return f"[{','.join(map(written, value))}]"
    if is_dataclass(value):
        value = {name: getattr(value, name) for name in value.__dataclass_fields__}
    if not isinstance(value, Mapping):
        return dumps(value)
    plain = {name: item for name, item in value.items() if type(item) in _PLAIN}
    pieces = [dumps(plain)[:-1]]
    for name, item in value.items():
        if name not in plain:
            pieces += ("," if len(pieces) > 1 or plain else "", _encode(name), ":", written(item))
    return "".join([*pieces, "}"])


def read_json(body: bytes) -> Any:
    """Parse a body; strict about NaN, numbers without bounds, lone surrogates, depth and encoding."""
    if len(body) > _LARGE and _has_very_many_values(body):
        raise ApiError(413, "PAYLOAD_TOO_LARGE", f"The body has more than {_MOST_VALUES} values.")
    try:
        data = from_json(body, allow_inf_nan=False)
        if _MAYBE_HUGE.search(body) and not _is_finite(data):
            raise ValueError("number out of range")
    except ValueError as error:
        raise invalid(f"Invalid JSON: {error}", "json_invalid") from error
    return data


def _has_very_many_values(body: bytes) -> bool:
    """Count texts by their quotes, then the commas outside of them, each only if the cheaper count leaves it open."""
    if body.count(b'"') - body.count(b'\\"') > 2 * _MOST_VALUES:
        return True
    return body.count(b",") > _MOST_VALUES and _TEXT.sub(b"", body).count(b",") > _MOST_VALUES


def _is_finite(data: Any) -> bool:
    """Tell whether all numbers are finite; `1e400` is read as infinity."""
    if isinstance(data, dict):
        return all(map(_is_finite, data.values()))
    if isinstance(data, list):
        return all(map(_is_finite, data))
    return not isinstance(data, float) or math.isfinite(data)
