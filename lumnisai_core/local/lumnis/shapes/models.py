"""Requests about keys of model providers and about the models to use."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Annotated, ClassVar, Literal

from pydantic import AfterValidator, ConfigDict, Field, RootModel, model_validator

from lumnisai_core.local.web.shapes import Shape

KeyProvider = Literal[
    "OPENAI_API_KEY",
    "ANTHROPIC_API_KEY",
    "GOOGLE_API_KEY",
    "COHERE_API_KEY",
    "GROQ_API_KEY",
    "NVIDIA_API_KEY",
    "FIREWORKS_API_KEY",
    "MISTRAL_API_KEY",
    "TOGETHER_API_KEY",
    "XAI_API_KEY",
    "PPLX_API_KEY",
    "HUGGINGFACE_API_KEY",
    "DEEPSEEK_API_KEY",
    "IBM_API_KEY",
    "EXA_API_KEY",
    "SERPAPI_API_KEY",
    "CRUSTDATA_API_KEY",
    "E2B_API_KEY",
    "CORESIGNAL_API_KEY",
    "PDL_API_KEY",
    "FIBER_API_KEY",
    "FIRECRAWL_API_KEY",
    "ENRICH_LAYER_API_KEY",
    "AWS_ACCESS_KEY_ID",
    "AWS_SECRET_ACCESS_KEY",
    "OPENROUTER_API_KEY",
    "PROSPEO_API_KEY",
]
ModelProvider = Literal[
    "openai",
    "anthropic",
    "azure_openai",
    "azure_ai",
    "google_vertexai",
    "google_genai",
    "google_anthropic_vertex",
    "bedrock",
    "bedrock_converse",
    "cohere",
    "fireworks",
    "together",
    "mistralai",
    "huggingface",
    "groq",
    "ollama",
    "deepseek",
    "ibm",
    "nvidia",
    "xai",
    "perplexity",
]
ModelType = Literal["CHEAP_MODEL", "FAST_MODEL", "SMART_MODEL", "REASONING_MODEL", "VISION_MODEL"]


def _in_utc(moment: datetime) -> datetime:
    return moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment.astimezone(UTC)


def _none_if_empty(text: str) -> str | None:
    return text or None


class StoreKey(Shape):
    """Body of `POST /v1/external-api-keys`. The key itself is checked and dropped."""

    model_config: ClassVar[ConfigDict] = ConfigDict(hide_input_in_errors=True)

    provider: KeyProvider
    api_key: str = Field(min_length=3, max_length=2000, repr=False)
    key_name: Annotated[str, Field(max_length=100), AfterValidator(_none_if_empty)] | None = None
    expires_at: Annotated[datetime, AfterValidator(_in_utc)] | None = None


class KeyPath(Shape):
    """Path of `DELETE /v1/external-api-keys/{provider}`."""

    key: KeyProvider


class KeyQuery(Shape):
    """Query of `DELETE /v1/external-api-keys/{provider}`."""

    key_name: str | None = None


class KeyMode(Shape):
    """Body of `PATCH /v1/external-api-keys/mode`."""

    mode: Literal["platform", "byo_keys"]


class Choice(Shape):
    """A model for one kind of work; the kind may be left out where it is said elsewhere."""

    provider: ModelProvider
    model_name: str = Field(min_length=1, max_length=255)
    model_type: ModelType | None = None


class Choices(Shape):
    """Body of `PUT /v1/model-preferences`."""

    preferences: dict[ModelType, Choice]

    @model_validator(mode="after")
    def _types_agree(self) -> Choices:
        for model_type, choice in self.preferences.items():
            if choice.model_type not in (None, model_type):
                raise ValueError(f"{model_type} names {choice.model_type} as its model_type")
        return self


class ChoicePath(Shape):
    """Path of a single preference."""

    model_type: ModelType


class ListChoices(Shape):
    """Query of `GET /v1/model-preferences`."""

    include_defaults: bool = True


class TypedChoice(Choice):
    """A model whose kind of work must be said."""

    model_type: ModelType


class CheckChoices(RootModel[Annotated[list[TypedChoice], Field(max_length=100)]]):
    """Body of `POST /v1/model-preferences/check-availability`: a bare list."""
