"""OpenTelemetry spans of runs, with the names of the GenAI conventions v1.41.0.

A run is a client span ``invoke_agent``, its progress is a list of events in it, its tool calls are child spans. Nothing
is recorded unless the program has set a tracer provider, and no texts unless it asks for them.
"""

from __future__ import annotations

import json
import logging
import os
import time
from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager
from functools import lru_cache
from types import TracebackType
from typing import Any, Final, Self, TypeAlias, TypeVar
from urllib.parse import urlsplit

from opentelemetry import trace
from opentelemetry.context import Context, attach, detach
from opentelemetry.environment_variables import OTEL_PYTHON_TRACER_PROVIDER
from opentelemetry.propagate import inject
from opentelemetry.trace import (
    NoOpTracerProvider,
    ProxyTracerProvider,
    Span,
    SpanKind,
    Status,
    StatusCode,
    Tracer,
    TracerProvider,
    set_span_in_context,
)

from lumnisai_core._transport.call import Call
from lumnisai_core._transport.request import DEFAULT_PORTS
from lumnisai_core._version import VERSION
from lumnisai_core.exceptions import LumnisAIError
from lumnisai_core.lumnis.calls.runs import RunStart
from lumnisai_core.lumnis.models import MessageRole, ResponseObject, ResponseStatus, RunUpdate, ToolCall
from lumnisai_core.lumnis.runs import genai

T = TypeVar("T")

logger = logging.getLogger("lumnisai_core")

# Names of this package, for what the conventions have no name.
_PART: Final = "lumnis.run.part"
_EVENT: Final = "lumnis.progress"
_STATE: Final = "lumnis.progress.state"
_INDEX: Final = "lumnis.progress.index"
_MESSAGE: Final = "lumnis.progress.message"

AttributeValue: TypeAlias = str | float | Sequence[str]

#: How the conventions name the end of a run.
_FINISHED = {
    ResponseStatus.SUCCEEDED: "stop",
    ResponseStatus.FAILED: "error",
    ResponseStatus.CANCELLED: "cancelled",
}


class _Harmless:
    """Logs an exception of a sampler, a processor or ours: tracing never fails a run."""

    def __enter__(self) -> None:
        pass

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> bool:
        if error is not None:
            logger.error("A span could not be recorded; the run continues.", exc_info=error)
        return isinstance(error, Exception)


_HARMLESS = _Harmless()


def begin(start: RunStart, base_url: str, part: str) -> PassingSpan | None:
    """Begin the span of a run; None if the program has no tracer provider. See :func:`spans.run_span`."""
    # Asking the API whether there is a provider takes a microsecond, most of it for a look at the environment.
    if getattr(trace, "_TRACER_PROVIDER", trace) is None and not _IS_NAMED_BY_ENVIRONMENT:
        return None
    with _HARMLESS:
        known = _tracer(trace.get_tracer_provider())
        if known is None:
            return None
        tracer, switches = known
        body = start.call.body if isinstance(start.call.body, Mapping) else {}
        agent = body.get("specialized_agent")
        began = time.time_ns()
        span = tracer.start_span(
            f"invoke_agent {agent}" if agent else "invoke_agent",
            kind=SpanKind.CLIENT,
            attributes=_attributes(body, base_url, part),
            start_time=began,
        )
        return RecordingSpan(tracer, span, start, began, switches) if span.is_recording() else PassingSpan(span)
    return None


_IS_NAMED_BY_ENVIRONMENT = OTEL_PYTHON_TRACER_PROVIDER in os.environ


@lru_cache(maxsize=4)
def _tracer(provider: TracerProvider) -> tuple[Tracer, genai.Switches] | None:
    """Return our tracer and what the environment chooses, once for each provider; None if it makes no spans."""
    if isinstance(provider, ProxyTracerProvider | NoOpTracerProvider):
        return None
    return provider.get_tracer("lumnisai_core", VERSION), genai.switches(os.environ)


@lru_cache(maxsize=64)
def _fixed(base_url: str, part: str) -> Mapping[str, str | int]:
    """Return the attributes that are the same for all runs on a service."""
    parts = urlsplit(base_url)
    port = parts.port or DEFAULT_PORTS.get(parts.scheme)
    found = {
        genai.OPERATION: "invoke_agent",
        genai.PROVIDER: "lumnis",
        _PART: part,
        genai.ADDRESS: parts.hostname or "",
    }
    return found if port is None else {**found, genai.PORT: port}


