"""Runs of LangChain as fields of Lucidic's events: messages, generations, documents, inputs and outputs. Pure."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from typing import Any

from langchain_core.documents import Document
from langchain_core.messages import AIMessage, BaseMessage, ChatMessage, ToolMessage
from langchain_core.outputs import ChatGeneration, LLMResult
from langchain_core.prompt_values import PromptValue

from lumnisai_integrations._shared.lucidic import content_of, parameters_of, tool_call, usage_of

_ROLES = {"human": "user", "ai": "assistant"}

#: Levels of lists and objects that are looked through for messages and documents.
_DEEPEST = 6


def name_of(serialized: Mapping[str, Any] | None, name: str | None, otherwise: str) -> str:
    """Return the name of a run: its own, or that of its class."""
    path = (serialized or {}).get("id")
    last = path[-1] if isinstance(path, list | tuple) and path else None
    return str(name or (serialized or {}).get("name") or last or otherwise)


def message_of(message: BaseMessage) -> dict[str, Any]:
    """Return a message by role, with its tool calls and what it answers."""
    role = message.role if isinstance(message, ChatMessage) else _ROLES.get(message.type.removesuffix("Chunk"))
    found: dict[str, Any] = {"role": role or _role_of_chunk(message), "content": content_of(message.content)}
    if message.name:
        found["name"] = message.name
    if calls := tool_calls_of(message):
        found["tool_calls"] = calls
    if isinstance(message, ToolMessage):
        found["tool_call_id"] = message.tool_call_id
        if message.status == "error":
            found["status"] = "error"
    return found


def _role_of_chunk(message: BaseMessage) -> str:
    kind = message.type.removesuffix("MessageChunk").lower()
    return _ROLES.get(kind, kind)


def tool_calls_of(message: BaseMessage) -> list[dict[str, Any]]:
    """Return the tool calls of a message, also those whose arguments are not valid."""
    if not isinstance(message, AIMessage):
        return []
    calls = [tool_call(call["name"], call["args"], call.get("id")) for call in message.tool_calls]
    return calls + [tool_call(call["name"], call["args"], call.get("id")) for call in message.invalid_tool_calls]


def plain(value: Any, depth: int = 0) -> Any:
    """Return inputs or outputs of a run with messages and documents by what they hold; other values as they are."""
    if isinstance(value, BaseMessage):
        return message_of(value)
    if isinstance(value, Document):
        return document_of(value)
    if isinstance(value, PromptValue):
        return [message_of(message) for message in value.to_messages()]
    if depth < _DEEPEST:
        if dataclasses.is_dataclass(value) and not isinstance(value, type):  # such as a graph's Command
            return {one.name: plain(getattr(value, one.name), depth + 1) for one in dataclasses.fields(value)}
        if isinstance(value, dict):
            return {key: plain(item, depth + 1) for key, item in value.items()}
        if isinstance(value, list | tuple):
            return [plain(item, depth + 1) for item in value]
    return value


def document_of(document: Document) -> dict[str, Any]:
    """Return a document with its metadata."""
    identity = {} if document.id is None else {"id": document.id}
    return {**identity, "content": document.page_content, "metadata": document.metadata}


def arguments_of(inputs: Any) -> dict[str, Any]:
    """Return the inputs of a chain as arguments."""
    shown = plain(inputs)
    return {"arguments": shown if isinstance(shown, dict) else {"input": shown}}


def model_of(
    invocation: Mapping[str, Any] | None, metadata: Mapping[str, Any] | None, otherwise: str
) -> dict[str, Any]:
    """Return provider, model and parameters of a model call, from what LangChain says about it."""
    settings, known = invocation or {}, metadata or {}
    model = known.get("ls_model_name") or settings.get("model") or settings.get("model_name")
    found = {"provider": known.get("ls_provider") or otherwise, "model": model or otherwise}
    # A temperature may be in the metadata alone.
    about = {"temperature": known.get("ls_temperature"), "max_tokens": known.get("ls_max_tokens"), **settings}
    parameters = parameters_of(about)
    return {**found, "params": parameters} if parameters else found


def generation_of(result: LLMResult) -> tuple[dict[str, Any], dict[str, Any]]:
    """Return what a model call gave: counts and names, and its answer."""
    generation = result.generations[0][0] if result.generations and result.generations[0] else None
    if generation is None:
        return _usage(result, None), {}
    message = generation.message if isinstance(generation, ChatGeneration) else None
    known = _usage(result, message)
    about = (message.response_metadata if message is not None else None) or generation.generation_info or {}
    if model := about.get("model_name") or about.get("model"):
        known["model"] = str(model)
    if reason := about.get("finish_reason") or about.get("stop_reason") or about.get("done_reason"):
        known["finish_reason"] = str(reason)
    if message is None:
        return known, _answers([[one.text for one in several] for several in result.generations])
    outputs: dict[str, Any] = {"output": content_of(message.content)}
    if calls := tool_calls_of(message):
        outputs["tool_calls"] = calls
    if thinking := _thinking(message):
        outputs["thinking"] = thinking
    if len(several := result.generations[0]) > 1:
        outputs["response_messages"] = [message_of(one.message) for one in several if isinstance(one, ChatGeneration)]
    return known, outputs


def _answers(texts: Sequence[Sequence[str]]) -> dict[str, Any]:
    """Return texts, one if there is only one."""
    flat = [text for several in texts for text in several]
    return {"output": flat[0] if len(flat) == 1 else flat}


def _usage(result: LLMResult, message: BaseMessage | None) -> dict[str, Any]:
    usage = message.usage_metadata if isinstance(message, AIMessage) else None
    output = result.llm_output or {}
    return usage_of(usage or output.get("token_usage") or output.get("usage") or {})


def _thinking(message: BaseMessage) -> str:
    blocks = message.content if isinstance(message.content, list) else []
    texts = [str(block.get("thinking") or block.get("reasoning") or "") for block in blocks if isinstance(block, dict)]
    return "".join(texts) or str(message.additional_kwargs.get("reasoning_content") or "")


def tool_result_of(output: Any) -> dict[str, Any]:
    """Return what a tool gave; a message stands for its content and artifact."""
    if isinstance(output, ToolMessage):
        result = {"return_value": content_of(output.content)}
        return {**result, "error": str(output.text)} if output.status == "error" else result
    return {"return_value": plain(output)}
