"""News of a run as the chunks of LangChain's streams. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Unpack

from langchain_core.messages import AIMessage, AIMessageChunk, InvalidToolCall, ToolCall, ToolCallChunk
from langchain_core.messages.tool import tool_call_chunk
from langchain_core.outputs import ChatGenerationChunk

from lumnisai_core import ResponseObject, ResponseStatus, RunUpdate
from lumnisai_integrations.langchain.blocks import (
    SHOWN_AS_BLOCKS,
    BlockPart,
    ProgressBlocks,
    answer_blocks,
    arguments_text,
    artifact_blocks,
    as_chunk,
)
from lumnisai_integrations.langchain.convert import AnswerOptions, convert_out, progress_kwargs


class ChunkWriter:
    """Writes the news of one run as chunks that add up to the message of :func:`convert_out`.

    Args:
        as_blocks: Whether the content of chunks is a list of blocks.
        **options: As :func:`convert_out` takes them.
    """

    def __init__(self, *, as_blocks: bool = False, **options: Unpack[AnswerOptions]) -> None:
        self._options = options
        self._as_blocks = as_blocks
        self._progress: ProgressBlocks | None = None

    def accept(self, update: RunUpdate) -> ChatGenerationChunk | None:
        """Write one update: progress as reasoning, the answer as the last chunk; None if there is nothing to show.

        Raises:
            StructuredOutputError: Tools were offered, and the run returned neither calls nor an answer.
        """
        if update.response is None:
            return self._news(update)
        if update.response.status != ResponseStatus.SUCCEEDED:
            return None  # the stream raises next
        message = convert_out(update.response, **self._options)
        return _chunk(self._blocks_end(update, message) if self._as_blocks else _text_end(message))

    def _news(self, update: RunUpdate) -> ChatGenerationChunk | None:
        tags = progress_kwargs([update])
        if not tags:
            return None
        if not self._as_blocks:
            return _chunk(AIMessageChunk(content="", id=update.response_id, additional_kwargs=tags))
        content: Any = [as_chunk(part) for part in self._blocks(update)]
        return _chunk(
            AIMessageChunk(
                content=content,
                id=update.response_id,
                additional_kwargs=_without_blocks(tags),
                response_metadata={"output_version": "v1"},
            )
        )

    def _blocks(self, update: RunUpdate) -> list[BlockPart]:
        if self._progress is None:
            self._progress = ProgressBlocks(update.response_id)
        return self._progress.accept(update)

    def _blocks_end(self, update: RunUpdate, message: AIMessage) -> AIMessageChunk:
        parts = self._blocks(update)
        begin = 0 if self._progress is None else self._progress.count
        said = answer_blocks(str(message.text), message.tool_calls, message.invalid_tool_calls)
        ends = said + artifact_blocks(_response(update))
        parts += [BlockPart(index, block) for index, block in enumerate(ends, begin)]
        calls: list[ToolCall | InvalidToolCall] = [*message.tool_calls, *message.invalid_tool_calls]
        content: Any = [as_chunk(part) for part in parts]
        return AIMessageChunk(
            content=content,
            id=message.id,
            response_metadata={**message.response_metadata, "output_version": "v1"},
            tool_call_chunks=_call_chunks(calls, begin + len(said) - len(calls)),
            chunk_position="last",
        )


def _response(update: RunUpdate) -> ResponseObject:
    assert update.response is not None  # noqa: S101 - the last update has it
    return update.response


def _text_end(message: AIMessage) -> AIMessageChunk:
    artifacts = message.additional_kwargs.get("artifacts")
    return AIMessageChunk(
        content=message.content,
        id=message.id,
        response_metadata=message.response_metadata,
        tool_call_chunks=_call_chunks([*message.tool_calls, *message.invalid_tool_calls], 0),
        additional_kwargs={"artifacts": artifacts} if artifacts else {},
        chunk_position="last",
    )


def _call_chunks(calls: Sequence[ToolCall | InvalidToolCall], begin: int) -> list[ToolCallChunk]:
    return [
        tool_call_chunk(name=call["name"], args=arguments_text(call["args"]), id=call["id"], index=index)
        for index, call in enumerate(calls, begin)
    ]


def _without_blocks(tags: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in tags.items() if name not in SHOWN_AS_BLOCKS}


def _chunk(message: AIMessageChunk) -> ChatGenerationChunk:
    return ChatGenerationChunk(message=message)
