"""A callback handler that shows the progress of runs."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from types import TracebackType
from typing import Any, Self
from uuid import UUID

from langchain_core.callbacks import BaseCallbackHandler
from langchain_core.messages import BaseMessage
from typing_extensions import override

from lumnisai_core import ResponseStatus, RunUpdate
from lumnisai_core.exceptions import RunCancelledError
from lumnisai_integrations._shared.display import DisplayKind, ProgressDisplay
from lumnisai_integrations.langchain.listeners import PROGRESS_EVENT


class LumnisProgressHandler(BaseCallbackHandler):
    """Shows what agents are doing: ``config={"callbacks": [LumnisProgressHandler()]}``.

    It works in blocking and asyncio code, with ``invoke``, ``batch`` and ``stream``, in chains, agents and graphs. Runs
    that go on at the same time have numbers; one that fails or is cancelled is shown as such. A live display ends with
    the last run. What goes wrong with showing is logged once and never reaches a run.

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

    run_inline = True  # in the order of the news, not in a pool of threads

    def __init__(self, display: DisplayKind = "auto") -> None:
        super().__init__()
        self._display = ProgressDisplay(display)
        self._lock = threading.RLock()
        self._tree = RunTree()
        # Which LangChain run, and which kind of news, tells about a run on the service: one of them is enough.
        self._tellers: dict[str, tuple[UUID, str]] = {}
        self._told_about: dict[UUID, set[str]] = {}
        self._tasks: dict[UUID, tuple[asyncio.Task[Any], Callable[[asyncio.Task[Any]], None]]] = {}

    def close(self) -> None:
        """End a live display, whatever is going on.

        Needed only where LangChain does not say that a run is over: an event stream that is left before its end.
        """
        self._display.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    # News

    @override
    def on_custom_event(self, name: str, data: Any, *, run_id: UUID, **known: Any) -> None:
        """Show news that comes as an event."""
        if name == PROGRESS_EVENT:
            self._tell(data, run_id, "event")

    @override
    def on_llm_new_token(self, token: Any, *, chunk: Any = None, run_id: UUID, **known: Any) -> None:
        """Show news that comes as a chunk of a stream."""
        kwargs = getattr(getattr(chunk, "message", None), "additional_kwargs", None) or {}
        for data in kwargs.get(PROGRESS_EVENT) or ():
            self._tell(data, run_id, "chunk")

    def _tell(self, data: object, run_id: UUID, kind: str) -> None:
        if not isinstance(data, Mapping):
            return
        update = RunUpdate.from_data(data)
        with self._lock:
            response = update.response_id or str(run_id)
            if self._tellers.setdefault(response, (run_id, kind)) != (run_id, kind):
                return
            self._told_about.setdefault(run_id, set()).add(response)
            self._display.begin(run_id, self._tree.title(run_id))
            self._display.accept(run_id, update)
            # Of a failure the end of the call tells more, if it is sure to come.
            if update.is_last and (update.status == ResponseStatus.SUCCEEDED or run_id not in self._tree):
                self._finish(run_id)

    def _finish(self, run_id: UUID, status: str = "", reason: str = "") -> None:
        self._unwatch(run_id)
        for response in self._told_about.pop(run_id, ()):
            self._tellers.pop(response, None)
        self._display.end(run_id, status, reason)

    # Tasks. When one that awaits a model is cancelled, LangChain calls no handler.

    def watch_task(self, run_id: UUID) -> None:
        """Take the cancellation of the task that is running now as the end of a run."""
        try:
            task = asyncio.current_task()
        except RuntimeError:  # no event loop here
            return
        if task is None:
            return

        def left(done: asyncio.Task[Any]) -> None:
            if done.cancelled():
                self._end(run_id, asyncio.CancelledError())

        with self._lock:
            self._unwatch(run_id)
            self._tasks[run_id] = task, left
            task.add_done_callback(left)

    def _unwatch(self, run_id: UUID) -> None:
        if run_id in self._tasks:
            task, left = self._tasks.pop(run_id)
            task.remove_done_callback(left)

    # Beginnings and ends of LangChain's runs

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
        """Give a run its number."""
        if (metadata or {}).get("ls_provider") != "lumnis":
            return
        title = str(messages[0][-1].text) if messages and messages[0] else ""
        printed = bool((known.get("invocation_params") or {}).get("show_progress"))
        with self._lock:
            self._tree.start(run_id, parent_run_id, title)
            self._display.begin(run_id, title, printed=printed)
            self.watch_task(run_id)

    @override
    def on_chain_start(
        self, serialized: Any, inputs: Any, *, run_id: UUID, parent_run_id: UUID | None = None, **known: Any
    ) -> None:
        """Remember what belongs together."""
        self._start(run_id, parent_run_id, known)

    @override
    def on_tool_start(
        self, serialized: Any, input_str: str, *, run_id: UUID, parent_run_id: UUID | None = None, **known: Any
    ) -> None:
        """Remember what belongs together."""
        self._start(run_id, parent_run_id, {"name": (serialized or {}).get("name"), **known})

    def _start(self, run_id: UUID, parent_run_id: UUID | None, known: Mapping[str, Any]) -> None:
        with self._lock:
            self._tree.start(run_id, parent_run_id, str(known.get("name") or ""))

    @override
    def on_llm_end(self, response: Any, *, run_id: UUID, **known: Any) -> None:
        """Forget the run."""
        self._end(run_id)

    @override
    def on_chain_end(self, outputs: Any, *, run_id: UUID, **known: Any) -> None:
        """Forget the run."""
        self._end(run_id)

    @override
    def on_tool_end(self, output: Any, *, run_id: UUID, **known: Any) -> None:
        """Forget the run."""
        self._end(run_id)

    @override
    def on_llm_error(self, error: BaseException, *, run_id: UUID, **known: Any) -> None:
        """Show that the run failed or was cancelled."""
        self._end(run_id, error)

    @override
    def on_chain_error(self, error: BaseException, *, run_id: UUID, **known: Any) -> None:
        """Show that the run failed or was cancelled."""
        self._end(run_id, error)

    @override
    def on_tool_error(self, error: BaseException, *, run_id: UUID, **known: Any) -> None:
        """Show that the run failed or was cancelled."""
        self._end(run_id, error)

    def _end(self, run_id: UUID, error: BaseException | None = None) -> None:
        status, reason = ("succeeded", "") if error is None else ending_of(error)
        with self._lock:
            own, *left_over = self._tree.end(run_id)
            self._finish(own, status, reason)
            for run in left_over:
                self._finish(run, status if status == ResponseStatus.CANCELLED else "")


