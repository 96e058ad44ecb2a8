"""Texts of turns: tool calls and their results, and lines instead of what cannot be sent. Pure."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from typing import Any

from lumnisai_integrations._shared.tools import json_or_text

_END_OF_RESULT = "[end of tool result]"
#: Beginnings of the names of our own entries in ``additional_kwargs``.
_OWN_KEYS = ("lumnis_", "liminal_")


_OWN_ITEM = rf"'(?:{'|'.join(_OWN_KEYS)})\w++': (?:'[^'\n]*+'|True|False|None)"
_PRINTED_KWARGS = re.compile(rf"\n\{{{_OWN_ITEM}(?:, {_OWN_ITEM})*+(?P<others>, .*)?\}}(?=\n|$)")


class PlainKwargs(dict[str, Any]):
    """``additional_kwargs`` of a message, which frameworks print into prompts: entries of this package do not show."""

    def _shown(self) -> dict[str, Any]:
        return {name: value for name, value in self.items() if not name.startswith(_OWN_KEYS)}

    def __bool__(self) -> bool:
        return bool(self._shown())

    def __repr__(self) -> str:
        return repr(self._shown())


def _only_others(printed: re.Match[str]) -> str:
    others = printed["others"]
    return f"\n{{{others.removeprefix(', ')}}}" if others else ""


def tool_calls_text(content: str, calls: Sequence[Mapping[str, Any]]) -> str:
    """Return an assistant turn: its text, then its tool calls, each with ``id``, ``name`` and ``args``."""
    written = json.dumps({"tool_calls": [dict(call) for call in calls]}, ensure_ascii=False, default=str)
    return f"{content}\n{written}" if content else written


def tool_result_text(content: str, *, name: str | None, call_id: str | None, status: str | None = None) -> str:
    """Return the result of a tool call as a turn of the user; ``status`` is ``success``, ``error`` or unknown."""
    about = {"name": name, "id": call_id} | ({} if status is None else {"status": status})
    return f"{json.dumps({'tool_result': about}, ensure_ascii=False)}\n{content}\n{_END_OF_RESULT}"


def read_tool_calls(text: str) -> tuple[str, list[dict[str, Any]]]:
    """Return the text and the calls of an assistant's turn that :func:`tool_calls_text` has written, else no calls."""
    content, _, last_line = text.rpartition("\n")
    listed = _object(last_line).get("tool_calls")
    calls = [item for item in listed if _is_call(item)] if isinstance(listed, list) else []
    return (content, calls) if calls and len(calls) == len(listed or ()) else (text, [])


def read_tool_result(text: str) -> tuple[Mapping[str, Any], str] | None:
    """Return name, id and status of a tool result and its text; None for anything else."""
    head, _, rest = text.partition("\n")
    result = _object(head).get("tool_result")
    if not isinstance(result, Mapping) or not rest.endswith(_END_OF_RESULT):
        return None
    return result, rest.removesuffix(_END_OF_RESULT).removesuffix("\n")


def _is_call(item: object) -> bool:
    return isinstance(item, dict) and isinstance(item.get("name"), str) and isinstance(item.get("args"), dict)


def _object(line: str) -> Mapping[str, Any]:
    value = json_or_text(line)
    return value if isinstance(value, dict) else {}


def left_out(reason: str) -> str:
    """Return the line that is sent instead of a message or a part of one."""
    return f"[Left out: {reason}]"


def too_long(text: str) -> str:
    """Return the line that is sent instead of a text that the service refuses as too long."""
    return left_out(f"a message of {len(text)} characters, which is too long to be sent")


def sendable(text: str) -> tuple[str, str | None]:
    """Return a text as it can be sent, and what had to be replaced in it, if anything.

    Without :class:`PlainKwargs` that LlamaIndex has printed into a prompt after they were read from a database.
    """
    text = _PRINTED_KWARGS.sub(_only_others, text) if "{'l" in text else text
    lone = next((char for char in text if "\ud800" <= char <= "\udfff"), None)
    if lone is None:
        return text, None
    reason = f"a lone surrogate, {lone!a} at position {text.index(lone)}, which cannot be written as UTF-8"
    return text.encode("utf-8", "replace").decode(), reason


def spoken(name: object, text: str) -> str:
    """Return a text with the name of its speaker, for which the wire has no field."""
    return f"{name}: {text}" if isinstance(name, str) and name and text else text
