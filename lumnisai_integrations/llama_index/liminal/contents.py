"""Messages, nodes and streamed answers of LlamaIndex: which of their texts a guard changes."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from typing import Any, TypeVar, cast

from llama_index.core.base.llms.types import (
    AudioBlock,
    BaseContentBlock,
    CachePoint,
    ChatMessage,
    ChatResponse,
    CompletionResponse,
    DocumentBlock,
    ImageBlock,
    TextBlock,
    ToolCallBlock,
    VideoBlock,
)
from llama_index.core.schema import BaseNode, NodeWithScore, QueryBundle
from llama_index.core.tools import ToolOutput, ToolSelection
from llama_index_instrumentation.dispatcher import (
    DISPATCHER_SPAN_DECORATED_ATTR,
    active_instrument_tags,
    instrument_tags,
)

from lumnisai_core.exceptions import ValidationError
from lumnisai_integrations._shared.privacy.guard import Exchange, Flow, Guard
from lumnisai_integrations._shared.privacy.nested import Walk, with_attributes

F = TypeVar("F", bound=Callable[..., Any])

_MEDIA = (ImageBlock, AudioBlock, VideoBlock, DocumentBlock)
#: Texts of each kind of object; everything else in it names things of the framework.
_TEXTS: tuple[tuple[type, tuple[str, ...]], ...] = (
    (ChatMessage, ("blocks", "additional_kwargs")),
    (ToolCallBlock, ("tool_kwargs",)),
    (NodeWithScore, ("node",)),
    (ToolSelection, ("tool_kwargs",)),
    (ToolOutput, ("blocks", "raw_input", "raw_output")),
    (QueryBundle, ("query_str", "custom_embedding_strs")),
    (ChatResponse, ("message", "delta", "additional_kwargs")),
    (CompletionResponse, ("text", "delta", "additional_kwargs")),
    (BaseContentBlock, ("text", "content", "cited_content", "source", "title", "additional_information")),
)
#: Fields of nodes without texts: identifiers and vectors.
_OF_NODES = frozenset({"id_", "embedding", "start_char_idx", "end_char_idx", "mimetype"})
#: Tag of a workflow with the beginning of what a step got.
_SUMMARY = "llamaindex.step.input_summary"


def special(walk: Walk, value: Any, _label: str) -> Any:
    """Change the texts of an object of the framework; everything else is walked as data."""
    if isinstance(value, CachePoint):
        return value
    if isinstance(value, _MEDIA):
        if walk.strict:
            raise ValidationError(
                f"The guard cannot look into a {type(value).__name__}, so it is not passed on: leave it out, or pass "
                "its text."
            )
        return value
    if isinstance(value, BaseNode):
        return _node(walk, value)
    for kind, names in _TEXTS:
        if isinstance(value, kind):
            return _changed(walk, value, names)
    return NotImplemented


def _changed(walk: Walk, value: Any, names: tuple[str, ...]) -> Any:
    update: dict[str, Any] = {}
    for name in names:
        before = getattr(value, name, None)
        after = _kept(walk, before) if name in ("raw_input", "raw_output") else walk(before)
        if after is not before:
            update[name] = after
    if not update:
        return value
    return value.model_copy(update=update) if hasattr(value, "model_copy") else with_attributes(value, update)


def _kept(walk: Walk, value: Any) -> Any:
    """Change what a tool got or gave; what cannot be looked into is left out, because a model does not get it."""
    try:
        return walk(value)
    except ValidationError:
        return None


def _node(walk: Walk, node: BaseNode) -> BaseNode:
    if walk.strict and getattr(node, "image", None):
        raise ValidationError("The guard cannot look into an image, so its node is not passed on.")
    fields = {name: getattr(node, name) for name in type(node).model_fields if name not in _OF_NODES}
    relationships = fields.pop("relationships", {})
    update = walk.changes(fields)
    related = {kind: _related(walk, one) for kind, one in relationships.items()}
    if any(related[kind] is not one for kind, one in relationships.items()):
        update["relationships"] = related
    return node.model_copy(update=update) if update else node


def _related(walk: Walk, value: Any) -> Any:
    if isinstance(value, list):
        changed = [_related(walk, one) for one in value]
        return value if all(a is b for a, b in zip(changed, value, strict=True)) else changed
    metadata = walk(value.metadata)
    return value if metadata is value.metadata else value.model_copy(update={"metadata": metadata})


# Spans


def unseen(method: F) -> F:
    """Mark a method that opens no span of its own, because its arguments or its result have true values."""
    setattr(method, DISPATCHER_SPAN_DECORATED_ATTR, True)
    return method


@contextmanager
def unsummarised() -> Iterator[None]:
    """Keep the summary of a workflow's event out of the spans and events in the block: it quotes messages."""
    tags = active_instrument_tags.get()
    with instrument_tags({name: value for name, value in tags.items() if name != _SUMMARY}):
        yield


