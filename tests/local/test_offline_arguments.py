"""Arguments of tool calls: found in the question by the names and types of the parameters, and always valid."""

from __future__ import annotations

from typing import Any

import jsonschema_rs
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lumnisai_core.local import Message
from lumnisai_core.local.engines.offline_engine.answers import answer_from, enveloped
from lumnisai_core.local.engines.offline_engine.question import query_of
from lumnisai_core.local.engines.offline_engine.tool_calls import (
    arguments_from,
    calls_for,
    envelope_of,
    exchange_of,
    written_calls,
)
from tests.local.envelopes import TEXT, WHOLE, Schema, arguments, envelope, flat_envelope, tool

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
        ("add -2 and 1,250.5", arguments(a=NUMBER, b=NUMBER), {"a": -2, "b": 1250.5}),
        ("b is 2 and a is 3", arguments(a=WHOLE, b=WHOLE), {"a": 3, "b": 2}),
        ("5 results on 3 pages", arguments(size=NUMBER, results=WHOLE), {"size": 3, "results": 5}),
        ("divide 2.5 by 5", arguments(n=WHOLE, x=NUMBER), {"n": 5, "x": 2.5}),
        ("nothing", arguments(), {}),
        ("hello", arguments(a={"type": "integer", "minimum": 4}), {"a": 4}),
        (
            "query: tides, top 5 results",
            arguments(["query"], query=TEXT, max_results=WHOLE),
            {"query": "tides", "max_results": 5},
        ),
        ("newest tide table", arguments(["query"], query=TEXT), {"query": "newest tide table"}),
        ("the weather in San Francisco", arguments(location=TEXT), {"location": "San Francisco"}),
        ("the weather in San Francisco, CA?", arguments(location=TEXT), {"location": "San Francisco, CA"}),
        (
            "city=Paris, the day is tomorrow; days: 3",
            arguments(["city"], city=TEXT, days=WHOLE),
            {"city": "Paris", "days": 3},
        ),
        ("weather in Oslo in Fahrenheit", arguments(city=TEXT, unit=UNIT), {"city": "Oslo", "unit": "fahrenheit"}),
        ("weather in Oslo", arguments(["city"], city=TEXT, unit=UNIT, days=WHOLE), {"city": "Oslo"}),
        (
            "weather in Oslo",
            arguments(city=TEXT, unit={**UNIT, "default": "fahrenheit"}),
            {"city": "Oslo", "unit": "fahrenheit"},
        ),
        ("weather in Rome", arguments(city={**TEXT, "default": "Oslo"}), {"city": "Oslo"}),
        ("weather, city: Rome", arguments([], city=MAYBE, note=MAYBE), {"city": "Rome"}),
        (f"a customer named '{CHINESE}' (Hello)", arguments(customer_name=TEXT), {"customer_name": CHINESE}),
        (f"a customer named \u300c{JAPANESE}\u300d", arguments(customer_name=TEXT), {"customer_name": JAPANESE}),
        (
            "say '\U0001f600 it\u2019s' to Ann",
            arguments(text=TEXT, to=TEXT),
            {"text": "\U0001f600 it\u2019s", "to": "Ann"},
        ),
        (
            "Fly with origin New York and destination: London, on 2026-03-04, 2 passengers, refundable: no",
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
            {"address": {"street": "Main Street 5", "city": "Bergen"}, "tags": ["home", "work"]},
        ),
        ("Sum 1, 2.5 and 3", arguments(values={"type": "array", "items": NUMBER}), {"values": [1, 2.5, 3]}),
        ("values = [1, 2]", arguments(values={"type": "array", "items": NUMBER}), {"values": [1, 2]}),
        (
            "Units celsius and fahrenheit",
            arguments(units={"type": "array", "items": UNIT}),
            {"units": ["celsius", "fahrenheit"]},
        ),
        ("set dry_run to true", arguments(dry_run=SWITCH, force=SWITCH), {"dry_run": True, "force": False}),
        ("label: root", NODE, {"label": "root"}),
        ("When is high tide at Old Lock?", arguments(question=TEXT), {"question": "When is high tide at Old Lock?"}),
        ("level 3", arguments(level={"enum": [1, 2, 3]}), {"level": 3}),
        ("x", arguments(kind={"const": "only"}, at={"type": "null"}), {"kind": "only", "at": None}),
    ],
)
def test_arguments_are_found_in_the_question(question: str, schema: Schema, found: dict[str, Any]) -> None:
    """By name, by choice, by quotation marks, by order; an optional one must be named."""
    assert arguments_from(schema, question) == found


@pytest.mark.parametrize(
    ("question", "found"),
    [
        ("f(3, 'a, b')", {"n": 3, "text": "a, b"}),
        ("f(text='x', n=4) for 99", {"n": 4, "text": "x"}),
        ("f(3)", {"n": 3}),
        ("f(3, None)", {"n": 3}),
        ("f(3, (1, [2]))", {"n": 3, "text": "[1, [2]]"}),
        ('f(3, "(")', {"n": 3, "text": "("}),
        ("f(3, Oslo)", {"n": 3, "text": "Oslo"}),
        ("f('three')", {"n": 0}),
    ],
)
def test_a_written_call_gives_its_arguments_by_place_and_name(question: str, found: dict[str, Any]) -> None:
    """As programming languages write them; a value that does not fit its parameter is skipped."""
    (written,) = written_calls(question, "f")
    assert arguments_from(arguments(["n"], n=WHOLE, text=TEXT), question, written) == found


@pytest.mark.parametrize(
    "question", ["f(", "f(3", "xf(3)", "f (3)", "g.f(3)", "f['a']", "f(3 4)", "f" + "(" * 9_000, f"f({'-' * 3_900}3)"]
)
def test_text_that_only_looks_like_a_call_is_not_one(question: str) -> None:
    """Unclosed brackets, other names, and words without a comma."""
    assert list(written_calls(question, "f")) == []


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
@given(st.lists(_PARAMETERS, min_size=1, max_size=3), _QUESTIONS, st.sampled_from(["either", "forced", "flat"]))
def test_calls_and_answers_always_satisfy_the_envelope(parameters: list[Schema], question: str, form: str) -> None:
    """For any tools and any question; and the same question gets the same calls."""
    tools = [tool(name, "", schema) for name, schema in zip(("one", "two_tools", "three"), parameters, strict=False)]
    defs, most = {"Node": NODE["$defs"]["Node"]}, 1 if len(question) % 2 else None
    if form == "flat":
        schema = flat_envelope(*tools, most=most, defs=defs)
    else:
        schema = envelope(*tools, forced=form == "forced", most=most, defs=defs)
    offer = envelope_of(schema)
    assert offer is not None
    exchange = exchange_of([Message("user", question)])
    calls = calls_for(offer, exchange)
    assert calls == calls_for(offer, exchange)
    valid = jsonschema_rs.validator_for(schema, validate_formats=True)
    assert calls or form != "forced"
    if calls:
        valid.validate(offer.calls_value(calls))
    if form != "forced":
        valid.validate(enveloped(answer_from(query_of(exchange.messages)), offer))
