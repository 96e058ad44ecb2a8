"""Agents that others build on LangGraph: deepagents, langgraph-supervisor, langgraph-swarm."""

from __future__ import annotations

from typing import Any

from deepagents import create_deep_agent
from langchain.agents import create_agent
from langchain.agents.middleware import TodoListMiddleware
from langchain_core.messages import AIMessage, BaseMessage, ToolMessage
from langchain_core.tools import tool
from langgraph.checkpoint.memory import InMemorySaver
from langgraph_supervisor import create_supervisor
from langgraph_supervisor.handoff import create_forward_message_tool
from langgraph_swarm import create_handoff_tool, create_swarm
from pydantic import BaseModel

from tests.thirdparty.conftest import USER, Play
from tests.thirdparty.moves import Gives, Says, all_text, call, calls

STATE: Any = {"messages": [("user", "When is high tide at North Quay?")]}
LIMIT: Any = {"recursion_limit": 40}
ANSWER = "High tide is at noon."


class Tide(BaseModel):
    """A tide."""

    port: str
    hour: int


@tool
def look_up(port: str) -> str:
    """Look up the tide table of a port."""
    return f"High tide at {port}: noon."


@tool
def add(a: float, b: float) -> float:
    """Add two numbers."""
    return a + b


def results(messages: list[BaseMessage]) -> dict[str | None, str]:
    """Return the results of tools, by the name of the tool."""
    return {message.name: message.text for message in messages if isinstance(message, ToolMessage)}


def test_a_deep_agent_plans_writes_files_and_calls_tools(play: Play) -> None:
    todos = [{"content": "Look up the tide.", "status": "in_progress"}]
    stage = play(
        call("write_todos", todos=todos),
        calls(("look_up", {"port": "North Quay"}), ("write_file", {"file_path": "/tide.md", "content": "Noon."})),
        call("read_file", file_path="/tide.md"),
        Says(ANSWER),
    )
    agent = create_deep_agent(stage.chat(), [look_up], middleware=[TodoListMiddleware()])
    state = agent.invoke(STATE, LIMIT)
    assert state["messages"][-1].text == ANSWER
    assert state["todos"] == todos
    assert "/tide.md" in state["files"]
    found = results(state["messages"])
    assert found["look_up"] == "High tide at North Quay: noon."
    assert "Noon." in found["read_file"]
    assert len(stage.runs(USER)) == 4


async def test_a_deep_agent_delegates_to_a_subagent(play: Play) -> None:
    """The subagent has the model of its parent, a conversation of its own, and gives its answer as a tool's result."""
    subagent: Any = {
        "name": "pilot",
        "description": "Knows tides.",
        "system_prompt": "You know tides.",
        "tools": [look_up],
    }
    stage = play(
        call("task", description="Find the tide.", subagent_type="pilot"),
        call("look_up", port="North Quay"),
        Says("It is at noon."),
        Says(ANSWER),
    )
    agent = create_deep_agent(stage.chat(), subagents=[subagent])
    state = await agent.ainvoke(STATE, LIMIT)
    assert results(state["messages"]) == {"task": "It is at noon."}
    assert state["messages"][-1].text == ANSWER
    assert "You know tides." in all_text(stage.requests[1])
    assert "You know tides." not in all_text(stage.requests[3])


def test_a_deep_agent_gives_an_object(play: Play) -> None:
    stage = play(call("look_up", port="North Quay"), Gives({"port": "North Quay", "hour": 12}))
    state = create_deep_agent(stage.chat(), [look_up], response_format=Tide).invoke(STATE, LIMIT)
    assert state["structured_response"] == Tide(port="North Quay", hour=12)


async def test_a_supervisor_hands_over_and_answers(play: Play) -> None:
    stage = play(
        call("transfer_to_pilot"),
        call("look_up", port="North Quay"),
        Says("It is at noon."),
        Says(ANSWER),
    )
    model = stage.chat()
    pilot = create_agent(model, [look_up], name="pilot")
    clerk = create_agent(model, [add], name="clerk")
    graph = create_supervisor([pilot, clerk], model=model, prompt="You manage a pilot and a clerk.").compile()
    state = await graph.ainvoke(STATE, LIMIT)
    assert state["messages"][-1].text == ANSWER
    assert state["messages"][-1].name == "supervisor"
    assert "It is at noon." in all_text(stage.requests[3])
    assert len(stage.runs(USER)) == 4


def test_a_supervisor_forwards_an_answer(play: Play) -> None:
    """Full histories, names in the text of messages, and an answer that the supervisor passes on as it is."""
    stage = play(
        call("transfer_to_pilot"),
        Says("It is at noon."),
        call("forward_message", from_agent="pilot"),
    )
    model = stage.chat()
    graph = create_supervisor(
        [create_agent(model, [look_up], name="pilot")],
        model=model,
        tools=[create_forward_message_tool()],
        output_mode="full_history",
        include_agent_name="inline",
    ).compile()
    assert graph.invoke(STATE, LIMIT)["messages"][-1].text == "It is at noon."


def test_a_swarm_remembers_who_is_active(play: Play) -> None:
    stage = play(
        call("transfer_to_pilot"),
        call("look_up", port="North Quay"),
        Says(ANSWER),
        Says("You are welcome."),
    )
    model = stage.chat()
    clerk = create_agent(model, [add, create_handoff_tool(agent_name="pilot")], name="clerk")
    pilot = create_agent(model, [look_up, create_handoff_tool(agent_name="clerk")], name="pilot")
    swarm = create_swarm([clerk, pilot], default_active_agent="clerk").compile(checkpointer=InMemorySaver())
    config: Any = {"configurable": {"thread_id": "1"}, **LIMIT}
    first = swarm.invoke(STATE, config)
    assert first["active_agent"] == "pilot"
    assert first["messages"][-1].text == ANSWER
    second = swarm.invoke({"messages": [("user", "Thank you.")]}, config)
    assert second["messages"][-1].text == "You are welcome."
    assert isinstance(second["messages"][-1], AIMessage)
    assert second["messages"][-1].name == "pilot"
    assert ANSWER in all_text(stage.requests[-1])


def test_the_user_of_a_config_reaches_every_run_of_a_graph(play: Play) -> None:
    """One graph for many users: the config of the call says who it is, also for agents inside agents."""
    moves = [call("transfer_to_pilot"), call("look_up", port="North Quay"), Says("It is at noon."), Says(ANSWER)]
    stage = play(*moves, call("task", description="Find it.", subagent_type="pilot"), *moves[2:])
    model = stage.chat()
    config: Any = {"configurable": {"lumnis_user_id": "ann"}, **LIMIT}
    pilot = create_agent(model, [look_up], name="pilot")
    create_supervisor([pilot], model=model).compile().invoke(STATE, config)
    subagent: Any = {"name": "pilot", "description": "Knows tides.", "system_prompt": "You know tides."}
    create_deep_agent(model, subagents=[subagent]).invoke(STATE, config)
    assert len(stage.runs("ann")) == len(stage.requests) == 7
