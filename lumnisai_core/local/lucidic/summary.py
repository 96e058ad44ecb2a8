"""The summary of an event: a short name, its error, its tokens and cost, read from a payload of any shape. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

_LONGEST = 200
#: Largest number that is added up, so that sums stay far from the limits of whole numbers and floats.
_MOST = 10**12


class Summary(NamedTuple):
    """What lists, sums and the tree show of an event.

    Attributes:
        name: The model, function or first words of it.
        error: The beginning of its error; None if it has none.
        input_tokens: Tokens of its request; None if unknown.
        output_tokens: Tokens of its response; None if unknown.
        cost: Its cost in USD; None if unknown.
    """

    name: str
    error: str | None = None
    input_tokens: int | None = None
    output_tokens: int | None = None
    cost: float | None = None


def summarised(kind: str, payload: Mapping[str, Any]) -> Summary:
    """Return the summary of an event by its type and payload."""
    usage = _object(payload.get("usage")) if kind == "llm_generation" else {}
    tokens = [_amount(usage.get(name)) for name in ("input_tokens", "output_tokens")]
    whole = [None if amount is None else int(amount) for amount in tokens]
    return Summary(_name(kind, payload), _error(kind, payload), whole[0], whole[1], _amount(usage.get("cost")))


def _name(kind: str, payload: Mapping[str, Any]) -> str:
    match kind:
        case "llm_generation":
            name = _object(payload.get("request")).get("model")
        case "function_call":
            name = payload.get("function_name")
        case "error_traceback":
            name = payload.get("error")
        case _:
            name = payload.get("details", payload.get("data"))
    return _short(name) or kind


def _error(kind: str, payload: Mapping[str, Any]) -> str | None:
    error = payload.get("error")
    if error or kind == "error_traceback":
        return _short(error) or "error"
    return "error" if kind == "llm_generation" and payload.get("status") == "error" else None


def _short(value: Any) -> str:
    """Return the beginning of a value as one line; objects and lists by their own form."""
    text = value if isinstance(value, str) else "" if value is None else repr(value)
    line = " ".join(text[: 4 * _LONGEST].split())
    return line if len(line) <= _LONGEST else f"{line[: _LONGEST - 1]}\N{HORIZONTAL ELLIPSIS}"


def _object(value: Any) -> Mapping[str, Any]:
    return value if isinstance(value, Mapping) else {}


def _amount(value: Any) -> float | None:
    """Return a number that can be added up; None for anything else."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    return float(min(value, _MOST)) if value >= 0 else None
