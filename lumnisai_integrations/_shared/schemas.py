"""JSON Schemas in the forms in which users and frameworks hold them. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

DEFAULT_TITLE = "Answer"


def plain_schema(given: Mapping[str, Any]) -> dict[str, Any]:
    """Return the titled JSON Schema that a dict describes.

    Args:
        given: A JSON Schema; an OpenAI function (``name`` and ``parameters``), tool or response format around one; or
            an Anthropic tool (``name`` and ``input_schema``).

    Returns:
        A copy with a ``title``: that of the schema, else the name of what was around it, else ``Answer``.
    """
    for envelope in ("function", "json_schema"):
        if given.get("type") == envelope and isinstance(given.get(envelope), Mapping):
            return plain_schema(given[envelope])
    for place in ("parameters", "input_schema", "schema"):
        if "name" in given and isinstance(given.get(place), Mapping):
            return _titled(given[place], title=given["name"], description=given.get("description"))
    return _titled(given, title=DEFAULT_TITLE, description=None)


def _titled(schema: Mapping[str, Any], *, title: str, description: str | None) -> dict[str, Any]:
    head = {"title": title} | ({"description": description} if description else {})
    return head | dict(schema)
