"""Shapes of model preferences: which model a tenant wants for which kind of work."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Literal

from pydantic import Field, RootModel, model_validator
from typing_extensions import TypedDict

from lumnisai_core.local.web.shapes import Id, OneOf, Shape, Time

ModelProvider = Annotated[
    str,
    OneOf(
        """openai anthropic azure_openai azure_ai google_vertexai google_genai google_anthropic_vertex bedrock
        bedrock_converse cohere fireworks together mistralai huggingface groq ollama deepseek ibm nvidia xai
        perplexity"""
    ),
]
ModelType = Literal["CHEAP_MODEL", "FAST_MODEL", "SMART_MODEL", "REASONING_MODEL", "VISION_MODEL"]


class Choice(Shape):
    """A model for one kind of work; the kind may be left out where the path or a name has it."""

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
    """A model for a kind of work that must be named."""

    model_type: ModelType


class CheckChoices(RootModel[Annotated[list[TypedChoice], Field(max_length=100)]]):
    """Body of `POST /v1/model-preferences/check-availability`: a bare list."""


@dataclass(frozen=True, slots=True)
class Preference:
    """The model for one kind of work."""

    tenant_id: Id
    model_type: ModelType
    provider: ModelProvider
    model_name: str
    is_active: bool
    created_at: Time
    updated_at: Time


class Preferences(TypedDict):
    """The models for all kinds of work."""

    tenant_id: Id
    preferences: list[Preference]
    defaults_applied: list[ModelType]


class Availability(TypedDict):
    """Whether a model could be used."""

    model_type: ModelType
    provider: ModelProvider
    model_name: str
    is_available: bool
    reason: str | None
    requires_api_key: bool
