"""Decisions about events of framework runs that both adapters share: usage, contents, sizes, open runs."""

from __future__ import annotations

import copy
import pickle
from types import SimpleNamespace
from typing import Any
from uuid import UUID, uuid4

import pytest

from lumnisai_core.lucidic import EventType
from lumnisai_integrations._shared.lucidic import (
    Extent,
    Recorder,
    content_of,
    cut,
    parameters_of,
    tool_call,
    usage_of,
)
from tests.shared.events import Tree, recorded


@pytest.mark.parametrize(
    ("usage", "expected"),
    [
        ({}, {}),
        (None, {}),
        ({"input_tokens": 3, "output_tokens": 0}, {"input_tokens": 3, "output_tokens": 0}),
        ({"prompt_tokens": 3, "completion_tokens": 2, "total_tokens": 5}, {"input_tokens": 3, "output_tokens": 2}),
        ({"prompt_token_count": 3, "candidates_token_count": 2}, {"input_tokens": 3, "output_tokens": 2}),
        ({"prompt_eval_count": 3, "eval_count": 2}, {"input_tokens": 3, "output_tokens": 2}),
        (SimpleNamespace(input_tokens=3, output_tokens=2), {"input_tokens": 3, "output_tokens": 2}),
        (
            {"input_tokens": 9, "input_token_details": {"cache_read": 4, "cache_creation": 2, "audio": 0}},
            {"input_tokens": 9, "cache": {"read_input_tokens": 4, "creation_input_tokens": 2}},
        ),
        (
            {"prompt_tokens": 9, "prompt_tokens_details": SimpleNamespace(cached_tokens=4)},
            {"input_tokens": 9, "cache": {"read_input_tokens": 4}},
        ),
        (
            {"input_tokens": 9, "cache_read_input_tokens": 4, "cache_creation_input_tokens": 0},
            {"input_tokens": 9, "cache": {"read_input_tokens": 4}},
        ),
        ({"output_tokens": 9, "output_token_details": {"reasoning": 5}}, {"output_tokens": 9, "reasoning_tokens": 5}),
        ({"input_tokens": "many"}, {}),
    ],
)
def test_usage_in_the_words_of_any_provider(usage: Any, expected: dict[str, Any]) -> None:
    """Becomes the fields of a model call."""
    assert usage_of(usage) == expected


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        ("text", "text"),
        (["a", {"type": "text", "text": "b"}], "ab"),
        ([], ""),
        (
            [{"type": "text", "text": "What is this?"}, {"type": "image_url", "image_url": {"url": "x" * 2000}}],
            [
                {"type": "text", "text": "What is this?"},
                {"type": "image_url", "image_url": {"url": "<2000 characters>"}},
            ],
        ),
        ([{"type": "image", "data": b"\x00\x01"}], [{"type": "image", "data": "<2 bytes>"}]),
        (
            [{"type": "image", "url": "https://example.org/a.png"}],
            [{"type": "image", "url": "https://example.org/a.png"}],
        ),
    ],
)
def test_contents_are_their_text_or_blocks_without_binary_data(content: Any, expected: Any) -> None:
    """An address stays, the bytes of a picture do not."""
    assert content_of(content) == expected


def test_long_texts_are_cut_wherever_they_are() -> None:
    """Keys and other values stay; without a limit nothing changes."""
    value = {"a long key": ["12345", "123456", 7, None], "b": {"c": ("123456",)}}
    assert cut(value, 5) == {
        "a long key": ["12345", "12345… (6 characters)", 7, None],
        "b": {"c": ["12345… (6 characters)"]},
    }
    assert cut(value, None) is value


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [({"a": 1}, {"a": 1}), ('{"a": 1}', {"a": 1}), ("not JSON", "not JSON"), ("", ""), (None, None)],
)
def test_arguments_of_a_tool_call_are_an_object_if_they_can_be(arguments: Any, expected: Any) -> None:
    """What a model wrote otherwise stays as it is."""
    assert tool_call("find", arguments, 7) == {"id": "7", "type": "function", "name": "find", "arguments": expected}


def test_of_a_models_settings_only_parameters_are_recorded() -> None:
    """A key among them is not."""
    assert parameters_of({"temperature": 0.2, "top_p": None, "api_key": "secret"}) == {"temperature": 0.2}


