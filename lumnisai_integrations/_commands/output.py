"""What commands print: tables on a terminal, tab-separated lines in pipes, JSON where it is asked for."""

from __future__ import annotations

import json
import re
import sys
import unicodedata
from collections.abc import Callable, Iterable, Sequence
from datetime import UTC, datetime
from importlib.util import find_spec
from shutil import get_terminal_size
from typing import TYPE_CHECKING, Any, TextIO, TypeAlias, TypeVar

from lumnisai_core.exceptions import AuthenticationError, FileAccessDeniedError, LumnisAIError, TransportError
from lumnisai_integrations._commands.errors import CommandError
from lumnisai_integrations._shared.progress import one_line

if TYPE_CHECKING:
    from rich.console import Console


class Screen:
    """Where a command shows things.

    Args:
        apart: Whether everything but answers goes to standard error, so that answers can be piped.
        quiet: Whether everything but answers is left out.
    """

    def __init__(self, *, apart: bool = False, quiet: bool = False) -> None:
        self._out = sys.stdout
        self._about = sys.stderr if apart else sys.stdout
        self._quiet = quiet
        self._consoles: dict[int, Console | None] = {}

    @property
    def can_draw(self) -> bool:
        """Whether somebody looks at both outputs, so that a picture may be drawn between answers."""
        return not self._quiet and is_terminal(sys.stdout) and is_terminal(sys.stderr)

    def heading(self, text: str) -> None:
        """Show a heading."""
        self._tell(f"\n{text}", "bold cyan")

    def note(self, text: str) -> None:
        """Show something about what is being done; an empty text shows nothing."""
        if text.strip():
            self._tell(text.rstrip(), "dim")

    def said(self, text: str) -> None:
        """Show what the user asked."""
        self._tell(f"> {text}", "bold")

    def failure(self, text: str) -> None:
        """Show what went wrong, also where notes are left out."""
        self._print(self._about, text, "red")

    def answer(self, text: str) -> None:
        """Show an answer: rendered as Markdown on a terminal, as it is in a pipe."""
        console = self._console(self._out)
        if console is None:
            shown = safe_text(text) if is_terminal(self._out) else text
            self._out.write(shown if shown.endswith("\n") else f"{shown}\n")
            self._out.flush()
            return
        from rich.markdown import Markdown  # noqa: PLC0415 - only for a terminal

        console.print(Markdown(safe_text(text), hyperlinks=False))

    def _tell(self, text: str, style: str) -> None:
        if not self._quiet:
            self._print(self._about, text, style)

    def _print(self, stream: TextIO, text: str, style: str) -> None:
        console = self._console(stream)
        if console is None:
            stream.write((safe_text(text) if is_terminal(stream) else text) + "\n")
            stream.flush()
        else:
            console.print(safe_text(text), style=style, soft_wrap=True)

    def _console(self, stream: TextIO) -> Console | None:
        if id(stream) not in self._consoles:
            self._consoles[id(stream)] = console_for(stream)
        return self._consoles[id(stream)]


Cell: TypeAlias = str | int | float | datetime | None

#: Characters of a cell in a pipe, which nobody has to see on a screen.
_LONGEST_CELL = 100_000
_LONGEST_SHOWN_CELL = 300

# Terminals act upon these, and JSON does not escape them by itself.
_CONTROLS = re.compile("[\x7f-\x9f]")
_UNSAFE = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f]")


def is_terminal(stream: TextIO) -> bool:
    """Say whether people look at a stream."""
    return stream.isatty()


def console_for(stream: TextIO) -> Console | None:
    """Return a console of rich for a terminal; None for anything else, and where rich is not installed."""
    if not is_terminal(stream) or find_spec("rich") is None:
        return None
    from rich.console import Console  # noqa: PLC0415 - takes time, and may not be installed

    return Console(file=stream, highlight=False, markup=False, emoji=False)


def write(text: str) -> None:
    """Write a text to standard output, with a line break at its end."""
    sys.stdout.write(text if text.endswith("\n") else f"{text}\n")
    sys.stdout.flush()


def safe_text(text: str) -> str:
    """Return a text of several lines that steers no terminal."""
    return _UNSAFE.sub("\N{REPLACEMENT CHARACTER}", text.replace("\r\n", "\n"))


def json_text(value: Any, *, indent: int | None = 2, only_ascii: bool = False) -> str:
    """Write plain data as JSON that steers no terminal.

    Args:
        value: Plain data.
        indent: Spaces of a level; None for a single line.
        only_ascii: Whether other characters are written as escapes.
    """
    text = json.dumps(value, ensure_ascii=only_ascii, indent=indent)
    return _CONTROLS.sub(lambda found: f"\\u{ord(found[0]):04x}", text)


