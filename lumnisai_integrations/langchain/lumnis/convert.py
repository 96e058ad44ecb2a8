"""Messages of LangChain as the wire's roles and plain text, and runs as messages of LangChain. Pure."""

from __future__ import annotations

import json
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from typing import Any, TypedDict, TypeGuard, Unpack, cast

from langchain_core.messages import (
    AIMessage,
    BaseMessage,
    ChatMessage,
    FunctionMessage,
    HumanMessage,
    InvalidToolCall,
    SystemMessage,
    ToolCall,
    ToolMessage,
)
from langchain_core.messages.ai import UsageMetadata
from langchain_core.messages.tool import invalid_tool_call, tool_call

from lumnisai_core import ResponseObject, RunUpdate
from lumnisai_core.exceptions import ValidationError
from lumnisai_core.tools import (
    ToolOffer,
    cut_at,
    left_out,
    object_of,
    sendable,
    spoken,
    tool_calls_text,
    tool_result_text,
)
from lumnisai_integrations._shared.conversation import IN_FLIGHT, MESSAGE_ID, PERSISTED, SYSTEM, THREAD_ID, USER
from lumnisai_integrations._shared.runs import DEFAULT_MODEL_NAME, GrowingAnswer, progress_updates, reasoning_text
from lumnisai_integrations._shared.turns import Tags
from lumnisai_integrations.langchain.lumnis.blocks import (
    arguments_text,
    artifact_data,
    message_blocks,
    without_repeated,
)

_ROLES = {"human": "user", "user": "user", "ai": "assistant", "assistant": "assistant"}
_ROLES |= dict.fromkeys(("system", "developer"), "system")

_REASONING_BLOCKS = frozenset({"reasoning", "reasoning_content", "thinking", "redacted_thinking"})
#: Tool calls of the caller are sent from ``AIMessage.tool_calls`` and ``AIMessage.invalid_tool_calls``.
_CALL_BLOCKS = frozenset({"tool_call", "tool_call_chunk", "invalid_tool_call", "tool_use", "function_call"})
_SERVER_BLOCKS = frozenset({"server_tool_call", "server_tool_call_chunk", "server_tool_result"})
_MARKS = frozenset({"cachePoint", "cache_point"})
_UNSENT_BLOCKS = _REASONING_BLOCKS | _CALL_BLOCKS | _SERVER_BLOCKS | _MARKS


def convert_in(
    messages: Sequence[BaseMessage], positions: Collection[int] | None = None, lines: list[str] | None = None
) -> list[dict[str, str]]:
    """Return a conversation as roles and texts, which are all that the wire has.

    Text blocks are joined, tool calls and their results become text, and the ``name`` of a speaker begins the text.
    Native blocks of other providers without text are left out of answers. Instead of what else cannot be sent, such as
    a picture that a tool returned, there is a line of text, which ``lines`` gets.

    Raises:
        ValidationError: The newest message of the user, or an instruction, cannot be sent.
    """
    if not messages:
        raise ValidationError("There are no messages: pass a text, or a list that ends with a HumanMessage.")
    lines = [] if lines is None else lines

    def note(kind: object) -> str:
        lines.append(_placeholder(kind))
        return lines[-1]

    calls = (call for message in messages if isinstance(message, AIMessage) for call in calls_of(message))
    names = {call["id"]: call["name"] for call in calls if call["id"]}
    kinds = (HumanMessage, ChatMessage)
    newest = max((at for at, message in enumerate(messages) if isinstance(message, kinds)), default=None)
    written = []
    for at in range(len(messages)) if positions is None else positions:
        message = messages[at]
        is_fixed = at != newest and isinstance(message, HumanMessage | AIMessage | ToolMessage | FunctionMessage)
        sent = _wire_message(at, message, names, note if is_fixed else None)
        content, problem = sendable(sent["content"])
        if problem is not None:
            if at == newest or isinstance(message, SystemMessage):
                raise ValidationError(f"messages[{at}] has {problem}: replace it.")
            lines.append(left_out(problem))
            sent["content"] = f"{content}\n{lines[-1]}"
        written.append(sent)
    return written


def _placeholder(kind: object) -> str:
    return left_out(f"a block of type {kind!r}")


