"""Spans as events: our own by the attributes that we set, those of other libraries by the names they use. Pure."""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

from lumnisai_core.lucidic.payloads import checked_body
from lumnisai_core.lucidic.plain import Mask

#: Attributes of spans: whose they are, and for our own events, what they hold.
SESSION_ID, EVENT_ID, PARENT_ID = "lucidic.session_id", "lucidic.event_id", "lucidic.parent_event_id"
TYPE, EXTRAS, START_FIELDS, END_FIELDS = "lucidic.type", "lucidic.extras", "lucidic.inputs", "lucidic.outputs"


def event_id_of(trace_id: int, span_id: int) -> str:
    """Return the id of the event for a span: a UUID that is the same wherever it is computed."""
    return str(UUID(int=(trace_id ^ (span_id << 64)) & ((1 << 128) - 1), version=4))


def moment(nanoseconds: int | None) -> datetime:
    """Return a time since the epoch."""
    return datetime.fromtimestamp((nanoseconds or 0) / 1e9, UTC)


def duration(start: int | None, end: int | None) -> float | None:
    """Return seconds between two times in nanoseconds."""
    return None if start is None or end is None else round(max(0, end - start) / 1e9, 6)


def body_of_event(
    attributes: Mapping[str, Any], start: int | None, end: int | None, mask: Mask | None
) -> dict[str, Any]:
    """Return the body of one of our own events."""
    extras = json.loads(attributes.get(EXTRAS) or "{}")
    first, last = (json.loads(attributes.get(name) or "{}") for name in (START_FIELDS, END_FIELDS))
    return checked_body(
        {**first, **last},
        kind=attributes.get(TYPE) or None,
        session_id=attributes[SESSION_ID],
        event_id=attributes[EVENT_ID],
        parent_id=attributes.get(PARENT_ID),
        occurred_at=moment(start),
        duration=extras.get("duration", duration(start, end)),
        tags=extras.get("tags"),
        metadata=extras.get("metadata"),
        mask=mask,
    )


def body_of_span(span: Any, mask: Mask | None) -> dict[str, Any]:
    """Return the body of the event for a span of another library."""
    raise NotImplementedError
