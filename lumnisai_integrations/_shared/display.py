"""Progress displays: lines, or live pictures in the output of a notebook's cell or at the bottom of a terminal.

IPython and rich are imported only where a picture is drawn. Several threads and event loops may share one display.
"""

from __future__ import annotations

import atexit
import logging
import sys
import threading
import time
from collections.abc import Callable
from html import escape
from importlib import import_module
from importlib.util import find_spec
from types import TracebackType
from typing import TYPE_CHECKING, Any, Literal, Self, TypeAlias, get_args

from lumnisai_core import ResponseStatus, RunUpdate
from lumnisai_core.exceptions import ValidationError
from lumnisai_integrations._shared.board import (
    DrawnRun,
    Run,
    RunBoard,
    RunKey,
    board_lines,
    counted_line,
    drawn_lines,
    drawn_runs,
    indented,
)
from lumnisai_integrations._shared.locks import ProcessLock

if TYPE_CHECKING:
    from rich.console import Group

_Named: TypeAlias = Literal["auto", "rich", "jupyter", "logging", "lines"]

#: How to show progress: by name, or a function that is called with each line.
DisplayKind: TypeAlias = _Named | Callable[[str], object]

#: Takes the lines of ``display="logging"``, with level INFO.
progress_logger = logging.getLogger("lumnisai_integrations.progress")

_logger = logging.getLogger("lumnisai_integrations")

#: The package that a display needs, and how to install it.
_NEEDS = {"rich": ("rich", 'pip install "lumnisai-integrations[cli]"'), "jupyter": ("IPython", "pip install ipython")}

_SPINNER = "⠋⠙⠹⠸⠼⠴⠦⠧⠇⠏"

# Two live displays would write over each other.
_one_terminal_board = threading.Lock()


def board_html(board: RunBoard) -> str:
    """Write a board as HTML: each run as a block that is folded to its first line at its end. All text is escaped."""
    runs, others = drawn_runs(board, folding=True)
    blocks = [_run_html(run) for run in runs]
    more = "".join(f"<div>{escape(line.text)}</div>" for line in counted_line("… and {} more run", others, depth=0))
    return f'<div class="lumnis-progress">{"".join(blocks)}{more}</div>'


def _run_html(run: DrawnRun) -> str:
    heading, steps = escape(run.heading.text), escape("\n".join(map(indented, run.steps)))
    if not steps:
        return f"<div>{heading}</div>"
    state = "" if run.is_folded else " open"
    return f'<details{state}><summary>{heading}</summary><pre style="white-space:pre-wrap">{steps}</pre></details>'


def board_tree(board: RunBoard, working: str = "•", now: float | None = None) -> Group:
    """Draw a board with rich as an indented tree, folded if it is drawn again and again. No text is read as markup."""
    from rich.console import Group  # noqa: PLC0415 - may not be installed
    from rich.padding import Padding  # noqa: PLC0415
    from rich.text import Text  # noqa: PLC0415

    lines = drawn_lines(board, working, now, folding=now is not None)
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
        data = {"text/html": html, "text/plain": "\n".join(board_lines(board, folding=True))}
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
    """Draws one board at the bottom of the terminal while runs are working; a line for each run stays.

    Other output appears above it. Made by :meth:`claim`.
    """

    def __init__(self) -> None:
        from rich import get_console  # noqa: PLC0415 - may not be installed
        from rich.live import Live  # noqa: PLC0415

        self._board = RunBoard()
        self._is_redrawn = get_console().is_terminal  # elsewhere it is drawn once, with all steps
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
        now = time.monotonic()
        return board_tree(self._board, _SPINNER[int(now * 12) % len(_SPINNER)], now if self._is_redrawn else None)


LiveBoard: TypeAlias = NotebookBoard | TerminalBoard


def _print_line(line: str) -> None:
    # Characters that the encoding of the output lacks are written as escapes.
    encoding = getattr(sys.stdout, "encoding", None) or "utf-8"
    sys.stdout.write(line.encode(encoding, "backslashreplace").decode(encoding) + "\n")
    sys.stdout.flush()


def _is_installed(package: str) -> bool:
    return sys.modules.get(package) is not None or find_spec(package) is not None


