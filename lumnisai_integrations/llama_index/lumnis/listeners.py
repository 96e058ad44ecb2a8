"""Progress listeners of LlamaIndex: event handlers, legacy callbacks, and the event stream of a workflow."""

from __future__ import annotations

import asyncio
import inspect
import logging
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from contextvars import copy_context
from dataclasses import dataclass, field, replace
from typing import Any, Self
from uuid import uuid4

from llama_index.core.callbacks import CallbackManager, CBEventType, EventPayload, TokenCountingHandler
from llama_index.core.tools.types import ToolMetadata
from llama_index.core.workflow import Context
from llama_index_instrumentation import get_dispatcher
from llama_index_instrumentation.base import BaseEvent
from llama_index_instrumentation.dispatcher import Dispatcher, active_instrument_tags
from llama_index_instrumentation.event_handlers import BaseEventHandler, NullEventHandler
from llama_index_instrumentation.events.span import SpanDropEvent
from llama_index_instrumentation.span import active_span_id
from workflows.errors import WorkflowRuntimeError
from workflows.events import Event

from lumnisai_core import RunUpdate, ToolCall

# A dispatcher finds its parent only if that exists: with all levels, a handler can be put on this package alone.
get_dispatcher("lumnisai_integrations")
_dispatcher = get_dispatcher("lumnisai_integrations.llama_index")
_logger = logging.getLogger(__name__)

_NO_ARGUMENTS = inspect.signature(lambda: None).bind()
_PROGRESS = {CBEventType.AGENT_STEP, CBEventType.FUNCTION_CALL}
#: Handlers that receive every event and ignore those of progress; they must not make polls shorter.
_INDIFFERENT = (TokenCountingHandler,)


class LumnisProgressEvent(BaseEvent, Event):
    """An update from a run.

    It reaches the event handlers of LlamaIndex' instrumentation and, inside a step of a workflow such as an agent of
    LlamaIndex, the stream of that workflow: ``async for event in handler.stream_events()``.

    Attributes:
        response_id: Id of the run.
        thread_id: Id of its conversation.
        status: Status of the run at the time of the update.
        state: State of the progress entry; ``tool_update`` or ``text_update`` for one that has grown; the status for
            an update that is not about an entry.
        message: Text of the progress entry.
        tool_calls: The new tool calls as text, a line each.
        entry_index: Position of the progress entry (from 0), or None for an update that is not about an entry.
        delta: New text of the answer, while it is written.
        is_last: Whether the run is over.
    """

    response_id: str
    thread_id: str | None = None
    status: str
    state: str
    message: str = ""
    tool_calls: str = ""
    entry_index: int | None = None
    delta: str = ""
    is_last: bool = False

    @classmethod
    def class_name(cls) -> str:
        """Return the name of the event for handlers."""
        return "LumnisProgressEvent"

    def to_dict(self, *_: Any, **__: Any) -> dict[str, Any]:
        """Return the event as plain data, as workflows store it."""
        return self.model_dump(mode="json")

    @classmethod
    def from_dict(cls, data: Mapping[str, Any], **_: Any) -> Self:
        """Return the event of the data from :meth:`to_dict`."""
        return cls.model_validate({name: value for name, value in data.items() if name in cls.model_fields})


@dataclass(frozen=True, slots=True)
class Listeners:
    """The listeners where a call was made; its stream may be read elsewhere.

    Exceptions of a listener are logged and do not end the run; interrupts, such as Ctrl-C, do. Events carry the span
    and the tags of the call. ``write`` writes to the event stream of the surrounding workflow step.
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
        return self.write is not None or has_handlers() or self._has_callbacks()

    def _has_callbacks(self) -> bool:
        return any(
            not isinstance(handler, _INDIFFERENT) and bool(_PROGRESS - set(handler.event_starts_to_ignore))
            for handler in self.callbacks.handlers
        )

    def notify(self, update: RunUpdate) -> None:
        """Pass one update to all listeners."""
        if self.write is not None or has_handlers():
            event = event_of(update, self.span_id, self.tags)
            for handler in _handlers():  # the dispatcher's own `event` would also swallow a Ctrl-C
                _guarded(handler.handle, event)
            if self.write is not None:
                _guarded(self.write, event)
        if self._has_callbacks():
            # In a context of its own, a failing handler does not change the trace of the surrounding calls.
            _guarded(copy_context().run, call_back, self.callbacks, update)

    @contextmanager
    def reading(self, llm: object) -> Iterator[Listeners]:
        """Open a span while a stream is read, inside that of the call, which ends when the stream is returned.

        It has no instance: tracers count each span of an LLM as a call.
        """
        span_id = f"{type(llm).__name__}.read_stream-{uuid4()}"
        about: dict[str, Any] = {"id_": span_id, "bound_args": _NO_ARGUMENTS, "instance": None}
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


def has_handlers() -> bool:
    """Return whether any event handler would receive progress events."""
    return any(not isinstance(handler, NullEventHandler) for handler in _handlers())


def _handlers() -> Iterator[BaseEventHandler]:
    dispatcher: Dispatcher | None = _dispatcher
    while dispatcher is not None:
        yield from dispatcher.event_handlers
        dispatcher = dispatcher.parent if dispatcher.propagate else None


def _guarded(listener: Callable[..., object], *values: object) -> None:
    try:
        listener(*values)
    except Exception:
        _logger.warning("A listener to the progress of a run failed; the run continues.", exc_info=True)


def event_of(update: RunUpdate, span_id: str | None, tags: Mapping[str, Any] | None = None) -> LumnisProgressEvent:
    """Return the event of an update, in a span, with plain values as tracing back ends store them."""
    return LumnisProgressEvent(
        span_id=span_id,
        tags=dict(tags or {}),
        response_id=update.response_id,
        thread_id=update.thread_id,
        status=str(update.status),
        state=update.state,
        message=update.message,
        tool_calls="\n".join(str(call) for call in update.tool_calls),
        entry_index=update.entry_index,
        delta=update.delta,
        is_last=update.is_last,
    )


def call_back(callbacks: CallbackManager, update: RunUpdate) -> None:
    """Report a new entry to legacy callbacks as a step of an agent, with the service's own tool calls inside it."""
    if update.entry_index is None:
        return
    if update.is_growth:  # the step was reported before
        _call_back_tools(callbacks, update.tool_calls)
        return
    about = {"response_id": update.response_id, "thread_id": update.thread_id, "state": update.state}
    with callbacks.event(CBEventType.AGENT_STEP, payload={EventPayload.ADDITIONAL_KWARGS: about}) as step:
        _call_back_tools(callbacks, update.tool_calls)
        step.on_end(payload={EventPayload.RESPONSE: update.message})


def _call_back_tools(callbacks: CallbackManager, calls: Sequence[ToolCall]) -> None:
    for call in calls:
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
