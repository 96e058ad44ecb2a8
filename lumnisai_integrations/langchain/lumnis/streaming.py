"""Streams of LangChain: the updates of a run as message chunks, or as events of content blocks. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
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
    growing_answer,
    progress_kwargs,
)

if TYPE_CHECKING:
    from langchain_protocol.protocol import MessagesData

#: Contents that the first event of a block leaves out, because the last event has them.
_WITHHELD: Mapping[str, Mapping[str, Any]] = {
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
        self._open: BlockPart | None = None
        self._answer = growing_answer(options)

    def chunks(self, update: RunUpdate) -> Iterator[ChatGenerationChunk]:
        """Yield the chunk of one update, if any: progress as reasoning, the answer as it grows, its rest at the end."""
        if _is_unsuccessful(update):
            return
        parts, message = self._read(update)
        calls, first_call, usage = [], 0, None
        kwargs = progress_kwargs([update]) if message is None and self._shows_progress else {}
        if message is not None:
            calls, usage = calls_of(message), message.usage_metadata
            artifacts = message.additional_kwargs.get("artifacts")
            kwargs = {"artifacts": artifacts} if artifacts else {}
        elif not kwargs and not any(part.block["type"] == "text" for part in parts):
            return
        metadata = {} if message is None else message.response_metadata
        content: Any = "".join(part.block["text"] for part in parts if part.block["type"] == "text")
        if self._as_blocks:
            shown = parts if self._shows_progress or message is not None else _texts(parts)
            content, metadata = [as_chunk(part) for part in shown], {**metadata, "output_version": "v1"}
            first_call = next((part.index for part in parts if part.block["type"] in CALLS), 0)
            kwargs = without_repeated(kwargs)
        chunk = AIMessageChunk(
            content=content,
            id=update.response_id,
            response_metadata=metadata,
            tool_call_chunks=[call_chunk(call, index) for index, call in enumerate(calls, first_call)],
            additional_kwargs=kwargs,
            usage_metadata=usage,
            chunk_position=None if update.response is None else "last",
        )
        yield ChatGenerationChunk(message=chunk)

    def events(self, update: RunUpdate) -> Iterator[MessagesData]:
        """Yield the events of one update.

        There is one ``message-start``, then block after block, each with its start, deltas and finish, then one
        ``message-finish`` with the tokens as ``usage``, and model, run, thread and status in its ``metadata``.
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
            if part.block["type"] in _GROWING:
                yield from self._grow(part)
            else:
                yield from self._close()
                yield from _whole_block(part.index, part.block)
        if message is not None:
            yield from self._close()
            finish: Any = {"event": "message-finish", "metadata": message.response_metadata}
            finish |= {"usage": message.usage_metadata} if message.usage_metadata else {}
            kwargs = without_repeated(message.additional_kwargs)
            yield finish | ({"additional_kwargs": kwargs} if kwargs else {})

    def _read(self, update: RunUpdate) -> tuple[list[BlockPart], AIMessage | None]:
        """Return the new parts of blocks, and the message if the run has ended."""
        parts, response = self._progress.accept(update), update.response
        if response is None:
            new = self._answer.grow(update) if self._answer else ""
            return [*parts, *([self._progress.write(new)] if new else [])], None
        message = convert_out(response, **self._options)
        text = str(message.text)
        if rest := self._answer.rest(text) if self._answer else text:
            parts.append(self._progress.write(rest))
        blocks = answer_blocks("", calls_of(message)) + artifact_blocks(response)
        return [*parts, *map(BlockPart, count(self._progress.count), blocks)], message

    def _grow(self, part: BlockPart) -> Iterator[MessagesData]:
        kind: Any = part.block["type"]
        if self._open is None or self._open.index != part.index:
            yield from self._close()
            yield _event("start", part.index, content={"type": kind, _GROWING[kind]: ""})
            self._open = BlockPart(part.index, cast("ContentBlock", {"type": kind, _GROWING[kind]: ""}))
        block, text = cast("dict[str, str]", self._open.block), cast("dict[str, str]", part.block)[_GROWING[kind]]
        block[_GROWING[kind]] += text
        yield _event("delta", part.index, delta={"type": f"{kind}-delta", _GROWING[kind]: text})

    def _close(self) -> Iterator[MessagesData]:
        if self._open is not None:
            yield _event("finish", self._open.index, content=self._open.block)
            self._open = None


#: Types of blocks that grow, and the name of their text.
_GROWING: Mapping[str, str] = {"reasoning": "reasoning", "text": "text"}


def _texts(parts: Iterable[BlockPart]) -> list[BlockPart]:
    return [part for part in parts if part.block["type"] == "text"]


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
    yield _event("finish", index, content=block)


def _event(kind: str, index: int, **body: object) -> MessagesData:
    # The framework's blocks and those of its protocol are the same dicts of different types.
    return cast("MessagesData", {"event": f"content-block-{kind}", "index": index, **body})
