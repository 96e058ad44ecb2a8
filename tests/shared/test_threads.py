"""What a thread holds, and what of a conversation it lacks."""

from __future__ import annotations

from typing import Any

import pytest

from lumnisai_core import ResponseObject
from lumnisai_core.exceptions import ValidationError
from lumnisai_integrations._shared.threads import (
    Place,
    Turn,
    continue_thread,
    matches,
    not_in_runs,
    turns_of,
)

NEW = Place()
ON_T = Place("t", is_stored=True)
WAITS_FOR_T = Place("t")
ANSWER_OF_T = Place("t", ends_run=True)
ANSWER_OF_U = Place("u", ends_run=True)


@pytest.mark.parametrize(
    ("places", "thread_id", "follow_answers", "expected"),
    [
        ([], None, False, (None, ())),
        ([NEW], None, False, (None, (0,))),
        ([NEW], "t", False, ("t", (0,))),
        # What a thread holds is not sent again, and what waits for it is.
        ([ON_T, ON_T, NEW], None, False, ("t", (2,))),
        ([ON_T, WAITS_FOR_T, NEW], None, False, ("t", (1, 2))),
        ([WAITS_FOR_T], None, False, ("t", (0,))),
        ([ON_T, NEW], "u", False, ("u", (0, 1))),
        # Answers are followed on request only.
        ([NEW, ANSWER_OF_T, NEW], None, False, (None, (0, 1, 2))),
        ([NEW, ANSWER_OF_T, NEW], None, True, ("t", (2,))),
        ([NEW, ANSWER_OF_T, NEW, ANSWER_OF_U, NEW], None, True, ("u", (4,))),
        ([NEW, ANSWER_OF_T, NEW, ANSWER_OF_U, NEW], "t", True, ("t", (2, 3, 4))),
    ],
)
def test_a_conversation_goes_on_where_it_is_stored(
    places: list[Place], thread_id: str | None, follow_answers: bool, expected: tuple[str | None, tuple[int, ...]]
) -> None:
    going_on = continue_thread(places, thread_id=thread_id, follow_answers=follow_answers)
    assert (going_on.thread_id, going_on.send) == expected


@pytest.mark.parametrize(("places", "follow_answers"), [([ON_T], False), ([NEW, ANSWER_OF_T], True)])
def test_nothing_new_is_an_error(places: list[Place], follow_answers: bool) -> None:
    """A run without a new message is refused before anything is sent."""
    with pytest.raises(ValidationError, match="Thread t already holds all"):
        continue_thread(places, thread_id=None, follow_answers=follow_answers)


def run(number: int, *sent: str, answer: str | None = None, **fields: Any) -> ResponseObject:
    messages = [{"role": "user", "content": text} for text in sent]
    return ResponseObject.model_validate(
        {
            "response_id": f"r{number}",
            "status": "succeeded",
            "input_messages": messages,
            "output_text": answer,
            **fields,
        }
    )


def test_a_thread_is_what_its_runs_were_sent_and_answered() -> None:
    """An object is an answer too; a run without an answer has only what was sent."""
    turns = turns_of(
        [
            run(1, "Hi", "Who?", answer="Ann."),
            run(2, "As object", structured_response={"content": "Ähm"}, answer="In words"),
            run(3, "As object", structured_response={"n": 1}),
            run(4, "Gone"),
        ]
    )
    assert turns == [
        Turn("user", "Hi", "r1"),
        Turn("user", "Who?", "r1"),
        Turn("assistant", "Ann.", "r1"),
        Turn("user", "As object", "r2"),
        Turn("assistant", "In words", "r2", also=('{"content": "Ähm"}', "Ähm")),
        Turn("user", "As object", "r3"),
        Turn("assistant", '{"n": 1}', "r3"),
        Turn("user", "Gone", "r4"),
    ]
    assert turns_of([]) == []


def turns(*said: str) -> list[Turn]:
    """Write ``"u:text"`` and ``"a:text:run"`` as turns."""
    found = []
    for line in said:
        role, text, response_id = [*line.split(":"), ""][:3]
        found.append(Turn({"u": "user", "a": "assistant", "s": "system"}[role], text, response_id or None))
    return found


STORED = turns("u:yes:r1", "a:One.:r1", "u:no:r2", "a:Two.:r2")


@pytest.mark.parametrize(
    ("given", "stored", "found"),
    [
        (turns("u:yes", "u:no"), STORED, [0, 2]),
        (turns("u:yes", "u:yes"), STORED, [0, None]),
        (turns("u:no", "u:yes"), STORED, [2, None]),
        (turns("u: yes ", "a:yes"), STORED, [0, None]),
        (turns("a:{}"), [Turn("assistant", "x", "r", also=("{}",))], [0]),
        (turns("u:yes"), [], [None]),
        ([], STORED, []),
    ],
)
def test_each_stored_turn_is_found_once_and_in_order(
    given: list[Turn], stored: list[Turn], found: list[int | None]
) -> None:
    assert matches(given, stored) == found


@pytest.mark.parametrize(
    ("given", "stored", "missing"),
    [
        (turns("u:yes", "a:One."), STORED, []),
        (turns("s:Be brief.", "u:yes"), STORED, [0]),
        # The answer is known by its run, whether or not the run was read; so is its question, in whatever words.
        (turns("u:Yes?", "a:One.:r9"), [], []),
        (turns("u:Yes?", "u:And no?", "a:One."), STORED, []),
        # The question is known, so the answer is known in whatever words.
        (turns("u:yes", "a:ONE"), STORED, []),
        (turns("u:yes", "a:ONE", "u:no", "a:TWO"), STORED, []),
        # Neither half is known, or the run gave no answer.
        (turns("u:Yes?", "a:ONE"), STORED, [0, 1]),
        (turns("u:yes", "a:ONE"), turns("u:yes:r1", "u:no:r1"), [1]),
        (turns("u:yes", "a:ONE"), turns("u:yes:r1"), [1]),
        (turns("a:ONE"), STORED, [0]),
        (turns("u:yes", "a:Nine.:r9", "a:ONE"), STORED, [2]),
        # Of several exchanges each is looked at by itself.
        (turns("u:before", "a:Before.", "u:Yes?", "a:One."), STORED, [0, 1]),
        (turns("u:yes", "a:One.:r1", "u:yes"), STORED, [2]),
        (turns("u:yes", "a:One.", "a:More."), STORED, [2]),
        ([], STORED, []),
    ],
)
def test_one_half_of_an_exchange_is_enough(given: list[Turn], stored: list[Turn], missing: list[int]) -> None:
    """Prompts and parsers change words; what they changed is still the same turn."""
    assert not_in_runs(given, stored) == missing
