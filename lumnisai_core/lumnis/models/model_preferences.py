"""A tenant's choice of models (``/v1/model-preferences``)."""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated

from pydantic import Field

from lumnisai_core._transport.wire import OPEN_ENUM, Items, Timestamp, WireModel
from lumnisai_core.lumnis.models.requests import ModelType


class ModelProvider(StrEnum):
    """Providers of models."""

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
    """The model for one purpose.

    Attributes:
        model_name: Name without the provider's prefix.
    """

    model_type: Annotated[ModelType | str, OPEN_ENUM]
    provider: Annotated[ModelProvider | str, OPEN_ENUM] = ""
    model_name: str = ""
    tenant_id: str | None = None
    is_active: bool = True
    created_at: Timestamp | None = None
    updated_at: Timestamp | None = None


class ModelPreferenceList(WireModel):
    """The models of a tenant, one for each purpose.

    Attributes:
        defaults_applied: Purposes in ``preferences`` for which the platform chose the model.
    """

    tenant_id: str | None = None
    preferences: Items[ModelPreference] = Field(default_factory=list)
    defaults_applied: Items[Annotated[ModelType | str, OPEN_ENUM]] = Field(default_factory=list)


class ModelAvailability(WireModel):
    """Whether the tenant can use a model.

    Attributes:
        reason: Reason if it cannot, else None.
        requires_api_key: Whether an API key of the provider must be stored first.
    """

    model_type: Annotated[ModelType | str, OPEN_ENUM]
    provider: Annotated[ModelProvider | str, OPEN_ENUM] = ""
    model_name: str = ""
    is_available: bool = False
    reason: str | None = None
    requires_api_key: bool = False