def _wire_message(
    index: int, message: BaseMessage, names: Mapping[str, str | None], other: Callable[[object], str] | None
) -> dict[str, str]:
    text, role = _text(f"messages[{index}]", message, other), "user"
    match message:
        case ToolMessage():
            name = message.name or names.get(message.tool_call_id)
            text = tool_result_text(text, name=name, call_id=message.tool_call_id, status=message.status)
        case FunctionMessage():
            text = tool_result_text(text, name=message.name, call_id=None)
        case AIMessage():
            role, calls = "assistant", calls_of(message)
            text = spoken(message.name, text)
            if calls:
                text = tool_calls_text(text, [{key: call.get(key) for key in ("id", "name", "args")} for call in calls])
        case SystemMessage():
            role = "system"
        case HumanMessage():
            text = spoken(message.name, text)
        case ChatMessage() if message.role.lower() in _ROLES:
            role, text = _ROLES[message.role.lower()], spoken(message.name, text)
        case _:
            found = f"role {message.role!r}" if isinstance(message, ChatMessage) else type(message).__name__
            raise ValidationError(
                f"messages[{index}] must be a system, human, AI or tool message, or have one of the roles "
                f"{', '.join(sorted(_ROLES))}, got {found}."
            )
    return {"role": role, "content": text}


def calls_of(message: AIMessage) -> list[ToolCall | InvalidToolCall]:
    """Return the tool calls of an answer, last those that cannot be run."""
    return [*message.tool_calls, *message.invalid_tool_calls]


def _text(place: str, message: BaseMessage, other: Callable[[object], str] | None) -> str:
    content = message.content
    if isinstance(content, str):
        return content
    # Answers are split into blocks anywhere; blocks that people write are paragraphs.
    if isinstance(message, AIMessage):
        return "".join(text for block in content if (text := _text_of(block)) is not None)
    return "\n".join(_block_texts(place, content, other))


def _block_texts(
    place: str, blocks: Sequence[str | Mapping[str, Any]], other: Callable[[object], str] | None = None
) -> Iterator[str]:
    """Yield the texts of blocks; ``other`` makes a text of a block that has none, which is an error without it."""
    for block in blocks:
        kind = None if isinstance(block, str) else block.get("type") or next(iter(block), None)
        if kind == "tool_result":
            yield _tool_result(place, cast("Mapping[str, Any]", block))
        elif (text := _text_of(block)) is not None:
            yield text
        elif kind in _UNSENT_BLOCKS:
            continue
        elif other is None:
            raise ValidationError(
                f"{place} holds a block of type {kind!r}: the platform takes plain text. Pass files and images by URI "
                'or artifact id instead: files=[{"name": ..., "uri": ...}], as an argument of the model or of the call.'
            )
        else:
            yield other(kind)


def _text_of(block: str | Mapping[str, Any]) -> str | None:
    """Return the text of a block in any provider's form; None if it has none that is part of a conversation."""
    if isinstance(block, str):
        return block
    kind = block.get("type")
    if kind in _UNSENT_BLOCKS:
        return None
    source = block.get("source")
    if kind == "search_result":
        found = "\n".join(_block_texts("", block.get("content") or (), _placeholder))
        return f"{block.get('title') or ''} ({source}):\n{found}"
    if "json" in block:
        return json.dumps(block["json"], ensure_ascii=False, default=str)
    texts = (block.get("text"), block.get("refusal"), source.get("data") if _is_text(source) else None)
    return next((text for text in texts if isinstance(text, str)), None)


def _is_text(source: object) -> TypeGuard[Mapping[str, Any]]:
    return isinstance(source, Mapping) and source.get("type") == "text"


def _tool_result(place: str, block: Mapping[str, Any]) -> str:
    content = block.get("content") or ""
    text = content if isinstance(content, str) else "\n".join(_block_texts(place, content, _placeholder))
    status = None if block.get("is_error") is None else "error" if block["is_error"] else "success"
    return tool_result_text(text, name=block.get("name"), call_id=block.get("tool_use_id"), status=status)


class AnswerOptions(TypedDict, total=False):
    """How the answer of a run becomes a message.

    Attributes:
        model_name: The model of the run.
        structured: Whether the run has a ``response_format``. Then the content is the object as JSON text, and the
            run's own text is in ``response_metadata["output_text"]``. Without an object, the content is that text.
        stop: Texts before which the answer is cut off; they do not cut JSON.
        offer: The tools that the run was offered. Its calls of them become ``tool_calls``.
    """

    model_name: str | None
    structured: bool
    stop: Sequence[str]
    offer: ToolOffer | None


