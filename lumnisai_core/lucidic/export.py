"""Export of OpenTelemetry spans to Lucidic: our processor and exporter around the SDK's batch processor.

The tracer provider is private: the global one of a program is neither used nor replaced.
"""

from __future__ import annotations

import atexit
import weakref
from collections.abc import Callable, Mapping, Sequence
from functools import cache, partial
from typing import TYPE_CHECKING, Any, cast

try:
    from opentelemetry.sdk.resources import Resource
    from opentelemetry.sdk.trace import ReadableSpan, SpanLimits, SpanProcessor, TracerProvider
    from opentelemetry.sdk.trace.export import BatchSpanProcessor, SpanExporter, SpanExportResult
    from opentelemetry.sdk.trace.sampling import ALWAYS_ON
    from opentelemetry.trace import SpanContext, TraceFlags, get_current_span
except ImportError as error:
    raise ImportError(
        "Recording into Lucidic needs opentelemetry-sdk: pip install 'lumnisai-integrations[lucidic]'."
    ) from error

from lumnisai_core.lucidic import context
from lumnisai_core.lucidic.delivery import Item, TrackedSession
from lumnisai_core.lucidic.spans import BOUND_ID, PARENT_ID, SESSION_ID, body_of_span, event_id_of
from lumnisai_core.lucidic.tracing import tracing

if TYPE_CHECKING:
    from opentelemetry.context import Context
    from opentelemetry.sdk.trace import Span

#: Events are handed on after so many milliseconds, or so many events.
_DELAY, _BATCH = 100, 100

#: Seconds that the end of a process is held up: at most, without an answer of a service that has just answered, and
#: without an answer of one that has not for a while.
_LONGEST, _PATIENCE_WITH_THE_LIVING, _PATIENCE = 30.0, 5.0, 1.0
_A_WHILE = 10.0


class _Queued:
    """An event in the queue of the batch processor, which looks at nothing but whether the context is sampled.

    Events of ours are queued as they are: a span around each would cost more than all the rest and carry nothing.
    """

    __slots__ = ("item",)

    context = SpanContext(1, 1, is_remote=False, trace_flags=TraceFlags(TraceFlags.SAMPLED))

    def __init__(self, item: Item) -> None:
        self.item = item


class _Exporter(SpanExporter):
    """Hands events to the delivery, which sends them in the background."""

    def export(self, spans: Sequence[ReadableSpan]) -> SpanExportResult:
        """Hand on a batch."""
        tracing().delivery.put([cast("_Queued", queued).item for queued in spans])
        return SpanExportResult.SUCCESS


class LucidicSpanProcessor(SpanProcessor):
    """Sends ended spans to Lucidic. Add it to a tracer provider of your own to send the spans of that, too.

    Spans with a session, bound or active when they start, become events of it: model calls, tool calls, retrievals, and
    others with their attributes. The limits, masking and delivery are those of the module-level calls.
    """

    def __init__(self) -> None:
        delivery = tracing().delivery
        self._batch = BatchSpanProcessor(
            _Exporter(),
            max_queue_size=delivery.most_events,
            schedule_delay_millis=_DELAY,
            max_export_batch_size=min(_BATCH, delivery.most_events),
        )

    def on_start(self, span: Span, parent_context: Context | None = None) -> None:
        """Note the session and the parent of a span."""
        session = tracing().session(None)
        if session is not None:
            parent = ambient_parent(session.id, parent_context)
            known = {SESSION_ID: session.id, PARENT_ID: parent, BOUND_ID: context.parent_event_id.get()}
            span.set_attributes({name: value for name, value in known.items() if value is not None})

    def on_end(self, span: ReadableSpan) -> None:
        """Queue a span as an event."""
        attributes = span.attributes or {}
        session_id = attributes.get(SESSION_ID)
        session = tracing().session(session_id) if isinstance(session_id, str) else None
        if session is None:
            tracing().delivery.drop("a span without a session was dropped: call init() or bind a session")
            return
        size = sum(len(value) for value in attributes.values() if isinstance(value, str))
        self.queue(session, partial(body_of_span, span, session.mask), size)

    def queue(self, session: TrackedSession, make: Callable[[], dict[str, Any]], size: int) -> None:
        """Queue an event.

        Args:
            session: Its session.
            make: Returns its body, masked. It is called in the background, or at once to keep the event in a spool.
            size: Bytes that it is counted as.
        """
        owner = tracing()
        settled = None
        if owner.spool is not None:
            body = make()
            owner.spool.keep(body)
            make, settled = partial(dict, body), partial(owner.spool.sent, body["client_event_id"])
        if owner.delivery.admit(session, size, spooled=settled is not None):
            self._batch.on_end(cast("ReadableSpan", _Queued(Item(session, make, size, settled))))

    def force_flush(self, timeout_millis: int = 30_000) -> bool:
        """Wait until everything is sent, at most so many milliseconds."""
        self.hand_on()
        return tracing().delivery.drain(timeout_millis / 1000)

    def hand_on(self) -> None:
        """Empty the queue into the delivery, which does not wait."""
        self._batch.force_flush()

    def shutdown(self) -> None:
        """Hand on what is left."""
        self._batch.shutdown()  # type: ignore[no-untyped-call]  # the SDK has no types there


def ambient_parent(session_id: str, parent_context: Context | None = None) -> str | None:
    """Return the innermost event: the bound one, a span of another library, or a run of a framework."""
    parent = _bound_or_span(parent_context)
    for _ in context.run_finders:  # a run of one framework may be inside a run of another one
        for find in context.run_finders:
            run = find()
            if run is not None and run.around == parent and run.session_id == session_id:
                parent = run.event_id
    return parent


def _bound_or_span(parent_context: Context | None) -> str | None:
    """Return the event that is deeper: the bound parent event, or a span of another library inside of it."""
    current = get_current_span(parent_context)
    bound = context.parent_event_id.get()
    attributes = getattr(current, "attributes", None)
    if isinstance(attributes, Mapping) and SESSION_ID in attributes and attributes.get(BOUND_ID) == bound:
        span_context = current.get_span_context()
        return event_id_of(span_context.trace_id, span_context.span_id)
    return bound


@cache
def span_processor() -> LucidicSpanProcessor:
    """Return the processor that sends spans to Lucidic, one for the process."""
    processor = LucidicSpanProcessor()
    # Finalizers close connections at exit. The first one makes their turn come after what is registered later.
    weakref.finalize(processor, bool)
    atexit.register(send_all)
    return processor


def send_all() -> None:
    """Send what waits before the process ends, as long as the service takes it."""
    owner = tracing()
    span_processor().hand_on()
    alive = owner.delivery.seconds_since_success < _A_WHILE
    owner.delivery.drain(_LONGEST, patience=_PATIENCE_WITH_THE_LIVING if alive else _PATIENCE)
    if owner.spool is not None:
        owner.spool.close()


@cache
def tracer_provider() -> TracerProvider:
    """Return the private tracer provider, for instrumentations of other libraries.

    >>> OpenAIInstrumentor().instrument(tracer_provider=lai.tracer_provider())
    """
    provider = TracerProvider(
        sampler=ALWAYS_ON,
        resource=Resource({"service.name": "lucidic"}),
        shutdown_on_exit=False,
        span_limits=SpanLimits(max_attributes=SpanLimits.UNSET, max_attribute_length=SpanLimits.UNSET),
    )
    provider.add_span_processor(span_processor())
    return provider
