"""Tools that the caller runs: the envelope one way, calls or an answer the other."""

from __future__ import annotations

from typing import Any

import jsonschema_rs
import pytest

from lumnisai_core import ResponseObject
from lumnisai_core.exceptions import ValidationError
from lumnisai_core.tools import StructuredOutputError, Tool, ToolOffer, choice_of

ADD = Tool(
    "add",
    "Add two numbers.",
    {"properties": {"a": {"type": "integer"}, "b": {"type": "integer"}}, "required": ["a", "b"]},
)
NOW = Tool("now", "Tell the time.")
TREE = Tool(
    "grow",
    "",
    {
        "$defs": {
            "T": {
                "type": "object",
                "properties": {"sub": {"type": "array", "items": {"$ref": "#/$defs/T"}}},
                "additionalProperties": False,
            }
        },
        "properties": {"tree": {"$ref": "#/$defs/T"}},
        "required": ["tree"],
    },
)
PERSON = {"title": "Person", "type": "object", "properties": {"name": {"type": "string"}}, "required": ["name"]}


def calls(*made: tuple[str, Any]) -> dict[str, Any]:
    return {"tool_calls": [{"name": name, "args": args} for name, args in made]}


def turn(*made: tuple[str, Any], content: Any = None) -> dict[str, Any]:
    return (calls(*made) if made else {"tool_calls": None}) | {"content": content}


@pytest.mark.parametrize(
    ("offer", "good", "bad"),
    [
        (
            ToolOffer((ADD, NOW)),
            [
                turn(("add", {"a": 1, "b": 2})),
                turn(("now", {}), ("now", {})),
                turn(content="Hi."),
                {"content": "Hi.", "tool_calls": []},
            ],
            [turn(("add", {"a": 1})), turn(("sub", {})), turn(content=1), {}, {"content": "Hi."}],
        ),
        (ToolOffer((ADD, NOW), parallel=False), [turn(("now", {}))], [turn(("now", {}), ("now", {}))]),
        (ToolOffer((ADD, NOW), choice="any"), [calls(("now", {}))], [{"content": "Hi."}, calls()]),
        (ToolOffer((ADD, NOW), choice="any", named="add"), [calls(("add", {"a": 1, "b": 2}))], [calls(("now", {}))]),
        (
            ToolOffer((TREE,)),
            [turn(("grow", {"tree": {"sub": [{"sub": []}]}}))],
            [turn(("grow", {"tree": {"sup": []}}))],
        ),
        (
            ToolOffer((NOW,), answer_schema=PERSON),
            [turn(content={"name": "Ann"})],
            [turn(content="Ann"), turn(content={})],
        ),
        (ToolOffer((NOW,), choice="none", answer_schema=PERSON), [{"name": "Ann"}], [{}]),
        (ToolOffer((), answer_schema=PERSON), [{"name": "Ann"}], [{}]),
    ],
)
def test_the_schema_lets_through_what_can_be_read(offer: ToolOffer, good: list[Any], bad: list[Any]) -> None:
    schema = offer.response_format()
    assert schema is not None
    check = jsonschema_rs.validator_for(schema)
    assert [check.is_valid(value) for value in good] == [True] * len(good)
    assert [check.is_valid(value) for value in bad] == [False] * len(bad)


def guidance(offer: ToolOffer, of_caller: str | None = None) -> str:
    return str(offer.applied_to({"response_format_instructions": of_caller})["response_format_instructions"])


def test_nothing_is_sent_where_no_tool_may_be_used() -> None:
    offer = ToolOffer((NOW,), choice="none")
    assert offer.response_format() is None
    assert guidance(offer, "Be brief.") == "Be brief."


def test_guidance_comes_after_that_of_the_caller() -> None:
    assert guidance(ToolOffer((NOW,)), "Be brief.").startswith("Be brief.\n\n")
    assert "one call" in guidance(ToolOffer((NOW,), parallel=False))


@pytest.mark.parametrize(
    ("given", "meant"),
    [
        (None, ("auto", None)),
        ("auto", ("auto", None)),
        (False, ("auto", None)),
        ("any", ("any", None)),
        ("required", ("any", None)),
        (True, ("any", None)),
        ("none", ("none", None)),
        ("add", ("any", "add")),
        ({"type": "function", "function": {"name": "add"}}, ("any", "add")),
        ({"type": "function", "function": {"name": "none"}}, ("any", "none")),
        ({"type": "function", "name": "add"}, ("any", "add")),
        ({"type": "tool", "name": "add"}, ("any", "add")),
        ({"type": "any"}, ("any", None)),
        ({"type": "auto"}, ("auto", None)),
        ({"type": "none"}, ("none", None)),
    ],
)
def test_a_choice_has_many_forms(given: Any, meant: tuple[str, str | None]) -> None:
    assert choice_of(given) == meant


@pytest.mark.parametrize("given", [3, [], {"type": "sometimes"}, {"function": {}}])
def test_an_unknown_choice_is_named(given: Any) -> None:
    with pytest.raises(ValidationError, match="tool_choice"):
        choice_of(given)


@pytest.mark.parametrize(
    ("make", "said"),
    [
        (lambda: ToolOffer((Tool(""),)), "no name"),
        (lambda: ToolOffer((NOW,), choice="any", named="add"), "'add'.*now"),
        (lambda: ToolOffer((), choice="any"), "no tools"),
    ],
)
def test_an_offer_that_cannot_work_is_refused(make: Any, said: str) -> None:
    with pytest.raises(ValidationError, match=said):
        make()


def run(value: Any, text: str = "") -> ResponseObject:
    return ResponseObject(
        response_id="run-1", thread_id="thread-1", status="succeeded", output_text=text, structured_response=value
    )


