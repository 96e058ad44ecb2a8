"""Messages, documents and streamed chunks of LangChain: which of their texts a guard changes."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from langchain_core.messages import AIMessage, AIMessageChunk, BaseMessage, HumanMessage, ToolMessage
from langchain_core.messages.tool import tool_call_chunk
from langchain_core.runnables.utils import AddableDict

from lumnisai_core.exceptions import ValidationError
from lumnisai_integrations._shared.privacy.guard import Exchange, Flow, Guard
from lumnisai_integrations._shared.privacy.nested import Walk

#: Blocks without text.
_MEDIA = frozenset(
    {"image", "image_url", "audio", "input_audio", "input_image", "video", "file", "input_file", "media"}
)
#: Fields of blocks and tool calls that name things of the protocol.
_NAMES = frozenset({"type", "id", "index", "name", "tool_use_id", "tool_call_id", "call_id", "status", "signature"})
#: Fields of streamed blocks that come in pieces, and those of them whose pieces are JSON.
_IN_PIECES = frozenset({"text", "reasoning", "thinking", "partial_json", "args", "arguments"})
_JSON = frozenset({"partial_json", "args", "arguments"})


def special(walk: Walk, value: Any, _label: str) -> Any:
    """Change the texts of a message; everything else is walked as data."""
    return _message(walk, value) if isinstance(value, BaseMessage) else NotImplemented


def _message(walk: Walk, message: BaseMessage) -> BaseMessage:
    fields = {name: getattr(message, name) for name in ("additional_kwargs", "response_metadata")}
    if isinstance(message, HumanMessage):
        fields["name"] = message.name
    update = walk.changes(fields)
    new: dict[str, Any] = {"content": _content(walk, message.content)}
    if isinstance(message, AIMessage):
        for name in ("tool_calls", "invalid_tool_calls", "tool_call_chunks"):
            if calls := getattr(message, name, None):
                new[name] = _unchanged_or([_block(walk, call) for call in calls], calls)
    if isinstance(message, ToolMessage):
        new["artifact"] = _artifact(walk, message.artifact)
    update |= {name: changed for name, changed in new.items() if changed is not getattr(message, name)}
    return message.model_copy(update=update) if update else message


def _content(walk: Walk, content: Any) -> Any:
    if not isinstance(content, list):
        return walk(content)
    return _unchanged_or([_block(walk, part) if isinstance(part, dict) else walk(part) for part in content], content)


def _block(walk: Walk, block: Mapping[str, Any]) -> Any:
    if walk.strict and block.get("type") in _MEDIA:
        raise ValidationError(
            f"The guard cannot look into a block of type {block['type']!r}, so it is not passed on: leave it out, or "
            "pass its text."
        )
    changed = {
        name: item if name in _NAMES else walk(item, "" if name == "text" else name) for name, item in block.items()
    }
    return block if all(changed[name] is item for name, item in block.items()) else changed


def _unchanged_or(changed: list[Any], value: list[Any]) -> list[Any]:
    return value if all(a is b for a, b in zip(changed, value, strict=True)) else changed


def _artifact(walk: Walk, artifact: Any) -> Any:
    """Change an artifact; what cannot be looked into is left out, because a model does not get it anyway."""
    try:
        return walk(artifact)
    except ValidationError:
        return None


def reported(guard: Guard, exchange: Exchange, result: Any) -> Any:
    """Return an answer whose metadata says how many values of each type were replaced; other results as they are."""
    if not isinstance(result, AIMessage):
        return result
    metadata = {**result.response_metadata, "liminal": guard.report(exchange)}
    return result.model_copy(update={"response_metadata": metadata})


class Stream:
    """Restores what a stream yields: texts, message chunks, dicts of these, and whole values.

    Args:
        guard: The guard.
        exchange: Knows the values.
    """

    def __init__(self, guard: Guard, exchange: Exchange) -> None:
        self._guard = guard
        self._exchange = exchange
        self._pieces = exchange.pieces()
        self._reported = False

    def feed(self, value: Any) -> Flow[list[Any]]:
        """Return what can be yielded for a value: one value, or none if it is held back."""
        match value:
            case str():
                text = yield from self._piece(("text",), value)
                return [text] if text or not value else []
            case AIMessageChunk():
                chunk = yield from self._chunk(value)
                if _is_empty(chunk) and not _is_empty(value):
                    return []
                if not self._reported:
                    self._reported = True
                    return [reported(self._guard, self._exchange, chunk)]
                return [chunk]
            case AddableDict():
                items = AddableDict()
                for name, item in value.items():
                    if isinstance(item, str):
                        text = yield from self._piece(("key", name), item)
                        items |= {name: text} if text or not item else {}
                    else:
                        items[name] = yield from self._nested(item)
                return [items] if items else []
        nested = yield from self._nested(value)
        return [nested]

    def end(self) -> Flow[list[Any]]:
        """Return what was held back at the end of the stream."""
        rest: list[Any] = []
        for key in self._pieces.open_keys:
            match key:
                case ("text",):
                    rest.append((yield from self._guard.rest(self._pieces, key, self._exchange)))
                case ("key", name):
                    rest.append(AddableDict({name: (yield from self._guard.rest(self._pieces, key, self._exchange))}))
        ids = dict.fromkeys(key[1] for key in self._pieces.open_keys)
        for message_id in ids:
            ending = yield from self._ending(AIMessageChunk(content="", id=message_id))
            rest.append(ending)
        return rest

    def event(self, event: Mapping[str, Any]) -> Flow[list[dict[str, Any]]]:
        """Return the events to yield for an event of a run, whose stream this is."""
        data = event["data"]
        if event["event"].endswith("_stream") and "chunk" in data:
            chunks = yield from self.feed(data["chunk"])
            return [{**event, "data": {**data, "chunk": chunk}} for chunk in chunks]
        whole = yield from self._guard.restored(dict(event), self._exchange, special)
        if not event["event"].endswith("_end"):
            return [whole]
        name = event["event"].removesuffix("_end") + "_stream"
        rest = yield from self.end()
        return [*({**whole, "event": name, "data": {"chunk": chunk}} for chunk in rest), whole]

    def protocol_event(self, event: Mapping[str, Any]) -> Flow[list[dict[str, Any]]]:
        """Return the events to dispatch for an event of the content-block protocol."""
        index = event.get("index")
        delta: Any = event.get("delta")
        match event.get("event"), delta:
            case "content-block-delta", {"type": "text-delta" | "reasoning-delta" as kind}:
                name = kind.removesuffix("-delta")
                text = yield from self._piece(("delta", index, name), delta[name])
                return [{**event, "delta": {**delta, name: text}}] if text else []
            case "content-block-delta", {"type": "tool-call-delta", "args": str(args)}:
                text = yield from self._piece(("delta", index, "args"), args, is_json=True)
                return [{**event, "delta": {**delta, "args": text}}] if text else []
            case "content-block-delta", {"type": "block-delta", "fields": {"args": str(args)} as fields}:
                # A snapshot of the arguments so far; the block at its end has them whole.
                return [{**event, "delta": {**delta, "fields": {**fields, "args": ""}}}] if not args else []
            case "content-block-finish", _:
                rest: list[dict[str, Any]] = []
                for name in ("text", "reasoning", "args"):
                    text = yield from self._guard.rest(self._pieces, ("delta", index, name), self._exchange)
                    kind = "tool-call-delta" if name == "args" else f"{name}-delta"
                    if text:
                        piece = {"event": "content-block-delta", "index": index, "delta": {"type": kind, name: text}}
                        rest.append(piece)
                whole = yield from self._guard.restored(dict(event), self._exchange, special)
                return [*rest, whole]
        whole = yield from self._guard.restored(dict(event), self._exchange, special)
        return [whole]

    def _piece(self, key: Any, piece: str, *, is_json: bool = False) -> Flow[str]:
        return (yield from self._guard.piece(self._pieces, key, piece, self._exchange, is_json=is_json))

    def _nested(self, value: Any) -> Flow[Any]:
        """Restore message chunks inside a value piece by piece, and everything else as a whole."""
        match value:
            case AIMessageChunk():
                return (yield from self._chunk(value))
            case tuple() if not hasattr(value, "_fields"):
                items = []
                for item in value:
                    nested = yield from self._nested(item)
                    items.append(nested)
                return tuple(items)
            case dict() if type(value) is dict:
                changed = {}
                for name, item in value.items():
                    key = yield from self._guard.restored(name, self._exchange)
                    changed[key] = yield from self._nested(item)
                return changed
        return (yield from self._guard.restored(value, self._exchange, special))

    def _chunk(self, chunk: AIMessageChunk) -> Flow[AIMessageChunk]:
        update: dict[str, Any] = {}
        if isinstance(chunk.content, str):
            update["content"] = yield from self._piece(("message", chunk.id, "content"), chunk.content)
        else:
            update["content"] = yield from self._blocks(chunk)
        calls = []
        for number, call in enumerate(chunk.tool_call_chunks):
            args = call["args"]
            if args:
                index = call.get("index", number)
                args = yield from self._piece(("message", chunk.id, "call", index), args, is_json=True)
            calls.append({**call, "args": args})
        update["tool_call_chunks"] = calls
        kwargs = dict(chunk.additional_kwargs)
        thoughts = kwargs.pop("reasoning_content", None)
        update["additional_kwargs"] = yield from self._guard.restored(kwargs, self._exchange, special)
        if isinstance(thoughts, str):
            thoughts = yield from self._piece(("message", chunk.id, "thoughts"), thoughts)
        if thoughts is not None:
            update["additional_kwargs"] = {**update["additional_kwargs"], "reasoning_content": thoughts}
        new = _rebuilt(chunk, update)
        return (yield from self._ending(new)) if chunk.chunk_position == "last" else new

    def _blocks(self, chunk: AIMessageChunk) -> Flow[list[Any]]:
        blocks: list[Any] = []
        for number, block in enumerate(chunk.content):
            if isinstance(block, str):
                blocks.append((yield from self._piece(("message", chunk.id, "content"), block)))
                continue
            new: dict[Any, Any] = {}
            for name, item in block.items():
                if name in _IN_PIECES and isinstance(item, str):
                    key = ("message", chunk.id, "block", block.get("index", number), block.get("type"), name)
                    new[name] = yield from self._piece(key, item, is_json=name in _JSON)
                elif name in _NAMES:
                    new[name] = item
                else:
                    new[name] = yield from self._guard.restored(item, self._exchange, special)
            blocks.append(new)
        return blocks

    def _ending(self, chunk: AIMessageChunk) -> Flow[AIMessageChunk]:
        """Return the last chunk of a message with what was held back of it."""
        content, calls, kwargs = chunk.content, list(chunk.tool_call_chunks), dict(chunk.additional_kwargs)
        for key in self._pieces.open_keys:
            match key:
                case ("message", chunk.id, *place):
                    rest = yield from self._guard.rest(self._pieces, key, self._exchange)
                    match place:
                        case ["content"]:
                            content = content + rest if isinstance(content, str) else [*content, rest]
                        case ["thoughts"]:
                            kwargs["reasoning_content"] = kwargs.get("reasoning_content", "") + rest
                        case ["call", index]:
                            calls.append(tool_call_chunk(args=rest, index=index))
                        case ["block", index, kind, name]:
                            block = {"type": kind, name: rest, "index": index}
                            content = [*([content] if isinstance(content, str) and content else content or []), block]
        return _rebuilt(chunk, {"content": content, "tool_call_chunks": calls, "additional_kwargs": kwargs})


def _rebuilt(chunk: AIMessageChunk, update: Mapping[str, Any]) -> AIMessageChunk:
    """Return a chunk whose tool calls are those of its pieces."""
    derived = {"tool_calls", "invalid_tool_calls", "type"}
    kept = {name: getattr(chunk, name) for name in type(chunk).model_fields if name not in derived}
    if not update["tool_call_chunks"]:
        kept |= {"tool_calls": chunk.tool_calls, "invalid_tool_calls": chunk.invalid_tool_calls}
    return type(chunk)(**{**kept, **update})


def _is_empty(chunk: AIMessageChunk) -> bool:
    said = chunk.content or chunk.tool_call_chunks or chunk.additional_kwargs or chunk.response_metadata
    return not said and not chunk.usage_metadata and chunk.chunk_position != "last"
