"""What commands print, as pure functions."""

from __future__ import annotations

import json
from datetime import UTC, datetime

import pytest

from lumnisai_integrations._commands.chat import split_line
from lumnisai_integrations._commands.output import cut_off, json_text, row_text, safe_text, size_text, table_lines


def test_a_row_is_one_line_with_as_many_tabs_as_cells() -> None:
    """Whatever the cells hold; times are ISO 8601 in UTC."""
    row = row_text(["a\tb\nc", None, 3, datetime(2025, 1, 31, tzinfo=UTC), "\x1b[31mred"])
    assert row == "a b c\t\t3\t2025-01-31T00:00:00+00:00\tred"


def test_tables_fit_the_terminal() -> None:
    """The last column is cut off; wide characters take two places."""
    lines = table_lines([["ID", "TITLE"], ["潮汐", "Neap tides are small"], ["a", "e\u0301" * 9]], 16)
    assert lines == ["ID    TITLE", "潮汐  Neap tide…", "a     " + "e\u0301" * 9]
    assert cut_off("潮汐表", 4) == "潮…"


@pytest.mark.parametrize(
    ("size", "text"), [(0, "0 B"), (999, "999 B"), (1500, "1.5 kB"), (12_345_678, "12 MB"), (5 * 10**12, "5000 GB")]
)
def test_sizes(size: int, text: str) -> None:
    """In units of a thousand."""
    assert size_text(size) == text


def test_texts_of_a_service_do_not_steer_the_terminal() -> None:
    """Lines and tabs stay."""
    assert safe_text("a\r\n\tb\x1b]0;title\x07\x9b") == "a\n\tb�]0;title��"
    shown = json_text({"text": "é\x1b\x9b\ud800"})
    assert "\x9b" not in shown
    assert json.loads(shown) == {"text": "é\x1b\x9b\ud800"}
    assert json_text("é", only_ascii=True).isascii()


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("What?\n", ("", "What?")),
        ("  \n", ("", "")),
        ("/new  A title ", ("new", "A title")),
        ("/QUIT", ("quit", "")),
        ("/", ("help", "")),
        ("//etc is a folder?", ("", "/etc is a folder?")),
    ],
)
def test_commands_of_a_chat_are_told_from_questions(line: str, said: tuple[str, str]) -> None:
    """By the slash; two stand for one."""
    assert split_line(line) == said
