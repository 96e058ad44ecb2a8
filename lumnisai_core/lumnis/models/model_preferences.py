"""Which model a tenant uses for what (``/v1/model-preferences``)."""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated

from pydantic import Field

from lumnisai_core._transport.wire import OPEN_ENUM, Items, Timestamp, WireModel
from lumnisai_core.lumnis.models.enums import ModelType

__all__ = ["ModelAvailability", "ModelPreference", "ModelPreferenceList", "ModelProvider"]


class ModelProvider(StrEnum):
    """Who runs a model."""

    OPENAI = "openai"
    ANTHROPIC = "anthropic"
    AZURE_OPENAI = "azure_openai"
    AZURE_AI = "azure_ai"
    GOOGLE_VERTEXAI = "google_vertexai"
    GOOGLE_GENAI = "google_genai"
    GOOGLE_ANTHROPIC_VERTEX = "google_anthropic_vertex"
    BEDROCK = "bedrock"
    BEDROCK_CONVERSE = "bedrock_converse"
    COHERE = "cohere"
    FIREWORKS = "fireworks"
    TOGETHER = "together"
    MISTRALAI = "mistralai"
    HUGGINGFACE = "huggingface"
    GROQ = "groq"
    OLLAMA = "ollama"
    DEEPSEEK = "deepseek"
    IBM = "ibm"
    NVIDIA = "nvidia"
    XAI = "xai"
    PERPLEXITY = "perplexity"


class ModelPreference(WireModel):
    """The model chosen for one use.

    Attributes:
        model_name: Name without the provider in front.
    """

    model_type: Annotated[ModelType | str, OPEN_ENUM]
    provider: Annotated[ModelProvider | str, OPEN_ENUM] = ""
    model_name: str = ""
    tenant_id: str | None = None
    is_active: bool = True
    created_at: Timestamp | None = None
    updated_at: Timestamp | None = None


class ModelPreferenceList(WireModel):
    """All choices of a tenant.

    Attributes:
        defaults_applied: The uses among ``preferences`` for which the platform chose.
    """

    tenant_id: str | None = None
    preferences: Items[ModelPreference] = Field(default_factory=list)
    defaults_applied: Items[Annotated[ModelType | str, OPEN_ENUM]] = Field(default_factory=list)


class ModelAvailability(WireModel):
    """Whether the tenant can use a model.

    Attributes:
        reason: Why not, or None.
        requires_api_key: Whether a key of the provider has to be stored first.
    """

    model_type: Annotated[ModelType | str, OPEN_ENUM]
    provider: Annotated[ModelProvider | str, OPEN_ENUM] = ""
    model_name: str = ""
    is_available: bool = False
    reason: str | None = None
    requires_api_key: bool = False
