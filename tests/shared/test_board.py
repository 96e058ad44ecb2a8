"""The board of running agents as a value, and as it is drawn in lines, as a tree and in HTML."""

from __future__ import annotations

import io
from typing import Any

import pytest
from rich.console import Console

from lumnisai_core import RunUpdate, ToolCall
from lumnisai_integrations._shared.board import KEPT, SHOWN_RUNS, RunBoard, board_lines, drawn_lines
from lumnisai_integrations._shared.display import board_html, board_tree


def update(message: str = "Reading.", index: int | None = 0, *calls: str, **others: Any) -> RunUpdate:
    fields = {"status": "in_progress", "state": "planning"} | others
    tools = tuple(ToolCall(name=call) for call in calls)
    return RunUpdate("r", "t", message=message, entry_index=index, tool_calls=tools, **fields)


def grown(index: int, *calls: str) -> RunUpdate:
    return update("Reading.", index, *calls, state="tool_update")


def last(status: str = "succeeded") -> RunUpdate:
    return update("", None, state="completed", status=status)


def board_of(*updates: RunUpdate) -> RunBoard:
    board = RunBoard().begin("a", "Tides?")
    for piece in updates:
        board = board.accept("a", piece)
    return board


def drawn(board: RunBoard, width: int = 80) -> str:
    console = Console(file=io.StringIO(), width=width, color_system=None)
    console.print(board_tree(board))
    text = console.file.getvalue()  # type: ignore[attr-defined] # the StringIO from above
    return str(text)


def test_a_board_is_a_value() -> None:
    """A later state is a new board."""
    first = board_of(update())
    second = first.accept("a", update("Writing.", 1))
    assert [len(board.runs["a"].steps) for board in (first, second)] == [1, 2]


def test_tool_calls_join_the_step_they_belong_to() -> None:
    """Also a step from a while ago, and in a restarted list the later one; unknown steps are not lost."""
    board = board_of(update(), update("Writing.", 1), grown(0, "a"), grown(7, "b"), update("Again.", 0), grown(0, "c"))
    assert board_lines(board) == [
        "• [1] Tides?",
        "  PLANNING: Reading.",
        "    a()",
        "  PLANNING: Writing.",
        "    b()",
        "  PLANNING: Again.",
        "    c()",
    ]


def test_only_the_last_of_many_steps_are_drawn() -> None:
    """The others are counted, also those that are not kept any more."""
    board = board_of(*[update(f"Step {index}.", index) for index in range(300)])
    assert board_lines(board)[1:3] == ["  … 292 earlier steps", "  PLANNING: Step 292."]
    assert len(board.runs["a"].steps) == KEPT
    calls = board_of(update("Reading.", 0, *[f"call{number}" for number in range(100)]))
    assert "    … 92 earlier calls" in board_lines(calls)
    assert board_lines(calls)[-1] == "    call99()"


def test_only_some_of_many_runs_are_drawn() -> None:
    """Those that go on come first, with fewer steps the more runs there are."""
    board = RunBoard()
    for key in range(30):
        board = board.accept(key, update("One.")).accept(key, update("Two.", 1))
    for key in range(20):
        board = board.end(key, "succeeded")
    lines = board_lines(board)
    assert lines[-1] == f"… and {30 - SHOWN_RUNS} more runs"
    assert sum(line.startswith("•") for line in lines) == 10
    assert "  PLANNING: Two." in lines
    assert "  PLANNING: One." not in lines


@pytest.mark.parametrize(
    ("updates", "status", "reason", "heading"),
    [
        ([update()], "succeeded", "", "✓ [1] Tides?"),
        ([update()], "failed", "no\ntable", "✗ [1] Tides? FAILED: no table"),
        ([], "failed", "refused", "✗ [1] Tides? FAILED: refused"),
        ([update()], "cancelled", "", "■ [1] Tides? CANCELLED"),
        ([update(), last("failed")], "succeeded", "", "✗ [1] Tides? FAILED"),
        ([update()], "", "", "• [1] Tides?"),
    ],
)
def test_the_end_of_a_run_is_drawn(updates: list[RunUpdate], status: str, reason: str, heading: str) -> None:
    """The final status from the service counts more than how the call ended."""
    assert board_lines(board_of(*updates).end("a", status, reason))[0] == heading


