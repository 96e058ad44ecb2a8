"""Page of a demonstration: text in narrow lines, progress of runs, and commands as they work in this shell."""

from __future__ import annotations

import shlex
import shutil
import sys
import textwrap
from collections.abc import Iterable
from pathlib import Path

from lumnisai_core.display import one_line
from lumnisai_integrations._commands import OutputClosed
from lumnisai_integrations._commands.output import Screen
from lumnisai_integrations._shared.display import ProgressDisplay

#: Widest line of a page, in columns; on a narrower terminal its width.
COLUMNS = 60


class Page:
    """Text on a screen, in lines that are never wider than :data:`COLUMNS`."""

    def __init__(self, screen: Screen) -> None:
        self._screen = screen
        self.columns = max(20, min(COLUMNS, shutil.get_terminal_size((COLUMNS, 24)).columns))

    def part(self, title: str, about: str = "") -> None:
        """Begin a part."""
        self._wrapped(title, "bold cyan", gap="\n")
        self._wrapped(about, "cyan")

    def note(self, text: str) -> None:
        """Show a remark."""
        self._wrapped(text, "dim")

    def text(self, text: str, style: str = "") -> None:
        """Show a text, indented; its own lines stay."""
        self._wrapped(text, style, "  ")

    def lines(self, lines: Iterable[str]) -> None:
        """Show lines that are narrow enough already."""
        for line in lines:
            self._show(line)

    def progress(self) -> ProgressDisplay:
        """Return a listener, and context manager, that shows runs: live where that is possible, else as lines."""

        def write(line: str) -> None:
            self._show(one_line(line, self.columns), "dim")

        return ProgressDisplay("auto" if self._screen.can_draw else write)

    def _wrapped(self, text: str, style: str, indent: str = "", gap: str = "") -> None:
        for line in text.splitlines():
            wrapped = textwrap.wrap(line, self.columns - len(indent), break_long_words=False, break_on_hyphens=False)
            self._show(gap + textwrap.indent("\n".join(wrapped), indent), style)
            gap = ""

    def _show(self, text: str, style: str = "") -> None:
        try:
            self._screen.line(text, style)
        except BrokenPipeError as error:  # listeners of frameworks may write, whose exceptions would only be logged
            raise OutputClosed from error


def command_here() -> str:
    """Return how this program is called in the shell that it runs in."""
    here = Path(sys.executable).parent
    own = shutil.which("lumnis", path=str(here))
    if own is None:
        return f"{shlex.quote(sys.executable)} -m lumnisai_integrations.cli"
    if shutil.which("lumnis") == own:
        return "lumnis"
    path = Path(own)
    return shlex.quote(str(path.relative_to(Path.cwd()) if path.is_relative_to(Path.cwd()) else path))
