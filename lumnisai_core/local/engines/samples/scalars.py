"""Texts, numbers and choices for the keywords of a JSON Schema: neutral ones, and those that the keywords accept."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator
from fractions import Fraction
from itertools import islice
from random import Random
from typing import Any

from lumnisai_core.local.engines.samples.merging import Flat, same
from lumnisai_core.local.engines.samples.patterns import examples
from lumnisai_core.local.web.json_schema import SchemaError, Validator, compile_schema

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
    "integer": (int, float),
    "boolean": (bool,),
    "null": (type(None),),
    "object": (dict,),
    "array": (list,),
}
_CHECKED = {
    "string": ("pattern", "format", "minLength", "maxLength"),
    "number": ("minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum", "multipleOf"),
}
_MAX_TEXTS = 400
_MAX_CANDIDATES = 2_000
_MAX_LENGTH = 200_000
_LARGE = 2**53


def is_special(flat: Flat) -> bool:
    """Return whether only texts of a certain form will do."""
    return "pattern" in flat or any(map(_of_format, flat.get("format", ())))


def options(kind: str, flat: Flat) -> list[Any]:
    """Return the allowed values of a type, the default first."""
    allowed = [value for value in flat.get("enum", ()) if _is(kind, value)]
    return sorted(allowed, key=lambda value: not ("default" in flat and same(value, flat["default"])))


def neutral(kind: str, flat: Flat, random: Random) -> Iterator[Any]:
    """Yield plain values that may suit: the allowed ones, the default, the examples, then any."""
    if "enum" in flat:
        yield from options(kind, flat)
        return
    listed = flat.get("examples")
    for value in [*([flat["default"]] if "default" in flat else []), *(listed if isinstance(listed, list) else [])]:
        if _is(kind, value):
            yield value
    if kind == "string":
        yield from _texts(flat, random)
    elif kind in ("number", "integer"):
        yield from _numbers(kind, flat)
    else:
        yield from (None,) if kind == "null" else (False, True)


def accepted(kind: str, flat: Flat, candidates: Iterable[Any]) -> Iterator[Any]:
    """Yield those candidates that the keywords of a string or a number accept; long texts are shortened."""
    if kind not in ("string", "number", "integer") or "enum" in flat:
        yield from candidates
        return
    check = _check(kind, flat)
    most = min(flat.get("maxLength", _MAX_LENGTH), _MAX_LENGTH)
    texts: set[str] = set()
    for candidate in islice(candidates, _MAX_CANDIDATES):
        value = candidate
        if isinstance(value, str):
            value = value if is_special(flat) else _clip(value, most)
            if value in texts:
                continue
        elif not math.isfinite(value):
            continue
        elif kind == "integer" and value == int(value):
            value = int(value)
        if check is None or check.is_valid(value):
            yield value
            texts.update([value] if isinstance(value, str) else [])
        if len(texts) >= _MAX_TEXTS:
            return


def _of_format(name: str) -> tuple[str, ...]:
    """Return texts of a format; none if the format is unknown."""
    return _FORMATS.get(name.removeprefix("idn-").replace("iri", "uri"), ())


def _is(kind: str, value: Any) -> bool:
    if isinstance(value, bool):
        return kind == "boolean"
    if kind == "integer" and isinstance(value, float):
        return value.is_integer()
    return isinstance(value, _TYPES.get(kind, ()))


def _check(kind: str, flat: Flat) -> Validator | None:
    """Compile the keywords of a type alone; a merged keyword holds a list of demands."""
    parts: list[dict[str, Any]] = [] if kind == "string" else [{"type": kind}]
    for key in _CHECKED["string" if kind == "string" else "number"]:
        if key in flat:
            parts += [{key: value} for value in (flat[key] if isinstance(flat[key], list) else [flat[key]])]
    try:
        return compile_schema({"allOf": parts}, formats=True) if parts else None
    except SchemaError:
        return None


def _texts(flat: Flat, random: Random) -> Iterator[str]:
    least, most = flat.get("minLength", 0), min(flat.get("maxLength", _MAX_LENGTH), _MAX_LENGTH)
    for name in flat.get("format", ()):
        yield from _of_format(name)
    for pattern in flat.get("pattern", ()):
        yield from examples(pattern, random, least)
    if most < len(_NEUTRAL[0]):
        yield from ("", *"abcdefghijklmnopqrstuvwxyz")
    if least > _MAX_LENGTH:
        return
    for text in _NEUTRAL:
        yield _clip(text, most) if len(text) >= least else (text * (least // len(text) + 1))[:least]
    for number in range(1, 1 + _MAX_TEXTS):
        text = f"item{number}"
        yield _clip(text, most) if len(text) >= least else text + "." * (least - len(text))


def _clip(text: str, most: int) -> str:
    """Shorten a text at a word if it is too long."""
    if len(text) <= most:
        return text
    head, _, _ = text[: most + 1].rpartition(" ")
    return head.rstrip(" ,;:") or text[:most]


def _numbers(kind: str, flat: Flat) -> Iterator[int | float]:
    low = max((flat[key] for key in ("minimum", "exclusiveMinimum") if key in flat), default=None)
    high = min((flat[key] for key in ("maximum", "exclusiveMaximum") if key in flat), default=None)
    step = _step([Fraction(str(value)) for value in flat.get("multipleOf", ())])
    if step is None and kind == "integer":
        step = Fraction(1)
    start = Fraction(0)
    if low is not None and low > 0:
        start = Fraction(str(low))
    elif high is not None and high < 0:
        start = Fraction(str(high))
    upward = high is None or high >= 0
    yield from _multiples(start, step or Fraction(1), upward=upward, both=low is None or low <= 0)
    if step is None and low is not None and high is not None:
        yield from (float(low) + (float(high) - float(low)) * part / 64 for part in range(65))
    if step is None:
        yield from (float(start) + sign * 10.0**-power for power in range(12) for sign in (1, -1))


def _multiples(start: Fraction, step: Fraction, *, upward: bool, both: bool) -> Iterator[int | float]:
    first = math.ceil(start / step) if upward else math.floor(start / step)
    for offset in range(128):
        for sign in (1, -1) if both else (1 if upward else -1,):
            value = (first + sign * offset) * step
            whole = value.denominator == 1 and (abs(value) <= _LARGE or (step.denominator == 1 and abs(value) < 10**30))
            yield int(value) if whole else float(value)


def _step(steps: list[Fraction]) -> Fraction | None:
    """Return the least common multiple."""
    if not steps:
        return None
    return Fraction(math.lcm(*(step.numerator for step in steps)), math.gcd(*(step.denominator for step in steps)))
