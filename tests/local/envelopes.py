"""Response formats that offer tools, in the form in which clients with tools of their own write them."""

from __future__ import annotations

from typing import Any

Schema = dict[str, Any]
TEXT: Schema = {"type": "string"}
WHOLE: Schema = {"type": "integer"}


def arguments(required: list[str] | None = None, **properties: Any) -> Schema:
    """A schema of arguments; all of them are required unless it is said which."""
    needed = list(properties) if required is None else required
    return {"type": "object", "properties": properties, "required": needed}


def tool(name: str, description: str, parameters: Schema | None = None) -> Schema:
    """A tool as an envelope holds it."""
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
    """Tools, or an answer unless a call is forced."""
    items = tools[0] if len(tools) == 1 else {"anyOf": list(tools)}
    calls: Schema = {"type": "array", "minItems": 1, "items": items} | ({"maxItems": most} if most else {})
    first = {"title": "ToolCalls", **_closed(tool_calls=calls)}
    more = {"$defs": defs} if defs else {}
    if forced:
        return first | more
    answer = {"title": "Answer", **_closed(content=TEXT if final is None else final)}
    return {"title": "ToolCallsOrAnswer", "type": "object", "anyOf": [first, answer]} | more


def _closed(**properties: Any) -> Schema:
    return {
        "type": "object",
        "properties": properties,
        "required": list(properties),
        "additionalProperties": False,
    }
