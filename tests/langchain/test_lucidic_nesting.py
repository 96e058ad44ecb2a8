"""Events that the program makes itself, around and inside of runs of LangChain."""

from __future__ import annotations

from typing import Any

import pytest
from langchain.agents import create_agent
from langchain_core.language_models import FakeListChatModel
from langchain_core.messages import AIMessage
from langchain_core.runnables import Runnable, RunnableLambda
from langchain_core.tools import tool

import lumnisai_core.lucidic as lai
from lumnisai_integrations.langchain import LucidicCallbackHandler
from tests.langchain.test_lucidic import CALL, Scripted, Way, by_ainvoke, by_astream, by_invoke, by_thread, chain
from tests.shared.events import Tree, name_of, recorded


def test_events_are_children_of_the_event_around_the_chain() -> None:
    """A decorated function, or an event in whose block the chain runs."""
    with recorded() as arrived:

        @lai.event()
        def answer() -> str:
            return chain(FakeListChatModel(responses=["x"])).invoke(
                {"question": "?"}, {"callbacks": [LucidicCallbackHandler()]}
            )

        answer()
        ((name, children),) = arrived.trees()
    assert name == "answer"
    below: list[Tree] = [("ChatPromptTemplate", []), ("FakeListChatModel", []), ("StrOutputParser", [])]
    assert children == [("RunnableSequence", below)]


@lai.event()
def inner() -> str:
    """Return what the tool returns."""
    lai.create_event(details="in the inner function", name="note")
    return "It is on its way."


@tool("look_up")
def decorated(question: str) -> str:
    """Look up an order, in a function that is recorded by itself."""
    return inner()


def deciding() -> Runnable[Any, Any]:
    """Return an agent whose tool calls a decorated function."""
    replies = [AIMessage("", tool_calls=[CALL]), AIMessage("It is on its way.")]
    return create_agent(Scripted(messages=iter(replies)), [decorated], name="desk")


@pytest.mark.parametrize("around", [False, True])
@pytest.mark.parametrize("way", [by_invoke, by_ainvoke, by_astream, by_thread])
async def test_a_decorated_function_in_a_tool_is_a_child_of_the_tool(way: Way, around: bool) -> None:
    """Also if the agent itself runs inside of an event, in any thread or task; its own events are children of it."""
    turn: Tree = (
        "desk",
        [
            ("model", [("Scripted", [])]),
            ("tools", [("look_up", [("inner", [("note", [])])])]),
            ("model", [("Scripted", [])]),
        ],
    )
    with recorded() as arrived:
        if around:
            with lai.start_event("generic", name="around"):
                await way(deciding(), {"callbacks": [LucidicCallbackHandler()]})
        else:
            await way(deciding(), {"callbacks": [LucidicCallbackHandler()]})
        is_inside = around and way is not by_thread  # a new thread does not inherit the event around it
        found = arrived.trees()
    assert found == ([("around", [turn])] if is_inside else [("around", []), turn] if around else [turn])


def test_a_decorated_function_in_a_run_of_another_session_stays_in_its_own() -> None:
    """A parent is an event of the same session."""
    with recorded() as arrived:
        handler = LucidicCallbackHandler(session_id="another")
        chain_of_one: Runnable[str, str] = RunnableLambda(lambda _: inner())
        chain_of_one.invoke("x", {"callbacks": [handler]})
        events = {name_of(event): event for event in arrived.events()}
    assert events["inner"]["client_parent_event_id"] is None
    assert events["RunnableLambda"]["session_id"] == "another"
