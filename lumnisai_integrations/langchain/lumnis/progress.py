"""The progress handler: a callback handler that shows the progress of runs."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple, Self
from uuid import UUID

from langchain_core.callbacks import BaseCallbackHandler
from langchain_core.messages import BaseMessage
from typing_extensions import override

from lumnisai_core import ResponseStatus, RunUpdate
from lumnisai_core.exceptions import RunCancelledError
from lumnisai_integrations._shared.display import DisplayKind, ProgressDisplay
from lumnisai_integrations._shared.locks import ProcessLock
from lumnisai_integrations.langchain.lumnis.listeners import PROGRESS_EVENT


class LumnisProgressHandler(BaseCallbackHandler):
    """Shows the progress of agents: ``config={"callbacks": [LumnisProgressHandler()]}``.

    It works in blocking and asyncio code, with ``invoke``, ``batch`` and ``stream``, in chains, agents and graphs.
    Concurrent runs have numbers; failed and cancelled runs are shown as such. A live display ends with the last run.
    An error of the display is logged once and never reaches a run.

    Args:
        display: How to show progress.

            - ``"auto"`` (default): live in a notebook, else as a live tree if standard output is a terminal and rich is
              installed, else as lines. A second live tree in the same process becomes lines.
            - ``"rich"``: a live tree, also where standard output is not a terminal: then it appears at the end.
            - ``"jupyter"``: live in a notebook; lines where there is none.
            - ``"lines"``: lines such as ``[2] PLANNING: Looking up tides.`` on standard output.
            - ``"logging"``: the same lines for the logger ``lumnisai_integrations.progress``, with level INFO.
            - a function: called with each of these lines (``str``), without a line break.

    Raises:
        ValidationError: There is no such display.
        ImportError: It needs a package that is not installed.
    """

    run_inline = True  # in the order of the updates, not in a pool of threads

    def __init__(self, display: DisplayKind = "auto") -> None:
        super().__init__()
        self._display = ProgressDisplay(display)
        self._lock = ProcessLock()
        self._tree = RunTree()
        # A run on the service may be reported by several LangChain runs, as events and as chunks: one source is shown.
        self._sources: dict[str, tuple[UUID, str]] = {}
        self._responses: dict[UUID, set[str]] = {}
        self._tasks: dict[UUID, tuple[asyncio.Task[Any], Callable[[asyncio.Task[Any]], None]]] = {}

    def close(self) -> None:
        """End a live display, even while runs are working.

        Needed only where LangChain does not report the end of a run: an event stream that is left before its end.
        """
        self._display.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: object) -> None:
        self.close()

    # Updates

    @override
    def on_custom_event(self, name: str, data: Any, *, run_id: UUID, **known: Any) -> None:
        """Show an update that is an event."""
        if name == PROGRESS_EVENT:
            self._show(data, run_id, "event")

    @override
    def on_llm_new_token(self, token: Any, *, chunk: Any = None, run_id: UUID, **known: Any) -> None:
        """Show updates that are in a chunk of a stream."""
        kwargs = getattr(getattr(chunk, "message", None), "additional_kwargs", None) or {}
        for data in kwargs.get(PROGRESS_EVENT) or ():
            self._show(data, run_id, "chunk")

    def _show(self, data: object, run_id: UUID, kind: str) -> None:
        if not isinstance(data, Mapping):
            return
        update = RunUpdate.from_data(data)
        with self._lock.held():
            response = update.response_id or str(run_id)
            if self._sources.setdefault(response, (run_id, kind)) != (run_id, kind):
                return
            self._responses.setdefault(run_id, set()).add(response)
            self._display.begin(run_id, self._tree.title(run_id))
            self._display.accept(run_id, update)
            # The end of the call says more about a failure, if it is sure to come.
            if update.is_last and (update.status == ResponseStatus.SUCCEEDED or run_id not in self._tree):
                self._finish(run_id)

    def _finish(self, run_id: UUID, status: str = "", reason: str = "") -> None:
        self._unwatch(run_id)
        for response in self._responses.pop(run_id, ()):
            self._sources.pop(response, None)
        self._display.end(run_id, status, reason)

    # Tasks. LangChain calls no handler when a task that awaits a model is cancelled.

    def watch_task(self, run_id: UUID) -> None:
        """Treat the cancellation of the current task as the end of a run."""
        try:
            task = asyncio.current_task()
        except RuntimeError:  # no event loop here
            return
        if task is None:
            return

        def ended(done: asyncio.Task[Any]) -> None:
            if done.cancelled():
                self._end(run_id, asyncio.CancelledError())

        with self._lock.held():
            self._unwatch(run_id)
            self._tasks[run_id] = task, ended
            task.add_done_callback(ended)

    def _unwatch(self, run_id: UUID) -> None:
        if run_id in self._tasks:
            task, ended = self._tasks.pop(run_id)
            task.remove_done_callback(ended)

    # Starts and ends of LangChain's runs

    @override
    def on_chat_model_start(
        self,
        serialized: dict[str, Any],
        messages: list[list[BaseMessage]],
        *,
        run_id: UUID,
        parent_run_id: UUID | None = None,
        metadata: Mapping[str, Any] | None = None,
        **known: Any,
    ) -> None:
        """Show the start of a run with its number."""
        if (metadata or {}).get("ls_provider") != "lumnis":
            return
        title = str(messages[0][-1].text) if messages and messages[0] else ""
        printed = bool((known.get("invocation_params") or {}).get("show_progress"))
        with self._lock.held():
            self._tree.start(run_id, parent_run_id, title)
            self._display.begin(run_id, title, printed=printed)
            self.watch_task(run_id)

    def _on_start(
        self, serialized: Any, _: Any, *, run_id: UUID, parent_run_id: UUID | None = None, name: Any = None, **__: Any
    ) -> None:
        with self._lock.held():
            self._tree.start(run_id, parent_run_id, str(name or (serialized or {}).get("name") or ""))

    def _on_end(self, _: Any, *, run_id: UUID, **__: Any) -> None:
        self._end(run_id)

    def _on_error(self, error: BaseException, *, run_id: UUID, **_: Any) -> None:
        self._end(run_id, error)

    # LangChain passes the first arguments by position, so their names may differ.
    on_chain_start: Callable[..., None] = _on_start
    on_tool_start: Callable[..., None] = _on_start
    on_llm_end: Callable[..., None] = _on_end
    on_chain_end: Callable[..., None] = _on_end
    on_tool_end: Callable[..., None] = _on_end
    on_llm_error: Callable[..., None] = _on_error
    on_chain_error: Callable[..., None] = _on_error
    on_tool_error: Callable[..., None] = _on_error

    def _end(self, run_id: UUID, error: BaseException | None = None) -> None:
        status, reason = ("succeeded", "") if error is None else ending_of(error)
        with self._lock.held():
            own, *children = self._tree.end(run_id)
            self._finish(own, status, reason)
            for run in children:
                self._finish(run, status if status == ResponseStatus.CANCELLED else "")


class _Run(NamedTuple):
    title: str
    parent: UUID | None
    children: set[UUID]


class RunTree:
    """The LangChain runs at work, and which of them started which."""

    def __init__(self) -> None:
        self._runs: dict[UUID, _Run] = {}

    def start(self, run_id: UUID, parent: UUID | None, title: str) -> None:
        """Add a run."""
        self._runs[run_id] = _Run(title, parent, set())
        if parent in self._runs:
            self._runs[parent].children.add(run_id)

    def __contains__(self, run_id: UUID) -> bool:
        return run_id in self._runs

    def title(self, run_id: UUID) -> str:
        """Return the title of a run; empty if it is not known."""
        return self._runs[run_id].title if run_id in self._runs else ""

    def end(self, run_id: UUID) -> list[UUID]:
        """Remove a run and all remaining runs that it started, and return them, itself first."""
        known = self._runs.pop(run_id, None)
        if known is None:
            return [run_id]
        if known.parent in self._runs:
            self._runs[known.parent].children.discard(run_id)
        return [run_id, *(run for child in known.children for run in self.end(child))]


def ending_of(error: BaseException) -> tuple[str, str]:
    """Return the status to show for a call that raised this error, and the reason."""
    if isinstance(error, RunCancelledError | asyncio.CancelledError | KeyboardInterrupt | GeneratorExit):
        return str(ResponseStatus.CANCELLED), ""
    return str(ResponseStatus.FAILED), str(error) or type(error).__name__
