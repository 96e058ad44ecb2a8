"""Texts, numbers and choices that satisfy their keywords, best first."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator
from fractions import Fraction
from itertools import chain, islice
from random import Random
from typing import Any

from lumnisai_core.local.engines.samples.material import Fill, Path
from lumnisai_core.local.engines.samples.merging import Flat
from lumnisai_core.local.engines.samples.patterns import examples
from lumnisai_core.local.web.json_schema import SchemaError, Validator, compile_schema

NEUTRAL_TEXTS = ("unknown", "none", "not given", "n/a", "-", "text", "sample", "value", "item")

_FORMATS: dict[str, tuple[str, ...]] = {
    "date": ("2000-01-01", "2000-01-02", "2001-01-01"),
    "date-time": ("2000-01-01T00:00:00Z", "2000-01-02T00:00:00Z", "2001-01-01T00:00:00Z"),
    "time": ("00:00:00Z", "12:00:00Z", "00:00:00+00:00"),
    "duration": ("P1D", "PT1H", "P1Y"),
    "email": ("someone@example.org", "other@example.org", "a@example.org"),
    "idn-email": ("someone@example.org", "other@example.org"),
    "hostname": ("example.org", "www.example.org", "localhost"),
    "idn-hostname": ("example.org", "www.example.org"),
    "ipv4": ("192.0.2.1", "192.0.2.2", "198.51.100.1"),
    "ipv6": ("2001:db8::1", "2001:db8::2", "::1"),
    "uri": ("https://example.org/", "https://example.org/a", "urn:example:a"),
    "uri-reference": ("https://example.org/", "/a", "a"),
    "iri": ("https://example.org/", "https://example.org/a"),
    "iri-reference": ("https://example.org/", "/a"),
    "uri-template": ("https://example.org/{id}", "/{id}"),
    "url": ("https://example.org/", "https://example.org/a"),
    "uuid": ("00000000-0000-4000-8000-000000000000", "00000000-0000-4000-8000-000000000001"),
    "json-pointer": ("/a", "", "/b"),
    "relative-json-pointer": ("0", "1/a"),
    "regex": (".*", "a", "b"),
    "byte": ("", "YQ==", "Yg=="),
    "binary": ("", "a", "b"),
}


def of_format(name: str) -> tuple[str, ...]:
    """Return texts of a format; none if the format is not known."""
    return _FORMATS.get(name, ())


_MAX_TEXTS = 400
_MAX_CANDIDATES = 2_000
_MAX_LENGTH = 200_000
_LARGE = 2**53
_TYPES: dict[str, tuple[type, ...]] = {
    "string": (str,),
    "number": (int, float),
    "integer": (int, float),
    "boolean": (bool,),
    "null": (type(None),),
    "object": (dict,),
    "array": (list,),
}


def options(kind: str, allowed: list[Any], fill: Fill | None, path: Path, about: str) -> Iterator[Any]:
    """Yield the allowed values of a type: with `fill` those that occur in the material, else all."""
    mine = [value for value in allowed if _is(kind, value)]
    return iter(mine if fill is None else fill.fitting(mine, path, about))


def _is(kind: str, value: Any) -> bool:
    if isinstance(value, bool):
        return kind == "boolean"
    if kind == "integer" and isinstance(value, float):
        return value.is_integer()
    return isinstance(value, _TYPES.get(kind, ()))


def texts(flat: Flat, fill: Fill | None, path: Path, about: str, random: Random) -> Iterator[str]:
    """Yield texts: with `fill` those the material suggests, else neutral ones."""
    special = "pattern" in flat or any(of_format(name) for name in flat.get("format", ()))
    least, most = flat.get("minLength", 0), min(flat.get("maxLength", _MAX_LENGTH), _MAX_LENGTH)
    check = _check(flat, "pattern", "format", "minLength", "maxLength")
    candidates: Iterable[str]
    if fill is not None:
        whole = fill.texts(path, about)
        candidates = chain(fill.tokens(), whole) if special else (_clip(text, int(most)) for text in whole)
    else:
        candidates = _neutral_texts(flat, int(least), int(most), random)
    good = (text for text in islice(candidates, _MAX_CANDIDATES) if check is None or check.is_valid(text))
    return islice(dict.fromkeys(islice(good, _MAX_TEXTS)), _MAX_TEXTS)


def _neutral_texts(flat: Flat, least: int, most: int, random: Random) -> Iterator[str]:
    yield from (text for text in _suggested(flat) if isinstance(text, str))
    for name in flat.get("format", ()):
        yield from of_format(name)
    for pattern in flat.get("pattern", ()):
        yield from examples(pattern, random, least)
    if most < len(NEUTRAL_TEXTS[0]):
        yield from ("", *"abcdefghijklmnopqrstuvwxyz")
    if least > _MAX_LENGTH:
        return
    for text in NEUTRAL_TEXTS:
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


def _suggested(flat: Flat) -> Iterator[Any]:
    if "default" in flat:
        yield flat["default"]
    if isinstance(given := flat.get("examples"), list):
        yield from given


def numbers(kind: str, flat: Flat, fill: Fill | None, path: Path, about: str) -> Iterator[int | float]:
    """Yield numbers: with `fill` those the material suggests, else neutral ones."""
    check = _check(
        {**flat, "type": kind}, "type", "minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum", "multipleOf"
    )
    candidates = _neutral_numbers(kind, flat) if fill is None else fill.numbers(path, about)
    for value in islice(candidates, _MAX_CANDIDATES):
        plain = int(value) if kind == "integer" and math.isfinite(value) and value == int(value) else value
        if math.isfinite(plain) and (check is None or check.is_valid(plain)):
            yield plain


def _neutral_numbers(kind: str, flat: Flat) -> Iterator[int | float]:
    yield from (value for value in _suggested(flat) if isinstance(value, int | float) and not isinstance(value, bool))
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
    down = low is None or low <= 0
    yield from _multiples(start, step or Fraction(1), upward=not (high is not None and high < 0), both=down)
    if step is None and low is not None and high is not None:
        yield from (float(low) + (float(high) - float(low)) * part / 64 for part in range(65))
    if step is None:
        yield from (float(start) + sign * 10.0**-power for power in range(12) for sign in (1, -1))


def _multiples(start: Fraction, step: Fraction, *, upward: bool, both: bool) -> Iterator[int | float]:
    first = math.ceil(start / step) if upward else math.floor(start / step)
    for offset in range(128):
        for sign in (1, -1) if both else (1 if upward else -1,):
            value = (first + sign * offset) * step
            yield int(value) if value.denominator == 1 and abs(value) <= _LARGE else _large(value, step)


def _large(value: Fraction, step: Fraction) -> int | float:
    return int(value) if step.denominator == 1 and value.denominator == 1 and abs(value) < 10**30 else float(value)


def _step(steps: list[Fraction]) -> Fraction | None:
    """Return the least common multiple."""
    if not steps:
        return None
    top = math.lcm(*(step.numerator for step in steps))
    bottom = math.gcd(*(step.denominator for step in steps))
    return Fraction(top, bottom)


def _check(flat: Flat, *keys: str) -> Validator | None:
    """Compile those keywords alone; a merged keyword holds a list of demands."""
    parts: list[dict[str, Any]] = []
    for key in keys:
        if key in flat:
            listed = isinstance(flat[key], list)
            parts += [{key: value} for value in flat[key]] if listed else [{key: flat[key]}]
    if not parts:
        return None
    try:
        return compile_schema({"allOf": parts}, formats=True)
    except SchemaError:
        return None
