"""The places of a schema that take one value: their types, their names, and whether they must be there."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from lumnisai_core.local.engines.samples.material import Path, name_words
from lumnisai_core.local.engines.samples.merging import Flat, Resolver, Schema, Unsatisfiable, flatten, merge
from lumnisai_core.local.engines.samples.scalars import of_format
from lumnisai_core.local.web.json_schema import SchemaError, Validator, compile_schema

_DEPTH = 4
_MOST = 200
_DEFINITIONS = ("$schema", "$defs", "definitions")


@dataclass(frozen=True, slots=True)
class Leaf:
    """One place. `kinds` are its types, `options` its choices, `items` the types of the items of a list."""

    path: Path
    kinds: frozenset[str]
    options: tuple[Any, ...]
    items: frozenset[str]
    item_options: tuple[Any, ...]
    about: str
    required: bool
    special: bool
    default: tuple[Any, ...]
    check: Validator | None

    @property
    def words(self) -> set[str]:
        """The words of its name."""
        return name_words(self.path)

    def fits(self, value: Any) -> bool:
        """Tell whether it may have this value."""
        return self.check is None or self.check.is_valid(value)


def leaves(schema: Schema) -> list[Leaf]:
    """Return the leaves of an object's schema, those that are required first, each group in order."""
    resolver = Resolver(schema)
    definitions = {key: schema[key] for key in _DEFINITIONS if key in schema} if isinstance(schema, dict) else {}
    found: list[Leaf] = []
    for leaf in _under(schema, resolver, (), definitions, required=True):
        found.append(leaf)
        if len(found) >= _MOST:
            break
    return sorted(found, key=lambda leaf: not leaf.required)


def _under(schema: Schema, resolver: Resolver, path: Path, definitions: Flat, *, required: bool) -> Iterator[Leaf]:
    known: set[str] = set()
    for flat in alternatives(schema, resolver):
        names = flat.get("properties", {})
        for name in sorted(names, key=lambda name: _place(name, flat.get("required", ()))):
            if name in known:
                continue
            known.add(name)
            part, needed = names[name], required and name in flat.get("required", ())
            ways = alternatives(part, resolver)
            if len(path) < _DEPTH and any(way.get("properties") for way in ways):
                yield from _under(part, resolver, (*path, name), definitions, required=needed)
            else:
                yield _leaf(part, ways, resolver, (*path, name), definitions, required=needed)


def _place(name: str, required: Sequence[str]) -> int:
    return list(required).index(name) if name in required else len(required)


def _leaf(part: Schema, ways: list[Flat], resolver: Resolver, path: Path, definitions: Flat, *, required: bool) -> Leaf:
    whole = part if isinstance(part, dict) else {}
    items = [inner for way in ways if "items" in way for inner in alternatives(way["items"], resolver)]
    try:
        check = compile_schema({**definitions, **whole}, formats=True)
    except SchemaError:
        check = None
    return Leaf(
        path=path,
        kinds=_kinds(ways),
        options=tuple(option for way in ways for option in way.get("enum", ())),
        items=_kinds(items),
        item_options=tuple(option for item in items for option in item.get("enum", ())),
        about=next((str(way["description"]) for way in ways if way.get("description")), ""),
        required=required,
        special=any("pattern" in way or any(map(of_format, way.get("format", ()))) for way in ways),
        default=tuple(way["default"] for way in ways if "default" in way)[:1],
        check=check,
    )


def alternatives(schema: Schema, resolver: Resolver) -> list[Flat]:
    """Return a schema flat, once for each of its branches."""
    try:
        flat = flatten(schema, resolver)
    except Unsatisfiable:
        return []
    choices = [choice for key in ("anyOf", "oneOf") for listed in flat.pop(key, ()) for choice in listed]
    if not choices:
        return [flat]
    found = []
    for choice in choices:
        try:
            found.append(merge(flat, flatten(choice, resolver)))
        except Unsatisfiable:
            continue
    return found


def _kinds(ways: list[Flat]) -> frozenset[str]:
    """Return the types; a place that says nothing of them takes a text."""
    named = {kind for way in ways for kind in way.get("type", ())}
    return frozenset(named or ({"string"} if any("enum" not in way for way in ways) else ()))
