"""Between LangChain's messages and the wire's: roles and plain text one way, runs and their news the other. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
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

from lumnisai_core import MessageRole, ResponseObject, ResponseStatus, RunUpdate
from lumnisai_core.exceptions import ValidationError
from lumnisai_integrations._shared.runs import reasoning_text
from lumnisai_integrations._shared.structured import StructuredOutputError, structured_text
from lumnisai_integrations._shared.tools import Call, Reply, ToolOffer, tool_calls_text, tool_result_text
from lumnisai_integrations.langchain.blocks import SHOWN_AS_BLOCKS, arguments_text, artifact_data, message_blocks
from lumnisai_integrations.langchain.errors import unusable_output

#: Shown in traces and metadata where no model was chosen.
DEFAULT_MODEL_NAME = "lumnis"

_ROLES = {
    "system": MessageRole.SYSTEM,
    "developer": MessageRole.SYSTEM,
    "human": MessageRole.USER,
    "user": MessageRole.USER,
    "ai": MessageRole.ASSISTANT,
    "assistant": MessageRole.ASSISTANT,
}

#: Blocks of an answer that are not part of what was said. Tool calls go out from ``AIMessage.tool_calls`` and
#: ``AIMessage.invalid_tool_calls``.
_UNSAID_BLOCKS = frozenset(
    {
        "reasoning",
        "thinking",
        "redacted_thinking",
        "tool_call",
        "tool_call_chunk",
        "invalid_tool_call",
        "tool_use",
        "function_call",
        "server_tool_call",
        "server_tool_call_chunk",
        "server_tool_result",
    }
)

#: Blocks that an answer may hold besides: artifacts of its run, which are with the service already.
_ARTIFACT_BLOCKS = frozenset({"file", "non_standard"})


def convert_in(messages: Sequence[BaseMessage]) -> list[dict[str, str]]:
    """Write a conversation as roles and texts.

    Text blocks are joined, an assistant's tool calls and their results become text, and the ``name`` of a message is
    left out, because the wire has no field for these.

    Raises:
        ValidationError: There is no message, or one that the platform cannot take.
    """
    if not messages:
        raise ValidationError("There are no messages: pass a text, or a list that ends with a HumanMessage.")
    return [_wire_message(index, message) for index, message in enumerate(messages)]


def _wire_message(index: int, message: BaseMessage) -> dict[str, str]:
    match message:
        case ToolMessage():
            result = tool_result_text(
                _text(index, message), name=message.name, call_id=message.tool_call_id, status=message.status
            )
            return _turn(MessageRole.USER, result)
        case FunctionMessage():
            return _turn(MessageRole.USER, tool_result_text(_text(index, message), name=message.name, call_id=None))
        case AIMessage():
            return _turn(MessageRole.ASSISTANT, _assistant_text(index, message))
        case SystemMessage():
            return _turn(MessageRole.SYSTEM, _text(index, message))
        case HumanMessage():
            return _turn(MessageRole.USER, _text(index, message))
        case ChatMessage() if message.role.lower() in _ROLES:
            return _turn(_ROLES[message.role.lower()], _text(index, message))
        case ChatMessage():
            raise ValidationError(f"messages[{index}] has the role {message.role!r}: use {', '.join(sorted(_ROLES))}.")
        case _:
            raise ValidationError(
                f"messages[{index}] is a {type(message).__name__}, which cannot be sent: use system, human, AI or tool "
                "messages."
            )


def _turn(role: MessageRole, text: str) -> dict[str, str]:
    return {"role": role.value, "content": text}


def _assistant_text(index: int, message: AIMessage) -> str:
    said = _text(index, message)
    calls: list[ToolCall | InvalidToolCall] = [*message.tool_calls, *message.invalid_tool_calls]
    if not calls:
        return said
    return tool_calls_text(said, [{key: call.get(key) for key in ("id", "name", "args")} for call in calls])


def _text(index: int, message: BaseMessage) -> str:
    if isinstance(message.content, str):
        return message.content
    # Answers are cut into blocks at any place; what people write in blocks are paragraphs.
    place, content = f"messages[{index}]", message.content
    if isinstance(message, AIMessage):
        said = [block for block in content if isinstance(block, str) or block.get("type") not in _ARTIFACT_BLOCKS]
        return "".join(_block_texts(place, said))
    return "\n".join(_block_texts(place, content))


def _block_texts(place: str, blocks: Sequence[str | Mapping[str, Any]]) -> list[str]:
    return [text for block in blocks if (text := _block_text(place, block)) is not None]


def _block_text(place: str, block: str | Mapping[str, Any]) -> str | None:
    if isinstance(block, str):
        return block
    kind = block.get("type")
    if kind in _UNSAID_BLOCKS:
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
        model_name: The model that was asked for.
        structured: Whether an object was asked for. It becomes the content, as JSON text, and the run's own text goes
            to ``response_metadata["output_text"]``. If there is no object, the content is that text.
        stop: Texts before which the answer is cut off; they do not cut JSON.
        offer: The tools that the run was offered. The calls it asks for become ``tool_calls``.
    """

    model_name: str | None
    structured: bool
    stop: Sequence[str]
    offer: ToolOffer | None


