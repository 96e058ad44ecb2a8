"""Answers that quote: sentences of the material, results of tools, and structures filled from them."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass, replace
from typing import Any

from lumnisai_core.local.engines.offline_engine.question import NOTHING, QUESTION_MARKS, Query
from lumnisai_core.local.engines.offline_engine.sentences import Index, common_words, sentences, unique
from lumnisai_core.local.engines.offline_engine.tool_calls import Envelope, ToolResult, decoded
from lumnisai_core.local.engines.samples.document import Schema, Unsatisfiable
from lumnisai_core.local.engines.samples.named_values import NamedValues
from lumnisai_core.local.engines.samples.samples import sample
from lumnisai_core.local.web.text import word_set, words

#: How many sentences an answer quotes at most.
QUOTED = 3
_CANDIDATES = 12
_GOOD_ENOUGH = 0.45
_SHORT = 600
_ENDS = (".", "!", "?", "…", '"')
_WIDE_ENDS = ("。", "\uff01", "\uff1f")
_SUMMARY_WORDS = word_set("summarize summarise summary overview tldr gist outline abstract recap")


@dataclass(frozen=True, slots=True)
class Answer:
    """An answer and the sentences behind it: `best` by rank, `parts` all of the material."""

    text: str
    best: tuple[str, ...]
    parts: tuple[str, ...]


def answer_from(query: Query) -> Answer:
    """Answer a question by quoting the material, best sentences in reading order."""
    parts = unique(part for text in query.material for part in sentences(text))
    if not parts:
        # A request such as "Anna is 31 years old" is its own material for a structured answer; a question is not.
        stated = () if query.question.endswith(QUESTION_MARKS) else tuple(sentences(query.question))
        return Answer(f"{NOTHING}has no material on: {query.question}", (), stated)
    hits = _search(parts, query)
    if not hits:
        return Answer(f"{NOTHING}has nothing on: {query.question}", (), tuple(parts))
    chosen = [index for index, score in hits[:QUOTED] if score >= _GOOD_ENOUGH * hits[0][1]]
    text = _join([parts[index] for index in sorted(chosen)])
    return Answer(text, tuple(parts[index] for index, _ in hits), tuple(parts))


def answer_from_results(query: Query, results: Sequence[ToolResult]) -> Answer:
    """Answer with the results of tools, if there are any: short ones whole, of long ones the sentences that match."""
    if not results:
        return answer_from(query)
    texts = [_spoken(result) for result in results]
    quoted = answer_from(replace(query, material=tuple(map(_readable, texts))))
    best = (*quoted.best, *(part for part in quoted.parts if part not in quoted.best))
    text = "\n".join(texts)
    if len(text) > _SHORT:
        text = quoted.text if quoted.best else " ".join(best[:QUOTED]) or text[:_SHORT]
    others = unique(part for material in query.material for part in sentences(material))
    return Answer(text, best, (*quoted.parts, *others))


def structured_from(answer: Answer, schema: Schema) -> Any:
    """Fill a schema from an answer; raises what `sample` raises."""
    return sample(schema, NamedValues(answer.best, answer.parts, answer=answer.text if answer.best else ""))


def enveloped(answer: Answer, envelope: Envelope, results: Sequence[ToolResult] = ()) -> Any:
    """Return an answer in the form of an envelope: as a text, as the object that a tool returned, or filled in."""
    for content in (answer.text, *_objects(results)):
        if (value := envelope.answer_value(content)) is not None:
            return value
    content = structured_from(answer, True if envelope.answer is None else envelope.answer)
    if (value := envelope.answer_value(content)) is None:
        raise Unsatisfiable("it takes no answer")
    return value


def _search(parts: Sequence[str], query: Query) -> list[tuple[int, float]]:
    """Search for the question; failing that, with earlier questions added; a summary takes the most common words."""
    wanted = [*words(query.question), *(word for hint in query.hints for word in words(hint))]
    with closing(Index(parts)) as index:
        hits = [] if _SUMMARY_WORDS.intersection(wanted) else index.search(wanted, _CANDIDATES)
        for earlier in reversed(query.earlier):
            if hits:
                break
            hits = index.search([*wanted, *words(earlier)], _CANDIDATES)
        if not hits and _SUMMARY_WORDS.intersection(wanted):
            hits = index.search(wanted, _CANDIDATES) or index.search(common_words(parts), _CANDIDATES)
    return hits


def _join(parts: Sequence[str]) -> str:
    text = ""
    for part in parts:
        gap = "" if not text or text.endswith(_WIDE_ENDS) else " " if text.endswith(_ENDS) else "\n"
        text += gap + part
    return text


def _spoken(result: ToolResult) -> str:
    name = result.name or "The tool"
    if result.failed:
        return f"{name} failed: {result.content}" if result.content.strip() else f"{name} failed."
    return result.content if result.content.strip() else f"{name} returned nothing."


def _readable(text: str) -> str:
    """Write a JSON text with each value on a line of its own; leave any other text as it is."""
    value = _whole(text)
    return text if value is None else json.dumps(value, indent=0, ensure_ascii=False)


def _objects(results: Sequence[ToolResult]) -> Iterator[Any]:
    for result in reversed(results):
        if not result.failed and (value := _whole(result.content)) is not None:
            yield value


def _whole(text: str) -> Any:
    """Return the object or list that a JSON text is; None for any other text."""
    value, end = decoded(text.strip())
    return value if isinstance(value, dict | list) and end == len(text.strip()) else None
