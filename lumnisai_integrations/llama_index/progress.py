"""Progress of runs as instrumentation events."""

from __future__ import annotations

from llama_index_instrumentation import get_dispatcher
from llama_index_instrumentation.base import BaseEvent
from llama_index_instrumentation.dispatcher import Dispatcher
from llama_index_instrumentation.event_handlers import NullEventHandler

from lumnisai_core import RunUpdate

# A dispatcher finds its parent only if that exists: with all levels, a handler can be put on this package alone.
get_dispatcher("lumnisai_integrations")
get_dispatcher("lumnisai_integrations.llama_index")
_dispatcher = get_dispatcher(__name__)


class LumnisProgressEvent(BaseEvent):
    """One piece of news from a run.

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


def somebody_listens() -> bool:
    """Say whether any handler would receive progress events."""
    dispatcher: Dispatcher | None = _dispatcher
    while dispatcher is not None:
        if any(not isinstance(handler, NullEventHandler) for handler in dispatcher.event_handlers):
            return True
        dispatcher = dispatcher.parent if dispatcher.propagate else None
    return False


def announce(update: RunUpdate, span_id: str | None) -> None:
    """Send an update to all handlers. What they raise is ignored: it must not end a run that is paid for.

    Args:
        update: The news.
        span_id: Span of the call that made the run. Inside a generator the current one is another.
    """
    if somebody_listens():
        _dispatcher.event(event_of(update, span_id))


def event_of(update: RunUpdate, span_id: str | None) -> LumnisProgressEvent:
    """Describe an update by plain values, as tracing back ends store them."""
    return LumnisProgressEvent(
        span_id=span_id,
        response_id=update.response_id,
        thread_id=update.thread_id,
        status=str(update.status),
        state=update.state,
        message=update.message,
        tool_calls="\n".join(str(call) for call in update.tool_calls),
        entry_index=update.entry_index,
        is_last=update.is_last,
    )
