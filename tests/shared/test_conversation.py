"""A conversation: the messages that its thread holds, and those still to be sent."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lumnisai_core import ResponseObject
from lumnisai_core.tools import too_long
from lumnisai_integrations._shared.conversation import (
    Conversation,
    State,
    ThreadMessage,
    match,
    messages_of,
)
from lumnisai_integrations._shared.thread_reading import Reading


def run(number: int, *sent: str, answer: str | None = None, **fields: Any) -> ResponseObject:
    """A run that succeeded; ``"role:text"`` is a message of that role."""
    pairs = [text.split(":", 1) if ":" in text[:10] else ["user", text] for text in sent]
    return ResponseObject.model_validate(
        {
            "response_id": f"r{number}",
            "status": "succeeded",
            "input_messages": [{"role": role, "content": text} for role, text in pairs],
            "output_text": answer,
            **fields,
        }
    )


class TestRuns:
    @pytest.mark.parametrize(
        ("response", "stored"),
        [
            (run(1, "Hi", "Who?", answer="Ann."), [("user", "Hi"), ("user", "Who?"), ("assistant", "Ann.")]),
            (run(1, "system:Be brief."), [("system", "Be brief."), ("assistant", "")]),
            (run(1, "odd:Hi", answer="Yes"), [("user", "Hi"), ("assistant", "Yes")]),
            # An object is an answer too. The words inside come first where they are all of it.
            (run(1, structured_response={"content": "Ähm"}, answer="In words"), [("assistant", "Ähm")]),
            (run(1, structured_response={"n": 1}, answer="One"), [("assistant", "One")]),
            (run(1, structured_response={"n": 1}), [("assistant", '{"n": 1}')]),
            (
                run(1, structured_response={"tool_calls": [{"name": "add", "args": {}}], "content": None}),
                [("assistant", '{"tool_calls": [{"name": "add", "args": {}}]}')],
            ),
            (run(1, structured_response={"tool_calls": None, "content": "Yes"}), [("assistant", "Yes")]),
            (run(1, structured_response={"tool_calls": []}), [("assistant", '{"tool_calls": []}')]),
        ],
    )
    def test_a_run_stores_what_it_was_sent_and_its_answer(
        self, response: ResponseObject, stored: list[tuple[str, str]]
    ) -> None:
        """An answer may be empty, so that its place is known."""
        messages = messages_of(response)
        assert [(message.role, message.text) for message in messages] == stored
        assert {(message.run_id, message.state) for message in messages} == {("r1", State.STORED)}

    @pytest.mark.parametrize(
        ("value", "wordings"),
        [
            (None, ()),
            ({"content": "Ähm"}, ("In words", '{"content": "Ähm"}')),
            ({"n": 1}, ('{"n": 1}',)),
            ({"tool_calls": []}, ('{"tool_calls": []}',)),
        ],
    )
    def test_an_answer_has_all_its_wordings(self, value: Any, wordings: tuple[str, ...]) -> None:
        """Frameworks show an object as JSON, as the text inside of it, or as the run's own text."""
        assert messages_of(run(1, answer="In words", structured_response=value))[-1].wordings == wordings

    @pytest.mark.parametrize(
        ("text", "call_id"),
        [
            ('{"tool_result": {"name": null, "id": "c1"}}\nHigh.\n[end of tool result]', "c1"),
            ('{"tool_result": {"name": "tide"}}\nHigh.', None),
            ('{"tool_result": "c1"}\nHigh.', None),
            ('{"tool_result"', None),
            ("c1", None),
        ],
    )
    def test_a_tool_result_names_its_call(self, text: str, call_id: str | None) -> None:
        assert messages_of(run(1, f"user:{text}"))[0].tool_call_id == call_id


def lines(*written: str, is_new: bool = True) -> list[ThreadMessage[str]]:
    """Write ``"u:text"`` and ``"a:text:run"`` as messages."""
    roles = {"u": "user", "a": "assistant", "s": "system"}
    parts = [[*line.split(":"), ""][:3] for line in written]
    return [ThreadMessage(roles[role], text, run_id=known or None, is_new=is_new) for role, text, known in parts]


STORED = lines("u:yes:r1", "a:One.:r1", "u:no:r2", "a:Two.:r2")


