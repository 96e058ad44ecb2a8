"""Progress as text."""

from __future__ import annotations

from typing import Any

import pytest

from lumnisai_core import ResponseObject, RunUpdate, ToolCall
from lumnisai_core.lumnis.runs.printing import progress_lines


def update(**given: Any) -> RunUpdate:
    return RunUpdate(**{"response_id": "r", "thread_id": "t", "status": "in_progress", "state": "planning", **given})


@pytest.mark.parametrize(
    ("given", "shown", "lines"),
    [
        ({"message": "Go."}, "queued", ["Status: in_progress", "PLANNING: Go."]),
        ({"message": "Go."}, "in_progress", ["PLANNING: Go."]),
        ({"state": "in_progress"}, "queued", ["Status: in_progress"]),
        (
            {"message": "Go.", "tool_calls": [ToolCall(name="find", args={"q": "潮", "n": 2})]},
            "in_progress",
            ["PLANNING: Go.", '  find(q="潮", n=2)'],
        ),
        ({"state": "tool_update", "message": "Go.", "tool_calls": [ToolCall(name="f")]}, "in_progress", ["  f()"]),
        ({"status": "succeeded", "response": ResponseObject(response_id="r")}, "in_progress", ["Status: succeeded"]),
    ],
)
def test_lines_are_those_of_the_documentation(given: dict[str, Any], shown: str, lines: list[str]) -> None:
    """Status changes, `STATE: message` and tool calls; nothing twice."""
    assert progress_lines(update(**given), shown_status=shown) == lines


def test_long_tool_calls_are_cut() -> None:
    """A megabyte of arguments does not fill the screen."""
    lines = progress_lines(
        update(tool_calls=[ToolCall(name="f", args={"a": "x" * 10_000})]), shown_status="in_progress"
    )
    assert len(lines[-1]) < 200
    assert lines[-1].endswith("…")
