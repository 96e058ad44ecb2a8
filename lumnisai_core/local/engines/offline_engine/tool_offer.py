"""Response formats that offer tools: which ones, how many calls, and whether an answer will do instead.

Clients with tools of their own ask for `{"tool_calls": [{"name", "args"}]}` or an answer `{"content"}`, as one of two
objects or as one object in which `tool_calls` may be null. Such a format is recognised by its shape alone.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from lumnisai_core.local.engines.samples.document import Document, Flat, Schema
from lumnisai_core.local.web.json_schema import compile_schema


@dataclass(frozen=True, slots=True)
class Tool:
    """A tool that may be called; `parameters` is the schema of its arguments, with the definitions it refers to."""

    name: str
    description: str
    parameters: Schema


@dataclass(frozen=True, slots=True)
class Call:
    """A tool call."""

    name: str
    args: Any


@dataclass(frozen=True, slots=True)
class Envelope:
    """The tools on offer, the most calls at once, and the schema of an answer; None if only a call will do."""

    schema: Mapping[str, Any]
    tools: tuple[Tool, ...]
    most: int | None
    answer: Schema | None

    def calls_value(self, calls: Iterable[Call]) -> dict[str, Any] | None:
        """Return calls in the form of the envelope, or None if it does not take them."""
        listed = [{"name": call.name, "args": call.args} for call in calls]
        return self._first_valid(
            [{"tool_calls": listed}, *({"tool_calls": listed, "content": text} for text in (None, ""))]
        )

    def answer_value(self, content: Any) -> dict[str, Any] | None:
        """Return an answer in the form of the envelope, or None if it does not take it."""
        return self._first_valid([{"content": content}, {"tool_calls": None, "content": content}])

    def _first_valid(self, forms: list[dict[str, Any]]) -> dict[str, Any] | None:
        check = compile_schema(dict(self.schema))
        return next((form for form in forms if check.is_valid(form)), None)


def envelope_of(schema: Mapping[str, Any]) -> Envelope | None:
    """Return the tools that a response format offers; None if it offers none."""
    document = Document(dict(schema))
    branches = document.alternatives(document.root)
    for position, (_, branch) in enumerate(branches):
        ways = document.alternatives(branch.get("properties", {}).get("tool_calls", False))
        calls: Flat | None = next((flat for _, flat in ways if "items" in flat), None)
        if calls is None:
            continue
        found = [_tool(flat, document) for _, flat in document.alternatives(calls["items"])]
        tools = tuple(tool for tool in found if tool is not None)
        if tools and len(tools) == len(found):
            others = [other for index, (other, _) in enumerate(branches) if index != position]
            if not others and (len(ways) > 1 or "tool_calls" not in branch.get("required", ())):
                others = [document.root]
            return Envelope(schema, tools, calls.get("maxItems"), document.alone(others[0]) if others else None)
    return None


def _tool(flat: Flat, document: Document) -> Tool | None:
    properties = flat.get("properties", {})
    names = [name for _, named in document.alternatives(properties.get("name", True)) for name in named.get("enum", ())]
    if len(names) != 1 or not isinstance(names[0], str) or "args" not in properties:
        return None
    return Tool(names[0], str(flat.get("description") or ""), document.alone(properties["args"]))
