"""Output of commands, as pure functions."""

from __future__ import annotations

import io
import json
from datetime import UTC, datetime

import pytest
from rich.console import Console

from lumnisai_integrations._commands.chat import split_line
from lumnisai_integrations._commands.output import json_text, print_table, row_text, safe_text


def test_a_row_is_one_line_with_as_many_tabs_as_cells() -> None:
    """Whatever the cells hold; times are ISO 8601 in UTC."""
    row = row_text(["a\tb\nc", None, 3, datetime(2025, 1, 31, tzinfo=UTC), "\x1b[31mred"])
    assert row == "a b c\t\t3\t2025-01-31T00:00:00+00:00\tred"


def printed(*rows: list[str], width: int) -> list[str]:
    console = Console(file=io.StringIO(), width=width)
    print_table(console, ["id", "title"], rows)
    return [line.rstrip() for line in console.file.getvalue().splitlines()]  # type: ignore[attr-defined] # see above


def test_tables_fit_the_terminal() -> None:
    """The last column is cut off; wide characters take two places; nothing is read as markup."""
    rows = [["潮汐", "Neap tides are small"], ["a", "e\u0301" * 9], ["b", "[red]潮汐潮"]]
    assert printed(*rows, width=16) == [
        "ID    TITLE",
        "潮汐  Neap tide…",
        "a     " + "e\u0301" * 9,
        "b     [red]潮汐…",
    ]


def test_ids_are_whole_in_a_narrow_terminal() -> None:
    """Its lines are longer then, and some of the last column is left."""
    assert printed(["0123456789", "Neap tides are small"], width=8) == ["ID          TITLE", "0123456789  Neap tide…"]


def test_texts_of_a_service_do_not_steer_the_terminal() -> None:
    """Lines and tabs stay."""
    assert safe_text("a\r\n\tb\x1b]0;title\x07\x9b") == "a\n\tb�]0;title��"
    shown = json_text({"text": "é\x1b\x9b\ud800"})
    assert "\x9b" not in shown
    assert json.loads(shown) == {"text": "é\x1b\x9b\ud800"}
    assert json_text("é", only_ascii=True).isascii()


@pytest.mark.parametrize(
    ("line", "parts"),
    [
        ("What?\n", ("", "What?")),
        ("  \n", ("", "")),
        ("/new  A title ", ("new", "A title")),
        ("/QUIT", ("quit", "")),
        ("/", ("help", "")),
        ("//etc is a folder?", ("", "/etc is a folder?")),
    ],
)
def test_commands_of_a_chat_begin_with_a_slash(line: str, parts: tuple[str, str]) -> None:
    """Everything else is a question; one that begins with two slashes loses one."""
    assert split_line(line) == parts
