"""JSON Schemas of everything that describes an answer or the arguments of a tool."""

from __future__ import annotations

import typing
from dataclasses import dataclass
from enum import StrEnum
from typing import Annotated, Any, Literal, NotRequired, Optional, Required, TypedDict

import jsonschema_rs
import pytest
from pydantic import BaseModel, RootModel
from pydantic.v1 import BaseModel as OldBaseModel

from lumnisai_core.exceptions import ValidationError
from lumnisai_core.tools import Tool, answer_schema, builder_of, schema_of, unwrapped


class Kind(StrEnum):
    """Kinds of tides."""

    NEAP = "neap"
    SPRING = "spring"


class Tide(BaseModel):
    """A tide."""

    kind: Kind


class Tree(BaseModel):
    """A tree."""

    name: str
    parts: list[Tree] = []


class OldTree(OldBaseModel):
    """A tree."""

    name: str
    parts: list[OldTree] = []


OldTree.update_forward_refs()


@dataclass
class Port:
    """A port."""

    name: str
    parts: list[Port]


class Plain(TypedDict):
    """A port."""

    name: str
    note: NotRequired[str]


class Partial(TypedDict, total=False):
    """A port."""

    name: Required[Annotated[str, ..., "Its name."]]
    note: str


class Nullable(TypedDict):
    """A port."""

    name: str
    note: Optional[str]  # noqa: UP045 - the older form, too


class Nested(TypedDict):
    """A port."""

    name: str
    parts: list[Nested]


NAME = {"name": "Dover"}
#: A kind of answer, answers that fit it, and answers that do not.
KINDS: list[tuple[Any, list[Any], list[Any]]] = [
    (Tide, [{"kind": "neap"}], [{}, {"kind": "high"}]),
    (Tree, [NAME, NAME | {"parts": [NAME]}], [{}, NAME | {"parts": [{}]}]),
    (OldTree, [NAME | {"parts": [NAME]}], [NAME | {"parts": [{}]}]),
    (Port, [NAME | {"parts": []}], [NAME]),
    (Plain, [NAME, NAME | {"note": "x"}], [{}, NAME | {"note": None}]),
    (Partial, [NAME], [{}]),
    (Nullable, [NAME | {"note": None}], [NAME]),
    (Nested, [NAME | {"parts": [NAME | {"parts": []}]}], [NAME | {"parts": [NAME]}]),
    (list[Tide], [[{"kind": "neap"}], []], [{}, [1]]),
    (list[Nested], [[NAME | {"parts": []}]], [[NAME]]),
    (RootModel[list[int]], [[1]], [["a"]]),
    (Tide | Port, [{"kind": "neap"}, NAME | {"parts": []}], [{}]),
    (Tree | None, [None, NAME], [{}]),
    (Literal["a", "b"], ["a"], ["c"]),
    (Kind, ["neap"], ["high"]),
    (int, [1], ["a"]),
    (dict[str, int], [{"a": 1}], [{"a": "b"}]),
    ({"type": "array", "items": {"type": "integer"}}, [[1]], [["a"]]),
    ({"anyOf": [{"type": "object", "required": ["a"]}, {"type": "null"}]}, [{"a": 1}, None], [{}]),
    ({"$ref": "#/definitions/A", "definitions": {"A": Tide.model_json_schema()["$defs"]["Kind"]}}, ["neap"], ["a"]),
    ({"type": "object", "properties": {"part": {"$ref": "#"}}}, [{"part": {"part": {}}}], [{"part": 1}]),
    ({"type": ["object", "null"], "required": ["a"]}, [{"a": 1}], [{}]),
]


