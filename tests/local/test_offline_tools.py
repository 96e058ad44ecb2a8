"""Tools and the offline engine: which one it calls and when, and how it answers from their results."""

from __future__ import annotations

import json
from typing import Any

import pytest

from lumnisai_core.local import Message
from lumnisai_core.local.engines.offline_engine.tool_calls import calls_for, envelope_of, exchange_of
from lumnisai_core.local.engines.samples.document import Unsatisfiable
from lumnisai_core.tools import Tool, ToolOffer, tool_calls_text, tool_result_text
from tests.local.conftest import Serve
from tests.local.envelopes import TEXT, WHOLE, Schema, arguments, envelope, flat_envelope, tool

ADD = tool("add", "Add two numbers.", arguments(a=WHOLE, b=WHOLE))
MULTIPLY = tool("multiply", "Multiply two numbers.", arguments(a=WHOLE, b=WHOLE))
WEATHER = tool("get_weather", "Get the weather at a location.", arguments(location=TEXT))
SETTING = tool("set_weather", "Change the weather on the stage.", arguments(kind=TEXT))
MAGIC = tool("magic_function", "Apply a magic function to an input.", arguments(input=WHOLE))
MAGIC_ALONE = tool("magic_function_no_args", "Calculate a magic function.")
SEARCH = tool("search_web", "Search the web for pages.", arguments(query=TEXT))
BEIJING = "\u5317\u4eac\u7684\u5929\u6c14\u600e\u4e48\u6837"
CHINESE = tool("lookup", "\u67e5\u8be2\u5929\u6c14", arguments(city=TEXT))


def _calls(schema: Schema, *messages: tuple[str, str]) -> list[tuple[str, Any]]:
    made = envelope_of(schema)
    assert made is not None
    exchange = exchange_of([Message(role, text) for role, text in messages])  # type: ignore[arg-type]
    return [(call.name, call.args) for call in calls_for(made, exchange)]


@pytest.mark.parametrize(
    ("question", "tools", "calls"),
    [
        ("What is the value of magic_function(3)? Use the tool.", [MAGIC], [("magic_function", {"input": 3})]),
        ("What is the value of magic_function_no_args()?", [MAGIC, MAGIC_ALONE], [("magic_function_no_args", {})]),
        ("Magic function of 7", [MAGIC_ALONE, MAGIC], [("magic_function", {"input": 7})]),
        ("What is the weather in Oslo?", [ADD, WEATHER], [("get_weather", {"location": "Oslo"})]),
        ("Set weather, kind: storm", [WEATHER, SETTING], [("set_weather", {"kind": "storm"})]),
        ("Add 3 and 4", [MULTIPLY, ADD], [("add", {"a": 3, "b": 4})]),
        ("Searching pages on tides", [WEATHER, SEARCH], [("search_web", {"query": "Searching pages on tides"})]),
        (f"{BEIJING}\uff1f", [CHINESE], [("lookup", {"city": f"{BEIJING}\uff1f"})]),
        (
            "Add 2 and 3 and multiply 4 by 5.",
            [MULTIPLY, ADD],
            [("add", {"a": 2, "b": 3}), ("multiply", {"a": 4, "b": 5})],
        ),
        (
            "Get weather in Oslo, and add 2 and 3",
            [ADD, WEATHER],
            [("get_weather", {"location": "Oslo"}), ("add", {"a": 2, "b": 3})],
        ),
        (
            "get_weather('Oslo') and get_weather(location='Rome')",
            [WEATHER],
            [("get_weather", {"location": "Oslo"}), ("get_weather", {"location": "Rome"})],
        ),
        ("Hello!", [MAGIC, WEATHER], []),
        ("How do I get to the station?", [WEATHER], []),
        ("What is the capital of France?", [WEATHER, ADD, SEARCH], []),
        ("", [WEATHER], []),
    ],
)
def test_the_tools_that_a_question_is_about_are_called(question: str, tools: list[Schema], calls: list[Any]) -> None:
    """Named tools, else the one that shares most words with the question; none if it shares too few."""
    for schema in (envelope(*tools), flat_envelope(*tools)):
        assert _calls(schema, ("user", question)) == calls


