"""Neutral texts, numbers and choices for the keywords of a JSON Schema, patterns included."""

from __future__ import annotations

import importlib
import re
from collections.abc import Iterator
from fractions import Fraction
from random import Random
from typing import Any

from lumnisai_core.local.engines.samples.document import Flat, same

_parser: Any = importlib.import_module("re._parser")
_compiler: Any = importlib.import_module("re._compiler")
_PRINTABLE = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789 -_.@/:" + "".join(map(chr, range(32, 127)))
_MAX_REPEAT = 2_000
_NEUTRAL = ("unknown", "none", "not given", "n/a", "-", "text", "sample", "value", "item")
_FORMATS: dict[str, tuple[str, ...]] = {
    "date": ("2000-01-01", "2000-01-02", "2001-01-01"),
    "date-time": ("2000-01-01T00:00:00Z", "2000-01-02T00:00:00Z", "2001-01-01T00:00:00Z"),
    "time": ("00:00:00Z", "12:00:00Z", "00:00:00+00:00"),
    "duration": ("P1D", "PT1H", "P1Y"),
    "email": ("someone@example.org", "other@example.org", "a@example.org"),
    "hostname": ("example.org", "www.example.org", "localhost"),
    "ipv4": ("192.0.2.1", "192.0.2.2", "198.51.100.1"),
    "ipv6": ("2001:db8::1", "2001:db8::2", "::1"),
    "uri": ("https://example.org/", "https://example.org/a", "urn:example:a"),
    "uri-reference": ("https://example.org/", "/a", "a"),
    "uri-template": ("https://example.org/{id}", "/{id}"),
    "uuid": ("00000000-0000-4000-8000-000000000000", "00000000-0000-4000-8000-000000000001"),
    "json-pointer": ("/a", "", "/b"),
    "relative-json-pointer": ("0", "1/a"),
    "regex": (".*", "a", "b"),
}
_TYPES: dict[str, tuple[type, ...]] = {
    "string": (str,),
    "number": (int, float),
    "integer": (int,),
    "boolean": (bool,),
    "null": (type(None),),
    "object": (dict,),
    "array": (list,),
}
_MAX_TEXTS = 400
_MAX_LENGTH = 200_000


def is_special(flat: Flat) -> bool:
    """Return whether only texts of a certain form will do."""
    return "pattern" in flat or bool(_of_format(flat))


def options(kind: str, flat: Flat) -> list[Any]:
    """Return the allowed values of a type, the default first."""
    allowed = [value for value in flat["enum"] if _is(kind, value)]
    return sorted(allowed, key=lambda value: not ("default" in flat and same(value, flat["default"])))


def neutral(kind: str, flat: Flat) -> Iterator[Any]:
    """Yield plain values that may suit: the allowed ones, else the default, the examples, then any."""
    if "enum" in flat:
        yield from options(kind, flat)
        return
    listed = flat.get("examples")
    suggested = [flat[key] for key in ("default",) if key in flat] + (listed if isinstance(listed, list) else [])
    yield from (value for value in suggested if _is(kind, value))
    if kind == "string":
        yield from _texts(flat)
    elif kind in ("number", "integer"):
        yield from _numbers(flat)
    else:
        yield from (None,) if kind == "null" else (False, True)


def fitted(kind: str, flat: Flat, value: Any) -> Any:
    """Shorten a text that is too long at a word, and write a whole number as an integer; leave any other value."""
    if isinstance(value, str) and not is_special(flat) and "enum" not in flat:
        most = min(flat.get("maxLength", _MAX_LENGTH), _MAX_LENGTH)
        head, _, _ = value[: most + 1].rpartition(" ")
        return value if len(value) <= most else head.rstrip(" ,;:") or value[:most]
    return int(value) if kind == "integer" and isinstance(value, float) and value.is_integer() else value


def _of_format(flat: Flat) -> tuple[str, ...]:
    """Return texts of the format; none if there is no format or it is unknown."""
    return _FORMATS.get(str(flat.get("format")).removeprefix("idn-").replace("iri", "uri"), ())


