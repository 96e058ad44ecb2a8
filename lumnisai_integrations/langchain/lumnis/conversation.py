"""State of a history: its thread, the runs that were read, and the messages for the next run. No I/O.

The messages of a thread, which are roles and texts on the wire, become LangChain's messages, tagged with the thread.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any
from uuid import uuid4

from langchain_core.messages import AIMessage, BaseMessage, HumanMessage, SystemMessage, ToolCall, ToolMessage
from langchain_core.messages.tool import tool_call

from lumnisai_core import Message, ResponseObject, ResponseStatus
from lumnisai_core.exceptions import ValidationError
from lumnisai_core.tools import (
    StructuredOutputError,
    ToolOffer,
    object_of,
    read_tool_calls,
    read_tool_result,
    used_part,
)
from lumnisai_integrations._shared.conversation import (
    ASSISTANT,
    IN_FLIGHT,
    MESSAGE_ID,
    PERSISTED,
    TAGS,
    THREAD_ID,
    Conversation,
    State,
    ThreadMessage,
)
from lumnisai_integrations._shared.locks import changing
from lumnisai_integrations._shared.sending import last_kept, note_kept, note_read, runs_of_sent
from lumnisai_integrations.langchain.lumnis.convert import convert_in, convert_out, tags_of


class HistoryState:
    """The messages of a history. May be shared by threads and event loops.

    A message counts as stored when its run has succeeded, because then the agent knows it in later runs. Messages of a
    run that is under way, failed or was cancelled stay unsent, so that they can be sent again.
    """

    def __init__(self, thread_id: str | None) -> None:
        self._start(thread_id)

    def _start(self, thread_id: str | None) -> None:
        # Nothing has to be read of a thread that is new.
        self.conversation: Conversation[BaseMessage] = Conversation(thread_id, is_read=thread_id is None)
        self._runs: dict[str, ResponseObject] = {}

    def forget(self) -> None:
        """Forget all messages and the thread."""
        with changing():
            self._start(None)

    def adopt(self, threads: Iterable[str]) -> bool:
        """Continue the one thread among these, and return whether it is new here."""
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
        """Take in the runs of a thread, newest first, and return copies of all messages, oldest first.

        Runs of a thread that was left meanwhile do not count.
        """
        with changing():
            self._accept(thread_id, runs)
            known, stored = self.conversation.up_to(*last_kept()), sorted(self._runs.values(), key=_age)
        shown = stored_messages(stored, known.thread_id) if known.thread_id else []
        for message in known.unsent:
            if message.original is not None:
                flying = {IN_FLIGHT: True} if message.state is State.IN_FLIGHT else {}
                shown.append(unsent_message(message.original, known.thread_id, {MESSAGE_ID: message.id, **flying}))
        return shown

    def start_adding(self, messages: Sequence[BaseMessage]) -> tuple[bool, bool]:
        """Check messages, and continue the thread of their answers if there is no thread yet.

        Returns whether the thread is newly known, and whether it has to be read before the messages are added.
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
        """Keep the messages that the thread, with the runs that were read, does not hold for the next run."""
        new = self._new(messages)
        for message in new:
            note_kept(message.id or "")
        with changing():
            self.conversation = self.conversation.put(new, exchanges=True)
            self._accept(thread_id, runs)

    def _accept(self, thread_id: str | None, runs: Sequence[ResponseObject]) -> None:
        if thread_id is None or thread_id != self.conversation.thread_id:
            return
        self.conversation = self.conversation.accept(thread_id, runs, exchanges=True, sent=runs_of_sent(thread_id))
        note_read(self.conversation, runs)
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
                id=uuid4().hex,
                original=unsent_message(message, None),
                run_id=_run_id(message),
                tool_call_id=message.tool_call_id if isinstance(message, ToolMessage) else None,
            )
            for message, written in zip(messages, convert_in(messages), strict=True)
            if not (tags := tags_of(message)).is_stored or tags.thread_id != self.conversation.thread_id
        ]


