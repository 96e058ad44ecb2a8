"""Schemas that move into another one keep their meaning."""

from __future__ import annotations

from typing import Any

import jsonschema_rs
import pytest

from lumnisai_core.tools import SharedDefinitions

NODE: dict[str, Any] = {
    "$defs": {
        "Node": {
            "type": "object",
            "properties": {"name": {"type": "string"}, "next": {"anyOf": [{"$ref": "#/$defs/Node"}, {"type": "null"}]}},
            "required": ["name"],
        }
    },
    "type": "object",
    "properties": {"root": {"$ref": "#/$defs/Node"}},
    "required": ["root"],
}
OLD = {
    "definitions": {"N": {"type": "integer"}},
    "type": "array",
    "items": {"$ref": "#/definitions/N"},
}
WHOLE = {
    "type": "object",
    "properties": {"child": {"$ref": "#"}, "n": {"type": "integer"}},
    "additionalProperties": False,
}
DEEP = {"type": "object", "properties": {"a": {"type": "integer"}, "b": {"$ref": "#/properties/a"}}}
ODD_NAMES = {
    "$defs": {"a/b~c": {"type": "integer"}, "a b": {"type": "string"}},
    "type": "object",
    "properties": {"x": {"$ref": "#/$defs/a~1b~0c"}, "y": {"$ref": "#/$defs/a b"}},
}
LOOKS_LIKE = {
    "type": "object",
    "properties": {"$ref": {"type": "integer"}, "$defs": {"type": "string"}, "const": {"type": "string"}},
    "default": {"$ref": "#/nowhere"},
}


@pytest.mark.parametrize(
    ("schema", "good", "bad"),
    [
        (NODE, {"root": {"name": "a", "next": {"name": "b", "next": None}}}, {"root": {"name": "a", "next": {}}}),
        (OLD, [1, 2], ["1"]),
        (WHOLE, {"child": {"child": {"n": 1}}}, {"child": {"child": {"m": 1}}}),
        (DEEP, {"b": 1}, {"b": "1"}),
        (ODD_NAMES, {"x": 1, "y": "1"}, {"x": "1"}),
        (LOOKS_LIKE, {"$ref": 1, "$defs": "a"}, {"$ref": "1"}),
        ({"$schema": "https://json-schema.org/draft/2020-12/schema", "$id": "urn:x", "type": "integer"}, 1, "1"),
    ],
)
def test_a_moved_schema_accepts_what_it_accepted(schema: dict[str, Any], good: Any, bad: Any) -> None:
    before = repr(schema)
    shared = SharedDefinitions()
    inside = [shared.take(schema, prefix=name) for name in ("one", "one", "two")]
    root = {"$defs": shared.schemas, "type": "object", "properties": dict(zip("abc", inside, strict=True))}
    check = jsonschema_rs.validator_for(root)
    assert repr(schema) == before
    for name in "abc":
        assert check.is_valid({name: good})
        assert not check.is_valid({name: bad})


def test_definitions_carry_the_prefix_and_do_not_meet() -> None:
    """Two tools may each have a definition of the same name and different meaning."""
    shared = SharedDefinitions()
    first = shared.take({"$defs": {"P": {"type": "string"}}, "$ref": "#/$defs/P"}, prefix="find")
    second = shared.take({"$defs": {"P": {"type": "integer"}}, "$ref": "#/$defs/P"}, prefix="count")
    assert (first, second) == ({"$ref": "#/$defs/find.P"}, {"$ref": "#/$defs/count.P"})
    assert shared.schemas == {"find.P": {"type": "string"}, "count.P": {"type": "integer"}}


def test_a_plain_schema_brings_no_definitions() -> None:
    shared = SharedDefinitions()
    assert shared.take({"type": "object", "properties": {}}, prefix="x") == {"type": "object", "properties": {}}
    assert shared.schemas == {}
