"""Messages to the wire and runs to messages, without a service."""

from __future__ import annotations

import json
from functools import reduce
from operator import add
from typing import Any

import pytest
from langchain_core.messages import (
    AIMessage,
    AIMessageChunk,
    BaseMessage,
    ChatMessage,
    FunctionMessage,
    HumanMessage,
    HumanMessageChunk,
    RemoveMessage,
    SystemMessage,
    ToolMessage,
)

from lumnisai_core import ProgressEntry, ResponseObject, RunUpdate, ToolCall
from lumnisai_core.exceptions import ValidationError
from lumnisai_core.tools import cut_at
from lumnisai_integrations.langchain.lumnis.convert import convert_in, convert_out
from lumnisai_integrations.langchain.lumnis.streaming import StreamWriter

CALL = {"id": "c1", "name": "add", "args": {"x": "数"}}

BOTH_RESULTS = (
    '{"tool_result": {"name": null, "id": "c1", "status": "error"}}\nbad\n[end of tool result]\n'
    '{"tool_result": {"name": null, "id": "c2"}}\nok\n[end of tool result]'
)


@pytest.mark.parametrize(
    ("message", "role", "content"),
    [
        (SystemMessage("Be brief."), "system", "Be brief."),
        (HumanMessage("Hi"), "user", "Hi"),
        (HumanMessageChunk(content="Hi"), "user", "Hi"),
        (HumanMessage("Hi", name="ann"), "user", "ann: Hi"),
        (AIMessage("Hello"), "assistant", "Hello"),
        (AIMessageChunk(content="Hello"), "assistant", "Hello"),
        (ChatMessage(content="x", role="developer"), "system", "x"),
        (ChatMessage(content="x", role="User"), "user", "x"),
        (ChatMessage(content="x", role="assistant"), "assistant", "x"),
        (HumanMessage(["a", {"type": "text", "text": "b"}]), "user", "a\nb"),
        (HumanMessage([{"type": "text-plain", "text": "file text", "mime_type": "text/plain"}]), "user", "file text"),
        (AIMessage([{"type": "thinking", "thinking": "hm"}, {"type": "text", "text": "a"}, "b"]), "assistant", "ab"),
        (
            AIMessage("Let me see.", tool_calls=[CALL]),
            "assistant",
            'Let me see.\n{"tool_calls": [{"id": "c1", "name": "add", "args": {"x": "数"}}]}',
        ),
        (
            AIMessage("", tool_calls=[CALL], invalid_tool_calls=[{**CALL, "id": "c2", "args": "{x", "error": "?"}]),
            "assistant",
            (
                '{"tool_calls": [{"id": "c1", "name": "add", "args": {"x": "数"}}, '
                '{"id": "c2", "name": "add", "args": "{x"}]}'
            ),
        ),
        (
            AIMessage([{"type": "tool_use", **CALL}], tool_calls=[CALL]),
            "assistant",
            '{"tool_calls": [{"id": "c1", "name": "add", "args": {"x": "数"}}]}',
        ),
        (
            ToolMessage("3", tool_call_id="c1", name="add"),
            "user",
            '{"tool_result": {"name": "add", "id": "c1", "status": "success"}}\n3\n[end of tool result]',
        ),
        (
            FunctionMessage(content="3", name="add"),
            "user",
            '{"tool_result": {"name": "add", "id": null}}\n3\n[end of tool result]',
        ),
        (
            HumanMessage(
                [
                    {"type": "tool_result", "tool_use_id": "c1", "is_error": True, "content": [{"text": "bad"}]},
                    {"type": "tool_result", "tool_use_id": "c2", "content": "ok"},
                ]
            ),
            "user",
            BOTH_RESULTS,
        ),
    ],
)
def test_every_message_kind_has_a_role_and_a_text(message: BaseMessage, role: str, content: str) -> None:
    """Each kind of message goes out as one of the three roles and plain text; nothing said is lost."""
    assert convert_in([message]) == [{"role": role, "content": content}]


def test_system_messages_stand_anywhere() -> None:
    """Order and number of messages are kept as they are."""
    turns = [SystemMessage("a"), SystemMessage("b"), HumanMessage("c"), SystemMessage("d"), HumanMessage("e")]
    assert [turn["role"] for turn in convert_in(turns)] == ["system", "system", "user", "system", "user"]


@pytest.mark.parametrize(
    ("message", "content", "line"),
    [
        (HumanMessage([{"type": "text", "text": "See:"}, {"type": "image", "url": "x"}]), "See:\n", "of type 'image'"),
        (HumanMessage("Cut \ud835 off"), "Cut ? off\n", r"'\ud835' at position 4"),
    ],
)
def test_of_older_messages_there_is_a_line_for_what_cannot_be_sent(
    message: BaseMessage, content: str, line: str
) -> None:
    """The caller cannot change them any more; the newest one raises."""
    lines: list[str] = []
    old, new = convert_in([message, HumanMessage("And?")], lines=lines)
    assert len(lines) == 1
    assert line in lines[0]
    assert (old["content"], new["content"]) == (content + lines[0], "And?")


