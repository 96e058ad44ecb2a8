"""Payloads, previews, values and spans of other libraries, as tables."""

from __future__ import annotations

import dataclasses
import io
import json
from datetime import UTC, datetime
from decimal import Decimal
from enum import Enum
from pathlib import Path, PurePosixPath
from typing import Any
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import BaseModel

from lumnisai_core.lucidic.payloads import canonical, divided, payload_of, preview_of, type_of
from lumnisai_core.lucidic.plain import MASKED_NOTICE, encoded, masked, plain
from lumnisai_core.lucidic.prompts import Prompt, PromptCache, filled
from lumnisai_core.lucidic.spans import event_id_of, fields_of_span
from lumnisai_core.lucidic.spool import read_spool


class Colour(Enum):
    RED = "red"


class Model(BaseModel):
    name: str
    colour: Colour = Colour.RED


@dataclasses.dataclass
class Row:
    a: int
    b: str = dataclasses.field(default="hidden", repr=False)


class Loud(str):
    """A string that is more than a string."""


VALUES: list[tuple[Any, Any]] = [
    (None, None),
    (True, True),
    (Loud("x"), "x"),
    (float("inf"), "inf"),
    ({1: (2, {3})}, {"1": [2, [3]]}),
    (Colour.RED, "red"),
    (Model(name="m"), {"name": "m", "colour": "red"}),
    (Row(1), {"a": 1}),
    (UUID(int=1), "00000000-0000-0000-0000-000000000001"),
    (datetime(2026, 2, 1, tzinfo=UTC), "2026-02-01 00:00:00+00:00"),
    (Decimal("1.5"), "1.5"),
    (PurePosixPath("/a/b"), "/a/b"),
    (b"1234", "<bytes: 4 bytes>"),
    (KeyError("k"), "KeyError: 'k'"),
    (Model, "<Model>"),
]


@pytest.mark.parametrize(("value", "expected"), VALUES, ids=[repr(value)[:30] for value, _ in VALUES])
def test_values_become_json(value: Any, expected: Any) -> None:
    """By their fields, or as a text; quickly and slowly with the same result."""
    assert plain(value) == expected
    assert json.loads(encoded({"v": value}))["v"] == expected


def test_iterators_are_not_consumed() -> None:
    """Their text stands for them."""
    rows = iter([1, 2])
    assert "iterator" in plain(rows)
    assert list(rows) == [1, 2]
    stream = io.StringIO("text")
    plain({"s": stream})
    assert stream.read() == "text"


def test_deep_nesting_ends() -> None:
    """Whatever the depth."""
    deep: list[Any] = []
    for _ in range(10_000):
        deep = [deep]
    assert "nested too deeply" in encoded(deep)


@given(st.recursive(st.none() | st.booleans() | st.integers() | st.floats() | st.text(), st.lists))
def test_any_value_can_be_written_and_sent(value: Any) -> None:
    """As JSON that is UTF-8."""
    json.loads(json.dumps(plain(json.loads(encoded(value)))).encode())


def test_masking_fails_closed() -> None:
    """A function that raises or returns no text gives a notice; keys and numbers stay."""

    def mask(text: str) -> Any:
        return {"none": None, "fine": "FINE"}.get(text) if text != "raise" else 1 / 0

    value = {"fine": ["fine", "none", "raise", 5, None]}
    assert masked(value, mask) == {"fine": ["FINE", MASKED_NOTICE, MASKED_NOTICE, 5, None]}


TYPES = [
    ({"model": "m"}, "llm_generation"),
    ({"prompt": "p"}, "llm_generation"),
    ({"output_tokens": 1}, "llm_generation"),
    ({"functionName": "f"}, "function_call"),
    ({"args": {}}, "function_call"),
    ({"args": {}, "exception": "e"}, "error_traceback"),
    ({"stackTrace": "t"}, "error_traceback"),
    ({"message": "hi"}, "generic"),
    ({}, "generic"),
]


@pytest.mark.parametrize(("fields", "expected"), TYPES)
def test_the_type_is_chosen_from_the_fields(fields: dict[str, Any], expected: str) -> None:
    """Under any of their names."""
    assert type_of(canonical(fields)) == expected


PAYLOADS: list[tuple[str, dict[str, Any], dict[str, Any]]] = [
    (
        "llm_generation",
        {"completion": "o", "tool_calls": [1], "cost": 0.1, "status": "ok", "extra": 1, "error": None},
        {
            "request": {"provider": "unknown", "model": "unknown"},
            "response": {"output": "o", "tool_calls": [1]},
            "usage": {"cost": 0.1},
            "status": "ok",
            "misc": {"extra": 1},
        },
    ),
    ("function_call", {"result": 0}, {"function_name": "unknown", "return_value": 0}),
    ("error_traceback", {}, {"error": "Unknown error", "traceback": ""}),
    ("generic", {"description": "d", "n": 1}, {"details": "d", "n": 1}),
    ("mine", {"misc": {"a": 1}}, {"misc": {"a": 1}}),
    ("function_call", {"payload": {"any": "form"}}, {"any": "form"}),
    (
        "function_call",
        {"function_name": "f", "misc": {"a": 1}, "b": 2},
        {"function_name": "f", "misc": {"a": 1, "b": 2}},
    ),
]


