"""Streams of LangChain: the updates of a run as message chunks, or as events of content blocks. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from itertools import count
from typing import TYPE_CHECKING, Any, Unpack, cast

from langchain_core.messages import AIMessage, AIMessageChunk
from langchain_core.messages.content import ContentBlock
from langchain_core.outputs import ChatGenerationChunk

from lumnisai_core import ResponseStatus, RunUpdate
from lumnisai_integrations._shared.runs import DEFAULT_MODEL_NAME
from lumnisai_integrations.langchain.lumnis.blocks import (
    CALLS,
    BlockPart,
    ProgressBlocks,
    answer_blocks,
    artifact_blocks,
    as_chunk,
    call_chunk,
    without_repeated,
)
from lumnisai_integrations.langchain.lumnis.convert import (
    AnswerOptions,
    calls_of,
    convert_out,
    progress_kwargs,
)

if TYPE_CHECKING:
    from langchain_protocol.protocol import MessagesData

#: Contents that the first event of a block leaves out, because the last event has them.
_WITHHELD: Mapping[str, Mapping[str, Any]] = {
    "text": {"text": ""},
    "server_tool_call": {"args": {}},
    "server_tool_result": {"output": None},
    "non_standard": {"value": {}},
}


class StreamWriter:
    """Turns the updates of one run into chunks, or into events, that add up to the message of :func:`convert_out`.

    The end of a run that did not succeed adds nothing: its stream raises next.

    Args:
        as_blocks: Whether the content of chunks is a list of blocks.
        shows_progress: Whether there are chunks of progress.
        **options: Options of :func:`convert_out`.
    """

    def __init__(
        self, *, as_blocks: bool = False, shows_progress: bool = True, **options: Unpack[AnswerOptions]
    ) -> None:
        self._options = options
        self._shows_progress = shows_progress
        self._as_blocks = as_blocks
        self._progress = ProgressBlocks()
        self._has_started = False
        self._reasoning: tuple[int, str] | None = None

    def chunks(self, update: RunUpdate) -> Iterator[ChatGenerationChunk]:
        """Yield the chunk of one update, if any: progress as reasoning, the answer as the last chunk."""
        if _is_unsuccessful(update):
            return
        parts, message = self._read(update)
        if message is None:
            message, calls, first_call = AIMessage("", id=update.response_id), [], 0
            kwargs = progress_kwargs([update])
            if not kwargs or not self._shows_progress:
                return
        else:
            calls, first_call = calls_of(message), 0
            artifacts = message.additional_kwargs.get("artifacts")
            kwargs = {"artifacts": artifacts} if artifacts else {}
        content, metadata = cast("Any", message.content), message.response_metadata
        if self._as_blocks:
            content, metadata = [as_chunk(part) for part in parts], {**metadata, "output_version": "v1"}
            first_call = next((part.index for part in parts if part.block["type"] in CALLS), 0)
            kwargs = without_repeated(kwargs)
        chunk = AIMessageChunk(
            content=content,
            id=message.id,
            response_metadata=metadata,
            tool_call_chunks=[call_chunk(call, index) for index, call in enumerate(calls, first_call)],
            additional_kwargs=kwargs,
            chunk_position=None if update.response is None else "last",
        )
        yield ChatGenerationChunk(message=chunk)

    def events(self, update: RunUpdate) -> Iterator[MessagesData]:
        """Yield the events of one update.

        There is one ``message-start``, then block after block, each with its start, deltas and finish, then one
        ``message-finish`` with model, run, thread and status in its ``metadata``. The answer is one delta, because the
        service does not send it in pieces.
        """
        if _is_unsuccessful(update):
            return
        if not self._has_started:
            self._has_started = True
            model = self._options.get("model_name") or DEFAULT_MODEL_NAME
            metadata: Any = {"provider": "lumnis", "model": model}
            yield {"event": "message-start", "role": "ai", "id": update.response_id, "metadata": metadata}
        parts, message = self._read(update)
        for part in parts:
            if part.block["type"] == "reasoning":
                yield from self._reason(part.index, part.block.get("reasoning", ""))
            else:
                yield from self._close_reasoning()
                yield from _whole_block(part.index, part.block)
        if message is not None:
            yield from self._close_reasoning()
            finish: Any = {"event": "message-finish", "metadata": message.response_metadata}
            kwargs = without_repeated(message.additional_kwargs)
            yield finish | ({"additional_kwargs": kwargs} if kwargs else {})

    def _read(self, update: RunUpdate) -> tuple[list[BlockPart], AIMessage | None]:
        """Return the new parts of blocks, and the message if the run has ended."""
        parts, response = self._progress.accept(update), update.response
        if response is None:
            return parts, None
        message = convert_out(response, **self._options)
        blocks = answer_blocks(str(message.text), calls_of(message)) + artifact_blocks(response)
        return [*parts, *map(BlockPart, count(self._progress.count), blocks)], message

    def _reason(self, index: int, text: str) -> Iterator[MessagesData]:
        if self._reasoning is None:
            yield _event("start", index, content={"type": "reasoning", "reasoning": ""})
        self._reasoning = index, (self._reasoning[1] if self._reasoning else "") + text
        yield _event("delta", index, delta={"type": "reasoning-delta", "reasoning": text})

    def _close_reasoning(self) -> Iterator[MessagesData]:
        if self._reasoning is not None:
            index, text = self._reasoning
            yield _event("finish", index, content={"type": "reasoning", "reasoning": text})
            self._reasoning = None


def _is_unsuccessful(update: RunUpdate) -> bool:
    return update.response is not None and update.response.status != ResponseStatus.SUCCEEDED


def _whole_block(index: int, block: ContentBlock) -> Iterator[MessagesData]:
    if block["type"] in CALLS:
        chunk = call_chunk(cast("Any", block), index)
        yield _event("start", index, content={**chunk, "args": ""})
        yield _event("delta", index, delta={"type": "tool-call-delta", "args": chunk["args"]})
    else:
        shown = {**block, **_WITHHELD.get(block["type"], {})}
        yield _event("start", index, content={name: value for name, value in shown.items() if value is not None})
        if block["type"] == "text":
            yield _event("delta", index, delta={"type": "text-delta", "text": block["text"]})
    yield _event("finish", index, content=block)


def _event(kind: str, index: int, **body: object) -> MessagesData:
    # The framework's blocks and those of its protocol are the same dicts of different types.
    return cast("MessagesData", {"event": f"content-block-{kind}", "index": index, **body})
