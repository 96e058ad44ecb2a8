"""Progress of a job: counts, rate, time left and tokens; the line of a terminal and the bar of a notebook with them."""

from __future__ import annotations

import logging
import sys
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any, TextIO, TypeAlias

from lumnisai_core.lumnis.models import ResponseObject

_logger = logging.getLogger("lumnisai_core")

_BAR = 20

#: Seconds between two pictures on a screen, and between two lines of a log.
_ON_SCREEN, _IN_LOG = 0.1, 10.0


@dataclass(frozen=True, slots=True)
class JobProgress:
    """How far a job is.

    Attributes:
        done: Inputs that have an outcome.
        errors: Those of them that have an error.
        total: Number of inputs; None if it is unknown.
        seconds: Seconds since the job began.
        input_tokens: Tokens that the finished runs read; None if the service does not report usage.
        output_tokens: Tokens that they wrote; None likewise.
    """

    done: int = 0
    errors: int = 0
    total: int | None = None
    seconds: float = 0.0
    input_tokens: int | None = None
    output_tokens: int | None = None

    @property
    def rate(self) -> float:
        """Inputs a second."""
        return self.done / self.seconds if self.seconds > 0 else 0.0

    @property
    def seconds_left(self) -> float | None:
        """Seconds until the end at this rate; None if the total is unknown or nothing is done yet."""
        return None if self.total is None or not self.rate else max(0, self.total - self.done) / self.rate

    def after(self, run: ResponseObject | None, *, is_error: bool, seconds: float) -> JobProgress:
        """Return the progress after one more outcome."""
        usage = usage_of(run)
        return replace(
            self,
            done=self.done + 1,
            errors=self.errors + is_error,
            seconds=seconds,
            input_tokens=_sum(self.input_tokens, usage.get("input_tokens")),
            output_tokens=_sum(self.output_tokens, usage.get("output_tokens")),
        )

    def __str__(self) -> str:
        counted = f"{self.done:,} rows" if self.total is None else f"{self.done:,}/{self.total:,} rows"
        parts = [counted, f"{self.rate:,.1f}/s", f"{self.errors:,} error{'' if self.errors == 1 else 's'}"]
        if self.input_tokens is not None or self.output_tokens is not None:
            parts.append(f"{self.input_tokens or 0:,} + {self.output_tokens or 0:,} tokens")
        if self.seconds_left is not None and self.done != self.total:
            parts.append(f"{clock(self.seconds_left)} left")
        else:
            parts.append(clock(self.seconds))
        return ", ".join(parts)

    def bar(self) -> str:
        """Return the progress as one line with a bar, if the total is known."""
        if not self.total:
            return str(self)
        share = min(1.0, self.done / self.total)
        filled = int(share * _BAR)
        return f"[{'#' * filled}{'.' * (_BAR - filled)}] {share:4.0%}  {self}"


#: Takes the progress of a job after each outcome.
JobProgressCallback: TypeAlias = Callable[[JobProgress], object]


def usage_of(run: ResponseObject | None) -> dict[str, str | int]:
    """Return ``model``, ``input_tokens`` and ``output_tokens`` of a run, as far as the service reports them."""
    usage: dict[str, str | int] = {}
    if run is not None and run.model is not None:
        usage["model"] = run.model
    if run is not None and run.usage is not None:
        usage |= {"input_tokens": run.usage.input_tokens, "output_tokens": run.usage.output_tokens}
    return usage


def clock(seconds: float) -> str:
    """Write a duration as minutes and seconds, with hours if there are some."""
    minutes, rest = divmod(round(seconds), 60)
    return f"{minutes // 60}:{minutes % 60:02}:{rest:02}" if minutes >= 60 else f"{minutes}:{rest:02}"


def _sum(known: int | None, more: object) -> int | None:
    return (known or 0) + more if isinstance(more, int) else known


class ProgressLine:
    """Shows the progress of a job: a bar in a notebook, one line that is replaced in a terminal, elsewhere log lines.

    Args:
        write_to: Where to write. Default: the output of the notebook's cell, or standard output.
    """

    def __init__(self, write_to: TextIO | None = None) -> None:
        self._file = write_to or sys.stdout
        self._notebook = None if write_to else _notebook()
        self._picture: Any = None
        self._is_screen = getattr(self._file, "isatty", bool)() or self._notebook is not None
        self._shown_at = float("-inf")
        self._width = 0
        self._last = JobProgress()

    def __call__(self, progress: JobProgress) -> None:
        """Show a progress, unless the last one was shown a moment ago."""
        self._last = progress
        if progress.seconds - self._shown_at >= (_ON_SCREEN if self._is_screen else _IN_LOG):
            self._show()

    def close(self) -> None:
        """Show the last progress and end the line."""
        self._show(is_over=True)

    def _show(self, *, is_over: bool = False) -> None:
        self._shown_at = self._last.seconds
        if self._notebook is not None and self._draw(self._notebook, notebook_picture(self._last, is_over=is_over)):
            return
        text = self._last.bar()
        self._write(f"\r{text.ljust(self._width)}" if self._is_screen else f"{text}\n")
        self._width = len(text)
        if self._is_screen and is_over:
            self._write("\n")

    def _draw(self, notebook: Any, picture: dict[str, str]) -> bool:
        try:
            if self._picture is None:
                self._picture = notebook.display(picture, raw=True, display_id=True)
            else:
                self._picture.update(picture, raw=True)
        except Exception:  # of a front end that is gone; the job costs money
            _logger.warning("Progress cannot be shown as a bar; the job continues.", exc_info=True)
            self._notebook = None
            return False
        return True

    def _write(self, text: str) -> None:
        try:
            self._file.write(text)
            self._file.flush()
        except (OSError, ValueError):  # a closed pipe or file must not end a job that costs money
            self._is_screen = False


def notebook_picture(progress: JobProgress, *, is_over: bool) -> dict[str, str]:
    """Return the progress of a job as HTML and as plain text: a bar, and one line when it is over."""
    if is_over:
        is_whole = progress.total is None or progress.done >= progress.total
        line = f"{'✓' if is_whole else '■'} {progress}"
        return {"text/html": f"<div>{line}</div>", "text/plain": line}
    bar = f'<progress max="{progress.total}" value="{progress.done}"></progress> ' if progress.total else ""
    return {"text/html": f"<div>{bar}{progress}</div>", "text/plain": progress.bar()}


def _notebook() -> Any:
    """Return IPython's module of displays if this process is the kernel of a notebook, else None. Imports nothing."""
    ipython = sys.modules.get("IPython")
    shell = None if ipython is None else ipython.get_ipython()
    return None if getattr(shell, "kernel", None) is None else sys.modules.get("IPython.display")


def progress_shown(progress: bool | JobProgressCallback) -> JobProgressCallback | None:
    """Return what shows the progress of a job: a line, the caller's function, or nothing."""
    if progress is True:
        return ProgressLine()
    return progress if callable(progress) else None
