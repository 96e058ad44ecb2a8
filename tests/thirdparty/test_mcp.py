"""Tools of an MCP server, a process of its own, through the adapters of both frameworks."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import pytest
from langchain.agents import create_agent
from langchain_core.messages import ToolMessage
from langchain_core.tools import BaseTool
from langchain_mcp_adapters.client import MultiServerMCPClient
from llama_index.core.agent.workflow import AgentWorkflow, FunctionAgent, ToolCallResult
from llama_index.core.tools import FunctionTool
from llama_index.tools.mcp import BasicMCPClient, McpToolSpec

from tests.thirdparty.conftest import Play
from tests.thirdparty.moves import Says, all_text, call

SERVER = str(Path(__file__).with_name("tide_server.py"))
QUESTION, ANSWER = "When is high tide at North Quay?", "High tide is at noon."
FOUND = "High tide at Bergen, North Quay, for 2 days: noon."
CALL = call("look_up", place={"port": "Bergen", "quay": "North Quay"}, days=2)
STATE: Any = {"messages": [("user", QUESTION)]}
LIMIT: Any = {"recursion_limit": 12}


async def langchain_tools() -> list[BaseTool]:
    client = MultiServerMCPClient({"tides": {"command": sys.executable, "args": [SERVER], "transport": "stdio"}})
    tools: list[BaseTool] = await client.get_tools()
    return tools


async def llama_index_tools() -> list[FunctionTool]:
    spec = McpToolSpec(BasicMCPClient(sys.executable, args=[SERVER]))
    tools: list[FunctionTool] = await spec.to_tool_list_async()
    return tools


async def test_an_agent_of_langchain_uses_the_server(play: Play) -> None:
    stage = play(CALL, Says(ANSWER))
    agent = create_agent(stage.chat(), await langchain_tools())
    state = await agent.ainvoke(STATE, LIMIT)
    assert state["messages"][-1].text == ANSWER
    (result,) = [message for message in state["messages"] if isinstance(message, ToolMessage)]
    assert FOUND in result.text
    assert FOUND in all_text(stage.requests[1])


async def test_a_picture_among_the_results_of_langchain_does_not_end_the_run(play: Play) -> None:
    """Nobody can change what a tool returned: its text is sent, and a word stands for the picture."""
    stage = play(call("chart", port="Bergen"), Says(ANSWER))
    agent = create_agent(stage.chat(), await langchain_tools())
    state = await agent.ainvoke(STATE, LIMIT)
    assert state["messages"][-1].text == ANSWER
    assert "Chart of Bergen:" in all_text(stage.requests[1])


@pytest.mark.parametrize("streaming", [False, True])
async def test_an_agent_of_llama_index_uses_the_server(streaming: bool, play: Play) -> None:
    stage = play(CALL, Says(ANSWER))
    agent = FunctionAgent(tools=await llama_index_tools(), llm=stage.llm(), streaming=streaming)
    handler = agent.run(QUESTION)
    results = [event async for event in handler.stream_events() if isinstance(event, ToolCallResult)]
    assert str(await handler) == ANSWER
    assert [result.tool_name for result in results] == ["look_up"]
    assert FOUND in str(results[0].tool_output)
    assert FOUND in all_text(stage.requests[1])


async def test_a_workflow_of_llama_index_answers_after_a_picture(play: Play) -> None:
    stage = play(call("chart", port="Bergen"), Says(ANSWER))
    workflow = AgentWorkflow.from_tools_or_functions(list(await llama_index_tools()), llm=stage.llm())
    assert str(await workflow.run(QUESTION)) == ANSWER
    assert "Chart of Bergen:" in all_text(stage.requests[1])


async def test_a_failing_tool_is_shown_to_the_agent(play: Play) -> None:
    """It can correct itself: the run goes on with the reason."""
    stage = play(call("fail", reason="No such port."), Says(ANSWER), call("fail", reason="No such port."), Says(ANSWER))
    agent = create_agent(stage.chat(), await langchain_tools())
    state = await agent.ainvoke(STATE, LIMIT)
    assert state["messages"][-1].text == ANSWER
    other = FunctionAgent(tools=await llama_index_tools(), llm=stage.llm())
    assert str(await other.run(QUESTION)) == ANSWER
    assert all("No such port." in all_text(stage.requests[number]).partition("tool_result")[2] for number in (1, 3))


async def test_the_schemas_of_the_server_reach_the_agent(play: Play) -> None:
    """Nested classes and bounds of arguments too, in both frameworks."""
    stage = play(Says(ANSWER), Says(ANSWER))
    await create_agent(stage.chat(), await langchain_tools()).ainvoke(STATE, LIMIT)
    await FunctionAgent(tools=await llama_index_tools(), llm=stage.llm()).run(QUESTION)
    for request in stage.requests:
        written = str(request.response_format)
        assert "look_up" in written
        assert "'quay'" in written
        assert "'port'" in written
    assert "'maximum': 7" in str(stage.requests[0].response_format)
