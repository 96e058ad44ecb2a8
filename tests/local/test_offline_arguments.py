"""Arguments of tool calls: found in the question by the names and types of the parameters, and always valid."""

from __future__ import annotations

from typing import Any

import jsonschema_rs
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lumnisai_core.local import Message
from lumnisai_core.local.engines.offline_engine.question_pieces import written_calls
from lumnisai_core.local.engines.offline_engine.tool_arguments import arguments_from
from lumnisai_core.local.engines.offline_engine.tool_calls import calls_for, calls_value
from lumnisai_core.local.engines.offline_engine.tool_offer import envelope_of
from lumnisai_core.local.engines.offline_engine.tool_turns import exchange_of
from tests.local.envelopes import TEXT, WHOLE, Schema, arguments, envelope, tool

NUMBER: Schema = {"type": "number"}
SWITCH: Schema = {"type": "boolean"}
UNIT: Schema = {"type": "string", "enum": ["celsius", "fahrenheit"]}
MAYBE: Schema = {"anyOf": [{"type": "string"}, {"type": "null"}], "default": None}
FLIGHT = arguments(
    ["origin", "destination"],
    origin=TEXT,
    destination=TEXT,
    date={"type": "string", "format": "date"},
    passengers=WHOLE,
    refundable=SWITCH,
)
EMAIL = arguments(["to", "subject"], to={"type": "string", "format": "email"}, subject=TEXT, body=TEXT)
ADDRESS: Schema = {
    **arguments(address={"$ref": "#/$defs/Address"}, tags={"type": "array", "items": TEXT}),
    "$defs": {"Address": arguments(["city"], street=TEXT, city=TEXT, zip_code=TEXT)},
}
NODE: Schema = {
    **arguments(["label"], label=TEXT, child={"$ref": "#/$defs/Node"}),
    "$defs": {"Node": arguments(["label"], label=TEXT, child={"$ref": "#/$defs/Node"})},
}
CHINESE, JAPANESE = "\u4f60\u597d\u554a\u96c6\u56e2", "\u3053\u3093\u306b\u3061\u306f\u682a\u5f0f\u4f1a\u793e"


@pytest.mark.parametrize(
    ("question", "schema", "found"),
    [
        ("add 2 and 3", arguments(a=WHOLE, b=WHOLE), {"a": 2, "b": 3}),
        ("add two and three", arguments(a=WHOLE, b=WHOLE), {"a": 2, "b": 3}),
        ("add -2 and 1,250.5", arguments(a=NUMBER, b=NUMBER), {"a": -2, "b": 1250.5}),
        ("b is 2 and a is 3", arguments(a=WHOLE, b=WHOLE), {"a": 3, "b": 2}),
        ("divide 2.5 by 5", arguments(n=WHOLE, x=NUMBER), {"n": 5, "x": 2.5}),
        ("nothing", arguments(), {}),
        ("hello", arguments(a={"type": "integer", "minimum": 4}), {"a": 4}),
        (
            "top 5 results on tides",
            arguments(["query"], query=TEXT, max_results=WHOLE),
            {"query": "tides", "max_results": 5},
        ),
        ("the weather in San Francisco", arguments(location=TEXT), {"location": "San Francisco"}),
        ("the weather in San Francisco, CA?", arguments(location=TEXT), {"location": "San Francisco, CA"}),
        (
            "the weather in paris tomorrow",
            arguments(["city"], city=TEXT, day=TEXT),
            {"city": "paris", "day": "tomorrow"},
        ),
        ("weather in Oslo in Fahrenheit", arguments(city=TEXT, unit=UNIT), {"city": "Oslo", "unit": "fahrenheit"}),
        ("weather in Oslo", arguments(["city"], city=TEXT, unit=UNIT, days=WHOLE), {"city": "Oslo"}),
        (
            "weather in Oslo",
            arguments(city=TEXT, unit={**UNIT, "default": "fahrenheit"}),
            {"city": "Oslo", "unit": "fahrenheit"},
        ),
        ("weather in Rome", arguments([], city={**TEXT, "default": "Oslo"}), {"city": "Rome"}),
        ("weather, city: Rome", arguments([], city=MAYBE, note=MAYBE), {"city": "Rome"}),
        (f"a customer named '{CHINESE}' (Hello)", arguments(customer_name=TEXT), {"customer_name": CHINESE}),
        (f"a customer named \u300c{JAPANESE}\u300d", arguments(customer_name=TEXT), {"customer_name": JAPANESE}),
        (
            "say '\U0001f600 it\u2019s' to Ann",
            arguments(text=TEXT, to=TEXT),
            {"text": "\U0001f600 it\u2019s", "to": "Ann"},
        ),
        ("Please call Dr. Ann Lee. Then rest.", arguments(name=TEXT), {"name": "Dr. Ann Lee"}),
        (
            "Fly to London from New York on 2026-03-04 with 2 passengers, not refundable",
            FLIGHT,
            {"origin": "New York", "destination": "London", "date": "2026-03-04", "passengers": 2, "refundable": False},
        ),
        (
            'Write to ann@example.org with subject "Tides" and body: See you at noon',
            EMAIL,
            {"to": "ann@example.org", "subject": "Tides", "body": "See you at noon"},
        ),
        (
            "Street: Main Street 5, city: Bergen, zip code 94110, tags: home, work",
            ADDRESS,
            {"address": {"street": "Main Street 5", "city": "Bergen", "zip_code": "94110"}, "tags": ["home", "work"]},
        ),
        ('Save {"a": 5, "b": [6]} now', arguments(a=WHOLE, b={"type": "array"}), {"a": 5, "b": [6]}),
        ("Sum 1, 2.5 and 3", arguments(values={"type": "array", "items": NUMBER}), {"values": [1, 2.5, 3]}),
        (
            "Units celsius and fahrenheit",
            arguments(units={"type": "array", "items": UNIT}),
            {"units": ["celsius", "fahrenheit"]},
        ),
        (
            "verbose output without colour",
            arguments([], verbose=SWITCH, colour=SWITCH),
            {"verbose": True, "colour": False},
        ),
        ("set dry_run to false", arguments(dry_run=SWITCH, force=SWITCH), {"dry_run": False, "force": False}),
        ("label: root", NODE, {"label": "root"}),
        ("When is high tide at Old Lock?", arguments(question=TEXT), {"question": "When is high tide at Old Lock?"}),
        ("level 3", arguments(level={"enum": [1, 2, 3]}), {"level": 3}),
        ("x", arguments(kind={"const": "only"}, at={"type": "null"}), {"kind": "only", "at": None}),
    ],
)
def test_arguments_are_found_in_the_question(question: str, schema: Schema, found: dict[str, Any]) -> None:
    """By name, by type and order, by quotation marks, by preposition; what nothing speaks for is left out."""
    assert arguments_from(schema, question) == found


