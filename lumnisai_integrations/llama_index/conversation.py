"""A conversation of which a thread of the service holds the older part: what it holds, and what waits to be sent. Pure.

The service stores messages only as the input and the answer of a run. So messages that are put wait until a run has
taken them along; what the thread then holds is found again by run, by tool call, or by text.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from typing import ClassVar

from llama_index.core.base.llms.types import ChatMessage, MessageRole
from llama_index.core.storage.chat_store.base_db import MessageStatus
from pydantic import BaseModel, ConfigDict

from lumnisai_core import ResponseObject, ResponseStatus
from lumnisai_integrations._shared.threads import PERSISTED, THREAD_ID
from lumnisai_integrations._shared.tools import tool_calls_text
from lumnisai_integrations.llama_index.convert import RESPONSE_ID
from lumnisai_integrations.llama_index.records import Record, places_of, wire_role


class Conversation(BaseModel):
    """The messages of a thread and those that wait. It stays as it is; each change makes a new one.

    Attributes:
        stored: What the thread holds, oldest first.
        pending: What waits for a run to take it along, oldest first.
        is_read: Whether the thread was read to its end once.
        read_to: Id of the newest run that was read.
        unfinished: Ids of runs that were not over when they were read.
        exchange_after: How many messages the thread held when the user spoke last.
    """

    model_config: ClassVar[ConfigDict] = ConfigDict(frozen=True)

    stored: tuple[Record, ...] = ()
    pending: tuple[Record, ...] = ()
    is_read: bool = False
    read_to: str | None = None
    unfinished: tuple[str, ...] = ()
    exchange_after: int = 0

    @property
    def records(self) -> tuple[Record, ...]:
        """All messages, oldest first."""
        return self.stored + self.pending

    def put(self, messages: Iterable[ChatMessage], status: MessageStatus = MessageStatus.ACTIVE) -> Conversation:
        """Add messages, which wait for a run.

        Args:
            messages: The messages. They stay as they are; copies are kept.
            status: Whether they are part of the queue.
        """
        after, added = self.exchange_after, []
        for message in messages:
            if message.role == MessageRole.USER:
                after = len(self.stored)
            answers = response_id_of(message) if wire_role(message) == MessageRole.ASSISTANT else None
            added.append(
                Record(
                    message=_untagged(message),
                    status=status,
                    response_id=answers,
                    is_own=True,
                    after=after,
                    is_new=True,
                )
            )
        return self.model_copy(update={"pending": (*self.pending, *added), "exchange_after": after})

    def accept(self, runs: Sequence[ResponseObject], *, with_answers: bool = False) -> Conversation:
        """Take in runs of the thread: what they hold no longer waits.

        Args:
            runs: Runs, newest first. Only those that succeeded hold messages; those that were taken in before do not
                count.
            with_answers: Whether a question that is put after its run comes with its answer. Then one that was put
                without is new, even if another user of the thread has just said the same.
        """
        known = {record.response_id for record in self.stored}
        unknown = [run for run in reversed(list(runs)) if run.response_id not in known]
        done = [run for run in unknown if run.status == ResponseStatus.SUCCEEDED]
        everything = [*self.stored, *(record for run in done for record in _records_of(run))]
        waiting = list(self.pending)
        begin = 0 if not self.is_read else _unanswered(waiting) if with_answers else len(waiting)
        begun = [at for at in range(begin, len(waiting)) if waiting[at].is_new]
        for at in begun:  # what was on the thread before is no copy of it
            waiting[at] = waiting[at].model_copy(update={"after": len(everything)})
        places = places_of(waiting, everything)
        for at, place in places.items():
            update = {"message": waiting[at].message, "status": waiting[at].status, "is_own": True}
            everything[place] = everything[place].model_copy(update=update)
        held = len(self.stored)
        stored = everything[:held] + [record for record in everything[held:] if record.is_own or not _is_hidden(record)]
        left = (record for at, record in enumerate(waiting) if at not in places)
        return Conversation(
            stored=tuple(stored),
            pending=tuple(record.model_copy(update={"after": len(stored), "is_new": False}) for record in left),
            is_read=True,
            read_to=runs[0].response_id if runs else self.read_to,
            unfinished=tuple(run.response_id for run in unknown if not run.is_terminal),
            exchange_after=len(stored) if begun or not self.is_read else self.exchange_after,
        )

    def messages(self, thread_id: str | None, status: MessageStatus | None = None) -> list[ChatMessage]:
        """Return copies of the messages, each with the tags that say where it is stored.

        Args:
            thread_id: The thread, or None as long as there is none.
            status: Only messages with this status. Default: all.
        """
        return [
            tagged(record.message, thread_id, is_stored=at < len(self.stored))
            for at, record in enumerate(self.records)
            if status is None or record.status == status
        ]

    def replaced(
        self, messages: Sequence[ChatMessage], thread_id: str | None, status: MessageStatus = MessageStatus.ACTIVE
    ) -> Conversation | None:
        """Return the conversation with other messages, or None if the thread holds what is not among them.

        Args:
            messages: The messages, such as :meth:`messages` returned them, with others at the end.
            thread_id: The thread.
            status: Whether the new ones are part of the queue.
        """
        held = len(self.stored)
        ours = [_is_stored_on(message, thread_id) for message in messages]
        if not self.is_read or self.unfinished or sum(ours) != held or not all(ours[:held]):
            return None
        return self.model_copy(update={"pending": ()}).put(messages[held:], status)

    def without(self, positions: Collection[int]) -> Conversation | None:
        """Return the conversation without the messages at some positions, or None if the thread holds one of them."""
        first = len(self.stored)
        if any(at < first for at in positions):
            return None
        left = [record for at, record in enumerate(self.pending, start=first) if at not in positions]
        return self.model_copy(update={"pending": tuple(left)})

    def oldest(self, count: int) -> list[int]:
        """Return the positions of the oldest messages of the queue."""
        queue = [at for at, record in enumerate(self.records) if record.status == MessageStatus.ACTIVE]
        return queue[: max(count, 0)]

    def archived(self, positions: Collection[int]) -> Conversation:
        """Return the conversation with the messages at some positions archived."""
        archive = {"status": MessageStatus.ARCHIVED}
        records = [
            record.model_copy(update=archive) if at in positions else record for at, record in enumerate(self.records)
        ]
        first = len(self.stored)
        return self.model_copy(update={"stored": tuple(records[:first]), "pending": tuple(records[first:])})


def unsent(records: Iterable[Record]) -> Conversation:
    """Return a conversation for a new thread: all of these messages wait."""
    pending = (record.model_copy(update={"response_id": None, "is_own": True, "after": 0}) for record in records)
    return Conversation(pending=tuple(pending))


def tagged(message: ChatMessage, thread_id: str | None, *, is_stored: bool) -> ChatMessage:
    """Return a copy of a message that says where it is stored."""
    copied = message.model_copy(deep=True)
    if thread_id is not None:
        copied.additional_kwargs[THREAD_ID] = thread_id
        if is_stored:
            copied.additional_kwargs[PERSISTED] = True
    return copied


def response_id_of(message: ChatMessage) -> str | None:
    """Return the run that a message says it answers."""
    known = message.additional_kwargs.get(RESPONSE_ID)
    return known if isinstance(known, str) and known else None


def _records_of(run: ResponseObject) -> list[Record]:
    turns = [(_role(str(sent.role)), sent.content) for sent in run.input_messages or ()]
    turns.append((MessageRole.ASSISTANT, _answer_of(run)))
    return [Record(message=ChatMessage(role=role, content=text), response_id=run.response_id) for role, text in turns]


def _answer_of(run: ResponseObject) -> str:
    """Return the answer in words: out of the object, if the run was offered tools of the caller."""
    value = run.structured_response or {}
    calls, content = value.get("tool_calls"), value.get("content")
    if set(value) == {"tool_calls"} and isinstance(calls, list) and all(isinstance(call, dict) for call in calls):
        return tool_calls_text("", calls)
    if set(value) == {"content"} and isinstance(content, str):
        return content
    return run.output_text or ""


def _role(role: str) -> MessageRole:
    return MessageRole(role) if role in ("system", "assistant") else MessageRole.USER


def _is_hidden(record: Record) -> bool:
    # Engines give their instructions to each run anew, and an answer without words says nothing.
    role = record.message.role
    return role == MessageRole.SYSTEM or (role == MessageRole.ASSISTANT and not record.message.content)


def _unanswered(waiting: Sequence[Record]) -> int:
    """Return the position after the last answer."""
    answers = (at + 1 for at, record in enumerate(waiting) if wire_role(record.message) == MessageRole.ASSISTANT)
    return max(answers, default=0)


def _untagged(message: ChatMessage) -> ChatMessage:
    copied = message.model_copy(deep=True)
    for key in (THREAD_ID, PERSISTED):
        copied.additional_kwargs.pop(key, None)
    return copied


def _is_stored_on(message: ChatMessage, thread_id: str | None) -> bool:
    known = message.additional_kwargs
    return thread_id is not None and known.get(THREAD_ID) == thread_id and bool(known.get(PERSISTED))
