"""The default engine: quotes the best sentences of what it is given; no model, the same answer every time."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from typing import Any

from lumnisai_core.local.engines.base import EngineError, RunReport, RunRequest, RunResult
from lumnisai_core.local.engines.offline_engine.answers import QUOTED, Answer, structured_from
from lumnisai_core.local.engines.offline_engine.question import Asked
from lumnisai_core.local.engines.offline_engine.tool_answers import answer_from_results, answer_value, asked_about
from lumnisai_core.local.engines.offline_engine.tool_calls import Call, calls_for, calls_text, calls_value
from lumnisai_core.local.engines.offline_engine.tool_offer import Envelope, envelope_of
from lumnisai_core.local.engines.offline_engine.tool_turns import Exchange, exchange_of
from lumnisai_core.local.engines.samples.merging import Unsatisfiable
from lumnisai_core.local.web.json_schema import SchemaError
from lumnisai_core.local.web.text import short_title

_INLINE_SIZE = 20_000


class OfflineEngine:
    """Answers from the conversation, its files and nothing else, by picking sentences that match the question.

    A response format that offers tools is answered with calls of the tools that the question is about, their arguments
    taken from its words, and once their results are there with an answer that quotes them.

    Args:
        step_delay: pause between progress steps, in seconds, so that a run can be watched.
    """

    #: It is no expert in anything: runs of a specialized agent are not for it.
    specialized_agents = False

    def __init__(self, *, step_delay: float = 0.02) -> None:
        self._step_delay = step_delay

    async def run(self, request: RunRequest, report: RunReport) -> RunResult:
        """Find the question, search the material, answer with quotes and, if asked, a structured answer.

        Raises:
            EngineError: no value satisfies the response format.
        """
        report.progress("Thinking about the request.")
        await self._pause()
        envelope = None if request.response_format is None else envelope_of(request.response_format)
        exchange = exchange_of(request.messages)
        asked = await _aside(_large(request), _understood, exchange, request)
        report.progress("Planning the steps.")
        report.title(short_title(asked.question))
        await self._pause()
        if envelope is not None and (calls := await asyncio.to_thread(_calls, envelope, exchange)):
            names = ", ".join(dict.fromkeys(call.name for call in calls))
            report.progress(f"Asking for {names}.", state="completed")
            return RunResult(calls_text(calls), calls_value(calls))
        answer = await self._answer(asked, exchange, report)
        structured = None
        if request.response_format is not None:
            report.progress("Filling in the requested structure.")
            structured = await asyncio.to_thread(_structured, answer, envelope, exchange, dict(request.response_format))
            await self._pause()
        report.progress("Run finished.", state="completed")
        return RunResult(answer.text, structured)

    async def _answer(self, asked: Asked, exchange: Exchange, report: RunReport) -> Answer:
        entry = report.progress("Searching the given material.", tool_calls=[])
        await self._pause()
        if notes := report.feedback():
            report.progress("Taking the feedback into account.")
            asked = replace(asked, hints=tuple(note.text for note in notes))
        answer: Answer = await _aside(asked.size > _INLINE_SIZE, answer_from_results, asked, exchange.results)
        call = {"name": "search_material", "args": {"query": short_title(asked.question, 200), "limit": QUOTED}}
        report.add_tool_calls(entry, {**call, "output_text": f"{len(answer.best)} matching sentences"})
        await self._pause()
        return answer

    async def _pause(self) -> None:
        await asyncio.sleep(max(0.0, self._step_delay))


def _understood(exchange: Exchange, request: RunRequest) -> Asked:
    return asked_about(exchange, request.files)


def _calls(envelope: Envelope, exchange: Exchange) -> list[Call]:
    try:
        return calls_for(envelope, exchange)
    except (Unsatisfiable, SchemaError) as error:
        raise EngineError("UNSATISFIABLE_SCHEMA", f"No value satisfies response_format: {error}") from error


def _structured(answer: Answer, envelope: Envelope | None, exchange: Exchange, schema: dict[str, Any]) -> Any:
    if envelope is None or envelope.answer is None:
        return structured_from(answer, schema)
    return answer_value(answer, envelope, exchange.results)


def _large(request: RunRequest) -> bool:
    return sum(len(message.content) for message in request.messages) > _INLINE_SIZE or bool(request.files)


async def _aside(large: bool, work: Any, *args: Any) -> Any:
    """Do large work in a thread, so that it does not hold up the service."""
    return await asyncio.to_thread(work, *args) if large else work(*args)