class TestMatching:
    @pytest.mark.parametrize(
        ("unsent", "stored", "found"),
        [
            (lines("u:yes", "u:no"), STORED, {0: 0, 1: 2}),
            (lines("u:yes", "u:yes"), STORED, {0: 0}),
            (lines("u:no", "u:yes"), STORED, {0: 2}),
            (lines("u: yes ", "a:yes"), STORED, {0: 0}),
            (lines("a:ONE"), [ThreadMessage("assistant", "x", run_id="r", wordings=("ONE",))], {0: 0}),
            ([ThreadMessage("assistant", "x", wordings=("One.",))], STORED, {0: 1}),
            # An answer is found by its run, and so is what the run was sent, however old.
            (lines("u:yes", "a:?:r1"), STORED, {0: 0, 1: 1}),
            ([replace(lines("u:yes")[0], stored_before=4), *lines("a:?:r1")], STORED, {0: 0, 1: 1}),
            (lines("a:One.:r9"), STORED, {0: 1}),
            # Otherwise only what is newer than the exchange counts.
            ([replace(lines("u:yes")[0], stored_before=2)], STORED, {}),
            # What was put here is matched already. What cannot be sent is found by the line that was sent instead.
            (lines("u:yes"), [replace(STORED[0], is_own=True)], {}),
            ([ThreadMessage("user", "[Left out]", State.UNSENDABLE)], lines("u:[Left out]:r1"), {0: 0}),
            (lines("u:" + "x" * 99), [ThreadMessage("user", too_long("x" * 99), run_id="r")], {0: 0}),
            # Objects are the same however they are written.
            (
                [ThreadMessage("assistant", '{"b":null,"a":1,"c":[{"d":null}]}')],
                [ThreadMessage("assistant", '{"c": [{}], "a": 1}', run_id="r")],
                {0: 0},
            ),
            ([ThreadMessage("assistant", '{"a":1}')], [ThreadMessage("assistant", '{"a": 2}', run_id="r")], {}),
            (lines("u:yes"), [], {}),
            ([], STORED, {}),
        ],
    )
    def test_each_stored_message_is_found_once_and_in_order(
        self, unsent: list[ThreadMessage[str]], stored: list[ThreadMessage[str]], found: dict[int, int | None]
    ) -> None:
        assert match(unsent, stored) == found

    @pytest.mark.parametrize(
        ("unsent", "stored", "missing"),
        [
            (lines("u:yes", "a:One."), STORED, []),
            (lines("s:Be brief.", "u:yes"), STORED, [0]),
            # The answer is known by its run or its text, and so is its question, in whatever words.
            (lines("u:Yes?", "a:Other.:r1"), STORED, []),
            (lines("u:Yes?", "u:And no?", "a:One."), STORED, []),
            # The question is known, so the answer is known in whatever words.
            (lines("u:yes", "a:ONE"), STORED, []),
            (lines("u:yes", "a:ONE", "u:no", "a:TWO"), STORED, []),
            # Neither half is known, the run gave no answer, or the answer is that of another run.
            (lines("u:Yes?", "a:ONE"), STORED, [0, 1]),
            (lines("u:yes", "a:ONE"), lines("u:yes:r1", "u:no:r1"), [1]),
            (lines("u:yes", "a:ONE"), lines("u:yes:r1"), [1]),
            (lines("u:yes", "a:ONE"), lines("u:yes:r1", "a::r1"), [1]),
            (lines("a:ONE"), STORED, [0]),
            (lines("u:yes", "a:Nine.:r9", "a:ONE"), STORED, [1, 2]),
            # Each of several exchanges is looked at by itself.
            (lines("u:before", "a:Before.", "u:Yes?", "a:One."), STORED, [0, 1]),
            (lines("u:yes", "a:One.:r1", "u:yes"), STORED, [2]),
            (lines("u:yes", "a:One.", "a:More."), STORED, [2]),
            # Messages that waited already stand for themselves.
            ([*lines("u:Note.", is_new=False), *lines("u:Yes?", "a:One.")], STORED, [0]),
            (lines("u:yes", "a:ONE", is_new=False), STORED, [1]),
            ([], STORED, []),
        ],
    )
    def test_one_half_of_an_exchange_is_enough(
        self, unsent: list[ThreadMessage[str]], stored: list[ThreadMessage[str]], missing: list[int]
    ) -> None:
        """Prompts and parsers change words; what they changed is still the same exchange."""
        found = match(unsent, stored, exchanges=True)
        assert [at for at in range(len(unsent)) if at not in found] == missing


def texts(messages: Sequence[ThreadMessage[str]]) -> list[str]:
    return [message.text for message in messages]


