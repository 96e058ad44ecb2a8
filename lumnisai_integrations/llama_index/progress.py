"""Progress of runs as events, of the instrumentation and of workflows."""

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
    """One piece of news from a run.

    It reaches the event handlers of LlamaIndex' instrumentation; and from inside a step of a workflow, such as an agent
    of LlamaIndex, also the stream of that workflow: ``async for event in handler.stream_events()``.

    Attributes:
        response_id: Id of the run.
        thread_id: Id of its conversation.
        status: Status of the run when the news came.
        state: State of the progress entry, ``tool_update``, or the status for news that is not about an entry.
        message: Text of the progress entry.
        tool_calls: The new tool calls as text, a line each.
        entry_index: Position of the progress entry (from 0), or None for news that is not about an entry.
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
        """Return the name that handlers see."""
        return "LumnisProgressEvent"

    def to_dict(self, *_: Any, **__: Any) -> dict[str, Any]:
        """Return the event as plain data, as workflows store it."""
        return self.model_dump(mode="json")

    @classmethod
    def from_dict(cls, data: Mapping[str, Any], **_: Any) -> Self:
        """Rebuild an event from what :meth:`to_dict` returned."""
        return cls.model_validate({name: value for name, value in data.items() if name in cls.model_fields})


def somebody_listens() -> bool:
    """Say whether any handler would receive progress events."""
    return any(not isinstance(handler, NullEventHandler) for handler in _handlers())


def handle_event(event: LumnisProgressEvent) -> None:
    """Send an event to all handlers. What they raise is logged: it must not end a run that is paid for.

    The dispatcher's own ``event`` would also swallow a Ctrl-C that arrives while a handler is at work.
    """
    for handler in _handlers():
        try:
            handler.handle(event)
        except Exception:
            _logger.warning("An event handler failed; the run goes on.", exc_info=True)


def _handlers() -> Iterator[BaseEventHandler]:
    dispatcher: Dispatcher | None = _dispatcher
    while dispatcher is not None:
        yield from dispatcher.event_handlers
        dispatcher = dispatcher.parent if dispatcher.propagate else None


def event_of(update: RunUpdate, span_id: str | None, tags: Mapping[str, Any] | None = None) -> LumnisProgressEvent:
    """Describe an update by plain values, as tracing back ends store them.

    Args:
        update: The news.
        span_id: Span that it belongs to.
        tags: Tags of the instrumentation.
    """
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
