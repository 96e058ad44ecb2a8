"""Events as the service stores them: types, payloads, aliases of arguments, previews of large payloads. Pure."""

from __future__ import annotations

import json
import traceback
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from enum import StrEnum
from typing import Any
from uuid import uuid4

from lumnisai_core._transport.checks import text
from lumnisai_core.exceptions import ValidationError
from lumnisai_core.lucidic.plain import Mask, described, encoded, masked, plain


class EventType(StrEnum):
    """Types of events with a payload of their own. Any other text is a type too, with a generic payload."""

    LLM_GENERATION = "llm_generation"
    FUNCTION_CALL = "function_call"
    ERROR_TRACEBACK = "error_traceback"
    GENERIC = "generic"


#: Other names of arguments, and the names they stand for.
_ALIASES = {
    "completion": "output",
    "response": "output",
    "prompt": "messages",
    "functionName": "function_name",
    "args": "arguments",
    "result": "return_value",
    "returnValue": "return_value",
    "stack": "traceback",
    "stackTrace": "traceback",
    "exception": "error",
    "description": "details",
    "message": "details",
}

_OF_MODELS = frozenset({"provider", "model", "messages", "input_tokens", "output_tokens"})

_REQUEST = ("provider", "model", "messages", "params")
_RESPONSE = ("output", "tool_calls", "thinking", "raw")
_USAGE = ("input_tokens", "output_tokens", "cache", "cost")

#: Fields of the payload besides those in groups, in the order of the wire.
_FIELDS = {
    EventType.LLM_GENERATION: ("status", "error"),
    EventType.FUNCTION_CALL: ("function_name", "arguments", "return_value", "error"),
    EventType.ERROR_TRACEBACK: ("error", "traceback", "context"),
}

#: Characters of a text, and messages, in a preview.
_PREVIEW_CHARACTERS, _PREVIEW_MESSAGES = 200, 5


def canonical(fields: Mapping[str, Any]) -> dict[str, Any]:
    """Return arguments under the names of the payload's fields, without those that are None."""
    return {_ALIASES.get(name, name): value for name, value in fields.items() if value is not None}


def type_of(fields: Mapping[str, Any]) -> str:
    """Choose the type of an event from its canonical fields."""
    if _OF_MODELS & fields.keys():
        return EventType.LLM_GENERATION
    if "function_name" in fields or ("arguments" in fields and "error" not in fields):
        return EventType.FUNCTION_CALL
    if fields.keys() & {"error", "traceback"}:
        return EventType.ERROR_TRACEBACK
    return EventType.GENERIC


def payload_of(kind: str, fields: Mapping[str, Any]) -> dict[str, Any]:
    """Return the payload of an event; values are still as the caller passed them.

    Args:
        kind: Type of the event.
        fields: Arguments of the caller, under canonical names. A ``payload`` among them is the payload itself.
    """
    if isinstance(ready := fields.get("payload"), Mapping):
        return dict(ready)
    fields = with_error_text(kind, fields)
    match kind:
        case EventType.LLM_GENERATION:
            return _generation(fields)
        case EventType.FUNCTION_CALL:
            return _flat(EventType.FUNCTION_CALL, {"function_name": "unknown", **fields})
        case EventType.ERROR_TRACEBACK:
            return _flat(EventType.ERROR_TRACEBACK, {"error": "Unknown error", "traceback": "", **fields})
    return fields


def _generation(fields: dict[str, Any]) -> dict[str, Any]:
    fields = {"provider": "unknown", "model": "unknown", **fields}
    if isinstance(messages := fields.get("messages"), str):
        fields["messages"] = [{"role": "user", "content": messages}]
    response = _taken(fields, _RESPONSE)
    if "response_messages" in fields:
        response["messages"] = fields.pop("response_messages")
    grouped = {"request": _taken(fields, _REQUEST), "response": response, "usage": _taken(fields, _USAGE)}
    return {**grouped, **_flat(EventType.LLM_GENERATION, fields)}


def _taken(fields: dict[str, Any], names: Iterable[str]) -> dict[str, Any]:
    return {name: fields.pop(name) for name in names if name in fields}


def _flat(kind: EventType, fields: dict[str, Any]) -> dict[str, Any]:
    """Return the fields of a type, with those that it does not have in ``misc``."""
    payload = _taken(fields, _FIELDS[kind])
    misc = fields.pop("misc", None)
    if fields or misc is not None:
        payload["misc"] = {**misc, **fields} if isinstance(misc, Mapping) else fields or misc
    return payload


def with_error_text(kind: str | None, fields: Mapping[str, Any]) -> dict[str, Any]:
    """Return canonical fields with an exception among them written as a text, and its traceback where it belongs."""
    error = fields.get("error")
    if not isinstance(error, BaseException):
        return dict(fields)
    trace = {"traceback": trace_of(error)} if kind in (None, EventType.ERROR_TRACEBACK) else {}
    return {**trace, **fields, "error": described(error)}


def trace_of(error: BaseException) -> str:
    """Return the traceback of an exception, also outside an ``except`` block."""
    try:
        return "".join(traceback.format_exception(error))
    except Exception:  # noqa: BLE001 - the text of an exception may raise
        return described(error)


# Bodies


