"""Agents and graphs of LangChain with a Lumnis model inside."""

from __future__ import annotations

from typing import Any

import pytest
from langchain.agents import create_agent
from langchain.agents.structured_output import ProviderStrategy, ToolStrategy
from langchain_core.messages import AIMessage, AIMessageChunk, HumanMessage, ToolMessage
from langchain_core.tools import tool
from langgraph.checkpoint.memory import InMemorySaver
from langgraph.graph import START, MessagesState, StateGraph
from langgraph.types import Command, interrupt
from pydantic import BaseModel

from lumnisai_core.local import LocalLumnis, Script, Step
from lumnisai_integrations.langchain import ChatLumnis
from tests.conftest import Serve
from tests.langchain.conftest import Connect
from tests.servers import RecordingEngine

LIMIT: Any = {"recursion_limit": 8}


@tool
def get_weather(city: str) -> str:
    """Get the weather in a city."""
    return f"It is sunny in {city}, 21 degrees."


@tool
def get_time(zone: str) -> str:
    """Get the time of a zone."""
    return f"12:00 in {zone}"


class Weather(BaseModel):
    """The weather of a place."""

    city: str
    degrees: int


def called(*calls: tuple[str, dict[str, Any]]) -> Script:
    return Script(structured_response={"tool_calls": [{"name": name, "args": args} for name, args in calls]})


def said(content: Any) -> Script:
    return Script(structured_response={"content": content})


PARIS = called(("get_weather", {"city": "Paris"}))
ASKED: Any = {"messages": [HumanMessage("What is the weather in Paris?")]}


async def test_an_agent_runs_its_tools_and_answers(local: LocalLumnis, connect: Connect) -> None:
    """With no script: the engine finds tool and arguments by itself, and answers when the result is in."""
    agent = create_agent(connect(local), [get_weather, get_time])
    for state in (agent.invoke(ASKED, LIMIT), await agent.ainvoke(ASKED, LIMIT)):
        kinds = [type(message) for message in state["messages"]]
        assert kinds == [HumanMessage, AIMessage, ToolMessage, AIMessage]
        assert state["messages"][1].tool_calls[0]["args"] == {"city": "Paris"}
        assert "21 degrees" in state["messages"][-1].text


def test_several_tools_run_at_once(serve: Serve, connect: Connect) -> None:
    engine = RecordingEngine(
        called(("get_weather", {"city": "Paris"}), ("get_time", {"zone": "CET"})), said("Sunny, and noon.")
    )
    state = create_agent(connect(serve(engine)), [get_weather, get_time]).invoke(ASKED, LIMIT)
    results = [message for message in state["messages"] if isinstance(message, ToolMessage)]
    assert [message.name for message in results] == ["get_weather", "get_time"]
    turns = [message.content for message in engine.requests[1].input_messages]
    assert "sunny in Paris" in turns[-2]
    assert "12:00 in CET" in turns[-1]


def test_a_tool_that_does_not_exist_is_answered_for(serve: Serve, connect: Connect) -> None:
    scripts = [Script(output_text='{"tool_calls": [{"name": "fly", "args": {}}]}'), said("I cannot fly.")]
    state = create_agent(connect(serve(scripts)), [get_weather]).invoke(ASKED, LIMIT)
    assert "fly" in state["messages"][2].text
    assert state["messages"][-1].text == "I cannot fly."


OBJECT = {"city": "Paris", "degrees": 21}


async def test_provider_strategy_is_what_agents_choose(serve: Serve, connect: Connect) -> None:
    agent = create_agent(
        connect(serve([PARIS, said(OBJECT), PARIS, said(OBJECT)])), [get_weather], response_format=Weather
    )
    for state in (agent.invoke(ASKED, LIMIT), await agent.ainvoke(ASKED, LIMIT)):
        assert state["structured_response"] == Weather(city="Paris", degrees=21)
        assert not any(message.name == "Weather" for message in state["messages"])


@pytest.mark.parametrize("strategy", [ProviderStrategy(Weather), ToolStrategy(Weather)])
def test_structured_answers_without_tools(local: LocalLumnis, connect: Connect, strategy: Any) -> None:
    agent = create_agent(connect(local), [], response_format=strategy)
    asked: Any = {"messages": [HumanMessage("The city is Paris and it has 21 degrees.")]}
    assert isinstance(agent.invoke(asked, LIMIT)["structured_response"], Weather)


def test_tool_strategy_goes_together_with_tools(serve: Serve, connect: Connect) -> None:
    service = serve([PARIS, called(("Weather", OBJECT))])
    agent = create_agent(connect(service), [get_weather], response_format=ToolStrategy(Weather))
    assert agent.invoke(ASKED, LIMIT)["structured_response"] == Weather(city="Paris", degrees=21)


