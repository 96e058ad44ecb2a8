"""Sample values of JSON Schemas, filled from a source where it has something, valid always."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from itertools import islice, product
from random import Random
from typing import Any

from lumnisai_core.local.engines.samples.document import Document
from lumnisai_core.local.engines.samples.merging import CLOSED, Flat, Schema, Unsatisfiable, kinds, merge, same
from lumnisai_core.local.engines.samples.named_values import NamedValues, Path, Piece, Place, Stage
from lumnisai_core.local.engines.samples.scalars import accepted, is_special, neutral, options
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
_FILLED_ATTEMPTS = 2
_FEW, _MANY = 3, 64
_NOTHING = object()


def sample(schema: Schema, source: NamedValues | None = None, seed: int = 0) -> Any:
    """Return a value that satisfies the schema; the same one for the same arguments.

    Args:
        schema: a JSON Schema document.
        source: where values come from. Default: all values are neutral.
        seed: chooses among equally good values.

    Raises:
        SchemaError: the schema is not valid.
        Unsatisfiable: no value satisfies it, or none was found.
    """
    check = compile_schema(schema, formats=True)
    document = Document(schema)
    reason = ""
    for attempt in range(_ATTEMPTS):
        filled = source if attempt < _FILLED_ATTEMPTS else None
        sampler = _Sampler(document, filled, seed + attempt, first_variant=attempt % _FILLED_ATTEMPTS)
        try:
            value = next(sampler.values(schema, ()), _NOTHING)
        except Unsatisfiable as error:
            reason = reason or str(error)
            continue
        if value is not _NOTHING and check.is_valid(value):
            return value
        reason = reason or sampler.reason
    raise Unsatisfiable(reason or "no value was found")


class _Sampler:
    """Builds values of one document."""

    def __init__(self, document: Document, source: NamedValues | None, seed: int, first_variant: int) -> None:
        self._document = document
        self._source = source
        self._random = Random(seed)  # noqa: S311 - repeatable on purpose, nothing secret
        self._first_variant = first_variant
        self._used: list[Piece] = []
        self._steps = 0
        self._found = {Stage.NAMED: 0, Stage.GUESSED: 0, Stage.NEUTRAL: 0}
        self.reason = ""

    def values(self, schema: Schema, path: Path, about: str = "", last: Stage = Stage.NEUTRAL) -> Iterator[Any]:
        """Yield valid values, the best first, up to the stage `last`."""
        flat = self._document.flat(schema)
        if len(path) > _MAX_DEPTH:
            raise Unsatisfiable("the schema demands endless nesting")
        about = str(flat.get("description") or flat.get("title") or about)
        mark = len(self._used)
        yield from self._wholes(schema, path)
        check = self._document.check(schema, flat)
        for branch, kind, stage in self._ways(flat, path, last):
            del self._used[mark:]
            for value in self._of_kind(kind, branch, path, about, stage, last):
                if check is None or check.is_valid(value):
                    yield value

    def value(self, schema: Schema, path: Path, variant: int = 0, last: Stage = Stage.NEUTRAL) -> Any:
        """Return one value, the `variant`-th best if there are so many.

        Raises:
            Unsatisfiable: there is none.
        """
        found: Any = _NOTHING
        for value in islice(self.values(schema, path, last=last), variant + 1):
            found = value
        if found is _NOTHING:
            raise Unsatisfiable(f"nothing fits at {'/'.join(path) or 'the top'}")
        return found

    def _wholes(self, schema: Schema, path: Path) -> Iterator[Any]:
        check = None
        for value in self._free(self._source.wholes(path)) if self._source is not None and path else ():
            check = check or self._document.full_check(schema)
            if check is not None and check.is_valid(value):
                self._found[Stage.NAMED] += 1
                yield value

    def _free(self, pieces: Iterable[Piece]) -> Iterator[Any]:
        """Yield the values of pieces of the text that no other place took; the last one that was yielded is taken."""
        taken = len(self._used)
        for piece in pieces:
            if not any(piece.overlaps(other) for other in self._used[:taken]):
                self._used[taken:] = [piece]
                yield piece.value
        del self._used[taken:]

    def _ways(self, flat: Flat, path: Path, last: Stage) -> Iterator[tuple[Flat, str, Stage]]:
        """Yield branch, type and stage: named values of every branch first, but deep down the simple branches first."""
        stages = [stage for stage in Stage if stage <= last]
        if self._source is None:
            stages = [Stage.NEUTRAL] if last is Stage.NEUTRAL else []
        elif "default" in flat or self._may_be_null(flat):  # then nothing has to be guessed
            stages = [stage for stage in stages if stage is not Stage.GUESSED]
        if len(path) > _DEEP:
            pairs = ((branch, stage) for branch in self._branches(flat, simple_first=True) for stage in stages)
        else:
            pairs = (
                (branch, stage)
                for stage in stages
                for branch in self._branches(flat, simple_first=stage is Stage.NEUTRAL)
            )
        for branch, stage in pairs:
            for position, kind in enumerate(kinds(branch)):
                likely = position == 0 or "type" in branch or "enum" in branch
                if kind in _NESTED and "enum" not in branch:
                    # Their own properties and items go through the stages, so they are built once.
                    wanted = stage is (stages[0] if position == 0 else stages[-1])
                else:
                    wanted = likely or stage is Stage.NEUTRAL
                if wanted:
                    yield branch, kind, stage

    def _may_be_null(self, flat: Flat) -> bool:
        if "null" in flat.get("type", ()):
            return True
        branches = [branch for key in ("anyOf", "oneOf") for choice in flat.get(key, ()) for branch in choice]
        return {"type": "null"} in branches

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
                    merged = merge(merged, self._document.flat(part))
                yield from self._branches(merged, simple_first=simple_first)
            except Unsatisfiable:
                continue

    def _of_kind(self, kind: str, flat: Flat, path: Path, about: str, stage: Stage, last: Stage) -> Iterator[Any]:
        self._steps += 1
        if self._steps > _BUDGET:
            raise Unsatisfiable("the schema is too intricate for the embedded engine")
        if kind in _NESTED and "enum" not in flat:
            build = self._object if kind == "object" else self._array
            yield from self._variants(lambda variant: build(flat, path, variant, last))
            return
        found: Iterator[Any]
        if self._source is not None and stage is not Stage.NEUTRAL:
            choices = tuple(options(kind, flat)) if "enum" in flat else None
            place = Place(path, kind, about, choices, is_special(flat))
            found = self._free(self._source.candidates(place, stage))
        else:
            found = neutral(kind, flat, self._random)
        for value in accepted(kind, flat, found):
            self._found[stage] += 1
            yield value

    def _variants(self, build: Callable[[int], Any]) -> Iterator[Any]:
        """Yield what is built in several ways, for a check that rejects the first."""
        mark = len(self._used)
        for variant in range(self._first_variant, self._first_variant + _VARIANTS):
            del self._used[mark:]
            try:
                yield build(variant)
            except Unsatisfiable as error:
                self.reason = self.reason or str(error)
                return

    # Objects

    def _object(self, flat: Flat, path: Path, variant: int, last: Stage) -> dict[str, Any]:
        del last  # required properties go through all stages, optional ones must be named
        made: dict[str, Any] = {}
        flat = self._with_dependencies(flat, set())
        most = flat.get("maxProperties", _MAX_ITEMS)
        required, fillable = flat.get("required", ()), self._source is not None and len(path) <= _SHALLOW
        if fillable and variant == 0:  # so that no guess takes what another property is named for
            self._add_named(flat, required, made, path, most)
        for name in required:
            if name not in made:
                made[name] = self.value(self._property(flat, name), (*path, name), self._turn(variant))
        if fillable:
            self._add_named(flat, flat.get("properties", ()), made, path, most)
        self._add_missing(flat, made, path, flat.get("minProperties", 0))
        if len(made) > most:
            raise Unsatisfiable("more properties are required than allowed")
        return {name: made[name] for name in (*flat.get("properties", ()), *made) if name in made}

    def _with_dependencies(self, flat: Flat, applied: set[str]) -> Flat:
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
                    flat = merge(flat, self._document.flat(part))
            return self._with_dependencies(flat, applied)
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
            part for pattern, part in flat.get("patternProperties", {}).items() if self._document.matches(pattern, name)
        ]
        if not parts and "additionalProperties" in flat:
            parts = [flat["additionalProperties"]]
        return parts[0] if len(parts) == 1 else {"allOf": parts}

    def _add_named(self, flat: Flat, names: Iterable[str], made: dict[str, Any], path: Path, most: int) -> None:
        """Add the properties for which the source has a named value."""
        for name in names:
            if name in made or len(made) >= most:
                continue
            before, mark = self._found[Stage.NAMED], len(self._used)
            try:
                value = self.value(self._property(flat, name), (*path, name), last=Stage.NAMED)
            except Unsatisfiable:
                value = _NOTHING
            if value is not _NOTHING and self._found[Stage.NAMED] > before:
                made[name] = value
            else:
                del self._used[mark:]

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

    def _array(self, flat: Flat, path: Path, variant: int, last: Stage) -> list[Any]:
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
                extra = self._further_item(schema, place, made, min(last, Stage.GUESSED))
                if extra is _NOTHING:
                    break
                made.append(extra)
            else:
                unique = flat.get("uniqueItems", False)
                made.append(self._item(schema, place, made, variant, unique=unique))
        return made

    def _wanted(self, prefix: list[Schema], rest: Schema, path: Path) -> int:
        """Return how many items there should be if the source has so many."""
        if prefix or self._source is None or len(path) > _SHALLOW or rest is False:
            return len(prefix)
        flats = [flat for _, flat in self._document.alternatives(rest)]
        plain = all("enum" in flat or kinds(flat)[0] in ("number", "integer") for flat in flats)
        return _MANY if plain else _FEW

    def _further_item(self, schema: Schema, path: Path, made: list[Any], last: Stage) -> Any:
        """Return one more item that comes from the source as a whole, an object from one sentence; else `_NOTHING`."""
        source, used, before = self._source, list(self._used), self._filled()
        try:
            if source is not None and kinds(self._document.flat(schema))[0] == "object":
                self._source, self._used = source.only(len(made)), []
            for value in islice(self.values(schema, path, last=last), len(made) + _FEW):
                if self._filled() - before >= _leaves(value) and not any(same(value, other) for other in made):
                    used = used if self._source is not source else self._used
                    return value
        except Unsatisfiable:
            pass
        finally:
            self._source, self._used = source, used
        return _NOTHING

    def _filled(self) -> int:
        return self._found[Stage.NAMED] + self._found[Stage.GUESSED]

    def _item(self, schema: Schema, path: Path, made: list[Any], variant: int, *, unique: bool) -> Any:
        """Return an item that differs from the others if it must or the list is short.

        Raises:
            Unsatisfiable: there is none.
        """
        first: Any = _NOTHING
        for value in islice(self.values(schema, path), self._turn(variant), len(made) + 64):
            first = value if first is _NOTHING else first
            if not (unique or len(made) < _FEW) or not any(same(value, other) for other in made):
                return value
        if first is _NOTHING or unique:
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
    """Estimate how much a branch leads to: null and plain values first, objects and references last."""
    if not isinstance(schema, dict):
        return 0
    kind = schema.get("type")
    if kind == "null":
        return 0
    if kind in ("object", "array") or "$ref" in schema or "properties" in schema:
        return 3
    return 1
