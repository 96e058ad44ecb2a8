"""Scores of detectors: precision, recall, F2, and what of the sensitive text stays hidden. Any type counts. Pure."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import NamedTuple, TypeAlias

#: Kinds of data that have a form.
STRUCTURED = frozenset({"EMAIL", "PHONE", "IBAN", "CARD", "SSN", "NATIONAL_ID", "IP", "URL", "MAC", "SECRET"})
#: Kinds that nobody demands; a finding there is right all the same.
OPTIONAL = frozenset({"ORG", "DATE", "OTHER"})

Spans: TypeAlias = Sequence[tuple[int, int]]
Detect: TypeAlias = Callable[[str], Spans]


class Gold(NamedTuple):
    """A sensitive span that is known to be in a sentence."""

    kind: str
    start: int
    end: int


class Sentence(NamedTuple):
    """A text and all sensitive spans in it."""

    text: str
    spans: tuple[Gold, ...] = ()


@dataclass(frozen=True)
class Score:
    """Counts of a detector over sentences.

    Attributes:
        found: Known spans of which 90 % are covered, by kind.
        demanded: All demanded spans, by kind.
        right: Findings of which half lies on a known span.
        findings: All findings.
        hidden: Share of the sensitive characters that are covered.
        missed: The kinds and texts that were not found.
        wrong: The texts of findings that are not right.
    """

    found: Counter[str]
    demanded: Counter[str]
    right: int
    findings: int
    hidden: float
    missed: tuple[tuple[str, str, str], ...]
    wrong: tuple[tuple[str, str], ...]

    @property
    def precision(self) -> float:
        """Share of the findings that are right."""
        return self.right / self.findings if self.findings else 1.0

    def recall(self, kinds: Iterable[str] | None = None) -> float:
        """Share of the demanded spans, of some kinds or of all, that are found."""
        known = set(self.demanded if kinds is None else kinds)
        demanded = sum(count for kind, count in self.demanded.items() if kind in known)
        return sum(count for kind, count in self.found.items() if kind in known) / demanded if demanded else 1.0

    @property
    def f2(self) -> float:
        """Mean of precision and recall in which recall counts twice."""
        precision, recall = self.precision, self.recall()
        return 5 * precision * recall / (4 * precision + recall) if precision + recall else 0.0


def score(sentences: Iterable[Sentence], detect: Detect) -> Score:
    """Score a detector over sentences."""
    found, demanded = Counter[str](), Counter[str]()
    right = findings = covered = sensitive = 0
    missed: list[tuple[str, str, str]] = []
    wrong: list[tuple[str, str]] = []
    for sentence in sentences:
        spans = list(detect(sentence.text))
        marked = {place for start, end in spans for place in range(start, end)}
        known = {place for gold in sentence.spans for place in range(gold.start, gold.end)}
        for gold in sentence.spans:
            if gold.kind in OPTIONAL:
                continue
            places = range(gold.start, gold.end)
            hit = sum(place in marked for place in places)
            covered, sensitive = covered + hit, sensitive + len(places)
            demanded[gold.kind] += 1
            if hit >= 0.9 * len(places):
                found[gold.kind] += 1
            else:
                missed.append((gold.kind, sentence.text[gold.start : gold.end], sentence.text))
        for start, end in spans:
            findings += 1
            if sum(place in known for place in range(start, end)) >= 0.5 * (end - start):
                right += 1
            else:
                wrong.append((sentence.text[start:end], sentence.text))
    return Score(found, demanded, right, findings, covered / sensitive if sensitive else 1.0, (*missed,), (*wrong,))