@pytest.mark.parametrize(
    ("question", "found"),
    [
        ("f(3, 'a, b')", {"n": 3, "text": "a, b"}),
        ("f(text='x', n=4) for 99", {"n": 4, "text": "x"}),
        ("f(3)", {"n": 3}),
        ("f(n: 3, text: None)", {"n": 3}),
        ('f(3, "(")', {"n": 3, "text": "("}),
        ("f('three')", {"n": 0}),
    ],
)
def test_a_written_call_gives_its_arguments_by_place_and_name(question: str, found: dict[str, Any]) -> None:
    """As programming languages write them; what does not fit its parameter is passed over."""
    (written,) = written_calls(question, "f")
    assert arguments_from(arguments(["n"], n=WHOLE, text=TEXT), question, written) == found


@pytest.mark.parametrize("question", ["f(", "f(3", "xf(3)", "f (3)", "g.f(3)", "f['a']"])
def test_what_only_looks_like_a_call_is_none(question: str) -> None:
    """Unclosed brackets and other names."""
    assert written_calls(question, "f") == []


_NAMES = st.sampled_from(["a", "city", "max_results", "from", "text", "isOpen", "\u540d", "x y", "a.b", "(", ""])
_LEAVES: st.SearchStrategy[Schema] = st.sampled_from(
    [
        TEXT,
        WHOLE,
        NUMBER,
        SWITCH,
        UNIT,
        MAYBE,
        {"type": "integer", "minimum": 5, "maximum": 7},
        {"type": "number", "multipleOf": 0.5},
        {"type": "string", "minLength": 30},
        {"type": "string", "pattern": "^[A-Z]{3}-\\d{2}$"},
        {"type": "string", "format": "date"},
        {"type": "null"},
        {"enum": [1, "one", None]},
        {},
        True,
        {"$ref": "#/$defs/Node"},
        {"oneOf": [WHOLE, {"type": "array", "items": TEXT}]},
    ]
)


def _objects(inner: st.SearchStrategy[Schema]) -> st.SearchStrategy[Schema]:
    return st.builds(
        lambda properties, closed, count: {
            **arguments(list(properties)[:count]),
            "properties": properties,
            **({"additionalProperties": False} if closed else {}),
        },
        st.dictionaries(_NAMES, inner, max_size=4),
        st.booleans(),
        st.integers(0, 4),
    )


_PARAMETERS = _objects(
    st.recursive(
        _LEAVES,
        lambda inner: st.one_of(
            _objects(inner), st.builds(lambda items: {"type": "array", "items": items, "minItems": 1}, inner)
        ),
        max_leaves=6,
    )
)
_QUESTIONS = st.one_of(
    st.text(max_size=60),
    st.lists(
        st.sampled_from(
            [
                "tool",
                "one(",
                "3",
                ")",
                "two",
                "in",
                "Oslo",
                "'x'",
                "city:",
                "a=",
                "not",
                "isOpen",
                "{",
                "}",
                '{"a": 1}',
                "and",
                ",",
                "-5.5",
                "celsius",
                "2026-01-01",
                "\u540d",
                "1e999",
                "\U0001f600",
                "ABC-12",
                "\n",
                "max results 4",
            ]
        ),
        max_size=12,
    ).map(" ".join),
)


@settings(max_examples=150, deadline=None)
@given(st.lists(_PARAMETERS, min_size=1, max_size=3), _QUESTIONS, st.booleans(), st.sampled_from([None, 1]))
def test_calls_always_satisfy_the_envelope(
    parameters: list[Schema], question: str, forced: bool, most: int | None
) -> None:
    """Whatever the tools, and whatever is asked; and the same question gives the same calls."""
    tools = [tool(name, "", schema) for name, schema in zip(("one", "two_tools", "three"), parameters, strict=False)]
    schema = envelope(*tools, forced=forced, most=most, defs={"Node": NODE["$defs"]["Node"]})
    made = envelope_of(schema)
    assert made is not None
    exchange = exchange_of([Message("user", question)])
    calls = calls_for(made, exchange)
    assert calls == calls_for(made, exchange)
    if calls or forced:
        jsonschema_rs.validator_for(schema, validate_formats=True).validate(calls_value(calls))
