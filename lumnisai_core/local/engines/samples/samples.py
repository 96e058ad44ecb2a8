"""Values for JSON Schemas: build one from the schema and the material, check it, try another way if it does not fit."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from itertools import islice, product
from random import Random
from typing import Any

from lumnisai_core.local.engines.samples.checks import Checks
from lumnisai_core.local.engines.samples.material import Fill, Nothing, Path
from lumnisai_core.local.engines.samples.merging import (
    CLOSED,
    Flat,
    Resolver,
    Schema,
    Unsatisfiable,
    flatten,
    kinds,
    merge,
    same,
)
from lumnisai_core.local.engines.samples.scalars import numbers, options, texts
from lumnisai_core.local.web.json_schema import compile_schema

_MAX_DEPTH = 14
_SHALLOW = 2
_DEEP = 3
_NESTED = ("object", "array")
_BUDGET = 5_000
_MAX_BRANCHES = 64
_MAX_ITEMS = 10_000
_VARIANTS = 6
_ATTEMPTS = 4
_LISTED = 3
_Values = Iterator[Any]
_Build = Callable[[Flat, Path, int], Any]


def sample(schema: Schema, fill: Fill | None = None, seed: int = 0) -> Any:
    """Return a value that satisfies the schema; the same one for the same arguments.

    Raises:
        SchemaError: the schema is not valid.
        Unsatisfiable: no value satisfies it, or none was found.
    """
    check = compile_schema(schema, formats=True)
    reason = ""
    for attempt in range(_ATTEMPTS):
        sampler = _Sampler(schema, fill or Nothing(), seed + attempt, first_variant=attempt)
        try:
            value = next(sampler.values(schema, ()), Nothing)
        except Unsatisfiable as error:
            reason = reason or str(error)
            continue
        if value is not Nothing and check.is_valid(value):
            return value
        reason = reason or sampler.reason
    raise Unsatisfiable(reason or "no value was found")


class _Sampler:
    """Builds values of one schema document."""

    def __init__(self, root: Schema, fill: Fill, seed: int, first_variant: int) -> None:
        self._resolver = Resolver(root)
        self._checks = Checks(root)
        self._fill = fill
        self._random = Random(seed)  # noqa: S311 - repeatable on purpose, nothing secret
        self._first_variant = first_variant
        self._steps = 0
        self._fits = 0
        self.reason = ""

    def values(self, schema: Schema, path: Path, about: str = "", *, only_fitting: bool = False) -> _Values:
        """Yield valid values, the best first; with `only_fitting` none but those the material suggests."""
        flat = flatten(schema, self._resolver)
        if len(path) > _MAX_DEPTH:
            raise Unsatisfiable("the schema demands endless nesting")
        check = self._checks.of(schema, flat)
        about = str(flat.get("description") or flat.get("title") or about)
        for branch, kind, fitting in self._ways(flat, path, only_fitting=only_fitting):
            for value in self._of_kind(kind, branch, path, about, fitting=fitting):
                if check is None or check.is_valid(value):
                    yield value

    def value(self, schema: Schema, path: Path, variant: int = 0, *, only_fitting: bool = False) -> Any:
        """Return one value, the `variant`-th best if there are so many.

        Raises:
            Unsatisfiable: there is none.
        """
        found = Nothing
        values = self.values(schema, path, only_fitting=only_fitting)
        for value in islice(values, variant + 1):
            found = value
        if found is Nothing:
            raise Unsatisfiable(f"nothing fits at {'/'.join(path) or 'the top'}")
        return found

    def _ways(self, flat: Flat, path: Path, *, only_fitting: bool) -> Iterator[tuple[Flat, str, bool]]:
        """Yield branch, type, and whether to fill from the material: filled ones first, deep down simple ones first."""
        fits = (True,) if only_fitting else (True, False)
        if len(path) > _DEEP:
            pairs = ((branch, fit) for branch in self._branches(flat, simple_first=True) for fit in fits)
        else:
            pairs = ((branch, fit) for fit in fits for branch in self._branches(flat, simple_first=not fit))
        for branch, fit in pairs:
            for position, kind in enumerate(kinds(branch)):
                likely = "type" in branch or position == 0
                if (fit == (position == 0)) if kind in _NESTED and "enum" not in branch else (likely or not fit):
                    yield branch, kind, fit

    def _branches(self, flat: Flat, *, simple_first: bool) -> Iterator[Flat]:
        """Yield the schema with one way through its `anyOf`, `oneOf` and `if` merged in."""
        choices = [*flat.get("anyOf", ()), *flat.get("oneOf", ())]
        for condition, then, otherwise in flat.get("if", ()):
            choices.append([{"allOf": [condition, then]}, otherwise])
        plain = {key: value for key, value in flat.items() if key not in ("anyOf", "oneOf", "if")}
        if not choices:
            yield plain
            return
        ways = list(islice(product(*choices), _MAX_BRANCHES))
        if simple_first:
            ways.sort(key=lambda way: sum(map(_weight, way)))
        for way in ways:
            try:
                merged = plain
                for part in way:
                    merged = merge(merged, flatten(part, self._resolver))
                yield from self._branches(merged, simple_first=simple_first)
            except Unsatisfiable:
                continue

    def _of_kind(self, kind: str, flat: Flat, path: Path, about: str, *, fitting: bool) -> _Values:
        self._steps += 1
        if self._steps > _BUDGET:
            raise Unsatisfiable("the schema is too intricate for the embedded engine")
        if "enum" in flat:
            found = options(kind, flat["enum"], self._fill if fitting else None, path, about)
        elif kind == "object":
            found = self._variants(self._object, flat, path)
        elif kind == "array":
            found = self._variants(self._array, flat, path)
        elif kind == "string":
            found = texts(flat, self._fill if fitting else None, path, about, self._random)
        elif kind in ("number", "integer"):
            found = numbers(kind, flat, self._fill if fitting else None, path, about)
        else:
            found = iter(() if fitting else (None,) if kind == "null" else (False, True))
        for value in found:
            self._fits += fitting and kind not in _NESTED
            yield value

    def _variants(self, build: _Build, flat: Flat, path: Path) -> _Values:
        """Yield what is built in several ways, for a check that does not like the first."""
        for variant in range(self._first_variant, self._first_variant + _VARIANTS):
            try:
                yield build(flat, path, variant)
            except Unsatisfiable as error:
                self.reason = self.reason or str(error)
                return

    # Objects

    def _object(self, flat: Flat, path: Path, variant: int) -> dict[str, Any]:
        made: dict[str, Any] = {}
        flat = self._demand(flat, set())
        for name in flat.get("required", ()):
            made[name] = self.value(self._property(flat, name), (*path, name), self._turn(variant))
        most = flat.get("maxProperties", _MAX_ITEMS)
        if self._fill.has_material and len(path) <= _SHALLOW:
            self._add_fitting(flat, made, path, most)
        self._add_missing(flat, made, path, flat.get("minProperties", 0))
        if len(made) > most:
            raise Unsatisfiable("more properties are required than allowed")
        return {name: made[name] for name in (*flat.get("properties", ()), *made) if name in made}

    def _demand(self, flat: Flat, applied: set[str]) -> Flat:
        """Add what the required properties require in turn."""
        for name in tuple(flat.get("required", ())):
            if name in applied:
                continue
            applied.add(name)
            old = flat.get("dependencies", {}).get(name, [])
            names = [*flat.get("dependentRequired", {}).get(name, ()), *(old if isinstance(old, list) else ())]
            flat = merge(flat, {"required": names}) if names else flat
            for part in (flat.get("dependentSchemas", {}).get(name), None if isinstance(old, list) else old):
                if part is not None:
                    flat = merge(flat, flatten(part, self._resolver))
            return self._demand(flat, applied)
        return flat

    def _property(self, flat: Flat, name: str) -> Schema:
        """Return the schema of one property.

        Raises:
            Unsatisfiable: the object may not have it.
        """
        if any(name not in names for names in flat.get(CLOSED, ())):
            raise Unsatisfiable(f"property {name} is not allowed")
        parts = [flat["properties"][name]] if name in flat.get("properties", {}) else []
        parts += [
            part for pattern, part in flat.get("patternProperties", {}).items() if self._checks.matches(pattern, name)
        ]
        if not parts and "additionalProperties" in flat:
            parts = [flat["additionalProperties"]]
        return parts[0] if len(parts) == 1 else {"allOf": parts}

    def _add_fitting(self, flat: Flat, made: dict[str, Any], path: Path, most: int) -> None:
        """Add optional properties for which the material has something."""
        for name in flat.get("properties", ()):
            if name in made or len(made) >= most:
                continue
            before = self._fits
            try:
                value = self.value(self._property(flat, name), (*path, name), only_fitting=True)
            except Unsatisfiable:
                continue
            if self._fits > before:
                made[name] = value

    def _add_missing(self, flat: Flat, made: dict[str, Any], path: Path, least: int) -> None:
        """Add any allowed properties until there are enough."""
        names = iter([*flat.get("properties", ()), *self._extra_names(flat, least)])
        while len(made) < least:
            name = next(names, None)
            if name is None:
                raise Unsatisfiable("not enough properties are allowed")
            if name not in made:
                try:
                    made[name] = self.value(self._property(flat, name), (*path, name))
                except Unsatisfiable:
                    continue

    def _extra_names(self, flat: Flat, count: int) -> Iterator[str]:
        if not count:
            return
        wanted = list(flat.get("propertyNames", ()))
        for pattern in flat.get("patternProperties", {}):
            schema = {"type": "string", "allOf": [*wanted, {"pattern": pattern}]}
            yield from islice(self.values(schema, ()), count)
        if wanted:
            yield from islice(self.values({"type": "string", "allOf": wanted}, ()), count + 8)
        yield from (f"extra{number}" for number in range(1, min(count, _MAX_ITEMS) + 1))

    # Arrays

    def _array(self, flat: Flat, path: Path, variant: int) -> list[Any]:
        prefix, rest = flat.get("prefixItems", []), flat.get("items", True)
        contained = [part for part in flat.get("contains", ()) for _ in range(flat.get("minContains", 1))]
        least = max(flat.get("minItems", 0), len(contained))
        most = min(flat.get("maxItems", _MAX_ITEMS), _MAX_ITEMS)
        if least > most:
            raise Unsatisfiable("more items are required than allowed")
        made: list[Any] = []
        for position in range(max(least, min(most, self._wanted(prefix, rest, path)))):
            schema = prefix[position] if position < len(prefix) else rest
            contain = position - len(prefix) if len(prefix) + len(contained) <= most else position
            if 0 <= contain < len(contained):
                schema = {"allOf": [schema, contained[contain]]}
            place = (*path, str(position))
            if position >= max(least, len(prefix)):
                if (extra := self._fitting_item(schema, place, made)) is Nothing:
                    break
                made.append(extra)
            else:
                unique = flat.get("uniqueItems", False)
                made.append(self._item(schema, place, made, variant, unique=unique))
        return made

    def _wanted(self, prefix: list[Schema], rest: Schema, path: Path) -> int:
        """Return how many items would be nice to have."""
        if len(path) > _SHALLOW or rest is False or not self._fill.has_material:
            return len(prefix)
        return len(prefix) if prefix else _LISTED

    def _fitting_item(self, schema: Schema, path: Path, made: list[Any]) -> Any:
        """Return a further item all of which comes from the material, an object from one sentence; else `Nothing`."""
        whole, before = self._fill, self._fits
        try:
            if kinds(flatten(schema, self._resolver))[0] == "object":
                self._fill = whole.only(len(made))
            for value in islice(self.values(schema, path, only_fitting=True), len(made) + _LISTED):
                if self._fits - before >= _leaves(value) and not any(same(value, other) for other in made):
                    return value
        except Unsatisfiable:
            return Nothing
        finally:
            self._fill = whole
        return Nothing

    def _item(self, schema: Schema, path: Path, made: list[Any], variant: int, *, unique: bool) -> Any:
        """Return an item that differs from the others if that is demanded or the list is short.

        Raises:
            Unsatisfiable: there is none.
        """
        first: Any = Nothing
        for value in islice(self.values(schema, path), self._turn(variant), len(made) + 64):
            first = value if first is Nothing else first
            if not (unique or len(made) < _LISTED) or not any(same(value, other) for other in made):
                return value
        if first is Nothing or unique:
            raise Unsatisfiable(f"nothing fits at {'/'.join(path)}")
        return first

    def _turn(self, variant: int) -> int:
        """Return which of the values to take for a variant of the whole: the best, then the next, then any."""
        return variant if variant < 3 else self._random.randrange(variant)


def _leaves(value: Any) -> int:
    """Count the plain values in a value."""
    if isinstance(value, dict):
        return sum(map(_leaves, value.values()))
    return sum(map(_leaves, value)) if isinstance(value, list) else 1


def _weight(schema: Any) -> int:
    """Guess how much a branch leads to: null and plain values first, objects and references last."""
    if not isinstance(schema, dict):
        return 0
    kind = schema.get("type")
    if kind == "null":
        return 0
    if kind in ("object", "array") or "$ref" in schema or "properties" in schema:
        return 3
    return 1
