"""Messages of LlamaIndex as the wire's roles and plain text, and runs as chat responses. Pure."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
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
from lumnisai_core.tools import (
    ToolOffer,
    cut_at,
    json_or_text,
    left_out,
    sendable,
    spoken,
    tool_calls_text,
    tool_result_text,
)
from lumnisai_integrations._shared.conversation import PROBLEM, THREAD_ID, PlainKwargs
from lumnisai_integrations._shared.runs import GrowingAnswer, reasoning_text
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


def convert_in(
    messages: Sequence[ChatMessage], positions: Collection[int] | None = None, lines: list[str] | None = None
) -> list[dict[str, str]]:
    """Return a conversation as roles and texts.

    Tool results become delimited text of the user, tool calls become JSON text of the assistant. The name of a speaker
    begins the text. Reasoning, cache marks and media in answers are left out. Instead of what else cannot be sent, such
    as a picture, there is a line of text; ``lines`` gets it.

    Raises:
        ValidationError: The newest message of the user, or an instruction, cannot be sent.
    """
    calls = (block for message in messages for block in message.blocks if isinstance(block, ToolCallBlock))
    names = {call.tool_call_id: call.tool_name for call in calls if call.tool_call_id}
    older = (call for message in messages for call in _older_calls_in(message.additional_kwargs))
    names |= {call["id"]: call["name"] for call in older if isinstance(call["id"], str)}
    newest = max((at for at, message in enumerate(messages) if message.role == MessageRole.USER), default=None)
    written = []
    for at in range(len(messages)) if positions is None else positions:
        message = messages[at]
        content, problem = text_in(message, names)
        if problem is not None:
            if at == newest or WIRE_ROLES[message.role] == "system":
                raise ValidationError(
                    f"messages[{at}] has {problem}. Messages of the platform are plain text: pass a file with files= "
                    "(a URI or an artifact id), or put its text into the message."
                )
            ([] if lines is None else lines).append(left_out(problem))
        written.append({"role": WIRE_ROLES[message.role], "content": content})
    return written


def text_in(message: ChatMessage, names: Mapping[str, str] | None = None) -> tuple[str, str | None]:
    """Return a message as text, with lines instead of what cannot be sent, and why that cannot be sent.

    ``names`` has the names of tools by the ids of their calls.
    """
    problems: list[str] = []
    is_answer, known = WIRE_ROLES[message.role] == "assistant", message.additional_kwargs
    content = "\n".join(_texts(message.blocks, None if is_answer else problems))
    if message.role in _TOOL_ROLES:
        call_id = known.get("tool_call_id")
        # Agents of LlamaIndex pass only the id, which the platform never saw: the name identifies the call.
        called = (names or {}).get(call_id) if isinstance(call_id, str) else None
        content = tool_result_text(content, name=known.get("name") or called, call_id=call_id)
    else:
        content = content if WIRE_ROLES[message.role] == "system" else spoken(known.get("name"), content)
        blocks = (block for block in message.blocks if isinstance(block, ToolCallBlock))
        calls = [_call(block.tool_call_id, block.tool_name, block.tool_kwargs) for block in blocks]
        calls = calls or _older_calls_in(known)
        content = tool_calls_text(content, calls) if calls else content
    content, replaced = sendable(content)
    replaced = message.additional_kwargs.get(PROBLEM) or replaced
    if replaced is not None:
        problems.append(replaced)
        content = f"{content}\n{left_out(replaced)}"
    return content, problems[0] if problems else None


def _texts(blocks: Sequence[object], problems: list[str] | None) -> Iterator[str]:
    for block in blocks:
        if isinstance(block, TextBlock):
            yield block.text
        elif isinstance(block, CitableBlock):
            yield "\n".join([f"{block.title} ({block.source}):", *_texts(block.content, problems)])
        elif isinstance(block, CitationBlock):
            yield from _texts([block.cited_content], problems)
        # Answers of other models may hold pictures, which are left out.
        elif problems is not None and not isinstance(block, ThinkingBlock | CachePoint | ToolCallBlock):
            problems.append(f"a block of kind {getattr(block, 'block_type', type(block).__name__)!r}")
            yield left_out(problems[-1])


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

    The message is tagged with run and thread, and ``raw`` is the whole run as a plain dict, with its ``usage`` and
    ``model`` where the service says so; the tokens are in ``additional_kwargs``, too, as those of OpenAI. The text ends
    before the first of the texts in ``stop``. A run that was offered tools and returned neither tool calls nor an
    answer is a ``StructuredOutputError``.
    """
    known: dict[str, Any] = {"response_id": response.response_id, "thread_id": response.thread_id}
    if response.usage is not None:
        known |= {"prompt_tokens": response.usage.input_tokens, "completion_tokens": response.usage.output_tokens}
        known["total_tokens"] = response.usage.total_tokens
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
    message = ChatMessage(role=MessageRole.ASSISTANT, blocks=blocks)
    message.additional_kwargs = PlainKwargs(tags)
    return ChatResponse(message=message, raw=_plain(response), additional_kwargs=known)


