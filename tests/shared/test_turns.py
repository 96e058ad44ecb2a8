"""Turns: the thread that a call continues, and what it sends there."""

from __future__ import annotations

from dataclasses import replace

import pytest

from lumnisai_core.exceptions import ValidationError
from lumnisai_integrations._shared.turns import Answers, LateQuestion, Tags, continue_thread

NEW = Tags()
INSTRUCTION = Tags(role="system", text="Be brief.")
STORED_ON_T = Tags("t", is_stored=True)
WAITS_FOR_T = Tags("t")
ANSWER_OF_T = Tags("t", is_answer=True)
ANSWER_OF_U = Tags("u", is_answer=True)
#: As a memory returns them for a run: each message has an id, and the last one says that it is.
KEPT = Tags("t", is_stored=True, message_id="k")
WAITS = Tags("t", message_id="w")
REASONING = Tags(role="assistant")
QUESTION = Tags("t", message_id="q", is_latest=True)
STORED_QUESTION = replace(QUESTION, is_stored=True)
LAST_ANSWER = Tags("t", role="assistant", is_stored=True, message_id="a", is_latest=True)
LAST_CALLS = replace(LAST_ANSWER, has_calls=True)


@pytest.mark.parametrize(
    ("messages", "thread_id", "answers", "expected"),
    [
        ([], None, "ignore", (None, ())),
        ([NEW], None, "ignore", (None, (0,))),
        ([NEW], "t", "ignore", ("t", (0,))),
        # What a thread holds is not sent again, and what waits for it is.
        ([STORED_ON_T, STORED_ON_T, NEW], None, "ignore", ("t", (2,))),
        ([STORED_ON_T, WAITS_FOR_T, NEW], None, "ignore", ("t", (1, 2))),
        ([WAITS_FOR_T], None, "ignore", ("t", (0,))),
        ([STORED_ON_T, NEW], "u", "ignore", ("u", (0, 1))),
        # Answers are followed on request only.
        ([NEW, ANSWER_OF_T, NEW], None, "ignore", (None, (0, 1, 2))),
        ([NEW, ANSWER_OF_T, NEW], "t", "ignore", ("t", (0, 1, 2))),
        ([NEW, ANSWER_OF_T, NEW], None, "follow", ("t", (2,))),
        ([NEW, ANSWER_OF_T, NEW, ANSWER_OF_U, NEW], None, "follow", ("u", (4,))),
        ([NEW, ANSWER_OF_T, NEW, ANSWER_OF_U, NEW], "t", "follow", ("t", (2, 3, 4))),
        # They may count without being followed.
        ([INSTRUCTION, NEW, ANSWER_OF_T, NEW], None, "count", (None, (0, 1, 2, 3))),
        ([INSTRUCTION, NEW, ANSWER_OF_T, NEW], "t", "count", ("t", (0, 3))),
        ([INSTRUCTION, NEW, ANSWER_OF_T, NEW], "t", "follow", ("t", (0, 3))),
    ],
)
def test_a_call_continues_the_thread_that_stores_its_messages(
    messages: list[Tags], thread_id: str | None, answers: str, expected: tuple[str | None, tuple[int, ...]]
) -> None:
    """Only what is not stored there is sent."""
    continuation = continue_thread(messages, thread_id=thread_id, answers=Answers(answers))
    assert (continuation.thread_id, continuation.send) == expected


@pytest.mark.parametrize(
    ("messages", "late", "sent"),
    [
        # The next turn: a question that waits is the last message, an agent takes steps, or a question comes late.
        ([INSTRUCTION, KEPT, QUESTION], None, (0, 2)),
        ([KEPT, WAITS, QUESTION], None, (1, 2)),
        ([KEPT, replace(QUESTION, role="system")], None, (1,)),
        ([QUESTION, ANSWER_OF_T, NEW], None, (2,)),
        ([INSTRUCTION, KEPT, LAST_ANSWER, NEW], LateQuestion(), (0, 3)),
        ([INSTRUCTION, NEW], LateQuestion("t"), (0, 1)),
        ([KEPT, LAST_CALLS, INSTRUCTION], None, (2,)),
        ([KEPT, STORED_QUESTION, REASONING, NEW], None, (3,)),
        ([KEPT, LAST_ANSWER, REASONING, NEW, REASONING, NEW], None, (5,)),
        ([KEPT, QUESTION, REASONING, NEW], None, (1, 2, 3)),
        ([STORED_ON_T, NEW], None, (1,)),  # tagged by the caller, not by a memory
        # A side call: about what the thread holds, or about a part of it, or about a question that is sent elsewhere.
        ([KEPT, KEPT, NEW], None, None),
        ([KEPT, LAST_ANSWER, NEW], None, None),
        ([KEPT, LAST_ANSWER, INSTRUCTION], None, None),
        ([INSTRUCTION, KEPT, LAST_ANSWER], None, None),
        ([KEPT, QUESTION, NEW], None, None),
        ([KEPT, QUESTION, INSTRUCTION], None, None),
        ([KEPT, STORED_QUESTION, NEW], None, None),
        ([KEPT, WAITS], None, None),
        ([KEPT, replace(LAST_ANSWER, is_stored=False)], None, None),
        ([KEPT, NEW], LateQuestion(), None),
        ([NEW], LateQuestion(), None),
        ([QUESTION, ANSWER_OF_U, NEW], None, None),
    ],
)
def test_only_the_next_turn_continues_the_thread_of_a_memory(
    messages: list[Tags], late: LateQuestion | None, sent: tuple[int, ...] | None
) -> None:
    """Everything else runs outside of the thread, with its full text."""
    continuation = continue_thread(messages, thread_id=None, answers=Answers.COUNT, late=late)
    expected = (None, tuple(range(len(messages)))) if sent is None else ("t", sent)
    assert (continuation.thread_id, continuation.send) == expected


