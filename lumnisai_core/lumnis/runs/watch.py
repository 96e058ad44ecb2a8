"""Watching a run: its options, new progress in the answer to a poll, the next poll, and the final error. Pure.

Correct whether the service answers a held poll on any change or only at the end of the run.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any, NamedTuple

from lumnisai_core._transport.checks import check_seconds
from lumnisai_core.exceptions import LumnisAIError, RunCancelledError, RunError, RunFailedError, RunTimeoutError
from lumnisai_core.lumnis.calls.runs import WatchParameters, refuse_unknown
from lumnisai_core.lumnis.models import ProgressEntry, ResponseObject, ResponseStatus, RunUpdate
from lumnisai_core.lumnis.models.responses import ProgressCallback, ProgressPrinter

#: Seconds for which the service may hold a poll when there is no listener.
WAIT_WITHOUT_LISTENER = 10.0

#: Pauses, in seconds, while the service answers at once although it was allowed to hold the poll.
SHORTEST_PAUSE = 0.05
LONGEST_PAUSE = 1.0

#: Seconds that starting a run may take, however short ``run_timeout`` is.
_SHORTEST_START = 1.0

#: The service held a poll if the answer took this share of the requested wait, or this many seconds.
_HELD_SHARE = 0.5
_HELD_SECONDS = 1.0


@dataclass(frozen=True, slots=True)
class WatchOptions:
    """How to watch a run: whether there is a listener to progress, and :class:`WatchParameters`."""

    listening: bool = False
    progress_interval: float = 1.0
    run_timeout: float | None = 600.0
    cancel_on_interrupt: bool = True

    def __post_init__(self) -> None:
        check_seconds("progress_interval", self.progress_interval)
        if self.run_timeout is not None:
            check_seconds("run_timeout", self.run_timeout, endless=True)

    @property
    def time_to_start(self) -> float | None:
        """Seconds that creating or finding the run may take. A very short ``run_timeout`` is for the run alone."""
        return None if self.run_timeout is None else max(self.run_timeout, _SHORTEST_START)

    def time_left(self, elapsed: float) -> float | None:
        """Return the seconds that are left of ``run_timeout``, None without a limit."""
        return None if self.run_timeout is None else self.run_timeout - elapsed


def watch_options(parameters: WatchParameters, *, listening: bool) -> tuple[WatchOptions, tuple[ProgressCallback, ...]]:
    """Return the options for watching a run, and the listeners to call. The caller may be ``listening`` too."""
    refuse_unknown(parameters, WatchParameters)
    options: dict[str, Any] = dict(parameters)
    printers: list[ProgressCallback] = [ProgressPrinter()] if options.pop("show_progress", False) else []
    callback = options.pop("on_progress", None)
    listeners = (*printers, *([] if callback is None else [callback]))
    return WatchOptions(listening=listening or bool(listeners), **options), listeners


class Poll(NamedTuple):
    """The next poll: seconds to pause before it, and seconds for which the service may hold it."""

    pause: float
    wait: float


class RunWatch:
    """The state of watching one run: its last answer, the progress reported so far, and the pace of polls."""

    def __init__(self, options: WatchOptions) -> None:
        self._options = options
        self._progress: list[ProgressEntry] = []
        self._status: str | None = None
        self._idle_pause = 0.0
        self._is_complete = False
        self.response: ResponseObject | None = None
        self.over: bool = False
        self.detached = False

    @property
    def last(self) -> ResponseObject:
        """The last known state of the run."""
        if self.response is None:
            raise LumnisAIError("The service has not answered about this run yet.")
        return self.response

    def begin(self, response: ResponseObject, *, complete: bool) -> list[RunUpdate]:
        """Read the first answer, and return new updates.

        The reply to a create is not complete: it has only ids and status, even of a run that ended long ago.
        """
        if not complete and response.is_terminal:
            self.response = response
            return []
        updates = self.accept(response)
        self._is_complete = complete
        return updates

    def accept(self, response: ResponseObject, *, poll: Poll | None = None, took: float = 0.0) -> list[RunUpdate]:
        """Read the answer to a poll, which ``took`` seconds, and return new updates, oldest first."""
        updates = new_updates(self._progress, response)
        if response.is_terminal:
            updates.append(last_update(response))
        elif not updates and response.status != self._status:
            updates.append(RunUpdate(response.response_id, response.thread_id, response.status, str(response.status)))
        held = poll is None or took >= min(poll.wait * _HELD_SHARE, _HELD_SECONDS)
        # A service that holds polls sets the pace; one that answers at once without an update must not be flooded.
        self._idle_pause = 0.0 if updates or held else min(LONGEST_PAUSE, max(SHORTEST_PAUSE, self._idle_pause * 2))
        self._progress, self._status = response.progress, str(response.status)
        self.response, self.over, self._is_complete = response, response.is_terminal, True
        return updates

    def next_poll(self, elapsed: float) -> Poll | None:
        """Plan the next poll, ``elapsed`` seconds after the watch began; None if ``run_timeout`` has passed."""
        if self._options.listening and not self._is_complete:
            # There may be progress already, and the service might hold the poll until there is more.
            wait = 0.0
        else:
            wait = self._options.progress_interval if self._options.listening else WAIT_WITHOUT_LISTENER
        limit = self._options.run_timeout
        if limit is None:
            return Poll(self._idle_pause, wait)
        left = limit - elapsed
        if left <= 0:
            return None
        if left >= wait + self._idle_pause:
            return Poll(self._idle_pause, wait)
        # Near the deadline the wait shrinks in whole seconds, because the service may not support fractions.
        whole = float(int(left))
        pause = self._idle_pause if whole else max(self._idle_pause, SHORTEST_PAUSE)
        return Poll(min(pause, left), min(whole, wait))


def new_updates(known: Sequence[ProgressEntry], response: ResponseObject) -> list[RunUpdate]:
    """Compare the progress of a run with the progress known before, by position and content.

    An entry that is new at its position is reported whole, even if an earlier entry had the same text. An entry that
    only gained tool calls is reported as ``tool_update`` with the new ones, one whose text only grew as
    ``text_update``. If the list became shorter and grows again, it is reported from the first difference.
    """
    updates = []
    for index, entry in enumerate(response.progress):
        state, calls, delta = entry.state, entry.tool_calls, entry.output_text or ""
        if index < len(known):
            text = known[index].output_text or ""
            has_grown = delta.startswith(text)
            delta = delta[len(text) :] if has_grown else ""
            if has_grown and _is_same_step(known[index], entry):
                calls = calls[len(known[index].tool_calls) :]
                state = "tool_update" if calls else "text_update"
                if not calls and not delta:
                    continue
        # Only the last update has a terminal status, even if all updates come from one final answer.
        status = ResponseStatus.IN_PROGRESS if response.is_terminal else response.status
        updates.append(
            RunUpdate(
                response.response_id,
                response.thread_id,
                status,
                state,
                entry.message,
                tuple(calls),
                entry_index=index,
                ts=entry.ts,
                delta=delta,
            )
        )
    return updates


def _is_same_step(before: ProgressEntry, now: ProgressEntry) -> bool:
    same_calls = before.tool_calls == now.tool_calls[: len(before.tool_calls)]
    return same_calls and (before.state, before.message) == (now.state, now.message)


def last_update(response: ResponseObject) -> RunUpdate:
    """Return the update that ends every stream: terminal status, answer, object, artifacts and the whole run."""
    return RunUpdate(
        response_id=response.response_id,
        thread_id=response.thread_id,
        status=response.status,
        state="completed" if response.status == ResponseStatus.SUCCEEDED else str(response.status),
        ts=response.completed_at,
        output_text=response.output_text,
        structured_response=response.structured_response,
        artifacts=tuple(response.artifacts),
        response=response,
    )


def error_of_run(response: ResponseObject) -> RunError | None:
    """Return the error to raise for a finished run that has no answer; None if it succeeded."""
    if response.status == ResponseStatus.FAILED:
        return _run_error(RunFailedError, response, f"failed: {_reason(response)}")
    if response.status == ResponseStatus.CANCELLED:
        return _run_error(RunCancelledError, response, "was cancelled.")
    return None


def timeout_error(response: ResponseObject, run_timeout: float | None) -> RunError:
    """Return the error for a run that did not end within ``run_timeout`` seconds."""
    problem = (
        f"is still {response.status} after run_timeout={run_timeout} s. It continues on the service: wait for it with "
        f"client.responses.wait({response.response_id!r})."
    )
    return _run_error(RunTimeoutError, response, problem)


def _run_error(kind: type[RunError], response: ResponseObject, problem: str) -> RunError:
    message = f"Run {response.response_id} {problem}"
    return kind(message, response_id=response.response_id, thread_id=response.thread_id, response=response)


def _reason(response: ResponseObject) -> str:
    error = response.error
    if isinstance(error, dict) and isinstance(error.get("message"), str):
        code = error.get("code")
        return f"{error['message']} ({code})" if code else error["message"]
    if error:
        return str(error)
    return response.progress[-1].message if response.progress else "the service gave no reason"


def note_interrupt(error: BaseException, watch: RunWatch, *, is_stopped: bool, is_sent: bool = False) -> None:
    """Add a note to an interrupt: whether the service was asked to stop the run, and how to resume it.

    Args:
        error: The interrupt.
        watch: What is known of the run.
        is_stopped: Whether the service was asked to stop it.
        is_sent: Whether there may be a run although the service has not answered yet.
    """
    response = watch.response
    if watch.over or watch.detached or (response is None and not is_sent):
        return
    if response is None:
        fate = "it was asked to stop the run." if is_stopped else "the run may continue there."
        note = f"Interrupted before the service answered; {fate}"
    elif is_stopped:
        thread = f" Continue its thread with thread_id={response.thread_id!r}." if response.thread_id else ""
        note = f"The service was asked to stop run {response.response_id}.{thread}"
    else:
        note = f"The run continues: wait for it with client.responses.wait({response.response_id!r})."
    add_hint(error, note)


def add_hint(error: BaseException, hint: str) -> None:
    """Add a note to an interrupt, once. IPython shows the notes in place of a traceback through this package."""
    if hint not in getattr(error, "__notes__", ()):
        error.add_note(hint)
        lines = f"{type(error).__name__}: {error.__notes__[0]}", *error.__notes__[1:]
        error._render_traceback_ = partial(list, lines)  # type: ignore[attr-defined]  # IPython calls it
