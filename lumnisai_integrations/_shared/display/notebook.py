"""A board live in a notebook. IPython is imported only where a kernel is running."""

from __future__ import annotations

import sys
from html import escape
from importlib import import_module
from importlib.util import find_spec
from typing import Any

from lumnisai_integrations._shared.display.board import RunBoard, ShownRun, board_lines, call_lines, shown_board

_COLOURS = {"succeeded": "#1a7f37", "failed": "#cf222e", "cancelled": "#9a6700"}


def board_html(board: RunBoard) -> str:
    """Write a board as HTML: nested lists, every text escaped, no scripts, no links."""
    shown = shown_board(board)
    others = f"<div>{escape(shown.others)}</div>" if shown.others else ""
    runs = "".join(map(_run_html, shown.runs))
    return f'<div class="lumnis-progress" style="font-family:monospace">{runs}{others}</div>'


def _run_html(shown: ShownRun) -> str:
    colour = _COLOURS.get(shown.run.status, "inherit")
    heading = f'<span style="color:{colour}">{shown.run.mark}</span> {escape(shown.run.heading)}'
    items = [f"<li>{escape(shown.earlier)}</li>"] * bool(shown.earlier)
    for step in shown.steps:
        calls = "".join(f"<li>{escape(call)}</li>" for call in call_lines(step))
        items.append(f"<li>{escape(step.text)}{f'<ul>{calls}</ul>' if calls else ''}</li>")
    steps = f'<ul style="margin:0">{"".join(items)}</ul>' if items else ""
    return f"<div>{heading}{steps}</div>"


def is_notebook() -> bool:
    """Say whether this process is the kernel of a notebook. Imports nothing."""
    ipython = sys.modules.get("IPython")
    if ipython is None:
        return False
    shell = ipython.get_ipython()
    return getattr(shell, "kernel", None) is not None


def check_ipython() -> None:
    """Say what is missing for a display in a notebook.

    Raises:
        ImportError: IPython is not installed.
    """
    if sys.modules.get("IPython") is None and find_spec("IPython") is None:
        raise ImportError('display="jupyter" needs IPython: pip install ipython', name="IPython")


class NotebookBoard:
    """Draws one board in the output of a cell and draws it anew with every change."""

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