class TestConversation:
    def test_a_message_is_in_flight_until_its_run_is_over(self) -> None:
        """If the run fails it is waiting again, if it succeeds it is stored."""
        conversation = Conversation[str](is_read=True).put(lines("u:Hi", "u:Well?"))
        states = [[message.state.value for message in conversation.messages]]
        for status in ("in_progress", "failed"):
            conversation = conversation.accept(None, [run(1, "Hi", status=status)])
            states.append([message.state.value for message in conversation.messages])
        conversation = conversation.accept(None, [run(2, "Hi")])
        states.append([message.state.value for message in conversation.messages])
        assert states == [["waiting"] * 2, ["in_flight", "waiting"], ["waiting"] * 2, ["stored", "waiting"]]

    def test_what_cannot_be_sent_stays_so(self) -> None:
        picture: ThreadMessage[str] = ThreadMessage("user", "", State.UNSENDABLE)
        conversation = Conversation[str](is_read=True).put([picture])
        conversation = conversation.accept(None, [run(1, "", status="queued")])
        assert [message.state for message in conversation.unsent] == [State.UNSENDABLE]
        anew = replace(conversation, stored=tuple(lines("u:Hi"))).without([0])
        assert [message.state for message in anew.messages] == [State.UNSENDABLE]

    def test_stored_messages_are_ordered_by_the_age_of_their_runs(self) -> None:
        """Also where an older run ended later; positions are those of this order."""
        early, late = "2026-03-02T09:01:00+00:00", "2026-03-02T09:02:00+00:00"
        conversation: Conversation[str] = Conversation()
        for number, time in enumerate([late, early], start=1):
            conversation = conversation.accept(None, [run(number, str(number), answer=f"{number}!", created_at=time)])
        assert texts(conversation.messages) == ["2", "2!", "1", "1!"]
        archived = conversation.archived(conversation.oldest(1))
        assert [message.text for message in archived.messages if message.is_archived] == ["2"]
        assert texts(conversation.without([0]).messages) == ["2!", "1", "1!"]

    def test_a_conversation_begins_on_one_thread(self) -> None:
        """Its first messages wait for the first run there."""
        begun = Conversation[str]().put(lines("u:Hi")).begin("t")
        assert (begun.thread_id, begun.is_read, texts(begun.unsent)) == ("t", True, ["Hi"])
        assert begun.begin("u") == begun

    def test_runs_of_a_thread_that_was_left_do_not_count(self) -> None:
        conversation: Conversation[str] = Conversation("t")
        assert conversation.accept("u", [run(1, "Hi")]) == conversation

    @given(st.lists(st.tuples(st.sampled_from(["Yes", "No", "Yes sir"]), st.booleans()), max_size=12), st.data())
    def test_every_message_is_sent_once(self, turns: list[tuple[str, bool]], data: st.DataObject) -> None:
        """With runs that fail or succeed, and readings in between: the thread ends with each question, in order."""
        conversation: Conversation[str] = Conversation(is_read=True)
        thread: list[ResponseObject] = []
        for number, (text, succeeds) in enumerate([*turns, ("Last", True)]):
            conversation = conversation.put(lines(f"u:{text}")).accept(None, thread[::-1], questions_first=True)
            status = "succeeded" if succeeds else "failed"
            thread.append(run(number, *texts(conversation.unsent), answer="Yes", status=status))
            if data.draw(st.booleans()):
                conversation = conversation.accept(None, thread[::-1], questions_first=True)
        held = [sent.content for run in thread if run.status == "succeeded" for sent in run.input_messages]
        assert held == [*(text for text, _ in turns), "Last"]


class TestReading:
    def test_a_reading_ends_where_all_is_known(self) -> None:
        """And no earlier than at the oldest run that was not over the last time."""
        early, late = run(1, "1", status="in_progress"), run(2, "2", answer="two")
        conversation: Conversation[str] = Conversation().accept(None, [late, early])
        reading = Reading(conversation)
        reading.take([late])
        assert not reading.is_complete
        reading.take([run(1, "1", answer="one")])
        assert reading.is_complete
        assert texts(conversation.accept(None, reading.runs).stored) == ["2", "two", "1", "one"]

    def test_a_reading_ends_with_a_page_without_other_runs(self) -> None:
        """So it does when a thread is read for the first time, whatever the service calls a full page."""
        reading = Reading(Conversation())
        runs = [run(number) for number in range(3)]
        for page in (runs[:2], runs[2:], []):
            assert not reading.is_complete
            reading.take(page)
        assert reading.is_complete
        assert reading.offset == 3
        assert reading.runs == runs
