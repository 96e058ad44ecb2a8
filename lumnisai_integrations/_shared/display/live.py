"""Live pictures of a run board: in the output of a notebook's cell, or at the bottom of a terminal.

IPython and rich are imported only where a picture is drawn.
"""

from __future__ import annotations

import atexit
import sys
import threading
import time
from html import escape
from importlib import import_module
from typing import TYPE_CHECKING, Any, TypeAlias

from lumnisai_integrations._shared.display.board import RunBoard, board_lines, drawn_lines

if TYPE_CHECKING:
    from rich.console import Group

_SPINNER = "⠋⠙⠹⠸⠼⠴⠦⠧⠇⠏"

# Two live displays would write over each other.
_one_terminal_board = threading.Lock()


def board_html(board: RunBoard) -> str:
    """Write a board as preformatted HTML; all text is escaped."""
    text = escape("\n".join(board_lines(board)))
    return f'<pre class="lumnis-progress" style="white-space:pre-wrap">{text}</pre>'


def board_tree(board: RunBoard, working: str = "•") -> Group:
    """Draw a board with rich as an indented tree. No text is read as markup."""
    from rich.console import Group  # noqa: PLC0415 - may not be installed
    from rich.padding import Padding  # noqa: PLC0415
    from rich.text import Text  # noqa: PLC0415

    lines = drawn_lines(board, working)
    return Group(*(Padding(Text(line.text, line.style), (0, 0, 0, 2 * line.depth)) for line in lines))


def shell_of_process() -> Any:
    """Return the shell of IPython that this process runs in, or None. Imports nothing."""
    ipython = sys.modules.get("IPython")
    return None if ipython is None else ipython.get_ipython()


def is_notebook() -> bool:
    """Return whether this process is the kernel of a notebook."""
    return getattr(shell_of_process(), "kernel", None) is not None


class NotebookBoard:
    """Draws one board in the output of a cell and replaces it with every change."""

    def __init__(self) -> None:
        self._handle: Any = None
        self._drawn = ""

    def draw(self, board: RunBoard) -> None:
        """Draw a board."""
        html = board_html(board)
        if html == self._drawn:
            return
        data = {"text/html": html, "text/plain": "\n".join(board_lines(board))}
        if self._handle is None:
            self._handle = import_module("IPython.display").display(data, raw=True, display_id=True)
        else:
            self._handle.update(data, raw=True)
        self._drawn = html

    def close(self) -> None:
        """Leave the last picture as it is."""


def terminal_can_draw() -> bool:
    """Return whether rich can draw a live tree on standard output."""
    from rich import get_console  # noqa: PLC0415 - may not be installed

    console = get_console()
    encoding = getattr(sys.stdout, "encoding", None) or "utf-8"
    return console.is_terminal and not console.is_dumb_terminal and encoding.lower().startswith("utf")


class TerminalBoard:
    """Draws one board at the bottom of the terminal while runs are working; the last picture stays.

    Other output appears above it. Made by :meth:`claim`.
    """

    def __init__(self) -> None:
        from rich.live import Live  # noqa: PLC0415 - may not be installed

        self._board = RunBoard()
        self._live = Live(get_renderable=self._picture, refresh_per_second=8)

    @classmethod
    def claim(cls) -> TerminalBoard | None:
        """Return the only live display of this process, or None while there is another one."""
        board = cls()
        return board if _one_terminal_board.acquire(blocking=False) else None

    def draw(self, board: RunBoard) -> None:
        """Draw a board; the terminal shows it with its next refresh."""
        self._board = board
        if not self._live.is_started:
            atexit.register(self._live.stop)  # a terminal without a cursor must not be left behind
            self._live.start()

    def close(self) -> None:
        """Draw the last picture and release the terminal. To be called once."""
        atexit.unregister(self._live.stop)
        try:
            self._live.stop()
        finally:
            _one_terminal_board.release()

    def _picture(self) -> Group:
        return board_tree(self._board, _SPINNER[int(time.monotonic() * 12) % len(_SPINNER)])


LiveBoard: TypeAlias = NotebookBoard | TerminalBoard
