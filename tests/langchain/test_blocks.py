"""Runs as content blocks: progress as it comes, documents, and chunks that add up."""

from __future__ import annotations

import json
from functools import reduce
from operator import add
from typing import Any, cast

import pytest
from langchain_core.messages import AIMessage, AIMessageChunk
from langchain_core.messages.content import KNOWN_BLOCK_TYPES
from langchain_core.messages.tool import invalid_tool_call, tool_call, tool_call_chunk

from lumnisai_core import Artifact, ProgressEntry, ResponseObject, RunUpdate, ToolCall
from lumnisai_integrations.langchain.lumnis.blocks import (
    BlockPart,
    ProgressBlocks,
    answer_blocks,
    artifact_blocks,
    artifact_data,
    as_chunk,
    message_blocks,
    progress_blocks,
    server_tool_blocks,
)

SEARCH = ToolCall(name="web_search", args={"query": "tides"})
FOUND = ToolCall(name="web_search", args={"query": "tides"}, output_text="3 hits")
OPEN = ToolCall(name="open_page", args={"url": "https://example.com"})


def entry(index: int | None, message: str = "", *calls: ToolCall, state: str = "processing") -> RunUpdate:
    return RunUpdate("r1", "t1", "in_progress", state, message=message, tool_calls=calls, entry_index=index)


def shown(*news: RunUpdate) -> list[tuple[int, str, Any]]:
    """Return the parts of these updates as index, type and what they say."""
    writer = ProgressBlocks()
    return [_said(part) for update in news for part in writer.accept(update)]


def _said(part: BlockPart) -> tuple[int, str, Any]:
    block = cast("dict[str, Any]", part.block)
    told = {"reasoning": "reasoning", "server_tool_call": "id", "server_tool_result": "output"}
    return part.index, block["type"], block[told[block["type"]]]


@pytest.mark.parametrize(
    ("news", "expected"),
    [
        pytest.param([], [], id="nothing"),
        pytest.param([entry(None, state="queued")], [], id="news of the run itself"),
        pytest.param([entry(0)], [], id="an entry that says nothing"),
        pytest.param(
            [entry(0, "One."), entry(1, "Two.")],
            [(0, "reasoning", "One.\n"), (0, "reasoning", "Two.\n")],
            id="messages share a block",
        ),
        pytest.param(
            [entry(0, "One."), entry(1, "One.")],
            [(0, "reasoning", "One.\n"), (0, "reasoning", "One.\n")],
            id="two entries with the same text",
        ),
        pytest.param(
            [entry(0, "One.", SEARCH, OPEN), entry(1, "Two.")],
            [
                (0, "reasoning", "One.\n"),
                (1, "server_tool_call", "call_r1_0_0"),
                (2, "server_tool_call", "call_r1_0_1"),
                (3, "reasoning", "Two.\n"),
            ],
            id="calls end a block of reasoning",
        ),
        pytest.param(
            [entry(0, "", FOUND)],
            [(0, "server_tool_call", "call_r1_0_0"), (1, "server_tool_result", "3 hits")],
            id="a call with its result",
        ),
        pytest.param(
            [entry(0, "One.", SEARCH), entry(1, "Two."), entry(0, "One.", OPEN, state="tool_update")],
            [
                (0, "reasoning", "One.\n"),
                (1, "server_tool_call", "call_r1_0_0"),
                (2, "reasoning", "Two.\n"),
                (3, "server_tool_call", "call_r1_0_1"),
            ],
            id="an entry gains a call",
        ),
        pytest.param(
            [entry(0, "One.", SEARCH), entry(0, "One.", FOUND), entry(0, "One.", FOUND, OPEN)],
            [
                (0, "reasoning", "One.\n"),
                (1, "server_tool_call", "call_r1_0_0"),
                (2, "server_tool_result", "3 hits"),
                (3, "server_tool_call", "call_r1_0_1"),
            ],
            id="a call gains its result, once",
        ),
        pytest.param(
            [entry(0, "", FOUND), entry(0, "", ToolCall(**{**FOUND.model_dump(), "output_text": "4 hits"}))],
            [
                (0, "server_tool_call", "call_r1_0_0"),
                (1, "server_tool_result", "3 hits"),
                (2, "server_tool_result", "4 hits"),
            ],
            id="a result that changes",
        ),
        pytest.param(
            [entry(0, "One."), entry(0, "One.", state="completed")],
            [(0, "reasoning", "One.\n")],
            id="only the state changes",
        ),
        pytest.param(
            [entry(0, "One.", SEARCH), entry(0, "One.", SEARCH)],
            [
                (0, "reasoning", "One.\n"),
                (1, "server_tool_call", "call_r1_0_0"),
                (2, "reasoning", "One.\n"),
                (3, "server_tool_call", "call_r1_0_0_2"),
            ],
            id="a step that is done again",
        ),
        pytest.param(
            [entry(0, "One."), entry(0, "Other.")],
            [(0, "reasoning", "One.\n"), (0, "reasoning", "Other.\n")],
            id="an entry is replaced",
        ),
    ],
)
def test_progress_is_shown_as_it_comes(news: list[RunUpdate], expected: list[tuple[int, str, Any]]) -> None:
    """Indices rise by one, nothing is lost, and what was shown is not shown again."""
    assert shown(*news) == expected


