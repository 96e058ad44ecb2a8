"""Replies of OpenAI's protocol, made from runs: completions, responses, their items, models and errors. Pure."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from lumnisai_core.local.openai.backend import Run, seconds
from lumnisai_core.local.openai.requests import Form, completion_id, conversation_id, response_id
from lumnisai_core.local.web.errors import ApiError, InvalidRequest
from lumnisai_core.local.web.shapes import Object
from lumnisai_core.tools import StructuredOutputError, cut_at, object_of, unwrapped

_TYPES = {401: "authentication_error", 403: "permission_error", 429: "rate_limit_error"}


@dataclass(frozen=True, slots=True)
class FunctionCall:
    """A call of one of the caller's tools."""

    id: str
    name: str
    arguments: str


@dataclass(frozen=True, slots=True)
class Answer:
    """The answer of a run: a text, or calls of the caller's tools, perhaps with a text."""

    text: str
    calls: tuple[FunctionCall, ...] = ()

    @classmethod
    def of(cls, run: Run, form: Form, stops: Iterable[str] = ()) -> Answer:
        """Read the answer of a run that has succeeded.

        Raises:
            ApiError: The run has no object, although the form asks for one.
        """
        offer = form.offer
        if offer.is_open:
            try:
                reply = offer.read(run)
            except StructuredOutputError as error:
                raise ApiError(500, "NO_OBJECT", error.message) from error
            calls = [
                FunctionCall(_call_id(run, at), call.name, _arguments(call.args))
                for at, call in enumerate([*reply.calls, *reply.invalid])
                if call.name
            ]
            text = reply.content
            if offer.answer_schema is None:
                return cls(cut_at(text, stops), tuple(calls))
            return cls(_unwrapped(json.loads(text), offer.answer_schema) if text else "", tuple(calls))
        if offer.answer_schema is not None:
            value = object_of(run)
            if value is None:
                text = f"Run {run.response_id} succeeded without the object that the request asks for."
                raise ApiError(500, "NO_OBJECT", text)
            return cls(_unwrapped(value, offer.answer_schema))
        return cls(cut_at(run.output_text or "", stops))


def _unwrapped(value: Any, schema: Mapping[str, Any]) -> str:
    return json.dumps(unwrapped(value, schema), ensure_ascii=False)


def _call_id(run: Run, at: int) -> str:
    """Return the id of a call, which is the same each time that the run is read."""
    return f"call_{run.response_id.replace('-', '')[:24]}{at:02}"


def _arguments(args: Any) -> str:
    return args if isinstance(args, str) else json.dumps(args, ensure_ascii=False)


# Chat completions


def completion(run: Run, form: Form, model: str, stops: Iterable[str], reasoning: str) -> Object:
    """Return the completion of a run that has succeeded."""
    answer = Answer.of(run, form, stops)
    message: Object = {"role": "assistant", "content": answer.text or None if answer.calls else answer.text}
    message |= {"refusal": None, "annotations": []}
    if reasoning:
        message["reasoning_content"] = reasoning
    if answer.calls:
        message["tool_calls"] = chat_calls(answer)
    choice = {"index": 0, "message": message, "logprobs": None, "finish_reason": finish_reason(answer)}
    return {**about_chat(run, model), "object": "chat.completion", "choices": [choice], **chat_usage(run)}


def about_chat(run: Run, model: str) -> Object:
    """Return the fields that a completion and its chunks share."""
    return {
        "id": completion_id(run.response_id),
        "created": run.created,
        "model": run.model or model,
        "thread_id": run.thread_id,
    }


def finish_reason(answer: Answer) -> str:
    """Return why an answer ends."""
    return "tool_calls" if answer.calls else "stop"


def chat_calls(answer: Answer) -> list[Object]:
    """Return the calls of an answer."""
    return [
        {"id": call.id, "type": "function", "function": {"name": call.name, "arguments": call.arguments}}
        for call in answer.calls
    ]


def chat_usage(run: Run) -> Object:
    """Return the numbers of tokens, as far as they are known."""
    if run.usage is None:
        return {}
    counts = _counts(run.usage)
    names = ("prompt_tokens", "completion_tokens", "total_tokens")
    return {"usage": dict(zip(names, counts, strict=True))}


def _counts(usage: Mapping[str, Any]) -> tuple[int, int, int]:
    taken, written = int(usage.get("input_tokens") or 0), int(usage.get("output_tokens") or 0)
    return taken, written, int(usage.get("total_tokens") or taken + written)


# Responses


