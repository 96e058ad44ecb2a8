"""The offline engine: no model, only quotes from the conversation and its files, the same answer every time."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import replace
from typing import Any, TypeVar

from lumnisai_core.local.engines.base import EngineError, RunReport, RunRequest, RunResult
from lumnisai_core.local.engines.offline_engine import answers
from lumnisai_core.local.engines.offline_engine.question import Query, query_of
from lumnisai_core.local.engines.offline_engine.tool_calls import Exchange, calls_for, envelope_of, exchange_of
from lumnisai_core.local.engines.samples.document import Unsatisfiable
from lumnisai_core.local.web.json_schema import SchemaError
from lumnisai_core.local.web.json_text import dumps
from lumnisai_core.local.web.text import short_title
from lumnisai_core.local.web.work import OutOfTime, Work

_INLINE_SIZE = 20_000
T = TypeVar("T")


class OfflineEngine:
    """Answers from the conversation and its files alone, with the sentences that match the question.

    A response format that offers tools is answered with calls of the tools that the question is about, their arguments
    taken from its words; once their results are there, with an answer that quotes them.

    Args:
        step_delay: pause between progress steps, in seconds, so that a run can be watched; with 0, a small run shows
            all of them at once.
    """

    #: It is not an expert in anything: runs of a specialized agent are not for it.
    specialized_agents = False

    def __init__(self, *, step_delay: float = 0.02) -> None:
        self._step_delay = step_delay
        self._work = Work()

    async def run(self, request: RunRequest, report: RunReport) -> RunResult:
        """Find the question, search the material, answer with quotes and, if requested, with a structured answer.

        Raises:
            EngineError: no value satisfies the response format, or answering takes too long.
        """
        try:
            return await self._result(request, report)
        except (Unsatisfiable, SchemaError) as error:
            raise EngineError("UNSATISFIABLE_SCHEMA", f"No value satisfies response_format: {error}") from error
        except OutOfTime as error:
            raise EngineError("TOO_MUCH_WORK", f"The offline engine gave up: {error}.") from error

    async def _result(self, request: RunRequest, report: RunReport) -> RunResult:
        report.progress("Thinking about the request.")
        await self._pause()
        schema = None if request.response_format is None else dict(request.response_format)
        envelope = None if schema is None else await self._do(request.tenant_id, True, envelope_of, schema)
        caller = request.tenant_id
        large = bool(request.files) or sum(len(message.content) for message in request.messages) > _INLINE_SIZE
        exchange = await self._do(caller, large, exchange_of, request.messages)
        query = await self._do(caller, large, query_of, exchange.messages, request.files)
        report.progress("Planning the steps.")
        report.title(short_title(query.question))
        await self._pause()
        if envelope is not None and (calls := await self._do(caller, True, calls_for, envelope, exchange)):
            names = ", ".join(dict.fromkeys(call.name for call in calls))
            report.progress(f"Asking for {names}.", state="completed")
            value = envelope.calls_value(calls)
            return RunResult(dumps(value), value)
        answer = await self._answer(caller, query, exchange, report)
        structured = None
        if schema is not None:
            report.progress("Filling in the requested structure.")
            if envelope is None or envelope.answer is None:
                structured = await self._do(caller, True, answers.structured_from, answer, schema)
            else:
                structured = await self._do(caller, True, answers.enveloped, answer, envelope, exchange.results)
            await self._pause()
        report.progress("Run finished.", state="completed")
        return RunResult(answer.text, structured)

    async def _answer(self, caller: str, query: Query, exchange: Exchange, report: RunReport) -> answers.Answer:
        entry = report.progress("Searching the given material.", tool_calls=[])
        await self._pause()
        if notes := report.feedback():
            report.progress("Taking the feedback into account.")
            query = replace(query, hints=tuple(note.text for note in notes))
        large = query.size > _INLINE_SIZE
        answer = await self._do(caller, large, answers.answer_from_results, query, exchange.results)
        call = {"name": "search_material", "args": {"query": short_title(query.question, 200), "limit": answers.QUOTED}}
        report.add_tool_calls(entry, {**call, "output_text": f"{len(answer.best)} matching sentences"})
        await self._pause()
        return answer

    async def _pause(self) -> None:
        if self._step_delay > 0:  # else all steps of a small run are seen at once, however often a client asks
            await asyncio.sleep(self._step_delay)

    async def _do(self, caller: str, large: bool, work: Callable[..., T], *arguments: Any) -> T:
        """Do large work in a thread, in turns with other callers, so that it does not hold up the service."""
        return await self._work.do(caller, work, *arguments) if large else work(*arguments)
