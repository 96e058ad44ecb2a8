"""Tools that the caller runs."""

from __future__ import annotations

import copy
import json
import pickle
from collections.abc import Callable
from functools import partial
from typing import Annotated, Any, TypedDict

import pytest
from langchain.agents import create_agent
from langchain.tools import ToolRuntime
from langchain_core.exceptions import ModelInvalidRequestError
from langchain_core.messages import AIMessage, AIMessageChunk, HumanMessage, ToolMessage
from langchain_core.runnables import Runnable, RunnableConfig
from langchain_core.tools import InjectedToolArg, StructuredTool, tool
from langgraph.prebuilt import InjectedState, InjectedStore
from pydantic import BaseModel, Field
from pydantic.v1 import BaseModel as OldBaseModel

from lumnisai_core.exceptions import ValidationError
from lumnisai_core.local import LocalLumnis, Script
from lumnisai_integrations.langchain import ChatLumnis, StructuredOutputError
from lumnisai_integrations.langchain.lumnis.function_calling import bound_tools
from tests.conftest import Serve
from tests.langchain.conftest import Connect
from tests.servers import RecordingEngine


class Node(BaseModel):
    """A node of a tree."""

    name: str
    children: list[Node] = []


@tool
def add(a: int, b: int = 2) -> int:
    """Add two numbers."""
    return a + b


@tool
def now() -> str:
    """Tell the time."""
    return "12:00"


@tool
def plant(root: Node) -> str:
    """Plant a tree."""
    return root.name


def subtract(a: int, b: int) -> int:
    """Subtract.

    Args:
        a: Number to begin with.
        b: Number to take away.
    """
    return a - b


class Search(BaseModel):
    """Search the web."""

    query: str = Field(description="What to look for.")


class OldSearch(OldBaseModel):
    """Search the web."""

    query: str


class SearchDict(TypedDict):
    """Search the web."""

    query: str


QUERY = {"type": "object", "properties": {"query": {"type": "string"}}, "required": ["query"]}


@pytest.mark.parametrize(
    ("given", "name", "properties"),
    [
        (add, "add", {"a", "b"}),
        (now, "now", set()),
        (subtract, "subtract", {"a", "b"}),
        (Search, "Search", {"query"}),
        (OldSearch, "OldSearch", {"query"}),
        (SearchDict, "SearchDict", {"query"}),
        ({"type": "function", "function": {"name": "find", "parameters": QUERY}}, "find", {"query"}),
        ({"name": "find", "description": "Find.", "parameters": QUERY}, "find", {"query"}),
        ({"name": "find", "description": "Find.", "input_schema": QUERY}, "find", {"query"}),
        (QUERY | {"title": "find", "description": "Find."}, "find", {"query"}),
        (StructuredTool(name="find", description="Find.", args_schema=QUERY, func=len), "find", {"query"}),
    ],
)
def test_tools_come_in_many_forms(given: Any, name: str, properties: set[str]) -> None:
    function = bound_tools([given])[0]["function"]
    assert function["name"] == name
    assert set(function["parameters"].get("properties", {})) == properties
    json.dumps(function)


def test_descriptions_of_arguments_are_kept() -> None:
    functions = [shown["function"] for shown in bound_tools([subtract, Search])]
    assert functions[0]["description"] == "Subtract."
    assert functions[0]["parameters"]["properties"]["b"]["description"] == "Number to take away."
    assert functions[1]["parameters"]["properties"]["query"]["description"] == "What to look for."


def test_a_schema_that_refers_to_itself_stays_whole() -> None:
    parameters = bound_tools([plant])[0]["function"]["parameters"]
    assert parameters["$defs"]["Node"]["properties"]["children"]["items"] == {"$ref": "#/$defs/Node"}


def call_back(then: Callable[[], None]) -> None:
    """Call back."""
    then()


@pytest.mark.parametrize(
    "given",
    [
        3,
        {"type": "web_search_preview"},
        {"what": "is this"},
        {"type": "function", "function": {"parameters": QUERY}},
        {"type": "function", "function": {"name": 3}},
        partial(subtract, b=1),
        call_back,
    ],
)
def test_values_that_are_not_tools_are_refused(model: ChatLumnis, given: Any) -> None:
    with pytest.raises(ValidationError, match=r"tool|Tool") as caught:
        model.bind_tools([given])
    assert isinstance(caught.value, ModelInvalidRequestError)


@pytest.mark.parametrize(
    ("tools", "choice", "said"),
    [([add], "sub", "'sub'"), ([add], {"type": "often"}, "often")],
)
def test_a_choice_that_does_not_fit_is_refused_before_any_call(
    model: ChatLumnis, tools: list[Any], choice: Any, said: str
) -> None:
    with pytest.raises(ValidationError, match=said):
        model.bind_tools(tools, tool_choice=choice)


CALLS = {"tool_calls": [{"name": "add", "args": {"a": 1}}, {"name": "now", "args": {}}]}


