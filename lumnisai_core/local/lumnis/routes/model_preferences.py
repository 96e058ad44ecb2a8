"""Model preferences: which model a tenant wants for which kind of work."""

from __future__ import annotations

from collections.abc import Collection
from typing import Annotated

from pydantic import Field, RootModel, model_validator
from typing_extensions import TypedDict

from lumnisai_core.local.lumnis.service import Call
from lumnisai_core.local.lumnis.store.rows import ModelProvider, ModelType, Preference
from lumnisai_core.local.web.errors import invalid
from lumnisai_core.local.web.ids import is_past, now
from lumnisai_core.local.web.routes import RouteTable
from lumnisai_core.local.web.shapes import Id, Shape

_DEFAULTS: dict[ModelType, tuple[ModelProvider, str]] = {
    "CHEAP_MODEL": ("openai", "gpt-4.1-nano"),
    "FAST_MODEL": ("openai", "gpt-4.1-mini"),
    "SMART_MODEL": ("openai", "gpt-4.1"),
    "REASONING_MODEL": ("openai", "o4-mini"),
    "VISION_MODEL": ("openai", "gpt-4.1-mini"),
}
_KEYLESS = {"ollama"}
_KEYS = {
    "azure_openai": "OPENAI_API_KEY",
    "google_vertexai": "GOOGLE_API_KEY",
    "google_genai": "GOOGLE_API_KEY",
    "google_anthropic_vertex": "GOOGLE_API_KEY",
    "bedrock": "AWS_ACCESS_KEY_ID",
    "bedrock_converse": "AWS_ACCESS_KEY_ID",
    "mistralai": "MISTRAL_API_KEY",
    "perplexity": "PPLX_API_KEY",
}
route = RouteTable()


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


class TypedChoice(Choice):
    """A model for a kind of work that must be named."""

    model_type: ModelType


class CheckChoices(RootModel[Annotated[list[TypedChoice], Field(max_length=100)]]):
    """Body of `POST /v1/model-preferences/check-availability`: a bare list."""


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


@route("GET /v1/model-preferences")
async def list_(call: Call, *, include_defaults: bool = True) -> Preferences:
    """Show all preferences; kinds of work without one get the default unless the request excludes defaults."""
    return _all(call, defaults=include_defaults)


@route("PUT /v1/model-preferences")
async def update(call: Call, body: Choices) -> Preferences:
    """Set the preferences in the body; the others stay as they are."""
    with call.store.transaction():
        for model_type, choice in body.preferences.items():
            _keep(call, model_type, choice)
    return _all(call, defaults=True)


@route("PATCH /v1/model-preferences/{model_type}")
async def set_one(call: Call, body: Choice, *, model_type: ModelType) -> Preference:
    """Set one preference."""
    if body.model_type not in (None, model_type):
        raise invalid(f"must be {model_type}, as in the path", "value_error", "model_type")
    with call.store.transaction():
        return _keep(call, model_type, body)


@route("DELETE /v1/model-preferences/{model_type}")
async def reset(call: Call, *, model_type: ModelType) -> None:
    """Go back to the default."""
    call.store.preferences.remove(tenant_id=call.tenant.id, model_type=model_type)


@route("POST /v1/model-preferences/check-availability")
async def check(call: Call, body: CheckChoices) -> list[Availability]:
    """Tell which models could be used: all of them, or in `byo_keys` mode those whose provider's key is stored."""
    moment = now()
    latest = ("provider", "max(expires_at)", "count(*) - count(expires_at)")
    keys = call.store.keys.aggregate(*latest, by="provider", tenant_id=call.tenant.id)
    held = {provider for provider, expires_at, lasting in keys if lasting or not is_past(expires_at, moment)}
    own_keys = call.fresh_tenant().api_key_mode == "byo_keys"
    return [_availability(choice, held if own_keys else None) for choice in body.root]


def _availability(choice: TypedChoice, held: Collection[str] | None) -> Availability:
    needs_key = choice.provider not in _KEYLESS
    key = _KEYS.get(choice.provider, f"{choice.provider.upper()}_API_KEY")
    available = held is None or not needs_key or key in held
    return {
        "model_type": choice.model_type,
        "provider": choice.provider,
        "model_name": choice.model_name,
        "is_available": available,
        "reason": None if available else f"There is no {key}.",
        "requires_api_key": needs_key,
    }


def _all(call: Call, *, defaults: bool) -> Preferences:
    chosen = {item.model_type: item for item in call.store.preferences.all(tenant_id=call.tenant.id)}
    applied = [name for name in _DEFAULTS if name not in chosen] if defaults else []
    since = call.tenant.created_at
    for name in applied:
        chosen[name] = Preference(call.tenant.id, name, *_DEFAULTS[name], since, since)
    preferences = [chosen[name] for name in _DEFAULTS if name in chosen]
    return {"tenant_id": call.tenant.id, "preferences": preferences, "defaults_applied": applied}


def _keep(call: Call, model_type: ModelType, choice: Choice) -> Preference:
    where, moment = {"tenant_id": call.tenant.id, "model_type": model_type}, now()
    known = call.store.preferences.one(**where)
    call.store.preferences.remove(**where)
    since = known.created_at if known else moment
    kept = Preference(call.tenant.id, model_type, choice.provider, choice.model_name, since, moment)
    return call.store.preferences.add(kept)
