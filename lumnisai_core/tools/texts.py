"""Texts of turns: tool calls and their results, and lines instead of what cannot be sent. Pure."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

_END_OF_RESULT = "[end of tool result]"
#: Beginnings of the names of the adapters' entries in ``additional_kwargs`` of messages.
OWN_KEYS = ("lumnis_", "liminal_")
_OWN_ITEM = rf"'(?:{'|'.join(OWN_KEYS)})\w++': (?:'[^'\n]*+'|True|False|None)"
_PRINTED_KWARGS = re.compile(rf"\n\{{{_OWN_ITEM}(?:, {_OWN_ITEM})*+(?P<others>, .*)?\}}(?=\n|$)")


def json_or_text(text: str) -> Any:
    """Return the value of a JSON text, or the text itself if it is not JSON."""
    try:
        return json.loads(text)
    except ValueError:
        return text


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

    Without entries of the adapters in ``additional_kwargs`` that LlamaIndex has printed into a prompt after they were
    read from a database.
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


# Answers that are shown while they are written


def cut_at(text: str, stop: Iterable[str]) -> str:
    """Return the text before the first of these marks, or all of it if it contains none."""
    ends = [place for mark in stop if mark and (place := text.find(mark)) >= 0]
    return text[: min(ends)] if ends else text


def cut_while_growing(text: str, stop: Sequence[str]) -> str:
    """Return the part of a growing text that can be shown: nothing that is, or may become, one of these marks."""
    cut = cut_at(text, stop)
    if cut != text:
        return cut
    held = (size for mark in stop for size in range(1, len(mark)) if text.endswith(mark[:size]))
    return text[: len(text) - max(held, default=0)]


def rest_of(answer: str, shown: str) -> str:
    """Return what a whole answer adds to what is shown: all of it, in a paragraph of its own, if it differs."""
    if answer.startswith(shown):
        return answer[len(shown) :]
    return f"\n\n{answer}" if answer else ""
