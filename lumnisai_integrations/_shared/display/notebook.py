"""Jupyter: a run board live in the output of a cell, and the end of a cell. IPython is imported only in a kernel."""

from __future__ import annotations

import sys
from collections.abc import Callable
from html import escape
from importlib import import_module
from importlib.util import find_spec
from typing import Any

from lumnisai_integrations._shared.display.board import RunBoard, board_lines, drawn_lines

_COLOURS = {"succeeded": "#1a7f37", "failed": "#cf222e", "cancelled": "#9a6700"}


def board_html(board: RunBoard) -> str:
    """Write a board as HTML: one indented line below the other, every text escaped, no scripts, no links."""
    lines = []
    for depth, text, run in drawn_lines(board):
        mark = "" if run is None else f'<span style="color:{_COLOURS.get(run.status, "inherit")}">{run.mark}</span> '
        lines.append(f'<div style="margin-left:{2 * depth}em">{mark}{escape(text)}</div>')
    return f'<div class="lumnis-progress" style="font-family:monospace">{"".join(lines)}</div>'


def _shell() -> Any:
    """Return the shell of IPython that this process runs in, or None. Imports nothing."""
    ipython = sys.modules.get("IPython")
    return None if ipython is None else ipython.get_ipython()


def is_notebook() -> bool:
    """Return whether this process is the kernel of a notebook."""
    return getattr(_shell(), "kernel", None) is not None


def check_ipython() -> None:
    """Check that a display in a notebook is possible.

    Raises:
        ImportError: IPython is not installed.
    """
    if sys.modules.get("IPython") is None and find_spec("IPython") is None:
        raise ImportError('display="jupyter" needs IPython: pip install ipython', name="IPython")


def after_cell(call: Callable[[BaseException | None], None]) -> bool:
    """Call a function once, when the cell that is running now has ended.

    Args:
        call: Called with the exception that ended the cell, or None.

    Returns:
        Whether there is a cell.
    """
    shell = _shell()
    if shell is None:
        return False

    def ended(result: Any = None) -> None:
        shell.events.unregister("post_run_cell", ended)
        # A cell that was cancelled in an await may have no result.
        call(KeyboardInterrupt() if result is None else result.error_in_exec)

    shell.events.register("post_run_cell", ended)
    return True


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