@pytest.mark.parametrize(("kind", "fields", "expected"), PAYLOADS)
def test_payloads_by_type(kind: str, fields: dict[str, Any], expected: dict[str, Any]) -> None:
    """Fields in their groups; what a type does not have is kept in misc."""
    assert payload_of(kind, canonical(fields)) == expected


LONG = "x" * 300
PREVIEWS: list[tuple[str, dict[str, Any], dict[str, Any]]] = [
    (
        "llm_generation",
        {
            "request": {"model": "m", "provider": "p", "messages": [{"role": "user", "content": LONG}] * 9},
            "response": {"output": {"a": 1}},
            "usage": {"input_tokens": 1, "cache": {}},
        },
        {
            "request": {"model": "m", "provider": "p", "messages": [{"role": "user", "content": LONG[:200]}] * 5},
            "usage": {"input_tokens": 1},
            "response": {"output": '{"a":1}'},
        },
    ),
    (
        "function_call",
        {"function_name": "f", "arguments": {"a": [1]}},
        {"function_name": "f", "arguments": {"a": "[1]"}},
    ),
    ("function_call", {"function_name": "f", "arguments": [1]}, {"function_name": "f", "arguments": "[1]"}),
    ("error_traceback", {"error": LONG, "traceback": LONG}, {"error": LONG[:200]}),
    ("generic", {"details": LONG, "data": LONG}, {"details": LONG[:200]}),
    ("mine", {"data": LONG}, {"details": "preview_unavailable"}),
    ("llm_generation", {"request": "odd"}, {"details": "preview_error"}),
]


@pytest.mark.parametrize(("kind", "payload", "expected"), PREVIEWS)
def test_previews_by_type(kind: str, payload: dict[str, Any], expected: dict[str, Any]) -> None:
    """Short texts and few messages, as the service's own clients send them."""
    assert preview_of(kind, payload) == expected


def test_the_threshold_counts_bytes_of_compact_json() -> None:
    """One more than the threshold is uploaded."""
    payload = {"details": "ä" * 10}
    size = len('{"details":""}') + 20
    body = {"type": "generic", "payload": payload}
    assert divided(body, size) == (body, None)
    posted, content = divided(body, size - 1)
    assert posted["needs_blob"] is True
    assert json.loads(content or b"") == payload


def test_prompts_are_filled_in_one_pass() -> None:
    """A value is never read as a template, and a variable without a value stays."""
    prompt = Prompt("{{a}} {{ b }} {{missing}} {single}")
    assert filled(prompt, {"a": "{{b}}", "b": 2, "single": 1}) == "{{b}} 2 {{missing}} {single}"
    assert filled(prompt, None).raw_content == prompt


def test_the_age_of_a_stored_prompt_is_judged_when_it_is_read() -> None:
    """By the caller of the moment."""
    cache = PromptCache()
    cache.put("p", "l", Prompt("x"), ttl=5, now=100)
    assert cache.get("p", "l", ttl=10, now=109) == "x"
    assert cache.get("p", "l", ttl=10, now=110) is None
    assert cache.get("p", "l", ttl=-1, now=10**9) == "x"
    assert cache.get("p", "l", ttl=0, now=100) is None
    cache.forget("p")
    assert cache.get("p", "l", ttl=-1, now=100) is None


def test_a_spool_with_a_line_cut_off_is_read(tmp_path: Path) -> None:
    """Everything but that line; what was sent is left out."""
    rows = [
        {"base_url": "u", "agent_id": "a"},
        {"session": {"session_id": "s"}},
        {"event": {"client_event_id": "1", "payload": {}}},
        {"event": {"client_event_id": "2", "payload": {}}},
        {"sent": "1"},
    ]
    text = "".join(f"{json.dumps(row)}\n" for row in rows) + '{"event": {"client_ev'
    remains = read_spool(io.BytesIO(text.encode()), tmp_path)
    assert remains is not None
    assert (list(remains.events), list(remains.sessions)) == (["2"], ["s"])
    assert read_spool(io.BytesIO(b"garbage"), tmp_path) is None


# Spans of other libraries

CALL = {"id": "c1", "name": "find", "arguments": {"id": 118}}