def convert_out(response: ResponseObject, *, as_blocks: bool = False, **options: Unpack[AnswerOptions]) -> AIMessage:
    """Return a finished run as a message, which has the id of the run and its progress as reasoning.

    With ``as_blocks`` the content is a list of all blocks, as with ``output_version="v1"``. Otherwise it is the text,
    and reasoning and artifacts are in ``additional_kwargs``.
    """
    metadata: dict[str, Any] = {
        "model_provider": "lumnis",
        "model_name": response.model or options.get("model_name") or DEFAULT_MODEL_NAME,
        "response_id": response.response_id,
        "thread_id": response.thread_id,
        "status": str(response.status),
    }
    if response.response_title:
        metadata["response_title"] = response.response_title
    if options.get("structured") or options.get("offer") is not None:
        metadata["output_text"] = response.output_text or ""
    text, calls, invalid = _answer(response, options)
    content: Any = text
    kwargs = progress_kwargs(progress_updates(response))
    if response.artifacts:
        kwargs["artifacts"] = artifact_data(response)
    if as_blocks:
        content = message_blocks(response, text, [*calls, *invalid])
        metadata["output_version"] = "v1"
        kwargs = without_repeated(kwargs)
    return AIMessage(
        content=content,
        id=response.response_id,
        response_metadata=metadata,
        tool_calls=calls,
        invalid_tool_calls=invalid,
        additional_kwargs=kwargs,
        usage_metadata=usage_of(response),
    )


def growing_answer(options: AnswerOptions) -> GrowingAnswer | None:
    """Return what shows an answer while it is written; None for one that is an object."""
    offer = options.get("offer")
    is_text = not options.get("structured", False) if offer is None else offer.may_write
    return GrowingAnswer(options.get("stop", ())) if is_text else None


def usage_of(response: ResponseObject) -> UsageMetadata | None:
    """Return the tokens of a run, where the service says so."""
    return None if response.usage is None else cast("UsageMetadata", response.usage.model_dump(include=set(_COUNTS)))


_COUNTS = ("input_tokens", "output_tokens", "total_tokens")


def _answer(response: ResponseObject, options: AnswerOptions) -> tuple[str, list[ToolCall], list[InvalidToolCall]]:
    stop, offer = options.get("stop", ()), options.get("offer")
    if offer is not None:
        reply = offer.read(response)
        calls = [tool_call(name=call.name, args=call.args, id=call.id) for call in reply.calls]
        invalid = []
        for call in reply.invalid:
            if call.name and offer.refuses_without_arguments(call.name):
                # Agents end with an invalid call. The tool refuses this one, so that they can correct it.
                calls.append(tool_call(name=call.name, args={"arguments": call.args}, id=call.id))
            else:
                args = arguments_text(call.args)
                invalid.append(invalid_tool_call(name=call.name, args=args, id=call.id, error=call.problem))
        return reply.content if offer.answer_schema is not None else cut_at(reply.content, stop), calls, invalid
    text = response.output_text or ""
    if not options.get("structured", False):
        return cut_at(text, stop), [], []
    value = object_of(response)
    # A message with the text is worth more than no message; the parser of a structured chain raises.
    return text if value is None else json.dumps(value, ensure_ascii=False), [], []


def progress_kwargs(updates: Sequence[RunUpdate]) -> dict[str, Any]:
    """Return updates as ``additional_kwargs`` of a message; empty if there is nothing to show."""
    shown = [(text, update) for update in updates if (text := reasoning_text(update))]
    if not shown:
        return {}
    return {
        "reasoning_content": "".join(text for text, _ in shown),
        "lumnis_progress": [update.as_data() for _, update in shown],
    }


def tags_of(message: BaseMessage) -> Tags:
    """Return the tags of a message."""
    known = message.additional_kwargs
    if THREAD_ID in known:
        is_stored = bool(known.get(PERSISTED))
        return Tags(
            known[THREAD_ID],
            is_stored=is_stored,
            is_answer=is_stored and isinstance(message, AIMessage),
            role=SYSTEM if message.type == "system" else USER,
            message_id=known.get(MESSAGE_ID),
            is_in_flight=bool(known.get(IN_FLIGHT)),
        )
    facts = message.response_metadata
    if isinstance(message, AIMessage) and facts.get("model_provider") == "lumnis" and facts.get("thread_id"):
        return Tags(facts["thread_id"], is_answer=True)
    is_instruction = message.type == "system" or getattr(message, "role", "").lower() in ("system", "developer")
    return Tags(role=SYSTEM, text=str(message.text)) if is_instruction else Tags()
