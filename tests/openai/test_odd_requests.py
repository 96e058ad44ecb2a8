"""Requests that no client sends: each is answered, or refused as a bad one."""

from __future__ import annotations

import json
from typing import Any

import httpx
import pytest

from lumnisai_core.local import LocalLumnis
from tests.openai.engine import LONG, Stage

FEW: list[Any] = [None, True, 5, [], {}, [{}], {"type": 5}]
ODD = [*FEW, -1.5, "", "x", [None], ["x"], [{"type": "function"}], [{"type": "function", "function": 5}]]
MESSAGE = {"role": "user", "content": "When is high tide?"}
CHAT: dict[str, Any] = {"model": "lumnis", "messages": [MESSAGE]}
RESPONSE: dict[str, Any] = {"model": "lumnis", "input": "When is high tide?"}

FIELDS = [
    *[("chat/completions", CHAT, name) for name in ("model", "messages", "tools", "tool_choice", "response_format")],
    *[("chat/completions", CHAT, name) for name in ("stop", "user", "metadata", "stream_options", "n", "logprobs")],
    *[("chat/completions", CHAT, name) for name in ("modalities", "functions", "parallel_tool_calls", "temperature")],
    *[("responses", RESPONSE, name) for name in ("model", "input", "instructions", "tools", "tool_choice", "text")],
    *[("responses", RESPONSE, name) for name in ("metadata", "conversation", "previous_response_id", "background")],
    *[("responses", RESPONSE, name) for name in ("reasoning", "prompt", "temperature", "max_output_tokens", "user")],
]


@pytest.fixture(scope="module")
def http(local: LocalLumnis) -> Any:
    """A plain client with the key of the service."""
    headers = {"authorization": f"Bearer {local.api_key}"}
    with httpx.Client(base_url=local.openai_base_url, headers=headers, timeout=LONG) as made:
        yield made


def check(http: httpx.Client, path: str, body: Any) -> None:
    """Send a request, which is answered, or refused with a body from which clients make their errors."""
    reply = http.post(f"/{path}", json=body)
    assert reply.status_code < 500, f"{body}: {reply.text}"
    if reply.status_code >= 400:
        error = reply.json()["error"]
        assert error["message"], body
        assert error.keys() == {"message", "type", "param", "code"}


@pytest.mark.parametrize(("path", "body", "name"), FIELDS, ids=[f"{path}-{name}" for path, _, name in FIELDS])
def test_odd_fields(http: httpx.Client, stage: Stage, path: str, body: dict[str, Any], name: str) -> None:
    """Whatever the value of a field is."""
    stage.clear()
    for value in ODD:
        check(http, path, {**body, name: value})


@pytest.mark.parametrize("name", ["role", "content", "name", "tool_calls", "tool_call_id"])
@pytest.mark.parametrize("role", ["user", "assistant", "tool", "system"])
def test_odd_messages(http: httpx.Client, stage: Stage, role: str, name: str) -> None:
    """Whatever the value of a part of a message is."""
    stage.clear()
    for value in FEW:
        check(http, "chat/completions", {**CHAT, "messages": [{**MESSAGE, "role": role, name: value}, MESSAGE]})


@pytest.mark.parametrize("name", ["type", "role", "content", "call_id", "name", "arguments", "output"])
@pytest.mark.parametrize("kind", ["message", "function_call", "function_call_output", "reasoning"])
def test_odd_items(http: httpx.Client, stage: Stage, kind: str, name: str) -> None:
    """Whatever the value of a part of an item is."""
    stage.clear()
    for value in FEW:
        item = {"type": kind, **MESSAGE, "call_id": "c", "name": "f", "arguments": "{}", "output": "x", name: value}
        check(http, "responses", {**RESPONSE, "input": [item, MESSAGE]})


@pytest.mark.parametrize("text", ["x" * 1_000_000, "\x00\x1b[2J", "𝄞 \u202e مرحبا", "</script>", "data: [DONE]\n\n"])
def test_texts_of_all_kinds_come_back(http: httpx.Client, stage: Stage, text: str) -> None:
    """Large ones, control characters, and what looks like a part of the protocol, also in a stream."""
    stage.clear()
    body = {**CHAT, "messages": [{"role": "user", "content": text}], "stream": True}
    lines = http.post("/chat/completions", json=body).text.splitlines()
    assert lines[-2] == "data: [DONE]"
    assert all(json.loads(line.removeprefix("data: ")) for line in lines[:-2] if line)
    assert stage.requests[0].messages[0].content == text
