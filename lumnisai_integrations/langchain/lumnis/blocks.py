"""Content blocks of LangChain for a run: its progress as it arrives, the answer, and the artifacts. Pure."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, cast

from langchain_core.messages import InvalidToolCall, ToolCall, ToolCallChunk
from langchain_core.messages.content import ContentBlock
from langchain_core.messages.tool import tool_call_chunk

from lumnisai_core import Artifact, ResponseObject, RunUpdate
from lumnisai_core import ToolCall as ServiceToolCall
from lumnisai_integrations._shared.runs import progress_updates

#: Types of blocks with tool calls that the caller is to make.
CALLS = frozenset({"tool_call", "invalid_tool_call"})


@dataclass(frozen=True, slots=True)
class BlockPart:
    """A whole block, a dict of its own, with its position in the message; or for reasoning the text that it gains."""

    index: int
    block: ContentBlock


@dataclass(slots=True)
class _Entry:
    state: str
    message: str
    calls: list[ServiceToolCall] = field(default_factory=list)
    call_ids: list[str] = field(default_factory=list)

    def is_continued_by(self, update: RunUpdate) -> bool:
        if update.is_growth:
            return True
        calls = list(update.tool_calls)
        same = update.message == self.message and len(calls) >= len(self.calls)
        if not same or any(
            one.name != two.name or one.args != two.args for one, two in zip(self.calls, calls, strict=False)
        ):
            return False
        # An entry that comes again without any change is a step that was repeated.
        return update.state != self.state or calls != self.calls


class ProgressBlocks:
    """Turns the progress of one run into content blocks as it arrives.

    Messages are reasoning, a line each, and consecutive ones share a block. Calls of the service's tools are
    ``server_tool_call`` blocks, with a ``server_tool_result`` each time that an output is new. For an entry that grows
    there are blocks for the new parts only.

    Attributes:
        count: The number of blocks so far.
    """

    def __init__(self) -> None:
        self.count = 0
        self._entries: dict[int, _Entry] = {}
        self._ids: set[str] = set()
        self._is_reasoning = False
        self._text_index: int | None = None

    def write(self, text: str) -> BlockPart:
        """Return a new part of the answer, which is one block unless progress comes in between."""
        if self._text_index != self.count - 1 or self._is_reasoning:
            self._text_index, self._is_reasoning = self.count, False
            self.count += 1
        return BlockPart(self._text_index, {"type": "text", "text": text})

    def accept(self, update: RunUpdate) -> list[BlockPart]:
        """Return the new parts of blocks; none for an update that is not about a progress entry."""
        index = update.entry_index
        if index is None:
            return []
        entry, is_growth = self._entries.get(index), update.is_growth
        parts: list[BlockPart] = []
        if entry is None or not entry.is_continued_by(update):
            entry = self._entries[index] = _Entry(update.state, update.message)
            if update.message:
                parts.append(self._reasoning(f"{update.message}\n"))
        known = len(entry.calls) if is_growth else 0  # an update of growth has only the new calls
        for position, call in enumerate(update.tool_calls, known):
            parts += self._call(entry, f"call_{update.response_id}_{index}_{position}", position, call)
        entry.state = entry.state if is_growth else update.state
        return parts

    def _reasoning(self, text: str) -> BlockPart:
        if not self._is_reasoning:
            self.count += 1
        self._is_reasoning = True
        return BlockPart(self.count - 1, {"type": "reasoning", "reasoning": text})

    def _call(self, entry: _Entry, proposed_id: str, position: int, call: ServiceToolCall) -> list[BlockPart]:
        if position >= len(entry.calls):
            entry.calls.append(call)
            entry.call_ids.append(self._unused((call.model_extra or {}).get("id") or proposed_id))
            return self._whole(server_tool_blocks(call, entry.call_ids[position]))
        before, entry.calls[position] = entry.calls[position], call
        if call.output_text is None or call.output_text == before.output_text:
            return []
        return self._whole([_server_tool_result(call, entry.call_ids[position])])

    def _whole(self, blocks: Iterable[ContentBlock]) -> list[BlockPart]:
        parts = [BlockPart(index, block) for index, block in enumerate(blocks, self.count)]
        self.count += len(parts)
        self._is_reasoning = False
        return parts

    def _unused(self, proposed: object) -> str:
        call_id, number = str(proposed), 1
        while call_id in self._ids:
            number += 1
            call_id = f"{proposed}_{number}"
        self._ids.add(call_id)
        return call_id


def progress_blocks(response: ResponseObject) -> list[ContentBlock]:
    """Return the progress of a run as content blocks."""
    writer = ProgressBlocks()
    joined: dict[int, Any] = {}
    for part in (part for update in progress_updates(response) for part in writer.accept(update)):
        block = joined.setdefault(part.index, part.block)
        if block is not part.block:  # more text of the same reasoning
            block["reasoning"] += cast("Any", part.block)["reasoning"]
    return list(joined.values())


def server_tool_blocks(call: ServiceToolCall, call_id: str) -> list[ContentBlock]:
    """Return a tool call of the service: the call, with further keys of it as ``extras``, and its result if known."""
    data = call.model_dump(mode="json")
    extras = {name: data[name] for name in call.model_extra or {} if name != "id"}
    block: Any = {"type": "server_tool_call", "id": call_id, "name": call.name, "args": data["args"]}
    block |= {"extras": extras} if extras else {}
    return [block] if call.output_text is None else [block, _server_tool_result(call, call_id)]


def _server_tool_result(call: ServiceToolCall, call_id: str) -> ContentBlock:
    failed = (call.model_extra or {}).get("status") in ("error", "failed")
    return {
        "type": "server_tool_result",
        "tool_call_id": call_id,
        "status": "error" if failed else "success",
        "output": call.output_text,
    }


def answer_blocks(text: str, calls: Iterable[ToolCall | InvalidToolCall] = ()) -> list[ContentBlock]:
    """Return the answer of a run: its text, unless that is empty, and the tool calls that the caller is to make."""
    texts: list[ContentBlock] = [{"type": "text", "text": text}] if text else []
    return texts + [cast("ContentBlock", dict(call)) for call in calls]


def message_blocks(
    response: ResponseObject, text: str, calls: Iterable[ToolCall | InvalidToolCall] = ()
) -> list[ContentBlock]:
    """Return a whole run as content blocks: progress, answer, artifacts."""
    return progress_blocks(response) + answer_blocks(text, calls) + artifact_blocks(response)


def artifact_blocks(response: ResponseObject) -> list[ContentBlock]:
    """Return the artifacts of a run: ``file`` blocks for those with an address, else ``non_standard`` ones.

    A ``non_standard`` block holds the artifact as :func:`artifact_data` writes it, in ``value["artifact"]``.
    """
    return [_artifact_block(artifact) for artifact in response.artifacts]


def artifact_data(response: ResponseObject) -> list[dict[str, Any]]:
    """Return the artifacts of a run as plain data, with everything that the service sends."""
    return [_plain_artifact(artifact) for artifact in response.artifacts]


def _plain_artifact(artifact: Artifact) -> dict[str, Any]:
    return artifact.model_dump(mode="json", exclude_unset=True, exclude_none=True)


def _artifact_block(artifact: Artifact) -> ContentBlock:
    data = _plain_artifact(artifact)
    known = {"id": artifact.artifact_id} if artifact.artifact_id else {}
    address = next((key for key in ("url", "uri") if isinstance(data.get(key), str) and data[key]), None)
    if address is None:
        return cast("ContentBlock", {"type": "non_standard", **known, "value": {"artifact": data}})
    file: dict[str, Any] = {"type": "file", **known, "url": data.pop(address)}
    if artifact.artifact_id:
        file["file_id"] = data.pop("artifact_id")
    if isinstance(data.get("mime_type"), str):
        file["mime_type"] = data.pop("mime_type")
    return cast("ContentBlock", {**file, **({"extras": data} if data else {})})


def as_chunk(part: BlockPart) -> dict[str, Any]:
    """Return a part as content of a message chunk; chunks are merged by ``index``."""
    block: Any = part.block
    return {**(call_chunk(block, part.index) if block["type"] == "tool_call" else block), "index": part.index}


def call_chunk(call: ToolCall | InvalidToolCall, index: int) -> ToolCallChunk:
    """Return a tool call with its arguments as text, as chunks have it."""
    return tool_call_chunk(name=call["name"], args=arguments_text(call["args"]), id=call["id"], index=index)


def arguments_text(arguments: object) -> str:
    """Return the arguments of a tool call as JSON text, or the text that the agent wrote instead."""
    return arguments if isinstance(arguments, str) else json.dumps(arguments, ensure_ascii=False, default=str)


def without_repeated(kwargs: Mapping[str, Any]) -> dict[str, Any]:
    """Return ``additional_kwargs`` without those that the blocks of the message repeat."""
    return {name: value for name, value in kwargs.items() if name not in ("reasoning_content", "artifacts")}
