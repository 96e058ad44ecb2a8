"""Output for people: colours on a terminal, plain text in pipes."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, TextIO

from lumnisai_integrations._commands.output import console_for, is_terminal, safe_text

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