def undecorated(owner: object, name: str) -> Callable[..., Any]:
    """Return a method of an object that opens no span."""
    return partial(inspect.unwrap(getattr(type(owner), name)), owner)


# Streams


class ChatStream:
    """Restores the answers of a streamed chat: each has the message so far, and what is new in it.

    Args:
        guard: The guard.
        exchange: Knows the values.
    """

    def __init__(self, guard: Guard, exchange: Exchange) -> None:
        self._guard = guard
        self._exchange = exchange
        self._pieces = exchange.pieces()
        self._before = self._so_far = ""
        self._last: ChatResponse | None = None

    def feed(self, response: ChatResponse) -> Flow[list[ChatResponse]]:
        """Return the answer to yield."""
        whole = response.message.content or ""
        delta = response.delta if response.delta is not None else whole.removeprefix(self._before)
        self._before = whole
        new = yield from self._guard.piece(self._pieces, "text", delta, self._exchange)
        self._so_far += new
        message = yield from self._guard.restored(response.message, self._exchange, special)
        kwargs = yield from self._kwargs(response.additional_kwargs)
        update = {"message": _with_text(message, self._so_far), "delta": new, "additional_kwargs": kwargs}
        self._last = response.model_copy(update=update)
        return [self._last]

    def end(self) -> Flow[list[ChatResponse]]:
        """Return the last answer, if something was held back."""
        rest = yield from self._guard.rest(self._pieces, "text", self._exchange)
        if not rest or self._last is None:
            return []
        self._so_far += rest
        message = _with_text(self._last.message, self._so_far)
        return [self._last.model_copy(update={"message": message, "delta": rest, "additional_kwargs": {}})]

    def _kwargs(self, kwargs: dict[str, Any]) -> Flow[dict[str, Any]]:
        thought = kwargs.get("thinking_delta")
        restored = yield from self._guard.restored(kwargs, self._exchange, special)
        if not isinstance(thought, str):
            return cast("dict[str, Any]", restored)
        piece = yield from self._guard.piece(self._pieces, "thinking", thought, self._exchange)
        return {**restored, "thinking_delta": piece}


def _with_text(message: ChatMessage, text: str) -> ChatMessage:
    """Return a message with one text, in the place of its first one."""
    others = [block for block in message.blocks if not isinstance(block, TextBlock)]
    place = next((n for n, block in enumerate(message.blocks) if isinstance(block, TextBlock)), len(others))
    texts = [TextBlock(text=text)] if text else []
    return message.model_copy(update={"blocks": [*others[:place], *texts, *others[place:]]})


class TextStream:
    """Restores the pieces of a streamed text.

    Args:
        guard: The guard.
        exchange: Knows the values.
    """

    def __init__(self, guard: Guard, exchange: Exchange) -> None:
        self._guard = guard
        self._exchange = exchange
        self._pieces = exchange.pieces()

    def feed(self, piece: str) -> Flow[list[str]]:
        """Return the piece to yield, or none if it is held back."""
        text = yield from self._guard.piece(self._pieces, "text", piece, self._exchange)
        return [text] if text or not piece else []

    def end(self) -> Flow[list[str]]:
        """Return what was held back."""
        rest = yield from self._guard.rest(self._pieces, "text", self._exchange)
        return [rest] if rest else []
