"""The faults that ``lumnis serve --fault`` describes. Pure."""

from __future__ import annotations

import json
import re
from typing import Any

from lumnisai_core.local import Fault

#: Where the next field begins: a comma alone is part of the value, as in dates and bodies.
_NEXT = re.compile(r",\s*(?=[a-z_]+\s*(?:=|,|$))")
_TEXTS = ("route", "body")


def fault_from(text: str) -> Fault:
    """Return the fault for ``field=value`` pairs with commas between, or for a JSON object of the same fields.

    Args:
        text: Such as ``status=503,route=POST /v1/responses,times=2``. A field without a value is switched on, such as
            ``truncate``. Values are read as JSON, and as texts if they are none.

    Raises:
        ValueError: A field is not known or given twice, or a value cannot work.
    """
    if text.lstrip().startswith("{"):
        try:
            return Fault.from_dict(json.loads(text))
        except json.JSONDecodeError as error:
            raise ValueError(f"this is no JSON: {error.msg} at column {error.colno}") from None
    fields: dict[str, Any] = {}
    for part in filter(str.strip, _NEXT.split(text)):
        name, sign, value = (piece.strip() for piece in part.partition("="))
        if name in fields:
            raise ValueError(f"{name} is given twice")
        fields[name] = _value(name, value) if sign else True
    if not fields:
        raise ValueError("a fault needs something to do, such as status=503")
    return Fault.from_dict(fields)


def _value(name: str, text: str) -> Any:
    if name in _TEXTS and not text.startswith(("{", "[", '"')):
        return text
    try:
        return json.loads(text)
    except json.JSONDecodeError:
        return text
