"""Conversation: the messages that a thread stores and those still to be sent, for both frameworks. Pure.

A *thread* holds *runs*; a run stores the messages that were sent to it and its answer. A :class:`Conversation` is the
messages of one thread, oldest first: the *stored* ones, then the *unsent* ones. The service stores messages only as
part of a run, so ``put`` adds unsent messages, and ``accept`` takes in the runs that were read from the thread:
:func:`match` finds which of the unsent messages they hold.
"""

from __future__ import annotations

import json
import math
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from enum import StrEnum
from itertools import chain
from typing import Any, Generic, TypeVar

from lumnisai_core import ResponseObject, ResponseStatus
from lumnisai_core.tools import OWN_KEYS, json_or_text, too_long, tool_calls_text, used_part

#: Keys of ``additional_kwargs`` in both frameworks: the thread of a message and whether that thread holds it.
THREAD_ID = "lumnis_thread_id"
PERSISTED = "lumnis_persisted"
#: The id of a message that is kept for a thread; whether a run that is not over holds it; whether it was the last one
#: when the messages were read for a run; why no run can take it.
MESSAGE_ID = "lumnis_message_id"
IN_FLIGHT = "lumnis_in_flight"
LATEST = "lumnis_latest"
PROBLEM = "lumnis_problem"
TAGS = (THREAD_ID, PERSISTED, MESSAGE_ID, IN_FLIGHT, LATEST, PROBLEM)

SYSTEM, USER, ASSISTANT = "system", "user", "assistant"

#: The system message that ends the instructions of another agent on the thread.
NO_INSTRUCTIONS = "Earlier instructions in this conversation no longer apply."

_TOOL_RESULT = '{"tool_result"'

M = TypeVar("M")


class PlainKwargs(dict[str, Any]):
    """``additional_kwargs`` of a message, which frameworks print into prompts: entries of this package do not show."""

    def _shown(self) -> dict[str, Any]:
        return {name: value for name, value in self.items() if not name.startswith(OWN_KEYS)}

    def __bool__(self) -> bool:
        return bool(self._shown())

    def __repr__(self) -> str:
        return repr(self._shown())


class State(StrEnum):
    """Where a message is: stored, sent to a run that is not over, waiting for a run, or of a kind no run can take."""

    WAITING = "waiting"
    IN_FLIGHT = "in_flight"
    STORED = "stored"
    UNSENDABLE = "unsendable"


@dataclass(frozen=True, slots=True)
class ThreadMessage(Generic[M]):
    """A message as a thread stores it.

    Attributes:
        role: ``system``, ``user`` or ``assistant``.
        text: Its text; of a message that no run can take, the line that is sent instead.
        state: Where it is.
        id: Id of a message that was put.
        original: The framework's message; None for one that was read from the thread.
        run_id: The run that stores it; for an unsent answer, the run that it answers.
        wordings: Other texts of the same message: an object as JSON, calls with or without their ids.
        tool_call_id: The tool call whose result it is.
        created_at: When its run was made, in seconds since 1970.
        is_own: For a stored one: whether it was put here, rather than only read from the thread.
        is_archived: Whether the framework keeps it outside of its queue.
        is_new: For an unsent one: whether the thread was not read since it was put.
        stored_before: For an unsent one: how many messages the thread held when its exchange began. It is not looked
            for among those, because the same text said once more is another message.
    """

    role: str
    text: str
    state: State = State.WAITING
    id: str | None = None
    original: M | None = None
    run_id: str | None = None
    wordings: tuple[str, ...] = ()
    tool_call_id: str | None = None
    created_at: float | None = None
    is_own: bool = False
    is_archived: bool = False
    is_new: bool = False
    stored_before: int = 0

    @property
    def is_question(self) -> bool:
        """Whether the user wrote it; tool results have the user's role, too."""
        return self.role == USER and self.tool_call_id is None and not self.text.startswith(_TOOL_RESULT)


