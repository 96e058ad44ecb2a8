"""The default engine: quotes the best sentences of what it is given; no model, the same answer every time."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from contextlib import closing
from dataclasses import dataclass, replace
from typing import Any

from lumnisai_core.local._schemas import SchemaError
from lumnisai_core.local.engines.base import EngineError, RunReport, RunRequest, RunResult
from lumnisai_core.local.engines.fill import Quotes
from lumnisai_core.local.engines.flatten import Unsatisfiable
from lumnisai_core.local.engines.question import NOTHING, QUESTION_MARKS, Asked, understand
from lumnisai_core.local.engines.ranking import Hit, Index, common_words, sentences, unique, words
from lumnisai_core.local.engines.samples import sample
from lumnisai_core.local.engines.text import short_title, word_set

_QUOTED = 3
_CANDIDATES = 12
_GOOD_ENOUGH = 0.45
_INLINE_SIZE = 20_000
_ENDS = (".", "!", "?", "…", '"')
_WIDE_ENDS = ("。", "\uff01", "\uff1f")
_SUMMARY_WORDS = word_set("summarize summarise summary overview tldr gist outline abstract recap")


@dataclass(frozen=True, slots=True)
class Answer:
    """An answer and the sentences behind it: `best` by rank, `parts` all of the material."""

    text: str
    best: tuple[str, ...]
    parts: tuple[str, ...]


class OfflineEngine:
    """Answers from the conversation, its files and nothing else, by picking sentences that match the question.

    Args:
        step_delay: pause between progress steps, in seconds, so that a run can be watched.
    """

    def __init__(self, *, step_delay: float = 0.02) -> None:
        self._step_delay = step_delay

    async def run(self, request: RunRequest, report: RunReport) -> RunResult:
        """Find the question, search the material, answer with quotes and, if asked, a structured answer.

        Raises:
            EngineError: no value satisfies the response format.
        """
        report.progress("Thinking about the request.")
        await self._pause()
        asked = await _aside(_large(request), understand, request.messages, request.files)
        report.progress("Planning the steps.")
        report.title(short_title(asked.question))
        await self._pause()
        entry = report.progress("Searching the given material.", tool_calls=[])
        await self._pause()
        if notes := report.feedback():
            report.progress("Taking the feedback into account.")
            asked = replace(asked, hints=tuple(note.text for note in notes))
        answer = await _aside(asked.size > _INLINE_SIZE, answer_from, asked)
        call = {"name": "search_material", "args": {"query": short_title(asked.question, 200), "limit": _QUOTED}}
        report.add_tool_calls(entry, {**call, "output_text": f"{len(answer.best)} matching sentences"})
        await self._pause()
        structured = None
        if request.response_format is not None:
            report.progress("Filling in the requested structure.")
            structured = await asyncio.to_thread(structured_from, answer, dict(request.response_format))
            await self._pause()
        report.progress("Run finished.", state="completed")
        return RunResult(answer.text, structured)

    async def _pause(self) -> None:
        await asyncio.sleep(max(0.0, self._step_delay))


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
    chosen = [hit.index for hit in hits[:_QUOTED] if hit.score >= _GOOD_ENOUGH * hits[0].score]
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


def _large(request: RunRequest) -> bool:
    return sum(len(message.content) for message in request.messages) > _INLINE_SIZE or bool(request.files)


async def _aside(large: bool, work: Any, *args: Any) -> Any:
    """Do large work in a thread, so that it does not hold up the service."""
    return await asyncio.to_thread(work, *args) if large else work(*args)
