"""Compiled checks for parts of a schema document."""

from __future__ import annotations

from typing import Any

import jsonschema_rs

from lumnisai_core.local.engines.samples.merging import Flat, Schema
from lumnisai_core.local.web.json_schema import SchemaError, Validator, compile_schema
from lumnisai_core.local.web.text import word_set

_ROOT = "urn:lumnis:schema"
_NEED_CHECK = word_set(
    """anyOf oneOf not if enum contains maxContains propertyNames dependentSchemas dependentRequired dependencies
    unevaluatedProperties unevaluatedItems patternProperties uniqueItems"""
)


class Checks:
    """Compiles parts of a document, each once; their references still lead into the document."""

    def __init__(self, root: Schema) -> None:
        self._dialect = root.get("$schema") if isinstance(root, dict) else None
        self._registry = jsonschema_rs.Registry([(_ROOT, root)]) if isinstance(root, dict) else None
        self._known: dict[int, tuple[Schema, Validator | None]] = {}
        self._patterns: dict[str, Validator] = {}

    def of(self, schema: Schema, flat: Flat) -> Validator | None:
        """Return a check for a part, or None if building by its keywords is good enough."""
        if not _NEED_CHECK.intersection(flat):
            return None
        if id(schema) not in self._known:
            self._known[id(schema)] = (schema, self._compile(schema))
        return self._known[id(schema)][1]

    def matches(self, pattern: str, text: str) -> bool:
        """Tell whether a text contains a match of a pattern, by the rules of JSON Schema."""
        if pattern not in self._patterns:
            self._patterns[pattern] = compile_schema({"pattern": pattern})
        return self._patterns[pattern].is_valid(text)

    def _compile(self, schema: Schema) -> Validator | None:
        part = _absolute(schema)
        if self._dialect is not None and isinstance(part, dict):
            part = {"$schema": self._dialect, **part}
        try:
            return compile_schema(part, registry=self._registry, formats=True)
        except SchemaError:
            return None


def _absolute(node: Any) -> Any:
    """Let local references lead into the whole document."""
    if isinstance(node, list):
        return [_absolute(item) for item in node]
    if not isinstance(node, dict):
        return node
    made = {
        key: _absolute(value) for key, value in node.items() if key not in ("$id", "id") or not isinstance(value, str)
    }
    for key in ("$ref", "$dynamicRef"):
        reference = node.get(key)
        if isinstance(reference, str) and reference.startswith("#"):
            made[key] = _ROOT + reference
    return made
