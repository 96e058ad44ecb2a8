"""Live tree of a run board in the terminal. This module needs rich: it is imported only where a tree is drawn."""

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

from lumnisai_integrations._shared.display.board import Run, RunBoard, drawn_lines

_STYLES = {"succeeded": "green", "failed": "red", "cancelled": "yellow"}

# Two live displays would write over each other.
_one_at_a_time = threading.Lock()


def board_tree(board: RunBoard, working: RenderableType | None = None) -> Group:
    """Draw a board with rich: a tree for each run. No text is read as markup.

    Args:
        board: The board.
        working: The mark of runs that go on, such as a spinner. Default: that of their status.
    """
    trees: list[RenderableType] = []
    branch: list[Tree] = []  # the last node of each depth
    for depth, text, run in drawn_lines(board):
        if run is not None:
            branch = [Tree(_heading(run, text, working), guide_style="dim")]
            trees.append(branch[0])
        elif depth == 0:
            trees.append(Text(text, style="dim"))
        else:
            branch = branch[:depth]  # one shorter for tool calls that no step comes before
            branch.append(branch[-1].add(Text(text, style="cyan" if depth > 1 else "")))
    return Group(*trees)


def _heading(run: Run, text: str, working: RenderableType | None) -> RenderableType:
    line = Table.grid(padding=(0, 1))
    mark = Text(run.mark) if working is None or run.is_over else working
    line.add_row(mark, Text(text, style=_STYLES.get(run.status, "") if run.is_over else "bold"))
    return line


def can_draw() -> bool:
    """Return whether rich can draw a live tree on standard output."""
    console = get_console()
    encoding = getattr(sys.stdout, "encoding", None) or "utf-8"
    return console.is_terminal and not console.is_dumb_terminal and encoding.lower().startswith("utf")


class TerminalBoard:
    """Draws one board at the bottom of the terminal while runs go on; the last picture stays.

    Other output appears above it. Made by :meth:`claim`.
    """

    def __init__(self) -> None:
        self._board = RunBoard()
        self._live: Live | None = None
        self._claimed = True

    @classmethod
    def claim(cls) -> TerminalBoard | None:
        """Return the only live display of this process, or None while there is another one."""
        return cls() if _one_at_a_time.acquire(blocking=False) else None

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
        """Draw the last picture and release the terminal."""
        live, self._live = self._live, None
        claimed, self._claimed = self._claimed, False
        atexit.unregister(self.close)
        try:
            if live is not None:
                live.stop()
        finally:
            if claimed:
                _one_at_a_time.release()