def _plain(response: ResponseObject) -> dict[str, Any]:
    unknown = {name for name in ("usage", "model") if getattr(response, name) is None}
    return response.model_dump(mode="json", exclude=unknown)


class ChunkWriter:
    """Turns the updates of one run into chunks of a chat response.

    Progress is ``thinking_delta`` in ``additional_kwargs``, where agents look for it, and as data ``lumnis_progress``.
    The answer is ``delta``: as it is written if the service shows it, and else at the end, in pieces of ``chunk_size``
    characters; the last chunk has the tool calls.
    """

    def __init__(self, chunk_size: int | None = None, offer: ToolOffer | None = None, stop: Sequence[str] = ()) -> None:
        self._chunk_size, self._offer, self._stop = chunk_size, offer, stop
        self._answer = GrowingAnswer(stop) if offer is None or offer.may_write else None

    def chunks(self, update: RunUpdate) -> Iterator[ChatResponse]:
        """Yield the chunks of one update; none for one without text and for the end of a run that did not succeed."""
        about = {"response_id": update.response_id, "thread_id": update.thread_id, "status": str(update.status)}
        if update.response is not None:
            if update.status == "succeeded":
                yield from self._end(update.response, about)
            return
        if thinking := reasoning_text(update):
            progress = {name: getattr(update, name) for name in ("state", "message", "entry_index")}
            progress["tool_calls"] = [call.model_dump(mode="json") for call in update.tool_calls]
            known = {"thinking_delta": thinking, "lumnis_progress": progress}
            yield ChatResponse(message=_assistant(self._shown), delta="", raw=about, additional_kwargs=known)
        if self._answer is not None and (delta := self._answer.grow(update)):
            yield ChatResponse(message=_assistant(self._shown), delta=delta, raw=about)

    @property
    def _shown(self) -> str:
        return "" if self._answer is None else self._answer.shown

    def _end(self, response: ResponseObject, about: dict[str, Any]) -> Iterator[ChatResponse]:
        last = convert_out(response, self._offer, self._stop)
        text, sent = last.message.content or "", self._shown
        rest = text if self._answer is None else self._answer.rest(text)
        *deltas, last.delta = pieces_of(rest, self._chunk_size) if rest else [""]
        for delta in deltas:
            sent += delta
            yield ChatResponse(message=_assistant(sent), delta=delta, raw=about)
        yield last


def _assistant(text: str) -> ChatMessage:
    return ChatMessage(role=MessageRole.ASSISTANT, content=text)


def pieces_of(text: str, size: int | None) -> Iterator[str]:
    """Yield a text in pieces of at most so many characters; None leaves it whole."""
    step = size or len(text) or 1
    for begin in range(0, len(text), step):
        yield text[begin : begin + step]
