"""What a history knows about its thread: runs it has read, and messages that wait for the next one. No I/O."""

from __future__ import annotations

import threading
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

from langchain_core.messages import AIMessage, BaseMessage

from lumnisai_core import ResponseObject, ResponseStatus
from lumnisai_core.exceptions import ValidationError
from lumnisai_integrations._shared.threads import PERSISTED, THREAD_ID, Turn, matches, not_in_runs, turns_of
from lumnisai_integrations.langchain.convert import convert_in, place_of
from lumnisai_integrations.langchain.thread_messages import pending_message, stored_messages


class Reading:
    """Collects the runs of a thread, newest first, until all that is new was seen.

    Args:
        thread_id: The thread that is read.
        known: Runs that were read before and are over.
        unfinished: Runs that were read before and were not over then.
    """

    def __init__(self, thread_id: str, known: Iterable[str] = (), unfinished: Iterable[str] = ()) -> None:
        self.thread_id = thread_id
        self.runs: list[ResponseObject] = []
        self._known = frozenset(known)
        self._unfinished = set(unfinished)

    def ends_with(self, run: ResponseObject) -> bool:
        """Take the next run, and say whether older ones can bring no news."""
        self.runs.append(run)
        self._unfinished.discard(run.response_id)
        return run.response_id in self._known and not self._unfinished