SPANS: dict[str, tuple[dict[str, Any], list[tuple[str, dict[str, Any]]], str, dict[str, Any]]] = {
    "GenAI names, messages as JSON": (
        {
            "gen_ai.operation.name": "chat",
            "gen_ai.provider.name": "openai",
            "gen_ai.request.model": "m",
            "gen_ai.response.model": "m-1",
            "gen_ai.request.temperature": 0.2,
            "gen_ai.system_instructions": '[{"type":"text","content":"Be brief."}]',
            "gen_ai.input.messages": json.dumps(
                [
                    {"role": "user", "parts": [{"type": "text", "content": "Where?"}]},
                    {"role": "user", "parts": [{"type": "tool_call_response", "id": "c0", "response": "here"}]},
                ]
            ),
            "gen_ai.output.messages": json.dumps(
                [
                    {
                        "role": "assistant",
                        "parts": [{"type": "text", "content": "Look:"}, {"type": "tool_call", **CALL}],
                    }
                ]
            ),
            "gen_ai.usage.input_tokens": 3,
            "gen_ai.usage.output_tokens": 4,
            "gen_ai.usage.cache_read.input_tokens": 2,
        },
        [],
        "llm_generation",
        {
            "provider": "openai",
            "model": "m-1",
            "messages": [
                {"role": "system", "content": "Be brief."},
                {"role": "user", "content": "Where?"},
                {"role": "tool", "content": "here", "tool_call_id": "c0"},
            ],
            "params": {"temperature": 0.2},
            "output": "Look:",
            "tool_calls": [CALL],
            "input_tokens": 3,
            "output_tokens": 4,
            "cache": {"read_input_tokens": 2},
            "status": "ok",
        },
    ),
    "OpenLLMetry, numbered attributes": (
        {
            "gen_ai.system": "Anthropic",
            "gen_ai.prompt.0.role": "user",
            "gen_ai.prompt.0.content": "Hi",
            "gen_ai.completion.0.content": "Yo",
            "gen_ai.completion.0.role": "assistant",
            "gen_ai.usage.prompt_tokens": 1,
            "gen_ai.usage.completion_tokens": 2,
        },
        [],
        "llm_generation",
        {
            "provider": "Anthropic",
            "messages": [{"role": "user", "content": "Hi"}],
            "output": "Yo",
            "input_tokens": 1,
            "output_tokens": 2,
            "status": "ok",
        },
    ),
    "OpenInference, a model with tool calls": (
        {
            "openinference.span.kind": "LLM",
            "llm.model_name": "m",
            "llm.input_messages.0.message.role": "user",
            "llm.input_messages.0.message.content": "Hi",
            "llm.output_messages.0.message.role": "assistant",
            "llm.output_messages.0.message.tool_calls.0.tool_call.id": "c1",
            "llm.output_messages.0.message.tool_calls.0.tool_call.function.name": "find",
            "llm.output_messages.0.message.tool_calls.0.tool_call.function.arguments": '{"id": 118}',
            "llm.token_count.prompt": 5,
        },
        [],
        "llm_generation",
        {
            "model": "m",
            "messages": [{"role": "user", "content": "Hi"}],
            "tool_calls": [CALL],
            "input_tokens": 5,
            "status": "ok",
        },
    ),
    "messages as events of the span": (
        {"gen_ai.system": "openai"},
        [
            ("gen_ai.user.message", {"content": "Hi"}),
            ("gen_ai.choice", {"message": '{"role":"assistant","content":"Yo"}'}),
        ],
        "llm_generation",
        {"provider": "openai", "messages": [{"role": "user", "content": "Hi"}], "output": "Yo", "status": "ok"},
    ),
    "an answer without messages": (
        {"gen_ai.operation.name": "chat", "gen_ai.completion": "text"},
        [],
        "llm_generation",
        {"output": "text", "status": "ok"},
    ),
    "a tool": (
        {
            "gen_ai.operation.name": "execute_tool",
            "gen_ai.tool.name": "find",
            "gen_ai.tool.call.arguments": '{"id": 118}',
            "gen_ai.tool.call.result": "sent",
        },
        [],
        "function_call",
        {"function_name": "find", "arguments": {"id": 118}, "return_value": "sent"},
    ),
    "a retriever": (
        {
            "openinference.span.kind": "RETRIEVER",
            "input.value": "query",
            "retrieval.documents.0.document.content": "A",
            "retrieval.documents.1.document.content": "B",
        },
        [],
        "function_call",
        {
            "function_name": "span",
            "arguments": {"query": "query"},
            "return_value": [{"document": {"content": "A"}}, {"document": {"content": "B"}}],
        },
    ),
    "a chain": (
        {"openinference.span.kind": "CHAIN", "input.value": "x"},
        [],
        "generic",
        {"details": "span", "attributes": {"openinference.span.kind": "CHAIN", "input.value": "x"}},
    ),
    "anything else": ({"http.method": "GET"}, [], "generic", {"details": "span", "attributes": {"http.method": "GET"}}),
}


@pytest.mark.parametrize("case", SPANS)
def test_spans_of_other_libraries(case: str) -> None:
    """By the names of the GenAI conventions, OpenLLMetry and OpenInference."""
    attributes, events, kind, fields = SPANS[case]
    assert fields_of_span("span", attributes, events, error=None) == (kind, fields)
    failed = fields_of_span("span", attributes, events, error="boom")[1]
    assert failed["error"] == "boom"
    assert failed.get("status", "error") == "error"


@given(st.integers(0, 2**128 - 1), st.integers(0, 2**64 - 1))
def test_ids_of_spans_are_uuids(trace_id: int, span_id: int) -> None:
    """The same wherever they are computed."""
    assert UUID(event_id_of(trace_id, span_id)).version == 4
    assert event_id_of(trace_id, span_id) == event_id_of(trace_id, span_id)
