"""A JSON Schema document: its references followed, its parts merged flat, and compiled checks for them."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any
from urllib.parse import unquote

import jsonschema_rs

from lumnisai_core.local.engines.samples.merging import Flat, Schema, Unsatisfiable, merge, own_keywords
from lumnisai_core.local.web.json_schema import SchemaError, Validator, compile_schema
from lumnisai_core.local.web.text import word_set

_ROOT = "urn:lumnis:schema"
_NAMES = ("$anchor", "$dynamicAnchor", "$id", "id")
_DEFINITIONS = ("$schema", "$defs", "definitions")
#: Keywords that building a value does not follow closely enough: such values are checked.
_CHECKED = word_set(
    """anyOf oneOf not if enum contains maxContains propertyNames dependentSchemas dependentRequired dependencies
    unevaluatedProperties unevaluatedItems patternProperties uniqueItems"""
)


class Document:
    """A schema with everything it defines."""

    def __init__(self, root: Schema) -> None:
        self.root = root
        self._registry: jsonschema_rs.Registry | None = None
        self._checks: dict[int, tuple[Schema, Validator | None]] = {}
        self._patterns: dict[str, Validator] = {}
        self._named: dict[str, Schema] = {}
        for node in _nodes(root):
            for key in _NAMES:
                if isinstance(node.get(key), str):
                    self._named.setdefault(node[key].lstrip("#"), node)

    def flat(self, schema: Schema, seen: frozenset[str] = frozenset()) -> Flat:
        """Merge a part with its references and all of `allOf`; `anyOf`, `oneOf` and `if` are kept for later.

        Raises:
            Unsatisfiable: the schema is false, contradicts itself, or refers to itself and nothing else.
        """
        if isinstance(schema, bool):
            if not schema:
                raise Unsatisfiable("a false schema allows no value")
            return {}
        flat = own_keywords(schema)
        for key in ("$ref", "$dynamicRef", "$recursiveRef"):
            if isinstance(reference := schema.get(key), str):
                if reference in seen:
                    raise Unsatisfiable(f"reference {reference} refers to itself")
                flat = merge(flat, self.flat(self._follow(reference), seen | {reference}))
        for part in schema.get("allOf", ()):
            flat = merge(flat, self.flat(part, seen))
        return flat

    def alternatives(self, schema: Schema) -> list[tuple[Schema, Flat]]:
        """Return the branches of `anyOf` and `oneOf`, each with its flat form; a schema without them is its own."""
        try:
            flat = self.flat(schema)
        except Unsatisfiable:
            return []
        branches = [branch for key in ("anyOf", "oneOf") for choice in flat.pop(key, ()) for branch in choice]
        if not branches:
            return [(schema, flat)]
        found: list[tuple[Schema, Flat]] = []
        for branch in branches:
            try:
                found.append((branch, merge(flat, self.flat(branch))))
            except Unsatisfiable:
                continue
        return found

    def alone(self, part: Schema) -> Schema:
        """Return a part as a document that brings the definitions it refers to."""
        if not isinstance(part, dict) or not isinstance(self.root, dict):
            return part
        return {**{key: self.root[key] for key in _DEFINITIONS if key in self.root}, **part}

    def check(self, schema: Schema, flat: Flat) -> Validator | None:
        """Return a check for a part, or None if a value built from its keywords needs none."""
        return self.full_check(schema) if _CHECKED.intersection(flat) else None

    def full_check(self, schema: Schema) -> Validator | None:
        """Return a check for a part, whatever its keywords; None if it cannot be compiled by itself."""
        if id(schema) not in self._checks:
            self._checks[id(schema)] = (schema, self._compile(schema))
        return self._checks[id(schema)][1]

    def matches(self, pattern: str, text: str) -> bool:
        """Return whether a text contains a match of a pattern, by the rules of JSON Schema."""
        if pattern not in self._patterns:
            self._patterns[pattern] = compile_schema({"pattern": pattern})
        return self._patterns[pattern].is_valid(text)

    def _follow(self, reference: str) -> Schema:
        base, _, fragment = reference.partition("#")
        node: Any = self._named.get(base, self.root) if base else self.root
        if fragment and not fragment.startswith("/"):
            return self._named.get(fragment, True)
        for part in unquote(fragment).split("/")[1:]:
            key = part.replace("~1", "/").replace("~0", "~")
            try:
                node = node[int(key)] if isinstance(node, list) else node[key]
            except (KeyError, IndexError, ValueError, TypeError):
                raise Unsatisfiable(f"reference {reference} leads nowhere") from None
        return node if isinstance(node, dict | bool) else True

    def _compile(self, schema: Schema) -> Validator | None:
        part = _absolute(schema)
        if isinstance(self.root, dict):
            self._registry = self._registry or jsonschema_rs.Registry([(_ROOT, self.root)])
            if isinstance(part, dict) and "$schema" in self.root:
                part = {"$schema": self.root["$schema"], **part}
        try:
            return compile_schema(part, registry=self._registry, formats=True)
        except SchemaError:
            return None


def _absolute(node: Any) -> Any:
    """Return a part in which local references lead into the whole document."""
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


def _nodes(root: Any) -> Iterator[dict[str, Any]]:
    stack = [root]
    while stack:
        node = stack.pop()
        if isinstance(node, dict):
            yield node
            stack.extend(node.values())
        elif isinstance(node, list):
            stack.extend(node)
