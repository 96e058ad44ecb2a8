"""Which messages of a conversation a thread of the service already holds, so that none is sent twice or lost. Pure."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from lumnisai_core import ResponseObject
from lumnisai_core.exceptions import ValidationError

#: Keys of ``additional_kwargs`` that say where a message is stored, in both frameworks.
THREAD_ID = "lumnis_thread_id"
PERSISTED = "lumnis_persisted"


@dataclass(frozen=True, slots=True)
class Place:
    """Where a message is stored, as far as the message itself says.

    Attributes:
        thread_id: The thread it belongs to.
        is_stored: Whether that thread holds it.
        ends_run: Whether it is the answer of a run on that thread, which then holds what came before, too.
    """

    thread_id: str | None = None
    is_stored: bool = False
    ends_run: bool = False


@dataclass(frozen=True, slots=True)
class Continuation:
    """How a conversation goes on.

    Attributes:
        thread_id: The thread to continue; None for a new one.
        send: Positions of the messages to send, in order.
    """

    thread_id: str | None
    send: tuple[int, ...]


def continue_thread(places: Sequence[Place], *, thread_id: str | None, follow_answers: bool = False) -> Continuation:
    """Decide which thread a conversation continues and what of it has to be sent.

    Args:
        places: Where each message is stored, oldest first.
        thread_id: The thread that the caller names. Default: that of the last message which names one.
        follow_answers: Whether an answer continues the thread of its run, so that only what is newer is sent.

    Raises:
        ValidationError: The thread holds all messages, so that there is nothing to send.
    """
    thread = thread_id or _named(places, follow_answers=follow_answers)
    begin = 0
    if follow_answers and thread is not None:
        begin = max(
            (at + 1 for at, place in enumerate(places) if place.ends_run and place.thread_id == thread), default=0
        )
    send = tuple(
        at
        for at, place in enumerate(places)
        if at >= begin and not (place.is_stored and thread is not None and place.thread_id == thread)
    )
    if places and not send:
        raise ValidationError(
            f"Thread {thread} already holds all {len(places)} messages, so that there is nothing to send: add a new "
            "message of the user at the end."
        )
    return Continuation(thread, send)


def _named(places: Sequence[Place], *, follow_answers: bool) -> str | None:
    for place in reversed(places):
        if place.thread_id and (follow_answers or not place.ends_run or place.is_stored):
            return place.thread_id
    return None


@dataclass(frozen=True, slots=True)
class Turn:
    """One message of a thread, or one that may become so.

    Attributes:
        role: ``system``, ``user`` or ``assistant``.
        text: What was said.
        response_id: The run it was sent to or that it answers; None if it is not known.
        also: The same in other words, as frameworks show it: an object as JSON, or the text inside of one.
    """

    role: str
    text: str
    response_id: str | None = None
    also: tuple[str, ...] = ()


def turns_of(runs: Iterable[ResponseObject]) -> list[Turn]:
    """Return the messages of a thread: what was sent to each run, then its answer.

    Args:
        runs: The runs of the thread, oldest first. One without an answer (yet) has only what was sent.
    """
    turns: list[Turn] = []
    for run in runs:
        turns += [Turn(str(sent.role), sent.content, run.response_id) for sent in run.input_messages or ()]
        wordings = _wordings(run)
        if wordings:
            turns.append(Turn("assistant", wordings[0], run.response_id, also=tuple(wordings[1:])))
    return turns


def _wordings(run: ResponseObject) -> list[str]:
    found = [run.output_text]
    if run.structured_response is not None:
        content = run.structured_response.get("content")
        found += [
            json.dumps(run.structured_response, ensure_ascii=False),
            content if isinstance(content, str) else None,
        ]
    return [text for text in found if text]


def matches(given: Sequence[Turn], stored: Sequence[Turn]) -> list[int | None]:
    """Find messages on a thread by role and text, each stored one once and in order.

    Args:
        given: The messages, oldest first.
        stored: What the thread holds, oldest first.

    Returns:
        For each message its position among the stored ones; None if it is not there.
    """
    found: list[int | None] = []
    begin = 0
    for turn in given:
        place = _find(turn, stored, begin)
        found.append(place)
        begin = begin if place is None else place + 1
    return found


def not_in_runs(given: Sequence[Turn], stored: Sequence[Turn]) -> list[int]:
    """Return the positions of messages that are neither sent to runs nor answers of runs.

    Prompts and parsers may change the words on their way, so it is enough to recognise one half of an exchange: the
    question of a known answer is known, and so is the answer to a known question.

    Args:
        given: The messages, oldest first. An assistant's with a ``response_id`` is the answer of that run.
        stored: What newer runs hold, oldest first.
    """
    known: set[int] = set()
    begin = 0
    for at, turn in enumerate(given):
        is_answer = turn.role == "assistant"
        if is_answer and turn.response_id is not None:
            begin = max([begin, *(i + 1 for i, kept in enumerate(stored) if kept.response_id == turn.response_id)])
        else:
            found = _find(turn, stored, begin)
            if found is None and is_answer and at - 1 in known and given[at - 1].role != "assistant":
                found = _answer_in_other_words(stored, begin)
            if found is None:
                continue
            begin = found + 1
        known.add(at)
        if is_answer:
            known.update(_question_before(at, given))
    return [at for at in range(len(given)) if at not in known]


def _answer_in_other_words(stored: Sequence[Turn], begin: int) -> int | None:
    run = stored[begin - 1].response_id
    return next(
        (i for i in range(begin, len(stored)) if stored[i].role == "assistant" and stored[i].response_id == run), None
    )


def _question_before(at: int, given: Sequence[Turn]) -> list[int]:
    question: list[int] = []
    for before in range(at - 1, -1, -1):
        if given[before].role == "assistant":
            break
        question.append(before)
    return question


def _find(turn: Turn, stored: Sequence[Turn], begin: int) -> int | None:
    return next((i for i in range(begin, len(stored)) if _same(stored[i], turn)), None)


def _same(stored: Turn, given: Turn) -> bool:
    return stored.role == given.role and given.text.strip() in {text.strip() for text in (stored.text, *stored.also)}
