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


def resolved(candidates: Iterable[Detection]) -> list[Detection]:
    """Choose among overlapping detections: surer ones first, then longer ones, then earlier ones."""
    chosen: list[Detection] = []
    taken: set[int] = set()
    for found in sorted(candidates, key=lambda one: (-one.score, one.start - one.end, one.start)):
        if taken.isdisjoint(range(found.start, found.end)):
            chosen.append(found)
            taken.update(range(found.start, found.end))
    return sorted(chosen, key=lambda one: one.start)


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
        if self.needs not in text:
            return
        group = "value" if "value" in self.form.groupindex else 0
        for match in self.form.finditer(text):
            start = match.start(group)
            before = text[max(0, start - 60) : start]
            if self.context is not None and not self.context.search(before):
                continue
            if self.against is not None and self.against.search(before):
                continue
            if length := self.check(match[group]):
                yield Detection(self.type, start, start + length, self.score)


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
