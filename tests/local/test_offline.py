"""The offline engine: what is asked, which sentences answer it, and how honest it is."""

from __future__ import annotations

import base64

import pytest

from lumnisai_core.local import Message, OfflineEngine
from lumnisai_core.local.engines.offline_engine.answers import answer_from, structured_from
from lumnisai_core.local.engines.offline_engine.question import NOTHING, query_of, split_question
from lumnisai_core.local.engines.offline_engine.sentences import sentences
from lumnisai_core.local.engines.samples.named_values import NamedValues
from lumnisai_core.local.engines.samples.samples import sample
from lumnisai_core.local.web.text import words
from tests.local.conftest import Serve

TIDES = (
    "Spring tides follow the new and full moon. Neap tides follow the quarters. North Quay has a mean range of 4.1"
    " metres. Old Lock has a mean range of 2.6 metres. The harbour office opens at 8. Write to office@example.org."
)
WRAPPED = "A line of prose that is long enough to have been wrapped by its"
TEMPLATE = (
    "Context information is below.\n-----\n{}\n-----\nGiven the context information and not prior knowledge, answer"
    " the query.\nQuery: {}\nAnswer: "
)


@pytest.mark.parametrize(
    ("text", "question", "rest"),
    [
        ("hello", "hello", ""),
        ("It is 30 m. How high is it?", "How high is it?", "It is 30 m."),
        ("How high is it? It is 3.5 m high.", "How high is it?", "It is 3.5 m high."),
        ("Is it 3.5 m high?", "Is it 3.5 m high?", ""),
        ("Some text.\n\nQuestion: How high\nAnswer:", "How high", "Some text."),
        ("Question:\nHow high is it?\nContext: 30 m.", "How high is it?", "Context: 30 m."),
        ("Summarize this text:\n\nA b.", "Summarize this text:", "A b."),
        ("A long text about tides.\n\nSummarize.", "Summarize.", "A long text about tides."),
        ("Translate:\nA b. C d.", "Translate:", "A b. C d."),
        (
            "How high?\n\nFAQ. Is it nice? Yes.\n\nThe end of it.",
            "How high?",
            "FAQ. Is it nice? Yes.\n\nThe end of it.",
        ),
        (f"{'word ' * 9000}\n\nHow high?", "How high?", ("word " * 9000).strip()),
        (f"How high?\n\n{'word ' * 9000}", "How high?", ("word " * 9000).strip()),
    ],
)
def test_the_question_is_found_by_its_form(text: str, question: str, rest: str) -> None:
    """Labels, question marks and position separate the question from the material."""
    assert split_question(text) == (question, rest)


@pytest.mark.parametrize(
    ("text", "parts"),
    [
        ("One. Two! Three?", ["One.", "Two!", "Three?"]),
        ("Dr. Ada left at 3.5 p.m. yesterday. Then, e.g. she slept.", 2),
        ("- a bullet\n* another\n2) third\n----\n", ["a bullet", "another", "third"]),
        (
            f"# Heading\n{WRAPPED}\nauthor. Short line\nother line",
            [f"{WRAPPED} author.", "Short line", "other line"],
        ),
        (f"- {WRAPPED}\n  author\n- second", [f"{WRAPPED} author", "second"]),
        (f"Code:\n```python\n{WRAPPED}\nx = 1\n```\nEnd.", [WRAPPED, "x = 1", "End."]),
        ("| Port | Range |\n|---|---|\n| North Quay | 4.1 m |", ["Port: Range", "North Quay: 4.1 m"]),
        ("# Only a heading", ["Only a heading"]),
        ('"Yes!" she said. No.', ['"Yes!" she said.', "No."]),
        ("\u4eca\u65e5\u306f\u6674\u308c\u3002\u660e\u65e5\u306f\u96e8\u3002", 2),
        ("word " * 1000, 9),
        ("x" * 1000, 2),
    ],
)
def test_text_is_split_into_sentences(text: str, parts: list[str] | int) -> None:
    """Abbreviations, numbers, bullets, rules, quotes and other scripts are recognised; endless sentences are cut."""
    found = list(sentences(text))
    assert (len(found) if isinstance(parts, int) else found) == parts


