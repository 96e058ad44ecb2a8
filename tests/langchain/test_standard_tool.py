"""The framework's own tests for tools, against the embedded service."""

from __future__ import annotations

from typing import Any

import pytest
from langchain_tests.integration_tests import ToolsIntegrationTests
from langchain_tests.unit_tests import ToolsUnitTests

from lumnisai_core.local import LocalLumnis
from lumnisai_integrations.langchain.lumnis.tool import LumnisTool
from tests.langchain.agents import address


class Tool:
    """A tool that asks for one task."""

    @property
    def tool_constructor(self) -> type[LumnisTool]:
        return LumnisTool

    @property
    def tool_constructor_params(self) -> dict[str, Any]:
        return {"api_key": "k", "user_id": "user-123", "name": "researcher"}

    @property
    def tool_invoke_params_example(self) -> dict[str, Any]:
        return {"task": "Spring tides follow the full moon. Say which tides follow the full moon."}


class TestLumnisToolUnit(Tool, ToolsUnitTests):
    """Every unit test of the suite."""

    @property
    def init_from_env_params(self) -> tuple[dict[str, str], dict[str, Any], dict[str, Any]]:
        return {"LUMNISAI_API_KEY": "k"}, {"user_id": "user-123"}, {"name": "lumnis_agent"}


class TestLumnisToolIntegration(Tool, ToolsIntegrationTests):
    """Every integration test of the suite."""

    service: LocalLumnis

    @pytest.fixture(autouse=True)
    def _use_service(self, local: LocalLumnis) -> None:
        self.service = local

    @property
    def tool_constructor_params(self) -> dict[str, Any]:
        return super().tool_constructor_params | address(self.service)
