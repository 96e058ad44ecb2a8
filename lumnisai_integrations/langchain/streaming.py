"""Streams of LangChain: the updates of a run as message chunks, or as events of content blocks. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from itertools import count
from typing import TYPE_CHECKING, Any, Protocol, TypeVar, Unpack, cast

from langchain_core.messages import AIMessageChunk, InvalidToolCall, ToolCall
from langchain_core.messages.content import ContentBlock
from langchain_core.messages.tool import tool_call_chunk
from langchain_core.outputs import ChatGenerationChunk

from lumnisai_core import ResponseObject, ResponseStatus, RunUpdate
from lumnisai_integrations.langchain.blocks import (
    CALLS,
    BlockPart,
    ProgressBlocks,
    answer_blocks,
    arguments_text,
    artifact_blocks,
    as_chunk,
    call_chunk,
    without_repeated,
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


T_co = TypeVar("T_co", covariant=True)


class StreamWriter(Protocol[T_co]):
    """Turns the updates of one run into items of a stream."""

    def accept(self, update: RunUpdate) -> Iterator[T_co]:
        """Yield the items of one update."""
        ...


class ChunkWriter:
    """Turns the updates of one run into chunks that add up to the message of :func:`convert_out`.

    Args:
        as_blocks: Whether the content of chunks is a list of blocks.
        **options: Options of :func:`convert_out`.
    """

    def __init__(self, *, as_blocks: bool = False, **options: Unpack[AnswerOptions]) -> None:
        self._options = options
        self._as_blocks = as_blocks
        self._progress: ProgressBlocks | None = None

    def accept(self, update: RunUpdate) -> Iterator[ChatGenerationChunk]:
        """Yield the chunk of one update, if any: progress as reasoning, the answer as the last chunk.

        Raises:
            StructuredOutputError: Tools were offered, and the run returned neither tool calls nor an answer.
        """
        response = update.response
        if response is None:
            kwargs = progress_kwargs([update])
            if not kwargs:
                return
            content: Any = ""
            metadata: dict[str, Any] = {}
            if self._as_blocks:
                content, kwargs = [as_chunk(part) for part in self._parts(update)], without_repeated(kwargs)
                metadata = {"output_version": "v1"}
            chunk = AIMessageChunk(
                content=content, id=update.response_id, additional_kwargs=kwargs, response_metadata=metadata
            )
        elif response.status == ResponseStatus.SUCCEEDED:
            chunk = self._last_chunk(update, response)
        else:
            return  # the stream raises next
        yield ChatGenerationChunk(message=chunk)

    def _parts(self, update: RunUpdate) -> list[BlockPart]:
        if self._progress is None:
            self._progress = ProgressBlocks(update.response_id)
        return self._progress.accept(update)

    def _last_chunk(self, update: RunUpdate, response: ResponseObject) -> AIMessageChunk:
        message = convert_out(response, **self._options)
        calls: list[ToolCall | InvalidToolCall] = [*message.tool_calls, *message.invalid_tool_calls]
        metadata, artifacts = message.response_metadata, message.additional_kwargs.get("artifacts")
        content: Any = message.content
        kwargs = {"artifacts": artifacts} if artifacts else {}
        first_call = 0
        if self._as_blocks:
            parts = self._parts(update)
            begin = 0 if self._progress is None else self._progress.count
            answer = answer_blocks(str(message.text), message.tool_calls, message.invalid_tool_calls)
            blocks = answer + artifact_blocks(response)
            content = [as_chunk(part) for part in (*parts, *map(BlockPart, count(begin), blocks))]
            first_call = begin + len(answer) - len(calls)
            metadata, kwargs = {**metadata, "output_version": "v1"}, {}
        return AIMessageChunk(
            content=content,
            id=message.id,
            response_metadata=metadata,
            tool_call_chunks=[
                tool_call_chunk(name=call["name"], args=arguments_text(call["args"]), id=call["id"], index=index)
                for index, call in enumerate(calls, first_call)
            ],
            additional_kwargs=kwargs,
            chunk_position="last",
        )


#: Contents that the first event of a block leaves out, because the last event has them.
_WITHHELD: Mapping[str, Mapping[str, Any]] = {
    "text": {"text": ""},
    "server_tool_call": {"args": {}},
    "server_tool_result": {"output": None},
    "non_standard": {"value": {}},
}


class EventWriter:
    """Turns the updates of one run into events that add up to the message of :func:`convert_out`.

    There is one ``message-start``, then block after block, each with its start, deltas and finish, then one
    ``message-finish`` with model, run, thread and status in its ``metadata``. The answer is one delta, because the
    service does not send it in pieces.

    Args:
        **options: Options of :func:`convert_out`. Tool calls for the caller become ``tool_call`` blocks.
    """

    def __init__(self, **options: Unpack[AnswerOptions]) -> None:
        self._options = options
        self._progress: ProgressBlocks | None = None
        self._reasoning_index = 0
        self._reasoning: list[str] = []

    def accept(self, update: RunUpdate) -> Iterator[MessagesData]:
        """Yield the events of one update. The end of a run that did not succeed has none: its stream raises next.

        Raises:
            StructuredOutputError: Tools were offered, and the run returned neither tool calls nor an answer.
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
        answer = answer_blocks(str(message.text), message.tool_calls, message.invalid_tool_calls)
        for position, block in enumerate(answer + artifact_blocks(response), index):
            yield from _whole_block(position, block)
        finish: dict[str, Any] = {"event": "message-finish", "metadata": message.response_metadata}
        kwargs = without_repeated(message.additional_kwargs)
        if kwargs:
            finish["additional_kwargs"] = kwargs
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


# The framework's blocks and those of its protocol are the same dicts of different types.


def _start(index: int, content: dict[str, Any]) -> ContentBlockStartData:
    return {"event": "content-block-start", "index": index, "content": cast("Any", content)}


def _delta(index: int, delta: dict[str, Any]) -> ContentBlockDeltaData:
    return {"event": "content-block-delta", "index": index, "delta": cast("Any", delta)}


def _finish(index: int, content: dict[str, Any]) -> ContentBlockFinishData:
    return {"event": "content-block-finish", "index": index, "content": cast("Any", content)}
