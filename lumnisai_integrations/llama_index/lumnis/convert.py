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
from lumnisai_integrations._shared.runs import cut_at, reasoning_text
from lumnisai_integrations._shared.tools import (
    ToolOffer,
    json_or_text,
    left_out,
    spoken,
    tool_calls_text,
    tool_result_text,
)
from lumnisai_integrations.llama_index.lumnis.function_calling import (
    PROBLEMS,
    blocks_of,
    openai_call,
    problems_of,
    reply_of,
)

#: Keys of ``additional_kwargs`` with the run whose answer a message is, and with the thread of that run, which does not
#: change when the message moves to another thread.
RESPONSE_ID = "lumnis_response_id"
RUN_THREAD_ID = "lumnis_run_thread_id"

_TOOL_ROLES = (MessageRole.TOOL, MessageRole.FUNCTION)
WIRE_ROLES = {
    **dict.fromkeys(MessageRole, "assistant"),
    **dict.fromkeys((MessageRole.USER, *_TOOL_ROLES), "user"),
    **dict.fromkeys((MessageRole.SYSTEM, MessageRole.DEVELOPER), "system"),
}


def convert_in(messages: Sequence[ChatMessage], positions: Iterable[int] | None = None) -> list[dict[str, str]]:
    """Return a conversation as roles and texts.

    Tool results become delimited text of the user, in which a word stands for what is not text; tool calls become JSON
    text of the assistant. The name of a speaker begins the text. Reasoning, cache marks and media in answers are left
    out.
    """
    calls = (block for message in messages for block in message.blocks if isinstance(block, ToolCallBlock))
    names = {call.tool_call_id: call.tool_name for call in calls if call.tool_call_id}
    older = (call for message in messages for call in _older_calls_in(message.additional_kwargs))
    names |= {call["id"]: call["name"] for call in older if isinstance(call["id"], str)}
    return [_message_in(at, messages[at], names) for at in (range(len(messages)) if positions is None else positions)]


def _message_in(index: int, message: ChatMessage, names: Mapping[str, str]) -> dict[str, str]:
    role, known = WIRE_ROLES[message.role], message.additional_kwargs
    content = "\n".join(_texts(index, message.role, message.blocks))
    if message.role in _TOOL_ROLES:
        call_id = known.get("tool_call_id")
        # Agents of LlamaIndex pass only the id, which the platform never saw: the name identifies the call.
        called = names.get(call_id) if isinstance(call_id, str) else None
        content = tool_result_text(content, name=known.get("name") or called, call_id=call_id)
    else:
        content = content if role == "system" else spoken(known.get("name"), content)
        blocks = (block for block in message.blocks if isinstance(block, ToolCallBlock))
        calls = [_call(block.tool_call_id, block.tool_name, block.tool_kwargs) for block in blocks]
        calls = calls or _older_calls_in(known)
        content = tool_calls_text(content, calls) if calls else content
    return {"role": role, "content": content}


def _texts(index: int, role: MessageRole, blocks: Sequence[object]) -> Iterator[str]:
    for block in blocks:
        if isinstance(block, TextBlock):
            yield block.text
        elif isinstance(block, CitableBlock):
            yield "\n".join([f"{block.title} ({block.source}):", *_texts(index, role, block.content)])
        elif isinstance(block, CitationBlock):
            yield from _texts(index, role, [block.cited_content])
        elif not isinstance(block, ThinkingBlock | CachePoint | ToolCallBlock):
            kind = getattr(block, "block_type", type(block).__name__)
            if role in _TOOL_ROLES:
                yield left_out(kind)
            elif WIRE_ROLES[role] != "assistant":  # answers of other models may hold pictures
                raise ValidationError(
                    f"messages[{index}] has a block of kind {kind!r}, but messages of the platform are plain text. "
                    "Pass the file with files= (a URI or an artifact id), or put its text into the message."
                )