def test_what_is_known_of_a_server_call_is_kept() -> None:
    """An id of the service's own is the id, other unknown keys are extras, and a call can have failed."""
    given = {"name": "run", "args": {"码": [1]}, "id": "c9", "status": "failed", "cost": 2, "output_text": ""}
    writer = ProgressBlocks()
    parts = writer.accept(entry(0, "", ToolCall.model_validate(given)))
    assert [part.block for part in parts] == [
        {
            "type": "server_tool_call",
            "id": "c9",
            "name": "run",
            "args": {"码": [1]},
            "extras": {"status": "failed", "cost": 2},
        },
        {"type": "server_tool_result", "tool_call_id": "c9", "status": "error", "output": ""},
    ]
    assert writer.count == 2


def test_blocks_are_copies() -> None:
    """Whoever changes a block does not change the run."""
    call = cast("dict[str, Any]", server_tool_blocks(SEARCH, "c1")[0])
    call["args"]["query"] = "other"
    assert SEARCH.args == {"query": "tides"}


def run(**fields: Any) -> ResponseObject:
    return ResponseObject(**{"response_id": "r1", "thread_id": "t1", "status": "succeeded", **fields})


A2A = {
    "artifactId": "a1",
    "name": "tides.md",
    "description": "Short",
    "parts": [{"kind": "text", "text": "# Tides", "metadata": None}],
    "metadata": None,
}
PLAIN_A2A = {
    "artifact_id": "a1",
    "name": "tides.md",
    "description": "Short",
    "parts": [{"kind": "text", "text": "# Tides"}],
}
CODE = {"type": "code", "language": "python", "content": "print(1)"}


@pytest.mark.parametrize(
    ("artifact", "block"),
    [
        (A2A, {"type": "non_standard", "id": "a1", "value": {"artifact": PLAIN_A2A}}),
        (CODE, {"type": "non_standard", "value": {"artifact": CODE}}),
        ({}, {"type": "non_standard", "value": {"artifact": {}}}),
        ({"name": "x", "uri": ""}, {"type": "non_standard", "value": {"artifact": {"name": "x", "uri": ""}}}),
        (
            {"artifact_id": "a2", "name": "a.pdf", "uri": "s3://b/a.pdf", "mime_type": "application/pdf", "bytes": 9},
            {
                "type": "file",
                "id": "a2",
                "url": "s3://b/a.pdf",
                "file_id": "a2",
                "mime_type": "application/pdf",
                "extras": {"name": "a.pdf", "bytes": 9},
            },
        ),
        ({"url": "https://example.com/a"}, {"type": "file", "url": "https://example.com/a"}),
    ],
)
def test_documents_are_blocks(artifact: dict[str, Any], block: dict[str, Any]) -> None:
    """A document with an address is a file, any other a non-standard block; everything said of it is kept."""
    assert artifact_blocks(run(artifacts=[Artifact.model_validate(artifact)])) == [block]