def convert_out(
    response: ResponseObject,
    *,
    as_blocks: bool = False,
    **options: Unpack[AnswerOptions],
) -> AIMessage:
    """Write a finished run as a message.

    Args:
        response: The run.
        as_blocks: Whether the content is a list of all blocks, as with ``output_version="v1"``. Otherwise it is the
            text, and reasoning and artifacts are in ``additional_kwargs``.
        **options: The rest.

    Returns:
        The message. Its id is that of the run, and its reasoning is what the run reported on its way.

    Raises:
        StructuredOutputError: Tools were offered, and the run returned neither calls nor an answer.
    """
    outcome = _outcome(response, options)
    calls = [tool_call(name=call.name, args=call.args, id=call.id) for call in outcome.calls]
    invalid = [
        invalid_tool_call(name=call.name, args=arguments_text(call.args), id=call.id, error=call.problem)
        for call in outcome.invalid
    ]
    content: Any = outcome.content
    tags = progress_kwargs([_entry_update(response, index) for index in range(len(response.progress))])
    if response.artifacts:
        tags["artifacts"] = artifact_data(response)
    if as_blocks:
        content = message_blocks(response, outcome.content, calls, invalid)
        outcome.metadata["output_version"] = "v1"
        tags = {name: value for name, value in tags.items() if name not in SHOWN_AS_BLOCKS}
    return AIMessage(
        content=content,
        id=response.response_id,
        response_metadata=outcome.metadata,
        tool_calls=calls,
        invalid_tool_calls=invalid,
        additional_kwargs=tags,
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class _Outcome:
    content: str
    metadata: dict[str, Any]
    calls: Sequence[Call] = ()
    invalid: Sequence[Call] = ()


def _outcome(response: ResponseObject, options: AnswerOptions) -> _Outcome:
    structured, stop, offer = options.get("structured", False), options.get("stop", ()), options.get("offer")
    metadata: dict[str, Any] = {
        "model_provider": "lumnis",
        "model_name": options.get("model_name") or DEFAULT_MODEL_NAME,
        "response_id": response.response_id,
        "thread_id": response.thread_id,
        "status": str(response.status),
    }
    if response.response_title:
        metadata["response_title"] = response.response_title
    text = response.output_text or ""
    if structured or offer is not None:
        metadata["output_text"] = text
    if offer is not None:
        reply = _reply(offer, response)
        said = reply.content if offer.answer_schema is not None else cut_at(reply.content, stop)
        return _Outcome(content=said, metadata=metadata, calls=reply.calls, invalid=reply.invalid)
    if not structured:
        return _Outcome(content=cut_at(text, stop), metadata=metadata)
    try:
        return _Outcome(content=structured_text(response), metadata=metadata)
    except StructuredOutputError:
        # A message with the text is worth more than no message; the parser of a structured chain raises.
        return _Outcome(content=text, metadata=metadata)


def _reply(offer: ToolOffer, response: ResponseObject) -> Reply:
    try:
        return offer.read(response)
    except StructuredOutputError as error:
        raise unusable_output(error) from None


def cut_at(text: str, stop: Sequence[str]) -> str:
    """Return the part of a text before the first of these; all of it if none is in it."""
    ends = [place for mark in stop if mark and (place := text.find(mark)) >= 0]
    return text[: min(ends)] if ends else text


def _entry_update(response: ResponseObject, index: int) -> RunUpdate:
    entry = response.progress[index]
    return RunUpdate(
        response_id=response.response_id,
        thread_id=response.thread_id,
        status=ResponseStatus.IN_PROGRESS,
        state=entry.state,
        message=entry.message,
        tool_calls=tuple(entry.tool_calls),
        entry_index=index,
    )


def progress_kwargs(updates: Sequence[RunUpdate]) -> dict[str, Any]:
    """Return news of a run as ``additional_kwargs`` hold them; nothing if they show nothing."""
    shown = [(text, update) for update in updates if (text := reasoning_text(update))]
    if not shown:
        return {}
    return {
        "reasoning_content": "".join(text for text, _ in shown),
        "lumnis_progress": [update.as_data() for _, update in shown],
    }
