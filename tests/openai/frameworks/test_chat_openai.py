"""ChatOpenAI of LangChain in front of the endpoint: the framework's own tests for chat models."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import httpx
import pytest
from langchain_core.language_models import BaseChatModel
from langchain_openai import ChatOpenAI
from langchain_tests.integration_tests import ChatModelIntegrationTests

from lumnisai_core.local import LocalLumnis, OfflineEngine

pytestmark = [
    pytest.mark.filterwarnings("ignore:.*in beta"),
    # From the packages themselves: a class of pydantic 1, and a parsed object where their model has none.
    pytest.mark.filterwarnings("ignore:Received a Pydantic BaseModel V1 schema"),
    pytest.mark.filterwarnings("ignore:Pydantic serializer warnings"),
]


@pytest.fixture(scope="module")
def offline() -> Iterator[LocalLumnis]:
    """A service whose engine needs no model."""
    with LocalLumnis(engine=OfflineEngine(step_delay=0)) as service:
        yield service


class Abilities(ChatModelIntegrationTests):
    """Every test of the suite that applies: the offline engine counts no tokens."""

    service: LocalLumnis

    @pytest.fixture(autouse=True)
    def _use_service(self, offline: LocalLumnis) -> None:
        self.service = offline

    @property
    def chat_model_class(self) -> type[BaseChatModel]:
        return ChatOpenAI

    @property
    def chat_model_params(self) -> dict[str, Any]:
        # The package shares connections between event loops, and leaves them open in loops that are closed.
        alone = httpx.Limits(max_keepalive_connections=0)
        clients = {"http_client": httpx.Client(limits=alone), "http_async_client": httpx.AsyncClient(limits=alone)}
        address = {"api_key": self.service.api_key, "base_url": self.service.openai_base_url}
        return {"model": "lumnis", **address, **clients}

    @property
    def returns_usage_metadata(self) -> bool:
        return False

    @property
    def supports_model_override(self) -> bool:
        return True

    @property
    def model_override_value(self) -> str:
        return "openai:gpt-4o-mini"


class TestChatCompletions(Abilities):
    """Over `/chat/completions`."""


class TestResponses(Abilities):
    """Over `/responses`."""

    @property
    def chat_model_params(self) -> dict[str, Any]:
        return {**super().chat_model_params, "use_responses_api": True}


del Abilities, ChatModelIntegrationTests  # pytest would collect them
