"""Messages of LlamaIndex as those of Lumi.new's text route, with pictures. Pure, but for reading local pictures."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from llama_index.core.base.llms.types import (
    AudioBlock,
    CachePoint,
    ChatMessage,
    CitableBlock,
    CitationBlock,
    DocumentBlock,
    ImageBlock,
    MessageRole,
    TextBlock,
    ThinkingBlock,
    ToolCallBlock,
    VideoBlock,
)

from lumnisai_core.exceptions import ValidationError
from lumnisai_core.tools import json_or_text, left_out, spoken, tool_calls_text, tool_result_text
from lumnisai_integrations._shared.lumi.texts import Media, unsendable, written_message

_TOOL_ROLES = (MessageRole.TOOL, MessageRole.FUNCTION)
_ROLES = {
    **dict.fromkeys(MessageRole, "assistant"),
    **dict.fromkeys((MessageRole.USER, *_TOOL_ROLES), "user"),
    **dict.fromkeys((MessageRole.SYSTEM, MessageRole.DEVELOPER), "system"),
}


def convert_in(messages: Sequence[ChatMessage]) -> list[dict[str, Any]]:
    """Return a conversation as the service takes it.

    Tool calls and their results become text, and the name of a speaker begins the text. Pictures and files are sent by
    address or content.

    Raises:
        ValidationError: There are no messages, or one of the user or an instruction cannot be sent.
    """
    if not messages:
        raise ValidationError("There are no messages: pass at least one of the user.")
    calls = (block for message in messages for block in message.blocks if isinstance(block, ToolCallBlock))
    names = {call.tool_call_id: call.tool_name for call in calls if call.tool_call_id}
    return [_written(f"messages[{index}]", message, names) for index, message in enumerate(messages)]


def _written(place: str, message: ChatMessage, names: Mapping[str, str]) -> dict[str, Any]:
    role, known = _ROLES[message.role], message.additional_kwargs
    is_result = message.role in _TOOL_ROLES
    medias: list[Media] = []
    text = "\n".join(_texts(place, message.blocks, medias, is_strict=role != "assistant" and not is_result))
    if is_result:
        call_id = known.get("tool_call_id")
        called = names.get(call_id) if isinstance(call_id, str) else None
        return written_message(
            "user", tool_result_text(text, name=known.get("name") or called, call_id=call_id), medias
        )
    calls = [
        {"id": block.tool_call_id, "name": block.tool_name, "args": _arguments(block.tool_kwargs)}
        for block in message.blocks
        if isinstance(block, ToolCallBlock)
    ]
    text = text if role == "system" else spoken(known.get("name"), text)
    return written_message(role, tool_calls_text(text, calls) if calls else text, medias if role == "user" else ())


def _arguments(arguments: Any) -> Any:
    return json_or_text(arguments) if isinstance(arguments, str) else arguments


def _texts(place: str, blocks: Sequence[Any], medias: list[Media], *, is_strict: bool) -> Iterator[str]:
    """Yield the texts of blocks, and add their pictures and files to ``medias``."""
    for block in blocks:
        match block:
            case TextBlock():
                yield block.text
            case CitableBlock():
                yield f"{block.title} ({block.source}):"
                yield from _texts(place, block.content, medias, is_strict=is_strict)
            case CitationBlock():
                yield from _texts(place, [block.cited_content], medias, is_strict=is_strict)
            case ThinkingBlock() | CachePoint() | ToolCallBlock():
                continue
            case ImageBlock():
                medias.append(Media(str(block.url) if block.url else block.inline_url(), block.image_mimetype))
            case DocumentBlock():
                medias.append(Media(block.url or block.inline_url(), block.document_mimetype))
            case AudioBlock():
                kind = f"audio/{block.format}" if block.format else None
                medias.append(Media(str(block.url) if block.url else block.inline_url(), kind))
            case VideoBlock():
                medias.append(Media(str(block.url) if block.url else block.inline_url(), block.video_mimetype))
            case _ if is_strict:
                raise unsendable(place, getattr(block, "block_type", type(block).__name__))
            case _:
                yield left_out(f"a block of kind {getattr(block, 'block_type', type(block).__name__)!r}")