def response(run: Run, form: Form, reasoning: str) -> Object:
    """Return a response: a run in any state."""
    echo = run.echo
    failure = run.failure() if run.status in ("failed", "cancelled") else None
    answer = None
    if run.status == "succeeded":
        try:
            answer = Answer.of(run, form)
        except ApiError as unreadable:
            failure = unreadable
    status = "failed" if run.status == "succeeded" and failure else _STATES.get(run.status, "in_progress")
    error = None if failure is None or status == "cancelled" else failure
    return {
        "id": response_id(run.response_id),
        "object": "response",
        "created_at": run.created,
        "completed_at": seconds(run.completed_at) if run.completed_at else None,
        "status": status,
        "background": bool(echo.get("background")),
        "error": None if error is None else {"code": error.code.lower(), "message": error.message},
        "incomplete_details": None,
        "instructions": echo.get("instructions"),
        "max_output_tokens": echo.get("max_output_tokens"),
        "metadata": echo.get("metadata") or {},
        "model": run.model or echo.get("model"),
        "output": output(run, answer, reasoning),
        "parallel_tool_calls": echo.get("parallel_tool_calls", True),
        "previous_response_id": echo.get("previous_response_id"),
        "conversation": {"id": conversation_id(run.thread_id)},
        "reasoning": echo.get("reasoning") or {"effort": None, "summary": None},
        "store": True,
        "temperature": echo.get("temperature"),
        "text": {"format": echo.get("format") or {"type": "text"}},
        "tool_choice": echo.get("tool_choice") or "auto",
        "tools": echo.get("tools") or [],
        "top_p": echo.get("top_p"),
        "truncation": "disabled",
        "usage": _response_usage(run),
        "user": echo.get("user"),
    }


_STATES = {"queued": "queued", "succeeded": "completed", "failed": "failed", "cancelled": "cancelled"}


def _response_usage(run: Run) -> Object | None:
    if run.usage is None:
        return None
    taken, written, total = _counts(run.usage)
    return {
        "input_tokens": taken,
        "input_tokens_details": {"cached_tokens": 0},
        "output_tokens": written,
        "output_tokens_details": {"reasoning_tokens": 0},
        "total_tokens": total,
    }


def output(run: Run, answer: Answer | None, reasoning: str) -> list[Object]:
    """Return the items of a response: its reasoning, then its answer."""
    items = [reasoning_item(run, reasoning)] if reasoning else []
    if answer is None:
        return items
    if answer.text or not answer.calls:
        items.append(message_item(run, answer.text))
    return items + [call_item(run, at, call) for at, call in enumerate(answer.calls)]


def reasoning_item(run: Run, text: str | None) -> Object:
    """Return the item of the reasoning; None for one that has just begun."""
    summary = [] if text is None else [{"type": "summary_text", "text": text}]
    return {"id": f"rs_{run.response_id}", "type": "reasoning", "summary": summary}


def message_item(run: Run, text: str | None) -> Object:
    """Return the item of the answer in words; None for one that has just begun."""
    content = [] if text is None else [text_part(text)]
    status = "in_progress" if text is None else "completed"
    item = {"id": f"msg_{run.response_id}", "type": "message", "role": "assistant"}
    return {**item, "status": status, "content": content}


def text_part(text: str) -> Object:
    """Return the text of an answer as a part of its message."""
    return {"type": "output_text", "text": text, "annotations": [], "logprobs": []}


def call_item(run: Run, at: int, call: FunctionCall, *, is_begun: bool = False) -> Object:
    """Return the item of a call, as a whole or as it begins."""
    return {
        "id": f"fc_{run.response_id}_{at}",
        "type": "function_call",
        "call_id": call.id,
        "name": call.name,
        "arguments": "" if is_begun else call.arguments,
        "status": "in_progress" if is_begun else "completed",
    }


def input_items(run: Run) -> Object:
    """Return the list of the messages that were sent to a run, newest first."""
    items = [
        {
            "id": f"msg_{run.response_id}_in{at}",
            "type": "message",
            "role": message["role"],
            "status": "completed",
            "content": [
                text_part(message["content"])
                if message["role"] == "assistant"
                else {"type": "input_text", "text": message["content"]}
            ],
        }
        for at, message in reversed(list(enumerate(run.input_messages)))
    ]
    ends = {"first_id": items[0]["id"], "last_id": items[-1]["id"]} if items else {"first_id": None, "last_id": None}
    return {"object": "list", "data": items, "has_more": False, **ends}


def conversation(thread: Mapping[str, Any]) -> Object:
    """Return a conversation: a thread."""
    return {
        "id": conversation_id(str(thread["thread_id"])),
        "object": "conversation",
        "created_at": seconds(thread.get("created_at") or ""),
        "metadata": {},
    }


# Models and errors


def model_object(name: str) -> Object:
    """Return a model."""
    return {"id": name, "object": "model", "created": 0, "owned_by": "lumnis"}


def status_of(error: ApiError) -> int:
    """Return the status of a refusal: requests of the wrong shape are bad ones."""
    return 400 if error.status == 422 else error.status


def error_body(error: ApiError) -> Object:
    """Return the body of a refusal, in the form from which clients of OpenAI make their errors."""
    message, param = error.message, error.details.get("param")
    if isinstance(error, InvalidRequest) and error.errors:
        places = [".".join(map(str, part["loc"][1:])) for part in error.errors]
        param = places[0] or None
        message = "; ".join(
            f"{place}: {part['msg']}" if place else part["msg"]
            for place, part in zip(places, error.errors, strict=True)
        )
    kind = _TYPES.get(error.status) or ("server_error" if error.status >= 500 else "invalid_request_error")
    return {"error": {"message": message, "type": kind, "param": param, "code": error.code.lower()}}
