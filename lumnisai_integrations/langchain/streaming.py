"""News of a run as the chunks of LangChain's streams. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Unpack, cast

from langchain_core.messages import AIMessage, AIMessageChunk, InvalidToolCall, ToolCall, ToolCallChunk
from langchain_core.messages.content import ContentBlock
from langchain_core.messages.tool import tool_call_chunk
from langchain_core.outputs import ChatGenerationChunk

from lumnisai_core import ResponseObject, ResponseStatus, RunUpdate
from lumnisai_integrations.langchain.blocks import (
    CALLS,
    SHOWN_AS_BLOCKS,
    BlockPart,
    ProgressBlocks,
    answer_blocks,
    arguments_text,
    artifact_blocks,
    as_chunk,
    call_chunk,
)
from lumnisai_integrations.langchain.convert import DEFAULT_MODEL_NAME, AnswerOptions, convert_out, progress_kwargs

if TYPE_CHECKING:
    from langchain_protocol.protocol import (
        ContentBlockDeltaData,
        ContentBlockFinishData,
        ContentBlockStartData,
        MessageFinishData,
        MessagesData,
        MessageStartData,
    )


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


#: What the first event of a block leaves out, because the last one has it.
_WITHHELD: Mapping[str, Mapping[str, Any]] = {
    "text": {"text": ""},
    "server_tool_call": {"args": {}},
    "server_tool_result": {"output": None},
    "non_standard": {"value": {}},
}


class EventWriter:
    """Writes the news of one run as events that add up to the message of :func:`convert_out`.

    There is one ``message-start``, then block after block, each with its start, deltas and finish, then one
    ``message-finish``, which tells model, run, thread and status in its ``metadata``. The answer is one delta, because
    the service does not send it in pieces.

    Args:
        **options: As :func:`convert_out` takes them. Calls that the run asks for become ``tool_call`` blocks.
    """

    def __init__(self, **options: Unpack[AnswerOptions]) -> None:
        self._options = options
        self._progress: ProgressBlocks | None = None
        self._reasoning_index = 0
        self._reasoning: list[str] = []

    def accept(self, update: RunUpdate) -> Iterator[MessagesData]:
        """Write one update. The end of a run that did not succeed has no events: its stream raises next.

        Raises:
            StructuredOutputError: Tools were offered, and the run returned neither calls nor an answer.
        """
        response = update.response
        if response is not None and response.status != ResponseStatus.SUCCEEDED:
            return
        if self._progress is None:
            self._progress = ProgressBlocks(update.response_id)
            yield self._message_start(update.response_id)
        for part in self._progress.accept(update):
            if part.block["type"] == "reasoning":
                yield from self._reasoning_part(part.index, part.block.get("reasoning", ""))
            else:
                yield from self._close_reasoning()
                yield from _whole_block(part.index, part.block)
        if response is not None:
            yield from self._close_reasoning()
            yield from self._end(response, self._progress.count)

    def _message_start(self, response_id: str) -> MessageStartData:
        return {
            "event": "message-start",
            "role": "ai",
            "id": response_id,
            "metadata": {"provider": "lumnis", "model": self._options.get("model_name") or DEFAULT_MODEL_NAME},
        }

    def _reasoning_part(self, index: int, text: str) -> Iterator[MessagesData]:
        if not self._reasoning:
            self._reasoning_index = index
            yield _start(index, {"type": "reasoning", "reasoning": ""})
        self._reasoning.append(text)
        yield _delta(index, {"type": "reasoning-delta", "reasoning": text})

    def _close_reasoning(self) -> Iterator[MessagesData]:
        if self._reasoning:
            yield _finish(self._reasoning_index, {"type": "reasoning", "reasoning": "".join(self._reasoning)})
            self._reasoning = []

    def _end(self, response: ResponseObject, index: int) -> Iterator[MessagesData]:
        message = convert_out(response, **self._options)
        said = answer_blocks(str(message.text), message.tool_calls, message.invalid_tool_calls)
        for position, block in enumerate(said + artifact_blocks(response), index):
            yield from _whole_block(position, block)
        finish: dict[str, Any] = {"event": "message-finish", "metadata": message.response_metadata}
        others = {name: value for name, value in message.additional_kwargs.items() if name not in SHOWN_AS_BLOCKS}
        if others:
            finish["additional_kwargs"] = others
        yield cast("MessageFinishData", finish)  # the framework reads more of it than it declares


def _whole_block(index: int, block: ContentBlock) -> Iterator[MessagesData]:
    if block["type"] in CALLS:
        chunk = call_chunk(cast("Any", block), index)
        yield _start(index, {**chunk, "args": ""})
        yield _delta(index, {"type": "tool-call-delta", "args": chunk["args"]})
    else:
        withheld = _WITHHELD.get(block["type"], {})
        shown = {**cast("Any", block), **withheld}
        yield _start(index, {name: value for name, value in shown.items() if value is not None})
        if block["type"] == "text":
            yield _delta(index, {"type": "text-delta", "text": block["text"]})
    yield _finish(index, cast("Any", block))


# The framework's blocks and those of its protocol are the same dicts, but different types.


def _start(index: int, content: dict[str, Any]) -> ContentBlockStartData:
    return {"event": "content-block-start", "index": index, "content": cast("Any", content)}


def _delta(index: int, delta: dict[str, Any]) -> ContentBlockDeltaData:
    return {"event": "content-block-delta", "index": index, "delta": cast("Any", delta)}


def _finish(index: int, content: dict[str, Any]) -> ContentBlockFinishData:
    return {"event": "content-block-finish", "index": index, "content": cast("Any", content)}
