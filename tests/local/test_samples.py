"""Sample values: valid for every schema, filled or neutral; an error if there is none."""

from __future__ import annotations

from typing import Any

import jsonschema_rs
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lumnisai_core.local.engines.samples.document import Unsatisfiable
from lumnisai_core.local.engines.samples.named_values import NamedValues
from lumnisai_core.local.engines.samples.samples import sample

QUOTES = NamedValues(
    ["The price of the Blue Lamp is 30.5 EUR.", "Delivery takes 4 days."],
    ["Contact: shop@example.com, order ABC-1234 on 2024-05-06."],
    answer="The price of the Blue Lamp is 30.5 EUR.",
)
NODE = {
    "type": "object",
    "properties": {"v": {"type": "integer"}, "next": {"anyOf": [{"$ref": "#/$defs/N"}, {"type": "null"}]}},
    "required": ["v", "next"],
}
TREE = {
    "type": "object",
    "properties": {
        "kids": {"type": "array", "items": {"$ref": "#/$defs/T"}},
        "left": {"oneOf": [{"$ref": "#/$defs/T"}, {"type": "null"}]},
        "right": {"oneOf": [{"$ref": "#/$defs/T"}, {"type": "null"}]},
    },
    "required": ["kids", "left", "right"],
    "additionalProperties": False,
}
PET = {
    "oneOf": [
        {"type": "object", "properties": {"k": {"const": "cat"}, "m": {"type": "integer"}}, "required": ["k", "m"]},
        {"type": "object", "properties": {"k": {"const": "dog"}, "b": {"type": "number"}}, "required": ["k", "b"]},
    ]
}
FORMATS = (
    "date date-time time duration email idn-email hostname ipv4 ipv6 uri uri-reference iri uuid json-pointer"
    " relative-json-pointer regex uri-template"
)
SATISFIABLE: list[Any] = [
    True,
    {},
    {"type": ["null", "integer"]},
    {"const": {"a": [1]}},
    {"enum": [None]},
    {"enum": ["a", 1], "type": "integer"},
    {"enum": [1.0, True], "type": "boolean"},
    {"type": "array", "minItems": 9_999, "items": {"type": "integer"}},
    {"type": "array", "minItems": 240, "uniqueItems": True, "items": {"type": "integer"}},
    {"type": "array", "minItems": 900, "uniqueItems": True, "items": {"enum": list(range(900))}},
    {"type": "string", "minLength": 30},
    {"type": "string", "maxLength": 0},
    {"type": "string", "minLength": 2, "maxLength": 2},
    {"type": "string", "pattern": r"^[A-Z]{3}-\d{4}$"},
    {"type": "string", "pattern": "^(?:a|b)+c$", "minLength": 20, "maxLength": 24},
    {"type": "string", "pattern": "^(?!foo).*bar$"},
    {"type": "string", "pattern": r"^(?<y>[^a-z\s])[\w.]*(?=x)x$"},
    {"type": "string", "pattern": "[^x]y|z{2,}?"},
    *({"type": "string", "format": name} for name in FORMATS.split()),
    {"type": "integer", "minimum": 7, "maximum": 7},
    {"type": "integer", "minimum": 10**30 + 1, "maximum": 10**30 + 1},
    {"type": "number", "exclusiveMinimum": 0, "exclusiveMaximum": 1},
    {"type": "number", "multipleOf": 0.1, "minimum": 1.05},
    {"type": "integer", "multipleOf": 7, "exclusiveMinimum": 14},
    {"type": "number", "minimum": 1e-9, "maximum": 2e-9},
    {"type": "integer", "maximum": -5},
    {"type": "number", "minimum": 1e300},
    {"type": "integer", "allOf": [{"multipleOf": 4, "minimum": 1}, {"multipleOf": 6, "maximum": 12}]},
    {"type": "array", "items": {"type": "integer"}, "minItems": 5, "uniqueItems": True},
    {"type": "array", "items": {"enum": ["a", "b", "c"]}, "minItems": 3, "uniqueItems": True},
    {"type": "array", "items": {"type": "boolean"}, "minItems": 2, "uniqueItems": True},
    {"type": "array", "items": {"type": "string"}, "minItems": 60, "uniqueItems": True},
    {"type": "array", "items": {"type": "string"}, "minItems": 200},
    {"type": "array", "minItems": 2.0, "maxItems": 3.0},
    {"type": "array", "prefixItems": [{"type": "string"}, {"type": "integer"}], "items": False, "minItems": 2},
    {"type": "array", "items": {**NODE, "required": ["v"], "properties": {"v": {"type": "integer"}}}, "minItems": 4},
    {"type": "object", "properties": {"a": {"type": "string"}}, "required": ["a", "b"]},
    {"type": "object", "minProperties": 3},
    {
        "type": "object",
        "patternProperties": {"^n_": {"type": "integer"}},
        "additionalProperties": False,
        "minProperties": 2,
    },
    {"required": ["n_a"], "patternProperties": {"^n_": {"type": "integer"}}, "additionalProperties": {"type": "null"}},
    {"not": {"type": "string"}},
    {"type": "string", "not": {"enum": ["unknown", "none"]}},
    {"type": "integer", "not": {"maximum": 5}},
    {"oneOf": [{"type": "integer"}, {"type": "number", "minimum": 0}]},
    {"oneOf": [{"multipleOf": 3}, {"multipleOf": 5}], "type": "integer"},
    {"$ref": "#/$defs/N", "$defs": {"N": NODE}},
    {"$ref": "#/$defs/T", "$defs": {"T": TREE}},
    {"type": "object", "properties": {"self": {"$ref": "#"}}, "additionalProperties": False},
    {"properties": {"x": {"$ref": "#/$defs/a~1b"}}, "$defs": {"a/b": {"type": "boolean"}}, "required": ["x"]},
    {
        "type": "object",
        "allOf": [
            {"properties": {"a": {"type": "string"}}, "required": ["a"]},
            {"properties": {"a": {"minLength": 3}, "b": {"type": "integer"}}, "required": ["b"]},
        ],
        "unevaluatedProperties": False,
    },
    {
        "$schema": "http://json-schema.org/draft-07/schema#",
        "definitions": {
            "P": {"type": "array", "items": [{"type": "integer"}], "additionalItems": False, "minItems": 1}
        },
        "properties": {"p": {"$ref": "#/definitions/P"}},
        "required": ["p"],
    },
    {"type": "object", "properties": {"pets": {"type": "array", "items": PET, "minItems": 2}}, "required": ["pets"]},
    {"type": "object", "properties": {"a": {"type": "string", "default": "x"}}, "required": ["a"]},
]
UNSATISFIABLE: list[Any] = [
    False,
    {"type": "string", "minLength": 3, "maxLength": 1},
    {"type": "integer", "minimum": 2, "maximum": 1},
    {"$ref": "#"},
    {
        "$ref": "#/$defs/N",
        "$defs": {"N": {"type": "object", "properties": {"n": {"$ref": "#/$defs/N"}}, "required": ["n"]}},
    },
    {"type": "array", "items": {"type": "boolean"}, "minItems": 3, "uniqueItems": True},
    {"type": "array", "minItems": 2, "maxItems": 1},
    {"type": "object", "required": ["a", "b"], "maxProperties": 1},
    {"type": "object", "minProperties": 2, "additionalProperties": False, "properties": {"a": {}}},
    {"not": {}},
    {"allOf": [{"type": "string"}, {"type": "integer"}]},
    {"allOf": [{"enum": [1]}, {"enum": [2]}]},
    {"type": "object", "required": ["a"], "additionalProperties": False},
    {"enum": ["a"], "type": "integer"},
]
#: Schemas with values that the engine does not find.
TOO_INTRICATE: list[Any] = [
    {"type": "array", "contains": {"const": 5}},
    {"type": "object", "minProperties": 2, "propertyNames": {"pattern": "^x_[a-z]+$"}},
    {"type": "object", "required": ["a"], "dependentRequired": {"a": ["b"]}},
    {"type": "object", "if": {"required": ["x"]}, "else": {"required": ["y"]}},
    {"type": "string", "pattern": r"^\p{Greek}+$"},
]


