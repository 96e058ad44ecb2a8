"""Runs as LangChain's content blocks: progress as it comes, the answer, and the documents that were made. Pure."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, cast

from langchain_core.messages import InvalidToolCall, ToolCall
from langchain_core.messages import content as blocks
from langchain_core.messages.content import ContentBlock

from lumnisai_core import Artifact, ResponseObject, RunUpdate
from lumnisai_core import ToolCall as ServiceToolCall

#: Keys of ``additional_kwargs`` whose facts a message of blocks has in its blocks.
SHOWN_AS_BLOCKS = frozenset({"reasoning_content", "artifacts"})

#: Types of the blocks that ask the caller to run a tool.
CALLS = frozenset({"tool_call", "invalid_tool_call"})

_FAILED = frozenset({"error", "failed"})


@dataclass(frozen=True, slots=True)
class BlockPart:
    """A whole block, or for reasoning the text that it gains.

    Attributes:
        index: Position of the block in the message, from 0. Parts with the same index belong together.
        block: The block, a dict of its own; that of reasoning holds only the new text.
    """

    index: int
    block: ContentBlock


@dataclass(slots=True)
class _Entry:
    state: str
    message: str
    calls: list[ServiceToolCall] = field(default_factory=list)
    call_ids: list[str] = field(default_factory=list)

    def is_continued_by(self, state: str, message: str, calls: Sequence[ServiceToolCall]) -> bool:
        if state == "tool_update":
            return True
        same = message == self.message and len(calls) >= len(self.calls) and all(map(_is_same_call, self.calls, calls))
        # An entry that comes again just as it was is a step that was done again.
        return same and (state != self.state or list(calls) != self.calls)


class ProgressBlocks:
    """Writes the progress of one run as content blocks, as it comes.

    Messages are reasoning, a line each, and consecutive ones share a block. Calls of the service's tools are
    ``server_tool_call`` blocks, with a ``server_tool_result`` each time that an output is new. An entry that grows
    shows only what is new about it.

    Args:
        response_id: Id of the run, from which the ids of tool calls follow.
    """

    def __init__(self, response_id: str) -> None:
        self._response_id = response_id
        self._entries: dict[int, _Entry] = {}
        self._ids: set[str] = set()
        self._count = 0
        self._is_reasoning = False

    @property
    def count(self) -> int:
        """How many blocks there are."""
        return self._count

    def accept(self, update: RunUpdate) -> list[BlockPart]:
        """Write one update; news that is not about a progress entry has no blocks."""
        if update.entry_index is None:
            return []
        return self.add(update.entry_index, update.state, update.message, update.tool_calls)

    def add(self, entry_index: int, state: str, message: str, tool_calls: Sequence[ServiceToolCall]) -> list[BlockPart]:
        """Write one progress entry.

        Args:
            entry_index: Its position in the progress of the run.
            state: Its state; ``tool_update`` if ``tool_calls`` are only those it gained.
            message: Its text.
            tool_calls: Its tool calls.
        """
        entry = self._entries.get(entry_index)
        parts: list[BlockPart] = []
        if entry is None or not entry.is_continued_by(state, message, tool_calls):
            entry = self._entries[entry_index] = _Entry(state, message)
            if message:
                parts.append(self._reasoning(f"{message}\n"))
        known = 0 if state != "tool_update" else len(entry.calls)
        for position, call in enumerate(tool_calls, known):
            parts += self._call(entry, f"call_{self._response_id}_{entry_index}_{position}", position, call)
        entry.state = entry.state if state == "tool_update" else state
        return parts

    def _reasoning(self, text: str) -> BlockPart:
        if not self._is_reasoning:
            self._count += 1
        self._is_reasoning = True
        return BlockPart(self._count - 1, {"type": "reasoning", "reasoning": text})

    def _call(self, entry: _Entry, proposed_id: str, position: int, call: ServiceToolCall) -> list[BlockPart]:
        if position >= len(entry.calls):
            entry.calls.append(call)
            entry.call_ids.append(self._unused((call.model_extra or {}).get("id") or proposed_id))
            return self._whole(server_tool_blocks(call, entry.call_ids[position]))
        before, entry.calls[position] = entry.calls[position], call
        if call.output_text is None or call.output_text == before.output_text:
            return []
        return self._whole([_server_tool_result(call, entry.call_ids[position])])

    def _whole(self, made: Iterable[ContentBlock]) -> list[BlockPart]:
        parts = [BlockPart(index, block) for index, block in enumerate(made, self._count)]
        self._count += len(parts)
        self._is_reasoning = False
        return parts

    def _unused(self, proposed: object) -> str:
        made, number = str(proposed), 1
        while made in self._ids:
            number += 1
            made = f"{proposed}_{number}"
        self._ids.add(made)
        return made


def progress_blocks(response: ResponseObject) -> list[ContentBlock]:
    """Return the progress of a run as content blocks."""
    writer = ProgressBlocks(response.response_id)
    joined: dict[int, ContentBlock] = {}
    for index, entry in enumerate(response.progress):
        for part in writer.add(index, entry.state, entry.message, entry.tool_calls):
            if part.index in joined:  # reasoning that goes on
                before, more = cast("Any", joined[part.index]), cast("Any", part.block)
                before["reasoning"] += more["reasoning"]
            else:
                joined[part.index] = part.block
    return list(joined.values())


def server_tool_blocks(call: ServiceToolCall, call_id: str) -> list[ContentBlock]:
    """Return a tool call that the service made: the call, and its result if that is known.

    Args:
        call: The call. Keys that the service adds to it become ``extras``.
        call_id: Id for the call, to which the result refers.
    """
    given = call.model_dump(mode="json")
    made: blocks.ServerToolCall = {
        "type": "server_tool_call",
        "id": call_id,
        "name": call.name,
        "args": given["args"],
    }
    extras = {name: given[name] for name in call.model_extra or {} if name != "id"}
    if extras:
        made["extras"] = extras
    return [made] if call.output_text is None else [made, _server_tool_result(call, call_id)]


def _server_tool_result(call: ServiceToolCall, call_id: str) -> ContentBlock:
    failed = (call.model_extra or {}).get("status") in _FAILED
    return {
        "type": "server_tool_result",
        "tool_call_id": call_id,
        "status": "error" if failed else "success",
        "output": call.output_text,
    }


def answer_blocks(
    text: str, tool_calls: Sequence[ToolCall] = (), invalid_tool_calls: Sequence[InvalidToolCall] = ()
) -> list[ContentBlock]:
    """Return what a run answered: its text, unless that is empty, and the calls that the caller is to make."""
    said: list[ContentBlock] = [{"type": "text", "text": text}] if text else []
    calls: list[ContentBlock] = [
        {"type": "tool_call", "id": call["id"], "name": call["name"], "args": call["args"]} for call in tool_calls
    ]
    invalid: list[ContentBlock] = [
        {
            "type": "invalid_tool_call",
            "id": call["id"],
            "name": call["name"],
            "args": call["args"],
            "error": call["error"],
        }
        for call in invalid_tool_calls
    ]
    return said + calls + invalid


def message_blocks(
    response: ResponseObject,
    text: str,
    tool_calls: Sequence[ToolCall] = (),
    invalid_tool_calls: Sequence[InvalidToolCall] = (),
) -> list[ContentBlock]:
    """Return a whole run as content blocks: progress, answer, documents."""
    return progress_blocks(response) + answer_blocks(text, tool_calls, invalid_tool_calls) + artifact_blocks(response)


def artifact_blocks(response: ResponseObject) -> list[ContentBlock]:
    """Return the documents that a run made: ``file`` blocks for those with an address, else ``non_standard`` ones.

    A ``non_standard`` block holds the document as :func:`artifact_data` writes it, in ``value["artifact"]``.
    """
    return [_artifact_block(artifact) for artifact in response.artifacts]


def artifact_data(response: ResponseObject) -> list[dict[str, Any]]:
    """Write the documents that a run made as plain data, with everything the service says of them."""
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
    """Return a part as content of a message chunk; chunks add up by ``index``."""
    block = cast("dict[str, Any]", part.block)
    return call_chunk(block, part.index) if block["type"] == "tool_call" else {**block, "index": part.index}


def call_chunk(block: Mapping[str, Any], index: int) -> dict[str, Any]:
    """Return a call that the caller is to make as a call of which the arguments are still text."""
    return {
        "type": "tool_call_chunk",
        "id": block["id"],
        "name": block["name"],
        "args": arguments_text(block["args"]),
        "index": index,
    }


def arguments_text(arguments: object) -> str:
    """Return the arguments of a call as JSON text, or as the text that the agent gave instead."""
    return arguments if isinstance(arguments, str) else json.dumps(arguments, ensure_ascii=False, default=str)


def _is_same_call(one: ServiceToolCall, other: ServiceToolCall) -> bool:
    return one.name == other.name and one.args == other.args
