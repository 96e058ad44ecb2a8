"""Limits of JSON Schemas, in a table: what multiplies is refused before anybody works on it, what is used passes."""

from __future__ import annotations

from typing import Any

import pytest

from lumnisai_core.local.web.json_schema import SchemaError, compile_schema, problem
from lumnisai_core.local.web.schema_cost import SchemaCost, is_explosive


def _doubled(levels: int, **last: Any) -> dict[str, Any]:
    pairs = {f"d{i}": {"allOf": [{"$ref": f"#/$defs/d{i + 1}"}] * 2} for i in range(levels)}
    return {"$defs": {**pairs, f"d{levels}": last or {"type": "string"}}, "$ref": "#/$defs/d0"}


def _named(levels: int) -> dict[str, Any]:
    pairs = {f"d{i}": {"$anchor": f"a{i}", "allOf": [{"$ref": f"#a{i + 1}"}] * 2} for i in range(levels)}
    return {"$defs": {**pairs, "last": {"$anchor": f"a{levels}", "type": "string"}}, "$ref": "#a0"}


def _text(**keywords: Any) -> dict[str, Any]:
    return {"type": "object", "properties": {"a": {"type": "string", **keywords}}, "required": ["a"]}


TOO_MUCH: list[tuple[Any, str]] = [
    (_doubled(22), "multiply"),
    (_doubled(200), "multiply"),
    (_doubled(22, properties={"a": {"$ref": "#"}}), "multiply"),
    (_named(22), "by name"),
    ({"type": "array", "contains": {}, "minContains": 10**8}, "minContains"),
    ({"type": "array", "minItems": 10**9}, "minItems"),
    ({"allOf": [{"properties": {"a": {"minProperties": 1e300}}}]}, "minProperties"),
    (_text(minLength=10**18), "minLength"),
    (_text(pattern="^(?=a)(((){1000}){1000}){1000}a$"), "repeats"),
    (_text(pattern="^((a{0,1000}){0,1000}){0,1000}$"), "repeats"),
    ({"patternProperties": {"((a{200}){200}){200}": {}}}, "repeats"),
    (_text(pattern="a" * 20_000), "repeats"),
    ({"enum": list(range(150_000))}, "parts"),
    ({"type": "array", "minItems": 9_999, "uniqueItems": True, "items": {"type": "integer"}}, "differ from each other"),
    ({"properties": {"a": {"uniqueItems": True, "prefixItems": [{}] * 2_000}}}, "differ from each other"),
    ({"minItems": 900, "items": {"minItems": 900}}, "demands values"),
    (
        {"allOf": [{"$ref": "#/$defs/a"}], "$defs": {"a": {"contains": {"minItems": 900}, "minContains": 900}}},
        "demands",
    ),
    ({"anyOf": [{"minProperties": 300, "additionalProperties": {"minItems": 300}}]}, "demands values"),
    ({"properties": {f"p{i}": {"type": "string"} for i in range(20_000)}}, "parts"),
]
FINE: list[Any] = [
    True,
    {},
    _text(pattern=r"^(\w{1,63}\.){1,8}\w{2,63}$", minLength=10_000),
    _text(pattern="^(a+)+$"),
    _text(pattern=r"^\p{L}+$"),
    {"enum": [{"minItems": 10**9}], "properties": {"minItems": {"type": "integer"}}},
    {"type": "object", "properties": {f"p{i}": {"anyOf": [{"type": "string"}] * 30} for i in range(60)}},
    {"$defs": {"n": {"properties": {side: {"$ref": "#/$defs/n"} for side in "lr"}}}, "$ref": "#/$defs/n"},
    _doubled(10),
    {"type": "array", "minItems": 1_000, "uniqueItems": True, "items": {"type": "integer"}},
    {"anyOf": [{"minItems": 900, "items": {"minItems": 900}}, {"type": "null"}]},
    {"$defs": {"n": {"required": ["n"], "properties": {"n": {"$ref": "#/$defs/n"}}}}, "$ref": "#/$defs/n"},
]


@pytest.mark.parametrize(("schema", "word"), TOO_MUCH, ids=lambda value: str(value)[:40])
def test_what_multiplies_is_refused_with_the_reason(schema: Any, word: str) -> None:
    """References, counts, repetitions and sheer size; nothing is compiled."""
    with pytest.raises(SchemaError, match=word):
        compile_schema(schema)


@pytest.mark.parametrize("schema", FINE, ids=lambda value: str(value)[:40])
def test_schemas_as_people_write_them_pass(schema: Any) -> None:
    """Data in a schema, and properties that are named like keywords, do not count."""
    compile_schema(schema)


def test_very_deep_schemas_are_refused() -> None:
    """Instead of running out of the stack."""
    deep: dict[str, Any] = {}
    for _ in range(5_000):
        deep = {"not": deep}
    assert SchemaCost(deep).excess == "it is nested too deeply"


def test_long_numbers_that_must_differ_are_not_compared() -> None:
    """Whole numbers beyond 64 bits take a thousand times as long to tell apart as others."""
    check = compile_schema({"type": "array", "uniqueItems": True})
    assert check.is_valid([*range(9_999), 0.5, "a", 10**30, 10**31])
    for long in ([10**30 + number for number in range(9_999)], [{"a": [10**4_000 + number]} for number in range(300)]):
        assert problem(check, long) == "checking the value would take too long"


def test_values_that_take_too_long_to_check_are_not_checked() -> None:
    """A reference that leads back to itself several times multiplies with the depth of the value."""
    node = {"properties": {"a": {"allOf": [{"$ref": "#"}] * 8}}}
    value: dict[str, Any] = {}
    for _ in range(60):
        value = {"a": value}
    check = compile_schema(node)
    assert not check.is_valid(value)
    assert problem(check, value) == "checking the value would take too long"
    assert check.is_valid({"a": {"a": {}}})
    assert SchemaCost(node).steps({"a": {}}) > SchemaCost(node).steps({})


def test_a_deep_value_of_a_plain_tree_is_checked() -> None:
    """Each piece of it is visited once."""
    tree = {"properties": {"l": {"$ref": "#"}, "r": {"$ref": "#"}, "n": {"type": "integer"}}}
    value: dict[str, Any] = {"n": 1}
    for _ in range(40):
        value = {"l": value, "r": {"n": 2}, "n": 3}
    check = compile_schema(tree)
    assert check.is_valid(value)
    assert not check.is_valid({"l": {"l": {"n": "x"}}})


@pytest.mark.parametrize(
    ("pattern", "explosive"), [("a{9999}", False), ("(a{200}){200}", True), ("(?:a|b{99}){99}", False)]
)
def test_repetitions_multiply(pattern: str, explosive: bool) -> None:
    """Only those within each other do."""
    assert is_explosive(pattern) is explosive
