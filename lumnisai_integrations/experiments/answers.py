"""Answers of variants, whatever object they come in: text, data, tokens, the run behind them. Pure.

Objects of frameworks are recognised by the attributes that they have.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from pydantic import BaseModel

from lumnisai_core import ResponseObject
from lumnisai_integrations.experiments.plain import plain

#: Where graphs of LangGraph keep an object that was asked for.
_STRUCTURED = "structured_response"


@dataclass(frozen=True, slots=True)
class Answer:
    """What a variant answered to one row.

    Args:
        output: The text.
        structured: The same as data, where it is more than a text.
        seconds: How long it took.
        response_id: The run behind it.
        input_tokens: Tokens of the question.
        output_tokens: Tokens of the answer.
        error: Why there is no answer.
        is_final: Whether the row need not be answered again by a later start.
    """

    output: str | None = None
    structured: Any = None
    seconds: float | None = None
    response_id: str | None = None
    input_tokens: int | None = None
    output_tokens: int | None = None
    error: str | None = None
    is_final: bool = True


def read_answer(value: object) -> Answer:
    """Read the answer of a variant.

    Args:
        value: A text; a run; a message of LangChain or the last one of a state of LangGraph; a response of LlamaIndex;
            a model of pydantic; any other value that JSON has.

    Returns:
        The answer. A value of None is an error.
    """
    if value is None:
        return Answer(error="The variant returned None: it must return an answer.", is_final=False)
    if isinstance(value, str):
        return Answer(str(value))
    if isinstance(value, ResponseObject):
        return of_run(value)
    if isinstance(value, Mapping):
        return _of_mapping(value)
    if _is_message(value):
        return _of_message(value)
    if isinstance(value, BaseModel) and not _has_text(value):
        return _of_data(plain(value))
    if isinstance(value, bool | int | float | list | tuple):
        return _of_data(plain(value))
    return _of_response(value)


def of_run(run: ResponseObject) -> Answer:
    """Read the answer of a run of the agent platform; it took the time from its creation to its end."""
    ended, began = run.completed_at, run.created_at
    structured, output = run.structured_response, run.output_text
    return Answer(
        output if output is not None or structured is None else _json(structured),
        structured,
        (ended - began).total_seconds() if ended and began else None,
        run.response_id,
        None if run.usage is None else run.usage.input_tokens,
        None if run.usage is None else run.usage.output_tokens,
        None if output is not None or structured is not None else "The run succeeded without an answer.",
    )


def _of_data(data: Any) -> Answer:
    return Answer(_json(data), data)


def _of_mapping(value: Mapping[Any, Any]) -> Answer:
    messages = value.get("messages")
    if isinstance(messages, list) and messages and _is_message(messages[-1]):
        answer = _of_message(messages[-1])
        structured = value.get(_STRUCTURED)
        return answer if structured is None else Answer(answer.output, plain(structured), None, answer.response_id)
    return _of_data(plain(value))


def _is_message(value: object) -> bool:
    return hasattr(value, "content") and hasattr(value, "response_metadata")


def _of_message(message: Any) -> Answer:
    usage = getattr(message, "usage_metadata", None) or {}
    run = (message.response_metadata or {}).get("response_id")
    text = message.text if isinstance(getattr(message, "text", None), str) else message.content
    return Answer(
        str(text) if isinstance(text, str) else _json(plain(text)),
        None,
        None,
        run if isinstance(run, str) else None,
        _count(usage.get("input_tokens")),
        _count(usage.get("output_tokens")),
    )


def _has_text(value: object) -> bool:
    """Whether an object is an answer of LlamaIndex: a completion, a message or the end of an agent."""
    return hasattr(value, "raw") or hasattr(value, "source_nodes")


def _of_response(value: Any) -> Answer:
    inner = getattr(value, "response", value)  # of a query engine, a chat engine, an agent
    inner = getattr(inner, "message", inner)  # of a chat model
    structured = getattr(value, _STRUCTURED, None)
    if isinstance(inner, BaseModel) and not hasattr(inner, "content") and not hasattr(inner, "text"):
        return _of_data(plain(inner))
    texts = (inner if isinstance(inner, str) else None, getattr(inner, "content", None), getattr(inner, "text", None))
    text = next((str(one) for one in texts if isinstance(one, str)), str(value))
    return Answer(text, None if structured is None or callable(structured) else plain(structured))


def _count(value: object) -> int | None:
    return value if isinstance(value, int) else None


def _json(value: object) -> str:
    return json.dumps(value, ensure_ascii=False)
