"""The framework's own tests for chat models: the one behind the privacy gateway."""

from __future__ import annotations

from typing import Any

import pytest
from langchain_core.language_models import BaseChatModel
from langchain_tests.integration_tests import ChatModelIntegrationTests
from langchain_tests.unit_tests import ChatModelUnitTests

from lumnisai_core.local import LocalLumnis
from lumnisai_integrations.langchain import ChatLiminal

#: The suites pass temperature and max_tokens to every model.
pytestmark = pytest.mark.filterwarnings("ignore:ChatLiminal ignores:UserWarning", "ignore:.*in beta")


class Abilities:
    """Plain text only: the gateway has no tools, no objects and no usage."""

    @property
    def chat_model_class(self) -> type[BaseChatModel]:
        return ChatLiminal

    @property
    def chat_model_params(self) -> dict[str, Any]:
        return {"base_url": "https://api.shop.example", "token": "token"}

    @property
    def has_tool_calling(self) -> bool:
        return False

    @property
    def has_structured_output(self) -> bool:
        return False

    @property
    def returns_usage_metadata(self) -> bool:
        return False


class TestChatLiminalUnit(Abilities, ChatModelUnitTests):
    """Every test of the suite that applies."""


class TestChatLiminalIntegration(Abilities, ChatModelIntegrationTests):
    """Every test of the suite that applies."""

    service: LocalLumnis

    @pytest.fixture(autouse=True)
    def _use_service(self, local: LocalLumnis) -> None:
        self.service = local

    @property
    def chat_model_params(self) -> dict[str, Any]:
        return {"base_url": self.service.liminal.base_url, "token": self.service.liminal.token}
