"""Answers that quote: sentences of the material, results of tools, and structures filled from them."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass
from typing import Any

from lumnisai_core.local.engines.base import EngineError
from lumnisai_core.local.engines.offline_engine.question import NOTHING, QUESTION_MARKS, Query
from lumnisai_core.local.engines.offline_engine.sentences import (
    Hit,
    Index,
    common_words,
    rank,
    sentences,
    unique,
    words,
)
from lumnisai_core.local.engines.offline_engine.tool_offer import Envelope
from lumnisai_core.local.engines.offline_engine.tool_turns import ToolResult
from lumnisai_core.local.engines.samples.document import Document, Unsatisfiable
from lumnisai_core.local.engines.samples.named_values import NamedValues
from lumnisai_core.local.engines.samples.samples import sample
from lumnisai_core.local.web.json_schema import SchemaError
from lumnisai_core.local.web.text import word_set

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
        return Answer(f"{NOTHING}there is no material on: {query.question}", (), stated)
    hits = _search(parts, query)
    if not hits:
        return Answer(f"{NOTHING}the given material has nothing on: {query.question}", (), tuple(parts))
    chosen = [hit.index for hit in hits[:QUOTED] if hit.score >= _GOOD_ENOUGH * hits[0].score]
    text = _join([parts[index] for index in sorted(chosen)])
    return Answer(text, tuple(parts[hit.index] for hit in hits), tuple(parts))


def answer_from_results(query: Query, results: Sequence[ToolResult]) -> Answer:
    """Answer with the results of tools: short ones as they are, of long ones the sentences that match the question.

    Without results it is an ordinary answer.
    """
    if not results:
        return answer_from(query)
    texts = [_spoken(result) for result in results]
    parts = unique(part for result in results for part in sentences(_readable(result.content)))
    hits = rank(parts, query.question, len(parts)) if query.question else []
    best = [parts[hit.index] for hit in hits]
    best += [part for part in parts if part not in best]
    text = "\n".join(texts)
    if len(text) > _SHORT:
        quoted = answer_from(Query(query.question, query.earlier, tuple(map(_readable, texts)), query.hints))
        text = quoted.text if quoted.best else " ".join(best[:QUOTED]) or text[:_SHORT]
    others = [part for material in query.material for part in sentences(material)]
    return Answer(text, tuple(best), (*parts, *unique(others)))


def structured_from(answer: Answer, schema: dict[str, Any]) -> Any:
    """Fill a schema from an answer.

    Raises:
        EngineError: no value satisfies the schema.
    """
    try:
        return sample(schema, NamedValues(answer.best, answer.parts, answer=answer.text if answer.best else ""))
    except (Unsatisfiable, SchemaError) as error:
        raise EngineError("UNSATISFIABLE_SCHEMA", f"No value satisfies response_format: {error}") from error


def enveloped(answer: Answer, envelope: Envelope, results: Sequence[ToolResult] = ()) -> Any:
    """Return an answer in the form of an envelope: as a text, as the object that a tool returned, or filled in.

    Raises:
        EngineError: no value satisfies the schema of the answer.
    """
    for content in (answer.text, *_objects(results)):
        if (value := envelope.answer_value(content)) is not None:
            return value
    schema = envelope.answer if isinstance(envelope.answer, dict) else {}
    document = Document(schema)
    for _, flat in document.alternatives(schema):
        content_schema = document.alone(flat.get("properties", {}).get("content", False))
        if isinstance(content_schema, dict):
            value = envelope.answer_value(structured_from(answer, content_schema))
            if value is not None:
                return value
    return structured_from(answer, schema)


def _search(parts: Sequence[str], query: Query) -> list[Hit]:
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
    """Write the values of a JSON text as lines of `name: value`; leave any other text as it is."""
    try:
        value = json.loads(text)
    except (ValueError, RecursionError):
        return text
    return "\n".join(_lines(value, "")) if isinstance(value, dict | list) else text


def _lines(value: Any, name: str) -> Iterator[str]:
    if isinstance(value, dict):
        for key, item in value.items():
            yield from _lines(item, str(key))
    elif isinstance(value, list):
        for item in value:
            yield from _lines(item, name)
    else:
        text = value if isinstance(value, str) else json.dumps(value)
        yield f"{name}: {text}" if name else text


def _objects(results: Sequence[ToolResult]) -> Iterator[Any]:
    for result in reversed(results):
        try:
            value = json.loads(result.content)
        except (ValueError, RecursionError):
            continue
        if isinstance(value, dict | list) and not result.failed:
            yield value
