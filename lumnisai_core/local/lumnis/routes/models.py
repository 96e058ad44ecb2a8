"""Model preferences: which model a tenant wants for which kind of work."""

from __future__ import annotations

from lumnisai_core.local.lumnis.app import Call, Reply
from lumnisai_core.local.lumnis.replies import dumps, row
from lumnisai_core.local.lumnis.shapes.models import (
    CheckChoices,
    Choice,
    ChoicePath,
    Choices,
    ListChoices,
    ModelType,
    TypedChoice,
)
from lumnisai_core.local.lumnis.store import PreferenceRow
from lumnisai_core.local.web.errors import InvalidRequest
from lumnisai_core.local.web.ids import is_past, now

_DEFAULTS: dict[ModelType, tuple[str, str]] = {
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


async def list_(call: Call) -> Reply:
    """Show all preferences; kinds of work without one get the default unless that is not wanted."""
    return _shown(call, defaults=call.query(ListChoices).include_defaults)


async def update(call: Call) -> Reply:
    """Set the given preferences; the others stay as they are."""
    body = await call.body(Choices)
    with call.store.transaction():
        for model_type, choice in body.preferences.items():
            _keep(call, model_type, choice)
    return _shown(call, defaults=True)


async def set_one(call: Call) -> Reply:
    """Set one preference."""
    model_type = call.segment(ChoicePath).model_type
    choice = await call.body(Choice)
    if choice.model_type not in (None, model_type):
        text = f"must be {model_type}, as in the path"
        raise InvalidRequest([{"loc": ["body", "model_type"], "msg": text, "type": "value_error"}])
    with call.store.transaction():
        return Reply(200, dumps(row(_keep(call, model_type, choice))))


async def reset(call: Call) -> Reply:
    """Go back to the default."""
    call.store.preferences.remove(tenant_id=call.tenant.id, model_type=call.segment(ChoicePath).model_type)
    return Reply(204)


async def check(call: Call) -> Reply:
    """Tell which models could be used: all of them, or in `byo_keys` mode those whose provider's key is there."""
    body = await call.body(CheckChoices)
    moment = now()
    keys = call.store.keys.all(tenant_id=call.tenant.id)
    held = {key.provider for key in keys if not is_past(key.expires_at, moment)}
    own_keys = call.fresh_tenant().api_key_mode == "byo_keys"
    return Reply(200, dumps([_availability(choice, held if own_keys else None) for choice in body.root]))


def _availability(choice: TypedChoice, held: set[str] | None) -> dict[str, object]:
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


def _shown(call: Call, *, defaults: bool) -> Reply:
    chosen = {item.model_type: item for item in call.store.preferences.all(tenant_id=call.tenant.id)}
    applied = [name for name in _DEFAULTS if name not in chosen] if defaults else []
    since = call.tenant.created_at
    for name in applied:
        chosen[name] = PreferenceRow(call.tenant.id, name, *_DEFAULTS[name], True, since, since)
    preferences = [row(chosen[name]) for name in _DEFAULTS if name in chosen]
    reply = {"tenant_id": call.tenant.id, "preferences": preferences, "defaults_applied": applied}
    return Reply(200, dumps(reply))


def _keep(call: Call, model_type: ModelType, choice: Choice) -> PreferenceRow:
    where, moment = {"tenant_id": call.tenant.id, "model_type": model_type}, now()
    known = call.store.preferences.one(**where)
    created_at = moment if known is None else known.created_at
    kept = PreferenceRow(call.tenant.id, model_type, choice.provider, choice.model_name, True, created_at, moment)
    call.store.preferences.remove(**where)
    call.store.preferences.add(kept)
    return kept
