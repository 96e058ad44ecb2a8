from __future__ import annotations

import copy
import json
from typing import Any

import pytest
from llama_index.core.base.llms.generic_utils import messages_to_history_str
from llama_index.core.base.llms.types import (
    AudioBlock,
    CacheControl,
    CachePoint,
    ChatMessage,
    CitableBlock,
    CitationBlock,
    DocumentBlock,
    ImageBlock,
    MessageRole,
    TextBlock,
    ThinkingBlock,
    ToolCallBlock,
    VideoBlock,
)
from pydantic import BaseModel

from lumnisai_core import ResponseObject, RunUpdate, ToolCall
from lumnisai_core.exceptions import ValidationError
from lumnisai_integrations.llama_index import LumnisLLM
from lumnisai_integrations.llama_index.lumnis.convert import ChunkWriter, convert_in, convert_out
from tests.llama_index.conftest import HELLO

RUN = ResponseObject(response_id="r1", thread_id="t1", status="succeeded", output_text="High tide is at noon.")
LAST = RunUpdate("r1", "t1", "succeeded", "completed", output_text=RUN.output_text, response=RUN)


@pytest.mark.parametrize(
    ("role", "sent"),
    [
        (MessageRole.SYSTEM, "system"),
        (MessageRole.DEVELOPER, "system"),
        (MessageRole.USER, "user"),
        (MessageRole.ASSISTANT, "assistant"),
        (MessageRole.CHATBOT, "assistant"),
        (MessageRole.MODEL, "assistant"),
    ],
)
def test_roles(role: MessageRole, sent: str) -> None:
    """Every role of LlamaIndex becomes one of the platform's three."""
    assert convert_in([ChatMessage(role=role, content="Hello")]) == [{"role": sent, "content": "Hello"}]


@pytest.mark.parametrize("role", list(MessageRole))
def test_no_role_is_unknown(role: MessageRole) -> None:
    """A role that LlamaIndex knows is never a KeyError."""
    assert convert_in([ChatMessage(role=role, content="Hello")])[0]["role"] in {"system", "user", "assistant"}


@pytest.mark.parametrize(
    ("blocks", "content"),
    [
        ([], ""),
        ([TextBlock(text="a"), TextBlock(text="b")], "a\nb"),
        ([ThinkingBlock(content="hm"), TextBlock(text="a")], "a"),
        ([TextBlock(text="a"), CachePoint(cache_control=CacheControl(type="ephemeral"))], "a"),
        ([CitableBlock(title="Tides", source="tides.md", content=[TextBlock(text="a")])], "Tides (tides.md):\na"),
        (
            [CitationBlock(cited_content=TextBlock(text="a"), source="s", title="t", additional_location_info={})],
            "a",
        ),
    ],
)
def test_blocks_that_are_text(blocks: list[Any], content: str) -> None:
    """Text blocks are joined by line breaks; reasoning and cache marks are left out."""
    assert convert_in([ChatMessage(role="user", blocks=blocks)]) == [{"role": "user", "content": content}]


@pytest.mark.parametrize(
    ("block", "kind"),
    [
        (ImageBlock(url="https://example.com/a.png"), "image"),
        (AudioBlock(url="https://example.com/a.mp3"), "audio"),
        (VideoBlock(url="https://example.com/a.mp4"), "video"),
        (DocumentBlock(url="https://example.com/a.pdf"), "document"),
    ],
)
def test_blocks_that_are_no_text(block: Any, kind: str) -> None:
    """Media is refused with its place, its kind and the way that works, never dropped."""
    messages = [ChatMessage(content="See"), ChatMessage(role="user", blocks=[TextBlock(text="this"), block])]
    with pytest.raises(ValidationError, match=rf"messages\[1\].*'{kind}'.*files="):
        convert_in(messages)


@pytest.mark.parametrize(
    ("others", "shown"), [({}, ""), ({"tool_calls": [{"a": "}\n"}]}, "\n{'tool_calls': [{'a': '}\\n'}]}")]
)
def test_prompts_about_stored_messages_do_not_show_bookkeeping(others: dict[str, Any], shown: str) -> None:
    """A memory in a database returns plain dicts, which LlamaIndex prints into prompts; anyone else's stay."""
    [answer] = [convert_out(RUN).message]
    answer.additional_kwargs.update({"lumnis_persisted": True, **others})
    read = ChatMessage.model_validate_json(answer.model_dump_json())
    mine = ChatMessage(role="user", content="Why?", additional_kwargs={"mine": 1})
    prompt = f"A conversation:\n{messages_to_history_str([read, mine, read])}\nIts title:"
    [sent] = convert_in([ChatMessage(role="user", content=prompt)])
    said = f"assistant: High tide is at noon.{shown}"
    assert sent["content"] == f"A conversation:\n{said}\nuser: Why?\n{{'mine': 1}}\n{said}\nIts title:"


