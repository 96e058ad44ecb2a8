"""Watching a run: what is new in a poll's answer, how to poll next, and how the run ended.

Pure. Correct whether the service answers a held poll on any change or only at the end of the run.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

from lumnisai_core._transport.checks import check_seconds
from lumnisai_core.exceptions import (
    LumnisAIError,
    RunCancelledError,
    RunError,
    RunFailedError,
    RunTimeoutError,
)
from lumnisai_core.lumnis.models import ProgressEntry, ResponseObject, ResponseStatus, RunUpdate

#: Seconds a poll is held when nobody listens to progress.
UNHEARD_WAIT = 10.0

#: Pauses, in seconds, when the service answers at once although it was asked to hold the request.
SHORTEST_PAUSE = 0.05
LONGEST_PAUSE = 1.0

#: A poll was held if it took this share of the wait it asked for, or this many seconds.
_HELD_SHARE = 0.5
_HELD_SECONDS = 1.0


@dataclass(frozen=True, slots=True)
class WatchOptions:
    """How to watch a run.

    Attributes:
        listening: Whether somebody wants progress.
        progress_interval: Seconds a poll is held when somebody listens.
        run_timeout: Seconds until :class:`RunTimeoutError`, or None for no limit.
        cancel_on_interrupt: Whether leaving early stops the run on the service.
    """

    listening: bool = False
    progress_interval: float = 1.0
    run_timeout: float | None = 600.0
    cancel_on_interrupt: bool = True

    def __post_init__(self) -> None:
        check_seconds("progress_interval", self.progress_interval)
        if self.run_timeout is not None:
            check_seconds("run_timeout", self.run_timeout, endless=True)


class Poll(NamedTuple):
    """The next poll: pause this many seconds first, then ask the service to hold it this long."""

    pause: float
    wait: float


class RunWatch:
    """Remembers what was shown of a run.

    Args:
        options: How to watch.
    """

    def __init__(self, options: WatchOptions) -> None:
        self._options = options
        self._shown: list[ProgressEntry] = []
        self._shown_status: str | None = None
        self._idle_pause = 0.0
        self._looked = False
        self.response: ResponseObject | None = None
        self.over = False
        self.detached = False

    @property
    def last(self) -> ResponseObject:
        """The last known state of the run."""
        if self.response is None:
            raise LumnisAIError("Nothing is known of this run yet.")
        return self.response

    def begin(self, response: ResponseObject, *, complete: bool) -> list[RunUpdate]:
        """Take in the first answer.

        Args:
            response: The run as the first answer shows it.
            complete: Whether that answer holds the whole run. The reply to a create holds only its ids and status,
                also when an idempotency key leads to a run that is long over.
        """
        if not complete and response.is_terminal:
            self.response = response
            return []
        news = self.accept(response)
        self._looked = complete
        return news

    def accept(self, response: ResponseObject, *, poll: Poll | None = None, took: float = 0.0) -> list[RunUpdate]:
        """Take in a poll's answer.

        Args:
            response: The run as it is now.
            poll: The poll this answers, or None for the first answer.
            took: Seconds from request to answer.

        Returns:
            What was not shown before, oldest first; the last update of a finished run carries its result.
        """
        news = list(new_updates(self._shown, response))
        status_changed = response.status != self._shown_status
        if response.is_terminal:
            news.append(last_update(response))
        elif status_changed and not news:
            news.append(_update(response, state=str(response.status)))
        held = poll is None or took >= min(poll.wait * _HELD_SHARE, _HELD_SECONDS)
        # A service that holds polls paces us; one that answers at once without news must not be hammered.
        self._idle_pause = 0.0 if news or held else min(LONGEST_PAUSE, max(SHORTEST_PAUSE, self._idle_pause * 2))
        self._shown, self._shown_status = response.progress, str(response.status)
        self.response, self.over, self._looked = response, response.is_terminal, True
        return news

    def next_poll(self, elapsed: float) -> Poll | None:
        """Say how to poll next.

        Args:
            elapsed: Seconds since the watch began.

        Returns:
            The poll, or None when ``run_timeout`` is over.
        """
        if self._options.listening and not self._looked:
            # What was reported before the first look is news now, also for a service that holds polls until later news.
            wait = 0.0
        else:
            wait = self._options.progress_interval if self._options.listening else UNHEARD_WAIT
        limit = self._options.run_timeout
        if limit is None:
            return Poll(self._idle_pause, wait)
        left = limit - elapsed
        if left <= 0:
            return None
        if left >= wait + self._idle_pause:
            return Poll(self._idle_pause, wait)
        # Near the deadline the wait shrinks in whole seconds, as the service may not read fractions.
        whole = float(int(left))
        pause = self._idle_pause if whole else max(self._idle_pause, SHORTEST_PAUSE)
        return Poll(min(pause, left), min(whole, wait))


def new_updates(shown: Sequence[ProgressEntry], response: ResponseObject) -> list[RunUpdate]:
    """Compare progress by position and content.

    An entry that is new at its position is reported whole, also if an earlier entry had the same text. An entry
    that only gained tool calls is reported as ``tool_update`` with the new ones. A list that became shorter and
    grows again is followed from where it differs.
    """
    news = []
    for index, entry in enumerate(response.progress):
        before = shown[index] if index < len(shown) else None
        if before is not None and _is_same_step(before, entry):
            grown = entry.tool_calls[len(before.tool_calls) :]
            if grown:
                news.append(_update(response, state="tool_update", entry=entry, index=index, tool_calls=grown))
        else:
            news.append(_update(response, state=entry.state, entry=entry, index=index, tool_calls=entry.tool_calls))
    return news


def _is_same_step(before: ProgressEntry, now: ProgressEntry) -> bool:
    return (
        before.state == now.state
        and before.message == now.message
        and before.output_text == now.output_text
        and before.tool_calls == now.tool_calls[: len(before.tool_calls)]
    )


def _update(
    response: ResponseObject,
    *,
    state: str,
    entry: ProgressEntry | None = None,
    index: int | None = None,
    tool_calls: Sequence[object] = (),
) -> RunUpdate:
    return RunUpdate(
        response_id=response.response_id,
        thread_id=response.thread_id,
        # Only the last update has a terminal status, also when all news comes in one final answer.
        status=ResponseStatus.IN_PROGRESS if response.is_terminal else response.status,
        state=state,
        message=entry.message if entry else "",
        tool_calls=tuple(tool_calls),  # type: ignore[arg-type]  # always the entry's own tool calls
        entry_index=index,
        ts=entry.ts if entry else None,
    )


def last_update(response: ResponseObject) -> RunUpdate:
    """Make the update that ends every stream: terminal status, answer, object, artifacts and the whole run."""
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
    """Say which error a finished run means for those who wait for its answer; None for success."""
    about = {"response_id": response.response_id, "thread_id": response.thread_id, "response": response}
    if response.status == ResponseStatus.FAILED:
        return RunFailedError(f"Run {response.response_id} failed: {_reason(response)}", **about)  # type: ignore[arg-type]
    if response.status == ResponseStatus.CANCELLED:
        return RunCancelledError(f"Run {response.response_id} was cancelled.", **about)  # type: ignore[arg-type]
    return None


def _reason(response: ResponseObject) -> str:
    error = response.error
    if isinstance(error, dict) and isinstance(error.get("message"), str):
        code = error.get("code")
        return f"{error['message']} ({code})" if code else error["message"]
    if error:
        return str(error)
    return response.progress[-1].message if response.progress else "the service gave no reason"


def note_interrupt(error: BaseException, watch: RunWatch, *, is_stopped: bool) -> None:
    """Let an interrupt say what becomes of the run that it left, and how to go on with it; once.

    Args:
        error: The interrupt.
        watch: What is known of the run. There is nothing to say about one that is over or was left alone.
        is_stopped: Whether the service was asked to stop the run.
    """
    response = watch.response
    if response is None or watch.over or watch.detached:
        return
    note = f"The run goes on: pick it up with client.responses.wait({response.response_id!r})."
    if is_stopped:
        thread = f" Its conversation goes on with thread_id={response.thread_id!r}." if response.thread_id else ""
        note = f"The service was asked to stop run {response.response_id}.{thread}"
    if note not in getattr(error, "__notes__", ()):
        error.add_note(note)


def timeout_error(response: ResponseObject, run_timeout: float | None) -> RunTimeoutError:
    """Make the error for a run that is not over within ``run_timeout`` seconds."""
    return RunTimeoutError(
        f"Run {response.response_id} is still {response.status} after run_timeout={run_timeout} s. It goes on at "
        f"the service: pick it up with client.responses.wait({response.response_id!r}).",
        response_id=response.response_id,
        thread_id=response.thread_id,
        response=response,
    )