def test_agents_with_structured_answers_end_by_themselves(local: LocalLumnis, connect: Connect) -> None:
    """No script: an envelope whose answer ignored the schema would go round until the limit."""
    agent = create_agent(connect(local), [get_weather], response_format=Weather)
    state = agent.invoke(ASKED, LIMIT)
    assert isinstance(state["structured_response"], Weather)


def test_a_thread_remembers_the_turns_of_an_agent(serve: Serve, connect: Connect) -> None:
    engine = RecordingEngine(PARIS, said("Sunny."), said("You are welcome."))
    agent = create_agent(
        connect(serve(engine), history="server"), [get_weather], system_prompt="Be brief.", checkpointer=InMemorySaver()
    )
    config: Any = LIMIT | {"configurable": {"thread_id": "any text"}}
    agent.invoke(ASKED, config)
    agent.invoke({"messages": [HumanMessage("Thanks!")]}, config)
    sent = [[message.content for message in request.input_messages] for request in engine.requests]
    assert sent[0] == ["Be brief.", "What is the weather in Paris?"]
    assert len(sent[1]) == 1
    assert "sunny in Paris" in sent[1][0]
    assert sent[2] == ["Thanks!"]
    assert len({request.thread_id for request in engine.requests}) == 1


async def test_streams_of_a_graph_show_messages_updates_and_progress(serve: Serve, connect: Connect) -> None:
    asking = Script(steps=[Step("Looking.")], structured_response=PARIS.structured_response)
    answering = Script(steps=[Step("Writing.")], structured_response={"content": "Sunny."})
    agent = create_agent(connect(serve([asking, answering], poll="on-change")), [get_weather])
    seen: dict[str, list[Any]] = {"messages": [], "updates": []}
    async for mode, news in agent.astream(ASKED, LIMIT, stream_mode=["messages", "updates"]):
        seen[str(mode)].append(news)
    assert [name for update in seen["updates"] for name in update] == ["model", "tools", "model"]
    chunks = [chunk for chunk, _ in seen["messages"] if isinstance(chunk, AIMessageChunk)]
    reasoning = [
        chunk.additional_kwargs["reasoning_content"]
        for chunk in chunks
        if "reasoning_content" in chunk.additional_kwargs
    ]
    assert reasoning == ["Looking.\n", "Writing.\n"]
    assert "".join(chunk.text for chunk in chunks) == "Sunny."
    ids = {message.id for update in seen["updates"] for part in update.values() for message in part["messages"]}
    assert {chunk.id for chunk in chunks} <= ids  # one message, not two


def test_a_graph_is_interrupted_and_goes_on(serve: Serve, connect: Connect) -> None:
    """What ran before the interrupt is in the checkpoint and does not run again."""
    engine = RecordingEngine(Script(output_text="A draft."), Script(output_text="A final text."))
    model = connect(serve(engine))

    def write(state: MessagesState) -> dict[str, Any]:
        return {"messages": [model.invoke(state["messages"])]}

    def ask(state: MessagesState) -> dict[str, Any]:
        return {"messages": [HumanMessage(interrupt(state["messages"][-1].text))]}

    graph: Any = StateGraph(MessagesState)
    for name, node in (("draft", write), ("ask", ask), ("final", write)):
        graph.add_node(name, node)
    for edge in ((START, "draft"), ("draft", "ask"), ("ask", "final")):
        graph.add_edge(*edge)
    app = graph.compile(checkpointer=InMemorySaver())
    config = LIMIT | {"configurable": {"thread_id": "1"}}
    assert app.invoke(ASKED, config)["__interrupt__"][0].value == "A draft."
    state = app.invoke(Command(resume="Shorter, please."), config)
    assert state["messages"][-1].text == "A final text."
    assert len(engine.requests) == 2
    assert engine.requests[1].input_messages[-1].content == "Shorter, please."


def test_a_state_with_runs_is_saved_and_loaded(serve: Serve, connect: Connect) -> None:
    """Checkpoints are made of bytes: everything that a message of ours carries must survive."""
    agent = create_agent(connect(serve([PARIS, said("Sunny.")])), [get_weather], checkpointer=InMemorySaver())
    config: Any = LIMIT | {"configurable": {"thread_id": "1"}}
    state = agent.invoke(ASKED, config)
    assert agent.get_state(config).values["messages"] == state["messages"]


def test_the_thread_of_a_graph_is_not_a_thread_of_the_service(serve: Serve, connect: Connect) -> None:
    engine = RecordingEngine(Script(output_text="Yes."))
    model: ChatLumnis = connect(serve(engine))
    agent = create_agent(model, [], checkpointer=InMemorySaver())
    agent.invoke(ASKED, {"configurable": {"thread_id": "holiday plans"}})
    assert engine.requests[0].thread_id != "holiday plans"