def test_words_leave_out_stop_words() -> None:
    """Stop words are dropped; CJK text gives pairs."""
    assert words("What is the mean range?") == ["mean", "range"]
    assert words("what is it") == []
    assert words("\u65e5\u672c\u306e") == ["\u65e5\u672c"]


def _ask(*messages: tuple[str, str]) -> str:
    return answer_from(query_of([Message(role, text) for role, text in messages])).text  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("messages", "answer"),
    [
        (
            [("user", TEMPLATE.format(TIDES, "What is the range at Old Lock?"))],
            "Old Lock has a mean range of 2.6 metres.",
        ),
        ([("user", f"When does the office open? {TIDES}")], "The harbour office opens at 8."),
        ([("system", TIDES), ("user", "What do neap tides follow?")], "Neap tides follow the quarters."),
        (
            [("user", "My dog is called Bello."), ("assistant", "ok"), ("user", "What is my dog called?")],
            "My dog is called Bello.",
        ),
        (
            [
                (
                    "user",
                    "\u6771\u4eac\u306f\u65e5\u672c\u306e\u9996\u90fd\u3067\u3059\u3002\u5927\u962a\u306f\u5927\u304d\u3044\u3067\u3059\u3002\n\n\u65e5\u672c\u306e\u9996\u90fd\u306f\uff1f",
                )
            ],
            "\u6771\u4eac\u306f\u65e5\u672c\u306e\u9996\u90fd\u3067\u3059\u3002",
        ),
        ([("user", f"{TIDES}\nHow high is the range of North Quay?"), ("assistant", "x."), ("user", "And why?")], None),
    ],
)
def test_the_answer_quotes_the_best_sentence(messages: list[tuple[str, str]], answer: str | None) -> None:
    """Material is everything but the question; a follow-up with few words uses the question before it."""
    assert _ask(*messages) == (answer or "North Quay has a mean range of 4.1 metres.")


@pytest.mark.parametrize(
    "messages",
    [[("user", "Where is it?")], [("user", f"{TIDES}\n\nWho painted the ceiling?")], [("system", "?"), ("user", "x")]],
)
def test_without_material_the_answer_admits_it(messages: list[tuple[str, str]]) -> None:
    """Nothing is made up: the answer repeats the question and states that there is nothing on it."""
    answer = _ask(*messages)
    assert answer.startswith(NOTHING)
    assert answer.endswith(split_question(messages[-1][1])[0])


def test_its_own_apology_is_not_material() -> None:
    """An earlier answer that found nothing is not quoted later."""
    first = _ask(("user", "Where is the lock?"))
    assert _ask(("user", "Where is the lock?"), ("assistant", first), ("user", "Is there a lock?")).startswith(NOTHING)


def test_a_summary_takes_the_central_sentences() -> None:
    """For a summary the engine quotes sentences with the material's most frequent words."""
    answer = "Spring tides follow the new and full moon. Neap tides follow the quarters."
    assert _ask(("user", f"Summarize the following:\n\n{TIDES}")) == answer


def test_files_that_come_along_are_material(serve: Serve) -> None:
    """Text in `data:` addresses is searched; other addresses and broken ones are skipped."""
    encoded = base64.b64encode(TIDES.encode()).decode()
    uris = [
        f"data:text/plain;base64,{encoded}",
        "data:text/plain;base64,%",
        "data:image/png,x",
        "https://example.org/a",
    ]
    files = [{"name": "a.txt", "uri": uri} for uri in uris]
    assert serve().finish("When does the office open?", files=files)["output_text"] == "The harbour office opens at 8."


def test_a_run_can_be_watched(serve: Serve) -> None:
    """The engine reports its steps, an entry that gains a tool call, a title, and its end."""
    api = serve(OfflineEngine(step_delay=0.001))
    run = api.finish(f"{TIDES}\n\nWhen does the office open?")
    assert run["response_title"] == "When does the office open?"
    calls = [call for entry in run["progress"] for call in entry["tool_calls"] or ()]
    assert [call["name"] for call in calls] == ["search_material"]
    assert calls[0]["args"]["query"] == "When does the office open?"
    assert run["progress"][-1]["state"] == "completed"
    follow_up = api.finish("And what do neap tides follow?", thread_id=run["thread_id"])
    assert follow_up["output_text"] == "Neap tides follow the quarters."


