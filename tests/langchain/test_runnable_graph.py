"""Runnables as nodes of LangGraph."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from langchain_core.messages import AIMessage
from langgraph.graph import START, MessagesState, StateGraph
from langgraph.graph.state import CompiledStateGraph

from lumnisai_core.local import LocalLumnis
from lumnisai_integrations.langchain.lumnis.runnable import LumnisRunnable
from tests.langchain.agents import MakeAgent, making_agents

SAID = ["Starting.", "Reading the tide tables.", "Starting."]
ASKED: Any = {"messages": [("user", "When?")]}


@pytest.fixture
def agent() -> Iterator[MakeAgent]:
    """Make runnables."""
    with making_agents() as make:
        yield make


def graph_of(runnable: LumnisRunnable) -> CompiledStateGraph[MessagesState, None, MessagesState, MessagesState]:
    builder = StateGraph(MessagesState)
    builder.add_node("agent", runnable.as_node())
    builder.add_edge(START, "agent")
    return builder.compile()


def said_in(items: list[Any]) -> list[str]:
    data = [item["lumnis_progress"] for item in items]
    return [entry["message"] for entry in data if entry["message"]]


async def test_a_node_adds_the_answer_to_the_messages(tides: LocalLumnis, agent: MakeAgent) -> None:
    """The state gains one message, which names its run and thread."""
    graph = graph_of(agent(tides))
    for state in (graph.invoke(ASKED), await graph.ainvoke(ASKED)):
        question, answer = state["messages"]
        assert (question.content, answer.content) == ("When?", "High at noon.")
        assert isinstance(answer, AIMessage)
        assert answer.response_metadata["response_id"] == answer.id
        assert answer.response_metadata["thread_id"]


async def test_a_graph_streams_progress_and_message(tides: LocalLumnis, agent: MakeAgent) -> None:
    """In the custom stream each step comes once; the message comes as a whole."""
    graph: Any = graph_of(agent(tides))
    modes: Any = ["custom", "messages"]
    for parts in (
        list(graph.stream(ASKED, stream_mode=modes)),
        [part async for part in graph.astream(ASKED, stream_mode=modes)],
    ):
        assert said_in([item for mode, item in parts if mode == "custom"]) == SAID
        assert [item[0].content for mode, item in parts if mode == "messages"] == ["High at noon."]


async def test_a_graph_hears_of_a_stream_inside_a_node(tides: LocalLumnis, agent: MakeAgent) -> None:
    """A node that reads the stream itself reaches the custom stream all the same."""
    runnable = agent(tides)

    async def follow(state: MessagesState) -> dict[str, Any]:
        news = [item async for item in runnable.astream(state)]
        return {"messages": [AIMessage(str(news[-1].output_text))]}

    builder = StateGraph(MessagesState)
    builder.add_node("agent", follow)
    builder.add_edge(START, "agent")
    items = [item async for item in builder.compile().astream(ASKED, stream_mode="custom")]
    assert said_in(items) == SAID


def test_structured_answers_become_json(local: LocalLumnis, agent: MakeAgent) -> None:
    """A node with a response_format adds its object as JSON text."""
    schema = {"title": "Tide", "type": "object", "properties": {"kind": {"const": "spring"}}, "required": ["kind"]}
    state = graph_of(agent(local, response_format=schema)).invoke(ASKED)
    assert state["messages"][-1].content == '{"kind": "spring"}'
