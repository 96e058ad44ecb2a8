from __future__ import annotations

from collections.abc import Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st
from llama_index.core.base.llms.types import ChatMessage, ImageBlock, MessageRole, ToolCallBlock

from lumnisai_core import Message, ResponseObject
from lumnisai_integrations.llama_index.conversation import Conversation
from lumnisai_integrations.llama_index.thread_news import News

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


def message(role: str, text: str, **tags: object) -> ChatMessage:
    return ChatMessage(role=role, content=text, additional_kwargs=tags)


def begun(*messages: ChatMessage) -> Conversation:
    """A conversation whose thread is new, with messages that a run is about to take along."""
    return Conversation().put(messages).accept([])


def shown(conversation: Conversation) -> list[tuple[str, str, bool]]:
    return [
        (each.role.value, each.content or "", each.additional_kwargs.get("lumnis_persisted", False))
        for each in conversation.messages("t-1")
    ]


CALL = ToolCallBlock(tool_call_id="call_1", tool_name="add", tool_kwargs={"a": 1})
#: What was put, the run that took it along, and what then is still to be sent.
CASES = {
    "the same text": ([("user", "Hi")], run_of("r", [("user", "Hi")], "Hello"), []),
    "only the question": ([("user", "Hi"), ("user", "Again")], run_of("r", [("user", "Hi")], "Hello"), ["Again"]),
    "a question said twice": ([("user", "Hi"), ("user", "Hi")], run_of("r", [("user", "Hi")], "Hello"), ["Hi"]),
    "other white space": ([("user", " Hi\n you ")], run_of("r", [("user", "Hi you")], "Hello"), []),
    "a question in a prompt": ([("user", "Hi")], run_of("r", [("user", "State: 1\nMessage:\nHi\n")], "Hello"), []),
    "part of another word": ([("user", "Hi")], run_of("r", [("user", "High tide?")], "Noon"), ["Hi"]),
    "another role": ([("assistant", "Hi")], run_of("r", [("user", "Hi")], "Hello"), ["Hi"]),
    "reasoning that ends in the answer": (
        [("user", "Hi"), ("assistant", "Thought: x\nAnswer: Hello")],
        run_of("r", [("user", "Hi")], "Hello"),
        [],
    ),
    "reasoning that goes on": (
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
def test_what_a_run_took_along_no_longer_waits(case: str) -> None:
    """By its text, in order, each once; what the thread does not hold is kept."""
    put, run, left = CASES[case]
    conversation = begun(*(message(role, text) for role, text in put)).accept([run])
    assert [text for _, text, is_stored in shown(conversation) if not is_stored] == left


def test_an_empty_answer_keeps_its_place() -> None:
    """One that was put is found by its run; one that nobody put is not shown."""
    conversation = begun(message("user", "Hi"), message("assistant", "", lumnis_response_id="r1"))
    conversation = conversation.accept([run_of("r1", [("user", "Hi")], "")])
    conversation = conversation.accept([run_of("r2", [("user", "Well?")], None)])
    assert shown(conversation) == [("user", "Hi", True), ("assistant", "", True), ("user", "Well?", True)]


def test_an_answer_is_found_by_its_run() -> None:
    """Whatever became of its text; and with it the question, although the thread was not read before."""
    conversation = Conversation().put([message("user", "Hi"), message("assistant", "?", lumnis_response_id="r")])
    conversation = conversation.accept([run_of("r", [("user", "Hi")], "Hello")])
    assert shown(conversation) == [("user", "Hi", True), ("assistant", "?", True)]


def test_tool_calls_and_results_are_found_by_their_ids() -> None:
    """They come from several runs, which were read before the agent put them."""
    calls = [{"name": "add", "args": {"a": 1}}]
    result = '{"tool_result": {"name": null, "id": "call_1", "status": "success"}}\n2\n[end of tool result]'
    runs = [
        run_of("r-2", [("user", result)], structured={"content": "2"}),
        run_of("r-1", [("user", "1+1?")], structured={"tool_calls": calls}),
    ]
    conversation = begun(message("user", "1+1?")).accept(runs[1:]).accept(runs)
    asked = ChatMessage(role="assistant", blocks=[CALL], additional_kwargs={"lumnis_response_id": "r-1"})
    put = [asked, message("tool", "2", tool_call_id="call_1"), message("assistant", "2", lumnis_response_id="r-2")]
    kept = conversation.put(put).accept(runs).messages("t-1")
    assert [each.role for each in kept] == [MessageRole.USER, MessageRole.ASSISTANT, MessageRole.TOOL, "assistant"]
    assert all(each.additional_kwargs["lumnis_persisted"] for each in kept)
    assert kept[1].blocks == [CALL]


def test_tool_calls_without_a_run_are_found_by_name_and_arguments() -> None:
    """As other wrappers of the LLM leave them."""
    run = run_of("r", [("user", "1+1?")], structured={"tool_calls": [{"name": "add", "args": {"a": 1}}]})
    put = [message("user", "1+1?"), ChatMessage(role="assistant", blocks=[CALL])]
    assert all(is_stored for *_, is_stored in shown(begun(*put).accept([run])))


def test_turns_of_others_are_shown_without_their_instructions() -> None:
    """Engines give these to each run anew."""
    run = run_of("r", [("system", "Be kind."), ("user", "Hi")], "Hello")
    assert shown(Conversation().accept([run])) == [("user", "Hi", True), ("assistant", "Hello", True)]


def test_runs_count_once() -> None:
    """However often, and however old, they are handed in."""
    first, second = run_of("r-1", [("user", "1")], "one"), run_of("r-2", [("user", "2")], "two")
    conversation = Conversation().accept([second, first])
    assert conversation.accept([second, first]).accept([first]).stored == conversation.stored


def test_a_run_that_ends_late_is_found() -> None:
    """Its messages come after what was read meanwhile."""
    early, late = run_of("r-1", [("user", "1")], status="in_progress"), run_of("r-2", [("user", "2")], "two")
    conversation = begun(message("user", "1"), message("user", "2")).accept([late, early])
    assert [text for *_, text, is_stored in shown(conversation) if not is_stored] == ["1"]
    news = News(conversation)
    news.take([late])
    assert not news.is_complete  # the run under way is older
    news.take([run_of("r-1", [("user", "1")], "one")])
    assert news.is_complete
    assert [text for _, text, is_stored in shown(conversation.accept(news.runs)) if is_stored] == [
        "2",
        "two",
        "1",
        "one",
    ]


def test_news_end_with_a_page_that_brings_none() -> None:
    """So they do when a thread is read for the first time, whatever the service calls a full page."""
    news = News(Conversation())
    runs = [run_of(str(number), []) for number in range(3)]
    for page in (runs[:2], runs[2:], []):
        assert not news.is_complete
        news.take(page)
    assert news.is_complete
    assert news.offset == 3
    assert news.runs == runs


def test_a_question_without_an_answer_is_new() -> None:
    """Even if another copy of the conversation has just said the same."""
    run = run_of("r", [("user", "Go on")], "Right")
    put = begun().put([message("user", "Go on")])
    assert [each.message.content for each in put.accept([run], with_answers=True).pending] == ["Go on"]
    answered = put.put([message("assistant", "Right")])
    assert answered.accept([run], with_answers=True).pending == ()


def test_messages_that_cannot_be_sent_stay() -> None:
    """The LLM explains what is wrong with them."""
    picture = ChatMessage(role="user", blocks=[ImageBlock(url="https://example.com/a.png")])
    conversation = begun(picture).accept([run_of("r", [("user", "Hi")], "Hello")])
    assert [each.message.blocks for each in conversation.pending] == [picture.blocks]


@given(st.lists(st.tuples(st.sampled_from(["Yes", "No", "Yes sir"]), st.booleans()), max_size=12), st.data())
def test_every_message_is_sent_once(turns: list[tuple[str, bool]], data: st.DataObject) -> None:
    """With runs that fail or succeed, and readings in between: the thread ends up with each question, in order."""
    conversation = Conversation().accept([])
    thread: list[ResponseObject] = []
    for number, (text, succeeds) in enumerate([*turns, ("Last", True)]):
        conversation = conversation.put([message("user", text)]).accept(thread[::-1], with_answers=True)
        sent = [("user", each.message.content or "") for each in conversation.pending]
        thread.append(run_of(f"r-{number}", sent, "Yes", status="succeeded" if succeeds else "failed"))
        if data.draw(st.booleans()):
            conversation = conversation.accept(thread[::-1], with_answers=True)
    held = [sent.content for run in thread if run.status == "succeeded" for sent in run.input_messages]
    assert held == [*(text for text, _ in turns), "Last"]


def test_what_replaces_a_conversation_continues_it_only_if_it_holds_all() -> None:
    """Not while a run is under way, whose messages the thread will hold too."""
    done, open_run = run_of("r-1", [("user", "1")], "one"), run_of("r-2", [("user", "2")], status="in_progress")
    conversation = Conversation().accept([done])
    kept = conversation.messages("t-1")
    continued = conversation.replaced([*kept, message("user", "2")], "t-1")
    assert continued is not None
    assert shown(continued) == [("user", "1", True), ("assistant", "one", True), ("user", "2", False)]
    assert conversation.replaced(kept[:1], "t-1") is None
    assert conversation.replaced([message("user", "0"), *kept], "t-1") is None
    assert conversation.replaced(kept, "t-2") is None
    assert conversation.accept([open_run, done]).replaced(kept, "t-1") is None