def checked_body(
    fields: Mapping[str, Any],
    *,
    kind: str | None,
    session_id: str,
    event_id: str | None,
    parent_id: str | None,
    occurred_at: datetime | str,
    duration: float | None,
    tags: Iterable[str] | None,
    metadata: Mapping[str, Any] | None,
    mask: Mask | None = None,
) -> dict[str, Any]:
    """Return the body of an event, masked, with its whole payload.

    Raises:
        ValidationError: An argument cannot be sent.
    """
    fields = dict(fields)
    screenshots = string_list("screenshots", fields.pop("screenshots", None))
    if duration is not None and (isinstance(duration, bool) or not isinstance(duration, int | float)):
        raise ValidationError(f"duration must be a number of seconds, not {duration!r}.")
    if metadata is not None and not isinstance(metadata, Mapping):
        raise ValidationError(f"metadata must be an object, not {metadata!r}.")
    kind = kind or type_of(fields)
    optional = {
        "duration": duration,
        "tags": string_list("tags", tags),
        "metadata": masked(plain(metadata), mask),
        "screenshots": screenshots,
    }
    return {
        "client_event_id": event_id or str(uuid4()),
        "client_parent_event_id": parent_id,
        "session_id": session_id,
        "type": text("type", str(kind)),
        "occurred_at": iso(occurred_at),
        **{name: value for name, value in optional.items() if value not in (None, [], {})},
        "payload": masked(plain(payload_of(kind, fields)), mask),
    }


def recorded_body(
    inputs: str,
    outputs: str,
    *,
    started: int,
    ended: int | None,
    metadata: str | None,
    **known: Any,
) -> dict[str, Any]:
    """Return the body of an event whose fields were written as JSON when it began and when it ended.

    Args:
        inputs: Fields at its beginning.
        outputs: Fields at its end.
        started: Nanoseconds since the epoch.
        ended: Nanoseconds since the epoch, or None if it has no duration.
        metadata: Metadata as JSON.
        known: Further arguments of :func:`checked_body`.
    """
    return checked_body(
        {**json.loads(inputs), **json.loads(outputs)},
        occurred_at=datetime.fromtimestamp(started / 1e9, UTC),
        duration=None if ended is None else round(max(0, ended - started) / 1e9, 6),
        metadata=None if metadata is None else json.loads(metadata),
        **known,
    )


def iso(moment: datetime | str) -> str:
    """Return a time as ISO 8601 with an offset; one without is local time.

    Raises:
        ValidationError: The text is not ISO 8601.
    """
    try:
        moment = datetime.fromisoformat(moment) if isinstance(moment, str) else moment
        return (moment if moment.tzinfo else moment.astimezone()).isoformat()
    except (AttributeError, TypeError, ValueError):
        raise ValidationError(f"occurred_at must be a datetime or ISO 8601, not {moment!r}.") from None


def string_list(name: str, values: Iterable[str] | None) -> list[str] | None:
    """Accept a list of strings, or None.

    Raises:
        ValidationError: It is a single string, or something else.
    """
    if values is None:
        return None
    if isinstance(values, str | bytes | Mapping) or not isinstance(values, Iterable):
        raise ValidationError(f"{name} must be a list of strings, not {values!r}.")
    return [text(f"{name}[{index}]", str(value)) for index, value in enumerate(values)]


def divided(body: dict[str, Any], threshold: int) -> tuple[dict[str, Any], bytes | None]:
    """Divide an event into what is posted and what is uploaded.

    Args:
        body: The whole event.
        threshold: Bytes of compact JSON up to which a payload is posted.

    Returns:
        The body to post, and the payload as compact JSON if it is uploaded apart.
    """
    text = encoded(body["payload"])
    if len(text) * 4 <= threshold or len(content := text.encode()) <= threshold:
        return body, None
    return {**body, "payload": preview_of(body["type"], body["payload"]), "needs_blob": True}, content


def preview_of(kind: str, payload: Mapping[str, Any]) -> dict[str, Any]:
    """Return a small part of a large payload, to show until the whole is loaded."""
    try:
        return _preview(kind, payload)
    except (AttributeError, KeyError, TypeError, ValueError):  # a payload in a form of the caller's own
        return {"details": "preview_error"}


def _preview(kind: str, payload: Mapping[str, Any]) -> dict[str, Any]:
    match kind:
        case EventType.LLM_GENERATION:
            request, usage = payload.get("request", {}), payload.get("usage", {})
            messages = [_texts(message) for message in list(request.get("messages") or ())[:_PREVIEW_MESSAGES]]
            return {
                "request": {**_shown(request, ("model", "provider")), "messages": messages},
                "usage": {name: usage[name] for name in ("input_tokens", "output_tokens", "cost") if name in usage},
                "response": {"output": _short(payload.get("response", {}).get("output"))},
            }
        case EventType.FUNCTION_CALL:
            arguments = payload.get("arguments")
            shown = _texts(arguments) if isinstance(arguments, Mapping) else _short(arguments)
            return {**_shown(payload, ("function_name",)), "arguments": shown}
        case EventType.ERROR_TRACEBACK:
            return _shown(payload, ("error",))
        case EventType.GENERIC if "details" in payload:
            return _shown(payload, ("details",))
    return {"details": "preview_unavailable"}


def _shown(values: Mapping[str, Any], names: Iterable[str]) -> dict[str, str]:
    return {name: _short(values[name]) for name in names if name in values}


def _texts(values: Mapping[str, Any]) -> dict[str, str]:
    return {name: _short(value) for name, value in values.items()}


def _short(value: Any) -> str:
    return (value if isinstance(value, str) else encoded(value))[:_PREVIEW_CHARACTERS]
