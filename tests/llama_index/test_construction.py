"""Making components of either kind opens nothing and makes no client."""

from __future__ import annotations

from typing import Any

import pytest

from lumnisai_core import AsyncClient, Client
from lumnisai_core.exceptions import ConfigurationError
from lumnisai_integrations import llama_index

COMPONENTS = [
    "LumnisLLM",
    "LumnisFilesRetriever",
    "LumnisFilesReader",
    "LumnisThreadMemory",
    "LumnisChatStore",
    "LumnisToolSpec",
    "LumnisQueryEngine",
]


@pytest.mark.parametrize("name", COMPONENTS)
def test_construction_makes_no_client(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object, **__: object) -> None:
        raise AssertionError("a client was made")

    for client in (Client, AsyncClient):
        monkeypatch.setattr(client, "__init__", refuse)
    component: Any = getattr(llama_index, name)
    component(api_key="key", user_id="user-123")


@pytest.mark.parametrize("name", COMPONENTS)
@pytest.mark.parametrize(
    ("settings", "said"),
    [({}, "LUMNISAI_API_KEY"), ({"api_key": "k", "timeout": -1}, "timeout"), ({"api_key": "k", "base_url": "x"}, "x")],
)
def test_settings_that_cannot_work_are_refused_at_once(name: str, settings: dict[str, Any], said: str) -> None:
    with pytest.raises(ConfigurationError, match=said):
        getattr(llama_index, name)(**settings)