@dataclass(frozen=True)
class Conversation(Generic[M]):
    """The messages of a thread. A conversation stays as it is; each change makes a new one.

    Attributes:
        thread_id: The thread; None before there is one.
        stored: The messages that the thread holds, in the order in which they were read.
        unsent: The messages that no run has stored yet, oldest first.
        is_read: Whether the thread was read to its end once.
        read_to: Id of the newest run that was read.
        unfinished: Ids of runs that were not over when they were read.
        exchange_after: How many messages the thread held when the last exchange began.
    """

    thread_id: str | None = None
    stored: tuple[ThreadMessage[M], ...] = ()
    unsent: tuple[ThreadMessage[M], ...] = ()
    is_read: bool = False
    read_to: str | None = None
    unfinished: tuple[str, ...] = ()
    exchange_after: int = 0

    @property
    def messages(self) -> tuple[ThreadMessage[M], ...]:
        """All messages, oldest first: the stored ones by the age of their runs, then the unsent ones."""
        return (*sorted(self.stored, key=lambda message: message.created_at or math.inf), *self.unsent)

    def put(self, messages: Iterable[ThreadMessage[M]], *, exchanges: bool = False) -> Conversation[M]:
        """Add messages that wait for a run.

        With ``exchanges`` they come as whole exchanges, after their run: then an answer may be one that was read since
        the last exchange.
        """
        held, after, added = len(self.stored), self.exchange_after, []
        for message in messages:
            if message.is_question and not exchanges:
                after = held
            before = after if message.role == ASSISTANT or not exchanges else held
            added.append(replace(message, is_new=True, stored_before=before))
        return replace(self, unsent=(*self.unsent, *added), exchange_after=after)

    def begin(self, thread_id: str) -> Conversation[M]:
        """Return the conversation on a thread that is new, unless it has a thread already."""
        return self if self.thread_id is not None else replace(self, thread_id=thread_id).accept(thread_id, [])

    def accept(
        self,
        thread_id: str | None,
        runs: Sequence[ResponseObject],
        *,
        exchanges: bool = False,
        questions_first: bool = False,
        sent: Mapping[str, str | None] | None = None,
    ) -> Conversation[M]:
        """Take in runs of the thread: what they store is no longer unsent.

        Args:
            thread_id: The thread that was read. If the conversation has left it meanwhile, nothing changes.
            runs: Runs, newest first. Only those that succeeded store messages; those taken in before count once.
            exchanges: Whether new messages were put as whole exchanges, which one half is enough to recognise.
            questions_first: Whether a question that is put after its run comes with its answer. Then one without an
                answer is new, even if another user of the thread has just put the same.
            sent: The run of each message that this process sends or has sent, by id; None while it is not over.
        """
        if thread_id != self.thread_id:
            return self
        known = {message.run_id for message in self.stored}
        new_runs = [run for run in reversed(runs) if run.response_id not in known]
        done = [run for run in new_runs if run.status == ResponseStatus.SUCCEEDED]
        running = [run for run in new_runs if not run.is_terminal]
        stored = [*self.stored, *(message for run in done for message in messages_of(run))]
        first = len(self.unsent) if self.is_read else 0
        if self.is_read and questions_first:
            first = max((at + 1 for at, message in enumerate(self.unsent) if message.role == ASSISTANT), default=0)
        begun = [at for at in range(first, len(self.unsent)) if self.unsent[at].is_new]
        unsent = list(self.unsent)
        for at in begun:
            # It is none of the messages that the thread holds, unless it is the last answer, which may be a new one.
            is_answer = exchanges and bool(stored) and unsent[at].role == stored[-1].role == ASSISTANT
            unsent[at] = replace(unsent[at], stored_before=len(stored) - is_answer)
        found = match(unsent, stored, exchanges=exchanges, sent=sent)
        for at, place in found.items():
            if place is not None:
                own = unsent[at]
                stored[place] = replace(stored[place], original=own.original, is_archived=own.is_archived, is_own=True)
        held = [message for message in stored if message.is_own or not _is_passing(message)]
        left = [replace(message, is_new=False) for at, message in enumerate(unsent) if at not in found]
        is_over = begun or not self.is_read or (exchanges and any(message.is_new for message in unsent))
        return Conversation(
            thread_id,
            stored=tuple(held),
            unsent=tuple(replace(message, stored_before=len(held)) for message in _in_flight(left, running)),
            is_read=True,
            read_to=runs[0].response_id if runs else self.read_to,
            unfinished=tuple(run.response_id for run in running),
            exchange_after=len(held) if is_over else self.exchange_after,
        )

    def replaced(self, messages: Sequence[ThreadMessage[M]], are_stored: Sequence[bool]) -> Conversation[M]:
        """Return the conversation with other messages, some of them copies of stored ones.

        It has no thread if its thread holds any that is missing there.
        """
        held = len(self.stored)
        if self.is_read and not self.unfinished and sum(are_stored) == held and all(are_stored[:held]):
            return replace(self, unsent=()).put(messages[held:])
        return Conversation[M]().put(messages)

    def without(self, positions: Collection[int]) -> Conversation[M]:
        """Return the conversation without some of its messages; without a thread if its thread holds one of them."""
        held = len(self.stored)
        left = [message for at, message in enumerate(self.messages) if at not in positions]
        if all(at >= held for at in positions):
            return replace(self, unsent=tuple(left[held:]))
        return Conversation(unsent=tuple(_anew(message) for message in left))

    def up_to(self, *message_ids: str | None) -> Conversation[M]:
        """Return the conversation up to the first of these messages that is unsent; all of it if none is."""
        for message_id in message_ids:
            for at, message in enumerate(self.unsent, start=1):
                if message_id is not None and message.id == message_id:
                    return replace(self, unsent=self.unsent[:at])
        return self

    def oldest(self, count: int) -> list[int]:
        """Return the positions of the oldest messages of the queue."""
        queue = [at for at, message in enumerate(self.messages) if not message.is_archived]
        return queue[: max(count, 0)]

    def archived(self, positions: Collection[int]) -> Conversation[M]:
        """Return the conversation with some of its messages archived."""
        chosen = {id(message) for at, message in enumerate(self.messages) if at in positions}
        stored, unsent = (
            tuple(replace(message, is_archived=message.is_archived or id(message) in chosen) for message in part)
            for part in (self.stored, self.unsent)
        )
        return replace(self, stored=stored, unsent=unsent)