@pytest.fixture
def asking(serve: Serve) -> LocalLumnis:
    """A service whose runs ask for two tools."""
    return serve(Script(output_text="", structured_response=CALLS))


def seen(message: AIMessage) -> list[tuple[str, dict[str, Any]]]:
    return [(call["name"], call["args"]) for call in message.tool_calls]


async def test_calls_come_in_every_way(asking: LocalLumnis, connect: Connect) -> None:
    bound = connect(asking).bind_tools([add, now])
    chunks = list(bound.stream("Go."))
    summed = chunks[0]
    for chunk in chunks[1:]:
        summed += chunk  # type: ignore[assignment]
    achunks = [chunk async for chunk in bound.astream("Go.")]
    messages = [bound.invoke("Go."), await bound.ainvoke("Go."), summed, achunks[-1]]
    for message in messages:
        assert seen(message) == [("add", {"a": 1}), ("now", {})]
        assert len({call["id"] for call in message.tool_calls}) == 2
        assert message.content == ""
    assert isinstance(summed, AIMessageChunk)
    assert bound.batch(["Go."])[0].tool_calls


@pytest.fixture
def asking_once() -> RecordingEngine:
    """An engine whose runs ask for one tool."""
    return RecordingEngine(Script(structured_response={"tool_calls": [{"name": "now", "args": {}}]}))


def test_the_envelope_goes_out_with_the_guidance_of_the_caller(
    asking_once: RecordingEngine, serve: Serve, connect: Connect
) -> None:
    model = connect(serve(asking_once), response_format_instructions="Be brief.")
    model.bind_tools([add, now], parallel_tool_calls=False).invoke("Go.")
    assert str(asking_once.requests[0].response_format_instructions).startswith("Be brief.")
    assert offered(asking_once) == (["add", "now"], 1)


def offered(engine: RecordingEngine) -> tuple[list[str], int | None]:
    """Return the tools that the last run was offered, and how many calls it might ask for."""
    schema: Any = engine.requests[-1].response_format
    listed = schema["properties"]["tool_calls"]
    return [item["properties"]["name"]["const"] for item in listed["items"]["anyOf"]], listed.get("maxItems")


def test_without_tools_no_envelope_goes_out(local: LocalLumnis, connect: Connect) -> None:
    model = connect(local)
    for bound in (
        model.bind_tools([]),
        model.bind_tools([add], tool_choice="none"),
        model.bind(tools=None, tool_choice=None),
    ):
        message = bound.invoke("Ann is 31.")
        assert not message.tool_calls
        assert "output_text" not in message.response_metadata


def test_a_call_with_arguments_that_are_no_object_is_kept_apart(serve: Serve, connect: Connect) -> None:
    """A tool without required arguments would run as if there were none."""

    def rest(days: int = 1) -> str:
        """Rest for some days."""
        return "Rested."

    service = serve(Script(output_text='{"tool_calls": [{"name": "rest", "args": "1 and 2"}]}'))
    message = connect(service).bind_tools([rest]).invoke("Go.")
    assert not message.tool_calls
    assert [(call["name"], call["args"]) for call in message.invalid_tool_calls] == [("rest", "1 and 2")]


@pytest.mark.parametrize("args", ["1 and 2", [1, 2], 3])
def test_an_agent_corrects_arguments_that_are_no_object(args: Any, serve: Serve, connect: Connect) -> None:
    """The tool refuses the call, which tells the agent what is missing."""
    calls: list[Any] = [{"tool_calls": [{"name": "add", "args": each}]} for each in (args, {"a": 1, "b": 2})]
    replies = iter([*calls, {"content": "Three."}])
    engine = RecordingEngine(choose=lambda _: Script(structured_response=next(replies)))
    agent: Any = create_agent(connect(serve(engine)), [add])
    messages = agent.invoke({"messages": ["Go."]})["messages"]
    assert [message.status for message in messages if isinstance(message, ToolMessage)] == ["error", "success"]
    assert messages[1].tool_calls[0]["args"] == {"arguments": args}
    assert messages[-1].text == "Three."


def test_a_run_without_the_required_tool_call_raises(serve: Serve, connect: Connect) -> None:
    bound = connect(serve(Script(output_text="No."))).bind_tools([add], tool_choice="add")
    for ask in (bound.invoke, lambda text: list(bound.stream(text))):
        with pytest.raises(StructuredOutputError) as caught:
            ask("Go.")
        assert caught.value.response is not None
        assert caught.value.response.output_text == "No."


def test_calls_of_the_agents_own_tools_are_not_tool_calls(tides: LocalLumnis, connect: Connect) -> None:
    """The tools of the platform have been run already; an agent loop must not run them again."""
    message = connect(tides).bind_tools([add]).invoke("Go.")
    assert not message.tool_calls
    assert message.content == "High at noon."


