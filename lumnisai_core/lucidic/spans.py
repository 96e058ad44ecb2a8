"""Spans of other libraries as events, by the names of attributes that they use. Pure."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

from lumnisai_core.lucidic.payloads import EventType, checked_body
from lumnisai_core.lucidic.plain import Mask

#: Attributes of spans: the session that they belong to, the event that they are part of, and the event that was bound
#: when they started.
SESSION_ID, PARENT_ID, BOUND_ID = "lucidic.session_id", "lucidic.parent_event_id", "lucidic.bound_event_id"

#: Operations of the GenAI names, and kinds of OpenInference and OpenLLMetry.
_TOOLS, _RETRIEVALS = {"execute_tool", "tool"}, {"retrieval", "retriever", "reranker"}
_MODELS = {"chat", "text_completion", "generate_content", "embeddings", "completion", "llm", "embedding"}
_KINDS = ("gen_ai.operation.name", "openinference.span.kind", "traceloop.span.kind", "llm.request.type")

_INPUTS, _OUTPUTS = ("input.value", "traceloop.entity.input"), ("output.value", "traceloop.entity.output")
_MODEL = ("gen_ai.response.model", "gen_ai.request.model", "llm.response.model", "llm.request.model", "llm.model_name")
_MODEL_OF_OTHERS = ("embedding.model_name", "ai.model.id", "ai.model.name")
_PROVIDER = ("gen_ai.provider.name", "gen_ai.system", "llm.provider", "llm.system")
_INPUT_TOKENS = ("gen_ai.usage.input_tokens", "gen_ai.usage.prompt_tokens", "llm.token_count.prompt")
_OUTPUT_TOKENS = ("gen_ai.usage.output_tokens", "gen_ai.usage.completion_tokens", "llm.token_count.completion")
_CACHE = {
    "read_input_tokens": ("gen_ai.usage.cache_read.input_tokens", "llm.token_count.prompt_details.cache_read"),
    "creation_input_tokens": ("gen_ai.usage.cache_creation.input_tokens", "gen_ai.usage.cache_write.input_tokens"),
}


def event_id_of(trace_id: int, span_id: int) -> str:
    """Return the id of the event for a span: a UUID that is the same wherever it is computed."""
    return str(UUID(int=(trace_id ^ (span_id << 64)) & ((1 << 128) - 1), version=4))


def moment(nanoseconds: int | None) -> datetime:
    """Return a time since the epoch."""
    return datetime.fromtimestamp((nanoseconds or 0) / 1e9, UTC)


def duration(start: int | None, end: int | None) -> float | None:
    """Return seconds between two times in nanoseconds."""
    return None if start is None or end is None else round(max(0, end - start) / 1e9, 6)


def body_of_span(span: Any, mask: Mask | None) -> dict[str, Any]:
    """Return the body of the event for a span of another library."""
    attributes = {name: value for name, value in span.attributes.items() if not name.startswith("lucidic.")}
    events = [(event.name, dict(event.attributes or {})) for event in span.events]
    failed = span.status.status_code.name == "ERROR"
    kind, fields = fields_of_span(
        span.name, attributes, events, error=(span.status.description or "error") if failed else None
    )
    return checked_body(
        fields,
        kind=kind,
        session_id=span.attributes[SESSION_ID],
        event_id=event_id_of(span.context.trace_id, span.context.span_id),
        parent_id=span.attributes.get(PARENT_ID),
        occurred_at=moment(span.start_time),
        duration=duration(span.start_time, span.end_time),
        tags=None,
        metadata={"span": span.name},
        mask=mask,
    )


Events = Sequence[tuple[str, Mapping[str, Any]]]


def fields_of_span(
    name: str, attributes: Mapping[str, Any], events: Events, *, error: str | None
) -> tuple[EventType, dict[str, Any]]:
    """Return the type and the fields of the event for a span of another library.

    Args:
        name: Name of the span.
        attributes: Its attributes, without ours.
        events: Name and attributes of its events.
        error: Its error, or None.
    """
    kinds = {str(attributes[key]).lower() for key in _KINDS if key in attributes}
    fields: dict[str, Any]
    if kinds & _TOOLS:
        kind, fields = EventType.FUNCTION_CALL, _tool(name, attributes)
    elif kinds & _RETRIEVALS:
        kind, fields = EventType.FUNCTION_CALL, _retrieval(name, attributes)
    elif kinds & _MODELS or (not kinds and any(key.startswith(("gen_ai.", "llm.")) for key in attributes)):
        kind, fields = EventType.LLM_GENERATION, _generation(attributes, events)
        fields["status"] = "error" if error else "ok"
    else:
        kind, fields = EventType.GENERIC, {"details": name, "attributes": dict(attributes)}
    if error is not None:
        fields["error"] = error
    return kind, {key: value for key, value in fields.items() if value not in (None, [], {})}


def _first(attributes: Mapping[str, Any], names: Iterable[str]) -> Any:
    return next((attributes[name] for name in names if attributes.get(name) not in (None, "")), None)


def _read(value: Any) -> Any:
    """Return what a text means as JSON, or the value itself."""
    if not isinstance(value, str) or not value.lstrip().startswith(("{", "[")):
        return value
    try:
        return json.loads(value)
    except ValueError:
        return value


def _tool(name: str, attributes: Mapping[str, Any]) -> dict[str, Any]:
    arguments = _first(attributes, ("gen_ai.tool.call.arguments", "tool.parameters", *_INPUTS))
    return {
        "function_name": _first(attributes, ("gen_ai.tool.name", "tool.name", "traceloop.entity.name")) or name,
        "arguments": _read(arguments),
        "return_value": _read(_first(attributes, ("gen_ai.tool.call.result", *_OUTPUTS))),
        "call_id": attributes.get("gen_ai.tool.call.id"),
    }


def _retrieval(name: str, attributes: Mapping[str, Any]) -> dict[str, Any]:
    documents = _read(attributes.get("gen_ai.retrieval.documents")) or _numbered(attributes, "retrieval.documents.")
    query = _first(attributes, ("gen_ai.retrieval.query.text", *_INPUTS))
    return {
        "function_name": name,
        "arguments": {"query": _read(query)},
        "return_value": documents or _read(_first(attributes, _OUTPUTS)),
    }


def _generation(attributes: Mapping[str, Any], events: Events) -> dict[str, Any]:
    messages = [*_instructions(attributes), *_messages(attributes, events)]
    answers = _answers(attributes, events)
    texts = [message["content"] for message in answers if message.get("content")]
    calls = [call for message in answers for call in message.get("tool_calls", ())]
    params = {
        name: attributes[f"gen_ai.request.{name}"]
        for name in ("temperature", "max_tokens", "top_p")
        if f"gen_ai.request.{name}" in attributes
    }
    cache = {name: value for name, names in _CACHE.items() if (value := _first(attributes, names)) is not None}
    return {
        "provider": _first(attributes, _PROVIDER),
        "model": _first(attributes, (*_MODEL, *_MODEL_OF_OTHERS)),
        "messages": messages or _read(_first(attributes, ("gen_ai.prompt", *_INPUTS))),
        "params": params or _read(attributes.get("llm.invocation_parameters")),
        "output": "\n".join(texts) or (None if calls else _read(_first(attributes, ("gen_ai.completion", *_OUTPUTS)))),
        "tool_calls": calls,
        "input_tokens": _first(attributes, _INPUT_TOKENS),
        "output_tokens": _first(attributes, _OUTPUT_TOKENS),
        "cache": cache,
    }


def _instructions(attributes: Mapping[str, Any]) -> list[dict[str, Any]]:
    parts = _read(attributes.get("gen_ai.system_instructions"))
    return [_from_parts({"role": "system", "parts": parts})] if parts else []


def _messages(attributes: Mapping[str, Any], events: Events) -> list[dict[str, Any]]:
    if isinstance(sent := _read(attributes.get("gen_ai.input.messages")), list):
        return [_from_parts(message) for message in sent if isinstance(message, dict)]
    if found := [_from_event(name, known) for name, known in events if re.fullmatch(r"gen_ai\.\w+\.message", name)]:
        return found
    return [
        *(_from_numbered(row) for row in _numbered(attributes, "gen_ai.prompt.")),
        *(_from_numbered(row) for row in _numbered(attributes, "llm.input_messages.")),
    ]


def _answers(attributes: Mapping[str, Any], events: Events) -> list[dict[str, Any]]:
    if isinstance(sent := _read(attributes.get("gen_ai.output.messages")), list):
        return [_from_parts(message) for message in sent if isinstance(message, dict)]
    if chosen := [_from_event(name, known) for name, known in events if name == "gen_ai.choice"]:
        return chosen
    return [
        *(_from_numbered(row) for row in _numbered(attributes, "gen_ai.completion.")),
        *(_from_numbered(row) for row in _numbered(attributes, "llm.output_messages.")),
    ]


def _from_parts(message: Mapping[str, Any]) -> dict[str, Any]:
    """Return a message of the GenAI form, whose parts are typed, as role, content and tool calls."""
    parts = message.get("parts")
    if not isinstance(parts, list):
        return {"role": message.get("role", "user"), "content": parts or message.get("content")}
    known = [part for part in parts if isinstance(part, dict)]
    texts = [part.get("content", part.get("text")) for part in known if part.get("type") == "text"]
    results = [part for part in known if part.get("type") == "tool_call_response"]
    row: dict[str, Any] = {"role": message.get("role", "user"), "content": " ".join(map(str, texts))}
    if results and not texts:
        answers = [part.get("response", part.get("result")) for part in results]
        row = {"role": "tool", "content": answers[0] if len(answers) == 1 else answers}
        row["tool_call_id"] = results[0].get("id")
    calls = [part for part in known if part.get("type") == "tool_call"]
    if calls:
        row["tool_calls"] = [{key: call.get(key) for key in ("id", "name", "arguments")} for call in calls]
    return row


def _from_event(name: str, known: Mapping[str, Any]) -> dict[str, Any]:
    body = _read(known.get("message")) if name == "gen_ai.choice" else known
    body = body if isinstance(body, Mapping) else {"content": body} if body else known
    role = name.split(".")[1] if name != "gen_ai.choice" else "assistant"
    row = {"role": body.get("role", role), "content": _read(body.get("content"))}
    if calls := _read(body.get("tool_calls")):
        row["tool_calls"] = [_called(call) for call in calls if isinstance(call, Mapping)]
    return row


def _from_numbered(row: Mapping[str, Any]) -> dict[str, Any]:
    row = row.get("message", row)
    message = {"role": row.get("role", "user"), "content": _read(row.get("content"))}
    if calls := row.get("tool_calls"):
        message["tool_calls"] = [_called(call.get("tool_call", call)) for call in calls]
    return message


def _called(call: Mapping[str, Any]) -> dict[str, Any]:
    function = call.get("function", call)
    return {"id": call.get("id"), "name": function.get("name"), "arguments": _read(function.get("arguments"))}


def _numbered(attributes: Mapping[str, Any], prefix: str) -> list[dict[str, Any]]:
    """Return the objects that are written as attributes with numbers, such as ``gen_ai.prompt.0.role``."""
    tree: dict[str, Any] = {}
    for name, value in attributes.items():
        if name.startswith(prefix) and name[len(prefix) :][:1].isdigit():
            *path, last = name[len(prefix) :].split(".")
            node = tree
            for part in path:
                below = node.setdefault(part, {})
                node = below if isinstance(below, dict) else {}
            node[last] = value
    rows = _as_lists(tree)
    return [row for row in rows if isinstance(row, dict)] if isinstance(rows, list) else []


def _as_lists(node: Any) -> Any:
    if not isinstance(node, dict):
        return node
    if node and all(key.isdigit() for key in node):
        return [_as_lists(node[key]) for key in sorted(node, key=int)]
    return {key: _as_lists(value) for key, value in node.items()}
