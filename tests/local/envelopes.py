"""Response formats that offer tools, as clients with tools of their own write them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

Schema = dict[str, Any]
TEXT: Schema = {"type": "string"}
WHOLE: Schema = {"type": "integer"}


def arguments(required: list[str] | None = None, **properties: Any) -> Schema:
    """A schema of arguments; all of them are required unless `required` names some."""
    needed = list(properties) if required is None else required
    return {"type": "object", "properties": properties, "required": needed}


def tool(name: str, description: str, parameters: Schema | None = None) -> Schema:
    """The schema of one tool's calls."""
    return {
        "title": name,
        "description": description,
        "type": "object",
        "properties": {"name": {"type": "string", "const": name}, "args": parameters or arguments()},
        "required": ["name", "args"],
        "additionalProperties": False,
    }


def envelope(
    *tools: Schema, forced: bool = False, most: int | None = None, final: Any = None, defs: Schema | None = None
) -> Schema:
    """Tools, or an answer unless a call is forced: one object for each."""
    first = {"title": "ToolCalls", **_closed(tool_calls=_calls(tools, most))}
    more = {"$defs": defs} if defs else {}
    if forced:
        return first | more
    answer = {"title": "Answer", **_closed(content=TEXT if final is None else final)}
    return {"title": "ToolCallsOrAnswer", "type": "object", "anyOf": [first, answer]} | more


def flat_envelope(*tools: Schema, most: int | None = None, final: Any = None, defs: Schema | None = None) -> Schema:
    """Tools or an answer in one object, where the one that is not used is null."""
    either = {"anyOf": [_calls(tools, most), {"type": "null"}]}
    answer = {"anyOf": [TEXT if final is None else final, {"type": "null"}]}
    return _closed(tool_calls=either, content=answer) | ({"$defs": defs} if defs else {})


def _calls(tools: Sequence[Schema], most: int | None) -> Schema:
    items = tools[0] if len(tools) == 1 else {"anyOf": list(tools)}
    return {"type": "array", "minItems": 1, "items": items} | ({"maxItems": most} if most else {})


def _closed(**properties: Any) -> Schema:
    return {
        "type": "object",
        "properties": properties,
        "required": list(properties),
        "additionalProperties": False,
    }
