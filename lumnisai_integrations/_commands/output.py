"""Output of commands: tables and Markdown on a terminal, tab-separated lines in pipes, JSON on request."""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import UTC, datetime
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any, TextIO, TypeAlias, TypeVar

from lumnisai_core import Message
from lumnisai_core.display import one_line
from lumnisai_core.exceptions import AuthenticationError, FileAccessDeniedError, LumnisAIError, TransportError
from lumnisai_integrations._commands import CommandError

if TYPE_CHECKING:
    from rich.console import Console

Cell: TypeAlias = str | int | float | datetime | None

#: Characters of a cell in a pipe, and on a terminal.
_LONGEST_CELL = 100_000
_LONGEST_SHOWN_CELL = 300

#: Places of a terminal that the last column of a table gets at least.
_NARROWEST_LAST_COLUMN = 10

# Terminals act upon these, and JSON does not escape them by itself.
_CONTROLS = re.compile("[\x7f-\x9f]")
_UNSAFE = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f]")


def console_for(stream: TextIO) -> Console | None:
    """Return a console of rich for a terminal; None for anything else, and where rich is not installed."""
    if not stream.isatty() or find_spec("rich") is None:
        return None
    from rich.console import Console  # noqa: PLC0415 - takes time, and may not be installed

    return Console(file=stream, highlight=False, markup=False, emoji=False)


def safe_text(text: str) -> str:
    """Return a text of several lines that cannot steer a terminal."""
    return _UNSAFE.sub("\N{REPLACEMENT CHARACTER}", text.replace("\r\n", "\n"))


class Screen:
    """Shows answers, notes and headings.

    Args:
        apart: Whether everything but answers goes to standard error, so that answers can be piped.
        quiet: Whether everything but answers is left out.
    """

    def __init__(self, *, apart: bool = False, quiet: bool = False) -> None:
        self._notes = sys.stderr if apart else sys.stdout
        self._quiet = quiet
        self._consoles = {stream: console_for(stream) for stream in {sys.stdout, self._notes}}

    @property
    def can_draw(self) -> bool:
        """Whether both outputs are terminals, so that a picture may be drawn between answers."""
        return not self._quiet and sys.stdout.isatty() and sys.stderr.isatty()

    def heading(self, text: str) -> None:
        """Show a heading."""
        self._note(f"\n{text}", "bold cyan")

    def note(self, text: str) -> None:
        """Show a note on the work; an empty text shows nothing."""
        if text.strip():
            self._note(text.rstrip(), "dim")

    def line(self, text: str, style: str = "") -> None:
        """Show a line as it is, in a style of rich on a terminal."""
        self._note(text, style)

    def question(self, text: str) -> None:
        """Show a question."""
        self._note(f"> {text}", "bold")

    def input_of_run(self, messages: Sequence[Message]) -> None:
        """Show the messages that a run was made with."""
        for message in messages:
            self.question(message.content if message.role == "user" else f"({message.role}) {message.content}")

    def failure(self, text: str) -> None:
        """Show an error, also where notes are left out."""
        self._print(self._notes, text, "red")

    def answer(self, text: str) -> None:
        """Show an answer: rendered as Markdown on a terminal, unchanged in a pipe."""
        console = self._consoles[sys.stdout]
        if console is None:
            self._print(sys.stdout, text.removesuffix("\n"), "")
            return
        from rich.markdown import Markdown  # noqa: PLC0415 - only for a terminal

        console.print(Markdown(safe_text(text), hyperlinks=False))

    def _note(self, text: str, style: str) -> None:
        if not self._quiet:
            self._print(self._notes, text, style)

    def _print(self, stream: TextIO, text: str, style: str) -> None:
        console = self._consoles[stream]
        if console is not None:
            console.print(safe_text(text), style=style, soft_wrap=True)
            return
        stream.write((safe_text(text) if stream.isatty() else text) + "\n")
        stream.flush()


def write(text: str) -> None:
    """Write a text to standard output, with a line break at its end."""
    sys.stdout.write(text if text.endswith("\n") else f"{text}\n")
    sys.stdout.flush()


