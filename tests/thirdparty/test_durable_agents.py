"""Agents made of agents that are executed again: each call of a model has one run."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from deepagents import create_deep_agent
from langchain.agents import create_agent
from langchain_core.messages import HumanMessage
from langchain_core.outputs import ChatResult
from langgraph.checkpoint.memory import InMemorySaver
from langgraph_supervisor import create_supervisor
from pydantic import PrivateAttr

from lumnisai_core.local import LocalLumnis, Script
from lumnisai_integrations.langchain import ChatLumnis
from tests.servers import RecordingEngine


class Crash(Exception):
    """Stands for the end of the process."""


class CrashingModel(ChatLumnis):
    """Crashes after the first runs have succeeded."""

    _left: int = PrivateAttr(default=3)

    def _generate(self, *args: Any, **kwargs: Any) -> ChatResult:
        result = super()._generate(*args, **kwargs)
        self._left -= 1
        if self._left >= 0:
            raise Crash
        return result


def deep_agent(model: ChatLumnis) -> Any:
    return create_deep_agent(model=model, tools=[], checkpointer=InMemorySaver())


def supervisor(model: ChatLumnis) -> Any:
    helper = create_agent(model, [], name="helper")
    return create_supervisor([helper], model=model).compile(checkpointer=InMemorySaver())


@pytest.mark.parametrize(
    ("build", "name", "args"),
    [
        (deep_agent, "task", {"description": "Find it.", "subagent_type": "general-purpose"}),
        (supervisor, "transfer_to_helper", {}),
    ],
)
def test_every_call_has_one_run(build: Callable[[ChatLumnis], Any], name: str, args: dict[str, str]) -> None:
    first = Script(structured_response={"tool_calls": [{"name": name, "args": args}]})
    engine = RecordingEngine(first, Script(output_text="Found."), Script(structured_response={"content": "Done."}))
    with LocalLumnis(engine=engine) as local:
        agent = build(CrashingModel(api_key=local.api_key, base_url=local.base_url, user_id="u"))
        value: Any = {"messages": [HumanMessage("Where is it?")]}
        state: Any = None
        while state is None:
            try:
                state = agent.invoke(value, {"configurable": {"thread_id": "1"}}, durability="sync")
            except Crash:
                value = None
    assert state["messages"][-1].text == "Done."
    assert len(engine.requests) == 3