@pytest.mark.parametrize(
    ("status", "reason", "ended", "lines"),
    [
        (None, "", 0.0, ["• 2.5 s", "  PLANNING: Reading.", "  PLANNING: Writing."]),
        ("succeeded", "", 12.14, ["✓ 2 steps, 2.1 s"]),
        ("failed", "no table", 135.9, ["✗ 2 steps, 2 min 5 s FAILED: no table"]),
        ("cancelled", "", 9.0, ["■ 2 steps, 0.0 s CANCELLED"]),
    ],
)
def test_a_live_picture_shows_how_long_runs_take(
    status: str | None, reason: str, ended: float, lines: list[str]
) -> None:
    """And folds those that are over to one line; a run that is alone has no number."""
    board = RunBoard().accept("a", update(), now=10.0).accept("a", update("Writing.", 1), now=11.0)
    if status is not None:
        board = board.end("a", status, reason, now=ended)
    assert [f"{'  ' * line.depth}{line.text}" for line in drawn_lines(board, now=12.5, folding=True)] == lines


def test_a_live_picture_of_several_runs() -> None:
    """Each has its number and title."""
    board = RunBoard().begin("a", "Tides?", now=1.0).accept("a", update(), now=2.0).end("a", "succeeded", now=3.0)
    board = board.begin("b", "Ports?", now=2.0).accept("b", update(), now=3.0)
    texts = [line.text for line in drawn_lines(board, now=4.0, folding=True)]
    assert texts == ["✓ [1] Tides? 1 step, 2.0 s", "• [2] Ports? 2.0 s", "PLANNING: Reading."]


def test_a_notebook_folds_runs_at_their_end() -> None:
    """A run at work and one that was left are open, with all lines; a run without steps has nothing to fold."""
    board = RunBoard().accept("a", update("<i>", 0, "search"), now=1.0)
    steps = '<pre style="white-space:pre-wrap">  PLANNING: &lt;i&gt;\n    search()</pre></details>'
    assert board_html(board) == (
        f'<div class="lumnis-progress"><details open><summary>• working</summary>{steps}</div>'
    )
    left = "<details open><summary>• 1 step, 2.0 s</summary>"
    assert board_html(board.end("a", now=3.0)) == f'<div class="lumnis-progress">{left}{steps}</div>'
    board = board.end("a", "succeeded", now=3.0)
    folded = f"<details><summary>✓ 1 step, 2.0 s</summary>{steps}"
    assert board_html(board) == f'<div class="lumnis-progress">{folded}</div>'
    assert board_lines(board, folding=True) == ["✓ 1 step, 2.0 s"]
    refused = board.begin("b", "Ports?", now=3.0).end("b", "failed", "refused", now=3.5)
    assert board_html(refused).endswith("<div>✗ [2] Ports? 0 steps, 0.5 s FAILED: refused</div></div>")


def test_a_run_without_updates_is_not_drawn() -> None:
    """Such as an answer from a cache."""
    assert board_lines(board_of()) == []
    assert board_lines(board_of().end("a", "succeeded")) == []


def test_nothing_in_a_tree_is_markup() -> None:
    """Brackets in titles, messages and calls are shown as they are."""
    board = RunBoard().begin("a", "[bold]T[/bold]").accept("a", update("[red]m[/red]", 0, "[link=x]c[/link]"))
    text = drawn(board)
    assert "[bold]T[/bold]" in text
    assert "[red]m[/red]" in text
    assert "[link=x]c[/link]" in text


def test_nothing_in_a_picture_is_html() -> None:
    """All texts are escaped."""
    evil = "<script>alert('x')</script>"
    board = RunBoard().begin("a", evil).accept("a", update(evil, 0, evil)).end("a", "failed", evil)
    html = board_html(board)
    assert "<script" not in html
    assert html.count("&lt;script&gt;alert(&#x27;x&#x27;)") == 4


def test_the_end_of_an_answer_is_drawn_while_it_is_written() -> None:
    """A run that works shows its last lines; one that is over does not, because the answer is shown elsewhere."""
    first = RunUpdate("r", "t", "in_progress", "processing", "Writing", entry_index=0, output_text="a", delta="a")
    more = RunUpdate("r", "t", "in_progress", "text_update", "Writing", entry_index=0, delta="".join("\nb\nc\n\nd\ne"))
    board = RunBoard().accept("r", first).accept("r", more)
    assert [line.strip() for line in board_lines(board)][1:] == ["PROCESSING: Writing", "b", "c", "d", "e"]
    assert [line.strip() for line in board_lines(board.end("r", "succeeded"))][1:] == ["PROCESSING: Writing"]
