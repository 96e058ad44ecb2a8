"""Messages of LangChain as those of Lumi.new's text route, with pictures. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from langchain_core.messages import (
    AIMessage,
    BaseMessage,
    ChatMessage,
    FunctionMessage,
    HumanMessage,
    SystemMessage,
    ToolMessage,
)

from lumnisai_core.exceptions import ValidationError
from lumnisai_core.tools import left_out, spoken, tool_calls_text, tool_result_text
from lumnisai_integrations._shared.lumi.texts import Media, data_url, unsendable, written_message

_ROLES = {"human": "user", "user": "user", "ai": "assistant", "assistant": "assistant"}
_ROLES |= dict.fromkeys(("system", "developer"), "system")

_FILES = frozenset({"image", "audio", "video", "file"})

#: Blocks of answers that are not part of a conversation, or are sent as tool calls.
_UNSENT = frozenset(
    {"reasoning", "tool_call", "tool_call_chunk", "invalid_tool_call", "server_tool_call", "server_tool_result"}
)


def convert_in(messages: Sequence[BaseMessage]) -> list[dict[str, Any]]:
    """Return a conversation as the service takes it.

    Tool calls and their results become text, and the ``name`` of a speaker begins the text. Pictures and files are sent
    by address or content. Instead of what else a tool or a model wrote there is a line of text.

    Raises:
        ValidationError: There are no messages, or one of the user or an instruction cannot be sent.
    """
    if not messages:
        raise ValidationError("There are no messages: pass a text, or a list that ends with a HumanMessage.")
    calls = (call for message in messages if isinstance(message, AIMessage) for call in message.tool_calls)
    names = {call["id"]: call["name"] for call in calls if call["id"]}
    return [_written(f"messages[{index}]", message, names) for index, message in enumerate(messages)]


def _written(place: str, message: BaseMessage, names: Mapping[str, str]) -> dict[str, Any]:
    is_strict = isinstance(message, HumanMessage | SystemMessage | ChatMessage)
    medias: list[Media] = []
    texts = list(_texts(place, message, medias, is_strict=is_strict))
    text = ("" if isinstance(message, AIMessage) else "\n").join(texts)
    match message:
        case ToolMessage():
            name = message.name or names.get(message.tool_call_id)
            text = tool_result_text(text, name=name, call_id=message.tool_call_id, status=message.status)
            return written_message("user", text, medias)
        case FunctionMessage():
            return written_message("user", tool_result_text(text, name=message.name, call_id=None), medias)
        case AIMessage():
            calls = [*message.tool_calls, *message.invalid_tool_calls]
            text = spoken(message.name, text)
            if calls:
                text = tool_calls_text(text, [{key: call.get(key) for key in ("id", "name", "args")} for call in calls])
            return written_message("assistant", text)
        case SystemMessage():
            return written_message("system", text)
        case HumanMessage():
            return written_message("user", spoken(message.name, text), medias)
        case ChatMessage() if message.role.lower() in _ROLES:
            return written_message(_ROLES[message.role.lower()], spoken(message.name, text), medias)
    found = f"role {message.role!r}" if isinstance(message, ChatMessage) else type(message).__name__
    raise ValidationError(
        f"{place} must be a system, human, AI or tool message, or have one of the roles {', '.join(sorted(_ROLES))}, "
        f"got {found}."
    )


def _texts(place: str, message: BaseMessage, medias: list[Media], *, is_strict: bool) -> Iterator[str]:
    """Yield the texts of a message, and add its pictures and files to ``medias``."""
    if isinstance(message.content, str):
        yield message.content
        return
    for block in message.content_blocks:
        found: Any = block
        kind = found["type"]
        if kind in ("text", "text-plain") and isinstance(found.get("text"), str):
            yield found["text"]
        elif kind in _UNSENT or (kind == "non_standard" and isinstance(message, AIMessage)):
            continue
        elif kind in _FILES and (media := _media(found)) is not None and not isinstance(message, AIMessage):
            medias.append(media)
        elif (nested := _nested(found)) is not None:
            yield nested
        elif is_strict:
            raise unsendable(place, found.get("value", {}).get("type", kind) if kind == "non_standard" else kind)
        else:
            yield left_out(f"a block of type {kind!r}")


def _media(block: Mapping[str, Any]) -> Media | None:
    kind = block.get("mime_type")
    if isinstance(block.get("url"), str):
        return Media(block["url"], kind)
    if isinstance(block.get("base64"), str):
        known = kind or {"image": "image/png", "audio": "audio/wav", "video": "video/mp4"}.get(block["type"])
        return Media(data_url(known or "application/octet-stream", block["base64"]))
    return None


def _nested(block: Mapping[str, Any]) -> str | None:
    """Return the text of a tool result or document of another provider."""
    value = block.get("value") if block["type"] == "non_standard" else None
    if not isinstance(value, Mapping):
        return None
    if value.get("type") == "tool_result":
        content = value.get("content") or ""
        rows = [content] if isinstance(content, str) else [row.get("text", "") for row in content]
        return tool_result_text("\n".join(map(str, rows)), name=value.get("name"), call_id=value.get("tool_use_id"))
    return value["text"] if isinstance(value.get("text"), str) else None