def test_media_inside_a_citable_block() -> None:
    """Media is found inside other blocks too."""
    block = CitableBlock(title="t", source="s", content=[ImageBlock(url="https://example.com/a.png")])
    with pytest.raises(ValidationError, match="'image'"):
        convert_in([ChatMessage(role="user", blocks=[block])])


@pytest.mark.parametrize("role", [MessageRole.TOOL, MessageRole.FUNCTION])
def test_tool_results(role: MessageRole) -> None:
    """A tool's result is delimited text of the user that names the tool and the call."""
    known = {"name": "add", "tool_call_id": "c1"}
    [sent] = convert_in([ChatMessage(role=role, content="42", additional_kwargs=known)])
    assert sent == {
        "role": "user",
        "content": '{"tool_result": {"name": "add", "id": "c1"}}\n42\n[end of tool result]',
    }


@pytest.mark.parametrize(
    ("positions", "known", "name"),
    [
        (None, {"tool_call_id": "c2"}, "multiply"),
        ([2], {"tool_call_id": "c1"}, "add"),
        ([2], {"tool_call_id": "c1", "name": "sum"}, "sum"),
        (None, {"tool_call_id": "c3"}, None),
        (None, {"tool_call_id": ["c1"]}, None),
        (None, {}, None),
    ],
)
def test_tool_results_name_their_tool(positions: list[int] | None, known: dict[str, Any], name: str | None) -> None:
    """A result that has only the id of its call, as from agents, gets the name from the call, sent now or before."""
    names = {"c1": "add", "c2": "multiply"}
    calls = [ToolCallBlock(tool_call_id=at, tool_name=called, tool_kwargs={}) for at, called in names.items()]
    result = ChatMessage(role="tool", content="42", additional_kwargs=known)
    sent = convert_in([*HELLO, ChatMessage(role="assistant", blocks=calls), result], positions)
    assert json.loads(sent[-1]["content"].partition("\n")[0])["tool_result"]["name"] == name


@pytest.mark.parametrize(
    ("given", "shown"), [({"a": 1}, '{"a": 1}'), ('{"a": 1}', '{"a": 1}'), ("not json", '"not json"')]
)
def test_tool_calls(given: Any, shown: str) -> None:
    """Tool calls are JSON text of the assistant, after what it said."""
    call = ToolCallBlock(tool_call_id="c1", tool_name="add", tool_kwargs=given)
    [sent] = convert_in([ChatMessage(role="assistant", blocks=[TextBlock(text="Let me see."), call])])
    written = f'{{"tool_calls": [{{"id": "c1", "name": "add", "args": {shown}}}]}}'
    assert sent == {"role": "assistant", "content": f"Let me see.\n{written}"}


def test_history_is_left_alone() -> None:
    """Converting changes nothing in the caller's messages."""
    call = ToolCallBlock(tool_call_id="c1", tool_name="add", tool_kwargs='{"a": 1}')
    history = [
        ChatMessage(content="Hello"),
        ChatMessage(role="assistant", blocks=[call]),
        ChatMessage(role="tool", content="1", additional_kwargs={"tool_call_id": "c1"}),
    ]
    before = copy.deepcopy(history)
    convert_in(history)
    assert history == before


def test_answer() -> None:
    """A finished run is the assistant's message, a plain dict, and its ids; no usage is made up."""
    answer = convert_out(RUN)
    assert (answer.message.role, answer.message.content) == (MessageRole.ASSISTANT, "High tide is at noon.")
    assert isinstance(answer.raw, dict)
    assert answer.raw["status"] == "succeeded"
    assert "usage" not in answer.raw
    assert answer.additional_kwargs == {"response_id": "r1", "thread_id": "t1"}
    assert answer.message.additional_kwargs == {
        "lumnis_response_id": "r1",
        "lumnis_thread_id": "t1",
        "lumnis_run_thread_id": "t1",
    }


def test_answer_without_text() -> None:
    """A run without a text answers with an empty one."""
    assert convert_out(ResponseObject(response_id="r1", status="succeeded")).message.content == ""


