"""Turns: which thread a call continues, and which of its messages are sent there, for both frameworks. Pure.

Frameworks call a model for more than the next turn of a conversation: to extract facts, to condense a question, to
summarise, to draft. A call continues a thread only if it ends with a message of the conversation that waits to be sent,
with the steps of an agent after one, or with the question for which a synthesizer writes one prompt. Any other call
that contains messages of a thread runs outside of it, with its full text, which never loses or doubles anything.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import NamedTuple

from lumnisai_core.exceptions import ValidationError
from lumnisai_integrations._shared.conversation import ASSISTANT, SYSTEM, USER


class Answers(StrEnum):
    """The part that answers of runs play in the choice of a thread and of the messages to send.

    ``IGNORE``: none. ``COUNT``: on the thread that the call continues, an answer stands for all messages before it.
    ``FOLLOW``: an answer also names the thread to continue.
    """

    IGNORE = "ignore"
    COUNT = "count"
    FOLLOW = "follow"


@dataclass(frozen=True, slots=True)
class Tags:
    """The tags of a message of a call.

    Attributes:
        thread_id: The thread of the message.
        is_stored: Whether that thread holds it.
        is_answer: Whether it is an answer of a run on the thread, which stands for the messages before it, too.
        role: ``system``, ``user`` or ``assistant``.
        text: Its text, for instructions.
        message_id: Id of a message that a memory or history has returned; None for one that the caller has tagged.
        is_latest: Whether it was the last message of the conversation when it was read for a run.
        is_in_flight: Whether a run that is not over holds it.
        has_calls: Whether it asks for tool calls, so that the answer is still to come.
    """

    thread_id: str | None = None
    is_stored: bool = False
    is_answer: bool = False
    role: str = USER
    text: str = ""
    message_id: str | None = None
    is_latest: bool = False
    is_in_flight: bool = False
    has_calls: bool = False

    @property
    def is_instruction(self) -> bool:
        """Whether it tells the agent how to work, rather than being a message that the conversation keeps."""
        return self.role == SYSTEM and self.thread_id is None


class LateQuestion(NamedTuple):
    """The last message of a call, if it is a question that an engine adds to its memory only after its answer.

    The thread is the one that the memory named for the question; None if the messages of the call name it.
    """

    thread_id: str | None = None


class Continuation(NamedTuple):
    """The thread that a call continues, None for a new one, and what to send.

    Attributes:
        thread_id: The thread.
        send: Positions of the messages to send.
        message_ids: Ids of the kept messages among these.
        instructions: The texts of all instructions that hold after the call; None if it leaves them as they were.
        is_unsure: Whether it depends on the last instructions of the thread, which are not known.
    """

    thread_id: str | None
    send: tuple[int, ...]
    message_ids: tuple[str, ...] = ()
    instructions: tuple[str, ...] | None = None
    is_unsure: bool = False

    @property
    def ends_instructions(self) -> bool:
        """Whether the thread has instructions of another agent, which do not hold for this call."""
        return self.instructions == ()


def continue_thread(
    messages: Sequence[Tags],
    *,
    thread_id: str | None,
    answers: Answers = Answers.IGNORE,
    late: LateQuestion | None = None,
    taken: Mapping[str, Collection[str]] | None = None,
    instructions: Mapping[str, tuple[str, ...]] | None = None,
) -> Continuation:
    """Return the thread that a call continues and the messages, oldest first, that are not stored there yet.

    Args:
        messages: The tags of the messages of the call, oldest first.
        thread_id: The thread that the caller names. Default: that of the last message which names one.
        answers: The part that answers play.
        late: The question at the end of the call, if it is one that is put into its memory later.
        taken: Ids of messages that other calls send or have sent, by thread.
        instructions: The last instructions of threads, as far as they are known. Those of the call are sent if they
            are others. A call without any that repeats what users have said there is made by an agent without any;
            one with new messages alone leaves them as they are.

    Raises:
        ValidationError: The thread holds all messages, so that there is nothing to send.
    """
    own = tuple(tags.text for tags in messages if tags.is_instruction)
    outside = Continuation(None, tuple(range(len(messages))), instructions=own or None)
    thread = thread_id or _named_thread(messages, answers) or (None if late is None else late.thread_id)
    if thread is None or (thread_id is None and answers is Answers.COUNT and not _is_turn(messages, thread, late)):
        return outside
    known, held = (taken or {}).get(thread, ()), 0
    if answers is not Answers.IGNORE:
        of_thread = [at for at, tags in enumerate(messages) if tags.is_answer and tags.thread_id == thread]
        latest = _latest(messages, thread)
        if latest is not None and (messages[latest].is_stored or messages[latest].message_id in known):
            of_thread += _steps(messages, latest)
        held = max(of_thread, default=-1) + 1
    left = [
        at
        for at, tags in enumerate(messages)
        if at >= held and not tags.is_instruction and not (tags.is_stored and tags.thread_id == thread)
    ]
    send = [at for at in left if not messages[at].is_in_flight and messages[at].message_id not in known]
    last = (instructions or {}).get(thread)
    if last != own:
        send = sorted([*send, *(at for at, tags in enumerate(messages) if tags.is_instruction)])
    if left and all(messages[at].is_instruction for at in send):
        return outside  # other calls send all of it
    if messages and not left and not (send and messages[-1].is_instruction):
        raise ValidationError(
            f"Thread {thread} already holds all {len(messages)} messages, so there is nothing to send: add a new "
            "message of the user at the end."
        )
    ids = tuple(message_id for at in send if (message_id := messages[at].message_id) is not None)
    repeats = not own and _repeats(messages, thread, held)
    holding = own if own or (last and repeats) else None
    return Continuation(thread, tuple(send), ids, holding, is_unsure=last is None and bool(own or repeats))


def _named_thread(messages: Sequence[Tags], answers: Answers) -> str | None:
    for tags in reversed(messages):
        if tags.thread_id and (answers is Answers.FOLLOW or not tags.is_answer or tags.is_stored):
            return tags.thread_id
    return None


def _repeats(messages: Sequence[Tags], thread: str, held: int) -> bool:
    """Whether a call contains what users have said on the thread before, and no system message."""
    stored = [tags for at, tags in enumerate(messages) if at < held or (tags.is_stored and tags.thread_id == thread)]
    return any(tags.role == USER for tags in stored) and all(tags.role != SYSTEM for tags in messages)


def _latest(messages: Sequence[Tags], thread: str) -> int | None:
    return max((at for at, tags in enumerate(messages) if tags.is_latest and tags.thread_id == thread), default=None)


def _steps(messages: Sequence[Tags], latest: int) -> list[int]:
    """Return the positions of answers that follow and that an agent has written anew, as those that reason in text."""
    after = range(latest + 1, len(messages))
    return [at for at in after if messages[at].role == ASSISTANT and messages[at].thread_id is None]


def _is_turn(messages: Sequence[Tags], thread: str, late: LateQuestion | None) -> bool:
    """Whether the call is the next turn of the thread, rather than one about its messages."""
    of_thread = [tags for tags in messages if tags.thread_id == thread]
    if of_thread and not any(tags.message_id for tags in of_thread):
        return True  # the caller has tagged them
    latest = _latest(messages, thread)
    if late is not None and (latest is not None or late.thread_id == thread):
        return True
    if any(tags.is_answer for tags in of_thread) or (latest is not None and _steps(messages, latest)):
        return True  # the steps of an agent
    if latest is None or not all(tags.is_instruction for tags in messages[latest + 1 :]):
        return False
    last = messages[latest]
    waits = latest == len(messages) - 1 and not last.is_stored and last.role != ASSISTANT
    return waits or (last.is_stored and last.has_calls)  # an agent that has to answer without more calls
