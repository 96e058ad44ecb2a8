"""``ChatModelEngine`` around real chat models of LangChain: structured output and tools by each provider's rules.

Each row is a provider and a method of structured output, each column something that people do. A cell is right if the
provider takes all requests and the caller gets what the model answered.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import pytest
from langchain.agents import create_agent
from langchain_core.messages import ToolMessage
from langchain_core.tools import tool
from llama_index.core.agent.workflow import FunctionAgent
from llama_index.core.prompts import PromptTemplate
from llama_index.core.tools import FunctionTool
from pydantic import BaseModel, Field

from lumnisai_core.exceptions import RunFailedError
from lumnisai_core.local import LocalLumnis
from lumnisai_integrations.langchain import ChatLumnis, ChatModelEngine
from lumnisai_integrations.llama_index import LumnisLLM
from tests.thirdparty.moves import Gives, Move, Says, call, calls
from tests.thirdparty.providers import DIALECTS, Endpoint, provider

#: The methods of structured output that are tried, beside each model's own choice.
METHODS = (
    *((name, None) for name in DIALECTS),
    ("openai", "function_calling"),
    ("anthropic", "json_schema"),
    ("mistral", "json_schema"),
    ("groq", "json_schema"),
)
QUESTION, ANSWER = "What is the sum?", "The sum is 3."
LIMIT: Any = {"recursion_limit": 8}


class Point(BaseModel):
    """A point of a plane."""

    x: int
    y: int = 0


class Path(BaseModel):
    """A path of at least two points."""

    points: list[Point] = Field(min_length=2)
    name: str | None = None


class Tree(BaseModel):
    """A tree."""

    value: int
    children: list[Tree] = []


class Shapes(BaseModel):
    """Shapes of two kinds."""

    shapes: list[Point | Path]


def sum_of(a: int, b: int) -> int:
    """Add two numbers."""
    return a + b


add = tool("add")(sum_of)
add_of_llama_index = FunctionTool.from_defaults(sum_of, name="add")


@tool
def measure(path: Path, unit: str = "m") -> str:
    """Measure a path."""
    return f"{len(path.points)} points, 5 {unit}"


@tool
def now() -> str:
    """Tell the time."""
    return "noon"


class Speakers:
    """What speaks to a service whose engine is a provider's model."""

    def __init__(self, local: LocalLumnis) -> None:
        address: Any = {"api_key": local.api_key, "base_url": local.base_url, "user_id": "user-123"}
        self.chat = ChatLumnis(**address)
        self.llm = LumnisLLM(**address)

    def close(self) -> None:
        """Close the connections."""
        self.chat.close()
        self.llm.close()


ADD = call("add", a=1, b=2)
ADDED = {"a": 1, "b": 2}
PATH: dict[str, Any] = {"points": [{"x": 0, "y": 0}, {"x": 3, "y": 4}], "name": None}
TREE: dict[str, Any] = {"value": 1, "children": [{"value": 2, "children": []}]}
#: With the optional argument, because strict modes have no optional ones: their models always write it.
MEASURE = call("measure", path=PATH, unit="m")


def tokens(speakers: Speakers) -> int | None:
    usage = speakers.chat.invoke(QUESTION).usage_metadata
    return None if usage is None else usage["total_tokens"]


def structured(kind: type[BaseModel]) -> Callable[[Speakers], Any]:
    return lambda speakers: speakers.chat.with_structured_output(kind).invoke(QUESTION).model_dump()


def args_of(*tools: Any, **options: Any) -> Callable[[Speakers], Any]:
    def run(speakers: Speakers) -> Any:
        message = speakers.chat.bind_tools(list(tools), **options).invoke(QUESTION)
        return [(one["name"], one["args"]) for one in message.tool_calls] or message.text

    return run


def agent(*tools: Any, response_format: Any = None) -> Callable[[Speakers], Any]:
    def run(speakers: Speakers) -> Any:
        made: Any = create_agent(speakers.chat, list(tools), response_format=response_format)
        state = made.invoke({"messages": [("user", QUESTION)]}, LIMIT)
        results = [message.text for message in state["messages"] if isinstance(message, ToolMessage)]
        if response_format is not None:
            return results, state["structured_response"].model_dump()
        return results, state["messages"][-1].text

    return run


def llama_index_call(speakers: Speakers) -> Any:
    llm = speakers.llm
    response = llm.chat_with_tools([add_of_llama_index], QUESTION)
    return [(one.tool_name, one.tool_kwargs) for one in llm.get_tool_calls_from_response(response)]


async def llama_index_agent(speakers: Speakers) -> Any:
    agent_of_llama_index = FunctionAgent(tools=[add_of_llama_index], llm=speakers.llm)
    return str(await agent_of_llama_index.run(QUESTION))


@dataclass(frozen=True)
class Column:
    """Something that people do: what the model answers, what is done, and what comes out."""

    moves: tuple[Move, ...]
    run: Callable[[Speakers], Any]
    expected: Any