def _attributes(body: Mapping[str, Any], base_url: str, part: str) -> Mapping[str, str | int]:
    """Return what is known before the run begins, for samplers."""
    fixed = _fixed(base_url, part)
    if not body:
        return fixed
    found = {**fixed, genai.OUTPUT_TYPE: "json" if "response_format" in body else "text"}
    if agent := body.get("specialized_agent"):
        found[genai.AGENT] = str(agent)
    if thread := body.get("thread_id"):
        found[genai.CONVERSATION] = str(thread)
    if "model_overrides" in body or "agent_config" in body:
        models = {
            str(value)
            for key in ("model_overrides", "agent_config")
            for name, value in (body.get(key) or {}).items()
            if name.endswith(("_model", "_model_name"))
        }
        if len(models) == 1:  # a run that uses several has no name for them here
            found[genai.REQUEST_MODEL] = models.pop()
    return found


class PassingSpan:
    """The span of a run, as a context manager that ends it. This one was left out by a sampler: it records nothing."""

    def __init__(self, span: Span) -> None:
        self._span = span
        self._context = set_span_in_context(span)
        self._headers: dict[str, str] = {}
        inject(self._headers, self._context)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        with _HARMLESS:
            self._end(error)

    def sending(self) -> AbstractContextManager[object]:
        """Make the span the current one while a request is sent, for spans of the HTTP library and for log records."""
        return _Current(self._context)

    def carried_by(self, call: Call[T]) -> Call[T]:
        """Add the headers that make spans of the service children of this one."""
        return call._replace(headers={**call.headers, **self._headers} if call.headers else self._headers)

    def started(self, response: ResponseObject) -> ResponseObject:
        """Record the ids in the first answer, and return it."""
        return response

    def reported(self, updates: Sequence[RunUpdate]) -> Sequence[RunUpdate]:
        """Record new updates, and return them."""
        return updates

    def _end(self, error: BaseException | None) -> None:  # noqa: ARG002 - for spans that record
        self._span.end()


class _Current:
    """Makes a context the current one, and restores the one before it."""

    def __init__(self, context: Context) -> None:
        self._context = context

    def __enter__(self) -> None:
        self._token = attach(self._context)

    def __exit__(self, *_: object) -> None:
        detach(self._token)


