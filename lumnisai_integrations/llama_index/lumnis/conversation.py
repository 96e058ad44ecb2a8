"""Messages of LlamaIndex as messages of a conversation, and back; their tags. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from llama_index.core.base.llms.types import ChatMessage, MessageRole, ToolCallBlock
from llama_index.core.storage.chat_store.base_db import MessageStatus

from lumnisai_core.exceptions import ValidationError
from lumnisai_integrations._shared.conversation import (
    ASSISTANT,
    PERSISTED,
    SYSTEM,
    THREAD_ID,
    Answers,
    Continuation,
    Conversation,
    State,
    Tags,
    ThreadMessage,
    continue_thread,
)
from lumnisai_integrations._shared.tools import tool_calls_text
from lumnisai_integrations.llama_index.lumnis.convert import RESPONSE_ID, RUN_THREAD_ID, WIRE_ROLES, convert_in

ChatConversation = Conversation[ChatMessage]


def put(
    conversation: ChatConversation, messages: Iterable[ChatMessage], *, is_archived: bool = False
) -> ChatConversation:
    """Return a conversation with more unsent messages. It holds copies of them."""
    return conversation.put(_unsent(message, is_archived=is_archived) for message in messages)


def replaced(
    conversation: ChatConversation, messages: Sequence[ChatMessage], *, is_archived: bool = False
) -> ChatConversation:
    """Return a conversation with other messages; without a thread if its thread holds any that is missing there."""
    thread_id, tags = conversation.thread_id, map(tags_of, messages)
    are_stored = [each.is_stored and each.thread_id == thread_id is not None for each in tags]
    return conversation.replaced([_unsent(each, is_archived=is_archived) for each in messages], are_stored)


def chat_messages(conversation: ChatConversation, status: MessageStatus | None = None) -> list[ChatMessage]:
    """Return copies of the messages of a conversation, each with the tags of its thread."""
    return [
        tagged(
            each.original or ChatMessage(role=MessageRole(each.role), content=each.text),
            conversation.thread_id,
            is_stored=each.state is State.STORED,
        )
        for each in conversation.messages
        if status is None or status_of(each) == status
    ]


def status_of(message: ThreadMessage[ChatMessage]) -> MessageStatus:
    """Return whether a message is part of the queue of LlamaIndex' ``Memory``."""
    return MessageStatus.ARCHIVED if message.is_archived else MessageStatus.ACTIVE


def tagged(message: ChatMessage, thread_id: str | None, *, is_stored: bool) -> ChatMessage:
    """Return a copy of a message with the tags of its thread."""
    copied = message.model_copy(deep=True)
    if thread_id is not None:
        copied.additional_kwargs[THREAD_ID] = thread_id
        if is_stored:
            copied.additional_kwargs[PERSISTED] = True
    return copied


def tags_of(message: ChatMessage) -> Tags:
    """Return the tags of a message."""
    known = message.additional_kwargs
    thread, is_stored = known.get(THREAD_ID), bool(known.get(PERSISTED))
    return Tags(
        thread if isinstance(thread, str) and thread else None,
        is_stored=is_stored,
        is_answer=not is_stored and thread is not None and known.get(RUN_THREAD_ID) == thread,
        is_instruction=WIRE_ROLES[message.role] == SYSTEM,
    )


def continuation(messages: Sequence[ChatMessage], thread_id: object) -> Continuation:
    """Return the thread that a call continues and the messages that are not stored there yet."""
    named = None if thread_id is None else str(thread_id)
    return continue_thread([tags_of(message) for message in messages], thread_id=named, answers=Answers.COUNT)


def _unsent(message: ChatMessage, *, is_archived: bool) -> ThreadMessage[ChatMessage]:
    copied = message.model_copy(deep=True)
    for key in (THREAD_ID, PERSISTED):
        copied.additional_kwargs.pop(key, None)
    role, state = WIRE_ROLES[message.role], State.WAITING
    is_result = message.role in (MessageRole.TOOL, MessageRole.FUNCTION)
    try:
        text = convert_in([message])[0]["content"]
    except ValidationError:  # the LLM explains what is wrong with it
        text, state = "", State.UNSENDABLE
    calls = [block for block in message.blocks if isinstance(block, ToolCallBlock)]
    # A run that asks for calls gives them no ids.
    without_ids = [{"name": block.tool_name, "args": block.tool_kwargs} for block in calls]
    wordings = (tool_calls_text(message.content or "", without_ids),) if calls else ()
    return ThreadMessage(
        role,
        text,
        state,
        original=copied,
        run_id=_text_tag(message, RESPONSE_ID) if role == ASSISTANT else None,
        wordings=wordings,
        tool_call_id=_text_tag(message, "tool_call_id") if is_result else None,
        is_archived=is_archived,
    )


def _text_tag(message: ChatMessage, key: str) -> str | None:
    value = message.additional_kwargs.get(key)
    return value if isinstance(value, str) and value else None
