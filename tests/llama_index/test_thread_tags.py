from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from llama_index.core.base.llms.types import ChatMessage
from llama_index.core.chat_engine import SimpleChatEngine
from llama_index.core.memory import ChatMemoryBuffer

from lumnisai_core.exceptions import ValidationError
from lumnisai_integrations.llama_index import LumnisLLM
from lumnisai_integrations.llama_index.lumnis.conversation import turn_of
from tests.llama_index.conftest import ANSWER, HELLO, Stage
from tests.llama_index.test_agents import multiply
from tests.llama_index.test_function_calling import calls, says


def tagged(
    role: str, text: str, thread: str | None = None, *, stored: bool = False, of_run: str | None = None
) -> ChatMessage:
    """A message with tags; ``of_run`` is the thread of the run whose answer it is."""
    tags: dict[str, Any] = {"lumnis_thread_id": thread} if thread else {}
    if stored:
        tags["lumnis_persisted"] = True
    if of_run:
        tags |= {"lumnis_response_id": "r1", "lumnis_run_thread_id": of_run}
    return ChatMessage(role=role, content=text, additional_kwargs=tags)


SYSTEM = tagged("system", "Be exact.")
STORED = [tagged("user", "one", "t1", stored=True), tagged("assistant", "1", "t1", stored=True)]
ANSWERED = [tagged("user", "one"), tagged("assistant", "1", "t1", of_run="t1")]
NEW = tagged("user", "two")


@pytest.mark.parametrize(
    ("messages", "thread_id", "expected"),
    [
        # Nothing is tagged: everything is sent.
        ([SYSTEM, NEW], None, (None, (0, 1))),
        ([SYSTEM, NEW], "t9", ("t9", (0, 1))),
        # What a thread holds is not sent to it again.
        ([SYSTEM, *STORED, NEW], None, ("t1", (0, 3))),
        ([SYSTEM, *STORED, NEW], "t1", ("t1", (0, 3))),
        # The thread that the caller names wins, and gets everything.
        ([SYSTEM, *STORED, NEW], "t9", ("t9", (0, 1, 2, 3))),
        ([tagged("user", "one", "t1"), NEW], None, ("t1", (0, 1))),
        # An answer by itself continues nothing, but its thread holds what led to it, except for the system's messages.
        ([SYSTEM, *ANSWERED, NEW], None, (None, (0, 1, 2, 3))),
        ([SYSTEM, *ANSWERED, NEW], "t1", ("t1", (0, 3))),
        ([SYSTEM, *ANSWERED, NEW], "t9", ("t9", (0, 1, 2, 3))),
        (
            [*STORED, SYSTEM, NEW, tagged("assistant", "2", "t1", of_run="t1"), tagged("tool", "x")],
            None,
            ("t1", (2, 5)),
        ),
        # An answer that was moved to another thread is not part of that one.
        ([tagged("user", "one", "t2"), tagged("assistant", "1", "t2", of_run="t1"), NEW], None, ("t2", (0, 1, 2))),
        # The last thread that is named counts.
        ([*STORED, tagged("user", "a", "t2", stored=True), NEW], None, ("t2", (0, 1, 3))),
    ],
)
def test_tags_name_the_thread_and_what_it_holds(
    messages: list[ChatMessage], thread_id: str | None, expected: tuple[Any, ...]
) -> None:
    """The messages themselves stay as they are."""
    before = [message.model_copy(deep=True) for message in messages]
    continued = turn_of(messages, thread_id).decide()
    assert (continued.thread_id, continued.send) == expected
    assert messages == before


def _first_turn(llm: LumnisLLM) -> tuple[str, list[ChatMessage]]:
    asked = ChatMessage(content="My name is Ada.")
    answer = llm.chat([asked])
    thread = answer.additional_kwargs["thread_id"]
    tags = {"lumnis_thread_id": thread, "lumnis_persisted": True}
    return thread, [message.model_copy(update={"additional_kwargs": dict(tags)}) for message in (asked, answer.message)]


@pytest.mark.parametrize("call", ["chat", "stream_chat"])
def test_a_tagged_conversation_continues_its_thread(llm: LumnisLLM, stage: Stage, call: str) -> None:
    """Only the new message is sent, and the agent has the whole conversation before it."""
    thread, history = _first_turn(llm)
    done = getattr(llm, call)([*history, ChatMessage(content="What is my name?")])
    answer = done if call == "chat" else list(done)[-1]
    assert answer.additional_kwargs["thread_id"] == thread
    assert [item.content for item in stage.requests[-1].input_messages] == ["What is my name?"]
    assert [item.content for item in stage.requests[-1].messages] == ["My name is Ada.", ANSWER, "What is my name?"]


async def test_a_tagged_conversation_continues_its_thread_async(llm: LumnisLLM, stage: Stage) -> None:
    """So do the asynchronous calls."""
    thread, history = _first_turn(llm)
    for _ in range(2):
        assert (await llm.achat([*history, *HELLO])).additional_kwargs["thread_id"] == thread
    assert {len(request.input_messages) for request in stage.requests} == {1}


def test_nothing_new(llm: LumnisLLM, stage: Stage) -> None:
    """A conversation of which the thread holds everything raises before anything is sent."""
    _, history = _first_turn(llm)
    with pytest.raises(ValidationError, match="already holds all 2 messages"):
        llm.chat(history)
    assert len(stage.requests) == 1


def test_answers_say_where_they_are_from(llm: LumnisLLM) -> None:
    """The assistant's message carries its run and its thread, streamed or not."""
    for answer in (llm.chat(HELLO), list(llm.stream_chat(HELLO))[-1]):
        known = answer.message.additional_kwargs
        assert known["lumnis_response_id"] == answer.additional_kwargs["response_id"]
        assert known["lumnis_thread_id"] == answer.additional_kwargs["thread_id"]


def test_a_chat_engine_on_a_thread_sends_each_message_once(make: Callable[..., LumnisLLM], stage: Stage) -> None:
    """With a thread of its own, an LLM sends the engine's new message only; the thread has the others."""
    thread = make().chat([ChatMessage(content="Hi.")]).additional_kwargs["thread_id"]
    memory = ChatMemoryBuffer.from_defaults(token_limit=3000)
    engine = SimpleChatEngine.from_defaults(llm=make(thread_id=thread), memory=memory)
    for turn in ("One?", "Two?"):
        engine.chat(turn)
        assert [item.content for item in stage.requests[-1].input_messages] == [turn]
    assert [item.content for item in stage.requests[-1].messages] == ["Hi.", ANSWER, "One?", ANSWER, "Two?"]


def test_steps_of_an_agent_on_a_thread(llm: LumnisLLM, stage: Stage) -> None:
    """After a call of a tool only its result is sent."""
    stage.play(calls(("multiply", {"a": 6, "b": 7})), says("42"))
    first = llm.chat_with_tools([], "Hi.")
    thread = first.additional_kwargs["thread_id"]
    history = [SYSTEM, tagged("user", "6 times 7?", thread)]
    asked = llm.chat(history, tools=[{"name": "multiply"}])
    result = ChatMessage(role="tool", content=str(multiply(6, 7)), additional_kwargs={"tool_call_id": "c"})
    answer = llm.chat([*history, asked.message, result], tools=[{"name": "multiply"}])
    assert answer.additional_kwargs["thread_id"] == thread
    sent = [item.content for item in stage.requests[-1].input_messages]
    assert [text.splitlines()[1] for text in sent] == ["42"]