@pytest.mark.parametrize("question", ["Hello!", "", "\U0001f600", "And then?"])
def test_a_forced_call_is_made_for_any_question(question: str) -> None:
    """The best tool, else the first one, with arguments that its schema takes."""
    ((name, args),) = _calls(envelope(MAGIC, WEATHER, forced=True), ("user", question))
    assert (name, isinstance(args["input"], int)) == ("magic_function", True)
    ((name, args),) = _calls(envelope(WEATHER, forced=True), ("user", question))
    assert (name, isinstance(args["location"], str)) == ("get_weather", True)


def test_one_call_at_a_time_if_the_schema_demands_it() -> None:
    """`maxItems` is obeyed."""
    assert len(_calls(envelope(ADD, MULTIPLY, most=1), ("user", "Add 2 and 3, and multiply 4 by 5"))) == 1


CALLED = tool_calls_text("Let me see.", [{"id": "1", "name": "get_weather", "args": {"location": "Oslo"}}])
RETURNED = tool_result_text("It's sunny.", name="get_weather", call_id="1")
ASKED = ("user", "What is the weather in Oslo?")


def test_a_call_is_not_repeated_while_an_answer_is_possible() -> None:
    """Neither after its result nor without one; a new question may repeat it."""
    schema = envelope(WEATHER)
    assert _calls(schema, ASKED, ("assistant", CALLED), ("user", RETURNED)) == []
    assert _calls(schema, ASKED, ("assistant", CALLED), ("assistant", "Wait.")) == []
    again = (ASKED, ("assistant", CALLED), ("user", RETURNED), ("assistant", "It is sunny."), ASKED)
    assert _calls(schema, *again) == [("get_weather", {"location": "Oslo"})]
    assert len(_calls(envelope(WEATHER, forced=True), ASKED, ("assistant", CALLED), ("user", RETURNED))) == 1


def _run(serve: Serve, *messages: tuple[str, str], schema: Schema) -> dict[str, Any]:
    api = serve()
    turns = [{"role": role, "content": text} for role, text in messages]
    made = api.ok("POST", "/v1/responses", json={"messages": turns, "response_format": schema})
    return api.wait(made["response_id"])


def test_a_run_that_calls_reports_the_calls(serve: Serve) -> None:
    """The calls are in the structured response and, as text, in the output; progress names the tool, not as a call."""
    run = _run(serve, ASKED, schema=envelope(WEATHER))
    calls = {"tool_calls": [{"name": "get_weather", "args": {"location": "Oslo"}}]}
    assert run["structured_response"] == json.loads(run["output_text"]) == calls
    assert "get_weather" in run["progress"][-1]["message"]
    assert not any(entry["tool_calls"] for entry in run["progress"])


ROWS = json.dumps(
    [*({"about": f"Port {number}."} for number in range(99)), {"about": "North Quay has a range of 4.1 metres."}]
)
LONG = " ".join(f"Port {number} lies on the coast." for number in range(60)) + " North Quay has a range of 4.1 metres."


@pytest.mark.parametrize(
    ("results", "text"),
    [
        ([RETURNED], "It's sunny."),
        ([tool_result_text('{"result": 3}', name="add", call_id=None)], '{"result": 3}'),
        ([tool_result_text("No b.", name="add", call_id="1", status="error")], "add failed: No b."),
        ([tool_result_text("", name="add", call_id="1")], "add returned nothing."),
        ([RETURNED, tool_result_text("Rain in Rome.", name="get_weather", call_id="2")], "It's sunny.\nRain in Rome."),
        ([f"{RETURNED}\n{tool_result_text('Rain.', name=None, call_id=None)}"], "It's sunny.\nRain."),
        ([tool_result_text(LONG, name="search", call_id="1")], "North Quay has a range of 4.1 metres."),
        ([tool_result_text(ROWS, name="search", call_id="1")], '"about": "North Quay has a range of 4.1 metres."'),
    ],
)
def test_an_answer_quotes_the_results_of_the_tools(serve: Serve, results: list[str], text: str) -> None:
    """Short results whole, of a long one the matching sentences; output text and answer are the same."""
    question = ("user", "What is the range at North Quay in the weather?")
    run = _run(serve, question, ("assistant", CALLED), *(("user", item) for item in results), schema=envelope(WEATHER))
    assert (run["output_text"], run["structured_response"]) == (text, {"content": text})


FORECAST = {
    "title": "Forecast",
    "type": "object",
    "properties": {"place": TEXT, "degrees": {"$ref": "#/$defs/Degrees"}},
    "required": ["place", "degrees"],
}