def _is(kind: str, value: Any) -> bool:
    if isinstance(value, bool):
        return kind == "boolean"
    return isinstance(value, _TYPES[kind]) or (kind == "integer" and isinstance(value, float) and value.is_integer())


def _texts(flat: Flat) -> Iterator[str]:
    least = min(flat.get("minLength", 0), _MAX_LENGTH)
    yield from _of_format(flat)
    if "pattern" in flat:
        yield from _matching(flat["pattern"], least)
    if flat.get("maxLength", least + 1) < len(_NEUTRAL[0]):
        yield from ("", *"abcdefghijklmnopqrstuvwxyz")
    for text in (*_NEUTRAL, *(f"item{number}" for number in range(1, 1 + _MAX_TEXTS))):
        yield fitted("string", {"maxLength": flat.get("maxLength", _MAX_LENGTH)}, text.ljust(least, "."))


def _numbers(flat: Flat) -> Iterator[int | float]:
    """Yield multiples from the allowed one nearest to zero on, then numbers in between."""
    low = max((flat[key] for key in ("minimum", "exclusiveMinimum") if key in flat), default=None)
    high = min((flat[key] for key in ("maximum", "exclusiveMaximum") if key in flat), default=None)
    step = Fraction(str(flat.get("multipleOf", 1)))
    start = low if low is not None and low > 0 else high if high is not None and high < 0 else 0
    first = round(Fraction(str(start)) / step)
    longest = 10**30 if isinstance(start, float) else max(10**30, 10 * abs(start))  # whole numbers that are written out
    for offset in range(128):
        for value in ((first + offset) * step, (first - offset) * step):
            yield int(value) if value.denominator == 1 and abs(value) < longest else float(value)
    if low is not None and high is not None:
        yield from (float(low) + (float(high) - float(low)) * part / 64 for part in range(65))
    yield from (float(start) + sign * 10.0**-power for power in range(12) for sign in (1, -1))


# Patterns


def _matching(pattern: str, least: int) -> Iterator[str]:
    """Yield texts that likely match a regular expression, made from its parsed form; `least` is a length to aim at."""
    try:
        tree = _parser.parse(re.sub(r"\(\?<(?![=!])", "(?P<", pattern).replace("\\/", "/"))
    except (re.error, OverflowError, RecursionError):
        return
    random = Random(0)  # noqa: S311 - repeatable on purpose, nothing secret
    for extra in (0, 1, 2, 3, least, least // 2, least // 4):
        for _ in range(3):
            yield _Maker(random, extra).make(tree)
    if not pattern.endswith("$"):
        text = _Maker(random, 0).make(tree)
        yield from (f"{text}{number}" for number in range(1, 100))


class _Maker:
    """Makes one text; optional repetitions get `extra` more than their least number."""

    def __init__(self, random: Random, extra: int) -> None:
        self._random = random
        self._extra = extra
        self._characters: dict[tuple[str, int], list[str]] = {}

    def make(self, tree: Any) -> str:
        return "".join(self._one(tree, operation, argument) for operation, argument in tree)

    def _one(self, tree: Any, operation: Any, argument: Any) -> str:
        match str(operation):
            case "LITERAL":
                return chr(argument)
            case "NOT_LITERAL" | "ANY" | "IN":
                place = (str(operation), id(argument))
                if place not in self._characters:
                    one = _compiler.compile(type(tree)(tree.state, [(operation, argument)]))
                    self._characters[place] = [char for char in _PRINTABLE if one.match(char)]
                return self._random.choice(self._characters[place] or [""])
            case "MAX_REPEAT" | "MIN_REPEAT" | "POSSESSIVE_REPEAT":
                least, most, part = argument
                count = min(least + self._extra, int(most), max(least, _MAX_REPEAT))
                return "".join(self.make(part) for _ in range(count))
            case "BRANCH":
                return self.make(self._random.choice(argument[1]))
            case "SUBPATTERN":
                return self.make(argument[3])
            case _:
                return ""
