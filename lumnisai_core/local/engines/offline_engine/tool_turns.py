"""Tool turns of a conversation, which are written as text: the calls, the results, and the messages without them."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable
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
class Call:
    """A tool call."""

    name: str
    args: Any


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
    called: tuple[Call, ...] = ()
    results: tuple[ToolResult, ...] = ()
    waits: bool = False


def exchange_of(messages: Iterable[Message]) -> Exchange:
    """Separate the tool turns of a conversation. Results from before the user's last message become messages."""
    plain: list[Message] = []
    called: list[Call] = []
    results: list[ToolResult] = []
    waits = False
    for message in messages:
        rest = message.content
        if message.role == "assistant":
            calls, rest = _split_calls(rest)
            called += calls
        elif message.role == "user":
            found, rest = _split_results(rest)
            results += found
            if rest or not found:
                plain += (Message("assistant", result.content) for result in results)
                called, results = [], []
        waits = bool(results) and (waits if message.role == "system" else message.role == "user")
        if rest or not message.content.strip():
            plain.append(Message(message.role, rest))
    return Exchange(tuple(plain), tuple(called), tuple(results), waits)


def decoded(text: str, start: int = 0) -> tuple[Any, int]:
    """Return the JSON value that begins at a place, and where it ends; None and the next place if there is none."""
    try:
        return _decoder.raw_decode(text, start)
    except (ValueError, RecursionError):
        return None, start + 1


def _split_calls(text: str) -> tuple[list[Call], str]:
    for match in list(_CALLS.finditer(text))[-_TRIED:]:
        value, end = decoded(text, match.start())
        items = [item for item in value["tool_calls"] if isinstance(item, dict)] if value else []
        if calls := [Call(item["name"], item.get("args", {})) for item in items if isinstance(item.get("name"), str)]:
            return calls, (text[: match.start()] + text[end:]).strip()
    return [], text


def _split_results(text: str) -> tuple[list[ToolResult], str]:
    results: list[ToolResult] = []
    rest, start = "", 0
    while (match := _RESULT.search(text, start)) and (end := _RESULT_END.search(text, match.end())):
        head, _ = decoded(match[1])
        about, kept = head and head["tool_result"], end.end()
        if isinstance(about, dict):
            name, content = about.get("name"), text[match.end() : end.start()].removesuffix("\n")
            results.append(ToolResult(name if isinstance(name, str) else None, content, about.get("status") == "error"))
            kept = match.start()
        rest += text[start:kept]
        start = end.end()
    return (results, (rest + text[start:]).strip()) if results else ([], text)