def test_a_picture_that_a_tool_returns_becomes_a_line() -> None:
    """Also where its result is the newest message."""
    blocks: list[str | dict[Any, Any]] = [{"type": "text", "text": "Chart:"}, {"type": "image", "base64": "x"}]
    lines: list[str] = []
    sent = convert_in([HumanMessage("Draw"), ToolMessage(blocks, tool_call_id="c")], lines=lines)
    assert f"Chart:\n{lines[0]}\n" in sent[-1]["content"]


def test_the_newest_message_has_no_lone_surrogate() -> None:
    with pytest.raises(ValidationError, match=r"messages\[0\] has a lone surrogate, '.ud835' at position 1"):
        convert_in([HumanMessage("a\ud835")])


@pytest.mark.parametrize(
    ("messages", "said"),
    [
        ([], "no messages"),
        (
            [HumanMessage("a"), HumanMessage([{"type": "image_url", "image_url": {"url": "x"}}])],
            r"messages\[1\].*'image_",
        ),
        ([HumanMessage([{"type": "audio", "base64": "x"}])], r"messages\[0\].*'audio'.*files="),
        ([ChatMessage(content="x", role="narrator")], "'narrator'"),
        ([RemoveMessage(id="1")], "RemoveMessage"),
    ],
)
def test_what_cannot_be_sent_is_named(messages: list[BaseMessage], said: str) -> None:
    """A message the platform cannot take is refused with its index, its kind and what to do."""
    with pytest.raises(ValidationError, match=said):
        convert_in(messages)


#: Blocks of an answer in the native forms of providers, none of which holds a text.
NATIVE: dict[str, list[dict[str, Any]]] = {
    "anthropic": [
        {"type": "server_tool_use", "id": "s1", "name": "web_search", "input": {"query": "tide"}},
        {"type": "web_search_tool_result", "tool_use_id": "s1", "content": []},
        {"type": "thinking", "thinking": "hm", "signature": "x"},
        {"type": "container_upload", "file_id": "f"},
    ],
    "openai": [
        {"type": "web_search_call", "id": "w1", "status": "completed"},
        {"type": "reasoning", "summary": [{"type": "summary_text", "text": "hm"}]},
        {"type": "image_generation_call", "result": "aa"},
    ],
    "bedrock_converse": [
        {"type": "reasoning_content", "reasoning_content": {"text": "hm", "signature": ""}},
        {"toolUse": {"toolUseId": "t", "name": "n", "input": {}}},
        {"cachePoint": {"type": "default"}},
    ],
    "google_genai": [
        {"type": "executable_code", "executable_code": "1+1"},
        {"type": "code_execution_result", "code_execution_result": "2", "outcome": 1},
        {"type": "image_url", "image_url": {"url": "data:image/png;base64,aa"}},
    ],
    "standard": [{"type": "server_tool_call", "id": "s", "name": "n", "args": {}}, {"type": "image", "base64": "aa"}],
}


@pytest.mark.parametrize("provider", NATIVE)
@pytest.mark.parametrize("text", [{"type": "text", "text": "At noon."}, {"text": "At noon."}, "At noon."])
def test_answers_of_other_providers_are_read(provider: str, text: Any) -> None:
    """A conversation may begin with another model: its text is sent, its native blocks are left out."""
    answer = AIMessage([*NATIVE[provider], text], response_metadata={"model_provider": provider})
    assert convert_in([HumanMessage("When?"), answer])[1] == {"role": "assistant", "content": "At noon."}


def test_a_refusal_is_a_text() -> None:
    assert convert_in([AIMessage([{"type": "refusal", "refusal": "No."}])])[0]["content"] == "No."


@pytest.mark.parametrize(
    ("blocks", "text"),
    [
        (
            [{"type": "text", "text": "a"}, {"type": "image", "base64": "x", "mime_type": "image/png"}],
            "a\n[Left out: a block of type 'image'",
        ),
        (
            [{"type": "search_result", "title": "T", "source": "s", "content": [{"type": "text", "text": "f"}]}],
            "T (s):\nf",
        ),
        ([{"type": "json", "json": {"a": "数"}}], '{"a": "数"}'),
        ([{"json": {"a": 1}}], '{"a": 1}'),
        ([{"type": "document", "source": {"type": "text", "data": "doc"}}], "doc"),
        ([{"type": "file", "base64": "x"}], "[Left out: a block of type 'file'"),
        ([{"type": "resource_link", "uri": "x"}], "[Left out: a block of type 'resource_link'"),
    ],
)
def test_results_of_tools_are_read(blocks: list[Any], text: str) -> None:
    """Nobody can change what a tool returned: what is text is sent, and a word stands for the rest."""
    alone = convert_in([ToolMessage(blocks, tool_call_id="c1", name="look")])[0]["content"]
    nested = convert_in([HumanMessage([{"type": "tool_result", "tool_use_id": "c1", "content": blocks}])])[0]["content"]
    for written in (alone, nested):
        assert written.partition("\n")[2].startswith(text)


