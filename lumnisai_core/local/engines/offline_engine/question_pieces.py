"""Pieces of a question that can be arguments: quotations, numbers, names, what follows a preposition, written calls."""

from __future__ import annotations

import ast
import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from lumnisai_core.local.engines.offline_engine.sentences import COMMON_WORDS
from lumnisai_core.local.web.text import word_set

PREPOSITIONS = word_set("in of for to from about at on by with near into")
_QUOTED = re.compile(
    r"\"([^\"\n]+)\"|(?<!\w)'([^'\n]+)'(?!\w)|\u201c([^\u201d\n]+)\u201d|\u2018([^\u2019\n]+)\u2019(?!\w)|`([^`\n]+)`"
    r"|\u300c([^\u300d\n]+)\u300d|\u300e([^\u300f\n]+)\u300f|\u00ab([^\u00bb\n]+)\u00bb"
)
_NUMBER = re.compile(r"(?<![\w.])[-+]?\d+(?:,\d{3})*(?:\.\d+)?(?:[eE][-+]?\d+)?(?!\w)")
_SMALL = "zero one two three four five six seven eight nine ten eleven twelve"
_NUMBER_WORDS = {name: number for number, name in enumerate(_SMALL.split())}
_TITLE = r"(?:[A-Z]|St|Dr|Mr|Mrs|Ms|Prof)\."
_CAPITAL = rf"(?:{_TITLE}|[^\W\d_a-z\u3040-\u9fff\uac00-\ud7af][\w'\u2019&-]*(?:\.(?=\w)[\w'\u2019&-]+)*)"
_NAME = re.compile(rf"(?<!\w){_CAPITAL}(?:\s+(?:(?:of|the|de|la|von|van|del)\s+)?{_CAPITAL})*(?:,\s[A-Z]{{2}}\b)?")
_AFTER = re.compile(rf"(?<!\w)({'|'.join(sorted(PREPOSITIONS))})\s+(?:the\s+|a\s+|an\s+)?", re.IGNORECASE)
_BREAKS = "|".join(["and", "or", "then", "please", "using", "is", "are", *sorted(PREPOSITIONS - {"of"})])
_PHRASE_END = re.compile(rf"[?!;\n\u3002\uff1f\uff01]|[.,:](?=\s|$)|\s(?:{_BREAKS})\s")
_DATE = re.compile(
    r"(?<!\w)(?:\d{4}-\d\d-\d\d(?:T[\d:.Z+-]+)?|today|tomorrow|yesterday|tonight|(?:mon|tues|wednes|thurs|fri|satur|sun)day)"
    r"(?!\w)",
    re.IGNORECASE,
)
_TOKEN = re.compile(r"[^\s\"'<>()\[\]{},;\u3002\u3001\uff0c]+")
_WORD = re.compile(r"\w+(?:['\u2019.-]\w+)*")
_WIDE = re.compile("[\u3040-\u30ff\u3400-\u9fff\uac00-\ud7af]")
_KEPT = 16
_MOST_OBJECTS = 100
_MARKS = " \t\n.,;:!?\u3002\uff01\uff1f"


@dataclass(frozen=True, slots=True)
class Piece:
    """A part of the question with its place; `kind` is how it was found, such as the preposition before it."""

    value: Any
    start: int
    end: int
    kind: str = ""

    def overlaps(self, other: Piece) -> bool:
        """Tell whether two pieces share a character."""
        return self.start < other.end and other.start < self.end


@lru_cache(maxsize=_KEPT)
def quotations(text: str) -> tuple[Piece, ...]:
    """Return what stands in quotation marks, exactly as it is."""
    return tuple(
        Piece(match[match.lastindex or 0], match.start(), match.end(), "quoted") for match in _QUOTED.finditer(text)
    )


@lru_cache(maxsize=_KEPT)
def numbers(text: str) -> tuple[Piece, ...]:
    """Return the numbers; those written as words only if there are no others."""
    found = tuple(Piece(_number(match.group()), *match.span(), "number") for match in _NUMBER.finditer(text))
    return found or tuple(
        Piece(_NUMBER_WORDS[match.group().lower()], *match.span(), "number")
        for match in _WORD.finditer(text)
        if match.group().lower() in _NUMBER_WORDS
    )


@lru_cache(maxsize=_KEPT)
def dates(text: str) -> tuple[Piece, ...]:
    """Return dates and names of days."""
    return tuple(Piece(match.group(), *match.span(), "date") for match in _DATE.finditer(text))


@lru_cache(maxsize=_KEPT)
def tokens(text: str) -> tuple[Piece, ...]:
    """Return the words with all marks inside: addresses, dates, codes."""
    found = []
    for match in _TOKEN.finditer(text):
        value = match.group().rstrip(".,;:!?")
        if value:
            found.append(Piece(value, match.start(), match.start() + len(value), "token"))
    return tuple(found)