COLUMNS: dict[str, Column] = {
    "text": Column((Says(ANSWER),), lambda speakers: speakers.chat.invoke(QUESTION).text, ANSWER),
    "tokens": Column((Says(ANSWER),), tokens, 12),
    "stream": Column(
        (Says(ANSWER),),
        lambda speakers: "".join(str(chunk.text) for chunk in speakers.chat.stream(QUESTION)),
        ANSWER,
    ),
    "object": Column((Gives({"x": 1, "y": 2}),), structured(Point), {"x": 1, "y": 2}),
    "nested object": Column((Gives(PATH),), structured(Path), PATH),
    "object of a dict": Column(
        (Gives({"x": 1, "y": 2}),),
        lambda speakers: speakers.chat.with_structured_output(Point.model_json_schema()).invoke(QUESTION),
        {"x": 1, "y": 2},
    ),
    "union inside": Column((Gives({"shapes": [PATH]}),), structured(Shapes), {"shapes": [PATH]}),
    "recursive object": Column((Gives(TREE),), structured(Tree), TREE),
    "object of LlamaIndex": Column(
        (Gives(PATH),),
        lambda speakers: speakers.llm.structured_predict(Path, PromptTemplate(QUESTION)).model_dump(),
        PATH,
    ),
    "call": Column((ADD,), args_of(add), [("add", ADDED)]),
    "answer beside tools": Column((Says(ANSWER),), args_of(add), ANSWER),
    "forced call": Column((ADD,), args_of(add, tool_choice="any"), [("add", ADDED)]),
    "named call": Column((ADD,), args_of(add, now, tool_choice="add"), [("add", ADDED)]),
    "call of several tools": Column((MEASURE,), args_of(add, measure, now), [("measure", {"path": PATH, "unit": "m"})]),
    "call without arguments": Column((call("now"),), args_of(add, now), [("now", {})]),
    "parallel calls": Column((calls(("add", ADDED), ("now", {})),), args_of(add, now), [("add", ADDED), ("now", {})]),
    "agent": Column((ADD, Says(ANSWER)), agent(add), (["3"], ANSWER)),
    "agent with nested arguments": Column((MEASURE, Says(ANSWER)), agent(measure), (["2 points, 5 m"], ANSWER)),
    "agent with an object": Column(
        (ADD, Gives({"x": 3, "y": 0})), agent(add, response_format=Point), (["3"], {"x": 3, "y": 0})
    ),
    "call of LlamaIndex": Column((ADD,), llama_index_call, [("add", ADDED)]),
    "agent of LlamaIndex": Column((ADD, Says(ANSWER)), llama_index_agent, ANSWER),
}


@contextmanager
def served(endpoint: Endpoint, method: str | None) -> Iterator[Speakers]:
    with LocalLumnis(engine=ChatModelEngine(endpoint.model, structured_method=method)) as local:
        speakers = Speakers(local)
        yield speakers
        speakers.close()


@pytest.mark.parametrize("name", DIALECTS)
def test_tools_of_the_caller_are_those_of_the_provider(name: str) -> None:
    """They are bound to the model, rather than described in a schema of its answer."""
    with provider(DIALECTS[name], ADD) as endpoint, served(endpoint, None) as speakers:
        message = speakers.chat.bind_tools([add, now]).invoke(QUESTION)
    assert [one["name"] for one in message.tool_calls] == ["add"]
    assert DIALECTS[name].offer(endpoint.requests[0]).tools.keys() == {"add", "now"}


#: What a provider cannot do by a method, and its reason; its other method can.
LIMITS = {("anthropic", "json_schema", "recursive object"): "recursive schemas are not supported"}


#: All cells that must be right.
CELLS = [(*row, column) for row in METHODS for column in COLUMNS if (*row, column) not in LIMITS]


@pytest.mark.parametrize(("name", "method", "column"), CELLS, ids=lambda part: part or "own")
async def test_a_provider_takes_what_the_engine_sends(name: str, method: str | None, column: str) -> None:
    cell = COLUMNS[column]
    with provider(DIALECTS[name], *cell.moves) as endpoint, served(endpoint, method) as speakers:
        found = cell.run(speakers)
        found = await found if hasattr(found, "__await__") else found
    assert endpoint.refused == []
    assert found == cell.expected


@pytest.mark.parametrize(("name", "method", "column"), LIMITS)
def test_a_limit_of_a_provider_is_the_text_of_the_error(name: str, method: str, column: str) -> None:
    cell = COLUMNS[column]
    with provider(DIALECTS[name], *cell.moves) as endpoint, served(endpoint, method) as speakers:
        with pytest.raises(RunFailedError, match=LIMITS[name, method, column]):
            cell.run(speakers)


class Line(BaseModel):
    """A line, as every provider's strictest mode takes it: all fields required, no bounds, no defaults."""

    start: list[int]
    end: list[int]
    label: str | None


class Lines(BaseModel):
    """Lines."""

    lines: list[Line]


LINE = {"start": [0, 0], "end": [3, 4], "label": None}
#: Done with the provider's own model, with no service between: so the endpoints are no stricter than the real ones.
BARE: dict[str, Column] = {
    "text": COLUMNS["text"],
    "call": COLUMNS["call"],
    "agent": COLUMNS["agent"],
    "object": Column((Gives(LINE),), structured(Line), LINE),
    "nested object": Column((Gives({"lines": [LINE]}),), structured(Lines), {"lines": [LINE]}),
}


class Bare:
    """A provider's own model, in the place of ours."""

    def __init__(self, chat: Any) -> None:
        self.chat = chat


@pytest.mark.parametrize("column", BARE)
@pytest.mark.parametrize("name", DIALECTS)
def test_an_endpoint_serves_the_provider_s_own_model(name: str, column: str) -> None:
    cell = BARE[column]
    with provider(DIALECTS[name], *cell.moves) as endpoint:
        found: Any = cell.run(Bare(endpoint.model))  # type: ignore[arg-type]
    assert endpoint.refused == []
    assert found == cell.expected


@pytest.mark.parametrize("name", DIALECTS)
def test_an_endpoint_streams(name: str) -> None:
    with provider(DIALECTS[name], Says(ANSWER), ADD) as endpoint:
        model = endpoint.model
        assert "".join(str(chunk.text) for chunk in model.stream(QUESTION)) == ANSWER
        chunks = list(model.bind_tools([add]).stream(QUESTION))
        whole: Any = sum(chunks[1:], start=chunks[0])
        assert [one["args"] for one in whole.tool_calls] == [ADDED]
