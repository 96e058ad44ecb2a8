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
from typing import Any, Final, Self, TypeVar
from urllib.parse import urlsplit

from opentelemetry.context import Context, attach, detach
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
    get_tracer_provider,
    set_span_in_context,
)

from lumnisai_core._transport.call import Call
from lumnisai_core._transport.request import DEFAULT_PORTS
from lumnisai_core._version import VERSION
from lumnisai_core.exceptions import LumnisAIError
from lumnisai_core.lumnis.calls.runs import RunStart
from lumnisai_core.lumnis.models import MessageRole, ResponseObject, ResponseStatus, RunUpdate, ToolCall

T = TypeVar("T")

logger = logging.getLogger("lumnisai_core")

# Names of the conventions, as they were in v1.41.0. None of those that are used here has been renamed since.
_OPERATION: Final = "gen_ai.operation.name"
_PROVIDER: Final = "gen_ai.provider.name"
_AGENT: Final = "gen_ai.agent.name"
_MODEL: Final = "gen_ai.request.model"
_OUTPUT_TYPE: Final = "gen_ai.output.type"
_CONVERSATION: Final = "gen_ai.conversation.id"
_RESPONSE: Final = "gen_ai.response.id"
_RESPONSE_MODEL: Final = "gen_ai.response.model"
_INPUT_TOKENS: Final = "gen_ai.usage.input_tokens"
_OUTPUT_TOKENS: Final = "gen_ai.usage.output_tokens"
_FINISH_REASONS: Final = "gen_ai.response.finish_reasons"
_INSTRUCTIONS: Final = "gen_ai.system_instructions"
_INPUT: Final = "gen_ai.input.messages"
_OUTPUT: Final = "gen_ai.output.messages"
_TOOL: Final = "gen_ai.tool.name"
_TOOL_TYPE: Final = "gen_ai.tool.type"
_TOOL_ARGUMENTS: Final = "gen_ai.tool.call.arguments"
_TOOL_RESULT: Final = "gen_ai.tool.call.result"
_ADDRESS: Final = "server.address"
_PORT: Final = "server.port"
_ERROR: Final = "error.type"
_STATUS_CODE: Final = "http.response.status_code"

# Names of this package, for what the conventions have no name.
_PART: Final = "lumnis.run.part"
_EVENT: Final = "lumnis.progress"
_STATE: Final = "lumnis.progress.state"
_INDEX: Final = "lumnis.progress.index"
_MESSAGE: Final = "lumnis.progress.message"

#: How the conventions name the end of a run.
_FINISHED = {
    ResponseStatus.SUCCEEDED: "stop",
    ResponseStatus.FAILED: "error",
    ResponseStatus.CANCELLED: "cancelled",
}

#: The variable that turns on texts, and its values that do so on spans.
CONTENT_VARIABLE = "OTEL_INSTRUMENTATION_GENAI_CAPTURE_MESSAGE_CONTENT"
_WITH_CONTENT = frozenset({"true", "span_only", "span_and_event"})


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
    with _HARMLESS:
        provider = get_tracer_provider()
        if isinstance(provider, _WITHOUT_SPANS):
            return None
        body = start.call.body if isinstance(start.call.body, Mapping) else {}
        agent = body.get("specialized_agent")
        began = time.time_ns()
        tracer, has_content = _tracer(provider)
        span = tracer.start_span(
            f"invoke_agent {agent}" if agent else "invoke_agent",
            kind=SpanKind.CLIENT,
            attributes=_attributes(body, base_url, part),
            start_time=began,
        )
        if not span.is_recording():
            return PassingSpan(span)
        return RecordingSpan(tracer, span, start, began, has_content=has_content)
    return None


_WITHOUT_SPANS = (ProxyTracerProvider, NoOpTracerProvider)


@lru_cache(maxsize=4)
def _tracer(provider: TracerProvider) -> tuple[Tracer, bool]:
    """Return our tracer, and whether texts are recorded; the variable is read once for each provider."""
    has_content = os.environ.get(CONTENT_VARIABLE, "").strip().lower() in _WITH_CONTENT
    return provider.get_tracer("lumnisai_core", VERSION), has_content


@lru_cache(maxsize=64)
def _server(base_url: str) -> Mapping[str, str | int]:
    parts = urlsplit(base_url)
    port = parts.port or DEFAULT_PORTS.get(parts.scheme)
    return {_ADDRESS: parts.hostname or "", **({} if port is None else {_PORT: port})}


