"""Spans and events of LlamaIndex as fields of Lucidic's events: messages, responses, nodes, arguments. Pure."""

from __future__ import annotations

import re
from collections.abc import Mapping
from inspect import BoundArguments
from typing import Any, NamedTuple
from uuid import NAMESPACE_OID, UUID, uuid5

from llama_index.core.base.embeddings.base import BaseEmbedding
from llama_index.core.base.llms.base import BaseLLM
from llama_index.core.base.llms.types import (
    ChatMessage,
    ChatResponse,
    CompletionResponse,
    TextBlock,
    ThinkingBlock,
    ToolCallBlock,
)
from llama_index.core.base.response.schema import (
    AsyncStreamingResponse,
    PydanticResponse,
    Response,
    StreamingResponse,
)
from llama_index.core.prompts.base import BasePromptTemplate
from llama_index.core.schema import BaseNode, NodeWithScore, QueryBundle
from llama_index.core.tools.types import BaseTool, ToolOutput
from pydantic import BaseModel

from lumnisai_core.lucidic import EventType
from lumnisai_integrations._shared.lucidic import content_of, parameters_of, tool_call, usage_of

#: Methods of a model that call it; its others prepare a call or read an answer.
_MODEL_CALLS = frozenset(
    f"{prefix}{name}" for prefix in ("", "a") for name in ("chat", "complete", "stream_chat", "stream_complete")
)

#: Arguments in which workflows pass their own state.
_OF_WORKFLOWS = frozenset({"ctx", "init_state"})

#: The UUID at the end of a span's id.
_UUID = re.compile(r"-[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}$")

#: Levels of lists and objects that are looked through for messages, nodes and responses.
_DEEPEST = 6


class Opening(NamedTuple):
    """What is known where a span begins: the type of its event, its name and model, and its arguments."""

    kind: EventType
    known: dict[str, Any]
    inputs: dict[str, Any]


def opening_of(span_id: str, instance: Any, arguments: BoundArguments) -> Opening:
    """Return the beginning of the event for a span, whose id begins with class and method."""
    name = span_name(span_id)
    if is_model_call(span_id, instance):
        return Opening(EventType.LLM_GENERATION, model_of(instance), {})  # the event of its start has the messages
    inputs = {"arguments": {key: plain(value) for key, value in _named(arguments).items()}}
    if isinstance(instance, BaseTool):
        return Opening(EventType.FUNCTION_CALL, {"function_name": _tool_name(instance, name), "span": name}, inputs)
    known = {"function_name": name}
    if isinstance(instance, BaseEmbedding):
        known["model"] = instance.model_name
    return Opening(EventType.FUNCTION_CALL, known, inputs)


def span_name(span_id: str) -> str:
    """Return the class and method in the id of a span."""
    return _UUID.sub("", span_id) or span_id


def is_model_call(span_id: str, instance: Any) -> bool:
    """Return whether a span is the call of a model."""
    return isinstance(instance, BaseLLM) and span_name(span_id).rpartition(".")[2] in _MODEL_CALLS


def event_id_of(span_id: str) -> UUID:
    """Return the id of the event for a span: its own UUID, or one made of its id."""
    found = _UUID.search(span_id)
    return UUID(found[0][1:]) if found else uuid5(NAMESPACE_OID, span_id)


def _tool_name(tool: BaseTool, otherwise: str) -> str:
    try:
        return str(tool.metadata.get_name())
    except Exception:  # noqa: BLE001 - metadata without a name, or written by others
        return otherwise


def _named(arguments: BoundArguments) -> dict[str, Any]:
    """Return the arguments by name, those of ``**kwargs`` beside the others."""
    named = {key: value for key, value in arguments.arguments.items() if key not in _OF_WORKFLOWS}
    for name in ("kwargs", "kwds"):
        if isinstance(named.get(name), dict):
            named |= named.pop(name)
    if named.get("args") == ():
        del named["args"]
    return named


def model_of(llm: BaseLLM) -> dict[str, Any]:
    """Return provider, model and parameters of a model."""
    provider = getattr(llm, "provider", None) or llm.class_name()
    found = {"provider": str(provider), "model": str(llm.metadata.model_name)}
    fields = type(llm).model_fields if isinstance(llm, BaseModel) else ()
    parameters = parameters_of({name: getattr(llm, name, None) for name in fields})
    return {**found, "params": parameters} if parameters else found


def message_of(message: ChatMessage) -> dict[str, Any]:
    """Return a message by role, with its tool calls and what it answers."""
    found: dict[str, Any] = {"role": str(message.role.value), "content": _content(message)}
    if calls := tool_calls_of(message):
        found["tool_calls"] = calls
    for name in ("tool_call_id", "name"):
        if value := message.additional_kwargs.get(name):
            found[name] = str(value)
    return found


def _content(message: ChatMessage) -> Any:
    blocks = [block for block in message.blocks if not isinstance(block, ToolCallBlock | ThinkingBlock)]
    if all(isinstance(block, TextBlock) for block in blocks):
        return "\n".join(block.text for block in blocks if isinstance(block, TextBlock))
    return content_of([block.model_dump(exclude_none=True) for block in blocks])


