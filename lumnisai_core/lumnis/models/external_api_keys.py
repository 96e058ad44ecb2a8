"""API keys of model and data providers (``/v1/external-api-keys``). The service never returns their secrets."""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated

from lumnisai_core._transport.wire import OPEN_ENUM, Timestamp, WireModel


class ApiProvider(StrEnum):
    """Providers whose keys can be stored. ``OPENAI``, ``ANTHROPIC`` and ``GOOGLE`` are shorter names of the same.

    ``AZURE`` comes from older documentation; the service may refuse it.
    """

    OPENAI_API_KEY = "OPENAI_API_KEY"
    ANTHROPIC_API_KEY = "ANTHROPIC_API_KEY"
    GOOGLE_API_KEY = "GOOGLE_API_KEY"
    COHERE_API_KEY = "COHERE_API_KEY"
    GROQ_API_KEY = "GROQ_API_KEY"
    NVIDIA_API_KEY = "NVIDIA_API_KEY"
    FIREWORKS_API_KEY = "FIREWORKS_API_KEY"
    MISTRAL_API_KEY = "MISTRAL_API_KEY"
    TOGETHER_API_KEY = "TOGETHER_API_KEY"
    XAI_API_KEY = "XAI_API_KEY"
    PPLX_API_KEY = "PPLX_API_KEY"
    HUGGINGFACE_API_KEY = "HUGGINGFACE_API_KEY"
    DEEPSEEK_API_KEY = "DEEPSEEK_API_KEY"
    IBM_API_KEY = "IBM_API_KEY"
    EXA_API_KEY = "EXA_API_KEY"
    SERPAPI_API_KEY = "SERPAPI_API_KEY"
    CRUSTDATA_API_KEY = "CRUSTDATA_API_KEY"
    E2B_API_KEY = "E2B_API_KEY"
    CORESIGNAL_API_KEY = "CORESIGNAL_API_KEY"
    PDL_API_KEY = "PDL_API_KEY"
    FIBER_API_KEY = "FIBER_API_KEY"
    FIRECRAWL_API_KEY = "FIRECRAWL_API_KEY"
    ENRICH_LAYER_API_KEY = "ENRICH_LAYER_API_KEY"
    AWS_ACCESS_KEY_ID = "AWS_ACCESS_KEY_ID"
    AWS_SECRET_ACCESS_KEY = "AWS_SECRET_ACCESS_KEY"  # noqa: S105 - the name of a key, not one
    OPENROUTER_API_KEY = "OPENROUTER_API_KEY"
    PROSPEO_API_KEY = "PROSPEO_API_KEY"

    AZURE = "AZURE_API_KEY"
    OPENAI = "OPENAI_API_KEY"
    ANTHROPIC = "ANTHROPIC_API_KEY"
    GOOGLE = "GOOGLE_API_KEY"


class ApiKeyMode(StrEnum):
    """Whether runs use the platform's provider keys or yours. The last two are older names of the same."""

    PLATFORM = "platform"
    BYO_KEYS = "byo_keys"

    USE_PLATFORM = "platform"
    BRING_YOUR_OWN = "byo_keys"


class ExternalApiKey(WireModel):
    """A stored key, without its secret.

    Attributes:
        key_name: Name that distinguishes several keys of one provider, or None.
        expires_at: Time after which the key is no longer used, or None for never.
    """

    key_id: str
    provider: Annotated[ApiProvider | str, OPEN_ENUM] = ""
    key_name: str | None = None
    is_active: bool = True
    expires_at: Timestamp | None = None
    created_at: Timestamp | None = None
    updated_at: Timestamp | None = None
    created_by: str | None = None


class ApiKeyModeObject(WireModel):
    """Whether the tenant's runs use the platform's provider keys or its own."""

    api_key_mode: Annotated[ApiKeyMode | str, OPEN_ENUM] = ApiKeyMode.PLATFORM
