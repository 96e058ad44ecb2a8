"""Objects instead of texts."""

from __future__ import annotations

import dataclasses
from functools import reduce
from operator import add
from typing import Annotated, Any, TypedDict

import pytest
from langchain_core.exceptions import ModelInvalidRequestError, OutputParserException
from langchain_core.messages import AIMessage
from pydantic import BaseModel, Field, RootModel
from pydantic.v1 import BaseModel as OldBaseModel

from lumnisai_core.exceptions import RunError, ValidationError
from lumnisai_core.local import LocalLumnis, Script
from lumnisai_core.tools import schema_of
from lumnisai_integrations.langchain import ChatLumnis, StructuredOutputError
from tests.conftest import Serve
from tests.langchain.conftest import Connect
from tests.servers import RecordingEngine

PROPERTIES = {"name": {"type": "string"}, "age": {"type": "integer"}}
SCHEMA = {"type": "object", "properties": PROPERTIES, "required": ["name", "age"]}


class Person(BaseModel):
    """A person."""

    name: str
    age: int = Field(ge=0)


class OldPerson(OldBaseModel):
    """A person."""

    name: str
    age: int


@dataclasses.dataclass
class PersonData:
    name: str
    age: int


class PersonDict(TypedDict):
    """A person."""

    name: Annotated[str, ..., "Full name"]
    age: int


FUNCTION = {"name": "Person", "description": "A person.", "parameters": SCHEMA}
KINDS: list[Any] = [
    Person,
    OldPerson,
    PersonData,
    PersonDict,
    SCHEMA,
    SCHEMA | {"title": "Person"},
    FUNCTION,
    {"type": "function", "function": FUNCTION},
    {"name": "Person", "input_schema": SCHEMA},
    {"type": "json_schema", "json_schema": {"name": "Person", "schema": SCHEMA, "strict": True}},
]


@pytest.mark.parametrize("schema", KINDS)
def test_every_kind_of_schema_is_a_titled_json_schema(schema: Any) -> None:
    """Classes and tool dicts of every kind become the same JSON Schema, with a title."""
    made = schema_of(schema)
    assert made["title"] in {"Person", "OldPerson", "PersonData", "PersonDict", "Answer"}
    assert {name: part["type"] for name, part in made["properties"].items()} == {"name": "string", "age": "integer"}
    assert made["required"] == ["name", "age"]


def test_described_fields_stay_described() -> None:
    """Descriptions of TypedDict fields and of functions reach the schema."""
    assert schema_of(PersonDict)["properties"]["name"]["description"] == "Full name"
    assert schema_of(FUNCTION)["description"] == "A person."


@pytest.mark.parametrize("schema", ["Person", 3, None, len])
def test_values_that_are_not_schemas_are_refused(schema: Any) -> None:
    """A value that does not describe an object is refused before anything is sent."""
    with pytest.raises(ValidationError, match="schema must be a pydantic class"):
        schema_of(schema)


NUMBERS: list[Any] = [{"type": "array", "items": {"type": "integer"}}, RootModel[list[int]], list[int], set[int]]


@pytest.mark.parametrize("schema", NUMBERS)
def test_a_list_is_the_value_of_an_object_on_its_way(serve: Serve, connect: Connect, schema: Any) -> None:
    """Runs return objects: other values are wrapped for the run, and unwrapped for the caller."""
    engine = RecordingEngine(Script(structured_response={"value": [1, 2]}))
    answer = connect(serve(engine)).with_structured_output(schema).invoke("Which?")
    sent: Any = engine.requests[-1].response_format
    assert (sent["type"], list(sent["properties"]), sent["properties"]["value"]["type"]) == (
        "object",
        ["value"],
        "array",
    )
    assert list(getattr(answer, "root", answer)) == [1, 2]


@pytest.fixture
def people(serve: Serve) -> LocalLumnis:
    """A service whose runs answer with a person."""
    return serve(Script(output_text="Ann is 30.", structured_response={"name": "Änn", "age": 30}))


@pytest.mark.parametrize("schema", KINDS)
async def test_every_kind_of_schema_answers(people: LocalLumnis, connect: Connect, schema: Any) -> None:
    """invoke, ainvoke, stream and astream answer with instances of classes and with dicts for all else."""
    chain = connect(people).with_structured_output(schema)
    answer = chain.invoke("Who?")
    kind = schema if schema in (Person, OldPerson, PersonData) else dict
    assert isinstance(answer, kind)
    assert (answer if isinstance(answer, dict) else vars(answer)) == {"name": "Änn", "age": 30}
    assert await chain.ainvoke("Who?") == answer
    assert list(chain.stream("Who?")) == [answer]
    assert [part async for part in chain.astream("Who?")] == [answer]