def tool_calls_of(message: ChatMessage) -> list[dict[str, Any]]:
    """Return the tool calls of a message, whether they are blocks or in the form of a provider."""
    calls = [
        tool_call(block.tool_name, block.tool_kwargs, block.tool_call_id)
        for block in message.blocks
        if isinstance(block, ToolCallBlock)
    ]
    if calls:
        return calls
    others = message.additional_kwargs.get("tool_calls")
    return [found for call in others if (found := _provider_call(call))] if isinstance(others, list | tuple) else []


def _provider_call(call: Any) -> dict[str, Any] | None:
    """Return a tool call in the form of a provider, an object or a dict with ``function`` or the fields themselves."""
    fields = _fields(call)
    inner = _fields(fields.get("function")) or fields
    name = inner.get("name") or fields.get("tool_name")
    arguments = inner.get("arguments") or fields.get("input") or fields.get("args")
    return tool_call(name, arguments, fields.get("id") or fields.get("tool_id")) if name else None


def answer_of(response: ChatResponse | CompletionResponse | None) -> tuple[dict[str, Any], dict[str, Any]]:
    """Return what a model call gave: counts and names, and its answer."""
    if response is None:
        return {}, {}
    known = {**_usage(response), **_ending(response)}
    if isinstance(response, CompletionResponse):
        return known, {"output": response.text}
    outputs: dict[str, Any] = {"output": _content(response.message)}
    if calls := tool_calls_of(response.message):
        outputs["tool_calls"] = calls
    if thinking := "".join(one.content or "" for one in response.message.blocks if isinstance(one, ThinkingBlock)):
        outputs["thinking"] = thinking
    return known, outputs


def _usage(response: ChatResponse | CompletionResponse) -> dict[str, Any]:
    raw = _fields(response.raw)
    inside = response.additional_kwargs
    if isinstance(response, ChatResponse):
        inside = {**inside, **response.message.additional_kwargs}
    for usage in (raw.get("usage"), raw.get("usage_metadata"), inside.get("usage"), inside, raw):
        if found := usage_of(_fields(usage)):
            return found
    return {}


def _ending(response: ChatResponse | CompletionResponse) -> dict[str, Any]:
    """Return the model that answered and why it ended, as far as the provider's answer says so."""
    raw = _fields(response.raw)
    found = {"model": str(raw["model"])} if isinstance(raw.get("model"), str) else {}
    choices = raw.get("choices")
    choice = _fields(choices[0]) if isinstance(choices, list) and choices else {}
    reason = choice.get("finish_reason") or raw.get("stop_reason") or raw.get("done_reason")
    return {**found, "finish_reason": str(reason)} if reason else found


def _fields(value: Any) -> Mapping[str, Any]:
    if isinstance(value, Mapping):
        return value
    return dict(vars(value)) if hasattr(value, "__dict__") else {}


def plain(value: Any, depth: int = 0) -> Any:
    """Return arguments or results with messages, nodes, queries and responses by what they hold."""
    if isinstance(value, ChatMessage):
        return message_of(value)
    if isinstance(value, NodeWithScore | BaseNode):
        return node_of(value)
    if isinstance(value, QueryBundle):
        return value.query_str
    if isinstance(value, ChatResponse | CompletionResponse):
        return answer_of(value)[1]
    if isinstance(value, ToolOutput):
        return plain(value.raw_output if value.raw_output is not None else value.content, depth + 1)
    if isinstance(value, BasePromptTemplate):
        return getattr(value, "template", type(value).__name__)
    if isinstance(value, Response | StreamingResponse | AsyncStreamingResponse | PydanticResponse):
        return _response(value)
    if hasattr(value, "__next__") or hasattr(value, "__anext__"):
        return f"<{type(value).__name__}>"  # read by somebody else
    if depth < _DEEPEST:
        if isinstance(value, dict):
            return {key: plain(item, depth + 1) for key, item in value.items()}
        if isinstance(value, list | tuple):
            if len(value) > 3 and all(isinstance(item, float) for item in value):
                return f"<{len(value)} numbers>"  # an embedding
            return [plain(item, depth + 1) for item in value]
    return value


def _response(response: Any) -> dict[str, Any]:
    """Return an answer with its sources; one that is a stream has no text yet."""
    text = getattr(response, "response", None) or getattr(response, "response_txt", None)
    sources = [node_of(node) for node in response.source_nodes]
    return {"response": plain(text), **({"sources": sources} if sources else {})}


def node_of(node: NodeWithScore | BaseNode) -> dict[str, Any]:
    """Return a node as a document: id, text, metadata, score."""
    inner = node.node if isinstance(node, NodeWithScore) else node
    found = {"id": inner.node_id, "content": inner.get_content(), "metadata": inner.metadata}
    score = node.score if isinstance(node, NodeWithScore) else None
    return found if score is None else {**found, "score": float(score)}
