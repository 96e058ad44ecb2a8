"""Events of the module-level calls: opened, finished, or created at once."""

from __future__ import annotations

import os
import time
from collections.abc import Iterable, Mapping
from contextlib import AbstractContextManager, suppress
from datetime import datetime
from functools import partial
from types import TracebackType
from typing import Any, Self

from lumnisai_core.exceptions import ValidationError
from lumnisai_core.lucidic import context, export
from lumnisai_core.lucidic.delivery import TrackedSession
from lumnisai_core.lucidic.payloads import EventType, canonical, iso, recorded_body, string_list, with_error_text
from lumnisai_core.lucidic.plain import encoded
from lumnisai_core.lucidic.tracing import tracing

#: Stands for the bound parent event, because None means that there is none.
_BOUND: Any = object()

#: Attribute of exceptions that have an event of their own.
_RECORDED = "_lucidic_event_id"


class OpenEvent:
    """An event that has begun and is not finished. It may be finished in another thread or task.

    Nothing is sent before it is finished. Without a session it records nothing, and all methods do nothing.

    Attributes:
        id: The id of the event, to name it as a parent.
    """

    __slots__ = ("_before", "_extras", "_inputs", "_kind", "_parent", "_session", "_started", "id")

    def __init__(
        self,
        event_id: str,
        session: TrackedSession | None,
        kind: str = "",
        parent: str | None = None,
        started: int = 0,
        inputs: str = "{}",
        extras: tuple[list[str] | None, str | None] = (None, None),
    ) -> None:
        self.id = event_id
        self._session = session
        self._kind = kind
        self._parent = parent
        self._started = started
        self._inputs = inputs
        self._extras = extras
        self._before: str | None = None

    @property
    def is_recording(self) -> bool:
        """Whether the event belongs to a session and is not finished."""
        return self._session is not None

    @property
    def session_id(self) -> str | None:
        """The session that the event belongs to, or None if it is finished or belongs to none."""
        return None if self._session is None else self._session.id

    def end(self, *, ended_at: int | None = None, **fields: Any) -> None:
        """Finish the event; a second call does nothing.

        Args:
            ended_at: Nanoseconds since the epoch. Default: now.
            fields: More of the payload, as for :func:`create_event`. An exception as ``error`` is written as its class
                and text.
        """
        self._finish(time.time_ns() if ended_at is None else ended_at, fields)

    def _finish(self, ended: int | None, fields: Mapping[str, Any]) -> None:
        session, self._session = self._session, None
        if session is None:
            return
        outputs = encoded(with_error_text(self._kind, canonical(fields))) if fields else "{}"
        inputs = self._inputs
        make = partial(
            recorded_body,
            inputs,
            outputs,
            kind=self._kind,
            session_id=session.id,
            event_id=self.id,
            parent_id=self._parent,
            started=self._started,
            ended=ended,
            tags=self._extras[0],
            metadata=self._extras[1],
            mask=session.mask,
        )
        export.span_processor().queue(session, make, len(inputs) + len(outputs))

    def as_parent(self) -> AbstractContextManager[None]:
        """Return a context manager in whose block new events are children of this one."""
        return context.bound(context.parent_event_id, self.id)

    def __enter__(self) -> Self:
        self._before = context.parent_event_id.get()
        context.parent_event_id.set(self.id)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        context.parent_event_id.set(self._before)
        if error is None:
            self.end()
        else:
            self.end(error=error)


def start_event(
    type: str = EventType.GENERIC,  # noqa: A002 - the product's name
    *,
    event_id: str | None = None,
    parent_event_id: str | None = _BOUND,
    session_id: str | None = None,
    started_at: int | None = None,
    tags: Iterable[str] | None = None,
    metadata: Mapping[str, Any] | None = None,
    **fields: Any,
) -> OpenEvent:
    """Open an event, for work whose result comes later. Returns at once; nothing waits for the service.

    Values are written as JSON when they are passed, so that later changes of them do not show.

    >>> with lai.start_event("function_call", function_name="search") as event:
    ...     event.end(return_value=search())

    Args:
        type: Type of the event: one of :class:`EventType`, or a name of your own.
        event_id: A UUID. Default: a new one.
        parent_event_id: Id of the event that this one is part of; None for none. Default: the event in whose block
            this is called.
        session_id: The session. Default: the current one.
        started_at: Nanoseconds since the epoch. Default: now.
        tags: Tags to find it by.
        metadata: Anything to keep beside the payload.
        fields: The payload as far as it is known, as for :func:`create_event`.

    Returns:
        The event, to finish with ``end()``, or as a context manager.
    """
    tags = string_list("tags", tags)
    if metadata is not None and not isinstance(metadata, Mapping):
        raise ValidationError(f"metadata must be an object, not {metadata!r}.")
    session = tracing().session(session_id)
    if session is None:
        return OpenEvent(event_id or _new_id(), None)
    return OpenEvent(
        event_id or _new_id(),
        session,
        str(type),
        export.ambient_parent(session.id) if parent_event_id is _BOUND else parent_event_id,
        time.time_ns() if started_at is None else started_at,
        encoded(with_error_text(type, canonical(fields))) if fields else "{}",
        (tags, encoded(metadata) if metadata else None),
    )