def json_text(value: Any, *, indent: int | None = 2, only_ascii: bool = False) -> str:
    """Write plain data as JSON that cannot steer a terminal."""
    text = json.dumps(value, ensure_ascii=only_ascii, indent=indent)
    return _CONTROLS.sub(lambda found: f"\\u{ord(found[0]):04x}", text)


def print_json(value: Any, *, indent: int | None = 2) -> None:
    """Print plain data as JSON on standard output."""
    encoding = (getattr(sys.stdout, "encoding", None) or "utf-8").lower()
    write(json_text(value, indent=indent, only_ascii=not encoding.startswith("utf")))


def print_rows(titles: Sequence[str], rows: Iterable[Sequence[Cell]], *, nothing: str) -> None:
    """Print rows: as a table on a terminal, else as lines with tabs between the cells, each row when it comes.

    Titles are only on a terminal, and ``nothing`` is printed there if there is no row.
    """
    console = console_for(sys.stdout)
    if console is None:
        for row in rows:
            write(row_text(row))
    elif shown := [[_shown_cell(cell) for cell in row] for row in rows]:
        print_table(console, titles, shown)
    else:
        console.print(nothing)


def print_table(console: Console, titles: Sequence[str], rows: Iterable[Sequence[str]]) -> None:
    """Print a table, a line for each row. The last column is cut off at the edge; the others are shown in full."""
    from rich.table import Table  # noqa: PLC0415 - only for a terminal
    from rich.text import Text  # noqa: PLC0415

    table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0), header_style="")
    for title in titles:
        table.add_column(title.upper(), no_wrap=title != titles[-1])
    for row in rows:
        table.add_row(*(Text(cell, no_wrap=True, overflow="ellipsis") for cell in row))
    # On a narrow terminal lines are longer than the screen, so that whole ids can be copied.
    table.columns[-1].max_width = _NARROWEST_LAST_COLUMN
    needed = console.measure(table, options=console.options.update(width=_LONGEST_CELL)).maximum
    table.columns[-1].max_width = None
    table.width = needed if needed > console.width else None
    console.print(table, crop=False)


def print_fields(fields: Mapping[str, Cell]) -> None:
    """Print names and values, a line each, without those that have no value."""
    filled = {name: value for name, value in fields.items() if value not in (None, "")}
    width = max(map(len, filled), default=0)
    for field in filled.items():
        write(row_text(field) if console_for(sys.stdout) is None else f"{field[0]:<{width}}  {_shown_cell(field[1])}")


def row_text(cells: Iterable[Cell]) -> str:
    """Write cells as a line with tabs between them; times as ISO 8601 in UTC. No cell holds a tab or line break."""
    times = (
        cell.astimezone(UTC).isoformat(timespec="seconds") if isinstance(cell, datetime) else cell for cell in cells
    )
    return "\t".join(one_line(cell, _LONGEST_CELL) for cell in times)


def _shown_cell(cell: Cell) -> str:
    """Write a cell for people: times in their zone, to the minute."""
    if isinstance(cell, datetime):
        return cell.astimezone().strftime("%Y-%m-%d %H:%M")
    return one_line(cell, _LONGEST_SHOWN_CELL)


def size_text(size: int) -> str:
    """Write a number of bytes for people on a terminal; for programs as it is."""
    if console_for(sys.stdout) is None:
        return str(size)
    from rich.filesize import decimal  # noqa: PLC0415 - only for a terminal

    return decimal(size)


T = TypeVar("T")


def for_each(things: Iterable[T], act: Callable[[T], object], *, done: str) -> int:
    """Act on each thing and print the text that this returns, or else ``done``. Return 0 if all succeeded, else 1.

    Errors are printed, too, and only those after which nothing can work are raised.
    """
    status = 0
    for thing in things:
        try:
            outcome = act(thing)
        except (LumnisAIError, CommandError) as error:
            if isinstance(error, TransportError | AuthenticationError) and not isinstance(error, FileAccessDeniedError):
                raise
            sys.stderr.write(f"lumnis: {thing}: {one_line(error)}\n")
            status = 1
        else:
            write(row_text((str(thing), outcome if isinstance(outcome, str) else done)))
    return status
