"""Placeholders such as ``PERSON_0``: learned from a cleansed text, found again however a model writes them. Pure."""

from __future__ import annotations

import json
import re
import unicodedata
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from functools import lru_cache
from typing import NamedTuple

#: A placeholder as the gateway writes it.
TOKEN = re.compile(r"(?<![A-Za-z0-9_])[A-Z][A-Z0-9_]*_\d+(?![A-Za-z0-9_])")

#: Characters without width, which models and editors insert into words.
_INVISIBLE = frozenset("\u00ad\u034f\u180e\u200b\u200c\u200d\u200e\u200f\u2060\u2061\u2062\u2063\u2064\ufeff")

#: An underscore as models write it: escaped for Markdown, HTML or an address, with marks or a space around it.
_UNDERSCORE = r"(?:\\*_|&#0*95;|&#x0*5f;|&lowbar;|%5f)"
_JOINT = rf"(?:[ \t]?[*`~]{{0,3}}{_UNDERSCORE}{{1,2}}[*`~]{{0,3}}[ \t]?)"
_GAP = rf"(?:{_JOINT}|[ \t\-\u2010-\u2013]|\r?\n)"
_BEFORE = r"(?<![A-Za-z0-9])(?<![A-Za-z0-9]_)(?<![A-Za-z0-9]__)"
_AFTER = r"(?![0-9])(?!(?!s(?![A-Za-z0-9]))[A-Za-z])(?!_+[A-Za-z0-9])"
#: A placeholder of a type that nothing is known about; the number must follow an underscore.
_ANY = re.compile(
    rf"{_BEFORE}(?P<type>[A-Za-z](?:[A-Za-z0-9]|{_UNDERSCORE}(?=[A-Za-z]))*){_JOINT}(?P<number>\d+){_AFTER}",
    re.IGNORECASE,
)
#: The beginning of such a one, in capitals, at the end of a piece of a stream.
_ANY_BEGUN = re.compile(rf"{_BEFORE}(?:[A-Z][A-Z0-9]*(?:\\*_+[A-Z0-9]*|\\+)*)(?:_*|s)\Z")

#: The longest beginning of a placeholder that a stream holds back.
_LONGEST = 120


class Found(NamedTuple):
    """A placeholder in a text, as it is written there and as the gateway writes it."""

    start: int
    end: int
    token: str


class _Plain(NamedTuple):
    """A text without invisible characters and compatibility forms, and where each of its characters was."""

    text: str
    places: Sequence[int]

    def original(self, start: int, end: int) -> tuple[int, int]:
        return self.places[start], self.places[end - 1] + 1


def _plain(text: str) -> _Plain:
    if text.isascii():
        return _Plain(text, range(len(text)))
    pairs = [
        (plain, place)
        for place, char in enumerate(text)
        if char not in _INVISIBLE
        for plain in (char if char.isascii() else unicodedata.normalize("NFKC", char))
    ]
    return _Plain("".join(char for char, _ in pairs), [place for _, place in pairs])


def type_of(token: str) -> str:
    """Return the type of a placeholder."""
    return token.rpartition("_")[0]


@lru_cache(maxsize=256)
def _form(types: frozenset[str]) -> re.Pattern[str]:
    """Return the pattern of all placeholders of some types, in all forms in which models write them."""
    forms = []
    for kind in sorted(types, key=lambda name: (-len(name), name)):
        words = [re.escape(word) for word in kind.split("_") if word]
        any_case = f"(?i:{f'{_GAP}?'.join(words)})"
        # With a space or a dash before the number, small letters are ordinary language: "person 1".
        loose = f"{_GAP}?".join(words)
        if len(words) > 1:
            loose = f"{_GAP}?".join(f"{word[:1]}(?i:{word[1:]})" for word in words)
        forms.append(rf"{any_case}(?i:{_JOINT})|{loose}(?:[ \t\u2010-\u2013:#-]{{0,2}})")
    return re.compile(rf"{_BEFORE}(?P<type>{'|'.join(forms)})0*(?P<number>\d+){_AFTER}")


def _letters(text: str) -> str:
    return re.sub(r"[^A-Z0-9]", "", re.sub(_UNDERSCORE, "", text, flags=re.IGNORECASE).upper())


def found_in(text: str, tokens: Collection[str], start: int = 0) -> Iterator[Found]:
    """Find known placeholders in a text, in order, however they are written.

    Args:
        text: The text.
        tokens: The known placeholders.
        start: Where to begin; what is before is looked at only for boundaries.
    """
    types = frozenset(type_of(token) for token in tokens)
    if not types or not any(char.isdigit() for char in text):
        return
    known = {_letters(kind): kind for kind in types}
    plain = _plain(text)
    for match in _form(types).finditer(plain.text):
        begin, end = plain.original(match.start(), match.end())
        token = f"{known.get(_letters(match['type']), '')}_{int(match['number'])}"
        if begin >= start and token in tokens:
            yield Found(begin, end, token)


