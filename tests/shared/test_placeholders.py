"""Placeholders: learned from cleansed texts, found again however a model writes them, never split by a stream."""

from __future__ import annotations

import json
import random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lumnisai_integrations._shared.privacy.placeholders import candidates, found_in, learned, open_end, restored
from lumnisai_integrations._shared.privacy.streams import Pieces

VALUES = {
    "PERSON_0": "Mira Okafor",
    "PERSON_1": "Jon",
    "PERSON_10": "Zed",
    "EMAIL_ADDRESS_0": "mira@example.org",
    "DATE_0": "14 March",
    "DATE_TIME_0": "noon",
}

ALTERATIONS = {
    "small letters": "person_0",
    "first letter": "Person_0",
    "bold": "**PERSON_0**",
    "code": "`PERSON_0`",
    "Markdown escape": r"PERSON\_0",
    "Markdown italics": "_PERSON_0_",
    "bold without the number": "**PERSON**_0",
    "Markdown link": "[PERSON_0](https://example.org)",
    "angle brackets": "<PERSON_0>",
    "HTML escapes": "&lt;PERSON_0&gt;",
    "HTML underscore": "PERSON&#95;0",
    "address": "https://example.org/?to=PERSON%5F0",
    "space": "PERSON 0",
    "dash": "PERSON-0",
    "spaces around": "PERSON _0",
    "possessive": "PERSON_0's",
    "plural": "PERSON_0s",
    "zero width": "PER\u200bSON_0",
    "full width": "\uff30\uff25\uff32\uff33\uff2f\uff2e\uff3f\uff10",
    "leading zero": "PERSON_00",
}


@pytest.mark.parametrize("written", ALTERATIONS.values(), ids=ALTERATIONS)
def test_altered_placeholders_come_back(written: str) -> None:
    """Each of twenty ways to write a placeholder is recognised, inside a sentence and at its end."""
    assert "Mira Okafor" in restored(f"Dear {written}, thank you.", VALUES)
    assert "Mira Okafor" in restored(written, VALUES)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("PERSON_10, PERSON_1 and PERSON_100", "Zed, Jon and PERSON_100"),
        ("DATE_0 at DATE_TIME_0", "14 March at noon"),
        ("Email Address 0 or email-address_0", "mira@example.org or mira@example.org"),
        ("\u6211\u662fPERSON_0\u7684", "\u6211\u662fMira Okafor\u7684"),
        ("MY_PERSON_0 PERSON_0x APERSON_0 PERSON_0_A", "MY_PERSON_0 PERSON_0x APERSON_0 PERSON_0_A"),
        ("person 0 came on date 0", "person 0 came on date 0"),
        ("PERSON_2", "PERSON_2"),
        ("", ""),
    ],
)
def test_where_a_placeholder_ends(text: str, expected: str) -> None:
    """The longest number counts, words go on where they do, and ordinary language stays."""
    assert restored(text, VALUES) == expected


def test_values_are_escaped_in_pieces_of_json() -> None:
    """A value with quotes and lines does not break the document that a model writes."""
    values = {"PERSON_0": 'Mira "M" Okafor\n'}
    document = restored('{"name": "PERSON_0"}', values, in_json=True)
    assert json.loads(document) == {"name": values["PERSON_0"]}


def test_ordinary_sentences_stay() -> None:
    """Nothing is restored in ten thousand sentences without placeholders."""
    chance = random.Random(7)
    ordinary = """
        the person date time address email url location number card in of 0 1 10 version 2.1 chapter 3 item person's
        dates page_1 row-0 PDF ISO 9001 U.S. user_id E-mail Person DATE 1,000 15:30 A4 x10 b2b 3rd person: #1 (0)
    """
    words = ordinary.split()
    for _ in range(10_000):
        sentence = " ".join(chance.choices(words, k=12))
        bare = {token: value for token, value in VALUES.items() if not token.startswith("DATE_0")}
        assert restored(sentence, bare) == sentence