PORT = {
    "type": "object",
    "properties": {"name": {"type": "string"}, "mean_range_m": {"type": "number"}},
    "required": ["name", "mean_range_m"],
}


@pytest.mark.parametrize(
    ("schema", "value"),
    [
        (PORT, {"name": "Old Lock", "mean_range_m": 2.6}),
        (
            {"type": "array", "items": PORT},
            [{"name": "Old Lock", "mean_range_m": 2.6}, {"name": "North Quay", "mean_range_m": 4.1}],
        ),
        (
            {"type": "object", "properties": {"summary": {"type": "string"}}},
            {"summary": "Old Lock has a mean range of 2.6 metres."},
        ),
        (
            {"type": "object", "properties": {"mail": {"type": "string", "format": "email"}}},
            {"mail": "office@example.org"},
        ),
        ({"enum": ["new_lock", "old_lock"]}, "old_lock"),
        ({"type": "object", "properties": {"depth": {"anyOf": [{"type": "null"}, {"enum": ["deep"]}]}}}, {}),
        ({"anyOf": [{"type": "null"}, {"enum": ["deep"]}]}, None),
    ],
)
def test_a_structure_is_filled_from_the_material(schema: dict[str, object], value: object) -> None:
    """Names, numbers, texts, addresses and choices come from the sentences that answer the question."""
    asked = query_of([Message("user", TEMPLATE.format(TIDES, "What is the mean range at Old Lock?"))])
    assert structured_from(answer_from(asked), schema) == value


@pytest.mark.parametrize(
    ("name", "kind", "value"),
    [
        ("author", "string", "Ada King"),
        ("totalPrice", "number", 1250.5),
        ("pages", "integer", 66),
        ("isPrinted", "boolean", True),
        ("colour", "string", None),
        ("chapters", "integer", None),
    ],
)
def test_labelled_values_and_numbers_are_found_by_name(name: str, kind: str, value: object) -> None:
    """`name: value` and the number nearest to a name win; an optional property that nothing names is left out."""
    material = NamedValues(["Author: Ada King, is printed: yes.", "Pages are 66 and the price is 1,250.5 pounds."])
    schema = {"type": "object", "properties": {name: {"type": kind}}}
    assert sample(schema, material) == ({} if value is None else {name: value})


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("At the port North Quay the height is 4.1 m.", {"port": "North Quay", "height_m": 4.1}),
        (
            "Boats above 2.5 m leave the port North Quay only at high water. The height is 4.1 m. How high is it?",
            {"port": "North Quay", "height_m": 4.1},
        ),
    ],
)
def test_a_statement_is_its_own_material_and_the_nearest_number_wins(text: str, value: dict[str, object]) -> None:
    """Text to extract from need not be accompanied by a question; units in names help to choose a number."""
    schema = {
        "type": "object",
        "properties": {"port": {"type": "string"}, "height_m": {"type": "number"}},
        "required": ["port", "height_m"],
    }
    assert structured_from(answer_from(query_of([Message("user", text)])), schema) == value


def test_an_impossible_structure_fails_the_run(serve: Serve) -> None:
    """The run fails instead of inventing a value."""
    run = serve().finish("x", response_format={"type": "string", "minLength": 3, "maxLength": 1})
    assert (run["status"], run["error"]["code"]) == ("failed", "UNSATISFIABLE_SCHEMA")


def test_a_structured_run_has_both_answers(serve: Serve) -> None:
    """Text and structure are delivered together."""
    run = serve().finish(TEMPLATE.format(TIDES, "What is the mean range at Old Lock?"), response_format=PORT)
    assert run["output_text"] == "Old Lock has a mean range of 2.6 metres."
    assert run["structured_response"] == {"name": "Old Lock", "mean_range_m": 2.6}
