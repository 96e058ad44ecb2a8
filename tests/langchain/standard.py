"""What the framework's conformance suites are told about the chat model."""

from __future__ import annotations

from typing import Any

from langchain_core.language_models import BaseChatModel

from lumnisai_integrations.langchain import ChatLumnis

#: The suites pass temperature and max_tokens to every model, which this one ignores with a warning.
IGNORED_PARAMETERS = "ignore:ChatLumnis ignores:UserWarning"


class Abilities:
    """Tools through response_format, plain text only, no usage on the wire; the model can be overridden."""

    @property
    def chat_model_class(self) -> type[BaseChatModel]:
        return ChatLumnis

    @property
    def has_tool_calling(self) -> bool:
        return True

    @property
    def has_tool_choice(self) -> bool:
        return True

    @property
    def supports_anthropic_inputs(self) -> bool:
        return True

    @property
    def has_structured_output(self) -> bool:
        return True

    @property
    def returns_usage_metadata(self) -> bool:
        return False

    @property
    def supports_model_override(self) -> bool:
        return True

    @property
    def model_override_value(self) -> str:
        return "openai:gpt-4o-mini"

    @property
    def chat_model_params(self) -> dict[str, Any]:
        return {"model": "openai:gpt-4o", "user_id": "user-123"}