def test_the_message_holds_json_and_text(people: LocalLumnis, connect: Connect) -> None:
    """With include_raw the message has the object as JSON and the run's own words in its metadata."""
    answer = connect(people).with_structured_output(Person, include_raw=True).invoke("Who?")
    assert isinstance(answer["raw"], AIMessage)
    assert answer["raw"].content == '{"name": "Änn", "age": 30}'
    assert answer["raw"].response_metadata["output_text"] == "Ann is 30."
    assert (answer["parsed"], answer["parsing_error"]) == (Person(name="Änn", age=30), None)


def test_a_response_format_without_a_parser_gives_json(people: LocalLumnis, connect: Connect) -> None:
    """A schema on the model or on the call makes the content JSON."""
    assert connect(people, response_format=Person).invoke("Who?").content == '{"name": "Änn", "age": 30}'
    assert connect(people).invoke("Who?", response_format=PersonDict).content == '{"name": "Änn", "age": 30}'


class Untold(BaseModel):
    """A class whose check is not part of its schema."""

    name: str

    def model_post_init(self, context: Any, /) -> None:
        raise ValueError("never right")


@pytest.mark.parametrize(
    ("script", "schema", "said"),
    [
        (Script(output_text="No idea."), Person, "returned no object"),
        (Script(output_text="x", structured_response={"name": "a"}), Untold, "does not fit Untold"),
    ],
)
async def test_no_fitting_object_is_an_error_with_the_run(
    serve: Serve, connect: Connect, script: Script, schema: Any, said: str
) -> None:
    """A run without a fitting object raises an error that parsers' users and ours catch, and that carries the run."""
    chain = connect(serve(script)).with_structured_output(schema)
    with pytest.raises(StructuredOutputError, match=said) as caught:
        chain.invoke("Who?")
    error = caught.value
    assert isinstance(error, OutputParserException)
    assert isinstance(error, RunError)
    assert error.response is not None
    assert (error.response.response_id, error.llm_output) == (error.response_id, script.output_text)
    with pytest.raises(StructuredOutputError, match=said):
        await chain.ainvoke("Who?")
    with pytest.raises(StructuredOutputError, match=said):
        list(chain.stream("Who?"))
    with pytest.raises(StructuredOutputError, match=said):
        [part async for part in chain.astream("Who?")]


def test_include_raw_keeps_the_error(serve: Serve, connect: Connect) -> None:
    """With include_raw a parsing error is part of the answer, next to the message."""
    chain = connect(serve(Script(output_text="No idea."))).with_structured_output(Person, include_raw=True)
    answer = chain.invoke("Who?")
    assert answer["raw"].content == "No idea."
    assert answer["parsed"] is None
    assert isinstance(answer["parsing_error"], StructuredOutputError)


async def test_include_raw_heeds_the_keywords_of_a_call(model: ChatLumnis) -> None:
    """A call may name its thread with the message, too, in every way to make it."""
    thread_id = model.invoke("Ann is 30 years old.").response_metadata["thread_id"]
    chain: Any = model.with_structured_output(Person, include_raw=True)
    answers = [
        chain.invoke("Ann?", thread_id=thread_id),
        await chain.ainvoke("Ann?", thread_id=thread_id),
        *chain.batch(["Ann?"], thread_id=thread_id),
        chain.bind(thread_id=thread_id).invoke("Ann?"),
        reduce(add, chain.stream("Ann?", thread_id=thread_id)),
        reduce(add, [part async for part in chain.astream("Ann?", thread_id=thread_id)]),
    ]
    for answer in answers:
        assert answer["raw"].response_metadata["thread_id"] == thread_id
        assert isinstance(answer["parsed"], Person)
        assert answer["parsing_error"] is None


@pytest.mark.parametrize("method", ["json_schema", "function_calling", "json_mode"])
def test_all_methods_are_the_same(model: ChatLumnis, method: str) -> None:
    """The three method names of LangChain are accepted and mean the platform's response_format."""
    answer = model.with_structured_output(Person, method=method, strict=True).invoke("Ann is 30 years old.")
    assert isinstance(answer, Person)


def test_unknown_methods_are_refused(model: ChatLumnis) -> None:
    """A method that does not exist is refused when the chain is made."""
    with pytest.raises(ValidationError, match="'magic'") as caught:
        model.with_structured_output(Person, method="magic")
    assert isinstance(caught.value, ModelInvalidRequestError)


def test_bare_texts_are_read(model: ChatLumnis) -> None:
    """The parser at the end of a chain also reads bare texts, as parsers do."""
    parser: Any = model.with_structured_output(Person).last  # type: ignore[attr-defined]
    assert parser.invoke('{"name": "a", "age": 1}') == Person(name="a", age=1)
    assert parser.parse('{"name": "a", "age": 1}') == Person(name="a", age=1)
    with pytest.raises(StructuredOutputError):
        parser.parse("a")