@dataclass
class _Run:
    title: str
    parent: UUID | None
    children: set[UUID] = field(default_factory=set)


class RunTree:
    """Which LangChain runs are going on, and which began which."""

    def __init__(self) -> None:
        self._runs: dict[UUID, _Run] = {}

    def start(self, run_id: UUID, parent: UUID | None, title: str) -> None:
        """Remember a run."""
        self._runs[run_id] = _Run(title, parent)
        if parent in self._runs:
            self._runs[parent].children.add(run_id)

    def __contains__(self, run_id: UUID) -> bool:
        return run_id in self._runs

    def title(self, run_id: UUID) -> str:
        """What a run is about; empty if it is not known."""
        return self._runs[run_id].title if run_id in self._runs else ""

    def end(self, run_id: UUID) -> list[UUID]:
        """Forget a run and all that are left of those it began, and return them, itself first."""
        known = self._runs.pop(run_id, None)
        if known is None:
            return [run_id]
        if known.parent in self._runs:
            self._runs[known.parent].children.discard(run_id)
        return [run_id, *(run for child in known.children for run in self.end(child))]


def ending_of(error: BaseException) -> tuple[str, str]:
    """Say how a call that raised this has ended: the status to show and the reason."""
    if isinstance(error, RunCancelledError | asyncio.CancelledError | KeyboardInterrupt | GeneratorExit):
        return str(ResponseStatus.CANCELLED), ""
    return str(ResponseStatus.FAILED), str(error) or type(error).__name__
