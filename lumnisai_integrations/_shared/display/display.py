"""Shows what runs are doing, in the way that was asked for. May be told from several threads and event loops."""

from __future__ import annotations

import logging
import sys
import threading
from collections.abc import Callable
from importlib import import_module
from importlib.util import find_spec
from types import TracebackType
from typing import Literal, Protocol, Self, TypeAlias, get_args

from lumnisai_core import RunUpdate
from lumnisai_core.exceptions import ValidationError
from lumnisai_integrations._shared.display.board import RunBoard, RunKey, ending_lines
from lumnisai_integrations._shared.display.notebook import NotebookBoard, check_ipython, is_notebook
from lumnisai_integrations._shared.progress import ProgressNews, progress_lines

_Named: TypeAlias = Literal["auto", "rich", "jupyter", "logging", "lines"]

#: How to show progress: by name, or a function that is called with each line.
DisplayKind: TypeAlias = _Named | Callable[[str], object]

#: Takes the lines of ``display="logging"``, with level INFO.
progress_logger = logging.getLogger("lumnisai_integrations.progress")

_logger = logging.getLogger("lumnisai_integrations")


class LiveBoard(Protocol):
    """Something that a board is drawn on again and again."""

    def draw(self, board: RunBoard) -> None:
        """Draw a board in place of the last one."""

    def close(self) -> None:
        """Leave the last picture and end."""


def print_line(line: str) -> None:
    """Print one line on standard output; what its encoding cannot write is written as an escape."""
    encoding = getattr(sys.stdout, "encoding", None) or "utf-8"
    sys.stdout.write(line.encode(encoding, "backslashreplace").decode(encoding) + "\n")
    sys.stdout.flush()


def check_display(display: DisplayKind) -> None:
    """Refuse a display that does not exist or cannot work.

    Raises:
        ValidationError: It is neither one of the names nor callable.
        ImportError: It needs a package that is not installed.
    """
    names = get_args(_Named)
    if not callable(display) and display not in names:
        known = ", ".join(map(repr, names))
        raise ValidationError(f"display must be one of {known}, or a function that takes a line, not {display!r}.")
    if display == "rich" and find_spec("rich") is None:
        raise ImportError('display="rich" needs rich: pip install "lumnisai-integrations[cli]"', name="rich")
    if display == "jupyter":
        check_ipython()


def open_live_board(display: DisplayKind) -> LiveBoard | None:
    """Return what a board can be drawn on now, or None where lines are to be written.

    Args:
        display: What was asked for. ``auto`` looks at where standard output goes at this moment.
    """
    if display in ("auto", "jupyter") and is_notebook():
        return NotebookBoard()
    if display == "rich" or (display == "auto" and _is_terminal() and find_spec("rich") is not None):
        terminal = import_module("lumnisai_integrations._shared.display.terminal")
        if display == "rich" or terminal.can_draw():
            board: LiveBoard | None = terminal.TerminalBoard.claim()
            return board
    return None


def _is_terminal() -> bool:
    is_terminal = getattr(sys.stdout, "isatty", None)
    return is_terminal is not None and bool(is_terminal())


class ProgressDisplay:
    """Shows what several runs are doing at once.

    A live display begins with the first news and ends when no run goes on; where none is possible, lines are written.
    Nothing that goes wrong with showing reaches the caller: it is logged once, and lines take over.

    Args:
        display: ``auto``, ``rich``, ``jupyter``, ``logging``, ``lines``, or a function that is called with each line,
            without a line break.

    Raises:
        ValidationError: There is no such display.
        ImportError: It needs a package that is not installed.
    """

    def __init__(self, display: DisplayKind = "auto") -> None:
        check_display(display)
        self._display = display
        self._write = _line_writer(display)
        self._lock = threading.RLock()  # a function that takes lines may itself make runs
        self._board = RunBoard()
        self._live: LiveBoard | None = None
        self._printed: set[RunKey] = set()
        self._opened = False
        self._live_works = True
        self._said_that_it_fails = False

    @property
    def board(self) -> RunBoard:
        """The runs as they are known now."""
        return self._board

    def begin(self, run: RunKey, title: str = "", *, printed: bool = False) -> None:
        """Give a run its number; it is shown from its first news on.

        Args:
            run: The run, by any key.
            title: What it is about.
            printed: Whether somebody else prints the lines of this run, so that they are not printed twice.
        """
        with self._lock:
            self._board = self._board.begin(run, title)
            if printed:
                self._printed.add(run)

    def accept(self, run: RunKey, news: ProgressNews) -> None:
        """Show a piece of news of a run; one that has not begun begins with it."""
        with self._lock:
            self._board = self._board.accept(run, news)
            self._show(run, progress_lines(news))

    def end(self, run: RunKey, status: str = "", reason: str = "") -> None:
        """Show the end of a run; the last one ends a live display.

        Args:
            run: The run; one that is not known is ignored.
            status: Terminal status; empty for what the last news said.
            reason: Why it failed.
        """
        with self._lock:
            board = self._board.end(run, status, reason)
            if board is self._board:
                return
            self._board = board
            ending = board.runs[run]
            if ending.heard or ending.went_wrong:
                self._show(run, ending_lines(ending))
            self._printed.discard(run)
            if not board.active:
                self.close()

    def listener(self, title: str = "") -> Callable[[RunUpdate], None]:
        """Return a function for the core's ``on_progress`` that shows one run.

        Args:
            title: What the run is about.
        """
        key = object()

        def tell(update: RunUpdate) -> None:
            self.begin(key, title)
            self.accept(key, ProgressNews.of_update(update))
            if update.is_last:
                self.end(key)

        self.begin(key, title)
        return tell

    def close(self) -> None:
        """End a live display, whatever is going on. News that comes later begins a new one."""
        with self._lock:
            live, self._live, self._opened = self._live, None, False
            self._board = self._board.cleared()
            self._printed.clear()
            if live is not None:
                self._safely(live.close)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _show(self, run: RunKey, lines: list[str]) -> None:
        if not self._opened:
            self._opened = True
            self._safely(self._open)
        live = self._live
        if live is not None:
            if self._safely(live.draw, self._board):
                return
            self._live, self._live_works = None, False
            self._safely(live.close)
        if run in self._printed and self._write is print_line:
            return
        label = self._board.label(run)
        for line in lines:
            self._safely(self._write, label + line)

    def _open(self) -> None:
        if self._live_works:
            self._live = open_live_board(self._display)

    def _safely(self, act: Callable[..., object], *given: object) -> bool:
        # A run that is paid for must not end because it cannot be shown.
        try:
            act(*given)
        except Exception:
            if not self._said_that_it_fails:
                self._said_that_it_fails = True
                _logger.warning("Progress cannot be shown as wanted; the runs go on.", exc_info=True)
            return False
        return True


def _line_writer(display: DisplayKind) -> Callable[[str], object]:
    if callable(display):
        return display
    return progress_logger.info if display == "logging" else print_line
