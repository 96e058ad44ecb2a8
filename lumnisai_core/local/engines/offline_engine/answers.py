"""Answers made of what is there: quoted sentences, and structures filled from them. Pure functions."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import closing
from dataclasses import dataclass
from typing import Any

from lumnisai_core.local.engines.base import EngineError
from lumnisai_core.local.engines.offline_engine.question import NOTHING, QUESTION_MARKS, Asked
from lumnisai_core.local.engines.offline_engine.sentences import Hit, Index, common_words, sentences, unique, words
from lumnisai_core.local.engines.samples.material import Quotes
from lumnisai_core.local.engines.samples.merging import Unsatisfiable
from lumnisai_core.local.engines.samples.samples import sample
from lumnisai_core.local.web.json_schema import SchemaError
from lumnisai_core.local.web.text import word_set

#: How many sentences an answer quotes at most.
QUOTED = 3
_CANDIDATES = 12
_GOOD_ENOUGH = 0.45
_ENDS = (".", "!", "?", "…", '"')
_WIDE_ENDS = ("。", "\uff01", "\uff1f")
_SUMMARY_WORDS = word_set("summarize summarise summary overview tldr gist outline abstract recap")


@dataclass(frozen=True, slots=True)
class Answer:
    """An answer and the sentences behind it: `best` by rank, `parts` all of the material."""

    text: str
    best: tuple[str, ...]
    parts: tuple[str, ...]


def answer_from(asked: Asked) -> Answer:
    """Answer a question by quoting the material, best sentences in reading order."""
    parts = unique(part for text in asked.material for part in sentences(text))
    if not parts:
        # A request such as "Anna is 31 years old" is its own material for a structured answer, a question is none.
        stated = () if asked.question.endswith(QUESTION_MARKS) else tuple(sentences(asked.question))
        return Answer(f"{NOTHING}there is no material on: {asked.question}", (), stated)
    hits = _search(parts, asked)
    if not hits:
        return Answer(f"{NOTHING}the given material has nothing on: {asked.question}", (), tuple(parts))
    chosen = [hit.index for hit in hits[:QUOTED] if hit.score >= _GOOD_ENOUGH * hits[0].score]
    text = _join([parts[index] for index in sorted(chosen)])
    return Answer(text, tuple(parts[hit.index] for hit in hits), tuple(parts))


def _search(parts: Sequence[str], asked: Asked) -> list[Hit]:
    """Search for the question; failing that, with earlier questions added; a summary takes what is central."""
    wanted = [*words(asked.question), *(word for hint in asked.hints for word in words(hint))]
    with closing(Index(parts)) as index:
        hits = [] if _SUMMARY_WORDS.intersection(wanted) else index.search(wanted, _CANDIDATES)
        for earlier in reversed(asked.earlier):
            if hits:
                break
            hits = index.search([*wanted, *words(earlier)], _CANDIDATES)
        if not hits and _SUMMARY_WORDS.intersection(wanted):
            hits = index.search(wanted, _CANDIDATES) or index.search(common_words(parts), _CANDIDATES)
    return hits


def structured_from(answer: Answer, schema: dict[str, Any]) -> Any:
    """Fill a schema from an answer.

    Raises:
        EngineError: no value satisfies the schema.
    """
    try:
        return sample(schema, Quotes(answer.best, answer.parts, answer.text if answer.best else ""))
    except (Unsatisfiable, SchemaError) as error:
        raise EngineError("UNSATISFIABLE_SCHEMA", f"No value satisfies response_format: {error}") from error


def _join(parts: Sequence[str]) -> str:
    text = ""
    for part in parts:
        text += (_gap_after(text) if text else "") + part
    return text


def _gap_after(text: str) -> str:
    if text.endswith(_WIDE_ENDS):
        return ""
    return " " if text.endswith(_ENDS) else "\n"
