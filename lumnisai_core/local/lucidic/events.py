"""The routes of events, and the upload of payloads that are too large to be sent with them."""

from __future__ import annotations

import asyncio
import sqlite3
import zlib
from dataclasses import replace
from datetime import datetime
from typing import Annotated, Any

from pydantic import AfterValidator, AliasChoices, Field, FiniteFloat
from pydantic_core import from_json
from starlette.responses import Response

from lumnisai_core.local.lucidic.service import MOUNT, Call, Name, Names, OfAgent, Page, changes, not_found, stored
from lumnisai_core.local.lucidic.store import EventRow, PayloadRow
from lumnisai_core.local.lucidic.summary import Summary, summarised
from lumnisai_core.local.web.errors import ApiError, invalid
from lumnisai_core.local.web.ids import new_id, now
from lumnisai_core.local.web.json_text import Json, dumps, read_json
from lumnisai_core.local.web.routes import RouteTable
from lumnisai_core.local.web.shapes import Object, Shape

route = RouteTable(f"/{MOUNT}")


def _is_time(text: str) -> str:
    datetime.fromisoformat(text)
    return text


#: A time in ISO 8601, kept as it was sent.
Moment = Annotated[str, AfterValidator(_is_time)]

#: How much larger than its upload a payload may be once it is decompressed.
_EXPANSION = 10


def _either(name: str) -> Any:
    """Return a field that may also come without `client_`, as clients send it with a payload in wire form."""
    return Field(None, validation_alias=AliasChoices(f"client_{name}", name), max_length=255)


class CreateEvent(Shape):
    """Body of `POST /events`."""

    session_id: Name
    client_event_id: str | None = _either("event_id")
    client_parent_event_id: str | None = _either("parent_event_id")
    type: Name = "generic"
    occurred_at: Moment | None = None
    duration: FiniteFloat | None = None
    tags: Names | None = None
    metadata: Object | None = None
    screenshots: list[Any] | None = None
    payload: Object = Field(default_factory=dict, repr=False)
    needs_blob: bool = False


class UpdateEvent(Shape):
    """Body of `PUT /events/{event_id}`: each field that is sent replaces the stored one."""

    client_parent_event_id: str | None = _either("parent_event_id")
    type: Name | None = None
    occurred_at: Moment | None = None
    duration: FiniteFloat | None = None
    tags: Names | None = None
    metadata: Object | None = None
    screenshots: list[Any] | None = None
    payload: Object | None = Field(None, repr=False)


class ListEvents(Page, OfAgent):
    """Query of `GET /events`."""

    session_id: str | None = None
    type: str | None = None


class Link(Shape):
    """Query of an upload."""

    expires: int = Field(ge=0, le=2**40)
    signature: str


@route("POST /events")
async def create_event(call: Call, body: CreateEvent) -> Object:
    """Add an event to a session; the same client id again gets the first event."""
    store, moment = call.store, now()
    with store.transaction():
        session = call.session(body.session_id)
        sent = body.client_event_id
        event = store.events.one(client_event_id=sent, session_id=session.session_id) if sent else None
        if event is None:
            event_id, summary = new_id(), summarised(body.type, body.payload)
            event = EventRow(
                event_id=event_id,
                client_event_id=sent or event_id,
                client_parent_event_id=body.client_parent_event_id or None,
                session_id=session.session_id,
                type=body.type,
                occurred_at=body.occurred_at or moment,
                duration=body.duration,
                received_at=moment,
                needs_blob=body.needs_blob,
                **summary._asdict(),
                position=session.event_count,
                type_position=store.count_of_type(session.session_id, body.type),
                change=store.count(session, None, summary, moment),
                tags=dumps(body.tags or []),
                metadata=dumps(body.metadata or {}),
                screenshots=stored(body.screenshots),
                payload=dumps(body.payload),
            )
            store.events.add(event)
            store.count_type(session.session_id, body.type, 1)
    link = {"blob_url": call.service.link(event.event_id)} if body.needs_blob else {}
    return {**_reply(event), **link}


@route("GET /events")
async def list_events(call: Call, query: ListEvents) -> Object | Json[Object]:
    """List events in the order of their arrival, large payloads as their previews."""
    store, limit, agent = call.store, query.limit, call.agent(query.agent_id)
    if query.session_id:
        session = call.session(query.session_id, agent)
        wanted: dict[str, Any] = {"session_id": session.session_id, "from_position": query.offset}
        if query.type:
            events = store.of_type.all(limit=limit, oldest_first=True, type=query.type, **wanted)
            count = store.count_of_type(session.session_id, query.type)
        else:
            events, count = store.ordered.all(limit=limit, oldest_first=True, **wanted), session.event_count
        return _page(events, count)

    def read(sql: sqlite3.Connection) -> Object:
        wanted: dict[str, Any] = {"type": query.type or None, "agent_id": agent}
        events = store.events.all(sql, limit=limit, offset=query.offset, oldest_first=True, **wanted)
        return _page(events, store.count_events(sql, agent, query.type or None))

    return await call.whole(read)


