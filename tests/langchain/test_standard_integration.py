"""The framework's own tests for chat models, against the embedded service."""

from __future__ import annotations

from typing import Any

import pytest
from langchain_tests.integration_tests import ChatModelIntegrationTests

from lumnisai_core.local import LocalLumnis
from tests.langchain.standard import IGNORED_PARAMETERS, Abilities

pytestmark = pytest.mark.filterwarnings(IGNORED_PARAMETERS, "ignore:.*in beta")


class TestChatLumnisIntegration(Abilities, ChatModelIntegrationTests):
    """Every test of the suite that applies."""

    service: LocalLumnis

    @pytest.fixture(autouse=True)
    def _use_service(self, local: LocalLumnis) -> None:
        self.service = local

    @property
    def chat_model_params(self) -> dict[str, Any]:
        address = {"api_key": self.service.api_key, "base_url": self.service.base_url}
        return super().chat_model_params | address
