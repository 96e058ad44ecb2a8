"""News of a run as the events of LangChain's content-block protocol. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any, Unpack, cast

from langchain_core.messages.content import ContentBlock

from lumnisai_core import ResponseObject, ResponseStatus, RunUpdate
from lumnisai_integrations.langchain.blocks import (
    CALLS,
    SHOWN_AS_BLOCKS,
    ProgressBlocks,
    answer_blocks,
    artifact_blocks,
    call_chunk,
)
from lumnisai_integrations.langchain.convert import DEFAULT_MODEL_NAME, AnswerOptions, convert_out

if TYPE_CHECKING:
    from langchain_protocol.protocol import (
        ContentBlockDeltaData,
        ContentBlockFinishData,
        ContentBlockStartData,
        MessageFinishData,
        MessagesData,
        MessageStartData,
    )

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
