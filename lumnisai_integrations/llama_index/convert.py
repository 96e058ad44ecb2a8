"""Messages of LlamaIndex as the wire's roles and plain text, and runs as chat responses. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

from llama_index.core.base.llms.types import (
    CachePoint,
    ChatMessage,
    ChatResponse,
    CitableBlock,
    CitationBlock,
    MessageRole,
    TextBlock,
    ThinkingBlock,
    ToolCallBlock,
)
from pydantic import BaseModel

from lumnisai_core import ResponseObject, RunUpdate
from lumnisai_core.exceptions import ValidationError
from lumnisai_integrations._shared.conversation import THREAD_ID
from lumnisai_integrations._shared.runs import reasoning_text
from lumnisai_integrations._shared.tools import ToolOffer, json_or_text, tool_calls_text, tool_result_text
from lumnisai_integrations.llama_index.function_calling import (
    PROBLEMS,
    blocks_of,
    openai_calls_of,
    problems_of,
    reply_of,
)

#: Keys of ``additional_kwargs`` with the run whose answer a message is, and with the thread of that run, which does not
#: change when the message moves to another thread.
RESPONSE_ID = "lumnis_response_id"
RUN_THREAD_ID = "lumnis_run_thread_id"

WIRE_ROLES = {
    MessageRole.SYSTEM: "system",
    MessageRole.DEVELOPER: "system",
    MessageRole.USER: "user",
    MessageRole.TOOL: "user",
    MessageRole.FUNCTION: "user",
    MessageRole.ASSISTANT: "assistant",
    MessageRole.CHATBOT: "assistant",
    MessageRole.MODEL: "assistant",
}
_TOOL_ROLES = (MessageRole.TOOL, MessageRole.FUNCTION)


def convert_in(messages: Sequence[ChatMessage], positions: Iterable[int] | None = None) -> list[dict[str, str]]:
    """Return a conversation as roles and texts.

    Tool results become delimited text of the user, tool calls become JSON text of the assistant. Reasoning and cache
    marks are left out.

    Args:
        messages: The conversation, oldest first.
        positions: Which of them to write. Default: all.

    Raises:
        ValidationError: A message holds something that is not text, such as an image.
    """
    names = _names_of_calls(messages)
    return [_message_in(at, messages[at], names) for at in (range(len(messages)) if positions is None else positions)]


def _names_of_calls(messages: Iterable[ChatMessage]) -> dict[str, str]:
    calls = (block for message in messages for block in message.blocks if isinstance(block, ToolCallBlock))
    return {call.tool_call_id: call.tool_name for call in calls if call.tool_call_id}


def _message_in(index: int, message: ChatMessage, names: Mapping[str, str]) -> dict[str, str]:
    content = "\n".join(_texts(index, message.blocks))
    if message.role in _TOOL_ROLES:
        known = message.additional_kwargs
        call_id = known.get("tool_call_id")
        # Agents of LlamaIndex pass only the id, which the platform never saw: the name identifies the call.
        called = names.get(call_id) if isinstance(call_id, str) else None
        content = tool_result_text(content, name=known.get("name") or called, call_id=call_id)
    else:
        calls = [_call_in(block) for block in message.blocks if isinstance(block, ToolCallBlock)]
        calls = calls or [_older_call_in(call) for call in message.additional_kwargs.get("tool_calls") or ()]
        content = tool_calls_text(content, calls) if calls else content
    return {"role": WIRE_ROLES[message.role], "content": content}


def _texts(index: int, blocks: Sequence[object]) -> Iterator[str]:
    for block in blocks:
        if isinstance(block, TextBlock):
            yield block.text
        elif isinstance(block, CitableBlock):
            yield "\n".join([f"{block.title} ({block.source}):", *_texts(index, block.content)])
        elif isinstance(block, CitationBlock):
            yield from _texts(index, [block.cited_content])
        elif not isinstance(block, ThinkingBlock | CachePoint | ToolCallBlock):
            kind = getattr(block, "block_type", type(block).__name__)
            raise ValidationError(
                f"messages[{index}] has a block of kind {kind!r}, but messages of the platform are plain text. Pass "
                "the file with files= (a URI or an artifact id), or put its text into the message."
            )


def _call_in(block: ToolCallBlock) -> dict[str, Any]:
    return {"id": block.tool_call_id, "name": block.tool_name, "args": _arguments(block.tool_kwargs)}


def _older_call_in(call: object) -> dict[str, Any]:
    # Messages of other LLMs, and of older versions, hold calls in OpenAI's form, as objects or as dicts.
    plain = call.model_dump() if isinstance(call, BaseModel) else call
    if not isinstance(plain, Mapping):
        return {"id": None, "name": str(call), "args": {}}
    about = plain.get("function") or plain
    return {"id": plain.get("id"), "name": about.get("name"), "args": _arguments(about.get("arguments", {}))}


def _arguments(args: object) -> object:
    return json_or_text(args) if isinstance(args, str) else args


def convert_out(response: ResponseObject, offer: ToolOffer | None = None) -> ChatResponse:
    """Return a finished run as a chat response.

    Args:
        response: The run.
        offer: The tools it was offered, which its answer may call.

    Returns:
        The answer as the assistant's message, tagged with its run and thread; calls of the caller's tools as blocks of
        it; the whole run as a plain dict in ``raw``; ``response_id`` and ``thread_id`` in ``additional_kwargs``. There
        is no token usage, because the platform reports none.

    Raises:
        StructuredOutputError: The run was offered tools and returned neither tool calls nor an answer.
    """
    known: dict[str, Any] = {"response_id": response.response_id, "thread_id": response.thread_id}
    tags: dict[str, Any] = {RESPONSE_ID: response.response_id}
    if response.thread_id is not None:
        tags[THREAD_ID] = tags[RUN_THREAD_ID] = response.thread_id
    text, calls = response.output_text or "", []
    if offer is not None:
        reply = reply_of(offer, response)
        text, calls = reply.content, blocks_of(reply)
        if problems := problems_of(offer, reply):
            known[PROBLEMS] = problems
    if calls:
        tags["tool_calls"] = openai_calls_of(calls)
    blocks = [TextBlock(text=text), *calls] if text or not calls else calls
    message = ChatMessage(role=MessageRole.ASSISTANT, blocks=blocks, additional_kwargs=tags)
    return ChatResponse(message=message, raw=response.model_dump(mode="json"), additional_kwargs=known)


class ChatChunks:
    """Turns the updates of one run into chunks of a chat response.

    Progress is ``thinking_delta`` in ``additional_kwargs``, where agents look for it, and as data ``lumnis_progress``.
    The answer is ``delta`` at the end.

    Args:
        chunk_size: Longest ``delta`` in characters. Default None: the answer is one delta.
        offer: The tools that the run is offered; calls of them are in the last chunk.
    """

    def __init__(self, chunk_size: int | None = None, offer: ToolOffer | None = None) -> None:
        if chunk_size is not None and (type(chunk_size) is not int or chunk_size < 1):
            raise ValidationError(f"stream_chunk_size must be a number of characters from 1, got {chunk_size!r}.")
        self._size = chunk_size
        self._offer = offer

    def accept(self, update: RunUpdate) -> Iterator[ChatResponse]:
        """Yield the chunks of one update; none for one without text and for the end of a run that did not succeed."""
        if update.response is None:
            yield from _progress_chunk(update)
        elif update.status == "succeeded":
            yield from self._answer_chunks(update, update.response)

    def _answer_chunks(self, update: RunUpdate, response: ResponseObject) -> Iterator[ChatResponse]:
        last = convert_out(response, self._offer)
        text, sent = last.message.content or "", 0
        *deltas, last_delta = pieces_of(text, self._size) if text else [""]
        for delta in deltas:
            sent += len(delta)
            yield ChatResponse(message=_assistant(text[:sent]), delta=delta, raw=_about(update))
        last.delta = last_delta
        yield last


def pieces_of(text: str, size: int | None) -> Iterator[str]:
    """Yield a text in pieces of at most so many characters; None leaves it whole."""
    step = size or len(text) or 1
    for begin in range(0, len(text), step):
        yield text[begin : begin + step]


def _progress_chunk(update: RunUpdate) -> Iterator[ChatResponse]:
    thinking = reasoning_text(update)
    if thinking:
        progress: Mapping[str, Any] = {
            "state": update.state,
            "message": update.message,
            "entry_index": update.entry_index,
            "tool_calls": [call.model_dump(mode="json") for call in update.tool_calls],
        }
        known = {"thinking_delta": thinking, "lumnis_progress": progress}
        yield ChatResponse(message=_assistant(""), delta="", raw=_about(update), additional_kwargs=known)


def _assistant(text: str) -> ChatMessage:
    return ChatMessage(role=MessageRole.ASSISTANT, content=text)


def _about(update: RunUpdate) -> dict[str, Any]:
    return {"response_id": update.response_id, "thread_id": update.thread_id, "status": str(update.status)}
