"""The framework's own tests for chat models, on Lumi.new's."""

from __future__ import annotations

from typing import Any

import pytest
from langchain_core.language_models import BaseChatModel
from langchain_tests.integration_tests import ChatModelIntegrationTests
from langchain_tests.unit_tests import ChatModelUnitTests

from lumnisai_core.local import LocalLumnis
from lumnisai_integrations.langchain import ChatLumi

pytestmark = pytest.mark.filterwarnings("ignore:ChatLumi ignores:UserWarning", "ignore:.*in beta")


class Abilities:
    """Text and streams, and pictures, for which the suite needs the network; neither tools, objects nor usage."""

    @property
    def chat_model_class(self) -> type[BaseChatModel]:
        return ChatLumi

    @property
    def has_tool_calling(self) -> bool:
        return False

    @property
    def has_structured_output(self) -> bool:
        return False

    @property
    def returns_usage_metadata(self) -> bool:
        return False

    @property
    def supports_model_override(self) -> bool:
        return True

    @property
    def model_override_value(self) -> str:
        return "m-2"

    @property
    def chat_model_params(self) -> dict[str, Any]:
        return {"model": "m-1", "project_id": "p1", "api_base_url": "http://127.0.0.1:9", "api_key": "key"}


class TestChatLumiUnit(Abilities, ChatModelUnitTests):
    """Every test of the suite that applies."""

    @property
    def init_from_env_params(self) -> tuple[dict[str, str], dict[str, Any], dict[str, Any]]:
        environment = {
            "LUMI_PROJECT_ID": "p2",
            "LUMI_API_BASE_URL": "https://lumi.example",
            "LUMI_API_KEY": "env-key",
            "LUMI_SIGN_KEY": "env-sign",
        }
        expected = {
            "project_id": "p2",
            "api_base_url": "https://lumi.example",
            "lumi_api_key": "env-key",
            "sign_key": "env-sign",
        }
        return environment, {}, expected


class TestChatLumiIntegration(Abilities, ChatModelIntegrationTests):
    """Every test of the suite that applies, against the embedded service."""

    service: LocalLumnis

    @pytest.fixture(autouse=True)
    def _use_service(self, local: LocalLumnis) -> None:
        self.service = local

    @property
    def chat_model_params(self) -> dict[str, Any]:
        lumi = self.service.lumi
        return {
            "project_id": lumi.project_id,
            "api_base_url": lumi.base_url,
            "api_key": lumi.api_key,
            "sign_key": lumi.sign_key,
        }