def _anew(message: ThreadMessage[M]) -> ThreadMessage[M]:
    state = State.WAITING if message.state is State.STORED else message.state
    return replace(message, state=state, run_id=None, is_own=False, stored_before=0)


def instructions_of(runs: Iterable[ResponseObject]) -> tuple[str, ...] | None:
    """Return the last instructions among runs of a thread, newest first; None if none of them has any."""
    for run in runs:
        sent = run.input_messages if run.status == ResponseStatus.SUCCEEDED else ()
        if texts := tuple(message.content for message in sent or () if str(message.role) == SYSTEM):
            return () if texts == (NO_INSTRUCTIONS,) else texts
    return None


def messages_of(run: ResponseObject) -> list[ThreadMessage[Any]]:
    """Return the messages that a run stores: those that were sent to it, then its answer, which may be empty."""
    text, *others = _answers(run)
    parts = [(str(message.role), message.content, ()) for message in run.input_messages or ()]
    return [
        ThreadMessage(
            role if role in (SYSTEM, ASSISTANT) else USER,
            text,
            State.STORED,
            run_id=run.response_id,
            wordings=wordings,
            tool_call_id=_tool_call_id(text),
            created_at=run.created_at.timestamp() if run.created_at else None,
        )
        for role, text, wordings in [*parts, (ASSISTANT, text, tuple(others))]
    ]


def _answers(run: ResponseObject) -> list[str]:
    # The texts of an answer; the words inside the object of a run with tools of the caller come first.
    value, texts = run.structured_response, [run.output_text or ""]
    if value is not None:
        known = used_part(value)
        content, calls, written = known.get("content"), known.get("tool_calls"), json.dumps(value, ensure_ascii=False)
        words = content if isinstance(content, str) and not known.keys() - {"content", "tool_calls"} else None
        if isinstance(calls, list) and calls and (words is not None or len(known) == 1):
            texts = [tool_calls_text(words or "", calls), *texts, written]
        elif words is not None:
            texts = [words, *texts, written]
        else:
            texts = [*texts, written] if texts[0] else [written]
    return [text for at, text in enumerate(texts) if at == 0 or text]


def _tool_call_id(text: str) -> str | None:
    if not text.startswith(_TOOL_RESULT):
        return None
    try:
        result = json.loads(text.partition("\n")[0])["tool_result"]
    except ValueError:
        return None
    found = result.get("id") if isinstance(result, dict) else None
    return found if isinstance(found, str) else None


def _is_passing(message: ThreadMessage[Any]) -> bool:
    # Each run has instructions of its own, and an answer without words shows nothing.
    return message.role == SYSTEM or (message.role == ASSISTANT and not message.text)


def _in_flight(unsent: Sequence[ThreadMessage[M]], running: Iterable[ResponseObject]) -> list[ThreadMessage[M]]:
    sent = [message for run in running for message in messages_of(run)[:-1]]
    found = match([replace(message, stored_before=0) for message in unsent], sent)
    return [
        message
        if message.state is State.UNSENDABLE
        else replace(message, state=State.IN_FLIGHT if at in found else State.WAITING)
        for at, message in enumerate(unsent)
    ]