def _page(events: list[EventRow], count: int) -> Object:
    return {"count": count, "results": [_reply(event) for event in events]}


@route("GET /events/{event_id}")
async def get_event(call: Call, *, event_id: str) -> Object:
    """Show an event with its whole payload, by the service's id or the client's."""
    event = call.event(event_id)
    whole = call.store.payloads.one(event_id=event.event_id)
    return _reply(event, whole.payload if whole else None)


@route("PUT /events/{event_id}")
async def update_event(call: Call, body: UpdateEvent, *, event_id: str) -> Object:
    """Replace fields of an event."""
    values = changes(body)
    with call.store.transaction():
        event = call.event(event_id)
        whole = call.store.payloads.one(event_id=event.event_id)
        payload = body.payload
        if payload is None:
            payload = from_json(whole.payload if whole else event.payload)
        else:
            call.store.payloads.remove(event_id=event.event_id)
        columns = {name: dumps(value) if isinstance(value, list | dict) else value for name, value in values.items()}
        changed = _changed(call, event, payload, **columns)
    return _reply(changed, None if body.payload is not None or whole is None else whole.payload)


@route("PUT /blobs/{event_id}", public=True)
async def upload(call: Call, query: Link, *, event_id: str) -> Response:
    """Take the whole payload of an event, by the link that its creation returned."""
    call.service.check_link(event_id, query.expires, query.signature)
    raw = await call.content(call.service.max_body)
    most = _EXPANSION * call.service.max_body
    is_gzip = call.request.headers.get("content-encoding", "").strip().lower() == "gzip"
    text, payload = await asyncio.to_thread(_payload, raw, most if is_gzip else None)
    with call.store.transaction():
        event = call.store.events.one(event_id=event_id)
        if event is None:
            raise not_found("Event")
        call.store.payloads.add(PayloadRow(event_id, text), "INSERT OR REPLACE")
        _changed(call, event, payload, needs_blob=True)
    return Response()


def _changed(call: Call, event: EventRow, whole: Object, /, **columns: Any) -> EventRow:
    """Store new values of an event whose whole payload is now this, and count them in its session."""
    summary = summarised(columns.get("type", event.type), whole)
    session = call.store.sessions.one(session_id=event.session_id)
    assert session is not None  # noqa: S101 - sessions are never removed
    change = call.store.count(session, event.summary, summary, now())
    values = {**columns, **summary._asdict(), "change": change}
    if columns.get("type", event.type) != event.type:
        values["type_position"] = call.store.change_type(event, columns["type"])
    call.store.events.change({"event_id": event.event_id}, **values)
    return replace(event, **values)


def _payload(raw: bytes, most: int | None) -> tuple[Json[Object], Object]:
    """Return an uploaded payload as text and as value; gzip of at most so many bytes if there is a limit."""
    content = raw if most is None else _decompressed(raw, most)
    payload = read_json(content)
    if not isinstance(payload, dict):
        raise invalid("The payload must be a JSON object.")
    return Json(content.decode()), payload


def _decompressed(raw: bytes, most: int) -> bytes:
    """Return gzip-compressed content, or refuse what is not, is cut off or is larger than `most` bytes."""
    reader = zlib.decompressobj(16 + zlib.MAX_WBITS)
    try:
        content = reader.decompress(raw, most)
    except zlib.error as error:
        raise invalid(f"The content is not valid gzip: {error}") from error
    if reader.unconsumed_tail:
        raise ApiError(413, "PAYLOAD_TOO_LARGE", f"The payload is larger than {most} bytes.")
    if not reader.eof:
        raise invalid("The gzip content is cut off.")
    return content


_HIDDEN = {"received_at", "position", "type_position", "change", *Summary._fields}


def _reply(event: EventRow, payload: Json[Object] | None = None) -> Object:
    """Return an event as clients see it, with its stored payload or the whole one."""
    shown: Object = {name: getattr(event, name) for name in EventRow.__dataclass_fields__ if name not in _HIDDEN}
    return {**shown, "payload": payload or event.payload, "created_at": event.received_at}