def test_progress_chunk() -> None:
    """Progress is reasoning, never text, and never looks like a client tool call."""
    calls = (ToolCall(name="search", args={"q": "tide"}),)
    update = RunUpdate("r1", "t1", "in_progress", "processing", message="Searching.", tool_calls=calls, entry_index=0)
    [chunk] = ChunkWriter().chunks(update)
    assert (chunk.delta, chunk.message.content) == ("", "")
    assert chunk.additional_kwargs["thinking_delta"] == 'Searching.\nsearch(q="tide")\n'
    assert chunk.additional_kwargs["lumnis_progress"]["tool_calls"][0]["name"] == "search"
    assert chunk.message.additional_kwargs == {}
    assert chunk.raw == {"response_id": "r1", "thread_id": "t1", "status": "in_progress"}


def test_updates_without_text() -> None:
    """A change of status alone is no chunk."""
    assert list(ChunkWriter().chunks(RunUpdate("r1", "t1", "queued", "queued"))) == []


def test_end_without_answer() -> None:
    """A run that did not succeed has no last chunk; the error follows from the client."""
    failed = ResponseObject(response_id="r1", status="failed")
    assert list(ChunkWriter().chunks(RunUpdate("r1", "t1", "failed", "failed", response=failed))) == []


@pytest.mark.parametrize(
    ("size", "deltas"),
    [
        (None, ["High tide is at noon."]),
        (9, ["High tide", " is at no", "on."]),
        (7, ["High ti", "de is a", "t noon."]),
        (100, ["High tide is at noon."]),
    ],
)
def test_chunks_of_the_answer(size: int | None, deltas: list[str]) -> None:
    """Deltas add up to the text, content is what has come so far, and only the last chunk carries the run."""
    chunks = list(ChunkWriter(size).chunks(LAST))
    assert [chunk.delta for chunk in chunks] == deltas
    assert [chunk.message.content for chunk in chunks] == ["".join(deltas[: end + 1]) for end in range(len(deltas))]
    assert [bool(chunk.additional_kwargs) for chunk in chunks] == [False] * (len(chunks) - 1) + [True]
    assert all(isinstance(chunk.raw, dict) for chunk in chunks)
    assert chunks[-1] == convert_out(RUN).model_copy(update={"delta": deltas[-1]})


def test_empty_answer_is_one_chunk() -> None:
    """A stream of a run without text still ends with the chunk that carries the run."""
    empty = ResponseObject(response_id="r1", thread_id="t1", status="succeeded")
    [chunk] = ChunkWriter(5).chunks(RunUpdate("r1", "t1", "succeeded", "completed", response=empty))
    assert (chunk.delta, chunk.message.content) == ("", "")
    assert chunk.additional_kwargs["response_id"] == "r1"


@pytest.mark.parametrize("size", [0, -1, "8", 1.5, True])
def test_chunk_size_is_checked(size: Any) -> None:
    """Anything but a whole number from 1 is refused before the run starts."""
    with pytest.raises(ValidationError, match="stream_chunk_size"):
        LumnisLLM(api_key="key").stream_chat(HELLO, stream_chunk_size=size)


class _OlderCall(BaseModel):
    id: str
    function: dict[str, str]


@pytest.mark.parametrize(
    ("call", "written"),
    [
        (_OlderCall(id="c1", function={"name": "add", "arguments": '{"a": 1}'}), {"id": "c1", "args": {"a": 1}}),
        ({"id": "c1", "function": {"name": "add", "arguments": "{"}}, {"id": "c1", "args": "{"}),
        ({"name": "add"}, {"id": None, "args": {}}),
        ("add", {"id": None, "args": {}}),
    ],
)
def test_calls_in_older_forms(call: object, written: dict[str, object]) -> None:
    """Calls that other LLMs left only in ``additional_kwargs`` are written like those in blocks."""
    message = ChatMessage(role="assistant", additional_kwargs={"tool_calls": [call]})
    assert json.loads(convert_in([message])[0]["content"]) == {"tool_calls": [{"name": "add", **written}]}


def test_positions() -> None:
    """Only the chosen messages are written; errors name the position in the whole conversation."""
    messages = [ChatMessage(content=text) for text in ("a", "b", "c")]
    assert [item["content"] for item in convert_in(messages, (0, 2))] == ["a", "c"]
    image = ChatMessage(blocks=[ImageBlock(url="https://example.com/a.png")])
    with pytest.raises(ValidationError, match=r"messages\[1\]"):
        convert_in([*HELLO, image], (1,))
    assert convert_in([image, *HELLO], (1,))[0]["content"] == "Hello"
