"""Tool turns of a conversation, which are written as text: the calls, the results, and the messages without them."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from lumnisai_core.local.engines.base import Message

_RESULT = re.compile(r'^(\{"tool_result": ?\{[^\n]*\}\})[ \t]*\n', re.MULTILINE)
_RESULT_END = re.compile(r"^\[end of tool result\][ \t]*$", re.MULTILINE)
_CALLS = re.compile(r'^\{"tool_calls": ?\[', re.MULTILINE)
#: Calls come last in a turn: of many places that look like them only so many are tried.
_TRIED = 8
_decoder = json.JSONDecoder()


@dataclass(frozen=True, slots=True)
class ToolResult:
    """The result of a tool call."""

    name: str | None
    content: str
    failed: bool = False


@dataclass(frozen=True, slots=True)
class Exchange:
    """A conversation without its tool turns.

    `called` and `results` are those since the user's last message; `waits` is true if nothing followed the results yet.
    """

    messages: tuple[Message, ...]
    called: tuple[tuple[str, Any], ...] = ()
    results: tuple[ToolResult, ...] = ()
    waits: bool = False


def exchange_of(messages: Iterable[Message]) -> Exchange:
    """Separate the tool turns of a conversation. Results from before the user's last message become messages."""
    plain: list[Message] = []
    called: list[tuple[str, Any]] = []
    results: list[ToolResult] = []
    waits = False
    for message in messages:
        if message.role == "system":
            plain.append(message)
            continue
        if message.role == "assistant":
            calls, rest = _split_calls(message.content)
            called.extend(calls)
        else:
            found, rest = _split_results(message.content)
            results.extend(found)
            if rest or not found:
                plain.extend(Message("assistant", result.content) for result in results)
                called.clear()
                results.clear()
        waits = message.role == "user" and not rest and bool(results)
        if rest or not message.content.strip():
            plain.append(Message(message.role, rest))
    return Exchange(tuple(plain), tuple(called), tuple(results), waits)


def _split_calls(text: str) -> tuple[list[tuple[str, Any]], str]:
    for match in list(_CALLS.finditer(text))[-_TRIED:]:
        try:
            value, end = _decoder.raw_decode(text, match.start())
        except (ValueError, RecursionError):
            continue
        calls = [
            (item["name"], item.get("args", {}))
            for item in value["tool_calls"]
            if isinstance(item, Mapping) and isinstance(item.get("name"), str)
        ]
        if calls:
            return calls, (text[: match.start()] + text[end:]).strip()
    return [], text


def _split_results(text: str) -> tuple[list[ToolResult], str]:
    results: list[ToolResult] = []
    rest, start = "", 0
    while (match := _RESULT.search(text, start)) and (end := _RESULT_END.search(text, match.end())):
        result = _result(match[1], text[match.end() : end.start()].removesuffix("\n"))
        if result is None:
            rest += text[start : end.end()]
        else:
            results.append(result)
            rest += text[start : match.start()]
        start = end.end()
    return (results, (rest + text[start:]).strip()) if results else ([], text)


def _result(head: str, content: str) -> ToolResult | None:
    try:
        about = json.loads(head)["tool_result"]
        name = about.get("name")
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
        return None
    return ToolResult(name if isinstance(name, str) else None, content, about.get("status") == "error")