@pytest.mark.parametrize("source", [None, QUOTES], ids=["neutral", "filled"])
@pytest.mark.parametrize("schema", SATISFIABLE, ids=lambda schema: str(schema)[:60])
def test_every_schema_gets_a_valid_value(schema: Any, source: NamedValues | None) -> None:
    """The value satisfies the schema, formats included, and is the same every time."""
    value = sample(schema, source)
    assert jsonschema_rs.validator_for(schema, validate_formats=True).is_valid(value)
    assert sample(schema, source) == value


@pytest.mark.parametrize("schema", [*UNSATISFIABLE, *TOO_INTRICATE], ids=lambda schema: str(schema)[:60])
def test_a_schema_without_values_is_an_error(schema: Any) -> None:
    """The error has a reason. A value that is not found is an error, too, never a value that does not fit."""
    with pytest.raises(Unsatisfiable, match=r"\w"):
        sample(schema, QUOTES)


def test_optional_properties_without_material_are_left_out() -> None:
    """A neutral value would only pretend to be an answer."""
    assert sample({"type": "object", "properties": {"a": {"type": "string"}}}) == {}


def _objects(inner: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    names = st.sampled_from(["name", "price", "b"])
    properties = st.dictionaries(names, inner, max_size=3)

    def build(parts: dict[str, Any], closed: bool) -> dict[str, Any]:
        return {"type": "object", "properties": parts, "required": list(parts), "additionalProperties": not closed}

    return st.builds(build, properties, st.booleans())


def _arrays(inner: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    return st.builds(
        lambda items, least: {"type": "array", "items": items, "minItems": least}, inner, st.integers(0, 3)
    )


LEAVES = st.one_of(
    st.sampled_from([{"type": kind} for kind in ("string", "number", "integer", "boolean", "null")]),
    st.lists(st.sampled_from(["Blue", "x", 1, None]), min_size=1, unique=True).map(lambda values: {"enum": values}),
    st.builds(
        lambda low, size: {"type": "integer", "minimum": low, "maximum": low + size}, st.integers(), st.integers(0, 9)
    ),
    st.builds(
        lambda low, size: {"type": "string", "minLength": low, "maxLength": low + size},
        st.integers(0, 40),
        st.integers(0, 9),
    ),
)
SCHEMAS = st.recursive(
    LEAVES,
    lambda inner: st.one_of(
        _objects(inner), _arrays(inner), st.lists(inner, min_size=1, max_size=3).map(lambda parts: {"anyOf": parts})
    ),
    max_leaves=8,
)


@settings(max_examples=150, deadline=None)
@given(SCHEMAS)
def test_generated_schemas_get_valid_values(schema: dict[str, Any]) -> None:
    """Schemas put together at random are satisfied too, with and without material."""
    for source in (None, QUOTES):
        assert jsonschema_rs.is_valid(schema, sample(schema, source))