def _attributes(body: Mapping[str, Any], base_url: str, part: str) -> dict[str, str | int]:
    """Return what is known before the run begins, for samplers."""
    found = {_OPERATION: "invoke_agent", _PROVIDER: "lumnis", **_server(base_url), _PART: part}
    if not body:
        return found
    found[_OUTPUT_TYPE] = "json" if "response_format" in body else "text"
    for name, key in ((_AGENT, "specialized_agent"), (_CONVERSATION, "thread_id")):
        if value := body.get(key):
            found[name] = str(value)
    models = {
        str(value)
        for key in ("model_overrides", "agent_config")
        for name, value in (body.get(key) or {}).items()
        if name.endswith(("_model", "_model_name"))
    }
    if len(models) == 1:  # a run that uses several has no name for them here
        found[_MODEL] = models.pop()
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
        return call._replace(headers={**call.headers, **self._headers})

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

    def __init__(self, tracer: Tracer, span: Span, start: RunStart, began: int, *, has_content: bool) -> None:
        super().__init__(span)
        self._tracer = tracer
        self._latest = began
        self._is_over = False
        self._has_content = has_content
        self._calls: dict[tuple[int, int], Span | None] = {}  # by entry and position; None after its end
        self._found: dict[str, str | int | Sequence[str]] = {}  # set at the end, at once: each time costs a lock
        if start.response_id is not None:
            self._found[_RESPONSE] = str(start.response_id)
        if self._has_content and isinstance(start.call.body, Mapping):
            self._found |= _input(start.call.body.get("messages") or ())

    def started(self, response: ResponseObject) -> ResponseObject:
        """Record the ids in the first answer, and return it."""
        self._found[_RESPONSE] = response.response_id
        if response.thread_id:
            self._found[_CONVERSATION] = response.thread_id
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
            reason = self._found[_FINISH_REASONS] = [_FINISHED[ResponseStatus(update.status)]]
            if update.response is not None:
                self._found |= _answered_by(update.response)
            if self._has_content and (update.output_text or update.structured_response):
                text = update.output_text or _json(update.structured_response)
                turn = {"role": "assistant", "parts": [_part(text)], "finish_reason": reason[0]}
                self._found[_OUTPUT] = _json([turn])
            return
        if update.state == "text_update":
            return  # the text is in the span's output, not an event for each piece of it
        now = time.time_ns()
        stated = now if update.ts is None else int(update.ts.timestamp() * 1e9)
        # The service's clock may differ from ours: a time that cannot be is replaced by that of the answer.
        self._latest = stated if self._latest <= stated <= now else now
        event: dict[str, str | int] = {_STATE: update.state}
        if self._has_content and update.message:
            event[_MESSAGE] = update.message
        if update.entry_index is not None:
            event[_INDEX] = update.entry_index
            self._record_calls(update.entry_index, update)
        self._span.add_event(_EVENT, event, self._latest)

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
        attributes = {_OPERATION: "execute_tool", _TOOL: name, _TOOL_TYPE: "extension"}
        if self._has_content:
            attributes[_TOOL_ARGUMENTS] = _json(call.args)
        self._calls[place] = self._tracer.start_span(
            f"execute_tool {name}", self._context, attributes=attributes, start_time=self._latest
        )
        if call.output_text is not None:
            self._end_call(place, call)

    def _end_call(self, place: tuple[int, int], call: ToolCall | None = None) -> None:
        span, self._calls[place] = self._calls[place], None
        if span is not None:
            if self._has_content and call is not None and call.output_text is not None:
                span.set_attribute(_TOOL_RESULT, call.output_text)
            span.end(self._latest)

    def _end(self, error: BaseException | None) -> None:
        self._latest = time.time_ns()
        for place in self._calls:
            self._end_call(place)
        # A stream that is closed after its last update was not left early.
        if error is not None and not (self._is_over and isinstance(error, GeneratorExit)):
            self._found[_ERROR] = "cancelled" if isinstance(error, GeneratorExit) else type(error).__name__
            if isinstance(error, LumnisAIError) and error.status_code is not None:
                self._found[_STATUS_CODE] = error.status_code
            # Its text may quote the user or the agent.
            self._span.set_status(Status(StatusCode.ERROR, str(error) if self._has_content else None))
        self._span.set_attributes(self._found)
        self._span.end(self._latest)


def _answered_by(response: ResponseObject) -> dict[str, str | int]:
    """Return the model and the tokens of a run, where the service says so."""
    usage = response.usage
    counts = {} if usage is None else {_INPUT_TOKENS: usage.input_tokens, _OUTPUT_TOKENS: usage.output_tokens}
    return {**counts, **({_RESPONSE_MODEL: response.model} if response.model else {})}


def _input(messages: Sequence[Mapping[str, Any]]) -> dict[str, str]:
    """Write the messages of a request: instructions apart from the conversation."""
    instructions = [_part(one["content"]) for one in messages if one["role"] == MessageRole.SYSTEM]
    turns = [
        {"role": one["role"], "parts": [_part(one["content"])]} for one in messages if one["role"] != MessageRole.SYSTEM
    ]
    return {_INPUT: _json(turns), **({_INSTRUCTIONS: _json(instructions)} if instructions else {})}


def _part(text: str) -> dict[str, str]:
    return {"type": "text", "content": text}


def _json(value: object) -> str:
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"), default=str)