class Conversation:
    """The messages of a thread and those that are not on it yet. May be shared by threads and event loops.

    A turn counts as stored when its run has succeeded: that is what the agent is given in later runs. A run that is
    under way, failed or was cancelled leaves its messages where they were, so that they can be sent again.

    Args:
        thread_id: The thread, if there is one yet.
    """

    def __init__(self, thread_id: str | None) -> None:
        self._lock = threading.Lock()
        self._start(thread_id)

    def _start(self, thread_id: str | None) -> None:
        self._thread_id = thread_id
        self._pending: list[BaseMessage] = []
        self._runs: dict[str, ResponseObject] = {}
        self._unfinished: set[str] = set()
        self._added: set[str] = set()  # runs whose answers were added
        self._shown: list[Turn] = []  # answers that the last reading brought
        self._knows_past = thread_id is None  # all that a new thread gets is news

    def __getstate__(self) -> dict[str, Any]:
        with self._lock:
            return {name: value for name, value in self.__dict__.items() if name != "_lock"}

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__dict__.update(state, _lock=threading.Lock())

    @property
    def thread_id(self) -> str | None:
        """The thread, if there is one yet."""
        return self._thread_id

    def forget(self) -> None:
        """Begin anew, without a thread."""
        with self._lock:
            self._start(None)

    def adopt(self, thread_id: str) -> bool:
        """Go on in this thread, and say whether that is new.

        Raises:
            ValidationError: The conversation is on another thread.
        """
        with self._lock:
            return self._adopt({thread_id})

    def take(self, thread_id: str) -> bool:
        """Go on in this thread, unless there is one already, and say whether that was done."""
        with self._lock:
            free = self._thread_id is None
            self._thread_id = thread_id if free else self._thread_id
            return free

    def _adopt(self, threads: set[str]) -> bool:
        foreign = sorted(threads - {self._thread_id})
        if not foreign:
            return False
        if self._thread_id is not None or len(foreign) > 1:
            there = ", ".join(foreign)
            here = f"is thread {self._thread_id}" if self._thread_id else "can take only one of them"
            raise ValidationError(
                f"The messages hold answers of thread {there}, but this history {here}. Answers stay on the thread of "
                "their run: make a history for each thread, or add AIMessage(content=...) to send the text with the "
                "next run."
            )
        self._thread_id = foreign[0]
        return True

    def reading(self) -> Reading | None:
        """Return what collects the news of the thread; None if there is no thread."""
        with self._lock:
            return Reading(self._thread_id, self._runs, self._unfinished) if self._thread_id else None

    def messages(self, reading: Reading | None) -> list[BaseMessage]:
        """Take in what was read, and return copies of all messages, oldest first.

        Args:
            reading: News of the thread; None if there is no thread.
        """
        with self._lock:
            knew_past = self._knows_past
            news = self._take_in(reading)
            self._settle_pending(news)
            answers = [turn for turn in news if turn.role == "assistant"]
            if answers and knew_past:
                self._shown = answers
            runs = list(self._runs.values())
            waiting = [pending_message(message, self._thread_id) for message in self._pending]
            thread_id = self._thread_id
        return [*(stored_messages(runs, thread_id) if thread_id else ()), *waiting]

    def start_adding(self, messages: Sequence[BaseMessage]) -> tuple[bool, bool]:
        """Check messages, and take the thread of their answers if there is none yet.

        Returns:
            Whether the thread is newly known, and whether it has to be read before the messages can be added.

        Raises:
            ValidationError: A message cannot be sent, or an answer is of another thread.
        """
        if not messages:
            return False, False
        convert_in(messages)
        with self._lock:
            threads = {place_of(message).thread_id for message in messages if _is_answer(message)}
            is_new = self._adopt({thread for thread in threads if thread})
            given = self._turns([message for message in messages if not self._holds(message)])
            return is_new, self._thread_id is not None and bool(not_in_runs(given, ()))

    def add(self, messages: Sequence[BaseMessage], reading: Reading | None) -> None:
        """Keep messages that the thread does not hold for the next run.

        Args:
            messages: The messages, after :meth:`start_adding`.
            reading: News of the thread; None if it was not needed.
        """
        with self._lock:
            knew_past = self._knows_past
            stored: list[Turn] = [turn for turn in self._shown if turn.response_id not in self._added]
            if reading is not None:
                news = self._take_in(reading)
                rest = news[self._settle_pending(news) :]
                added = [at for at, turn in enumerate(rest) if turn.response_id in self._added]
                rest = rest[added[-1] + 1 :] if added else rest
                # Of a thread that was never read, nobody knows what is new; but the last answer was given just now.
                stored += rest if knew_past else [turn for turn in rest[-1:] if turn.role == "assistant"]
            given = [message for message in messages if not self._holds(message)]
            turns = self._turns(given)
            self._pending += [pending_message(given[at], None) for at in not_in_runs(turns, stored)]
            self._added.update(turn.response_id for turn in turns if turn.response_id)
            self._shown = []

    def _holds(self, message: BaseMessage) -> bool:
        tags = message.additional_kwargs
        return bool(tags.get(PERSISTED)) and tags.get(THREAD_ID) == self._thread_id is not None

    def _turns(self, messages: Sequence[BaseMessage]) -> list[Turn]:
        if not messages:
            return []
        return [
            Turn(wire["role"], wire["content"], _run_of(message))
            for wire, message in zip(convert_in(messages), messages, strict=True)
        ]

    def _settle_pending(self, news: Sequence[Turn]) -> int:
        """Drop what has reached the thread, and return how many turns are behind the last such."""
        places = matches(self._turns(self._pending), news)
        self._pending = [message for message, place in zip(self._pending, places, strict=True) if place is None]
        return max((place + 1 for place in places if place is not None), default=0)

    def _take_in(self, reading: Reading | None) -> list[Turn]:
        if reading is None or reading.thread_id != self._thread_id:
            return []
        self._knows_past = True
        self._unfinished = {run.response_id for run in reading.runs if not run.is_terminal}
        new = [
            run.model_copy(update={"progress": [], "artifacts": []})
            for run in reversed(reading.runs)
            if run.status == ResponseStatus.SUCCEEDED and run.response_id not in self._runs
        ]
        together = [*self._runs.values(), *new]
        self._runs = {run.response_id: run for run in sorted(together, key=_age)}
        return turns_of(new)


def usable_thread_id(thread_id: str | UUID) -> str:
    """Return the id of a thread as text.

    Raises:
        ValidationError: It is blank.
    """
    text = str(thread_id).strip()
    if not text:
        raise ValidationError("thread_id is blank: pass the id of a thread, or None for a new one.")
    return text


def _age(run: ResponseObject) -> datetime:
    return run.created_at or datetime.max.replace(tzinfo=UTC)


def _is_answer(message: BaseMessage) -> bool:
    return isinstance(message, AIMessage) and place_of(message).ends_run


def _run_of(message: BaseMessage) -> str | None:
    return (message.response_metadata.get("response_id") or message.id) if _is_answer(message) else None
