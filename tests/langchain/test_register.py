"""Lumnis in init_chat_model."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from typing import Any

import pytest
from langchain.agents import create_agent
from langchain.chat_models import base, init_chat_model

from lumnisai_core.local import LocalLumnis
from lumnisai_integrations.langchain import ChatLumnis
from lumnisai_integrations.langchain.lumnis.chat import register
from tests.langchain.agents import address


@pytest.fixture(autouse=True)
def _unregistered(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Each test begins with LangChain's own providers."""
    own = {name: entry for name, entry in base._BUILTIN_PROVIDERS.items() if name != "lumnis"}
    monkeypatch.setattr(base, "_BUILTIN_PROVIDERS", own)
    base._get_chat_model_creator.cache_clear()
    yield
    base._get_chat_model_creator.cache_clear()


@pytest.mark.parametrize(
    ("name", "keywords", "expected"),
    [
        ("lumnis:openai:gpt-4o", {}, "openai:gpt-4o"),
        ("openai:gpt-4o", {"model_provider": "lumnis"}, "openai:gpt-4o"),
        ("lumnis:", {}, "lumnis"),
    ],
)
def test_a_name_gives_a_model(name: str, keywords: dict[str, Any], expected: str) -> None:
    """What follows the provider is the model of the run."""
    register()
    register()
    model = init_chat_model(name, api_key="k", user_id="user-123", **keywords)
    assert isinstance(model, ChatLumnis)
    assert (model.model_name, model.user_id) == (expected, "user-123")


def test_configurable_models_run(local: LocalLumnis) -> None:
    """A model that is chosen by the config of each call answers."""
    register()
    model = init_chat_model(**address(local), user_id="user-123")
    config: Any = {"configurable": {"model": "lumnis:openai:gpt-4o"}}
    answer = model.invoke("Spring tides follow the full moon. Which tides follow the full moon?", config)
    assert "Spring tides" in answer.content
    assert answer.response_metadata["model_name"] == "openai:gpt-4o"


def test_agents_take_the_name(local: LocalLumnis, monkeypatch: pytest.MonkeyPatch) -> None:
    """create_agent finds the model by its name, with key and address from the environment."""
    register()
    monkeypatch.setenv("LUMNISAI_API_KEY", local.api_key)
    monkeypatch.setenv("LUMNISAI_BASE_URL", local.base_url)
    agent: Any = create_agent("lumnis:openai:gpt-4o")
    config: Any = {"configurable": {"lumnis_user_id": "user-123"}, "recursion_limit": 5}
    state = agent.invoke({"messages": [("user", "Neap tides are small. Which tides are small?")]}, config)
    assert "Neap tides" in state["messages"][-1].content


@pytest.mark.processes
def test_nothing_is_registered_by_importing() -> None:
    """LangChain's table stays as it is until register is called."""
    code = """
import lumnisai_integrations.langchain.lumnis.chat
from langchain.chat_models import base
print("lumnis" in base._BUILTIN_PROVIDERS)
lumnisai_integrations.langchain.lumnis.chat.register()
print("lumnis" in base._BUILTIN_PROVIDERS)
"""
    shown = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    assert shown.split() == ["False", "True"]


def test_a_missing_langchain_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    """Without the package the error says what to install."""
    monkeypatch.setitem(sys.modules, "langchain", None)
    with pytest.raises(ImportError, match="pip install langchain"):
        register()


@pytest.mark.parametrize("table", [None, {"openai": "langchain_openai"}])
def test_another_way_of_keeping_providers_is_noticed(monkeypatch: pytest.MonkeyPatch, table: object) -> None:
    """A version of langchain with another table, or none, is left alone."""
    monkeypatch.setattr(base, "_BUILTIN_PROVIDERS", table)
    with pytest.raises(RuntimeError, match=r"langchain \d.*ChatLumnis\(model=\.\.\.\)"):
        register()
    assert base._BUILTIN_PROVIDERS is table


def test_another_lumnis_is_left_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    """A provider of that name which is not ours stays, and the error shows it."""
    theirs = ("langchain_lumnis", "ChatLumnis", print)
    monkeypatch.setitem(base._BUILTIN_PROVIDERS, "lumnis", theirs)
    with pytest.raises(RuntimeError, match="langchain_lumnis"):
        register()


def test_a_broken_langchain_is_not_called_missing(monkeypatch: pytest.MonkeyPatch) -> None:
    """What langchain itself misses is said as it is."""

    def broken(name: str) -> None:
        raise ModuleNotFoundError("No module named 'langgraph'", name="langgraph")

    monkeypatch.setattr("lumnisai_integrations.langchain.lumnis.chat.import_module", broken)
    with pytest.raises(ModuleNotFoundError, match="langgraph"):
        register()
