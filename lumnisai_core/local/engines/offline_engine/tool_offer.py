"""A response format that offers tools: which ones, how many calls, and whether an answer will do instead.

Clients that have tools of their own ask for `{"tool_calls": [{"name", "args"}]}` or an answer. Such a format is known
by its shape alone.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from lumnisai_core.local.engines.samples.merging import Flat, Resolver, Schema, Unsatisfiable, flatten

_CALLS = "tool_calls"
_DEFINITIONS = ("$schema", "$defs", "definitions")


@dataclass(frozen=True, slots=True)
class Tool:
    """A tool that may be called; `parameters` is the schema of its arguments, with the definitions it refers to."""

    name: str
    description: str
    parameters: Schema


@dataclass(frozen=True, slots=True)
class Envelope:
    """What may be answered: calls of `tools`, `most` of them, or `answer`; None where nothing but a call will do."""

    schema: Mapping[str, Any]
    tools: tuple[Tool, ...]
    most: int | None
    answer: Schema | None


def envelope_of(schema: Mapping[str, Any]) -> Envelope | None:
    """Return the tools that a response format offers; None if it is an ordinary one."""
    resolver = Resolver(dict(schema))
    branches = _branches(dict(schema))
    for position, branch in enumerate(branches):
        calls = _calls(branch, resolver)
        if calls is None:
            continue
        items = calls.get("items", True)
        found = [_tool(item, resolver, schema) for item in _alternatives(items, resolver)]
        tools = tuple(tool for tool in found if tool is not None)
        if tools and len(tools) == len(found):
            others = [*branches[:position], *branches[position + 1 :]]
            answer = _alone(others[0], schema) if others else None
            return Envelope(schema, tools, calls.get("maxItems"), answer)
    return None


def _branches(schema: dict[str, Any]) -> list[Schema]:
    for key in ("anyOf", "oneOf"):
        if isinstance(schema.get(key), list):
            return list(schema[key])
    return [schema]


def _calls(branch: Schema, resolver: Resolver) -> Flat | None:
    """Return the list of calls of a branch, or None if it is an answer."""
    listed = _flat(branch, resolver).get("properties", {}).get(_CALLS)
    return None if listed is None else _flat(listed, resolver)


def _alternatives(items: Schema, resolver: Resolver) -> Iterator[Schema]:
    flat = _flat(items, resolver)
    choices = [*flat.get("anyOf", ()), *flat.get("oneOf", ())]
    if not choices:
        yield items
    for choice in choices:
        yield from choice


def _tool(item: Schema, resolver: Resolver, schema: Mapping[str, Any]) -> Tool | None:
    flat = _flat(item, resolver)
    properties = flat.get("properties", {})
    names = _flat(properties.get("name", True), resolver).get("enum", ())
    if len(names) != 1 or not isinstance(names[0], str) or "args" not in properties:
        return None
    return Tool(names[0], str(flat.get("description") or ""), _alone(properties["args"], schema))


def _alone(part: Schema, schema: Mapping[str, Any]) -> Schema:
    """Return a part of a document as a document of its own."""
    if not isinstance(part, dict):
        return part
    return {**{key: schema[key] for key in _DEFINITIONS if key in schema}, **part}


def _flat(schema: Schema, resolver: Resolver) -> Flat:
    try:
        return flatten(schema, resolver)
    except Unsatisfiable:
        return {}
