from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest
from llama_index.core.agent.workflow import (
    AgentOutput,
    AgentStream,
    AgentWorkflow,
    FunctionAgent,
    ReActAgent,
    ToolCallResult,
)
from llama_index.core.base.llms.types import ChatMessage
from llama_index.core.memory import ChatMemoryBuffer
from pydantic import BaseModel
from workflows.errors import WorkflowRuntimeError

from lumnisai_core.local import RunRequest, Script, Step
from lumnisai_integrations.llama_index import LumnisLLM, LumnisProgressEvent
from tests.llama_index.conftest import ANSWER, Stage
from tests.llama_index.test_function_calling import calls, says

#: The agents of llama-index-core themselves use what pydantic and the workflows package deprecate.
pytestmark = [
    pytest.mark.filterwarnings("ignore::pydantic.warnings.PydanticDeprecationWarning"),
    pytest.mark.filterwarnings("ignore:is_running called from within a step:DeprecationWarning"),
]

LOOK_UP = Step("Looking up.", tool_calls=[{"name": "search", "args": {"q": "tables"}}])


def multiply(a: int, b: int) -> int:
    """Multiply two numbers."""
    return a * b


@pytest.fixture
def llm(make: Callable[..., LumnisLLM]) -> LumnisLLM:
    return make(progress_interval=0.05)


def _sent(request: RunRequest) -> list[tuple[str, str]]:
    return [(item.role, item.content) for item in request.messages]


@pytest.mark.parametrize("streaming", [True, False])
async def test_function_agent(llm: LumnisLLM, stage: Stage, streaming: bool) -> None:
    """The agent runs the tool that was asked for, reports its result, and answers; each step is one run."""
    stage.play(calls(("multiply", {"a": 6, "b": 7}), steps=(LOOK_UP,)), says("It is 42."))
    agent = FunctionAgent(tools=[multiply], llm=llm, system_prompt="Be exact.", streaming=streaming)
    handler = agent.run("What is 6 times 7?")
    thinking, results, progress = "", [], []
    async for event in handler.stream_events():
        if isinstance(event, AgentStream):
            thinking += event.thinking_delta or ""
        elif isinstance(event, ToolCallResult):
            results.append((event.tool_name, event.tool_output.content))
        elif isinstance(event, LumnisProgressEvent):
            progress.append(event.message)
    output: Any = await handler
    assert str(output) == "It is 42."
    assert [call.tool_name for call in output.tool_calls] == ["multiply"]
    assert results == [("multiply", "42")]
    assert thinking == ('Looking up.\nsearch(q="tables")\n' if streaming else "")
    assert [text for text in progress if text] == ["Looking up."]
    first, second = map(_sent, stage.requests)
    assert first == [("system", "Be exact."), ("user", "What is 6 times 7?")]
    assert second[:2] == first
    assert second[2][0] == "assistant"
    assert '"multiply"' in second[2][1]
    assert second[3][0] == "user"
    assert second[3][1].splitlines()[1:] == ["42", "[end of tool result]"]


async def test_parallel_calls(llm: LumnisLLM, stage: Stage) -> None:
    """Several calls of one answer are all run, and their results go back by the ids of the calls."""
    stage.play(calls(("multiply", {"a": 2, "b": 3}), ("multiply", {"a": 4, "b": 5})), says("6 and 20"))
    output = await FunctionAgent(tools=[multiply], llm=llm).run("Both?")
    assert str(output) == "6 and 20"
    sent = stage.requests[1].messages
    ids = [call["id"] for call in json.loads(sent[-3].content)["tool_calls"]]
    assert [ids[0] in sent[-2].content, ids[1] in sent[-1].content] == [True, True]


@pytest.mark.parametrize(
    ("call", "told"),
    [
        ({"name": "multiply", "args": {"a": 6}}, "missing 1 required positional argument: 'b'"),
        ({"name": "multiply", "args": {"a": "six", "c": 7}}, "unexpected keyword argument 'c'"),
    ],
)
async def test_wrong_arguments_reach_the_agent(llm: LumnisLLM, stage: Stage, call: Any, told: str) -> None:
    """What is wrong with a call goes back as its result, so that the agent can mend it."""
    # The schema would not let such calls through: this agent answers in plain text.
    text = json.dumps({"tool_calls": [call]})
    stage.play(Script(output_text=text), says("Sorry."))
    assert str(await FunctionAgent(tools=[multiply], llm=llm).run("6 times 7?")) == "Sorry."
    assert told in stage.requests[1].messages[-1].content


@pytest.mark.parametrize(
    ("call", "told"),
    [
        ({"name": "divide", "args": {}}, "Tool divide not found"),
        ({"name": "reset", "args": [1]}, "its arguments are not an object: [1]) not found"),
        ({"args": {}}, "Tool without a name"),
    ],
)
async def test_calls_that_cannot_be_run_reach_the_agent(llm: LumnisLLM, stage: Stage, call: Any, told: str) -> None:
    """So does a call that names no tool or has no arguments; nothing is run in its place."""
    ran = []

    def reset(everything: bool = True) -> str:
        """Reset."""
        ran.append(everything)
        return "done"

    stage.play(Script(output_text=json.dumps({"tool_calls": [call]})), says("Sorry."))
    workflow = AgentWorkflow.from_tools_or_functions([multiply, reset], llm=llm)
    assert str(await workflow.run("Reset.")) == "Sorry."
    assert told in stage.requests[1].messages[-1].content
    assert ran == []


