"""Shapes of API keys of model providers."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Annotated, ClassVar

from pydantic import AfterValidator, ConfigDict, Field
from typing_extensions import TypedDict

from lumnisai_core.local.lumnis.shapes.users import ApiKeyMode
from lumnisai_core.local.web.shapes import Id, OneOf, Shape, Time

KeyProvider = Annotated[
    str,
    OneOf(
        """OPENAI_API_KEY ANTHROPIC_API_KEY GOOGLE_API_KEY COHERE_API_KEY GROQ_API_KEY NVIDIA_API_KEY
        FIREWORKS_API_KEY MISTRAL_API_KEY TOGETHER_API_KEY XAI_API_KEY PPLX_API_KEY HUGGINGFACE_API_KEY
        DEEPSEEK_API_KEY IBM_API_KEY EXA_API_KEY SERPAPI_API_KEY CRUSTDATA_API_KEY E2B_API_KEY CORESIGNAL_API_KEY
        PDL_API_KEY FIBER_API_KEY FIRECRAWL_API_KEY ENRICH_LAYER_API_KEY AWS_ACCESS_KEY_ID AWS_SECRET_ACCESS_KEY
        OPENROUTER_API_KEY PROSPEO_API_KEY"""
    ),
]


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


@dataclass(frozen=True, slots=True)
class KeyColumns:
    """The columns of a key that requests see; the key itself is not kept."""

    key_id: Id
    provider: KeyProvider
    key_name: str | None
    expires_at: Time | None
    created_at: Time
    updated_at: Time


@dataclass(frozen=True, slots=True)
class Key(KeyColumns):
    """A key of a model provider, without the key itself."""

    is_active: bool
    created_by: str | None


class KeyMode(Shape):
    """Body of `PATCH /v1/external-api-keys/mode`."""

    mode: ApiKeyMode


class WhoseKeys(TypedDict):
    """Whose keys are used."""

    api_key_mode: ApiKeyMode
