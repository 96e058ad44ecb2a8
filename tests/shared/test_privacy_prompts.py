"""Prompts for the privacy gateway: thread, text, and what may be said of an answer."""

from __future__ import annotations

from typing import Any

import pytest

from lumnisai_core.exceptions import ValidationError
from lumnisai_core.liminal import ModelConnection, ModelInstance, ModelInstanceUnknownError
from lumnisai_integrations._shared.privacy.prompts import Spoken, StopMarks, chosen, ignored, prompt_of

FIELDS: dict[str, Any] = {"model_instance": None, "thread_id": None, "history": "client", "stop": None}
ASKED, ANSWERED, NEW = Spoken("user", "a"), Spoken("assistant", "b", 7), Spoken("user", "c")
BRIEF = Spoken("system", "Be brief.")
WHOLE = "User: a\n\nAssistant: b\n\nUser: c"

#: Messages, fields, keywords, the thread that is continued, and the text that is sent there.
CALLS: list[tuple[list[Spoken], dict[str, Any], dict[str, Any], int | None, str]] = [
    ([ASKED], {}, {}, None, "a"),
    ([BRIEF, ASKED], {}, {}, None, "Be brief.\n\na"),
    ([ASKED, ANSWERED, NEW], {}, {}, None, WHOLE),
    ([BRIEF, ASKED, ANSWERED, NEW], {}, {}, None, f"Instructions: Be brief.\n\n{WHOLE}"),
    ([ASKED, ANSWERED, NEW], {"history": "server"}, {}, 7, "c"),
    ([ASKED, ANSWERED, NEW], {}, {"history": "server"}, 7, "c"),
    ([ASKED, ANSWERED, NEW], {"history": "server"}, {"thread_id": None}, None, WHOLE),
    ([ASKED, ANSWERED, NEW], {"thread_id": 7}, {}, 7, "c"),
    ([ASKED, ANSWERED, NEW], {"thread_id": 9}, {}, 9, WHOLE),
    ([ASKED, ANSWERED, NEW], {"thread_id": 9}, {"thread_id": "7"}, 7, "c"),
    ([NEW], {"thread_id": 9}, {}, 9, "c"),
    ([BRIEF, ASKED, ANSWERED, NEW], {"history": "server"}, {}, 7, "Be brief.\n\nc"),
]


@pytest.mark.parametrize(("messages", "fields", "keywords", "thread_id", "text"), CALLS)
def test_a_call_becomes_the_next_turn_of_a_thread(
    messages: list[Spoken], fields: dict[str, Any], keywords: dict[str, Any], thread_id: int | None, text: str
) -> None:
    """The call's thread wins over the field's, and that over the one of an answer; the rest goes as one text."""
    prompt = prompt_of(messages, FIELDS | fields, keywords, {})
    assert (prompt.thread_id, prompt.text) == (thread_id, text)


def test_instructions_are_sent_when_they_differ() -> None:
    """A thread that has them does not get them again."""
    messages = [BRIEF, ASKED, ANSWERED, NEW]
    assert prompt_of(messages, FIELDS, {"history": "server"}, {"7": ("Be brief.",)}).text == "c"
    assert prompt_of(messages, FIELDS, {"history": "server"}, {"7": ("Be long.",)}).text == "Be brief.\n\nc"


@pytest.mark.parametrize(
    ("messages", "keywords", "message"),
    [
        ([], {}, "no text"),
        ([Spoken("user", " ")], {}, "no text"),
        ([ASKED], {"tools": [{}]}, "no tool calling"),
        ([ASKED], {"thread_id": "x"}, "thread_id must be"),
        ([ASKED], {"thread_id": True}, "thread_id must be"),
        ([ASKED], {"history": "both"}, "history must be"),
        ([ASKED, ANSWERED], {"thread_id": 7}, "already holds"),
    ],
)
def test_calls_that_cannot_be_made_are_refused(messages: list[Spoken], keywords: dict[str, Any], message: str) -> None:
    """Before anything is sent."""
    with pytest.raises(ValidationError, match=message):
        prompt_of(messages, FIELDS, keywords, {})


def test_unknown_keywords_are_errors_and_known_ones_of_other_models_are_ignored() -> None:
    """None never fails."""
    assert ignored("LLM", {"temperature": 0.1, "stop": ["x"], "anything": None, "tools": []}) == {"temperature"}
    with pytest.raises(TypeError, match="LLM has no thraed_id"):
        ignored("LLM", {"thraed_id": 1})


def test_model_instances_are_chosen_by_name_or_id() -> None:
    """Only those with a model count; without a choice there must be one."""
    linked = [ModelConnection(id=1)]
    known = [
        ModelInstance(id=1, name="A"),
        ModelInstance(id=2, name="B", model_connections=linked),
        ModelInstance(id=3, name="C", model_connections=linked),
    ]
    assert (chosen(known, "C").id, chosen(known, 2).name, chosen(known[:2], None).id) == (3, "B", 2)
    for wanted, message in (("A", "'A' is unknown; usable: 'B', 'C'"), (None, "model_instance is needed")):
        with pytest.raises(ModelInstanceUnknownError, match=message):
            chosen(known, wanted)


@pytest.mark.parametrize("size", range(1, 8))
def test_a_stream_ends_before_a_stop_text_however_it_is_cut(size: int) -> None:
    """What may be its beginning waits, and comes if it was not."""
    for text, expected in (("one STOP two", "one "), ("one STO", "one STO"), ("SSTOP", "S"), ("STSTO-STOP", "STSTO-")):
        marks, shown = StopMarks(["STOP"]), ""
        for at in range(0, len(text), size):
            if not marks.is_reached:
                shown += marks.piece(text[at : at + size])
        assert shown + marks.rest() == expected
