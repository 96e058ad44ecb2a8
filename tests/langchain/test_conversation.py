"""Messages of a history that wait for the next run and those that do not, without a service."""

from __future__ import annotations

from typing import Any

import pytest
from langchain_core.messages import AIMessage, BaseMessage, HumanMessage, SystemMessage, ToolMessage

from lumnisai_core import ResponseObject
from lumnisai_core.tools import tool_calls_text, tool_result_text
from lumnisai_integrations.langchain.lumnis.conversation import HistoryState, stored_messages
from lumnisai_integrations.langchain.lumnis.convert import convert_out

YES, NO = HumanMessage("yes"), HumanMessage("no")


def run(number: int, *sent: str, answer: str | None = "OK.", **fields: Any) -> ResponseObject:
    """A run that succeeded; ``"role:text"`` is a message of that role."""
    pairs = [text.split(":", 1) if ":" in text[:10] else ["user", text] for text in sent]
    return ResponseObject.model_validate(
        {
            "response_id": f"r{number}",
            "thread_id": "t",
            "status": "succeeded",
            "input_messages": [{"role": role, "content": text} for role, text in pairs],
            "output_text": answer,
            "created_at": f"2026-03-02T09:{number:02}:00+00:00",
        }
        | fields
    )


class Service:
    """Runs of one thread, and a conversation that reads them."""

    def __init__(self, *runs: ResponseObject, thread_id: str | None = "t") -> None:
        self.runs = list(runs)
        self.state = HistoryState(thread_id)

    def read(self) -> tuple[str | None, list[ResponseObject]]:
        return self.state.conversation.thread_id, self.runs[::-1]

    def messages(self) -> list[BaseMessage]:
        return self.state.messages(*self.read())

    def add(self, *messages: BaseMessage) -> None:
        _, must_read = self.state.start_adding(messages)
        self.state.add(messages, *(self.read() if must_read else ()))

    def waiting(self) -> list[str]:
        return [str(m.content) for m in self.messages() if not m.additional_kwargs.get("lumnis_persisted")]


def test_an_old_answer_is_not_taken_for_a_new_one() -> None:
    """Not after the first reading of a thread, and not after the answer was added."""
    service = Service(run(1, "yes"))
    assert service.waiting() == []
    service.add(NO, AIMessage("OK."))
    assert service.waiting() == ["no", "OK."]


def test_an_answer_that_was_added_is_not_found_again() -> None:
    """Neither by its run nor by its text: the same words once more are another turn."""
    service = Service(thread_id="t")
    service.messages()
    service.runs.append(run(1, "yes"))
    service.add(YES, convert_out(service.runs[0]))
    assert service.waiting() == []  # which shows the answer for the first time
    service.add(NO, AIMessage("OK."))
    assert service.waiting() == ["no", "OK."]


def test_a_text_answer_is_found_once() -> None:
    service = Service()
    service.messages()
    service.runs.append(run(1, "yes"))
    service.messages()
    service.add(AIMessage("OK."))
    assert service.waiting() == []
    service.add(NO, AIMessage("OK."))
    assert service.waiting() == ["no", "OK."]


def test_a_message_that_waited_and_was_sent_is_not_found_a_second_time() -> None:
    service = Service()
    service.add(YES)
    service.runs.append(run(1, "yes"))
    service.add(YES)
    assert service.waiting() == ["yes"]


def test_what_comes_after_an_answer_is_not_found_before_it() -> None:
    """Also where the answer was known by its id, and the thread was not read for it."""
    service = Service()
    service.messages()
    service.runs.append(run(1, "yes"))
    service.add(YES, convert_out(service.runs[0]))
    service.add(YES)
    assert service.waiting() == ["yes"]


def test_copies_of_what_the_thread_holds_are_not_added() -> None:
    service = Service(run(1, "yes"))
    service.add(service.messages()[0])
    assert service.waiting() == []


def test_messages_of_another_thread_wait_like_any_other() -> None:
    """The tags of the thread they were copied from are gone; those of the new one come with it."""
    copy = Service(run(1, "yes")).messages()[0]
    service = Service(thread_id=None)
    service.add(copy)
    assert [message.additional_kwargs for message in service.messages()] == [{}]
    assert service.state.adopt(["t2"])
    service.runs.clear()
    known = service.messages()[0].additional_kwargs
    assert (known["lumnis_thread_id"], known["lumnis_persisted"]) == ("t2", False)
    assert copy.additional_kwargs == {"lumnis_thread_id": "t", "lumnis_persisted": True}