@pytest.mark.parametrize(
    ("offer", "response", "read"),
    [
        (ToolOffer((ADD,)), run(calls(("add", {"a": 1, "b": 2}))), ([("add", {"a": 1, "b": 2})], "")),
        (ToolOffer((ADD,)), run(calls(("add", '{"a": 1}'))), ([("add", {"a": 1})], "")),
        *(
            (ToolOffer((NOW,)), run({"tool_calls": [call]}), ([("now", {})], ""))
            for call in ({"name": "now"}, *({"name": "now", "args": args} for args in (None, "", " ", "{}", "null")))
        ),
        (ToolOffer((NOW,)), run(calls(("later", {}))), ([("later", {})], "")),
        (ToolOffer((NOW,)), run({"content": "Hi.", "tool_calls": None}), ([], "Hi.")),
        (ToolOffer((NOW,)), run({"content": "Wait.", **calls(("now", {}))}), ([("now", {})], "Wait.")),
        (ToolOffer((NOW,)), run({"content": {"name": "李"}}), ([], '{"name": "李"}')),
        (ToolOffer((NOW,)), run(None, "In words."), ([], "In words.")),
        (ToolOffer((NOW,)), run(None, '{"content": "Hi."}'), ([], "Hi.")),
        (ToolOffer((NOW,)), run(None, '{"cats": 3}'), ([], '{"cats": 3}')),
        (ToolOffer((NOW,), answer_schema=PERSON), run({"content": {"name": "李"}}), ([], '{"name": "李"}')),
        (ToolOffer((NOW,), answer_schema=PERSON), run({"content": '{"name": "Ann"}'}), ([], '{"name": "Ann"}')),
        (
            ToolOffer((NOW,), answer_schema=PERSON),
            run({"content": {"name": "A"}, **calls(("now", {}))}),
            ([("now", {})], ""),
        ),
    ],
)
def test_a_run_returns_calls_or_an_answer(offer: ToolOffer, response: ResponseObject, read: tuple[Any, str]) -> None:
    reply = offer.read(response)
    assert ([(call.name, call.args) for call in reply.calls], reply.content) == read


def test_every_call_has_an_id_of_its_own() -> None:
    reply = ToolOffer((NOW,)).read(run(calls(("now", {}), ("now", {}))))
    assert len({call.id for call in reply.calls}) == 2


@pytest.mark.parametrize(
    "item", ["now", {"args": {}}, {"name": "now", "args": [1]}, {"name": "now", "args": "not JSON"}]
)
def test_a_call_that_cannot_be_tried_is_kept_apart(item: Any) -> None:
    reply = ToolOffer((NOW,)).read(run({"tool_calls": [item]}))
    assert not reply.calls
    assert [bool(call.problem) for call in reply.invalid] == [True]


@pytest.mark.parametrize(
    ("offer", "response"),
    [
        (ToolOffer((NOW,), choice="any"), run({"content": "Hi."})),
        (ToolOffer((NOW,), choice="any"), run(None, "Hi.")),
        (ToolOffer((NOW,)), run({"answer": "Hi."})),
        (ToolOffer((NOW,)), run({"tool_calls": []})),
        (ToolOffer((NOW,), answer_schema=PERSON), run(None, "Ann")),
        (ToolOffer((NOW,), answer_schema=PERSON), run({"content": "Ann"})),
    ],
)
def test_a_run_that_returned_neither_is_an_error_that_carries_it(offer: ToolOffer, response: ResponseObject) -> None:
    with pytest.raises(StructuredOutputError, match="run-1") as caught:
        offer.read(response)
    assert caught.value.response is response


@pytest.mark.parametrize(
    ("offer", "guidance"),
    [
        (ToolOffer((ADD, NOW)), "Be brief."),
        (ToolOffer((ADD,), parallel=False), None),
        (ToolOffer((ADD, NOW), choice="any"), None),
        (ToolOffer((ADD, NOW), named="add"), "Be brief."),
        (ToolOffer((TREE,), answer_schema=PERSON), None),
    ],
)
def test_an_offer_can_be_read_back(offer: ToolOffer, guidance: str | None) -> None:
    """The service finds the tools, the choice and the caller's own guidance in the parameters of a run."""
    sent = offer.applied_to({"response_format_instructions": guidance})
    found, rest = ToolOffer.of_run(sent["response_format"], sent["response_format_instructions"])
    assert found is not None
    assert rest == guidance
    offered = [tool for tool in offer.tools if offer.named in (None, tool.name)]
    assert [(tool.name, tool.description) for tool in found.tools] == [(one.name, one.description) for one in offered]
    assert (found.is_forced, found.named, found.parallel) == (offer.is_forced, offer.named, offer.parallel)
    assert (found.answer_schema is None) == (offer.answer_schema is None)
    for tool, before in zip(found.tools, offered, strict=True):
        tried: list[dict[str, Any]] = [{"a": 1, "b": 2}, {"a": "x"}, {}, {"tree": {"sub": [{}]}}, {"tree": {"sup": 1}}]
        for args in tried:
            one, other = (jsonschema_rs.validator_for(dict(each.parameters)) for each in (tool, before))
            assert one.is_valid(args) == other.is_valid(args)


@pytest.mark.parametrize(
    "schema",
    [
        None,
        PERSON,
        {"title": "Turn", "properties": {"tool_calls": {}, "content": {}}},
        {"title": "Turn", "type": "object"},
    ],
)
def test_any_other_schema_is_no_offer(schema: Any) -> None:
    assert ToolOffer.of_run(schema, "Be brief.") == (None, "Be brief.")
