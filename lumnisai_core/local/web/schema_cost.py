"""Limits of JSON Schemas: what would take too much work to check or to satisfy, found without doing it. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from importlib import import_module
from typing import Any
from urllib.parse import unquote

_MOST_VALUES = 20_000
#: How often parts may be applied to one value, each part once for every way that leads to it.
_MOST_APPLICATIONS = 20_000
_MOST_NAMED_REFERENCES = 30
_MOST_STEPS = 200_000
_LEAST = {"minItems": 10_000, "minContains": 10_000, "minProperties": 10_000, "minLength": 1_000_000}
#: How many items that differ from each other a list may have to have.
_MOST_DISTINCT = 1_000
#: Parts of a value that a schema may demand.
_MOST_DEMANDED = 20_000
#: Bits in all of the whole numbers beyond 64 bits in a value; telling these apart takes long.
_MOST_LONG_BITS = 10_000
_LONG_FROM = 63
_MOST_REPEATS = 10_000
_MOST_PATTERN = 10_000
#: Keywords that apply schemas to the value itself: a list, a mapping or one of them.
_IN_PLACE = ("allOf", "anyOf", "oneOf", "not", "if", "then", "else", "dependentSchemas")
_INSIDE = ("properties", "patternProperties", "additionalProperties", "unevaluatedProperties", "propertyNames")
_ITEMS = ("prefixItems", "items", "additionalItems", "unevaluatedItems", "contains")
_MAPPINGS = ("properties", "patternProperties", "dependentSchemas")
_REFERENCES = ("$ref", "$dynamicRef", "$recursiveRef")
_DATA = ("enum", "const", "default", "examples")
_parser: Any = import_module("re._parser")

Schema = Mapping[str, Any] | bool


class SchemaCost:
    """What a schema costs.

    Attributes:
        excess: Why it is too much to be used; None if it is not.
        is_recursive: Whether its references lead back to themselves, so that values decide how long a check takes.
        is_distinct: Whether it has items that must differ from each other, so that numbers decide how long it takes.
    """

    def __init__(self, root: Schema) -> None:
        self._root = root
        self._weights: dict[int, int] = {}
        self._demands: dict[int, int] = {}
        self._open: set[int] = set()
        self.is_recursive = False
        self.is_distinct = False
        self.excess: str | None = None
        try:
            self.excess = self._too_much(root)
        except RecursionError:
            self.excess = "it is nested too deeply"

    def steps(self, value: Any) -> int:
        """Return about how many steps a check of a value takes; a check that takes too many is not counted to its end.

        Every pair of a part and a piece of the value is looked at once, however often a check would come by.
        """
        known: dict[tuple[int, int], int] = {}

        def count(schema: Any, piece: Any) -> int:
            pair = (id(schema), id(piece))
            if pair not in known:
                known[pair] = 1
                if len(known) > _MOST_STEPS:
                    return _MOST_STEPS
                total = 1 + sum(count(part, piece) for part in self._in_place(schema))
                total += sum(count(part, inner) for part, inner in _inside(schema, piece))
                known[pair] = min(total, _MOST_STEPS)
            return known[pair]

        try:
            return count(self._root, value)
        except RecursionError:
            return _MOST_STEPS

    def is_affordable(self, value: Any) -> bool:
        """Tell whether checking a value takes a bounded number of steps."""
        if self.is_distinct and _long_bits(value) > _MOST_LONG_BITS:
            return False
        return not self.is_recursive or self.steps(value) < _MOST_STEPS

    def _too_much(self, root: Schema) -> str | None:
        values = named = 0
        waiting: list[tuple[Any, bool]] = [(root, True)]
        while waiting:
            node, is_schema = waiting.pop()
            values += 1
            if values > _MOST_VALUES:
                return f"it has more than {_MOST_VALUES} parts"
            if isinstance(node, list):
                waiting += ((item, is_schema) for item in node)
            elif isinstance(node, Mapping):
                if is_schema and (reason := _own_excess(node)):
                    return reason
                self.is_distinct |= is_schema and node.get("uniqueItems") is True
                named += is_schema and any(_is_named(node.get(key)) for key in _REFERENCES)
                waiting += ((item, is_schema and key not in _DATA) for key, item in node.items())
        if named > _MOST_NAMED_REFERENCES:
            return f"it has more than {_MOST_NAMED_REFERENCES} references by name"
        if self._weight(root) > _MOST_APPLICATIONS:
            return f"its references and choices multiply to more than {_MOST_APPLICATIONS} parts"
        if self._demanded(root) > _MOST_DEMANDED:
            return f"it demands values of more than {_MOST_DEMANDED} parts"
        return None

    def _weight(self, schema: Any) -> int:
        """Count the parts of a schema, those behind references again for each reference."""
        if not isinstance(schema, Mapping):
            return 1
        place = id(schema)
        if place in self._open:
            self.is_recursive = True
            return 1
        if place not in self._weights:
            self._open.add(place)
            parts = [*self._in_place(schema), *(part for key in (*_INSIDE, *_ITEMS) for part in _parts(schema, key))]
            weight = 1 + sum(map(self._weight, parts))
            self._open.discard(place)
            self._weights[place] = min(weight, _MOST_APPLICATIONS + 1)
        return self._weights[place]

    def _demanded(self, schema: Any) -> int:
        """Count the parts that a value has at least."""
        place = id(schema)
        if not isinstance(schema, Mapping) or place in self._open:
            return 1
        if place not in self._demands:
            self._open.add(place)
            parts = 1 + sum(times * self._demanded(part) for times, part in _contents(schema))
            for key in ("anyOf", "oneOf"):
                parts = max(parts, min(map(self._demanded, _parts(schema, key)), default=1))
            parts = max(parts, *map(self._demanded, [*_parts(schema, "allOf"), *self._referred(schema)]), 1)
            self._open.discard(place)
            self._demands[place] = min(parts, _MOST_DEMANDED + 1)
        return self._demands[place]

    def _in_place(self, schema: Any) -> Iterator[Any]:
        if isinstance(schema, Mapping):
            for key in _IN_PLACE:
                yield from _parts(schema, key)
            yield from self._referred(schema)

    def _referred(self, schema: Mapping[str, Any]) -> Iterator[Any]:
        for key in _REFERENCES:
            if isinstance(name := schema.get(key), str) and name.startswith("#"):
                yield self._target(name)

    def _target(self, reference: str) -> Any:
        node: Any = self._root
        for part in unquote(reference[1:]).split("/")[1:]:
            key = part.replace("~1", "/").replace("~0", "~")
            try:
                node = node[int(key)] if isinstance(node, list) else node[key]
            except (KeyError, IndexError, ValueError, TypeError):
                return True
        return node


def _parts(schema: Mapping[str, Any], key: str) -> Iterator[Any]:
    """Yield the schemas below a keyword."""
    part = schema.get(key)
    if isinstance(part, list):
        yield from part
    elif key in _MAPPINGS and isinstance(part, Mapping):
        yield from part.values()
    elif isinstance(part, Mapping):
        yield part


def _contents(schema: Mapping[str, Any]) -> Iterator[tuple[int, Any]]:
    """Yield the schemas of parts that a value must have, with how many of them there are at least."""
    named, required = schema.get("properties"), schema.get("required")
    if isinstance(required, list):
        yield from ((1, named.get(name) if isinstance(named, Mapping) else None) for name in required)
    first = schema.get("prefixItems", schema.get("items"))
    first = first if isinstance(first, list) else []
    yield from ((1, part) for part in first)
    yield max(0, _count(schema, "minItems") - len(first)), schema.get("items")
    yield _count(schema, "minContains", 1 if "contains" in schema else 0), schema.get("contains")
    yield _count(schema, "minProperties"), schema.get("additionalProperties")


def _count(schema: Mapping[str, Any], key: str, default: int = 0) -> int:
    count = schema.get(key, default)
    return int(min(count, _MOST_DEMANDED)) if isinstance(count, int | float) else 0


def _long_bits(value: Any) -> int:
    """Return the bits in all of the whole numbers beyond 64 bits in a value."""
    bits, waiting = 0, [value]
    while waiting:
        piece = waiting.pop()
        if isinstance(piece, dict):
            waiting += piece.values()
        elif isinstance(piece, list):
            waiting += piece
        elif isinstance(piece, int) and piece.bit_length() > _LONG_FROM:
            bits += piece.bit_length()
    return bits


def _inside(schema: Any, piece: Any) -> Iterator[tuple[Any, Any]]:
    """Yield the schemas that a check may apply to pieces of a value, with these pieces."""
    if not isinstance(schema, Mapping):
        return
    if isinstance(piece, Mapping):
        named = schema.get("properties")
        for name, inner in piece.items():
            if isinstance(named, Mapping) and name in named:
                yield named[name], inner
            for key in _INSIDE[1:]:
                for part in _parts(schema, key):
                    yield part, inner
    elif isinstance(piece, list):
        for inner in piece:
            for key in _ITEMS:
                for part in _parts(schema, key):
                    yield part, inner


def _own_excess(schema: Mapping[str, Any]) -> str | None:
    for key, most in _LEAST.items():
        least = schema.get(key)
        if isinstance(least, int | float) and least > most:
            return f"{key} is more than {most}"
    first = schema.get("prefixItems", schema.get("items"))
    least = max(_count(schema, "minItems"), len(first) if isinstance(first, list) else 0)
    if schema.get("uniqueItems") is True and least > _MOST_DISTINCT:
        return f"it demands more than {_MOST_DISTINCT} items that differ from each other"
    patterns = [schema.get("pattern"), *(schema["patternProperties"] if _has_patterns(schema) else ())]
    for pattern in patterns:
        if isinstance(pattern, str) and is_explosive(pattern):
            return f"the pattern {pattern[:60]!r} repeats too much"
    return None


def _has_patterns(schema: Mapping[str, Any]) -> bool:
    return isinstance(schema.get("patternProperties"), Mapping)


def _is_named(reference: object) -> bool:
    return isinstance(reference, str) and reference != "#" and not reference.startswith("#/")


def is_explosive(pattern: str) -> bool:
    """Tell whether a pattern is very long, or repetitions in repetitions demand very many matches."""
    if len(pattern) > _MOST_PATTERN:
        return True
    try:
        return _repeats(_parser.parse(re.sub(r"\(\?<(?![=!])", "(?P<", pattern))) > _MOST_REPEATS
    except RecursionError:
        return True
    except (re.error, OverflowError):
        return bool(re.search(r"\{\d{5,}", pattern))  # written for another dialect


def _repeats(tree: Any) -> int:
    """Return how many pieces a match of a parsed pattern has at least, counting each group as one."""
    total = 0
    for operation, argument in tree:
        match str(operation):
            case "MAX_REPEAT" | "MIN_REPEAT" | "POSSESSIVE_REPEAT":
                least, most, part = argument
                times = max(1, least, int(most) if int(most) < _MOST_REPEATS else 0)
                total += times * max(1, _repeats(part))
            case "BRANCH":
                total += max(map(_repeats, argument[1]), default=0)
            case "SUBPATTERN":
                total += _repeats(argument[3])
            case "ASSERT" | "ASSERT_NOT":
                total += _repeats(argument[1])
            case _:
                total += 1
    return total