def _writer(display: DisplayKind) -> Callable[[str], object]:
    """Return the function that lines are written with, where a display is not live."""
    if callable(display):
        return display
    names = get_args(_Named)
    if display not in names:
        known = ", ".join(map(repr, names))
        raise ValidationError(f"display must be one of {known}, or a function that takes a line, not {display!r}.")
    if display in _NEEDS:
        package, hint = _NEEDS[display]
        if not _is_installed(package):
            raise ImportError(f'display="{display}" needs {package}: {hint}', name=package)
    return progress_logger.info if display == "logging" else _print_line


def _live_board(display: DisplayKind) -> LiveBoard | None:
    """Return a place to draw a board now, or None where lines are to be written."""
    if display in ("auto", "jupyter") and is_notebook():
        return NotebookBoard()
    isatty = getattr(sys.stdout, "isatty", bool)  # an object in place of standard output may lack it
    if display == "rich" or (display == "auto" and isatty() and _is_installed("rich") and terminal_can_draw()):
        return TerminalBoard.claim()
    return None


class ProgressDisplay:
    """Shows the progress of several runs at once. A listener for ``on_progress``, or used with a key for each run.

    A live display begins with the first update and ends when no run is active; where none is possible, lines are
    written. Errors in showing never reach the caller: the first is logged, and lines take over.
    """

    def __init__(self, display: DisplayKind = "auto") -> None:
        self._write = _writer(display)
        self._display = display
        self._lock = ProcessLock()  # reentrant: a function that takes lines may itself make runs
        self._board = RunBoard()
        self._live: LiveBoard | None = None
        self._is_open = False
        self._has_failed = False

    @property
    def active(self) -> dict[RunKey, Run]:
        """The runs that are not over."""
        return self._board.active

    def __call__(self, update: RunUpdate) -> None:
        """Show an update of a run, which its id identifies."""
        self.accept(update.response_id, update)
        if update.is_last:
            self.end(update.response_id)

    def begin(self, run: RunKey, title: str = "", *, printed: bool = False) -> None:
        """Number a run; it is shown from its first update on, but not as lines if the client prints these itself."""
        with self._lock.held():
            self._board = self._board.begin(run, title, printed=printed, now=time.monotonic())

    def accept(self, run: RunKey, update: RunUpdate) -> None:
        """Show an update of a run; an unknown run begins with it."""
        with self._lock.held():
            self._board = self._board.accept(run, update, now=time.monotonic())
            self._show(run, update.as_lines())

    def end(self, run: RunKey, status: str = "", reason: str = "") -> None:
        """Show the end of a run; an empty status keeps that of the last update. An unknown run is ignored."""
        with self._lock.held():
            if run not in self._board.active:
                return
            self._board = self._board.end(run, status, reason, now=time.monotonic())
            ended = self._board.runs[run]
            if ended.last or ended.ending:
                self._show(run, [ended.ending] if ended.ending else [])
            if not self._board.active:
                self.close()

    def close(self) -> None:
        """End a live display, even if runs are active. A later update begins a new one."""
        with self._lock.held():
            live, self._live, self._is_open = self._live, None, False
            self._board = self._board.cleared()
            if live is not None:
                self._safely(live.close)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for run in self.active if isinstance(error, KeyboardInterrupt) else ():
            self.end(run, ResponseStatus.CANCELLED)
        self.close()

    def _show(self, run: RunKey, lines: list[str]) -> None:
        if not self._is_open:
            self._is_open = True
            self._safely(self._open)
        live = self._live
        if live is not None:
            if self._safely(live.draw, self._board):
                return
            self._live = None
            self._safely(live.close)
        if self._board.runs[run].printed and self._write is _print_line:
            return
        label = self._board.label(run)
        for line in lines:
            self._safely(self._write, label + line)

    def _open(self) -> None:
        if not self._has_failed:
            self._live = _live_board(self._display)

    def _safely(self, act: Callable[..., object], *arguments: object) -> bool:
        # A run that costs money must not end because it cannot be shown.
        try:
            act(*arguments)
        except Exception:
            if not self._has_failed:
                self._has_failed = True
                _logger.warning("Progress cannot be shown as requested; the runs continue.", exc_info=True)
            return False
        return True
