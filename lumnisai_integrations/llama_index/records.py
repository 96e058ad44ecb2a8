"""Which waiting messages of a conversation a thread of the service holds. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, ClassVar

from llama_index.core.base.llms.types import ChatMessage, MessageRole, ToolCallBlock
from llama_index.core.storage.chat_store.base_db import MessageStatus
from pydantic import BaseModel, ConfigDict

from lumnisai_core.exceptions import ValidationError
from lumnisai_integrations._shared.tools import tool_calls_text
from lumnisai_integrations.llama_index.convert import convert_in

_TOOL_RESULT = '{"tool_result"'


class Record(BaseModel):
    """One message of a conversation.

    Attributes:
        message: The message, without tags.
        status: Whether it is part of the queue or archived.
        response_id: The run that brought it to the thread; for a message that waits, the run it is known to answer.
        is_own: Whether it was put, rather than only read from the thread.
        after: For a message that waits: how many messages the thread held when the exchange began, so that a text
            which was said before counts as new.
        is_new: For a message that waits: whether the thread was not read since it was put.
    """

    model_config: ClassVar[ConfigDict] = ConfigDict(frozen=True)

    message: ChatMessage
    status: MessageStatus = MessageStatus.ACTIVE
    response_id: str | None = None
    is_own: bool = False
    after: int = 0
    is_new: bool = False


def places_of(waiting: Sequence[Record], stored: Sequence[Record]) -> dict[int, int]:
    """Say which waiting messages a thread holds, as positions in the one and in the other.

    Each stored message counts once. Answers are found by their run and tool results by the id of their call. Other
    messages are found in order and by their text, among what is newer than their exchange or of a run that a waiting
    message answers: first by the same text, then by one that wraps it, as agents that add their state to a question.
    """
    board = _Board(waiting, stored)
    places: dict[int, int] = {}
    last = -1
    for at, record in enumerate(waiting):
        place = board.certain(record)
        if place is None:
            place = board.alike(record, newer_than=last)
        if place is not None:
            board.take(place)
            places[at], last = place, max(last, place)
    return places


class _Board:
    """The stored messages that are not found yet, by what they can be found by."""

    def __init__(self, waiting: Sequence[Record], stored: Sequence[Record]) -> None:
        self._stored = stored
        self._answered = {record.response_id for record in waiting} - {None}
        self._free = dict.fromkeys(at for at, record in enumerate(stored) if not record.is_own)
        self._answers: dict[str | None, int] = {}
        self._results: list[int] = []
        self._by_words: dict[tuple[MessageRole, str], list[int]] = {}
        for at in self._free:
            role, text = stored[at].message.role, stored[at].message.content or ""
            self._by_words.setdefault((role, _words(text)), []).append(at)
            if role == MessageRole.ASSISTANT:
                self._answers[stored[at].response_id] = at
            elif text.startswith(_TOOL_RESULT):
                self._results.append(at)

    def take(self, place: int) -> None:
        del self._free[place]

    def certain(self, record: Record) -> int | None:
        """Find a message by its run or the id of its call."""
        place = None
        if record.response_id is not None:
            place = self._answers.get(record.response_id)
        elif call_id := _call_answered_by(record.message):
            place = next((at for at in self._results if at in self._free and call_id in self._head(at)), None)
        return place if place in self._free else None

    def alike(self, record: Record, *, newer_than: int) -> int | None:
        """Find a message by its text, in order."""
        text, role = _text(record.message), wire_role(record.message)
        if text is None:
            return None
        text = text.strip()

        def is_open(at: int) -> bool:
            is_newer = at >= record.after or self._stored[at].response_id in self._answered
            return at > newer_than and is_newer and at in self._free

        same = self._by_words.get((role, _words(text)), ())
        place = next((at for at in same if is_open(at)), None)
        if place is None and text:
            begin = max(newer_than + 1, 0 if self._answered else record.after)
            others = (
                at for at in range(begin, len(self._stored)) if self._stored[at].message.role == role and is_open(at)
            )
            place = next((at for at in others if _is_within(text, self._stored[at].message)), None)
        return place

    def _head(self, at: int) -> str:
        return (self._stored[at].message.content or "").partition("\n")[0]


def wire_role(message: ChatMessage) -> MessageRole:
    """Return the role that a message has on a thread."""
    if message.role in (MessageRole.SYSTEM, MessageRole.DEVELOPER):
        return MessageRole.SYSTEM
    if message.role in (MessageRole.ASSISTANT, MessageRole.CHATBOT, MessageRole.MODEL):
        return MessageRole.ASSISTANT
    return MessageRole.USER


def _call_answered_by(message: ChatMessage) -> str | None:
    call_id = message.additional_kwargs.get("tool_call_id")
    is_result = message.role in (MessageRole.TOOL, MessageRole.FUNCTION)
    return call_id if is_result and isinstance(call_id, str) and call_id else None


def _is_within(text: str, stored: ChatMessage) -> bool:
    held = (stored.content or "").strip()
    if not held:
        return False
    if stored.role == MessageRole.ASSISTANT:
        # ReAct agents keep all reasoning up to the answer; others keep only the last part of what was answered.
        one, other = f" {_words(text)}", f" {_words(held)}"
        return one.endswith(other) or other.endswith(one)
    return f"\n{text}\n" in f"\n{held}\n"


def _text(message: ChatMessage) -> str | None:
    calls = [block for block in message.blocks if isinstance(block, ToolCallBlock)]
    if calls:
        return tool_calls_text(message.content or "", [_call(block) for block in calls])
    try:
        return convert_in([message])[0]["content"]
    except ValidationError:  # nothing that a run could have taken along
        return None


def _call(block: ToolCallBlock) -> dict[str, Any]:
    return {"name": block.tool_name, "args": block.tool_kwargs}


def _words(text: str) -> str:
    return " ".join(text.split())
