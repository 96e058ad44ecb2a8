"""Jupyter: live progress, answers as Markdown, runs and threads as tables.

Objects of ``lumnisai_core`` show themselves in a notebook, and an interrupt shows how to resume its run; nothing has to
be loaded for that. This module adds what goes beyond one object:

>>> from lumnisai_integrations.notebook import LumnisProgress, table
>>> client.invoke("What is a neap tide?", on_progress=LumnisProgress())
>>> table(client.responses.map(questions))

``%load_ext lumnisai_integrations.notebook`` shows plain lists of them as tables, too. Nothing else needs IPython.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Mapping
from dataclasses import replace
from types import TracebackType
from typing import Any, Self

from lumnisai_core import ResponseObject, RunOutcome, RunUpdate
from lumnisai_core.display import HasRow, safe_markdown, table_html, table_text
from lumnisai_core.exceptions import ValidationError
from lumnisai_integrations._shared.display import DisplayKind, ProgressDisplay, shell_of_process

__all__ = ["LumnisProgress", "Markdown", "Table", "load_ipython_extension", "table", "unload_ipython_extension"]


class LumnisProgress:
    """Shows the progress of runs live in the output of the cell; a listener for ``on_progress``.

    One object may listen to several runs, one after the other or at once, from several threads and event loops. In a
    notebook, the steps of a run fold to one line at its end. When a cell is interrupted, it shows how to resume the
    runs that were active, if the interrupt itself does not say so.

    Args:
        display: ``auto`` (default): live in a notebook or, with rich, in a terminal, else lines; ``rich``, ``jupyter``,
            ``logging``, ``lines``, or a function that is called with each line.

    Raises:
        ValidationError: The display does not exist.
        ImportError: It needs a package that is not installed.
    """

    def __init__(self, display: DisplayKind = "auto") -> None:
        self._display = ProgressDisplay(display)
        self._waits_for_cell = False

    def __call__(self, update: RunUpdate) -> None:
        """Show one update."""
        self._wait_for_cell()
        self._display(update)

    def close(self) -> None:
        """End a live display, even if runs are active. A later update begins a new one."""
        self._display.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._leave(error)
        self.close()

    def _wait_for_cell(self) -> None:
        shell = shell_of_process()
        if shell is None or self._waits_for_cell:
            return

        def ended(result: Any = None) -> None:
            shell.events.unregister("post_run_cell", ended)
            self._waits_for_cell = False
            # A cell that was cancelled in an await may have no result.
            self._leave(KeyboardInterrupt() if result is None else result.error_in_exec)

        self._waits_for_cell = True
        shell.events.register("post_run_cell", ended)

    def _leave(self, error: BaseException | None) -> None:
        # A cell that ended well may have left runs working in the background.
        left = {} if error is None else self._display.active
        if isinstance(error, KeyboardInterrupt | asyncio.CancelledError):
            shown = " ".join(getattr(error, "__notes__", ()))  # beside the display
            for key, run in left.items():
                for note in _notes_on_resuming(run.last) if run.last and run.last.response_id not in shown else ():
                    self._display.accept(key, note)
        for key in left:
            self._display.end(key)


def _notes_on_resuming(update: RunUpdate) -> list[RunUpdate]:
    """Return what happens to a run that an interrupt left and how to resume it, as updates to show after its last."""
    plain = replace(update, tool_calls=(), entry_index=None)
    thread = f"thread_id={update.thread_id!r} continues its conversation; " if update.thread_id else ""
    ways = f"{thread}client.responses.wait({update.response_id!r}) resumes a run that is still working."
    stops = "This stops the run on the service, unless it was made with cancel_on_interrupt=False."
    return [replace(plain, state="interrupted", message=stops), replace(plain, state="to resume", message=ways)]


class Markdown:
    """A text shown as Markdown in a notebook, without raw HTML, images and links to anywhere but the web and mail.

    For answers that came through a framework: ``Markdown(message.text)``, ``Markdown(str(response))``.

    Args:
        text: The answer.

    Raises:
        ValidationError: It is not a string.
    """

    def __init__(self, text: str) -> None:
        if not isinstance(text, str):
            raise ValidationError(
                f"text must be a string, got {type(text).__name__}: pass .text of a message, or str() of a response."
            )
        self._text = str(text)

    def _repr_markdown_(self) -> str:
        return safe_markdown(self._text)

    def __repr__(self) -> str:
        return self._text


class Table:
    """A table: HTML in a notebook, aligned text elsewhere. Made by :func:`table`."""

    def __init__(self, rows: Iterable[object]) -> None:
        self._rows = list(rows)

    def _repr_html_(self) -> str:
        return table_html(self._rows)

    def __repr__(self) -> str:
        return table_text(self._rows)

    def __len__(self) -> int:
        return len(self._rows)


def table(items: Iterable[object], columns: Iterable[str] | None = None) -> Table:
    """Make a table with a row for each item.

    Args:
        items: Runs, threads, files or other models; outcomes of ``client.responses.map``, which are sorted into the
            order of its inputs; or mappings from column to value. Of more than 100 items, the first are shown.
        columns: The columns, in this order. Default: the most useful ones of models, all of mappings.

    Raises:
        ValidationError: A column does not exist, or ``items`` is a single string or model, such as a page of threads.
    """
    if isinstance(items, str | HasRow):
        raise ValidationError(f"items must be a list, got one {type(items).__name__}: pass page.threads, for example.")
    if isinstance(columns, str):
        raise ValidationError(f"columns must be a list of names, got {columns!r}: pass [{columns!r}].")
    listed = list(items)
    outcomes = [item for item in listed if isinstance(item, RunOutcome)]
    if len(outcomes) == len(listed):
        listed = [*sorted(outcomes, key=lambda outcome: outcome.index)]
    rows = [_outcome_row(item) if isinstance(item, RunOutcome) else item for item in listed]
    return Table(rows if columns is None else _only(rows, list(columns)))


def _outcome_row(outcome: RunOutcome) -> dict[str, object]:
    return {"index": outcome.index, **outcome.columns()}


def _only(rows: list[object], columns: list[str]) -> list[object]:
    known = {name for row in rows for name in _names(row)}
    if rows and (unknown := [name for name in columns if name not in known]):
        raise ValidationError(f"There is no column {unknown[0]!r}: the columns are {', '.join(sorted(known))}.")
    return [{name: _value(row, name) for name in columns} for row in rows]


def _names(row: object) -> list[str]:
    if isinstance(row, Mapping):
        return [str(name) for name in row]
    fields = getattr(type(row), "model_fields", {})
    return [*fields, *(getattr(row, "model_extra", None) or {})]


def _value(row: object, name: str) -> object:
    return row.get(name) if isinstance(row, Mapping) else getattr(row, name, None)


def load_ipython_extension(shell: Any) -> None:
    """Show lists of runs, threads and other models as tables (``%load_ext lumnisai_integrations.notebook``)."""
    formatter = shell.display_formatter.formatters["text/html"]
    for kind in (list, tuple):
        formatter.for_type(kind, _list_html)
    shell.display_formatter.mimebundle_formatter.for_type(RunOutcome, _outcome_bundle)


def unload_ipython_extension(shell: Any) -> None:
    """Show lists as before (``%unload_ext lumnisai_integrations.notebook``)."""
    formatter = shell.display_formatter.formatters["text/html"]
    for kind in (list, tuple):
        if formatter.lookup_by_type(kind) is _list_html:
            formatter.pop(kind)
    shell.display_formatter.mimebundle_formatter.pop(RunOutcome, None)


def _list_html(items: list[object] | tuple[object, ...]) -> str | None:
    if not items or not all(isinstance(item, HasRow | RunOutcome) for item in items):
        return None
    return table(items)._repr_html_()


def _outcome_bundle(outcome: RunOutcome, **_: Any) -> dict[str, str]:
    if isinstance(outcome.response, ResponseObject):
        return outcome.response._repr_mimebundle_()
    return {"text/html": table_html([_outcome_row(outcome)])}
