"""Merged JSON Schemas: one flat set of keywords that demands what several schemas demand together."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

Schema = dict[str, Any] | bool
Flat = dict[str, Any]

CLOSED = "\0closed"
"""Private keyword: sets of property names, one for each merged schema that allows no others."""

_COLLECTED = ("not", "pattern", "format", "multipleOf", "contains", "propertyNames")
_BRANCHES = ("anyOf", "oneOf")
_LEAST_COUNTS = ("minLength", "minItems", "minProperties", "minContains")
_MOST_COUNTS = ("maxLength", "maxItems", "maxProperties", "maxContains")
_LARGEST = ("minimum", "exclusiveMinimum", *_LEAST_COUNTS)
_SMALLEST = ("maximum", "exclusiveMaximum", *_MOST_COUNTS)
_BY_NAME = ("properties", "patternProperties", "dependentSchemas", "$defs", "definitions")
_KINDS = ("object", "string", "number", "integer", "array", "boolean", "null")
_HINTS = {
    "object": ("properties", "required", "additionalProperties", "minProperties", "patternProperties"),
    "array": ("items", "prefixItems", "minItems", "contains", "uniqueItems"),
    "number": ("minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum", "multipleOf"),
    "string": ("pattern", "minLength", "maxLength", "format"),
}


class Unsatisfiable(ValueError):
    """No value satisfies the schema, or none was found; the message has the reason."""


def own_keywords(schema: Mapping[str, Any]) -> Flat:
    """Return the keywords of one schema in the form that `merge` takes; references and `allOf` are left out.

    Keywords of which a merged schema can have several become lists, and older drafts are written as the newest one.
    """
    flat = {key: value for key, value in schema.items() if key not in ("$ref", "$dynamicRef", "allOf")}
    for key in _COLLECTED:
        if key in flat:
            flat[key] = [flat[key]]
    for key in _BRANCHES:
        if key in flat:
            flat[key] = [list(flat[key])]
    if "if" in flat:
        flat["if"] = [(flat.pop("if"), flat.pop("then", True), flat.pop("else", True))]
    for key in (*_LEAST_COUNTS, *_MOST_COUNTS):
        if key in flat:
            flat[key] = int(flat[key])  # 2.0 is a valid count
    if "const" in flat:
        flat["enum"] = [flat.pop("const")]
    if "type" in flat:
        flat["type"] = [flat["type"]] if isinstance(flat["type"], str) else list(flat["type"])
    for bound, strict in (("minimum", "exclusiveMinimum"), ("maximum", "exclusiveMaximum")):
        if isinstance(flat.get(strict), bool) and flat.pop(strict) and bound in flat:
            flat[strict] = flat.pop(bound)
    if isinstance(flat.get("items"), list):
        flat["prefixItems"], flat["items"] = flat.pop("items"), flat.pop("additionalItems", True)
    if flat.get("additionalProperties") is False and not flat.get("patternProperties"):
        flat[CLOSED] = [frozenset(flat.get("properties", ()))]
    return flat


def merge(one: Flat, two: Flat) -> Flat:
    """Return keywords that demand what both demand.

    Raises:
        Unsatisfiable: they contradict each other.
    """
    merged = dict(one)
    for key, value in two.items():
        merged[key] = _both(key, merged[key], value) if key in merged else value
    return merged


def _both(key: str, one: Any, two: Any) -> Any:
    if key in _COLLECTED or key in _BRANCHES or key in ("if", CLOSED):
        return [*one, *two]
    if key in _LARGEST:
        return max(one, two)
    if key in _SMALLEST:
        return min(one, two)
    if key == "enum":
        return _common(one, two)
    if key == "type":
        return _types(one, two)
    if key == "required":
        return list(dict.fromkeys([*one, *two]))
    if key in _BY_NAME:
        return {**one, **two, **{name: _all(one[name], two[name]) for name in one if name in two}}
    if key == "prefixItems":
        longer = max(one, two, key=len)
        pairs = [_all(a, b) for a, b in zip(one, two, strict=False)]
        return [*pairs, *longer[len(pairs) :]]
    if key in ("items", "additionalProperties"):
        return _all(one, two)
    return one or two


def _all(one: Schema, two: Schema) -> Schema:
    return one if one == two else {"allOf": [one, two]}


def _common(one: Sequence[Any], two: Sequence[Any]) -> list[Any]:
    common = [value for value in one if any(same(value, other) for other in two)]
    if not common:
        raise Unsatisfiable("no value is in every enum")
    return common


def _types(one: Sequence[str], two: Sequence[str]) -> list[str]:
    common = [kind for kind in one if kind in two or (kind == "integer" and "number" in two)]
    common += [kind for kind in two if kind == "integer" and "number" in one and kind not in common]
    if not common:
        raise Unsatisfiable(f"a value cannot be {'/'.join(one)} and {'/'.join(two)} at once")
    return common


def same(one: Any, two: Any) -> bool:
    """Compare as JSON does: true differs from 1, but 1.0 equals 1."""
    if isinstance(one, bool) or isinstance(two, bool):
        return one is two
    if isinstance(one, list) and isinstance(two, list):
        return len(one) == len(two) and all(map(same, one, two))
    if isinstance(one, dict) and isinstance(two, dict):
        return one.keys() == two.keys() and all(same(one[key], two[key]) for key in one)
    return bool(one == two)


def kinds(flat: Flat) -> list[str]:
    """Return the types a value may have, the likely one first."""
    if "type" in flat:
        return list(flat["type"])
    likely = [kind for kind, keys in _HINTS.items() if any(key in flat for key in keys)] or ["string"]
    return [*likely, *(kind for kind in _KINDS if kind not in likely)]
