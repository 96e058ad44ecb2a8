"""Progress events for the instrumentation and for workflows of LlamaIndex."""

from __future__ import annotations

import logging
from collections.abc import Iterator, Mapping
from typing import Any, Self

from llama_index_instrumentation import get_dispatcher
from llama_index_instrumentation.base import BaseEvent
from llama_index_instrumentation.dispatcher import Dispatcher
from llama_index_instrumentation.event_handlers import BaseEventHandler, NullEventHandler
from workflows.events import Event

from lumnisai_core import RunUpdate

# A dispatcher finds its parent only if that exists: with all levels, a handler can be put on this package alone.
get_dispatcher("lumnisai_integrations")
get_dispatcher("lumnisai_integrations.llama_index")
_dispatcher = get_dispatcher(__name__)
_logger = logging.getLogger(__name__)


class LumnisProgressEvent(BaseEvent, Event):
    """An update from a run.

    It reaches the event handlers of LlamaIndex' instrumentation and, inside a step of a workflow such as an agent of
    LlamaIndex, the stream of that workflow: ``async for event in handler.stream_events()``.

    Attributes:
        response_id: Id of the run.
        thread_id: Id of its conversation.
        status: Status of the run at the time of the update.
        state: State of the progress entry, ``tool_update``, or the status for an update that is not about an entry.
        message: Text of the progress entry.
        tool_calls: The new tool calls as text, a line each.
        entry_index: Position of the progress entry (from 0), or None for an update that is not about an entry.
        is_last: Whether the run is over.
    """

    response_id: str
    thread_id: str | None = None
    status: str
    state: str
    message: str = ""
    tool_calls: str = ""
    entry_index: int | None = None
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


def has_handlers() -> bool:
    """Return whether any handler would receive progress events."""
    return any(not isinstance(handler, NullEventHandler) for handler in _handlers())


def handle_event(event: LumnisProgressEvent) -> None:
    """Send an event to all handlers. Their exceptions are logged and do not end the run.

    The dispatcher's own ``event`` would also swallow a Ctrl-C that arrives while a handler runs.
    """
    for handler in _handlers():
        try:
            handler.handle(event)
        except Exception:
            _logger.warning("An event handler failed; the run continues.", exc_info=True)


def _handlers() -> Iterator[BaseEventHandler]:
    dispatcher: Dispatcher | None = _dispatcher
    while dispatcher is not None:
        yield from dispatcher.event_handlers
        dispatcher = dispatcher.parent if dispatcher.propagate else None


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
        is_last=update.is_last,
    )