@pytest.mark.parametrize(
    ("messages", "taken", "sent"),
    [
        ([WAITS_FOR_T, QUESTION], {"t": ["q"]}, ("t", (0,))),
        ([WAITS_FOR_T, QUESTION], {"u": ["q"]}, ("t", (0, 1))),
        ([replace(WAITS_FOR_T, is_in_flight=True), QUESTION], {}, ("t", (1,))),
        # The question is on its way already: its answer comes from a run outside.
        ([INSTRUCTION, STORED_ON_T, QUESTION], {"t": ["q"]}, (None, (0, 1, 2))),
        ([STORED_ON_T, replace(QUESTION, is_in_flight=True)], {}, (None, (0, 1))),
    ],
)
def test_what_another_call_sends_is_not_sent_again(
    messages: list[Tags], taken: dict[str, list[str]], sent: tuple[str | None, tuple[int, ...]]
) -> None:
    """Also if the copies of messages were made before."""
    continuation = continue_thread(messages, thread_id=None, answers=Answers.COUNT, taken=taken)
    assert (continuation.thread_id, continuation.send) == sent


@pytest.mark.parametrize(
    ("messages", "known", "sent"),
    [
        ([INSTRUCTION, NEW], {}, (0, 1)),
        ([INSTRUCTION, NEW], {"u": ("Be brief.",)}, (0, 1)),
        ([INSTRUCTION, NEW], {"t": ("Be brief.",)}, (1,)),
        ([INSTRUCTION, NEW], {"t": ("Be kind.",)}, (0, 1)),
        ([INSTRUCTION, INSTRUCTION, NEW], {"t": ("Be brief.",)}, (0, 1, 2)),
        ([NEW], {"t": ("Be kind.",)}, (0,)),
        ([INSTRUCTION], {"t": ("Be kind.",)}, (0,)),
    ],
)
@pytest.mark.parametrize("answers", Answers)
def test_instructions_are_sent_when_they_differ_from_the_last_ones(
    messages: list[Tags], known: dict[str, tuple[str, ...]], sent: tuple[int, ...], answers: Answers
) -> None:
    """And only then."""
    assert continue_thread(messages, thread_id="t", answers=answers, instructions=known).send == sent


@pytest.mark.parametrize(
    ("messages", "known", "ends"),
    [
        ([STORED_ON_T, NEW], {"t": ("Be kind.",)}, True),
        ([STORED_ON_T, NEW], {"t": ()}, False),
        ([STORED_ON_T, NEW], {}, False),
        ([STORED_ON_T, NEW], {"u": ("Be kind.",)}, False),
        ([INSTRUCTION, STORED_ON_T, NEW], {"t": ("Be kind.",)}, False),
        # A system message that the conversation keeps, and calls that leave the history to the thread.
        ([replace(STORED_ON_T, role="system"), STORED_ON_T, NEW], {"t": ("Be kind.",)}, False),
        ([replace(ANSWER_OF_T, role="assistant"), NEW], {"t": ("Be kind.",)}, False),
        ([NEW], {"t": ("Be kind.",)}, False),
    ],
)
@pytest.mark.parametrize("answers", Answers)
def test_an_agent_without_instructions_ends_those_of_another(
    messages: list[Tags], known: dict[str, tuple[str, ...]], ends: bool, answers: Answers
) -> None:
    """It repeats what users have said on the thread, so what it leaves out does not hold for it."""
    assert continue_thread(messages, thread_id="t", answers=answers, instructions=known).ends_instructions is ends


@pytest.mark.parametrize(
    ("messages", "answers"),
    [
        ([STORED_ON_T], "ignore"),
        ([NEW, ANSWER_OF_T], "follow"),
        ([INSTRUCTION, STORED_ON_T], "ignore"),
    ],
)
def test_nothing_new_is_an_error(messages: list[Tags], answers: str) -> None:
    """A run without a new message is refused before anything is sent."""
    with pytest.raises(ValidationError, match="Thread t already holds all"):
        continue_thread(messages, thread_id=None, answers=Answers(answers))
