"""Updates of a run as lines of text and as plain data."""

from __future__ import annotations

import json
from typing import Any

import pytest

from lumnisai_core import ResponseObject, RunUpdate, ToolCall
from lumnisai_core.display import one_line
from lumnisai_core.lumnis.models.responses import ProgressPrinter


def update(**fields: Any) -> RunUpdate:
    return RunUpdate(**{"response_id": "r", "thread_id": "t", "status": "in_progress", "state": "planning", **fields})


@pytest.mark.parametrize(
    ("fields", "shown", "lines"),
    [
        ({"message": "Go."}, "queued", ["Status: in_progress", "PLANNING: Go."]),
        ({"message": "Go."}, "in_progress", ["PLANNING: Go."]),
        ({"message": "Go."}, None, ["PLANNING: Go."]),
        ({"state": "", "message": "Go."}, None, ["Go."]),
        ({"state": "in_progress"}, "queued", ["Status: in_progress"]),
        ({"state": "in_progress"}, None, []),
        (
            {"message": "Go.", "tool_calls": [ToolCall(name="find", args={"q": "潮", "n": 2})]},
            "in_progress",
            ["PLANNING: Go.", '  find(q="潮", n=2)'],
        ),
        ({"tool_calls": [ToolCall(name="f")]}, None, ["  f()"]),
        ({"state": "tool_update", "message": "Go.", "tool_calls": [ToolCall(name="f")]}, "in_progress", ["  f()"]),
        ({"status": "succeeded", "response": ResponseObject(response_id="r")}, "in_progress", ["Status: succeeded"]),
        ({"message": "two\nlines \x1b[31mred"}, None, ["PLANNING: two lines red"]),
    ],
)
def test_lines_are_those_of_the_documentation(fields: dict[str, Any], shown: str | None, lines: list[str]) -> None:
    """Status changes, `STATE: message` and tool calls; nothing twice."""
    assert update(**fields).as_lines(shown) == lines


def test_long_tool_calls_are_cut() -> None:
    """A megabyte of arguments does not fill the screen."""
    line = update(tool_calls=[ToolCall(name="f", args={"a": "x" * 10_000})]).as_lines()[-1]
    assert len(line) < 200
    assert line.endswith("…")


@pytest.mark.parametrize(
    ("value", "line"),
    [
        ("Reading.", "Reading."),
        (None, ""),
        ("", ""),
        ("two\nlines\tand \r\n more ", "two lines and more"),
        ("\x1b[31mred\x1b[0m \x1b]0;title\x07bell\x07", "red bell�"),
        ("\x1b]8;;http://example.com\x1b\\link\x1b]8;;\x1b\\", "link"),
        ("\x9b2Jcleared \x1bcreset", "cleared reset"),
        ("\u202egnp.exe", "�gnp.exe"),
        ("half \ud800 pair", "half � pair"),
        ("潮汐 🌊", "潮汐 🌊"),
        ("[red]not markup[/red] <b>", "[red]not markup[/red] <b>"),
        ("x" * 50, "x" * 29 + "…"),
    ],
)
def test_texts_are_made_safe_for_one_line(value: str | None, line: str) -> None:
    """Nothing that an agent writes can steer a terminal or break a line."""
    assert one_line(value, 30) == line


def test_plain_data_hold_an_update_without_its_result() -> None:
    """They can be sent as JSON, and give the same update."""
    entry = update(message="m", tool_calls=(ToolCall(name="f", args={"a": 1}),), entry_index=3)
    assert entry.as_data() == {
        "response_id": "r",
        "thread_id": "t",
        "status": "in_progress",
        "state": "planning",
        "message": "m",
        "tool_calls": [{"name": "f", "args": {"a": 1}}],
        "entry_index": 3,
    }
    assert RunUpdate.from_data(json.loads(json.dumps(entry.as_data()))) == entry


def test_odd_data_are_used_as_far_as_possible() -> None:
    """An application that sends updates of its own may leave fields out or fill them in wrongly."""
    assert RunUpdate.from_data({}) == RunUpdate("", None, "", "")
    odd = {"message": 3, "state": None, "tool_calls": [{"args": []}, "search"], "entry_index": "x"}
    assert RunUpdate.from_data(odd).as_lines() == ["3", "  ()", "  search()"]
    assert RunUpdate.from_data({"tool_calls": 5, "status": "failed"}).is_last


def _writing(delta: str) -> RunUpdate:
    return update(state="text_update", message="Writing", delta=delta, entry_index=0)


@pytest.mark.parametrize(
    ("last", "printed"),
    [
        ("High at noon.", "Status: in_progress\nWRITING: Writing\nHigh at noon.\nStatus: succeeded\n"),
        ("High at", "Status: in_progress\nWRITING: Writing\nHigh at\nStatus: succeeded\n"),
        ("Low.", "Status: in_progress\nWRITING: Writing\nHigh at\nStatus: succeeded\n"),
    ],
)
def test_an_answer_is_printed_while_it_is_written(last: str, printed: str, capsys: pytest.CaptureFixture[str]) -> None:
    """Its pieces stand in one place, each once; the end adds the rest, and nothing steers the terminal."""
    show = ProgressPrinter()
    show(update(state="writing", message="Writing", delta="High", entry_index=0))
    show(_writing(" at"))
    show(update(status="succeeded", state="completed", output_text=last, response=ResponseObject(response_id="r")))
    assert capsys.readouterr().out == printed


def test_pieces_cannot_steer_a_terminal(capsys: pytest.CaptureFixture[str]) -> None:
    ProgressPrinter()(_writing("a\x1b[31m\nb"))
    assert capsys.readouterr().out == "Status: in_progress\na\N{REPLACEMENT CHARACTER}[31m\nb"


def test_pieces_are_in_the_plain_data() -> None:
    """Handlers that get an update as data can show the answer, too; other updates have no such field."""
    data = _writing(" at").as_data()
    assert RunUpdate.from_data(json.loads(json.dumps(data))).delta == " at"
    assert "delta" not in update(message="Go.").as_data()
