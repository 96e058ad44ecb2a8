"""Between LangChain's messages and the wire's: roles and plain text one way, runs and their news the other. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from langchain_core.messages import (
    AIMessage,
    AIMessageChunk,
    BaseMessage,
    ChatMessage,
    FunctionMessage,
    HumanMessage,
    SystemMessage,
    ToolMessage,
)
from langchain_core.outputs import ChatGenerationChunk

from lumnisai_core import MessageRole, ResponseObject, ResponseStatus, RunUpdate
from lumnisai_core.exceptions import ValidationError
from lumnisai_integrations._shared.progress import reasoning_text
from lumnisai_integrations._shared.structured import StructuredOutputError, structured_text
from lumnisai_integrations._shared.turns import tool_calls_text, tool_result_text

#: Shown in traces and metadata where no model was chosen.
DEFAULT_MODEL_NAME = "lumnis"

_ROLES = {
    "system": MessageRole.SYSTEM,
    "developer": MessageRole.SYSTEM,
    "human": MessageRole.USER,
    "user": MessageRole.USER,
    "ai": MessageRole.ASSISTANT,
    "assistant": MessageRole.ASSISTANT,
}

#: Blocks of an answer that are not part of what was said. Tool calls go out from ``AIMessage.tool_calls``.
_UNSAID_BLOCKS = frozenset(
    {
        "reasoning",
        "thinking",
        "redacted_thinking",
        "tool_call",
        "tool_call_chunk",
        "invalid_tool_call",
        "tool_use",
        "function_call",
        "server_tool_call",
        "server_tool_call_chunk",
        "server_tool_result",
    }
)


def convert_in(messages: Sequence[BaseMessage]) -> list[dict[str, str]]:
    """Write a conversation as roles and texts.

    Text blocks are joined, an assistant's tool calls and their results become text, and the ``name`` of a message is
    left out, because the wire has no field for these.

    Raises:
        ValidationError: There is no message, or one that the platform cannot take.
    """
    if not messages:
        raise ValidationError("There are no messages: pass a text, or a list that ends with a HumanMessage.")
    return [_wire_message(index, message) for index, message in enumerate(messages)]


def _wire_message(index: int, message: BaseMessage) -> dict[str, str]:
    match message:
        case ToolMessage():
            result = tool_result_text(
                _text(index, message), name=message.name, call_id=message.tool_call_id, status=message.status
            )
            return _turn(MessageRole.USER, result)
        case FunctionMessage():
            return _turn(MessageRole.USER, tool_result_text(_text(index, message), name=message.name, call_id=None))
        case AIMessage():
            return _turn(MessageRole.ASSISTANT, _assistant_text(index, message))
        case SystemMessage():
            return _turn(MessageRole.SYSTEM, _text(index, message))
        case HumanMessage():
            return _turn(MessageRole.USER, _text(index, message))
        case ChatMessage() if message.role.lower() in _ROLES:
            return _turn(_ROLES[message.role.lower()], _text(index, message))
        case ChatMessage():
            raise ValidationError(f"messages[{index}] has the role {message.role!r}: use {', '.join(sorted(_ROLES))}.")
        case _:
            raise ValidationError(
                f"messages[{index}] is a {type(message).__name__}, which cannot be sent: use system, human, AI or tool "
                "messages."
            )


def _turn(role: MessageRole, text: str) -> dict[str, str]:
    return {"role": role.value, "content": text}


def _assistant_text(index: int, message: AIMessage) -> str:
    said = _text(index, message)
    if not message.tool_calls:
        return said
    return tool_calls_text(said, [{key: call[key] for key in ("id", "name", "args")} for call in message.tool_calls])


def _text(index: int, message: BaseMessage) -> str:
    if isinstance(message.content, str):
        return message.content
    # Answers are cut into blocks at any place; what people write in blocks are paragraphs.
    joint = "" if isinstance(message, AIMessage) else "\n"
    return joint.join(_block_texts(f"messages[{index}]", message.content))


def _block_texts(place: str, blocks: Sequence[str | Mapping[str, Any]]) -> list[str]:
    return [text for block in blocks if (text := _block_text(place, block)) is not None]


def _block_text(place: str, block: str | Mapping[str, Any]) -> str | None:
    if isinstance(block, str):
        return block
    kind = block.get("type")
    if kind in _UNSAID_BLOCKS:
        return None
    if kind == "tool_result":
        return _tool_result(place, block)
    text = block.get("text")
    if isinstance(text, str):
        return text
    raise ValidationError(
        f"{place} holds a block of type {kind!r}: the platform takes plain text. Pass files and images by URI or "
        'artifact id instead: files=[{"name": ..., "uri": ...}], as an argument of the model or of the call.'
    )


def _tool_result(place: str, block: Mapping[str, Any]) -> str:
    content = block.get("content") or ""
    text = content if isinstance(content, str) else "\n".join(_block_texts(place, content))
    status = "error" if block.get("is_error") else "success"
    return tool_result_text(text, name=block.get("name"), call_id=block.get("tool_use_id"), status=status)


def convert_out(
    response: ResponseObject,
    *,
    model_name: str | None = None,
    structured: bool = False,
    stop: Sequence[str] = (),
) -> AIMessage:
    """Write a finished run as a message.

    Args:
        response: The run.
        model_name: The model that was asked for.
        structured: Whether an object was asked for. It becomes the content, as JSON text, and the run's own text goes
            to ``response_metadata["output_text"]``. If there is no object, the content is that text.
        stop: Texts before which the answer is cut off; they do not cut JSON.

    Returns:
        The message. Its id is that of the run, and its reasoning is what the run reported on its way.
    """
    content, metadata = _outcome(response, model_name=model_name, structured=structured, stop=stop)
    return AIMessage(
        content=content,
        id=response.response_id,
        response_metadata=metadata,
        additional_kwargs=_progress_kwargs([_entry_update(response, index) for index in range(len(response.progress))]),
    )


def _outcome(
    response: ResponseObject, *, model_name: str | None, structured: bool, stop: Sequence[str]
) -> tuple[str, dict[str, Any]]:
    metadata: dict[str, Any] = {
        "model_provider": "lumnis",
        "model_name": model_name or DEFAULT_MODEL_NAME,
        "response_id": response.response_id,
        "thread_id": response.thread_id,
        "status": str(response.status),
    }
    if response.response_title:
        metadata["response_title"] = response.response_title
    if not structured:
        return cut_at(response.output_text or "", stop), metadata
    metadata["output_text"] = response.output_text or ""
    try:
        return structured_text(response), metadata
    except StructuredOutputError:
        # A message with the text is worth more than no message; the parser of a structured chain raises.
        return response.output_text or "", metadata


def cut_at(text: str, stop: Sequence[str]) -> str:
    """Return the part of a text before the first of these; all of it if none is in it."""
    ends = [place for mark in stop if mark and (place := text.find(mark)) >= 0]
    return text[: min(ends)] if ends else text


def progress_data(update: RunUpdate) -> dict[str, Any]:
    """Write news of a run as plain data, as callbacks and stream consumers read it."""
    return {
        "response_id": update.response_id,
        "thread_id": update.thread_id,
        "status": str(update.status),
        "state": update.state,
        "message": update.message,
        "tool_calls": [call.model_dump(mode="json", exclude_none=True) for call in update.tool_calls],
        "entry_index": update.entry_index,
    }


def _entry_update(response: ResponseObject, index: int) -> RunUpdate:
    entry = response.progress[index]
    return RunUpdate(
        response_id=response.response_id,
        thread_id=response.thread_id,
        status=ResponseStatus.IN_PROGRESS,
        state=entry.state,
        message=entry.message,
        tool_calls=tuple(entry.tool_calls),
        entry_index=index,
    )


def _progress_kwargs(updates: Sequence[RunUpdate]) -> dict[str, Any]:
    shown = [(text, update) for update in updates if (text := reasoning_text(update))]
    if not shown:
        return {}
    return {
        "reasoning_content": "".join(text for text, _ in shown),
        "lumnis_progress": [progress_data(update) for _, update in shown],
    }


class ChunkWriter:
    """Writes the news of one run as chunks that add up to the message of :func:`convert_out`.

    Args:
        model_name: The model that was asked for.
        structured: Whether an object was asked for.
        stop: Texts before which the answer is cut off.
    """

    def __init__(self, *, model_name: str | None = None, structured: bool = False, stop: Sequence[str] = ()) -> None:
        self._model_name = model_name
        self._structured = structured
        self._stop = stop

    def accept(self, update: RunUpdate) -> ChatGenerationChunk | None:
        """Write one update: progress as reasoning, the answer as the last chunk; None if there is nothing to show."""
        if update.response is None:
            shown = _progress_kwargs([update])
            return _chunk(AIMessageChunk(content="", id=update.response_id, additional_kwargs=shown)) if shown else None
        if update.response.status != ResponseStatus.SUCCEEDED:
            return None  # the stream raises next
        content, metadata = _outcome(
            update.response, model_name=self._model_name, structured=self._structured, stop=self._stop
        )
        return _chunk(
            AIMessageChunk(content=content, id=update.response_id, response_metadata=metadata, chunk_position="last")
        )


def _chunk(message: AIMessageChunk) -> ChatGenerationChunk:
    return ChatGenerationChunk(message=message)
