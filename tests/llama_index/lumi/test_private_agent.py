"""A Lumnis agent with tools of Lumi.new, behind a guard, recorded by Lucidic: who sees which values."""

from __future__ import annotations

import pytest

import lumnisai_core.lucidic as lai
from lumnisai_integrations.llama_index import LiminalGuard, LucidicHandler, LumiToolSpec, LumnisLLM
from tests.shared.contacts import MAIL, QUESTION, check, desk


@pytest.mark.parametrize("kind", ["sync", "async"])
async def test_the_data_is_true_and_all_else_has_placeholders(monkeypatch: pytest.MonkeyPatch, kind: str) -> None:
    """The tools write the true values; the model and the record of all spans have none; the user gets them back."""
    with desk(monkeypatch) as engine:
        guard = LiminalGuard()
        spec = LumiToolSpec(entities=["Contacts"], email=False, files=False, images=False)
        llm, tools = guard.llm(LumnisLLM(user_id="ines")), guard.tools(spec.to_tool_list())
        with LucidicHandler(), lai.session("Contacts desk") as session_id:
            if kind == "sync":
                answer = llm.predict_and_call(tools, QUESTION)
            else:
                answer = await llm.apredict_and_call(tools, QUESTION)
        assert MAIL in answer.response
        check(engine, session_id)