PERSON = {"title": "Person", "type": "object", "properties": {"name": {"type": "string"}}, "required": ["name"]}
Combine = Callable[[ChatLumnis], Runnable[Any, Any]]
BOTH: list[Combine] = [
    lambda model: model.bind_tools([add, now]).with_structured_output(PERSON, include_raw=True),  # type: ignore[attr-defined]
    lambda model: model.with_structured_output(PERSON, include_raw=True, tools=[add, now]),
    lambda model: model.with_structured_output(PERSON, include_raw=True).bind_tools([add, now]),  # type: ignore[attr-defined]
]


@pytest.mark.parametrize("combine", BOTH)
def test_structured_output_and_tools_go_together(serve: Serve, connect: Connect, combine: Combine) -> None:
    service = serve([Script(structured_response=CALLS), Script(structured_response={"content": {"name": "Ann"}})])
    chain = combine(connect(service))
    asked = chain.invoke("Who?")
    assert seen(asked["raw"]) == [("add", {"a": 1}), ("now", {})]
    assert (asked["parsed"], asked["parsing_error"]) == (None, None)
    answered = chain.invoke("Who?")
    assert answered["parsed"] == {"name": "Ann"}
    assert not answered["raw"].tool_calls


def test_calls_that_a_chain_cannot_show_raise(asking: LocalLumnis, connect: Connect) -> None:
    chain = connect(asking).with_structured_output(PERSON, tools=[add, now])
    with pytest.raises(StructuredOutputError, match=r"add.*include_raw"):
        chain.invoke("Who?")


def test_other_tools_may_take_the_place_of_bound_ones(
    asking_once: RecordingEngine, serve: Serve, connect: Connect
) -> None:
    bound = connect(serve(asking_once)).bind_tools([add], parallel_tool_calls=False)
    bound.bind_tools([now, add]).invoke("Go.")  # type: ignore[attr-defined]
    assert offered(asking_once) == (["now", "add"], 1)


def test_a_binding_is_copied_and_pickled(
    asking: LocalLumnis, connect: Connect, monkeypatch: pytest.MonkeyPatch
) -> None:
    bound = connect(asking).bind_tools([add, now])
    monkeypatch.setenv("LUMNISAI_API_KEY", asking.api_key)
    for same in (copy.deepcopy(bound), pickle.loads(pickle.dumps(bound))):
        assert seen(same.invoke("Go.")) == [("add", {"a": 1}), ("now", {})]


def test_turns_of_tools_go_out_as_text(local: LocalLumnis, model: ChatLumnis) -> None:
    calling = AIMessage("", tool_calls=[{"name": "add", "args": {"a": 1, "word": "李"}, "id": "call_1"}])
    result = ToolMessage("3", tool_call_id="call_1", name="add")
    message = model.bind_tools([add]).invoke([HumanMessage("What is 1 and 2?"), calling, result])
    assert not message.tool_calls
    assert "3" in message.text


def berths(port: str, account: Annotated[str, InjectedToolArg]) -> str:
    """List the berths of a port."""
    return port + account


def log(port: str, state: Annotated[dict[str, Any], InjectedState]) -> str:
    """Log a port."""
    return port + str(state)


async def note(port: str, runtime: ToolRuntime, config: RunnableConfig) -> str:
    """Note a port."""
    return port + str(runtime) + str(config)


def keep(port: str, store: Annotated[Any, InjectedStore()]) -> str:
    """Keep a port."""
    return port + str(store)


@pytest.mark.parametrize("function", [berths, log, note, keep, tool(berths), tool(note)])
def test_injected_arguments_are_hidden(function: Any) -> None:
    """Those of plain functions as those of tools."""
    assert list(bound_tools([function])[0]["function"]["parameters"]["properties"]) == ["port"]


WRONG: list[dict[str, Any]] = [{"name": "subtract", "args": {"a": 1}}, {"name": "add", "args": {"a": "one"}}]


@pytest.mark.parametrize("wrong", WRONG)
@pytest.mark.parametrize("as_text", [True, False])
def test_an_agent_corrects_a_call_that_cannot_be_made(
    serve: Serve, connect: Connect, wrong: dict[str, Any], as_text: bool
) -> None:
    """A wrong argument or an unknown name does not end the run; the agent reads what was wrong, with tool and field."""
    first: Any = {"tool_calls": [wrong]}
    script = Script(output_text=json.dumps(first)) if as_text else Script(structured_response=first)
    engine = RecordingEngine(script, Script(structured_response=CALLS), Script(structured_response={"content": "3"}))
    agent: Any = create_agent(connect(serve(engine)), [add, now])
    assert agent.invoke({"messages": [("user", "Go.")]}, {"recursion_limit": 10})["messages"][-1].text == "3"
    told = engine.requests[1].input_messages[-1].content
    assert '"error"' in told
    assert wrong["name"] in told
    assert wrong["name"] == "subtract" or "a:" in told or "'a'" in told or "\na\n" in told
