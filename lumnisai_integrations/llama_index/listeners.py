"""Progress listeners of LlamaIndex: event handlers, legacy callbacks, and the stream of a workflow."""

from __future__ import annotations

import asyncio
import inspect
import logging
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from contextvars import copy_context
from dataclasses import dataclass, field, replace
from typing import Any
from uuid import uuid4

from llama_index.core.callbacks import CallbackManager, CBEventType, EventPayload, TokenCountingHandler
from llama_index.core.callbacks.base_handler import BaseCallbackHandler
from llama_index.core.tools.types import ToolMetadata
from llama_index.core.workflow import Context
from llama_index_instrumentation import get_dispatcher
from llama_index_instrumentation.dispatcher import active_instrument_tags
from llama_index_instrumentation.events.span import SpanDropEvent
from llama_index_instrumentation.span import active_span_id
from workflows.errors import WorkflowRuntimeError

from lumnisai_core import RunUpdate, ToolCall
from lumnisai_integrations.llama_index.progress import LumnisProgressEvent, event_of, handle_event, has_handlers

_logger = logging.getLogger(__name__)
_dispatcher = get_dispatcher(__name__)

_NO_ARGUMENTS = inspect.signature(lambda: None).bind()
#: Handlers that receive every event and ignore those of progress; they must not make polls shorter.
_INDIFFERENT = (TokenCountingHandler,)


@dataclass(frozen=True, slots=True)
class Listeners:
    """The listeners of a call. They are those where the call was made, because its stream may be read elsewhere.

    Exceptions of a listener are logged and do not end the run; interrupts, such as Ctrl-C, do.

    Attributes:
        span_id: Span that the events belong to.
        callbacks: Manager of the legacy callbacks.
        write: Writes to the event stream of the surrounding workflow step; None outside of one.
        tags: Tags of the instrumentation.
    """

    span_id: str | None
    callbacks: CallbackManager
    write: Callable[[LumnisProgressEvent], None] | None = None
    tags: dict[str, Any] = field(default_factory=dict)

    @classmethod
    def here(cls, callbacks: CallbackManager) -> Listeners:
        """Return the listeners of a call that is made now."""
        return cls(active_span_id.get(), callbacks, stream_writer(), dict(active_instrument_tags.get()))

    def __bool__(self) -> bool:
        return self.write is not None or has_handlers() or _any_interested(self.callbacks.handlers)

    def notify(self, update: RunUpdate) -> None:
        """Pass one update to all listeners."""
        if self.write is not None or has_handlers():
            event = event_of(update, self.span_id, self.tags)
            handle_event(event)
            if self.write is not None:
                _guarded(self.write, event)
        if _any_interested(self.callbacks.handlers):
            # In a context of its own, a failing handler does not change the trace of the surrounding calls.
            _guarded(copy_context().run, call_back, self.callbacks, update)

    @contextmanager
    def reading(self, llm: object) -> Iterator[Listeners]:
        """Open a span while a stream is read, inside that of the call, which ends when the stream is returned."""
        span_id = f"{type(llm).__name__}.read_stream-{uuid4()}"
        about: dict[str, Any] = {"id_": span_id, "bound_args": _NO_ARGUMENTS, "instance": llm}
        _dispatcher.span_enter(**about, parent_id=self.span_id, tags=self.tags)
        try:
            yield replace(self, span_id=span_id)
        except GeneratorExit:  # the reader left early
            _dispatcher.span_exit(**about)
            raise
        except BaseException as error:
            _dispatcher.event(SpanDropEvent(span_id=span_id, err_str=str(error)))
            _dispatcher.span_drop(**about, err=error)
            raise
        _dispatcher.span_exit(**about)


def _any_interested(handlers: Sequence[BaseCallbackHandler]) -> bool:
    progress = {CBEventType.AGENT_STEP, CBEventType.FUNCTION_CALL}
    return any(
        not isinstance(handler, _INDIFFERENT) and bool(progress - set(handler.event_starts_to_ignore))
        for handler in handlers
    )


def _guarded(listener: Callable[..., object], *values: object) -> None:
    try:
        listener(*values)
    except Exception:
        _logger.warning("A listener to the progress of a run failed; the run continues.", exc_info=True)


def call_back(callbacks: CallbackManager, update: RunUpdate) -> None:
    """Report a new entry to legacy callbacks as a step of an agent, with the service's own tool calls inside it."""
    if update.entry_index is None:
        return
    if update.state == "tool_update":  # the step was reported before
        for call in update.tool_calls:
            _call_back_tool(callbacks, call)
        return
    about = {"response_id": update.response_id, "thread_id": update.thread_id, "state": update.state}
    with callbacks.event(CBEventType.AGENT_STEP, payload={EventPayload.ADDITIONAL_KWARGS: about}) as step:
        for call in update.tool_calls:
            _call_back_tool(callbacks, call)
        step.on_end(payload={EventPayload.RESPONSE: update.message})


def _call_back_tool(callbacks: CallbackManager, call: ToolCall) -> None:
    tool = ToolMetadata(description="", name=call.name)
    about: dict[str, Any] = {EventPayload.FUNCTION_CALL: call.args, EventPayload.TOOL: tool}
    with callbacks.event(CBEventType.FUNCTION_CALL, payload=about) as event:
        event.on_end(payload={EventPayload.FUNCTION_OUTPUT: call.output_text})


def stream_writer() -> Callable[[LumnisProgressEvent], None] | None:
    """Return a writer to the event stream of the running workflow step, for any thread; None outside of one."""
    try:
        context = Context.get_step_context()
    except (WorkflowRuntimeError, AttributeError):  # older workflows do not know their step
        return None
    loop = _loop_of(context) or _running_loop()
    if loop is None:
        return None

    def write(event: LumnisProgressEvent) -> None:
        if _running_loop() is loop:
            context.write_event_to_stream(event)
        elif not loop.is_closed():  # a stream may be read long after its workflow
            loop.call_soon_threadsafe(context.write_event_to_stream, event)

    return write


def _loop_of(context: Context[Any]) -> asyncio.AbstractEventLoop | None:
    # A thread inherits the context of its step, but not the loop, for which workflows have no public name.
    try:
        loop: asyncio.AbstractEventLoop = context._face._internal_adapter._queues.complete.get_loop()  # type: ignore[union-attr]
    except AttributeError:
        return None
    return loop


def _running_loop() -> asyncio.AbstractEventLoop | None:
    try:
        return asyncio.get_running_loop()
    except RuntimeError:
        return None