@pytest.mark.parametrize(("kind", "good", "bad"), KINDS, ids=str)
def test_the_schema_is_of_an_object_and_lets_through_what_fits(kind: Any, good: list[Any], bad: list[Any]) -> None:
    """Its root has no reference and no combinator, which providers refuse; other values are the value of an object."""
    schema = schema_of(kind)
    assert schema["type"] == "object"
    assert not schema.keys() & {"$ref", "anyOf", "oneOf", "allOf", "$schema"}
    check, is_wrapped = (
        jsonschema_rs.validator_for(schema),
        list(schema["properties"]) == ["value"] if "properties" in schema else False,
    )

    def sent(value: Any) -> Any:
        return {"value": value} if is_wrapped else value

    assert [check.is_valid(sent(value)) for value in good] == [True] * len(good)
    assert [check.is_valid(sent(value)) for value in bad] == [False] * len(bad)
    for value in good:
        assert unwrapped(sent(value), schema) == value
        builder_of(kind)(value)


def test_descriptions_of_typed_dicts_are_kept() -> None:
    """In LangChain's form, an annotation whose last part is a text."""
    assert schema_of(Partial)["properties"]["name"]["description"] == "Its name."


@pytest.mark.parametrize(
    ("older", "good", "bad"),
    [
        ({"items": [{"type": "integer"}, {"type": "string"}]}, [1, "a"], ["a", 1]),
        ({"items": [{"type": "integer"}], "additionalItems": False}, [1], [1, 2]),
        ({"minimum": 1, "exclusiveMinimum": True}, 2, 1),
        ({"maximum": 1, "exclusiveMaximum": False}, 1, 2),
        ({"dependencies": {"a": ["b"]}}, {"a": 1, "b": 1}, {"a": 1}),
        ({"dependencies": {"a": {"required": ["b"]}}}, {"a": 1, "b": 1}, {"a": 1}),
        ({"$recursiveRef": "#"}, {"part": {}}, 1),
    ],
)
@pytest.mark.parametrize("as_tool", [True, False])
def test_keywords_of_older_drafts_mean_the_same(older: dict[str, Any], good: Any, bad: Any, as_tool: bool) -> None:
    schema = {"$schema": "http://json-schema.org/draft-04/schema#", "type": "object", "properties": {"part": older}}
    made = Tool("t", "", schema).parameters if as_tool else schema_of(schema)
    assert "$schema" not in made
    check = jsonschema_rs.validator_for({**made})
    assert (check.is_valid({"part": good}), check.is_valid({"part": bad})) == (True, False)


ENDLESS: dict[str, Any] = {"type": "object", "properties": {}}
ENDLESS["properties"]["again"] = ENDLESS


@pytest.mark.parametrize(
    ("wrong", "problem"),
    [
        ({"type": "strin"}, "'type'.*'strin'"),
        ({"required": True}, "'required'.*True"),
        ({"properties": []}, "'properties'"),
        ({"anyOf": []}, "'anyOf'"),
        ({"enum": "a"}, "'enum'"),
        ({"$ref": "#/$defs/Nowhere"}, "leads nowhere"),
        ({"$ref": "https://example.com/schema"}, "leads nowhere"),
        ({"items": 3}, "there must be an object"),
        ({"default": {1, 2}}, "set"),
        (ENDLESS, "without end|Circular"),
    ],
)
def test_what_is_wrong_is_named_with_its_place(wrong: Any, problem: str) -> None:
    """For a tool with its name; never a bare TypeError or RecursionError."""
    schema = {"type": "object", "properties": {"part": wrong}}
    with pytest.raises(ValidationError, match=f"tool 'look'(?s:.*)({problem})"):
        Tool("look", "", schema)
    with pytest.raises(ValidationError, match=problem):
        schema_of(schema)


@pytest.mark.parametrize("kind", [3, "Tide", None, len, typing.Callable[[], None]])
def test_what_has_no_schema_is_refused(kind: Any) -> None:
    with pytest.raises(ValidationError):
        schema_of(kind)


def test_formats_without_a_schema() -> None:
    assert answer_schema(None) is None
    assert answer_schema({"type": "text"}) is None
    assert jsonschema_rs.validator_for(answer_schema({"type": "json_object"}) or {}).is_valid({"a": 1})
