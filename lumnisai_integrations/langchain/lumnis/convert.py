"""Messages of LangChain as the wire's roles and plain text, and runs as messages of LangChain. Pure."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any, TypedDict, Unpack

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
from langchain_core.messages.tool import invalid_tool_call, tool_call

from lumnisai_core import ResponseObject, RunUpdate
from lumnisai_core.exceptions import ValidationError
from lumnisai_integrations._shared.conversation import PERSISTED, THREAD_ID, Tags
from lumnisai_integrations._shared.runs import progress_updates, reasoning_text
from lumnisai_integrations._shared.structured import object_of
from lumnisai_integrations._shared.tools import ToolOffer, tool_calls_text, tool_result_text
from lumnisai_integrations.langchain.lumnis.blocks import (
    arguments_text,
    artifact_data,
    message_blocks,
    without_repeated,
)

#: Model name in traces and metadata if the platform chooses the model.
DEFAULT_MODEL_NAME = "lumnis"

_ROLES = {"human": "user", "user": "user", "ai": "assistant", "assistant": "assistant"}
_ROLES |= dict.fromkeys(("system", "developer"), "system")

_REASONING_BLOCKS = frozenset({"reasoning", "thinking", "redacted_thinking"})
#: Tool calls of the caller are sent from ``AIMessage.tool_calls`` and ``AIMessage.invalid_tool_calls``.
_CALL_BLOCKS = frozenset({"tool_call", "tool_call_chunk", "invalid_tool_call", "tool_use", "function_call"})
_SERVER_BLOCKS = frozenset({"server_tool_call", "server_tool_call_chunk", "server_tool_result"})
_UNSENT_BLOCKS = _REASONING_BLOCKS | _CALL_BLOCKS | _SERVER_BLOCKS

#: Blocks of an answer with artifacts of its run, which the service has already.
_ARTIFACT_BLOCKS = frozenset({"file", "non_standard"})


def convert_in(messages: Sequence[BaseMessage]) -> list[dict[str, str]]:
    """Return a conversation as roles and texts.

    Text blocks are joined, an assistant's tool calls and their results become text, and the ``name`` of a message is
    left out, because the wire has no field for these.
    """
    if not messages:
        raise ValidationError("There are no messages: pass a text, or a list that ends with a HumanMessage.")
    return [_wire_message(index, message) for index, message in enumerate(messages)]


def _wire_message(index: int, message: BaseMessage) -> dict[str, str]:
    text, role = _text(index, message), "user"
    match message:
        case ToolMessage():
            text = tool_result_text(text, name=message.name, call_id=message.tool_call_id, status=message.status)
        case FunctionMessage():
            text = tool_result_text(text, name=message.name, call_id=None)
        case AIMessage():
            role, calls = "assistant", calls_of(message)
            if calls:
                text = tool_calls_text(text, [{key: call.get(key) for key in ("id", "name", "args")} for call in calls])
        case SystemMessage():
            role = "system"
        case HumanMessage():
            pass
        case ChatMessage() if message.role.lower() in _ROLES:
            role = _ROLES[message.role.lower()]
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


def _text(index: int, message: BaseMessage) -> str:
    if isinstance(message.content, str):
        return message.content
    # Answers are split into blocks anywhere; blocks that people write are paragraphs.
    place, content = f"messages[{index}]", message.content
    if isinstance(message, AIMessage):
        sent = [block for block in content if isinstance(block, str) or block.get("type") not in _ARTIFACT_BLOCKS]
        return "".join(_block_texts(place, sent))
    return "\n".join(_block_texts(place, content))


def _block_texts(place: str, blocks: Sequence[str | Mapping[str, Any]]) -> list[str]:
    return [text for block in blocks if (text := _block_text(place, block)) is not None]


def _block_text(place: str, block: str | Mapping[str, Any]) -> str | None:
    if isinstance(block, str):
        return block
    kind = block.get("type")
    if kind in _UNSENT_BLOCKS:
        return None
    if kind == "tool_result":
        return _tool_result(place, block)
    text = block.get("text")
    if isinstance(text, str):
        return text
    raise ValidationError(
        f"{place} holds a block of type {kind!r}: the platform takes plain text. Pass files and images by URI or "
        'artifact id instead: files=[{"name": ..., "uri": ...}], as an argument of the model or of the call.'
    )


def _tool_result(place: str, block: Mapping[str, Any]) -> str:
    content = block.get("content") or ""
    text = content if isinstance(content, str) else "\n".join(_block_texts(place, content))
    status = "error" if block.get("is_error") else "success"
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
        "model_name": options.get("model_name") or DEFAULT_MODEL_NAME,
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
    )


def _answer(response: ResponseObject, options: AnswerOptions) -> tuple[str, list[ToolCall], list[InvalidToolCall]]:
    stop, offer = options.get("stop", ()), options.get("offer")
    if offer is not None:
        reply = offer.read(response)
        calls = [tool_call(name=call.name, args=call.args, id=call.id) for call in reply.calls]
        invalid = [
            invalid_tool_call(name=call.name, args=arguments_text(call.args), id=call.id, error=call.problem)
            for call in reply.invalid
        ]
        return reply.content if offer.answer_schema is not None else cut_at(reply.content, stop), calls, invalid
    text = response.output_text or ""
    if not options.get("structured", False):
        return cut_at(text, stop), [], []
    value = object_of(response)
    # A message with the text is worth more than no message; the parser of a structured chain raises.
    return text if value is None else json.dumps(value, ensure_ascii=False), [], []


def cut_at(text: str, stop: Sequence[str]) -> str:
    """Return the text before the first of these marks, or all of it if it contains none."""
    ends = [place for mark in stop if mark and (place := text.find(mark)) >= 0]
    return text[: min(ends)] if ends else text


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
    """Return what a message says about its thread: in tags of a history, or in the metadata of an answer."""
    known = message.additional_kwargs
    if THREAD_ID in known:
        is_stored = bool(known.get(PERSISTED))
        return Tags(known[THREAD_ID], is_stored=is_stored, is_answer=is_stored and isinstance(message, AIMessage))
    facts = message.response_metadata
    if isinstance(message, AIMessage) and facts.get("model_provider") == "lumnis" and facts.get("thread_id"):
        return Tags(facts["thread_id"], is_answer=True)
    return Tags()
