"""What runs are doing as a value, and what of it is shown as lines, as a tree and as HTML."""

from __future__ import annotations

import io
from typing import Any

import pytest
from rich.console import Console

from lumnisai_integrations._shared.display import RunBoard, board_lines
from lumnisai_integrations._shared.display.board import KEPT, SHOWN_RUNS
from lumnisai_integrations._shared.display.notebook import board_html
from lumnisai_integrations._shared.display.terminal import board_tree
from lumnisai_integrations._shared.progress import ProgressNews, one_line, progress_lines


def news(message: str = "Reading.", index: int | None = 0, *calls: str, **others: Any) -> ProgressNews:
    given = {"status": "in_progress", "state": "planning"} | others
    return ProgressNews(message=message, entry_index=index, tool_calls=calls, **given)


def grown(index: int, *calls: str) -> ProgressNews:
    return news("Reading.", index, *calls, state="tool_update")


def ended(status: str = "succeeded") -> ProgressNews:
    return news("", None, state="completed", status=status)


def board_of(*pieces: ProgressNews) -> RunBoard:
    board = RunBoard().begin("a", "Tides?")
    for piece in pieces:
        board = board.accept("a", piece)
    return board


def drawn(board: RunBoard, width: int = 80) -> str:
    console = Console(file=io.StringIO(), width=width, color_system=None)
    console.print(board_tree(board))
    text = console.file.getvalue()  # type: ignore[attr-defined] # the StringIO from above
    return str(text)


# Text


@pytest.mark.parametrize(
    ("given", "shown"),
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
        ("x" * 50, "x" * 19 + "…"),
    ],
)
def test_texts_are_made_safe_for_one_line(given: str | None, shown: str) -> None:
    """Nothing that an agent writes can steer a terminal or break a line."""
    assert one_line(given, 20 if given and len(given) == 50 else 100) == shown


@pytest.mark.parametrize(
    ("piece", "lines"),
    [
        (news(), ["PLANNING: Reading."]),
        (news("Reading.", 0, "search(q=1)"), ["PLANNING: Reading.", "  search(q=1)"]),
        (news("", 0, "search(q=1)"), ["  search(q=1)"]),
        (news("Reading.", 0, state=""), ["Reading."]),
        (grown(0, "a()", "b()"), ["  a()", "  b()"]),
        (ended(), []),
    ],
)
def test_news_as_lines(piece: ProgressNews, lines: list[str]) -> None:
    """State and message, then the new tool calls."""
    assert progress_lines(piece) == lines


def test_odd_event_data_are_taken_as_far_as_they_go() -> None:
    """Whoever dispatches an event may leave things out or get them wrong."""
    assert ProgressNews.of_data({}) == ProgressNews()
    odd: dict[str, Any] = {
        "message": 3,
        "state": None,
        "tool_calls": [{"args": []}, "search", None],
        "entry_index": "x",
    }
    assert ProgressNews.of_data(odd) == ProgressNews(message="3", tool_calls=("()", "search", "None"))
    assert ProgressNews.of_data({"tool_calls": 5, "status": "failed"}).is_last


# Board


def test_a_board_is_a_value() -> None:
    """A later state is a new board."""
    first = board_of(news())
    second = first.accept("a", news("Writing.", 1))
    assert [len(board.runs["a"].steps) for board in (first, second)] == [1, 2]


def test_tool_calls_join_the_step_they_belong_to() -> None:
    """Also a step from a while ago, and in a restarted list the later one; unknown steps are not lost."""
    board = board_of(news(), news("Writing.", 1), grown(0, "a()"), grown(7, "b()"), news("Again.", 0), grown(0, "c()"))
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
    board = board_of(*[news(f"Step {index}.", index) for index in range(300)])
    assert board_lines(board)[1:3] == ["  … 292 earlier steps", "  PLANNING: Step 292."]
    assert len(board.runs["a"].steps) == KEPT
    calls = board_of(news("Reading.", 0, *[f"call{number}()" for number in range(100)]))
    assert "    … 92 earlier calls" in board_lines(calls)
    assert board_lines(calls)[-1] == "    call99()"


def test_only_some_of_many_runs_are_drawn() -> None:
    """Those that go on come first, with fewer steps the more runs there are."""
    board = RunBoard()
    for key in range(30):
        board = board.accept(key, news("One.")).accept(key, news("Two.", 1))
    for key in range(20):
        board = board.end(key, "succeeded")
    lines = board_lines(board)
    assert lines[-1] == f"… and {30 - SHOWN_RUNS} more runs"
    assert sum(line.startswith("•") for line in lines) == 10
    assert "  PLANNING: Two." in lines
    assert "  PLANNING: One." not in lines


@pytest.mark.parametrize(
    ("pieces", "status", "reason", "heading"),
    [
        ([news()], "succeeded", "", "✓ [1] Tides?"),
        ([news()], "failed", "no\ntable", "✗ [1] Tides? FAILED: no table"),
        ([], "failed", "refused", "✗ [1] Tides? FAILED: refused"),
        ([news()], "cancelled", "", "■ [1] Tides? CANCELLED"),
        ([news(), ended("failed")], "succeeded", "", "✗ [1] Tides? FAILED"),
        ([news()], "", "", "• [1] Tides?"),
    ],
)
def test_the_end_of_a_run_is_drawn(pieces: list[ProgressNews], status: str, reason: str, heading: str) -> None:
    """What the service said of the end counts more than how the call ended."""
    assert board_lines(board_of(*pieces).end("a", status, reason))[0] == heading


def test_a_run_without_news_is_not_drawn() -> None:
    """Such as an answer from a cache."""
    assert board_lines(board_of()) == []
    assert board_lines(board_of().end("a", "succeeded")) == []


def test_nothing_in_a_tree_is_markup() -> None:
    """Brackets in titles, messages and calls are shown as they are."""
    board = RunBoard().begin("a", "[bold]T[/bold]").accept("a", news("[red]m[/red]", 0, "[link=x]c[/link]"))
    text = drawn(board)
    assert "[bold]T[/bold]" in text
    assert "[red]m[/red]" in text
    assert "[link=x]c[/link]" in text


def test_nothing_in_a_picture_is_html() -> None:
    """All texts are escaped."""
    evil = "<script>alert('x')</script>"
    board = RunBoard().begin("a", evil).accept("a", news(evil, 0, evil)).end("a", "failed", evil)
    html = board_html(board)
    assert "<script" not in html
    assert html.count("&lt;script&gt;alert(&#x27;x&#x27;)") == 4
