"""Sample values of JSON Schemas, filled from a source where it has something, valid always."""

from __future__ import annotations

from collections.abc import Hashable, Iterable, Iterator
from contextlib import suppress
from itertools import islice
from typing import Any

from lumnisai_core.local.engines.samples.document import CHOICES, Document, Flat, Schema, Unsatisfiable, identity, kinds
from lumnisai_core.local.engines.samples.named_values import NamedValues, Path, Piece, Stage
from lumnisai_core.local.engines.samples.scalars import fitted, is_special, neutral, options
from lumnisai_core.local.web.json_schema import compile_schema, problem
from lumnisai_core.local.web.work import check_time

_MAX_DEPTH = 14
_SHALLOW, _DEEP = 2, 3
_NESTED = ("object", "array")
_BUDGET = 5_000
_MAX_ITEMS = 10_000
_VARIANTS = 6
_FEW, _MANY = 3, 64
_NOTHING = object()


def sample(schema: Schema, source: NamedValues | None = None) -> Any:
    """Return a value that satisfies a JSON Schema, the same one for the same arguments; without a source a neutral one.

    Raises:
        SchemaError: the schema is not valid.
        Unsatisfiable: no value satisfies it, or none was found.
    """
    check = compile_schema(schema, formats=True)
    document = Document(schema)
    reason = ""
    for filled in dict.fromkeys((source, None)):
        sampler = _Sampler(document, filled)
        try:
            for value in islice(sampler.values(schema, ()), _VARIANTS):
                if check.is_valid(value):
                    return value
        except Unsatisfiable as error:
            reason = reason or str(error)
        reason = reason or sampler.reason
    raise Unsatisfiable(f"{reason or 'no value was found'}; a scripted engine can return any value")