def current_event_id(session_id: str | None = None) -> str | None:
    """Return the id of the event that new events are children of, or None.

    Args:
        session_id: The session. Default: the current one.
    """
    session = tracing().session(session_id)
    return None if session is None else export.ambient_parent(session.id)


def _new_id() -> str:
    """Return a UUID of version 4, as text."""
    digits = os.urandom(16).hex()
    return f"{digits[:8]}-{digits[8:12]}-4{digits[13:16]}-a{digits[17:20]}-{digits[20:]}"


def create_event(
    type: str | None = None,  # noqa: A002 - the product's name
    *,
    event_id: str | None = None,
    parent_event_id: str | None = _BOUND,
    session_id: str | None = None,
    occurred_at: datetime | str | None = None,
    duration: float | None = None,
    tags: Iterable[str] | None = None,
    metadata: Mapping[str, Any] | None = None,
    **fields: Any,
) -> str:
    """Record an event that is over. Returns at once; without a session, nothing is recorded.

    Args:
        type: ``llm_generation``, ``function_call``, ``error_traceback``, ``generic``, or a name of your own. Default:
            chosen from the fields.
        event_id: A UUID. Default: a new one.
        parent_event_id: Id of the event that this one is part of; None for none. Default: the event in whose block
            this is called.
        session_id: The session. Default: the current one.
        occurred_at: When the work began: a datetime, or ISO 8601. Default: now.
        duration: Seconds that it took.
        tags: Tags to find it by.
        metadata: Anything to keep beside the payload.
        fields: The payload, as for :meth:`Client.events.create`: for a model call
            ``provider``, ``model``, ``messages``, ``output``, ``tool_calls``, ``input_tokens``, ``output_tokens``; for
            a function call ``function_name``, ``arguments``, ``return_value``; for an error ``error``, ``traceback``;
            for others ``details`` and what you like.

    Returns:
        The id of the event.

    Raises:
        ValidationError: An argument cannot be sent.
    """
    if duration is not None and (isinstance(duration, bool) or not isinstance(duration, int | float)):
        raise ValidationError(f"duration must be a number of seconds, not {duration!r}.")
    started_at = None if occurred_at is None else int(datetime.fromisoformat(iso(occurred_at)).timestamp() * 1e9)
    event = start_event(
        type or "",
        event_id=event_id,
        parent_event_id=parent_event_id,
        session_id=session_id,
        started_at=started_at,
        tags=tags,
        metadata=metadata,
        **with_error_text(type, canonical(fields)),
    )
    event._finish(None if duration is None else event._started + int(duration * 1e9), {})
    return event.id


def create_error_event(
    error: BaseException | str, *, parent_event_id: str | None = _BOUND, session_id: str | None = None, **fields: Any
) -> str:
    """Record an error with its traceback.

    Args:
        error: The exception, also outside its ``except`` block, or a text.
        parent_event_id: Id of the event that this one is part of. Default: the event in whose block this is called.
        session_id: The session. Default: the current one.
        fields: Further arguments of :func:`create_event`, such as ``traceback`` and ``context``.

    Returns:
        The id of the event.
    """
    event_id = create_event(
        EventType.ERROR_TRACEBACK, parent_event_id=parent_event_id, session_id=session_id, error=error, **fields
    )
    if isinstance(error, BaseException):
        with suppress(AttributeError):  # an exception with slots: it may be recorded again
            setattr(error, _RECORDED, event_id)
    return event_id


def is_recorded(error: BaseException) -> bool:
    """Return whether an exception has an event of its own.

    Args:
        error: The exception.
    """
    return hasattr(error, _RECORDED)
