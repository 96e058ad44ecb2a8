"""Progress as lines of text, for ``show_progress=True``."""

from __future__ import annotations

import sys

from lumnisai_core.lumnis.models import ResponseStatus, RunUpdate

_LONGEST_LINE = 160


class ProgressPrinter:
    """Prints a run's news line by line: status changes, messages and tool calls."""

    def __init__(self) -> None:
        self._shown_status: str = ResponseStatus.QUEUED

    def __call__(self, update: RunUpdate) -> None:
        """Print one update."""
        for line in progress_lines(update, shown_status=self._shown_status):
            sys.stdout.write(line + "\n")
        sys.stdout.flush()
        self._shown_status = update.status


def progress_lines(update: RunUpdate, *, shown_status: str) -> list[str]:
    """Write one update as text.

    Args:
        update: The news.
        shown_status: The status of the run that was shown last.

    Returns:
        ``Status: ...`` if the status is another one now and the run goes on, ``STATE: message`` for an entry, an
        indented line for each tool call, and ``Status: ...`` at the end if the run is over.
    """
    status = [f"Status: {update.status}"] if update.status != shown_status else []
    entry = [f"{update.state.upper()}: {update.message}"] if update.message and update.state != "tool_update" else []
    tools = [f"  {_shortened(str(call))}" for call in update.tool_calls]
    return entry + tools + status if update.is_last else status + entry + tools


def _shortened(text: str) -> str:
    return text if len(text) <= _LONGEST_LINE else text[: _LONGEST_LINE - 1] + "…"