class _Sampler:
    """Builds values of one document: it tries likely ones and keeps those that the schema accepts."""

    def __init__(self, document: Document, source: NamedValues | None) -> None:
        self._document = document
        self._source = source
        self._used: list[Piece] = []
        self._steps = 0
        self._found = dict.fromkeys(Stage, 0)
        self.reason = ""

    def values(self, schema: Schema, path: Path, last: Stage = Stage.NEUTRAL) -> Iterator[Any]:
        """Yield valid values, the best first, up to the stage `last`."""
        flat = self._document.flat(schema)
        if len(path) > _MAX_DEPTH:
            raise Unsatisfiable("the schema demands endless nesting")
        check = self._document.check(schema)
        for stage, candidates in self._candidates(flat, path, last):
            for value in candidates:
                if check is None or check.is_valid(value):
                    if stage is not None:
                        self._found[stage] += 1
                    yield value
                elif not self.reason:
                    self.reason = problem(check, value) or ""

    def _value(self, schema: Schema, path: Path, variant: int = 0, last: Stage = Stage.NEUTRAL) -> Any:
        """Return one value, the `variant`-th best if there are so many; raise `Unsatisfiable` if there is none."""
        found: Any = _NOTHING
        for value in islice(self.values(schema, path, last=last), variant + 1):
            found = value
        if found is _NOTHING:
            raise Unsatisfiable(f"nothing fits at {'/'.join(path) or 'the top'}")
        return found

    def _candidates(self, flat: Flat, path: Path, last: Stage) -> Iterator[tuple[Stage | None, Iterator[Any]]]:
        """Yield values to try with their stage, which objects and lists do not have: their parts have one each."""
        source, mark = self._source, len(self._used)
        if source is not None and path:
            yield Stage.NAMED, self._free(source.wholes(path))
        for stage, branch, kind in self._ways(flat, path, last):
            check_time()
            self._steps += 1
            if self._steps > _BUDGET:
                raise Unsatisfiable("the schema is too intricate for the offline engine")
            del self._used[mark:]
            if kind in _NESTED and "enum" not in branch:
                yield None, self._built(kind, branch, path, last)
            elif source is None or stage is Stage.NEUTRAL:
                yield stage, neutral(kind, branch)
            else:
                choices = options(kind, branch) if "enum" in branch else None
                found = self._free(source.candidates(stage, path, kind, choices, special=is_special(branch)))
                yield stage, (fitted(kind, branch, value) for value in found)

    def _ways(self, flat: Flat, path: Path, last: Stage) -> Iterator[tuple[Stage, Flat, str]]:
        """Yield stage, branch and type: named values of every branch first, but deep down the simple branches first."""
        stages = [stage for stage in Stage if stage <= last and (self._source is not None or stage is Stage.NEUTRAL)]
        may_be_null = any({"type": "null"} in choice for choice in flat.get(CHOICES, ()))
        if "default" in flat or may_be_null or "null" in flat.get("type", ()):  # then nothing has to be guessed
            stages = [stage for stage in stages if stage is not Stage.GUESSED]
        branches = self._document.branches(flat)
        simple_first = sorted(branches, key=_weight)
        pairs = [(stage, part) for stage in stages for part in (simple_first if stage is Stage.NEUTRAL else branches)]
        if len(path) > _DEEP:
            pairs = [(stage, part) for part in simple_first for stage in stages]
        for stage, branch in pairs:
            for position, kind in enumerate(kinds(branch)):
                if kind in _NESTED and "enum" not in branch:
                    # Their own properties and items go through the stages, so they are built once.
                    wanted = stage is stages[0 if position == 0 else -1]
                else:
                    wanted = stage is Stage.NEUTRAL or position == 0 or "type" in branch or "enum" in branch
                if wanted:
                    yield stage, branch, kind

    def _free(self, pieces: Iterable[Piece]) -> Iterator[Any]:
        """Yield the values of pieces of the text that no other place took; the last one that was yielded is taken."""
        taken = len(self._used)
        for piece in pieces:
            if not any(piece.overlaps(other) for other in self._used[:taken]):
                self._used[taken:] = [piece]
                yield piece.value
        del self._used[taken:]

    def _built(self, kind: str, flat: Flat, path: Path, last: Stage) -> Iterator[Any]:
        """Yield objects or lists in several variants, for a check that rejects the first."""
        mark = len(self._used)
        for variant in range(_VARIANTS):
            del self._used[mark:]
            try:
                yield self._object(flat, path, variant) if kind == "object" else self._array(flat, path, variant, last)
            except Unsatisfiable as error:
                self.reason = self.reason or str(error)
                return

    # Objects: required properties go through all stages, optional ones must be named.

    def _object(self, flat: Flat, path: Path, variant: int) -> dict[str, Any]:
        made: dict[str, Any] = {}
        required, properties = flat.get("required", ()), flat.get("properties", {})
        fillable = self._source is not None and len(path) <= _SHALLOW
        if fillable and variant == 0:  # so that no guess takes what another property is named for
            self._add_named(flat, required, made, path)
        for name in required:
            if name not in made:
                made[name] = self._value(self._property(flat, name), (*path, name), variant)
        if fillable:
            self._add_named(flat, properties, made, path)
        if len(made) < flat.get("minProperties", 0):
            self._add_missing(flat, made, path)
        return {name: made[name] for name in (*properties, *made) if name in made}

    def _property(self, flat: Flat, name: str) -> Schema:
        """Return the schema of one property."""
        parts: list[Schema] = [flat["properties"][name]] if name in flat.get("properties", {}) else []
        for pattern, part in flat.get("patternProperties", {}).items():
            if compile_schema({"pattern": pattern}).is_valid(name):
                parts.append(part)
        if not parts:
            parts = [flat.get("additionalProperties", True)]
        return parts[0] if len(parts) == 1 else {"allOf": parts}

    def _add_named(self, flat: Flat, names: Iterable[str], made: dict[str, Any], path: Path) -> None:
        """Add the properties for which the source has a named value."""
        for name in names:
            if name in made or len(made) >= flat.get("maxProperties", _MAX_ITEMS):
                continue
            before, mark = self._found[Stage.NAMED], len(self._used)
            with suppress(Unsatisfiable):
                value = self._value(self._property(flat, name), (*path, name), last=Stage.NAMED)
                if self._found[Stage.NAMED] > before:
                    made[name] = value
            if name not in made:
                del self._used[mark:]

    def _add_missing(self, flat: Flat, made: dict[str, Any], path: Path) -> None:
        """Add any allowed properties until there are enough."""
        names = list(flat.get("properties", ()))
        for pattern in flat.get("patternProperties", {}):
            names += neutral("string", {"pattern": pattern})
        for name in (*names, *neutral("string", {})):
            if name not in made:
                with suppress(Unsatisfiable):
                    made[name] = self._value(self._property(flat, name), (*path, name))
            if len(made) >= flat["minProperties"]:
                break

    # Arrays

    def _array(self, flat: Flat, path: Path, variant: int, last: Stage) -> list[Any]:
        prefix, rest = flat.get("prefixItems", []), flat.get("items", True)
        most = flat.get("maxItems", _MAX_ITEMS)
        least = max(flat.get("minItems", 0), min(most, len(prefix)))
        if least > _MAX_ITEMS:
            raise Unsatisfiable(f"the offline engine makes no list of more than {_MAX_ITEMS} items")
        unique = flat.get("uniqueItems", False)
        made: list[Any] = []
        taken: set[Hashable] = set()
        wanted = max(least, min(most, self._wanted(prefix, rest, path)))
        for position in range(min(wanted, max(len(prefix), _MANY))):
            schema = prefix[position] if position < len(prefix) else rest
            place = (*path, str(position))
            if position < least:
                item = self._item(schema, place, position, taken, variant, unique=unique)
            else:
                item = self._further_item(schema, place, position, taken, min(last, Stage.GUESSED))
            if item is _NOTHING:
                break
            made.append(item)
            taken.add(identity(item))
        if len(made) < least:
            made += self._rest(rest, (*path, str(len(made))), least - len(made), taken, variant, unique=unique)
        return made

    def _wanted(self, prefix: list[Schema], rest: Schema, path: Path) -> int:
        """Return how many items there should be if the source has so many."""
        if prefix or self._source is None or len(path) > _SHALLOW or rest is False:
            return len(prefix)
        flats = self._document.alternatives(rest)
        plain = all("enum" in flat or kinds(flat)[0] in ("number", "integer") for flat in flats)
        return _MANY if plain else _FEW

    def _item(
        self, schema: Schema, path: Path, position: int, taken: set[Hashable], variant: int, *, unique: bool
    ) -> Any:
        """Return an item, one that differs from the others if it must or the list is short."""
        check_time()
        first: Any = _NOTHING
        for value in islice(self.values(schema, path), variant, variant + position + 64):
            first = value if first is _NOTHING else first
            if not (unique or position < _FEW) or identity(value) not in taken:
                return value
        if first is _NOTHING or unique:
            raise Unsatisfiable(f"nothing fits at {'/'.join(path)}")
        return first

    def _rest(
        self, schema: Schema, path: Path, count: int, taken: set[Hashable], variant: int, *, unique: bool
    ) -> list[Any]:
        """Return further items, so many that no text names them: the same one again, or one after the other."""
        if not unique:
            return [self._value(schema, path, variant)] * count
        made: list[Any] = []
        for value in self.values(schema, path):
            check_time()
            if identity(value) not in taken:
                made.append(value)
                taken.add(identity(value))
            if len(made) == count:
                return made
        raise Unsatisfiable(f"nothing fits at {'/'.join(path)}")

    def _further_item(self, schema: Schema, path: Path, position: int, taken: set[Hashable], last: Stage) -> Any:
        """Return one more item that comes from the source as a whole, an object from one sentence; else `_NOTHING`."""
        source, used, before = self._source, list(self._used), self._filled()
        try:
            if source is not None and kinds(self._document.flat(schema))[0] == "object":
                self._source, self._used = source.only(position), []
            for value in islice(self.values(schema, path, last=last), position + _FEW):
                if self._filled() - before >= _leaves(value) and identity(value) not in taken:
                    used = used if self._source is not source else self._used
                    return value
        except Unsatisfiable:
            pass
        finally:
            self._source, self._used = source, used
        return _NOTHING

    def _filled(self) -> int:
        return self._found[Stage.NAMED] + self._found[Stage.GUESSED]


def _leaves(value: Any) -> int:
    """Count the plain values in a value."""
    if isinstance(value, dict):
        return sum(map(_leaves, value.values()))
    return sum(map(_leaves, value)) if isinstance(value, list) else 1


def _weight(branch: Flat) -> int:
    """Estimate how much a branch leads to: null first, plain values, then objects and lists."""
    kind = kinds(branch)[0]
    return 0 if kind == "null" else 2 if kind in _NESTED and "enum" not in branch else 1
