"""Messages of LlamaIndex as messages of a conversation, and back; the turn that the messages of a call are."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from contextvars import ContextVar
from typing import Any
from uuid import uuid4

from llama_index.core.base.llms.types import ChatMessage, MessageRole, TextBlock, ToolCallBlock
from llama_index.core.instrumentation.events.synthesis import GetResponseStartEvent
from llama_index.core.storage.chat_store.base_db import MessageStatus
from llama_index_instrumentation import get_dispatcher
from llama_index_instrumentation.base import BaseEvent
from llama_index_instrumentation.event_handlers import BaseEventHandler

from lumnisai_core.tools import read_tool_calls, read_tool_result, sendable, tool_calls_text
from lumnisai_integrations._shared.conversation import (
    ASSISTANT,
    IN_FLIGHT,
    LATEST,
    MESSAGE_ID,
    PERSISTED,
    PROBLEM,
    SYSTEM,
    TAGS,
    THREAD_ID,
    Conversation,
    PlainKwargs,
    State,
    ThreadMessage,
)
from lumnisai_integrations._shared.sending import Turn, last_kept, note_kept
from lumnisai_integrations._shared.turns import Answers, LateQuestion, Tags
from lumnisai_integrations.llama_index.lumnis.convert import (
    RESPONSE_ID,
    RUN_THREAD_ID,
    WIRE_ROLES,
    convert_in,
    text_in,
)

ChatConversation = Conversation[ChatMessage]

#: The question that a synthesizer answers and the number of its prompts.
_synthesis: ContextVar[tuple[str, int]] = ContextVar("lumnis_synthesis", default=("", 0))
#: The thread for which a memory was read with a question that is put into it later, and the question.
_expected: ContextVar[tuple[str | None, str]] = ContextVar("lumnis_expected", default=(None, ""))


class _Syntheses(BaseEventHandler):
    """Notes the question and the number of prompts of each synthesis where it begins."""

    @classmethod
    def class_name(cls) -> str:
        return "LumnisSyntheses"

    def handle(self, event: BaseEvent, **_: Any) -> None:
        if isinstance(event, GetResponseStartEvent):
            _synthesis.set((event.query_str, len(event.text_chunks)))


get_dispatcher("llama_index.core.response_synthesizers.refine").add_event_handler(_Syntheses())


def put(
    conversation: ChatConversation, messages: Iterable[ChatMessage], *, is_archived: bool = False
) -> ChatConversation:
    """Return a conversation with more unsent messages. It holds copies of them."""
    unsent = [_unsent(message, is_archived=is_archived) for message in messages]
    for message in unsent:
        note_kept(message.id or "")
    return conversation.put(unsent)


def replaced(
    conversation: ChatConversation, messages: Sequence[ChatMessage], *, is_archived: bool = False
) -> ChatConversation:
    """Return a conversation with other messages; without a thread if its thread holds any that is missing there."""
    thread_id, tags = conversation.thread_id, map(tags_of, messages)
    are_stored = [each.is_stored and each.thread_id == thread_id is not None for each in tags]
    return conversation.replaced([_unsent(each, is_archived=is_archived) for each in messages], are_stored)


def chat_messages(conversation: ChatConversation, status: MessageStatus | None = None) -> list[ChatMessage]:
    """Return copies of the messages of a conversation, each with the tags of its thread."""
    messages = conversation.messages
    return [
        _tagged(read, kept, conversation.thread_id)
        for read, kept in zip(_as_read(messages), messages, strict=True)
        if status is None or status_of(kept) == status
    ]


def run_messages(conversation: ChatConversation, status: MessageStatus | None = None) -> list[ChatMessage]:
    """Return the messages for the next run of the caller: :func:`chat_messages` up to its own question."""
    messages = chat_messages(conversation.up_to(*last_kept()), status)
    if messages and conversation.thread_id is not None:
        messages[-1].additional_kwargs[LATEST] = True
    return messages


def expect(conversation: ChatConversation, question: str | None) -> None:
    """Note a question that an engine adds to its memory only after the run."""
    _expected.set((conversation.thread_id, question or ""))


def status_of(message: ThreadMessage[ChatMessage]) -> MessageStatus:
    """Return whether a message is part of the queue of LlamaIndex' ``Memory``."""
    return MessageStatus.ARCHIVED if message.is_archived else MessageStatus.ACTIVE


def _as_read(messages: Iterable[ThreadMessage[ChatMessage]]) -> list[ChatMessage]:
    """Return copies: of those that were put as they were, of others with tool calls and results as such."""
    found: list[ChatMessage] = []
    unanswered: list[ToolCallBlock] = []
    for message in messages:
        read = message.original.model_copy(deep=True) if message.original is not None else None
        read = read or _read(message, unanswered)
        calls = [block for block in read.blocks if isinstance(block, ToolCallBlock)]
        unanswered = [*unanswered, *calls]
        if (answered := read.additional_kwargs.get("tool_call_id")) is not None:
            unanswered = [call for call in unanswered if call.tool_call_id != answered]
        found.append(read)
    return found