@pytest.mark.parametrize(
    "content",
    [
        '{"place": "Oslo", "degrees": 21}',
        '{"data": {"Place": "Oslo", "degrees": 21, "wind": 3}}',
        "Place: Oslo, 21 degrees.",
    ],
)
def test_a_final_structure_is_filled_from_the_results(serve: Serve, content: str) -> None:
    """From an object that fits as it is, from one that holds the values, or from words."""
    schema = envelope(WEATHER, final=FORECAST, defs={"Degrees": {"type": "number"}})
    returned = tool_result_text(content, name="get_weather", call_id="1")
    run = _run(serve, ASKED, ("assistant", CALLED), ("user", returned), schema=schema)
    assert run["structured_response"] == {"content": {"place": "Oslo", "degrees": 21}}


def test_without_a_tool_the_answer_is_an_ordinary_one(serve: Serve) -> None:
    """Extractive, in the text and in the envelope."""
    run = _run(serve, ("user", "Neap tides are small. Which tides are small?"), schema=envelope(ADD))
    assert run["structured_response"] == {"content": "Neap tides are small."}
    assert run["output_text"] == "Neap tides are small."


def test_tool_turns_are_understood_without_any_tools(serve: Serve) -> None:
    """As for the final answer of an agent: it comes from the result, not from the form of the turn."""
    run = _run(serve, ASKED, ("assistant", CALLED), ("user", RETURNED), schema=FORECAST | {"$defs": {"Degrees": WHOLE}})
    assert run["output_text"] == "It's sunny."


def test_results_before_the_last_question_are_material(serve: Serve) -> None:
    """A new question can be answered from them."""
    result = tool_result_text("The lock opens at 8.", name="hours", call_id="1")
    turns = (ASKED, ("assistant", CALLED), ("user", f"{result}\nWhen does the lock open?"))
    assert _run(serve, *turns, schema=envelope(ADD))["output_text"] == "The lock opens at 8."


def test_a_format_is_an_envelope_by_its_shape_alone() -> None:
    """Titles do not matter; a property of that name does not make one."""
    offer = ToolOffer((Tool("add", "Add.", arguments(a=WHOLE)), Tool("now", "Tell the time.")))
    for schema in (offer.response_format(), envelope(ADD, MAGIC_ALONE), {**envelope(ADD, MAGIC_ALONE), "title": "X"}):
        assert schema is not None
        made = envelope_of(schema)
        assert made is not None
        assert len(made.tools) == 2
        assert made.answer is not None
    for ordinary in (
        FORECAST,
        {"type": "object", "properties": {"tool_calls": {"type": "array", "items": TEXT}}},
        {"type": "object", "properties": {"tool_calls": {"type": "integer"}}},
        {"anyOf": [FORECAST, {"type": "null"}]},
        {"anyOf": [{"$ref": "#/$defs/none"}]},
    ):
        assert envelope_of(ordinary) is None


def test_a_tool_without_possible_arguments_is_not_called() -> None:
    """Another one is called, or the run answers; if neither will do, it fails."""
    broken = tool("broken", "Broken weather.", arguments(x={"type": "string", "minLength": 2, "maxLength": 1}))
    assert _calls(envelope(broken), ("user", "broken")) == []
    assert _calls(envelope(broken, ADD, forced=True), ("user", "broken"))[0][0] == "add"
    with pytest.raises(Unsatisfiable):
        _calls(envelope(broken, forced=True), ("user", "broken"))


@pytest.mark.parametrize(
    ("role", "text"),
    [
        ("user", '{"tool_result": {}}\n' * 20_000),
        ("user", '{"tool_result": [1]}\nx\n[end of tool result]'),
        ("user", '{"tool_result": {"name": 1}\n[end of tool result]'),
        ("assistant", '{"tool_calls": [\n' * 20_000),
        ("assistant", '{"tool_calls": [1, {"name": 2}]}'),
        ("user", "{" * 200_000),
        ("user", "weather: " * 20_000),
        ("user", "in " * 20_000),
    ],
)
def test_text_that_only_looks_like_a_tool_turn_is_ordinary_text(role: str, text: str) -> None:
    """Nothing of it is lost, however long it is."""
    exchange = exchange_of([Message(role, text)])  # type: ignore[arg-type]
    assert (exchange.messages, exchange.results, exchange.called) == ((Message(role, text),), (), ())  # type: ignore[arg-type]
    assert len(_calls(envelope(WEATHER, forced=True), (role, text))) == 1