@lru_cache(maxsize=_KEPT)
def names(text: str) -> tuple[Piece, ...]:
    """Return capitalised names; a word that only begins a sentence is none."""
    found = []
    for match in _NAME.finditer(text):
        begins = not text[: match.start()].rstrip() or text[: match.start()].rstrip()[-1] in ".!?:\n"
        value, start = match.group().rstrip(".'\u2019"), match.start()
        first, _, rest = value.partition(" ")
        if begins and (not rest or first.lower() in COMMON_WORDS):
            value, start = rest.strip(), start + len(value) - len(rest.strip())
        if value[:1].isupper() and value.lower() not in COMMON_WORDS:
            found.append(Piece(value, start, start + len(value), "name"))
    return tuple(found)


@lru_cache(maxsize=_KEPT)
def after_prepositions(text: str) -> tuple[Piece, ...]:
    """Return what follows a preposition: the name there, or else the words up to the next break."""
    found, days = [], dates(text)
    for match in _AFTER.finditer(text):
        start = match.end()
        name = _NAME.match(text, start) if text[start : start + 1].isupper() else None
        end = _PHRASE_END.search(text, start)
        stop = name.end() if name else end.start() if end else len(text)
        stop = min([stop, *(piece.start for piece in days if piece.start > start)])
        value = text[start:stop].strip(_MARKS + "'\"")
        leads_on = value.split(" ", 1)[0].lower() in PREPOSITIONS
        if value and not leads_on and value.lower() not in COMMON_WORDS and not _NUMBER.fullmatch(value):
            found.append(Piece(value, start, stop, match[1].lower()))
    return tuple(found)


def content_words(text: str) -> str:
    """Return the words that carry meaning, as they are written; of a text without spaces all of it."""
    if _WIDE.search(text):
        return text.strip(_MARKS)
    kept = [match.group() for match in _WORD.finditer(text) if match.group().lower() not in COMMON_WORDS]
    return " ".join(kept) or text.strip(_MARKS) or text.strip()


@dataclass(frozen=True, slots=True)
class Written:
    """A call as it is written in a programming language: `f(3, unit="C")`."""

    given: tuple[Any, ...]
    named: dict[str, Any]
    start: int
    end: int


def written_calls(text: str, name: str) -> list[Written]:
    """Return the calls of a function that are written out in a text."""
    calls = []
    for match in re.finditer(rf"(?<![\w.]){re.escape(name)}\(", text):
        end = _closing(text, match.end())
        if end is None:
            continue
        given, named = [], {}
        for part in _split(text[match.end() : end]):
            keyword = re.match(r"\s*([^\W\d]\w*)\s*[=:]\s*(?!=)(.*)", part, re.DOTALL)
            if keyword:
                named[keyword[1]] = literal(keyword[2])
            else:
                given.append(literal(part))
        calls.append(Written(tuple(given), named, match.start(), end + 1))
    return calls


def objects(text: str) -> Iterator[dict[str, Any]]:
    """Yield the JSON objects in a text, among the first places where one may begin."""
    decoder = json.JSONDecoder()
    start, tried = text.find("{"), 0
    while start >= 0 and tried < _MOST_OBJECTS:
        tried += 1
        try:
            value, end = decoder.raw_decode(text, start)
        except (ValueError, RecursionError):
            end = start + 1
        else:
            if isinstance(value, dict):
                yield value
        start = text.find("{", end)


def literal(text: str) -> Any:
    """Read a value as JSON or Python write it; anything else is a text."""
    text = text.strip()
    for read in (json.loads, ast.literal_eval):
        try:
            value = read(text)
            json.dumps(value, allow_nan=False)
        except (ValueError, SyntaxError, TypeError, RecursionError, MemoryError):
            continue
        return list(value) if isinstance(value, tuple) else value
    return text


def _closing(text: str, start: int) -> int | None:
    depth, quote = 1, ""
    for place in range(start, min(len(text), start + 10_000)):
        char = text[place]
        if quote:
            quote = "" if char == quote and text[place - 1] != "\\" else quote
        elif char in "\"'":
            quote = char
        else:
            depth += (char in "([{") - (char in ")]}")
            if depth == 0:
                return place
    return None


def _split(text: str) -> Iterator[str]:
    """Split at commas that are not inside quotation marks or brackets."""
    depth, quote, start = 0, "", 0
    for place, char in enumerate(text):
        if quote:
            quote = "" if char == quote and text[place - 1] != "\\" else quote
        elif char in "\"'":
            quote = char
        else:
            depth += (char in "([{") - (char in ")]}")
            if char == "," and not depth:
                yield text[start:place]
                start = place + 1
    if text[start:].strip():
        yield text[start:]


def _number(text: str) -> int | float:
    plain = text.replace(",", "")
    if not re.search(r"[.eE]", plain):
        return int(plain) if len(plain) < 400 else 0
    value = float(plain)
    return value if abs(value) < 1e308 else 0