def test_runs_of_a_thread_that_was_left_meanwhile_are_dropped() -> None:
    service = Service(run(1, "yes"))
    runs = service.read()
    service.state.forget()
    assert service.state.messages(*runs) == []
    service.state.add([YES], *runs)
    assert [message.content for message in service.messages()] == ["yes"]


@pytest.mark.parametrize("status", ["queued", "in_progress", "failed", "cancelled", "new_status"])
def test_messages_of_unfinished_runs_go_on_waiting(status: str) -> None:
    service = Service()
    service.add(YES)
    service.runs.append(run(1, "yes", status=status, answer="half an ans"))
    assert [message.content for message in service.messages()] == ["yes"]
    assert service.waiting() == ["yes"]


def test_runs_without_a_time_keep_their_order() -> None:
    service = Service(run(1, "one", created_at=None))
    service.messages()
    service.runs += [run(2, "two", created_at=None), run(3, "three", created_at=None)]
    assert [str(message.content) for message in service.messages()][::2] == ["one", "two", "three"]


def test_roles_and_objects_become_messages() -> None:
    """An object that was asked for is JSON text, and its text stays in the metadata."""
    shown = stored_messages(
        [
            run(1, "system:Be brief.", "user:Hi", "assistant:Hello, says another.", "odd:Who?"),
            run(2, "As object", answer="One.", structured_response={"n": 1}),
            run(3, "Nothing?", answer=None),
        ],
        "t",
    )
    assert [(type(message), message.content) for message in shown] == [
        (SystemMessage, "Be brief."),
        (HumanMessage, "Hi"),
        (AIMessage, "Hello, says another."),
        (HumanMessage, "Who?"),
        (AIMessage, "OK."),
        (HumanMessage, "As object"),
        (AIMessage, '{"n": 1}'),
        (HumanMessage, "Nothing?"),
    ]
    assert shown[6].response_metadata["output_text"] == "One."


CALL = {"name": "tide", "args": {"port": "Rye"}}


def test_calls_without_results_have_the_same_ids_each_time() -> None:
    """A call is named by its run, so that graphs and other providers can refer to it."""
    calls = run(1, "Tide?", structured_response={"tool_calls": [CALL, CALL]})
    once, again = (stored_messages([calls], "t")[-1] for _ in range(2))
    assert isinstance(once, AIMessage)
    assert [call["id"] for call in once.tool_calls] == ["call_r1_0", "call_r1_1"]
    assert once == again


def test_calls_and_results_that_were_sent_as_text_are_read_back() -> None:
    """Turns of another model, written as text by the chat model."""
    asked = tool_calls_text("Let me see.", [{"id": "c1", **CALL}])
    result = tool_result_text("High.\nAt noon.", name="tide", call_id="c1", status="error")
    shown = stored_messages([run(1, f"assistant:{asked}", f"user:{result}")], "t")
    assert isinstance(shown[0], AIMessage)
    assert (shown[0].content, shown[0].tool_calls[0]["args"]) == ("Let me see.", {"port": "Rye"})
    assert isinstance(shown[1], ToolMessage)
    assert (shown[1].content, shown[1].tool_call_id, shown[1].status) == ("High.\nAt noon.", "c1", "error")


@pytest.mark.parametrize(
    "text",
    [
        tool_result_text("High.", name="tide", call_id="c1"),  # of no call
        '{"tool_result": {"name": "tide"}}',
        '{"tool_result": "tide"}\nHigh.\n[end of tool result]',
        '{"tool_calls": []}',
        '{"tool_calls": ["tide"]}',
        "[1, 2]",
        "",
    ],
)
def test_texts_that_only_look_like_tool_turns_stay_texts(text: str) -> None:
    assert stored_messages([run(1, f"user:{text}")], "t")[0].content == text
    assert isinstance(stored_messages([run(1, f"user:{text}")], "t")[0], HumanMessage)
    assert stored_messages([run(1, f"assistant:{text}")], "t")[0].content == text


@pytest.mark.parametrize(
    "value",
    [{"tool_calls": []}, {"tool_calls": ["tide"]}, {"tool_calls": [{"args": {}}]}, {"tool_calls": [{"name": 1}]}],
)
def test_odd_envelopes_lose_no_turn(value: dict[str, Any]) -> None:
    """What cannot be read as calls is still an answer."""
    shown = stored_messages([run(1, "Tide?", structured_response=value)], "t")
    assert len(shown) == 2
    assert isinstance(shown[1], AIMessage)
    assert shown[1].tool_calls == []