def candidates(text: str, *, in_capitals: bool = False) -> list[str]:
    """Return what could be placeholders in a text, as the gateway would write them; only those in capitals, if so."""
    if not any(char.isdigit() for char in text):
        return []
    found: dict[str, None] = {}
    for match in _ANY.finditer(_plain(text).text):
        name = re.sub(r"_+", "_", re.sub(_UNDERSCORE, "_", match["type"], flags=re.IGNORECASE))
        if name.isupper() or not in_capitals:
            found[f"{name.upper()}_{int(match['number'])}"] = None
    return list(found)


def restored(
    text: str, values: Mapping[str, str], *, start: int = 0, end: int | None = None, in_json: bool = False
) -> str:
    """Return a text with the values in place of their placeholders; unknown ones stay.

    Args:
        text: The text.
        values: The values by their placeholders.
        start: Where to begin; what is before is context and not returned.
        end: Where to end; what is after is context and not returned.
        in_json: Whether the text is a part of a JSON document, in whose strings the values must be escaped.
    """
    pieces: list[str] = []
    at = start
    for one in found_in(text, values.keys(), start):
        if end is not None and one.end > end:
            break
        value = values[one.token]
        pieces += (text[at : one.start], json.dumps(value, ensure_ascii=False)[1:-1] if in_json else value)
        at = one.end
    return "".join([*pieces, text[at:end]])


def open_end(text: str, tokens: Collection[str], start: int = 0, *, any_type: bool = False) -> int:
    """Return where the end of a text begins that can still become a placeholder, or the length of the text.

    Args:
        text: The text so far.
        tokens: The known placeholders.
        start: Where to begin; what is before is looked at only for boundaries.
        any_type: Whether unknown placeholders in capitals count, too.
    """
    begin = max(start, len(text) - _LONGEST)
    match = _ANY_BEGUN.search(text, begin) if any_type else None
    place = match.start() if match else len(text)
    if tokens:
        known = {_letters(token) for token in tokens}
        first = {name[0] for name in known}
        for earlier in range(begin, place):
            char = text[earlier] if text[earlier].isascii() else unicodedata.normalize("NFKC", text[earlier])[:1]
            free = char.upper() in first and _free_before(text[max(0, earlier - 3) : earlier])
            if free and _begins(text[earlier:], known):
                place = earlier
                break
    # A whole placeholder that reaches across the place is held, too.
    return next((one.start for one in found_in(text, tokens, start) if one.start < place < one.end), place)


def _free_before(before: str) -> bool:
    return re.search(r"[A-Za-z0-9]_{0,2}\Z", before) is None


def _begins(end: str, known: Collection[str]) -> bool:
    """Return whether the end of a text is the beginning of a known placeholder, or a whole one that may go on."""
    plain = re.sub(r"(?:&[#a-zA-Z0-9]*|%5?|\\+)\Z", "", _plain(end).text)
    plain = re.sub(_UNDERSCORE, "_", plain, flags=re.IGNORECASE)
    if re.search(r"[^A-Za-z0-9_ \t\r\n*`~:#\u2010-\u2013-]|[ \t:#\u2010-\u2013-]{3}", plain):
        return False
    whole = re.fullmatch(r"(.*\d)([^0-9]+)", plain, re.DOTALL)
    if whole is not None and _compact(whole[1]) in known:
        return re.fullmatch(r"_+|s", whole[2]) is not None
    begun = _compact(plain).removesuffix("0") if plain[-1:] == "0" else _compact(plain)
    return any(name.startswith(begun) for name in known)


def _compact(text: str) -> str:
    """Return letters and number of a placeholder, without zeros in front of the number."""
    return re.sub(r"(?<=[A-Z])0+(?=\d)", "", _letters(text))


def learned(
    original: str, cleansed: str, spans: Iterable[tuple[int, int]], found: Iterable[tuple[int, int]]
) -> dict[str, str] | None:
    """Return the values behind the placeholders of a cleansed text, or None if they cannot be told for certain.

    Args:
        original: The text before.
        cleansed: The text after.
        spans: Where its placeholders are.
        found: Where the sensitive values were in the original.
    """
    ends: dict[int, list[int]] = {}
    for start, end in sorted(found, key=lambda span: -span[1]):
        ends.setdefault(start, []).append(end)
    values: dict[str, str] = {}
    placed = sorted(spans)
    here = there = 0
    for (start, end), after in zip(placed, [*(start for start, _ in placed[1:]), None], strict=True):
        between, following = cleansed[there:start], cleansed[end:after]
        if start < there or not original.startswith(between, here):
            return None
        here += len(between)
        stops = [
            stop
            for stop in ends.get(here, [])
            if (original[stop:] == following if after is None else original.startswith(following, stop))
        ]
        if not stops:
            return None
        values.setdefault(cleansed[start:end], original[here : stops[0]])
        here, there = stops[0], end
    return values if original[here:] == cleansed[there:] else None
