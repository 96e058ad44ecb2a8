"""Output for people: colours on a terminal, plain text in pipes."""

from __future__ import annotations

from rich.console import Console
from rich.markdown import Markdown
from rich.text import Text


class Screen:
    """Where a command shows things.

    Args:
        apart: Whether everything but answers goes to standard error, so that answers can be piped.
        quiet: Whether everything but answers is left out.
    """

    def __init__(self, *, apart: bool = False, quiet: bool = False) -> None:
        self._out = Console(highlight=False)
        self._about = Console(highlight=False, stderr=True, quiet=quiet) if apart else self._out

    def heading(self, text: str) -> None:
        """Show a heading."""
        self._about.print()
        self._about.print(Text(text, style="bold cyan"))

    def note(self, text: str) -> None:
        """Show something about what is being done; an empty text shows nothing."""
        if text.strip():
            self._about.print(Text(text.rstrip(), style="dim"), soft_wrap=True)

    def said(self, text: str) -> None:
        """Show what the user asked."""
        self._about.print(Text.assemble(("> ", "bold"), text))

    def answer(self, text: str) -> None:
        """Show an answer: rendered as Markdown on a terminal, as it is in a pipe."""
        if self._out.is_terminal:
            self._out.print(Markdown(text))
        else:
            self._out.print(Text(text), soft_wrap=True)