def _run_id(message: BaseMessage) -> str | None:
    if not isinstance(message, AIMessage) or not tags_of(message).is_answer:
        return None
    return message.response_metadata.get("response_id") or message.id


def _age(run: ResponseObject) -> datetime:
    return run.created_at or datetime.max.replace(tzinfo=UTC)


# Messages of a thread as LangChain's messages


def stored_messages(runs: Iterable[ResponseObject], thread_id: str) -> list[BaseMessage]:
    """Return the messages that runs of a thread store, oldest first, as the runs are.

    Tool calls and their results, which are texts on the wire, become ``tool_calls`` and ``ToolMessage`` again.
    """
    messages: list[BaseMessage] = []
    unanswered: list[ToolCall] = []
    for run in runs:
        for index, sent in enumerate(run.input_messages):
            message = _sent_message(sent, unanswered)
            message.id = f"{run.response_id}-{index}"  # the same each time, so that graph states hold it once
            messages.append(message)
        if run.output_text or run.structured_response is not None:
            answer = _answer(run)
            unanswered += answer.tool_calls
            messages.append(answer)
    for message in messages:
        message.additional_kwargs = {THREAD_ID: thread_id, PERSISTED: True}
    return messages


def unsent_message(message: BaseMessage, thread_id: str | None, about: Mapping[str, Any] | None = None) -> BaseMessage:
    """Return a copy of a message for the next run, which will be sent to this thread if there is one yet."""
    others = {name: value for name, value in message.additional_kwargs.items() if name not in TAGS}
    tags = {} if thread_id is None else {THREAD_ID: thread_id, PERSISTED: False, **(about or {})}
    return message.model_copy(update={"additional_kwargs": others | tags})


def _answer(run: ResponseObject) -> AIMessage:
    run = run.model_copy(update={"progress": []})  # progress is not part of the conversation
    try:
        answer = convert_out(run, structured=run.structured_response is not None, offer=_offer_of(run))
    except StructuredOutputError:
        return convert_out(run, structured=True)
    for index, call in enumerate(answer.tool_calls):
        call["id"] = f"call_{run.response_id}_{index}"  # the same each time; its result may bring the real one
    return answer


def _offer_of(run: ResponseObject) -> ToolOffer | None:
    """Return an offer that reads the reply of a run which was offered tools; which ones does not matter here."""
    value = used_part(object_of(run) or {})
    in_words = run.structured_response is not None and list(value) == ["content"] and isinstance(value["content"], str)
    return ToolOffer(()) if in_words or isinstance(value.get("tool_calls"), list) else None


def _sent_message(sent: Message, unanswered: list[ToolCall]) -> BaseMessage:
    match str(sent.role):
        case "system":
            return SystemMessage(sent.content)
        case "assistant":
            message = _calling_message(sent.content)
            unanswered += message.tool_calls
            return message
        case _:
            return _tool_message(sent.content, unanswered) or HumanMessage(sent.content)


def _calling_message(text: str) -> AIMessage:
    content, calls = read_tool_calls(text)
    known = [tool_call(name=item["name"], args=item["args"], id=str(item.get("id"))) for item in calls]
    return AIMessage(content, tool_calls=known)


def _tool_message(text: str, unanswered: list[ToolCall]) -> ToolMessage | None:
    found = read_tool_result(text)
    if found is None:
        return None
    result, content = found
    call = _call_of(result, unanswered)
    if call is None:  # other providers refuse a result without its call
        return None
    unanswered.remove(call)
    call["id"] = str(result.get("id") or call["id"])
    return ToolMessage(
        content,
        name=call["name"],
        tool_call_id=call["id"],
        status="error" if result.get("status") == "error" else "success",
    )


def _call_of(result: Mapping[str, Any], unanswered: Sequence[ToolCall]) -> ToolCall | None:
    by_id = (call for call in unanswered if call["id"] == result.get("id"))
    by_name = (call for call in unanswered if call["name"] == result.get("name"))
    return next(by_id, None) or next(by_name, None)
