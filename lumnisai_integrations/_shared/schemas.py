"""JSON Schemas: reading the usual envelopes, and moving schemas into a common root. Pure."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

DEFAULT_TITLE = "Answer"


def plain_schema(schema: Mapping[str, Any]) -> dict[str, Any]:
    """Return the JSON Schema that a dict describes, with a ``title``: its own, the name in the envelope, or ``Answer``.

    The dict is a JSON Schema; an OpenAI function (``name`` and ``parameters``), tool or response format around one; or
    an Anthropic tool (``name`` and ``input_schema``).
    """
    for envelope in ("function", "json_schema"):
        if schema.get("type") == envelope and isinstance(schema.get(envelope), Mapping):
            return plain_schema(schema[envelope])
    for place in ("parameters", "input_schema", "schema"):
        if "name" in schema and isinstance(schema.get(place), Mapping):
            about = {"description": schema["description"]} if schema.get("description") else {}
            return {"title": schema["name"], **about, **schema[place]}
    return {"title": DEFAULT_TITLE, **schema}


_DEFINITIONS = ("$defs", "definitions")
#: Keywords whose value maps names, which may look like keywords, to schemas.
_NAMED_SCHEMAS = frozenset({"properties", "patternProperties", "dependentSchemas", *_DEFINITIONS})
#: Keywords whose value is data, which may look like a schema.
_DATA = frozenset({"const", "enum", "default", "examples"})
_NOT_PLAIN = re.compile(r"[^A-Za-z0-9_.-]")


class SharedDefinitions:
    """The ``$defs`` at the root of a schema that other schemas are moved into.

    A ``$ref`` is relative to the root. So the definitions of a moved schema become definitions of the root, under
    names of their own, and references are rewritten; a schema that refers to itself becomes a definition, too.
    """

    def __init__(self) -> None:
        self.schemas: dict[str, Any] = {}

    def take(self, schema: Mapping[str, Any], *, prefix: str) -> dict[str, Any]:
        """Return a copy of a schema that is valid inside the root."""
        kept = {name: value for name, value in schema.items() if name not in ("$schema", "$id")}
        definitions = {
            f"#/{place}/{_pointer_part(name)}": self._free_name(f"{prefix}.{name}")
            for place in _DEFINITIONS
            for name in kept.get(place, ())
        }
        mover = _Mover(definitions, self._free_name(prefix))
        inside = mover.schema({name: value for name, value in kept.items() if name not in _DEFINITIONS})
        for place in _DEFINITIONS:
            for name, definition in kept.get(place, {}).items():
                self.schemas[definitions[f"#/{place}/{_pointer_part(name)}"]] = mover.schema(definition)
        if not mover.refers_to_whole:
            del self.schemas[mover.whole]
            return dict(inside)
        self.schemas[mover.whole] = inside
        return {"$ref": f"#/$defs/{mover.whole}"}

    def _free_name(self, wanted: str) -> str:
        plain = _NOT_PLAIN.sub("_", wanted)
        name, number = plain, 2
        while name in self.schemas:
            name, number = f"{plain}.{number}", number + 1
        self.schemas[name] = {}
        return name


class _Mover:
    """Rewrites the references of one schema to the names that its definitions have at the root."""

    def __init__(self, definitions: Mapping[str, str], whole: str) -> None:
        self._definitions = definitions
        self.whole = whole
        self.refers_to_whole = False

    def schema(self, schema: Any) -> Any:
        if isinstance(schema, Mapping):
            return {keyword: self._value(keyword, value) for keyword, value in schema.items()}
        if isinstance(schema, list | tuple):
            return [self.schema(part) for part in schema]
        return schema

    def _value(self, keyword: str, value: Any) -> Any:
        if keyword in _DATA:
            return value
        if keyword == "$ref" and isinstance(value, str):
            return self._reference(value)
        if keyword in _NAMED_SCHEMAS and isinstance(value, Mapping):
            return {name: self.schema(part) for name, part in value.items()}
        return self.schema(value)

    def _reference(self, reference: str) -> str:
        if not reference.startswith("#"):
            return reference
        place = "/".join(reference.split("/")[:3])
        if place in self._definitions:
            return f"#/$defs/{self._definitions[place]}{reference[len(place) :]}"
        self.refers_to_whole = True
        return f"#/$defs/{self.whole}{reference[1:]}"


def _pointer_part(name: str) -> str:
    return name.replace("~", "~0").replace("/", "~1")
