"""State of a history: its thread, the runs that were read, and the messages for the next run. No I/O."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace
from datetime import UTC, datetime

from langchain_core.messages import AIMessage, BaseMessage, ToolMessage

from lumnisai_core import ResponseObject, ResponseStatus
from lumnisai_core.exceptions import ValidationError
from lumnisai_integrations._shared.conversation import (
    ASSISTANT,
    PERSISTED,
    THREAD_ID,
    Conversation,
    Tags,
    ThreadMessage,
)
from lumnisai_integrations._shared.locks import changing
from lumnisai_integrations.langchain.convert import convert_in
from lumnisai_integrations.langchain.thread_messages import stored_messages, unsent_message

ChatConversation = Conversation[BaseMessage]


class HistoryState:
    """The messages of a history. May be shared by threads and event loops.

    A message counts as stored when its run has succeeded, because then the agent knows it in later runs. Messages of a
    run that is under way, failed or was cancelled stay unsent, so that they can be sent again.

    Args:
        thread_id: The thread, if there is one yet.

    Attributes:
        conversation: The conversation as it is now.
    """

    def __init__(self, thread_id: str | None) -> None:
        self._start(thread_id)

    def _start(self, thread_id: str | None) -> None:
        # Nothing has to be read of a thread that is new.
        self.conversation: ChatConversation = Conversation(thread_id, is_read=thread_id is None)
        self._runs: dict[str, ResponseObject] = {}

    def forget(self) -> None:
        """Forget all messages and the thread."""
        with changing():
            self._start(None)

    def adopt(self, threads: Iterable[str]) -> bool:
        """Continue the one thread among these, and return whether it is new here.

        Raises:
            ValidationError: The conversation is on another thread, or there are several.
        """
        with changing():
            current = self.conversation.thread_id
            others = sorted({*threads} - {current})
            if not others:
                return False
            if current is not None or len(others) > 1:
                here = f"is thread {current}" if current else "can take only one of them"
                raise ValidationError(
                    f"The messages hold answers of thread {', '.join(others)}, but this history {here}. Answers stay "
                    "on the thread of their run: make a history for each thread, or add AIMessage(content=...) to "
                    "send the text with the next run."
                )
            self.conversation = replace(self.conversation, thread_id=others[0])
            return True

    def begin(self, thread_id: str) -> bool:
        """Continue this new thread unless there is one already, and return whether it is continued."""
        with changing():
            self.conversation = self.conversation.begin(thread_id)
            return self.conversation.thread_id == thread_id

    def messages(self, thread_id: str | None, runs: Sequence[ResponseObject]) -> list[BaseMessage]:
        """Take in runs, and return copies of all messages, oldest first.

        Args:
            thread_id: The thread that was read; None if none was.
            runs: Its runs, newest first. Those of a thread that was left meanwhile do not count.
        """
        with changing():
            self._accept(thread_id, runs)
            known, stored = self.conversation, sorted(self._runs.values(), key=_age)
        unsent = [message.original for message in known.unsent if message.original is not None]
        shown = stored_messages(stored, known.thread_id) if known.thread_id else []
        return [*shown, *(unsent_message(message, known.thread_id) for message in unsent)]

    def start_adding(self, messages: Sequence[BaseMessage]) -> tuple[bool, bool]:
        """Check messages, and continue the thread of their answers if there is no thread yet.

        Returns:
            Whether the thread is newly known, and whether it has to be read before the messages are added.

        Raises:
            ValidationError: A message cannot be sent, or an answer is of another thread.
        """
        new = self._new(messages)
        tags = map(tags_of, messages)
        is_adopted = self.adopt(each.thread_id for each in tags if each.is_answer and each.thread_id)
        named = all(message.run_id for message in new if message.role == ASSISTANT)
        is_known = not new or (named and new[-1].role == ASSISTANT)
        return is_adopted, self.conversation.thread_id is not None and not is_known

    def add(
        self, messages: Sequence[BaseMessage], thread_id: str | None = None, runs: Sequence[ResponseObject] = ()
    ) -> None:
        """Keep the messages that the thread does not hold for the next run.

        Args:
            messages: The messages, after :meth:`start_adding`.
            thread_id: The thread that was read; None if none was.
            runs: Its runs.
        """
        new = self._new(messages)
        with changing():
            self.conversation = self.conversation.put(new, exchanges=True)
            self._accept(thread_id, runs)

    def _accept(self, thread_id: str | None, runs: Sequence[ResponseObject]) -> None:
        if thread_id is None or thread_id != self.conversation.thread_id:
            return
        self.conversation = self.conversation.accept(thread_id, runs, exchanges=True)
        for run in reversed(runs):
            if run.status == ResponseStatus.SUCCEEDED:
                self._runs.setdefault(run.response_id, run.model_copy(update={"progress": [], "artifacts": []}))

    def _new(self, messages: Sequence[BaseMessage]) -> list[ThreadMessage[BaseMessage]]:
        if not messages:
            return []
        return [
            ThreadMessage(
                written["role"],
                written["content"],
                original=unsent_message(message, None),
                run_id=_run_id(message),
                tool_call_id=message.tool_call_id if isinstance(message, ToolMessage) else None,
            )
            for message, written in zip(messages, convert_in(messages), strict=True)
            if not self._holds(message)
        ]

    def _holds(self, message: BaseMessage) -> bool:
        tags = tags_of(message)
        return tags.is_stored and tags.thread_id == self.conversation.thread_id is not None


def tags_of(message: BaseMessage) -> Tags:
    """Return the tags of a message."""
    known = message.additional_kwargs
    if THREAD_ID in known:
        is_stored = bool(known.get(PERSISTED))
        return Tags(known[THREAD_ID], is_stored=is_stored, is_answer=is_stored and isinstance(message, AIMessage))
    facts = message.response_metadata
    if isinstance(message, AIMessage) and facts.get("model_provider") == "lumnis" and facts.get("thread_id"):
        return Tags(facts["thread_id"], is_answer=True)
    return Tags()


def _run_id(message: BaseMessage) -> str | None:
    if not isinstance(message, AIMessage) or not tags_of(message).is_answer:
        return None
    return message.response_metadata.get("response_id") or message.id


def _age(run: ResponseObject) -> datetime:
    return run.created_at or datetime.max.replace(tzinfo=UTC)