@pytest.mark.parametrize("rate", [0.0, 0.1, 0.5, 1.0])
def test_the_share_of_runs_is_that_of_the_rate(rate: float) -> None:
    """Also of ids that differ in their last digits only, as those that begin with the time."""
    first = UUID("01a2211c-758f-7617-9871-70b445188746").int
    sampled = sum(Extent(sample_rate=rate).is_sampled(UUID(int=first + number)) for number in range(5000))
    assert abs(sampled / 5000 - rate) < 0.03


def started(
    recorder: Recorder, key: str, parent: str | None = None, kind: EventType | None = EventType.GENERIC
) -> None:
    """Begin a run whose event has its key as name."""
    recorder.start(key, parent, uuid4(), kind, known={"name": key})


def test_the_end_of_a_run_ends_what_is_open_inside_of_it() -> None:
    """But not what was detached, whose result is read later."""
    with recorded() as arrived:
        recorder = Recorder(Extent())
        started(recorder, "root")
        started(recorder, "child", "root")
        started(recorder, "grandchild", "child")
        started(recorder, "stream", "root")
        recorder.detach("stream")
        recorder.end("root")
        assert [key for key in ("root", "child", "grandchild", "stream") if key in recorder] == ["stream"]
        recorder.end("stream", outputs={"details": "late"})
        children: list[Tree] = [("child", [("grandchild", [])]), ("stream", [])]
        assert arrived.trees() == [("root", children)]


def test_a_run_without_an_event_passes_its_parent_on() -> None:
    """Also if it is the root."""
    with recorded() as arrived:
        recorder = Recorder(Extent())
        started(recorder, "hidden root", kind=None)
        started(recorder, "child", "hidden root")
        started(recorder, "hidden", "child", kind=None)
        started(recorder, "grandchild", "hidden")
        recorder.end("hidden root")
        assert arrived.trees() == [("child", [("grandchild", [])])]


def test_open_runs_are_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    """Runs of which no end is ever reported do not fill the memory: the oldest are recorded as unfinished."""
    monkeypatch.setattr("lumnisai_integrations._shared.lucidic.MOST_OPEN", 2)
    with recorded() as arrived:
        recorder = Recorder(Extent())
        for number in range(4):
            started(recorder, str(number))
        assert [event["payload"]["status"] for event in arrived.events()] == ["unfinished"] * 2
        recorder.close()
        assert len(arrived.events()) == 4
        recorder.close()
        assert len(arrived.events()) == 4


def test_an_id_that_comes_again_begins_a_new_run() -> None:
    """The earlier one is recorded as unfinished."""
    with recorded() as arrived:
        recorder = Recorder(Extent())
        started(recorder, "same")
        started(recorder, "same")
        recorder.end("same")
        recorder.end("same")
        assert len(arrived.events()) == 2


def test_unknown_runs_are_ignored() -> None:
    """A handler that is added in the middle of a run sees ends without beginnings."""
    with recorded() as arrived:
        recorder = Recorder(Extent())
        recorder.end("never begun", error=ValueError("x"))
        recorder.first_token("never begun")
        recorder.add("never begun", known={"a": 1})
        recorder.detach("never begun")
        recorder.note("never begun", "step", {})
        assert recorder.place("never begun") is None
        assert arrived.events() == []


def test_steps_show_their_tools_as_children() -> None:
    """Objects as they are, and lines as they are printed."""
    with recorded() as arrived:
        recorder = Recorder(Extent())
        started(recorder, "run")
        recorder.note("run", "one", {"tool_calls": [{"name": "find", "args": {"a": 1}, "output_text": "x"}, "odd"]})
        recorder.note("run", "two", {"tool_calls": "read(page=2)\nclose()"})
        recorder.end("run")
        assert arrived.trees() == [("run", [("one", [("find", [])]), ("two", [("read", []), ("close", [])])])]
        assert arrived.payload("find") == {"function_name": "find", "arguments": {"a": 1}, "return_value": "x"}
        assert arrived.payload("read")["arguments"] == "page=2"


def test_a_recorder_can_be_copied_and_pickled() -> None:
    """With its switches; open runs stay in the process in which they are open."""
    with recorded() as arrived:
        recorder = Recorder(Extent(outputs=False), "session-1")
        started(recorder, "open")
        for copied in (copy.deepcopy(recorder), pickle.loads(pickle.dumps(recorder))):
            assert copied.extent == recorder.extent
            assert "open" not in copied
        recorder.end("open")
        assert arrived.event("open")["session_id"] == "session-1"
