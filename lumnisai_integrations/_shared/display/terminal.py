"""A board as a live tree in the terminal. This module needs rich: it is imported where a tree is drawn."""

from __future__ import annotations

import atexit
import sys
import threading

from rich import get_console
from rich.console import Group, RenderableType
from rich.live import Live
from rich.spinner import Spinner
from rich.table import Table
from rich.text import Text
from rich.tree import Tree

from lumnisai_integrations._shared.display.board import RunBoard, ShownRun, call_lines, shown_board

_STYLES = {"succeeded": "green", "failed": "red", "cancelled": "yellow"}

# Two live displays would write over each other.
_one_at_a_time = threading.Lock()


def board_tree(board: RunBoard, working: RenderableType | None = None) -> Group:
    """Draw a board with rich: a tree for each run. No text is read as markup.

    Args:
        board: The board.
        working: What to show at the headings of runs that go on, such as a spinner.
    """
    shown = shown_board(board)
    trees: list[RenderableType] = [_run_tree(run, working) for run in shown.runs]
    return Group(*trees, *[Text(shown.others, style="dim")] * bool(shown.others))


def _run_tree(shown: ShownRun, working: RenderableType | None) -> RenderableType:
    tree = Tree(_heading(shown, working), guide_style="dim")
    if shown.earlier:
        tree.add(Text(shown.earlier, style="dim"))
    for step in shown.steps:
        branch = tree.add(Text(step.text)) if step.text else tree
        for call in call_lines(step):
            branch.add(Text(call, style="cyan"))
    return tree


def _heading(shown: ShownRun, working: RenderableType | None) -> RenderableType:
    run = shown.run
    text: Text = Text(run.heading, style="bold" if not run.over else _STYLES.get(run.status, ""))
    line = Table.grid(padding=(0, 1))
    line.add_row(working if working is not None and not run.over else Text(run.mark), text)
    return line


def can_draw() -> bool:
    """Say whether rich can draw a live tree on standard output."""
    console = get_console()
    encoding = getattr(sys.stdout, "encoding", None) or "utf-8"
    return console.is_terminal and not console.is_dumb_terminal and encoding.lower().startswith("utf")


class TerminalBoard:
    """Draws one board at the bottom of the terminal while runs go on; the last picture stays.

    What is printed meanwhile appears above it.
    """

    def __init__(self) -> None:
        self._board = RunBoard()
        self._live: Live | None = None
        self._claimed = False

    @classmethod
    def claim(cls) -> TerminalBoard | None:
        """Return the one live display of this process, or None while another is on."""
        if not _one_at_a_time.acquire(blocking=False):
            return None
        made = cls()
        made._claimed = True
        return made

    def draw(self, board: RunBoard) -> None:
        """Draw a board; the terminal shows it with its next refresh."""
        self._board = board
        if self._live is not None:
            return

        spinner = Spinner("dots")
        self._live = Live(get_renderable=lambda: board_tree(self._board, spinner), refresh_per_second=8)
        atexit.register(self.close)  # a terminal without a cursor must not be left behind
        self._live.start()

    def close(self) -> None:
        """Draw the last picture and give the terminal back."""
        live, self._live = self._live, None
        claimed, self._claimed = self._claimed, False
        atexit.unregister(self.close)
        try:
            if live is not None:
                live.stop()
        finally:
            if claimed:
                _one_at_a_time.release()