async def test_initial_tool_choice(llm: LumnisLLM, stage: Stage) -> None:
    """A tool that must come first is demanded of the first run only."""
    stage.play(calls(("multiply", {"a": 1, "b": 2})), says("2"))
    assert str(await FunctionAgent(tools=[multiply], llm=llm, initial_tool_choice="multiply").run("Go.")) == "2"
    titles = [request.response_format["title"] for request in stage.requests if request.response_format]
    assert titles == ["ToolCalls", "Turn"]


async def test_an_agent_without_tools(llm: LumnisLLM, stage: Stage) -> None:
    """An agent without tools makes plain runs."""
    assert str(await FunctionAgent(tools=[], llm=llm).run("Hello")) == ANSWER
    assert stage.requests[0].response_format is None


@pytest.mark.parametrize("kind", [FunctionAgent, ReActAgent])
async def test_loops_end(llm: LumnisLLM, stage: Stage, kind: type[Any]) -> None:
    """An agent that never stops calling tools ends with an error after ``max_iterations`` runs."""
    act = 'Thought: again.\nAction: multiply\nAction Input: {"a": 1, "b": 1}'
    stage.play(calls(("multiply", {"a": 1, "b": 1})) if kind is FunctionAgent else Script(output_text=act))
    with pytest.raises(WorkflowRuntimeError, match="Max iterations of 3"):
        await kind(tools=[multiply], llm=llm).run("Go.", max_iterations=3)
    assert len(stage.requests) == 3


async def test_react_agent(llm: LumnisLLM, stage: Stage) -> None:
    """A ReAct agent calls its tools between runs and streams the steps of the runs as thinking."""
    act = 'Thought: I multiply.\nAction: multiply\nAction Input: {"a": 6, "b": 7}'
    stage.play(
        Script(steps=[Step("Choosing.")], output_text=act),
        Script(steps=[Step("Checking.")], output_text="Thought: I can answer.\nAnswer: 42"),
    )
    handler = ReActAgent(tools=[multiply], llm=llm).run("What is 6 times 7?")
    thinking, results = "", []
    async for event in handler.stream_events():
        if isinstance(event, AgentStream):
            thinking += event.thinking_delta or ""
        elif isinstance(event, ToolCallResult):
            results.append(event.tool_output.content)
    assert str(await handler) == "42"
    assert thinking == "Choosing.\nChecking.\n"
    assert results == ["42"]


class Product(BaseModel):
    factors: list[int]
    value: int


async def test_hand_off_and_output_class(llm: LumnisLLM, stage: Stage) -> None:
    """One agent hands over to another, with that one's own prompt and tools; the end is an object."""
    value = {"factors": [6, 7], "value": 42}
    stage.play(
        calls(("handoff", {"to_agent": "calculator", "reason": "numbers"})),
        calls(("multiply", {"a": 6, "b": 7})),
        says("42"),
        Script(structured_response=value),
    )
    greeter = FunctionAgent(
        name="greeter", description="Greets.", llm=llm, system_prompt="Greet.", can_handoff_to=["calculator"]
    )
    calculator = FunctionAgent(
        name="calculator", description="Calculates.", llm=llm, system_prompt="Calculate.", tools=[multiply]
    )
    workflow = AgentWorkflow([greeter, calculator], root_agent="greeter", output_cls=Product)
    output: Any = await workflow.run("What is 6 times 7?")
    assert isinstance(output, AgentOutput)
    assert (str(output), output.current_agent_name) == ("42", "calculator")
    assert output.get_pydantic_model(Product) == Product(**value)
    assert [request.messages[0].content for request in stage.requests[:3]] == ["Greet.", "Calculate.", "Calculate."]
    assert stage.requests[3].response_format == Product.model_json_schema()


async def test_what_an_agent_remembers_can_be_saved(llm: LumnisLLM, stage: Stage) -> None:
    """Messages with calls and tags survive being written as JSON, and a conversation goes on from them."""
    stage.play(calls(("multiply", {"a": 6, "b": 7})), says("42"), says("As I said."))
    agent, memory = FunctionAgent(tools=[multiply], llm=llm), ChatMemoryBuffer.from_defaults(token_limit=3000)
    await agent.run("6 times 7?", memory=memory)
    saved = [message.model_dump_json() for message in memory.get_all()]
    restored = [ChatMessage.model_validate_json(text) for text in saved]
    assert restored == memory.get_all()
    assert str(await agent.run("Again?", chat_history=restored)) == "As I said."
    texts = [item.content for item in stage.requests[2].messages]
    assert (len(texts), texts[0], texts[-2], texts[-1]) == (5, "6 times 7?", "42", "Again?")


async def test_sessions_that_share_an_llm_do_not_mix(llm: LumnisLLM, stage: Stage) -> None:
    """Two conversations on one LLM each send their own history only, in threads of their own."""
    stage.answer(lambda request: says(f"To {request.input_messages[-1].content}"))
    agent = FunctionAgent(tools=[multiply], llm=llm)
    memories = [ChatMemoryBuffer.from_defaults(token_limit=3000) for _ in range(2)]
    for turn in ("one", "two"):
        for name, memory in zip("ab", memories, strict=True):
            assert str(await agent.run(f"{name}-{turn}", memory=memory)) == f"To {name}-{turn}"
    assert [item.content for item in stage.requests[-1].messages] == ["b-one", "To b-one", "b-two"]
    assert len({request.thread_id for request in stage.requests}) == 4


async def test_the_history_of_the_caller_stays(llm: LumnisLLM, stage: Stage) -> None:
    """The LLM leaves the messages it is given as they are, tags included."""
    stage.play(says("Yes."))
    history = [ChatMessage(role="user", content="Hi", additional_kwargs={"mine": 1})]
    before = [message.model_copy(deep=True) for message in history]
    await llm.achat_with_tools([], chat_history=history, user_msg="And?")
    assert history == before