def test_documents_are_plain_data() -> None:
    """As data, documents have the names of the core's model and can be written as JSON."""
    data = artifact_data(run(artifacts=[Artifact.model_validate(A2A), Artifact.model_validate(CODE)]))
    assert json.loads(json.dumps(data)) == [PLAIN_A2A, CODE]
    assert Artifact.model_validate(data[0]).artifact_id == "a1"


CALLS = [tool_call(name="add", args={"x": "数"}, id="c1")]
INVALID = [invalid_tool_call(name="sub", args="[1]", id="c2", error="There is no tool 'sub'.")]


def test_an_answer_is_text_and_calls() -> None:
    """An empty text is no block; calls come in order, those that cannot be run last."""
    assert answer_blocks("") == []
    assert answer_blocks("Hm.", [*CALLS, *INVALID]) == [
        {"type": "text", "text": "Hm."},
        {"type": "tool_call", "id": "c1", "name": "add", "args": {"x": "数"}},
        {
            "type": "invalid_tool_call",
            "id": "c2",
            "name": "sub",
            "args": "[1]",
            "error": "There is no tool 'sub'.",
        },
    ]


def whole_run() -> ResponseObject:
    return run(
        progress=[
            ProgressEntry(message="One."),
            ProgressEntry(message="Two.", tool_calls=[FOUND, OPEN]),
            ProgressEntry(message="Three."),
        ],
        artifacts=[Artifact.model_validate(A2A)],
    )


def test_a_whole_run_is_progress_answer_documents() -> None:
    """The blocks of a message stand in the order of work, and a message takes them as its content."""
    made = message_blocks(whole_run(), "Done.", CALLS)
    types = ["reasoning", "server_tool_call", "server_tool_result", "server_tool_call", "reasoning", "text"]
    assert [block["type"] for block in made] == [*types, "tool_call", "non_standard"]
    assert {block["type"] for block in made} <= KNOWN_BLOCK_TYPES
    assert made[0] == {"type": "reasoning", "reasoning": "One.\nTwo.\n"}
    message = AIMessage(content_blocks=made, response_metadata={"output_version": "v1"})
    assert (message.text, message.content_blocks) == ("Done.", made)
    assert [call["name"] for call in message.tool_calls] == ["add"]


def test_chunks_of_parts_add_up() -> None:
    """Parts written as chunks add up to the message of the whole run."""
    response, writer = whole_run(), ProgressBlocks()
    steps = [
        part
        for index, step in enumerate(response.progress)
        for part in writer.accept(entry(index, step.message, *step.tool_calls))
    ]
    ends = answer_blocks("Done.", [*CALLS, *INVALID]) + artifact_blocks(response)
    answer = [as_chunk(BlockPart(index, block)) for index, block in enumerate(ends, writer.count)]
    calls = [
        tool_call_chunk(name=block["name"], args=block["args"], id=block["id"], index=block["index"])
        for block in answer
        if block["type"] in ("tool_call_chunk", "invalid_tool_call")
    ]
    v1: Any = {"id": "r1", "response_metadata": {"output_version": "v1"}}
    chunks = [AIMessageChunk(content=cast("Any", [as_chunk(part)]), **v1) for part in steps]
    chunks.append(
        AIMessageChunk(content=cast("Any", answer), tool_call_chunks=calls, chunk_position="last", **v1),
    )
    total = reduce(add, chunks)
    left = [{name: value for name, value in block.items() if name != "index"} for block in total.content_blocks]
    assert left == message_blocks(response, "Done.", [*CALLS, *INVALID])
    assert [call["id"] for call in total.tool_calls] == ["c1"]
    assert [call["id"] for call in total.invalid_tool_calls] == ["c2"]


@pytest.mark.parametrize("steps", [0, 2000])
def test_runs_of_any_length_are_written(steps: int) -> None:
    """A run without progress has no blocks; a long one has one of reasoning with all it said."""
    made = progress_blocks(run(progress=[ProgressEntry(message=f"Step {number}.") for number in range(steps)]))
    assert len(made) == min(steps, 1)
    assert "".join(cast("Any", block)["reasoning"] for block in made).count("\n") == steps