def test_a_result_without_a_name_has_that_of_its_call() -> None:
    turns = convert_in(
        [AIMessage("", tool_calls=[{"id": "c1", "name": "add", "args": {}}]), ToolMessage("3", tool_call_id="c1")]
    )
    assert json.loads(turns[1]["content"].partition("\n")[0])["tool_result"]["name"] == "add"


def test_names_of_speakers_begin_their_texts() -> None:
    """The wire has no field for names."""
    turns = [HumanMessage("From Dover.", name="ann"), AIMessage("Noted.", name="desk"), HumanMessage("", name="ben")]
    assert [turn["content"] for turn in convert_in(turns)] == ["ann: From Dover.", "desk: Noted.", ""]


def run(**fields: Any) -> ResponseObject:
    known = {"response_id": "r1", "thread_id": "t1", "status": "succeeded", "output_text": "High at noon."}
    return ResponseObject(**{**known, **fields})


def test_a_run_becomes_a_message() -> None:
    """Content, id and metadata come from the run; there is no usage, because the service reports none."""
    entries = [ProgressEntry(state="planning", message="Plan."), ProgressEntry(tool_calls=[ToolCall(name="look")])]
    message = convert_out(run(progress=entries, response_title="Tides"), model_name="openai:gpt-4o")
    assert (message.content, message.id, message.usage_metadata) == ("High at noon.", "r1", None)
    assert message.response_metadata == {
        "model_provider": "lumnis",
        "model_name": "openai:gpt-4o",
        "response_id": "r1",
        "thread_id": "t1",
        "status": "succeeded",
        "response_title": "Tides",
    }
    assert message.additional_kwargs["reasoning_content"] == "Plan.\nlook()\n"
    assert [entry["state"] for entry in message.additional_kwargs["lumnis_progress"]] == ["planning", ""]


def test_a_run_without_text_is_an_empty_message() -> None:
    """A missing text is an empty one."""
    message = convert_out(run(output_text=None))
    assert (message.content, message.additional_kwargs) == ("", {})


@pytest.mark.parametrize(
    ("structured", "text", "content"),
    [
        ({"city": "Köln"}, "It is Köln.", '{"city": "Köln"}'),
        (None, '```json\n{"city": "Bonn"}\n```', '{"city": "Bonn"}'),
        (None, "It is Bonn.", "It is Bonn."),
    ],
)
def test_an_object_is_the_content_of_a_structured_run(structured: Any, text: str, content: str) -> None:
    """The object is the content as JSON, the text stays in the metadata; without an object the text is the content."""
    message = convert_out(run(structured_response=structured, output_text=text), structured=True, stop=["o"])
    assert message.content == content
    assert message.response_metadata["output_text"] == text


@pytest.mark.parametrize(
    ("stop", "left"), [([], "one two"), (["x"], "one two"), (["two", "ne"], "o"), ([""], "one two")]
)
def test_stop_cuts_before_the_first_mark(stop: list[str], left: str) -> None:
    """The answer ends before whichever mark comes first."""
    assert cut_at("one two", stop) == left


def test_chunks_add_up_to_the_message() -> None:
    """All chunks have the run's id, only the last one has metadata, and their sum equals the message of invoke."""
    entries = [ProgressEntry(state="a", message="One."), ProgressEntry(state="b", message="Two.")]
    whole = run(progress=entries)
    news = [
        RunUpdate("r1", "t1", "queued", "queued"),
        RunUpdate("r1", "t1", "in_progress", "a", message="One.", entry_index=0),
        RunUpdate("r1", "t1", "in_progress", "b", message="Two.", entry_index=1),
        RunUpdate("r1", "t1", "succeeded", "completed", output_text="High at noon.", response=whole),
    ]
    writer = StreamWriter(model_name="m")
    chunks = [chunk.message for update in news for chunk in writer.chunks(update)]
    assert [chunk.content for chunk in chunks] == ["", "", "High at noon."]
    assert {chunk.id for chunk in chunks} == {"r1"}
    assert [bool(chunk.response_metadata) for chunk in chunks] == [False, False, True]
    total = reduce(add, chunks)
    assert isinstance(total, AIMessageChunk)
    assert total.chunk_position == "last"
    message = convert_out(whole, model_name="m")
    assert total.content == message.content
    assert total.additional_kwargs == message.additional_kwargs
    assert total.response_metadata == message.response_metadata


def test_a_failed_run_has_no_last_chunk() -> None:
    """The end of a failed run is not shown as an answer."""
    failed = run(status="failed")
    assert not list(StreamWriter().chunks(RunUpdate("r1", "t1", "failed", "failed", response=failed)))
