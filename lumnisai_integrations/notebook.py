"""Lumnis in Jupyter: live progress, answers as Markdown, runs and threads as tables.

Objects of ``lumnisai_core`` show themselves in a notebook; nothing has to be loaded for that. This module adds what
goes beyond one object:

>>> from lumnisai_integrations.notebook import LumnisProgress, table
>>> client.invoke("What is a neap tide?", on_progress=LumnisProgress())
>>> table(client.responses.map(questions))

``%load_ext lumnisai_integrations.notebook`` shows plain lists of them as tables, too. Nothing else needs IPython.
"""

from __future__ import annotations

import asyncio
import sys
import threading
from collections.abc import Callable, Iterable, Mapping
from types import TracebackType
from typing import Any, Self

from lumnisai_core import ResponseObject, RunOutcome, RunUpdate
from lumnisai_core.display import is_model, mimebundle_of, safe_markdown, table_html, table_text
from lumnisai_core.exceptions import RunError, ValidationError
from lumnisai_integrations._shared.display import DisplayKind, ProgressDisplay
from lumnisai_integrations._shared.progress import ProgressNews

__all__ = ["LumnisProgress", "Markdown", "Table", "load_ipython_extension", "table", "unload_ipython_extension"]

_INTERRUPTS = (KeyboardInterrupt, asyncio.CancelledError)


class LumnisProgress:
    """Shows what runs are doing, live in the output of the cell; a listener for ``on_progress``.

    One object may listen to several runs, one after the other or at once, from several threads and event loops. When a
    cell is interrupted, it says how to go on with the runs that were under way.

    Args:
        display: ``auto`` (default): live in a notebook or, with rich, in a terminal, else lines; ``rich``, ``jupyter``,
            ``logging``, ``lines``, or a function that is called with each line.

    Raises:
        ValidationError: There is no such display.
        ImportError: It needs a package that is not installed.
    """

    def __init__(self, display: DisplayKind = "auto") -> None:
        self._display = ProgressDisplay(display)
        self._lock = threading.Lock()
        self._under_way: dict[str, RunUpdate] = {}
        self._cell: _CellEnd | None = None

    def __call__(self, update: RunUpdate) -> None:
        """Show one piece of news."""
        with self._lock:
            if self._cell is None:
                self._cell = _CellEnd.of_this_cell(self._after_cell)
            self._under_way[update.response_id] = update
            if update.is_last:
                del self._under_way[update.response_id]
        self._display.accept(update.response_id, ProgressNews.of_update(update))
        if update.is_last:
            self._display.end(update.response_id)

    def close(self) -> None:
        """End a live display, whatever is going on. News that comes later begins a new one."""
        with self._lock:
            self._under_way.clear()
        self._display.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if error is not None:
            self._leave(error)
        self.close()

    def _after_cell(self, error: BaseException | None) -> None:
        with self._lock:
            self._cell = None
        # A cell that ended well may have left runs working in the background.
        if error is not None:
            self._leave(error)

    def _leave(self, error: BaseException) -> None:
        with self._lock:
            left, self._under_way = list(self._under_way.values()), {}
        for update in left:
            for news in resuming(update) if isinstance(error, _INTERRUPTS) else []:
                self._display.accept(update.response_id, news)
        for update in left:
            self._display.end(update.response_id)


def resuming(update: RunUpdate) -> list[ProgressNews]:
    """Write what becomes of a run that was left by an interrupt, and how to go on with it."""
    thread = f"thread_id={update.thread_id!r} goes on in its conversation; " if update.thread_id else ""
    ways = f"{thread}client.responses.wait({update.response_id!r}) picks up a run that works on."
    stops = "This stops the run on the service, unless it was made with cancel_on_interrupt=False."
    return [ProgressNews(state="interrupted", message=stops), ProgressNews(state="to resume", message=ways)]


class _CellEnd:
    """Calls a function once, when the cell that is running now has ended."""

    def __init__(self, events: Any, then: Callable[[BaseException | None], None]) -> None:
        self._events = events
        self._then = then
        events.register("post_run_cell", self._ended)

    @classmethod
    def of_this_cell(cls, then: Callable[[BaseException | None], None]) -> _CellEnd | None:
        """Return None where there are no cells."""
        ipython = sys.modules.get("IPython")
        shell = None if ipython is None else ipython.get_ipython()
        return None if shell is None else cls(shell.events, then)

    def _ended(self, result: Any = None) -> None:
        self._events.unregister("post_run_cell", self._ended)
        # A cell that was cancelled while it awaited something may have no result.
        self._then(KeyboardInterrupt() if result is None else result.error_in_exec)


class Markdown:
    """A text that a notebook shows as Markdown, without raw HTML, images and links to anywhere but the web and mail.

    For answers that came through a framework: ``Markdown(message.text)``, ``Markdown(str(response))``.

    Args:
        text: The answer.

    Raises:
        ValidationError: It is no text.
    """

    def __init__(self, text: str) -> None:
        if not isinstance(text, str):
            raise ValidationError(
                f"Markdown() takes a text, not {type(text).__name__}: pass .text of a message, str() of a response."
            )
        self._text = str(text)

    def _repr_markdown_(self) -> str:
        return safe_markdown(self._text)

    def __repr__(self) -> str:
        return self._text


class Table:
    """Things as a table: HTML in a notebook, aligned text elsewhere. Made by :func:`table`."""

    def __init__(self, rows: Iterable[object]) -> None:
        self._rows = list(rows)

    def _repr_html_(self) -> str:
        return table_html(self._rows)

    def __repr__(self) -> str:
        return table_text(self._rows)

    def __len__(self) -> int:
        return len(self._rows)


def table(items: Iterable[object], columns: Iterable[str] | None = None) -> Table:
    """Put things into a table, a row each.

    Args:
        items: Runs, threads, files or other models; what ``client.responses.map`` yields, here in the order of its
            inputs; or mappings from column to value. Of more than 100, the first are shown.
        columns: Which columns, in this order. Default: the telling ones of models, all of mappings.

    Raises:
        ValidationError: A column is not there, or the items are a single text or model, such as a page of threads.
    """
    if isinstance(items, str) or is_model(items):
        what = type(items).__name__
        raise ValidationError(f"table() takes several things, not one {what}: pass a list, such as page.threads.")
    if isinstance(columns, str):
        raise ValidationError(f"columns must be a list of names, such as [{columns!r}], not {columns!r}.")
    given = list(items)
    if given and all(isinstance(item, RunOutcome) for item in given):
        given.sort(key=_index)
    rows = [_outcome_row(item) if isinstance(item, RunOutcome) else item for item in given]
    return Table(rows if columns is None else _only(rows, list(columns)))


def _index(item: object) -> int:
    return item.index if isinstance(item, RunOutcome) else 0


def _outcome_row(outcome: RunOutcome) -> dict[str, object]:
    error = outcome.error
    run = outcome.response or (error.response if isinstance(error, RunError) else None)
    return {
        "index": outcome.index,
        "status": None if run is None else run.status,
        "answer": None if run is None else run.output_text,
        "structured": None if run is None else run.structured_response,
        "error": error,
        "response_id": error.response_id if isinstance(error, RunError) else getattr(run, "response_id", None),
    }


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
    if not items or not all(is_model(item) or isinstance(item, RunOutcome) for item in items):
        return None
    return table(items)._repr_html_()


def _outcome_bundle(outcome: RunOutcome, **_: Any) -> dict[str, str]:
    if isinstance(outcome.response, ResponseObject):
        return mimebundle_of(outcome.response)
    return {"text/html": table_html([_outcome_row(outcome)])}