def print_json(value: Any, *, indent: int | None = 2) -> None:
    """Print plain data as JSON on standard output."""
    encoding = (getattr(sys.stdout, "encoding", None) or "utf-8").lower()
    write(json_text(value, indent=indent, only_ascii=not encoding.startswith("utf")))


def print_rows(titles: Sequence[str], rows: Iterable[Sequence[Cell]], *, nothing: str) -> None:
    """Print rows: as a table on a terminal, else as lines with tabs between the cells and without titles.

    Args:
        titles: Titles of the columns. On a terminal the last column is cut off at the edge; others are whole.
        rows: The cells. In a pipe each row is printed when it comes.
        nothing: What to say on a terminal where there is no row.
    """
    if not is_terminal(sys.stdout):
        for row in rows:
            write(row_text(row))
        return
    shown = [[shown_cell(cell) for cell in row] for row in rows]
    if not shown:
        write(nothing)
        return
    for line in table_lines([[title.upper() for title in titles], *shown], get_terminal_size().columns):
        write(line)


def table_lines(rows: Sequence[Sequence[str]], width: int) -> list[str]:
    """Align cells in columns. Pure.

    Args:
        rows: The cells, the same number in each row.
        width: Places of the terminal; the last column gets what the others leave, at least 10.
    """
    widths = [max(map(width_of, column)) for column in zip(*rows, strict=True)][:-1]
    left = max(10, width - sum(widths) - 2 * len(widths))
    lines = []
    for row in rows:
        cells = [cell + " " * (places - width_of(cell)) for cell, places in zip(row, widths, strict=False)]
        lines.append("  ".join([*cells, cut_off(row[-1], left)]).rstrip())
    return lines


def width_of(text: str) -> int:
    """Return how many places of a terminal a text takes."""
    return sum(map(_places, text))


def _places(character: str) -> int:
    if unicodedata.combining(character) or unicodedata.category(character) in ("Mn", "Me", "Cf"):
        return 0
    return 2 if unicodedata.east_asian_width(character) in "WF" else 1


def cut_off(text: str, width: int) -> str:
    """Return as much of a text as fits, with an ellipsis where something is left out."""
    if width_of(text) <= width:
        return text
    kept, left = [], width - 1
    for character in text:
        left -= _places(character)
        if left < 0:
            break
        kept.append(character)
    return "".join(kept).rstrip() + "…"


def print_fields(fields: Iterable[tuple[str, Cell]]) -> None:
    """Print names and values, a line each; what has no value is left out."""
    known = [(name, value) for name, value in fields if value not in (None, "")]
    if not is_terminal(sys.stdout):
        for name, value in known:
            write(row_text((name, value)))
        return
    width = max((len(name) for name, _ in known), default=0)
    for name, value in known:
        write(f"{name:<{width}}  {shown_cell(value)}")


def row_text(cells: Sequence[Cell]) -> str:
    """Write cells as a line with tabs between them; times as ISO 8601 in UTC. No cell holds a tab or line break."""
    return "\t".join(
        cell.astimezone(UTC).isoformat(timespec="seconds")
        if isinstance(cell, datetime)
        else one_line(cell, _LONGEST_CELL)
        for cell in cells
    )


def shown_cell(cell: Cell) -> str:
    """Write a cell for people: times in their zone, to the minute."""
    if isinstance(cell, datetime):
        return cell.astimezone().strftime("%Y-%m-%d %H:%M")
    return one_line(cell, _LONGEST_SHOWN_CELL)


def size_text(size: int) -> str:
    """Write a number of bytes for people."""
    number = float(size)
    for unit in ("B", "kB", "MB", "GB"):
        if number < 1000 or unit == "GB":
            return f"{number:.0f} {unit}" if unit == "B" or number >= 10 else f"{number:.1f} {unit}"
        number /= 1000
    raise AssertionError("the last unit takes every number")


T = TypeVar("T")


def for_each(things: Iterable[T], act: Callable[[T], object], *, done: str) -> int:
    """Do something with each thing and print what became of it.

    Args:
        things: What to work on.
        act: What to do with one of them. A text that it returns is printed instead of ``done``.
        done: What to print of those that worked.

    Returns:
        0 if all worked, else 1.

    Raises:
        AuthenticationError: The key is refused, so that nothing can work.
        TransportError: The service cannot be reached.
    """
    status = 0
    for thing in things:
        try:
            made = act(thing)
        except (LumnisAIError, CommandError) as error:
            if isinstance(error, TransportError | AuthenticationError) and not isinstance(error, FileAccessDeniedError):
                raise
            sys.stderr.write(f"lumnis: {thing}: {one_line(error)}\n")
            status = 1
        else:
            write(row_text((str(thing), made if isinstance(made, str) else done)))
    return status