def _older_calls_in(known: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Return the calls that other LLMs, and older versions, left in ``additional_kwargs``, as objects or as dicts."""
    older = known.get("tool_calls") or known.get("function_call") or ()
    return [_older_call_in(call) for call in ([older] if isinstance(older, Mapping | BaseModel) else older)]


def _older_call_in(call: object) -> dict[str, Any]:
    plain = call.model_dump() if isinstance(call, BaseModel) else call
    if not isinstance(plain, Mapping):
        return _call(None, str(call), {})
    about = {**plain, **(plain["function"] if isinstance(plain.get("function"), Mapping) else {})}
    # OpenAI and Ollama; Anthropic; Bedrock; Gemini; LlamaIndex itself.
    call_id = _first(about, "id", "toolUseId", "tool_call_id", "tool_id")
    name, args = _first(about, "name", "tool_name"), _first(about, "arguments", "input", "args", "tool_kwargs")
    return _call(call_id, name, {} if args is None else args)


def _first(about: Mapping[str, Any], *names: str) -> Any:
    return next((about[name] for name in names if about.get(name) is not None), None)


def _call(call_id: object, name: object, args: object) -> dict[str, Any]:
    return {"id": call_id, "name": name, "args": json_or_text(args) if isinstance(args, str) else args}


def convert_out(response: ResponseObject, offer: ToolOffer | None = None, stop: Sequence[str] = ()) -> ChatResponse:
    """Return a finished run as a chat response, with calls of the caller's tools as blocks of its message.

    The message is tagged with run and thread, and ``raw`` is the whole run as a plain dict. There is no token usage,
    because the platform reports none. The text ends before the first of the texts in ``stop``. A run that was offered
    tools and returned neither tool calls nor an answer is a ``StructuredOutputError``.
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
    text = cut_at(text, stop)
    if calls:
        tags["tool_calls"] = [openai_call(call) for call in calls]
    blocks = [TextBlock(text=text), *calls] if text or not calls else calls
    message = ChatMessage(role=MessageRole.ASSISTANT, blocks=blocks, additional_kwargs=tags)
    return ChatResponse(message=message, raw=response.model_dump(mode="json"), additional_kwargs=known)


def chat_chunks(
    update: RunUpdate, chunk_size: int | None = None, offer: ToolOffer | None = None, stop: Sequence[str] = ()
) -> Iterator[ChatResponse]:
    """Yield the chunks of one update; none for one without text and for the end of a run that did not succeed.

    Progress is ``thinking_delta`` in ``additional_kwargs``, where agents look for it, and as data ``lumnis_progress``.
    The answer is ``delta`` at the end, in pieces of ``chunk_size`` characters; the last one has the tool calls.
    """
    about = {"response_id": update.response_id, "thread_id": update.thread_id, "status": str(update.status)}
    if update.response is not None and update.status == "succeeded":
        last = convert_out(update.response, offer, stop)
        text, sent = last.message.content or "", 0
        *deltas, last.delta = pieces_of(text, chunk_size) if text else [""]
        for delta in deltas:
            sent += len(delta)
            yield ChatResponse(message=_assistant(text[:sent]), delta=delta, raw=about)
        yield last
    elif update.response is None and (thinking := reasoning_text(update)):
        progress = {name: getattr(update, name) for name in ("state", "message", "entry_index")}
        progress["tool_calls"] = [call.model_dump(mode="json") for call in update.tool_calls]
        known = {"thinking_delta": thinking, "lumnis_progress": progress}
        yield ChatResponse(message=_assistant(""), delta="", raw=about, additional_kwargs=known)


def _assistant(text: str) -> ChatMessage:
    return ChatMessage(role=MessageRole.ASSISTANT, content=text)


def pieces_of(text: str, size: int | None) -> Iterator[str]:
    """Yield a text in pieces of at most so many characters; None leaves it whole."""
    step = size or len(text) or 1
    for begin in range(0, len(text), step):
        yield text[begin : begin + step]