def match(
    unsent: Sequence[ThreadMessage[Any]],
    stored: Sequence[ThreadMessage[Any]],
    *,
    exchanges: bool = False,
    sent: Mapping[str, str | None] | None = None,
) -> dict[int, int | None]:
    """Match unsent messages to stored ones, both oldest first; own stored ones are matched already.

    Each stored message counts once. An answer is found by its run, a message that was ``sent`` by the run that it was
    sent to, and a tool result by the id of its call. Others are
    found in order and by text, among what is newer than their exchange or belongs to a run that an unsent message
    answers: first by the same text, then by one that wraps it, as agents do that add their state to a question.

    With ``exchanges``, prompts and parsers may have changed new messages on their way, so one half of an exchange is
    enough: a recognised answer stands for the messages right before it, and a recognised question for the answer right
    after it.

    Returns:
        The index of the stored message by that of the unsent one; None where only the answer was recognised.
    """
    candidates, runs = _Candidates(unsent, stored), sent or {}
    found: dict[int, int | None] = {}
    for at, message in enumerate(unsent):
        if (run_id := runs.get(message.id or "")) and (place := candidates.find_in(message, run_id)) is not None:
            candidates.take(place)
            found[at] = place
    last = -1
    for at, message in enumerate(unsent):
        if at in found or (message.id or "") in runs:
            continue
        ends_exchange = exchanges and message.is_new and message.role == ASSISTANT
        place = candidates.find(message, newer_than=last)
        if place is None and ends_exchange and message.run_id is None:
            question = found.get(at - 1)
            if question is not None and unsent[at - 1].role != ASSISTANT:
                answer = candidates.answer_of(stored[question].run_id)
                place = answer if answer is not None and stored[answer].text else None
        if place is None:
            continue
        candidates.take(place)
        found[at] = place
        if message.state is not State.IN_FLIGHT:  # overlapping runs end in any order
            last = max(last, place)
        before = at - 1
        while ends_exchange and before >= 0 and unsent[before].is_new and unsent[before].role != ASSISTANT:
            found.setdefault(before, None)
            before -= 1
    return found


class _Candidates:
    """Stored messages that are not matched yet."""

    def __init__(self, unsent: Sequence[ThreadMessage[Any]], stored: Sequence[ThreadMessage[Any]]) -> None:
        self._free = {at: message for at, message in enumerate(stored) if not message.is_own} if unsent else {}
        self._texts = {at: {_words(text) for text in (each.text, *each.wordings)} for at, each in self._free.items()}
        self._answers = {message.run_id: at for at, message in self._free.items() if message.role == ASSISTANT}
        self._answered = {message.run_id for message in unsent} - {None}

    def take(self, place: int) -> None:
        del self._free[place]

    def answer_of(self, run_id: str | None) -> int | None:
        place = self._answers.get(run_id)
        return place if place in self._free else None

    def find_in(self, message: ThreadMessage[Any], run_id: str) -> int | None:
        """Find a message by its text among those of a run."""
        texts = {_words(text) for text in (message.text, *message.wordings, too_long(message.text))}
        places = (at for at, each in self._free.items() if each.run_id == run_id and each.role == message.role)
        return next((at for at in places if not texts.isdisjoint(self._texts[at])), None)

    def find(self, message: ThreadMessage[Any], *, newer_than: int) -> int | None:
        """Find a message by its run or tool call, else by its text."""
        place, call_id = None, message.tool_call_id
        if message.run_id is not None:
            place = self.answer_of(message.run_id)
        elif call_id is not None:
            place = next((at for at, each in self._free.items() if each.tool_call_id == call_id), None)
        if place is not None:
            return place
        places = [
            at
            for at, each in self._free.items()
            if (at > newer_than or message.state is State.IN_FLIGHT)
            and each.role == message.role
            and (at >= message.stored_before or each.run_id in self._answered)
        ]
        texts = (message.text, *message.wordings, too_long(message.text))
        same = (at for text in texts for at in places if _words(text) in self._texts[at])
        wrapping = (at for at in places if _is_within(message.text.strip(), self._free[at]))
        return next(chain(same, wrapping), None)


def _is_within(text: str, stored: ThreadMessage[Any]) -> bool:
    held = stored.text.strip()
    if not text or not held:
        return False
    if stored.role == ASSISTANT:
        # ReAct agents keep all reasoning up to the answer; others keep only the last part of the answer.
        one, other = f" {_words(text)}", f" {_words(held)}"
        return one.endswith(other) or other.endswith(one)
    return f"\n{text}\n" in f"\n{held}\n"


def _words(text: str) -> str:
    # Frameworks write the object of an answer anew, with all its fields.
    value = json_or_text(text) if text.lstrip().startswith("{") else text
    return " ".join(text.split()) if value is text else json.dumps(_without_none(value), sort_keys=True)


def _without_none(value: Any) -> Any:
    if isinstance(value, dict):
        return {name: _without_none(item) for name, item in value.items() if item is not None}
    return [_without_none(item) for item in value] if isinstance(value, list) else value