def _read(message: ThreadMessage[ChatMessage], unanswered: Sequence[ToolCallBlock]) -> ChatMessage:
    if message.role == ASSISTANT:
        text, items = read_tool_calls(message.text)
        calls = [
            ToolCallBlock(
                # The same each time; its result may bring the real one.
                tool_call_id=item.get("id") or f"call_{message.run_id}_{at}",
                tool_name=item["name"],
                tool_kwargs=item["args"],
            )
            for at, item in enumerate(items)
        ]
        blocks = [TextBlock(text=text), *calls] if text or not calls else calls
        return ChatMessage(role=MessageRole.ASSISTANT, blocks=blocks)
    found = read_tool_result(message.text) if message.role != SYSTEM else None
    if found is not None:
        about, text = found
        by_id = (call for call in unanswered if call.tool_call_id == about.get("id"))
        by_name = (call for call in unanswered if call.tool_name == about.get("name"))
        call = next(by_id, None) or next(by_name, None)
        if call is not None:  # other LLMs refuse a result without its call
            call.tool_call_id = about.get("id") or call.tool_call_id
            known = {"tool_call_id": call.tool_call_id, "name": call.tool_name}
            return ChatMessage(role=MessageRole.TOOL, content=text, additional_kwargs=known)
    return ChatMessage(role=MessageRole(message.role), content=message.text)


def _tagged(copied: ChatMessage, kept: ThreadMessage[ChatMessage], thread_id: str | None) -> ChatMessage:
    tags: dict[str, Any] = {}
    if thread_id is not None:
        known: dict[str, Any] = {MESSAGE_ID: kept.id or kept.run_id}
        known |= {PERSISTED: kept.state is State.STORED, IN_FLIGHT: kept.state is State.IN_FLIGHT}
        tags = {THREAD_ID: thread_id} | {name: value for name, value in known.items() if value}
    copied.additional_kwargs = PlainKwargs(copied.additional_kwargs | tags)
    return copied


def tags_of(message: ChatMessage) -> Tags:
    """Return the tags of a message."""
    known, role = message.additional_kwargs, WIRE_ROLES[message.role]
    thread, is_stored, message_id = (known.get(name) for name in (THREAD_ID, PERSISTED, MESSAGE_ID))
    is_answer = not is_stored and message_id is None and thread is not None and known.get(RUN_THREAD_ID) == thread
    return Tags(
        thread if isinstance(thread, str) and thread else None,
        is_stored=bool(is_stored),
        is_answer=is_answer,
        role=role,
        text=text_in(message)[0] if role == SYSTEM else "",
        message_id=message_id,
        is_latest=bool(known.get(LATEST)),
        is_in_flight=bool(known.get(IN_FLIGHT)),
        has_calls=any(isinstance(block, ToolCallBlock) for block in message.blocks),
    )


def turn_of(messages: Sequence[ChatMessage], thread_id: object) -> Turn:
    """Return the messages of a call as the turn of a conversation."""
    return Turn(
        [tags_of(message) for message in messages],
        lambda positions, lines: convert_in(messages, positions, lines),
        None if thread_id is None else str(thread_id),
        Answers.COUNT,
        _late_question(messages),
    )


def _late_question(messages: Sequence[ChatMessage]) -> LateQuestion | None:
    """Return the last message if it is the question of a synthesis with one prompt and is in no memory yet.

    With several prompts, the answers are drafts but for the last one, which is not known beforehand.
    """
    (query, prompts), (thread, question) = _synthesis.get(), _expected.get()
    last = messages[-1] if messages else None
    if last is None or prompts != 1 or last.role != MessageRole.USER or THREAD_ID in last.additional_kwargs:
        return None
    return LateQuestion(thread if question == query else None) if last.content == query else None


def _unsent(message: ChatMessage, *, is_archived: bool) -> ThreadMessage[ChatMessage]:
    copied = message.model_copy(deep=True)
    copied.additional_kwargs = {name: each for name, each in copied.additional_kwargs.items() if name not in TAGS}
    for block in copied.blocks:
        if isinstance(block, TextBlock):  # a text that cannot be written as UTF-8 could not be saved, either
            block.text, problem = sendable(block.text)
            if problem is not None:
                copied.additional_kwargs[PROBLEM] = problem
    role = WIRE_ROLES[message.role]
    text, problem = text_in(copied)
    is_result = message.role in (MessageRole.TOOL, MessageRole.FUNCTION)
    calls = [block for block in message.blocks if isinstance(block, ToolCallBlock)]
    # A run that asks for calls gives them no ids.
    without_ids = [{"name": block.tool_name, "args": block.tool_kwargs} for block in calls]
    return ThreadMessage(
        role,
        text,
        State.WAITING if problem is None else State.UNSENDABLE,
        id=uuid4().hex,
        original=copied,
        run_id=_text_tag(message, RESPONSE_ID) if role == ASSISTANT else None,
        wordings=(tool_calls_text(message.content or "", without_ids),) if calls else (),
        tool_call_id=_text_tag(message, "tool_call_id") if is_result else None,
        is_archived=is_archived,
    )


def _text_tag(message: ChatMessage, key: str) -> str | None:
    value = message.additional_kwargs.get(key)
    return value if isinstance(value, str) and value else None