class RecordingSpan(PassingSpan):
    """A span with the progress, the tool calls and the end of a run."""

    def __init__(self, tracer: Tracer, span: Span, start: RunStart, began: int, switches: genai.Switches) -> None:
        super().__init__(span)
        self._tracer = tracer
        self._began = self._latest = began
        self._is_over = False
        self._has_content, self._has_latest_names = switches
        self._calls: dict[tuple[int, int], Span | None] = {}  # by entry and position; None after its end
        self._found: dict[str, AttributeValue] = {}  # set at the end, at once: each time costs a lock
        if start.response_id is not None:
            self._found[genai.RESPONSE] = str(start.response_id)
        if self._has_content and isinstance(start.call.body, Mapping):
            self._found |= _input(start.call.body.get("messages") or ())

    def started(self, response: ResponseObject) -> ResponseObject:
        """Record the ids in the first answer, and return it."""
        self._found[genai.RESPONSE] = response.response_id
        if response.thread_id:
            self._found[genai.CONVERSATION] = response.thread_id
        return response

    def reported(self, updates: Sequence[RunUpdate]) -> Sequence[RunUpdate]:
        """Record new updates, and return them."""
        with _HARMLESS:
            for update in updates:
                self._record(update)
        return updates

    def _record(self, update: RunUpdate) -> None:
        if update.is_last:
            self._is_over = True
            self._found |= self._answer(update)
            return
        now = time.time_ns()
        stated = now if update.ts is None else int(update.ts.timestamp() * 1e9)
        # The service's clock may differ from ours: a time that cannot be is replaced by that of the answer.
        self._latest = stated if self._latest <= stated <= now else now
        index = update.entry_index
        if index is not None and (update.tool_calls or self._calls):
            self._record_calls(index, update)
        if update.delta and genai.TIME_TO_FIRST_CHUNK not in self._found:
            self._found[genai.TIME_TO_FIRST_CHUNK] = (now - self._began) / 1e9
        if update.state == "text_update":  # there may be hundreds of them
            return
        event: dict[str, str | int] = {_STATE: update.state}
        if self._has_content and update.message:
            event[_MESSAGE] = update.message
        if index is not None:
            event[_INDEX] = index
        self._span.add_event(_EVENT, event, self._latest)

    def _answer(self, update: RunUpdate) -> dict[str, AttributeValue]:
        """Return the attributes of a run that is over."""
        reason = _FINISHED[ResponseStatus(update.status)]
        found: dict[str, AttributeValue] = {genai.FINISH_REASONS: [reason]}
        if update.response is not None:
            found |= _usage(update.response)
        if self._has_content and (update.output_text or update.structured_response):
            turn = {"role": "assistant", "parts": [_part(update.output_text or _json(update.structured_response))]}
            found[genai.OUTPUT] = _json([turn if self._has_latest_names else {**turn, "finish_reason": reason}])
        return found

    def _record_calls(self, index: int, update: RunUpdate) -> None:
        # Only the new calls of an entry that grew are in its update; an entry that changed is reported whole again.
        known = sum(entry == index for entry, _ in self._calls) if update.state == "tool_update" else 0
        calls = {(index, known + place): call for place, call in enumerate(update.tool_calls)}
        for place in [place for place, span in self._calls.items() if span is not None]:
            if place[0] != index:
                self._end_call(place)  # the agent has gone on
            elif place in calls and calls[place].output_text is not None:
                self._end_call(place, calls[place])
        for place, call in calls.items():
            if place not in self._calls:
                self._begin_call(place, call)

    def _begin_call(self, place: tuple[int, int], call: ToolCall) -> None:
        name = call.name or "unknown"
        attributes = {genai.OPERATION: "execute_tool", genai.TOOL: name, genai.TOOL_TYPE: "extension"}
        if self._has_content:
            attributes[genai.TOOL_ARGUMENTS] = _json(call.args)
        self._calls[place] = self._tracer.start_span(
            f"execute_tool {name}", self._context, attributes=attributes, start_time=self._latest
        )
        if call.output_text is not None:
            self._end_call(place, call)

    def _end_call(self, place: tuple[int, int], call: ToolCall | None = None) -> None:
        span, self._calls[place] = self._calls[place], None
        if span is not None:
            if self._has_content and call is not None and call.output_text is not None:
                span.set_attribute(genai.TOOL_RESULT, call.output_text)
            span.end(self._latest)

    def _end(self, error: BaseException | None) -> None:
        self._latest = time.time_ns()
        for place in self._calls:
            self._end_call(place)
        # A stream that is closed after its last update was not left early.
        if error is not None and not (self._is_over and isinstance(error, GeneratorExit)):
            self._found[genai.ERROR] = "cancelled" if isinstance(error, GeneratorExit) else type(error).__name__
            if isinstance(error, LumnisAIError) and error.status_code is not None:
                self._found[genai.STATUS_CODE] = error.status_code
            # Its text may quote the user or the agent.
            self._span.set_status(Status(StatusCode.ERROR, str(error) if self._has_content else None))
        self._span.set_attributes(genai.latest(self._found) if self._has_latest_names else self._found)
        self._span.end(self._latest)


def _usage(response: ResponseObject) -> dict[str, int | str]:
    """Return the counts of tokens and the model, where the service reports them."""
    counts = (
        ()
        if response.usage is None
        else ((name, getattr(response.usage, key, None)) for key, name in genai.TOKENS.items())
    )
    found: dict[str, int | str] = {name: count for name, count in counts if isinstance(count, int)}
    return {**found, genai.RESPONSE_MODEL: response.model} if response.model else found


def _input(messages: Sequence[Mapping[str, Any]]) -> dict[str, str]:
    """Write the messages of a request: instructions apart from the conversation."""
    instructions = [_part(one["content"]) for one in messages if one["role"] == MessageRole.SYSTEM]
    turns = [
        {"role": one["role"], "parts": [_part(one["content"])]} for one in messages if one["role"] != MessageRole.SYSTEM
    ]
    return {genai.INPUT: _json(turns), **({genai.INSTRUCTIONS: _json(instructions)} if instructions else {})}


def _part(text: str) -> dict[str, str]:
    return {"type": "text", "content": text}


def _json(value: object) -> str:
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"), default=str)
