"""Messages and items of OpenAI's protocol as the roles and plain texts of runs. Pure."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from lumnisai_core.local.web.errors import ApiError
from lumnisai_core.tools import json_or_text, left_out, spoken, tool_calls_text, tool_result_text

_ROLES = {"system": "system", "developer": "system", "user": "user", "assistant": "assistant"}
_TEXTS = ("text", "input_text", "output_text")
WireMessage = dict[str, str]


def wrong(message: str, param: str, code: str = "INVALID_VALUE") -> ApiError:
    """Return the refusal of a part of a request, by its name."""
    return ApiError(400, code, message, param=param)


def wire_messages(messages: Sequence[Any], names: Mapping[str, str] | None = None) -> list[WireMessage]:
    """Return chat messages as roles and texts.

    Tool calls and their results become texts. Media become a line that says so, but in the newest message of the user
    and in instructions, where they are refused.

    Args:
        messages: The messages, as `POST /chat/completions` takes them.
        names: Names of tools by the ids of earlier calls.

    Raises:
        ApiError: A message has another form, or media that cannot be sent; names its place.
    """
    names = {**(names or {}), **_names(messages)}
    newest = max((at for at, message in enumerate(messages) if _role(message) == "user"), default=None)
    return [_wire(f"messages[{at}]", message, names, is_newest=at == newest) for at, message in enumerate(messages)]


def _role(message: object) -> object:
    return message.get("role") if isinstance(message, Mapping) else None


def _names(messages: Sequence[Any]) -> dict[str, str]:
    calls = (call for message in messages if isinstance(message, Mapping) for call in _listed_calls(message))
    known = (call for call in calls if isinstance(call, Mapping) and isinstance(call.get("function"), Mapping))
    return {str(call.get("id")): str(call["function"].get("name")) for call in known}


def _listed_calls(message: Mapping[str, Any]) -> list[Any]:
    calls = message.get("tool_calls")
    return calls if isinstance(calls, list) else []


def _wire(place: str, message: Any, names: Mapping[str, str], *, is_newest: bool) -> WireMessage:
    role = _role(message)
    if not isinstance(message, Mapping) or not isinstance(role, str):
        raise wrong(f"{place} must be an object with role and content, got {_short(message)}.", place)
    is_fixed = not is_newest and role not in ("system", "developer")
    text = "".join(_parts(f"{place}.content", message.get("content"), is_fixed=is_fixed))
    if role in ("tool", "function"):
        call_id = message.get("tool_call_id")
        name = names.get(str(call_id)) or message.get("name")
        return {"role": "user", "content": tool_result_text(text, name=name, call_id=call_id)}
    if role not in _ROLES:
        known = ", ".join([*_ROLES, "tool"])
        raise wrong(f"{place}.role must be one of {known}, got {role!r}.", f"{place}.role")
    text = spoken(message.get("name"), text)
    if calls := list(_calls(f"{place}.tool_calls", message)):
        text = tool_calls_text(text, calls)
    return {"role": _ROLES[role], "content": text}


def _calls(place: str, message: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
    for at, call in enumerate(_listed_calls(message)):
        function = call.get("function") if isinstance(call, Mapping) else None
        if not isinstance(function, Mapping) or not isinstance(function.get("name"), str):
            raise wrong(f"{place}[{at}] must be a call of a function with a name.", f"{place}[{at}]")
        arguments = function.get("arguments") or "{}"
        args = json_or_text(arguments) if isinstance(arguments, str) else arguments
        yield {"id": call.get("id"), "name": function["name"], "args": args}


def _parts(place: str, content: Any, *, is_fixed: bool) -> Iterator[str]:
    if content is None or isinstance(content, str):
        yield content or ""
        return
    if not isinstance(content, Sequence):
        raise wrong(f"{place} must be a text or a list of parts, got {_short(content)}.", place)
    for at, part in enumerate(content):
        kind = part.get("type") if isinstance(part, Mapping) else None
        text = part.get("text" if kind in _TEXTS else "refusal") if isinstance(part, Mapping) else None
        if isinstance(text, str):
            yield text
        elif is_fixed:
            yield left_out(f"a part of type {kind!r}")
        else:
            raise wrong(
                f"{place}[{at}] has the type {kind!r}: agents take plain text here. Upload files through the service's "
                "own API, or send their text.",
                f"{place}[{at}]",
                "UNSUPPORTED_CONTENT",
            )


def chat_messages(items: str | Sequence[Any]) -> list[Any]:
    """Return the input of `POST /responses`, a text or a list of items, as chat messages.

    Function calls that follow each other or an answer are the calls of one turn; reasoning is left out.
    """
    if isinstance(items, str):
        return [{"role": "user", "content": items}]
    messages: list[Any] = []
    for at, item in enumerate(items):
        kind = item.get("type", "message") if isinstance(item, Mapping) else "message"
        if kind == "message":
            messages.append(item)
        elif kind == "function_call":
            call = {"id": item.get("call_id"), "function": {key: item.get(key) for key in ("name", "arguments")}}
            if not messages or _role(messages[-1]) != "assistant":
                messages.append({"role": "assistant"})
            messages[-1] = {**messages[-1], "tool_calls": [*messages[-1].get("tool_calls", ()), call]}
        elif kind == "function_call_output":
            messages.append({"role": "tool", "tool_call_id": item.get("call_id"), "content": item.get("output")})
        elif kind != "reasoning":
            place = f"input[{at}]"
            raise wrong(f"{place} has the type {kind!r}, which agents do not take.", place, "UNSUPPORTED_CONTENT")
    return messages


def instructions_mark(messages: Sequence[WireMessage]) -> str | None:
    """Return a short mark of the instructions among messages, which tells whether others hold; None without any."""
    texts = [message["content"] for message in messages if message["role"] == "system"]
    return hashlib.sha256(json.dumps(texts).encode()).hexdigest()[:16] if texts else None


def next_turn(messages: Sequence[WireMessage], mark: str | None) -> list[WireMessage]:
    """Return the messages that a thread does not hold yet: those after the last answer, and new instructions.

    Args:
        messages: The whole conversation, or its newest messages.
        mark: Mark of the instructions that hold on the thread.

    Raises:
        ApiError: Nothing follows the last answer.
    """
    last = max((at for at, message in enumerate(messages) if message["role"] == "assistant"), default=-1)
    instructions = [message for message in messages if message["role"] == "system"]
    new = [message for message in messages[last + 1 :] if message["role"] != "system"]
    if not new:
        raise wrong("messages must end with a message of the user or a result of a tool.", "messages")
    return new if instructions_mark(messages) in (None, mark) else [*instructions, *new]


def _short(value: object) -> str:
    text = json.dumps(value, ensure_ascii=False, default=str)
    return text if len(text) <= 100 else f"{text[:100]}…"
