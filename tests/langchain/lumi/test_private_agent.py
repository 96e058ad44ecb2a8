"""A Lumnis agent with tools of Lumi.new, behind a guard, recorded by Lucidic: who sees which values."""

from __future__ import annotations

from typing import Any

import pytest
from langchain.agents import create_agent

import lumnisai_core.lucidic as lai
from lumnisai_integrations.langchain import ChatLumnis, LiminalGuard, LucidicCallbackHandler, LumiToolkit
from tests.shared.contacts import MAIL, QUESTION, check, desk


@pytest.mark.parametrize("kind", ["sync", "async"])
async def test_the_data_is_true_and_all_else_has_placeholders(monkeypatch: pytest.MonkeyPatch, kind: str) -> None:
    """The tools write the true values; the model and the record of all runs have none; the user gets them back."""
    with desk(monkeypatch) as engine:
        guard = LiminalGuard()
        tools = LumiToolkit(entities=["Contacts"], email=False, files=False, images=False).get_tools()
        agent: Any = guard.chain(create_agent(ChatLumnis(user_id="ines"), guard.tools(tools)))
        question, config = {"messages": [("user", QUESTION)]}, {"callbacks": [LucidicCallbackHandler()]}
        with lai.session("Contacts desk") as session_id:
            result = agent.invoke(question, config) if kind == "sync" else await agent.ainvoke(question, config)
        assert MAIL in result["messages"][-1].text
        check(engine, session_id)
