"""Detection of personal data: detectors, what they find, which overlapping span wins, and patterns as data. Pure."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import NamedTuple, Protocol, runtime_checkable


class Detection(NamedTuple):
    """A sensitive span of a text.

    Attributes:
        type: Kind of data, such as ``EMAIL_ADDRESS``.
        start: Offset of its first character, in code points.
        end: Offset after its last character.
        score: How sure the detector is, from 0 to 1; 1 for a span whose checksum is right.
        custom_term: The term of a policy's list that it matches, or None.
    """

    type: str
    start: int
    end: int
    score: float = 0.85
    custom_term: str | None = None


@runtime_checkable
class Detector(Protocol):
    """Finds sensitive spans; the interface for detectors of your own, such as one around a NER model."""

    def detect(self, text: str) -> Iterable[Detection]:
        """Find the sensitive spans of a text, in any order; they may overlap those of other detectors."""
        ...


#: Characters that are written in several ways, each by one that patterns expect.
_PLAIN = str.maketrans(
    {
        **dict.fromkeys(
            "\u00a0\u2000\u2001\u2002\u2003\u2004\u2005\u2006\u2007\u2008\u2009\u200a\u202f\u205f\u3000", " "
        ),
        **dict.fromkeys("\u2010\u2011\u2012\u2013\u2014\u2015\u2212\ufe63\uff0d", "-"),
        **dict.fromkeys("\u2018\u2019\u02bc", "'"),
        **{chr(0xFF01 + at): chr(0x21 + at) for at in range(94)},
    }
)
_ESCAPES = re.compile(r"\\[nrt]")


def plain(text: str) -> str:
    """Return a text of the same length with one way to write spaces, hyphens, quotes and digits.

    Escaped line ends and tabs, as in JSON and logs, become spaces.
    """
    if not text.isascii():
        text = text.translate(_PLAIN)
    return _ESCAPES.sub("  ", text) if "\\" in text else text


def resolved(text: str, candidates: Iterable[Detection]) -> list[Detection]:
    """Choose among overlapping detections: surer ones first, then longer ones, then earlier ones.

    What a detection covers beyond those chosen before it stays covered, as pieces with at least two letters or digits.
    """
    chosen: list[Detection] = []
    taken = bytearray(len(text))
    for found in sorted(candidates, key=lambda one: (-one.score, one.start - one.end, one.start)):
        if not any(taken[found.start : found.end]):
            chosen.append(found)
        else:
            chosen += _uncovered(text, taken, found)
        taken[found.start : found.end] = b"\1" * (found.end - found.start)
    return sorted(chosen, key=lambda one: one.start)


def _uncovered(text: str, taken: bytearray, found: Detection) -> Iterator[Detection]:
    """Yield the pieces of a detection that are not taken, without the signs around them."""
    shown = "".join("\0" if taken[place] else text[place] for place in range(found.start, found.end))
    for piece in re.finditer(r"[^\W_](?:[^\0]*[^\W_])", shown):
        yield found._replace(start=found.start + piece.start(), end=found.start + piece.end())


@dataclass(frozen=True)
class Pattern:
    """One form of one kind of data.

    Args:
        type: kind of data.
        form: regular expression; its group `value`, if it has one, is the sensitive span.
        check: takes the span and returns the length of its valid beginning, 0 if it is not valid.
        context: words of which one must stand in the 60 characters before the span; none means that no word is needed.
        against: what must not stand there.
        needs: character without which a text cannot match, so that it is not searched.
        score: score of a match.
    """

    type: str
    form: re.Pattern[str]
    check: Callable[[str], int] = len
    context: re.Pattern[str] | None = None
    against: re.Pattern[str] | None = None
    needs: str = ""
    score: float = 0.85

    def detect(self, text: str) -> Iterator[Detection]:
        """Find the matches in a text."""
        if self.needs in text:
            for match in self.form.finditer(text):
                yield from self.accepted(match)

    def accepted(self, match: re.Match[str]) -> Iterator[Detection]:
        """Check a match of the form."""
        group = "value" if "value" in self.form.groupindex else 0
        start = match.start(group)
        before = match.string[max(0, start - 60) : start]
        if self.against is not None and self.against.search(before):
            return
        if self.context is not None and not self.context.search(before):
            return
        if length := self.check(match[group]):
            yield Detection(self.type, start, start + length, self.score)


_NUMBER = re.compile(r"(?<!\w)(?=[A-Z]{0,6}[ -]?\d|[a-z]{2}\d\d)")


class NumberPatterns:
    """Patterns that begin with a digit, or with up to six capital letters before one.

    They are tried there only, which is much faster than a search with each of them.

    Args:
        patterns: the patterns.
    """

    def __init__(self, patterns: Iterable[Pattern]) -> None:
        self._tries = [(pattern.form.match, pattern) for pattern in patterns]

    def detect(self, text: str) -> Iterator[Detection]:
        """Find the matches in a text."""
        for number in _NUMBER.finditer(text):
            place = number.start()
            for match_at, pattern in self._tries:
                if match := match_at(text, place):
                    yield from pattern.accepted(match)


def terms_in(text: str, terms: Iterable[str]) -> Iterator[Detection]:
    """Find the terms of a policy's own list, in any case, as whole words."""
    for term in terms:
        for match in re.finditer(rf"(?<!\w){re.escape(term)}(?!\w)", text, re.IGNORECASE):
            yield Detection("CUSTOM_TERM", match.start(), match.end(), 1.0, term)


def valid_if(test: Callable[[str], bool]) -> Callable[[str], int]:
    """Return the validator of a pattern from a test of the whole span."""
    return lambda span: len(span) if test(span) else 0


def words(alternatives: str) -> re.Pattern[str]:
    """Return the pattern of context words, which may continue."""
    return re.compile(rf"\b(?:{alternatives})", re.IGNORECASE)