def test_unknown_placeholders_are_candidates() -> None:
    """What could be a placeholder of an earlier call is named as the gateway writes it."""
    assert candidates(r"PERSON_3, email\_address\_4 and **IBAN_7**; PERSON_3 again, no 12") == [
        "PERSON_3",
        "EMAIL_ADDRESS_4",
        "IBAN_7",
    ]
    assert candidates("user_1 and PERSON_3", in_capitals=True) == ["PERSON_3"]


# Streams

PARTS = st.sampled_from(
    [
        *VALUES,
        *ALTERATIONS.values(),
        "PERSON_1",
        "PERSON",
        "PERS",
        "_",
        "s",
        "'s",
        " ",
        "\n",
        "&",
        "\\",
        "0",
        "12",
        "Hi ",
    ]
)


def _streamed(pieces: list[str]) -> str:
    stream = Pieces(VALUES)
    out = [stream.restored("a", stream.push("a", piece)) for piece in pieces]
    return "".join([*out, stream.restored("a", stream.flush("a"))])


@settings(max_examples=400, deadline=None)
@given(st.lists(PARTS, max_size=8).map("".join), st.data())
def test_streams_restore_the_same_however_they_are_cut(text: str, data: st.DataObject) -> None:
    """Any text cut at any places gives what the whole text gives."""
    places = sorted(data.draw(st.sets(st.integers(0, len(text)))))
    cut = [text[a:b] for a, b in zip([0, *places], [*places, len(text)], strict=True)]
    assert _streamed(cut) == restored(text, VALUES)


def test_streams_cut_between_all_characters() -> None:
    """Each single cut, and a cut at every character, give the whole."""
    text = r"To **PERSON_10**, email\_address\_0s &lt;PERSON&#95;0&gt; on DATE_TIME_0; PERSON 1."
    whole = restored(text, VALUES)
    assert "PERSON" not in whole.replace("PERSON 1", "")
    assert all(_streamed([text[:place], text[place:]]) == whole for place in range(len(text)))
    assert _streamed([*text]) == whole


@pytest.mark.parametrize(
    ("text", "held"),
    [
        ("Hello world", ""),
        ("Hello world ", ""),
        ("Dear PERS", "PERS"),
        ("Dear PERSON_0", "PERSON_0"),
        ("Dear PERSON_0,", ""),
        ("Dear PERSON_0 ", ""),
        ("Dear PERSON_1", "PERSON_1"),
        ("Dear email", "email"),
        ("Dear Mr", ""),
        ("The IBAN_", "IBAN_"),
        ("compersons", ""),
        ("PERSON\u200b", "PERSON\u200b"),
    ],
)
def test_only_what_can_become_a_placeholder_is_held(text: str, held: str) -> None:
    """Everything else of a stream is released at once."""
    assert text[open_end(text, VALUES.keys(), any_type=True) :] == held


# Learning


def test_values_are_learned_from_a_cleansed_text() -> None:
    """The spans of both texts tell which value is behind which placeholder, also where one finding holds another."""
    original = "Mira Okafor <mira@example.org> of Mira"
    cleansed = "PERSON_0 <EMAIL_ADDRESS_0> of PERSON_1"
    spans = [(one.start, one.end) for one in found_in(cleansed, ["PERSON_0", "EMAIL_ADDRESS_0", "PERSON_1"])]
    found = [(0, 4), (0, 11), (13, 29), (34, 38)]
    assert learned(original, cleansed, spans, found) == {
        "PERSON_0": "Mira Okafor",
        "EMAIL_ADDRESS_0": "mira@example.org",
        "PERSON_1": "Mira",
    }


@pytest.mark.parametrize("cleansed", ["Dear PERSON_0", "PERSON_0!", "Hi PERSON_0 and more"])
def test_nothing_is_learned_from_texts_that_do_not_fit(cleansed: str) -> None:
    """A service that changed more than the findings leaves no guess."""
    start = cleansed.index("PERSON_0")
    assert learned("Hi Mira", cleansed, [(start, start + 8)], [(3, 7)]) is None
