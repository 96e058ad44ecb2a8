"""A JSON Schema document: its references followed, its parts merged into one flat set of keywords, and compiled."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Hashable, Mapping
from itertools import islice, product
from typing import Any
from urllib.parse import unquote

from lumnisai_core.local.web.json_schema import SchemaError, Validator, compile_schema
from lumnisai_core.local.web.work import check_time

Schema = dict[str, Any] | bool
Flat = dict[str, Any]

CHOICES = "\0choices"
"""Private keyword for `anyOf` and `oneOf`: lists of branches, each with one that a value needs."""

_DEFINITIONS = ("$schema", "$defs", "definitions")
_MAX_BRANCHES = 64
_MAX_CHOICES = 8
_KINDS = ("object", "string", "number", "integer", "array", "boolean", "null")
_HINTS = {
    "object": {"properties", "required", "additionalProperties", "minProperties", "patternProperties"},
    "array": {"items", "prefixItems", "minItems", "uniqueItems"},
    "number": {"minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum", "multipleOf"},
    "string": {"pattern", "minLength", "maxLength", "format"},
}
_BOUNDS: Mapping[str, Callable[[Any, Any], Any]] = {
    **dict.fromkeys(("minimum", "exclusiveMinimum", "minLength", "minItems", "minProperties"), max),
    **dict.fromkeys(("maximum", "exclusiveMaximum", "maxLength", "maxItems", "maxProperties"), min),
}


class Unsatisfiable(ValueError):
    """No value satisfies the schema, or none was found; the message has the reason."""


class Document:
    """A schema with everything it defines."""

    def __init__(self, root: Schema) -> None:
        self.root = root
        references = re.findall(r'"\$ref": "([^"]*)"', json.dumps(root))
        self._has_parts = all(name.startswith(("#/$defs/", "#/definitions/")) for name in references)
        self._checks: dict[int, tuple[Schema, Validator | None]] = {}

    def flat(self, schema: Schema, seen: frozenset[str] = frozenset()) -> Flat:
        """Merge a part with its references and all of `allOf`, keeping its choices, or raise `Unsatisfiable`."""
        if isinstance(schema, bool):
            if not schema:
                raise Unsatisfiable("a false schema allows no value")
            return {}
        check_time()
        flat = _own_keywords(schema)
        if isinstance(reference := schema.get("$ref"), str):
            if reference in seen:
                raise Unsatisfiable(f"reference {reference} refers to itself")
            flat = merge(flat, self.flat(self._follow(reference), seen | {reference}))
        for part in schema.get("allOf", ()):
            flat = merge(flat, self.flat(part, seen))
        return flat

    def branches(self, flat: Flat, choices_before: int = 0) -> list[Flat]:
        """Return the keywords with one way through all choices merged in, for each way that is possible."""
        plain, choices = {key: value for key, value in flat.items() if key != CHOICES}, flat.get(CHOICES, ())
        if not choices or choices_before == _MAX_CHOICES:
            return [] if choices else [plain]
        found: list[Flat] = []
        for way in islice(product(*choices), None if len(choices) == 1 else _MAX_BRANCHES):
            check_time()
            try:
                merged = plain
                for part in way:
                    merged = merge(merged, self.flat(part))
            except Unsatisfiable:
                continue
            found += self.branches(merged, choices_before + 1)
        return found

    def alternatives(self, schema: Schema) -> list[Flat]:
        """Return the branches of a part; none if it contradicts itself."""
        try:
            return self.branches(self.flat(schema))
        except Unsatisfiable:
            return []

    def alone(self, part: Schema) -> Schema:
        """Return a part as a document that brings the definitions it refers to."""
        if not isinstance(part, dict) or not isinstance(self.root, dict):
            return part
        return {**{key: self.root[key] for key in _DEFINITIONS if key in self.root}, **part}

    def check(self, schema: Schema) -> Validator | None:
        """Return a check for a part; None if it cannot be compiled by itself."""
        if id(schema) not in self._checks:
            try:
                check = compile_schema(self.alone(schema), formats=True) if self._has_parts else None
            except SchemaError:
                check = None
            self._checks[id(schema)] = (schema, check)
        return self._checks[id(schema)][1]

    def _follow(self, reference: str) -> Schema:
        node: Any = self.root
        for part in unquote(reference).lstrip("#").split("/")[1:]:
            key = part.replace("~1", "/").replace("~0", "~")
            try:
                node = node[int(key)] if isinstance(node, list) else node[key]
            except (KeyError, IndexError, ValueError, TypeError):
                raise Unsatisfiable(f"reference {reference} leads nowhere") from None
        return node if isinstance(node, dict | bool) else True


def identity(value: Any) -> Hashable:
    """Return what equal JSON values have in common: true differs from 1, but 1.0 equals 1."""
    if isinstance(value, list):
        return ("list", *map(identity, value))
    if isinstance(value, dict):
        return frozenset((name, identity(part)) for name, part in value.items())
    return ("bool", value) if isinstance(value, bool) else value


def same(one: Any, two: Any) -> bool:
    """Compare as JSON does."""
    return identity(one) == identity(two)


def kinds(flat: Flat) -> list[str]:
    """Return the types a value may have, the likely one first."""
    if "type" in flat:
        return list(flat["type"])
    likely = [kind for kind, keys in _HINTS.items() if keys.intersection(flat)] or ["string"]
    return [*likely, *(kind for kind in _KINDS if kind not in likely)]


def _own_keywords(schema: Mapping[str, Any]) -> Flat:
    """Return the keywords of one schema in the form that `merge` takes."""
    flat = {key: value for key, value in schema.items() if key not in ("$ref", "allOf")}
    choices = [list(flat.pop(key)) for key in ("anyOf", "oneOf") if key in flat]
    if choices:
        flat[CHOICES] = choices
    counts = [key for key in flat if key[:3] in ("min", "max") and key[3:4].isupper()]
    flat.update((key, int(flat[key])) for key in counts)  # 2.0 is a valid count
    if "const" in flat:
        flat["enum"] = [flat.pop("const")]
    if isinstance(flat.get("type"), str):
        flat["type"] = [flat["type"]]
    if isinstance(flat.get("items"), list):
        flat["prefixItems"], flat["items"] = flat.pop("items"), flat.pop("additionalItems", True)
    return flat


def merge(one: Flat, two: Flat) -> Flat:
    """Return keywords that demand what both demand, as far as building a value needs it; values are checked anyway."""
    merged = {**one, **two}
    for key in one.keys() & two.keys():
        if key in ("properties", "patternProperties"):
            both = {name: {"allOf": [one[key][name], two[key][name]]} for name in one[key].keys() & two[key].keys()}
            merged[key] = {**one[key], **two[key], **both}
        elif key in ("items", "additionalProperties") and one[key] != two[key]:
            merged[key] = {"allOf": [one[key], two[key]]}
        elif key in (CHOICES, "required"):
            merged[key] = [*one[key], *(part for part in two[key] if part not in one[key])]
        elif key in _BOUNDS:
            merged[key] = _BOUNDS[key](one[key], two[key])
        elif key == "type":
            merged[key] = [kind for kind in one[key] if kind in two[key]] or two[key]
    return merged
