from __future__ import annotations

from collections.abc import Callable

import pytest
from llama_index.core.agent.workflow import AgentStream, ReActAgent, ToolCallResult

from lumnisai_core.local import Script, Step
from lumnisai_integrations.llama_index import LumnisLLM
from tests.llama_index.conftest import Stage

#: The agents of llama-index-core themselves use what pydantic and the workflows package deprecate.
pytestmark = [
    pytest.mark.filterwarnings("ignore::pydantic.warnings.PydanticDeprecationWarning"),
    pytest.mark.filterwarnings("ignore:is_running called from within a step:DeprecationWarning"),
]


def multiply(a: int, b: int) -> int:
    """Multiply two numbers."""
    return a * b


async def test_react_agent(make: Callable[..., LumnisLLM], stage: Stage) -> None:
    """A ReAct agent calls its tools between runs and streams the steps of the runs as thinking."""
    act = 'Thought: I multiply.\nAction: multiply\nAction Input: {"a": 6, "b": 7}'
    stage.play(
        Script(steps=[Step("Choosing.")], output_text=act),
        Script(steps=[Step("Checking.")], output_text="Thought: I can answer.\nAnswer: 42"),
    )
    agent = ReActAgent(tools=[multiply], llm=make(progress_interval=0.05))
    handler = agent.run("What is 6 times 7?")
    thinking, results = "", []
    async for event in handler.stream_events():
        if isinstance(event, AgentStream):
            thinking += event.thinking_delta or ""
        elif isinstance(event, ToolCallResult):
            results.append(event.tool_output.content)
    assert str(await handler) == "42"
    assert thinking == "Choosing.\nChecking.\n"
    assert results == ["42"]
