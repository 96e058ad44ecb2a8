"""Messages of LlamaIndex as messages of a conversation, and which of them a run has stored."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import replace

import pytest
from llama_index.core.base.llms.types import ChatMessage, ImageBlock, MessageRole, ToolCallBlock

from lumnisai_core import Message, ResponseObject
from lumnisai_integrations._shared.conversation import Conversation
from lumnisai_integrations.llama_index.lumnis.conversation import ChatConversation, chat_messages, put, replaced

Turns = Sequence[tuple[str, str]]


def run_of(
    response_id: str,
    sent: Turns,
    answer: str | None = None,
    *,
    status: str = "succeeded",
    structured: dict[str, object] | None = None,
) -> ResponseObject:
    messages = [Message(role=role, content=text) for role, text in sent]
    return ResponseObject(
        response_id=response_id,
        status=status,
        input_messages=messages,
        output_text=answer,
        structured_response=structured,
    )


ON_THREAD: ChatConversation = Conversation("t-1")


def message(role: str, text: str, **tags: object) -> ChatMessage:
    return ChatMessage(role=role, content=text, additional_kwargs=tags)


def begun(*messages: ChatMessage) -> ChatConversation:
    """A conversation whose thread is new, with messages for its first run."""
    return put(Conversation(), messages).begin("t-1")


def accept(conversation: ChatConversation, *runs: ResponseObject, questions_first: bool = False) -> ChatConversation:
    """The conversation after its thread was read, the newest run first."""
    return conversation.accept(conversation.thread_id, runs, questions_first=questions_first)


def shown(conversation: ChatConversation) -> list[tuple[str, str, bool]]:
    return [
        (each.role.value, each.content or "", each.additional_kwargs.get("lumnis_persisted", False))
        for each in chat_messages(conversation)
    ]


CALL = ToolCallBlock(tool_call_id="call_1", tool_name="add", tool_kwargs={"a": 1})
#: The messages that were put, the next run, and the texts that are still to be sent.
CASES = {
    "the same text": ([("user", "Hi")], run_of("r", [("user", "Hi")], "Hello"), []),
    "only the question": ([("user", "Hi"), ("user", "Again")], run_of("r", [("user", "Hi")], "Hello"), ["Again"]),
    "a question put twice": ([("user", "Hi"), ("user", "Hi")], run_of("r", [("user", "Hi")], "Hello"), ["Hi"]),
    "other white space": ([("user", " Hi\n you ")], run_of("r", [("user", "Hi you")], "Hello"), []),
    "a question in a prompt": ([("user", "Hi")], run_of("r", [("user", "State: 1\nMessage:\nHi\n")], "Hello"), []),
    "part of another word": ([("user", "Hi")], run_of("r", [("user", "High tide?")], "Noon"), ["Hi"]),
    "another role": ([("assistant", "Hi")], run_of("r", [("user", "Hi")], "Hello"), ["Hi"]),
    "reasoning that ends in the answer": (
        [("user", "Hi"), ("assistant", "Thought: x\nAnswer: Hello")],
        run_of("r", [("user", "Hi")], "Hello"),
        [],
    ),
    "reasoning that continues after the answer": (
        [("user", "Hi"), ("assistant", "Hello\nObservation: 42")],
        run_of("r", [("user", "Hi")], "Hello"),
        ["Hello\nObservation: 42"],
    ),
    "the end of the answer": (
        [("user", "Hi"), ("assistant", "Hello")],
        run_of("r", [("user", "Hi")], "Thought: x\nAnswer: Hello"),
        [],
    ),
    "an answer in an object": (
        [("user", "Hi"), ("assistant", "Hello")],
        run_of("r", [("user", "Hi")], '{"content": "Hello"}', structured={"content": "Hello"}),
        [],
    ),
    "an instruction": ([("system", "Be kind."), ("user", "Hi")], run_of("r", [("system", "Be kind.")], "OK"), ["Hi"]),
    "a run that failed": ([("user", "Hi")], run_of("r", [("user", "Hi")], status="failed"), ["Hi"]),
    "a run under way": ([("user", "Hi")], run_of("r", [("user", "Hi")], status="in_progress"), ["Hi"]),
    "an empty text": ([("user", "")], run_of("r", [("user", "")], "Hello"), []),
    "an empty text next to others": ([("user", "")], run_of("r", [("user", "Hi")], "Hello"), [""]),
}


@pytest.mark.parametrize("case", CASES)
def test_what_a_run_stored_no_longer_waits(case: str) -> None:
    """By its text, in order, each once; what the thread does not hold is kept."""
    messages, run, left = CASES[case]
    conversation = accept(begun(*(message(role, text) for role, text in messages)), run)
    assert [text for _, text, is_stored in shown(conversation) if not is_stored] == left


def test_an_empty_answer_keeps_its_place() -> None:
    """One that was put is found by its run; one that nobody put is not shown."""
    conversation = begun(message("user", "Hi"), message("assistant", "", lumnis_response_id="r1"))
    conversation = accept(conversation, run_of("r1", [("user", "Hi")], ""))
    conversation = accept(conversation, run_of("r2", [("user", "Well?")], None))
    assert shown(conversation) == [("user", "Hi", True), ("assistant", "", True), ("user", "Well?", True)]


def test_an_answer_is_found_by_its_run() -> None:
    """Whatever its text is now; and with it the question, although the thread was not read before."""
    conversation = put(ON_THREAD, [message("user", "Hi"), message("assistant", "?", lumnis_response_id="r")])
    conversation = accept(conversation, run_of("r", [("user", "Hi")], "Hello"))
    assert shown(conversation) == [("user", "Hi", True), ("assistant", "?", True)]


def test_tool_calls_and_results_are_found_by_their_ids() -> None:
    """They come from several runs, which were read before the agent put them."""
    calls = [{"name": "add", "args": {"a": 1}}]
    result = '{"tool_result": {"name": null, "id": "call_1", "status": "success"}}\n2\n[end of tool result]'
    runs = [
        run_of("r-2", [("user", result)], structured={"content": "2"}),
        run_of("r-1", [("user", "1+1?")], structured={"tool_calls": calls}),
    ]
    conversation = accept(accept(begun(message("user", "1+1?")), *runs[1:]), *runs)
    asked = ChatMessage(role="assistant", blocks=[CALL], additional_kwargs={"lumnis_response_id": "r-1"})
    steps = [asked, message("tool", "2", tool_call_id="call_1"), message("assistant", "2", lumnis_response_id="r-2")]
    kept = chat_messages(accept(put(conversation, steps), *runs))
    assert [each.role for each in kept] == [MessageRole.USER, MessageRole.ASSISTANT, MessageRole.TOOL, "assistant"]
    assert all(each.additional_kwargs["lumnis_persisted"] for each in kept)
    assert kept[1].blocks == [CALL]


@pytest.mark.parametrize("call_id", [None, "call_1"])
def test_tool_calls_without_a_run_are_found_by_name_and_arguments(call_id: str | None) -> None:
    """As other wrappers of the LLM leave them, and as they were sent for another LLM, with their ids."""
    call = {"name": "add", "args": {"a": 1}}
    messages = [message("user", "1+1?"), ChatMessage(role="assistant", blocks=[CALL])]
    if call_id is None:
        run = run_of("r", [("user", "1+1?")], structured={"tool_calls": [call]})
    else:
        written = json.dumps({"tool_calls": [{"id": call_id, **call}]})
        run = run_of("r", [("user", "1+1?"), ("assistant", written)], "Well?")
    assert all(is_stored for *_, is_stored in shown(accept(begun(*messages), run)))


def test_turns_of_others_are_shown_without_their_instructions() -> None:
    """Engines give these to each run anew."""
    run = run_of("r", [("system", "Be kind."), ("user", "Hi")], "Hello")
    assert shown(accept(ON_THREAD, run)) == [("user", "Hi", True), ("assistant", "Hello", True)]


def test_runs_count_once() -> None:
    """However often, and however old, they are handed in."""
    first, second = run_of("r-1", [("user", "1")], "one"), run_of("r-2", [("user", "2")], "two")
    conversation = accept(ON_THREAD, second, first)
    assert accept(accept(conversation, second, first), first).stored == conversation.stored


def test_a_run_that_ends_late_is_found() -> None:
    """Its messages come after what was read meanwhile."""
    early, late = run_of("r-1", [("user", "1")], status="in_progress"), run_of("r-2", [("user", "2")], "two")
    conversation = accept(begun(message("user", "1"), message("user", "2")), late, early)
    assert [text for *_, text, is_stored in shown(conversation) if not is_stored] == ["1"]
    done = accept(conversation, late, run_of("r-1", [("user", "1")], "one"))
    assert [text for _, text, is_stored in shown(done) if is_stored] == ["2", "two", "1", "one"]


def test_a_question_without_an_answer_is_new() -> None:
    """Even if another copy of the conversation has just asked the same."""
    run = run_of("r", [("user", "Go on")], "Right")
    asked = put(begun(), [message("user", "Go on")])
    assert [each.text for each in accept(asked, run, questions_first=True).unsent] == ["Go on"]
    answered = put(asked, [message("assistant", "Right")])
    assert accept(answered, run, questions_first=True).unsent == ()


def test_messages_that_cannot_be_sent_stay() -> None:
    """The LLM explains what is wrong with them."""
    picture = ChatMessage(role="user", blocks=[ImageBlock(url="https://example.com/a.png")])
    conversation = accept(begun(picture), run_of("r", [("user", "Hi")], "Hello"))
    assert [each.original for each in conversation.unsent] == [picture]


def test_what_replaces_a_conversation_continues_it_only_if_it_holds_all() -> None:
    """Not while a run is under way, whose messages the thread will hold too."""
    done, open_run = run_of("r-1", [("user", "1")], "one"), run_of("r-2", [("user", "2")], status="in_progress")
    conversation = accept(ON_THREAD, done)
    kept = chat_messages(conversation)
    continued = replaced(conversation, [*kept, message("user", "2")])
    assert continued.thread_id == "t-1"
    assert shown(continued) == [("user", "1", True), ("assistant", "one", True), ("user", "2", False)]
    for other in (
        replaced(conversation, kept[:1]),
        replaced(conversation, [message("user", "0"), *kept]),
        replaced(replace(conversation, thread_id="t-2"), kept),
        replaced(accept(conversation, open_run, done), kept),
    ):
        assert other.thread_id is None
        assert not any(is_stored for *_, is_stored in shown(other))
