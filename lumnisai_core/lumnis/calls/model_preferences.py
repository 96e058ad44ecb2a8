"""Arguments of calls about model preferences: a model for a purpose. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from lumnisai_core._transport.checks import member, text
from lumnisai_core.exceptions import ValidationError
from lumnisai_core.lumnis.models.model_preferences import ModelPreference, ModelProvider
from lumnisai_core.lumnis.models.requests import ModelType

_FIELDS = ("model_type", "provider", "model_name")


def choice(place: str, model_type: ModelType | str, provider: ModelProvider | str, model_name: str) -> dict[str, str]:
    """Write the choice of a model for one purpose; ``place`` is put before the names of arguments in errors."""
    known_provider = member(ModelProvider, f"{place}provider", provider)
    name = text(f"{place}model_name", model_name)
    if name.startswith(f"{known_provider}:"):
        raise ValidationError(f"{place}model_name is {name!r}: leave out the provider in front of the colon.")
    return {
        "model_type": str(member(ModelType, f"{place}model_type", model_type)),
        "provider": str(known_provider),
        "model_name": name,
    }


def choices_by_type(preferences: Mapping[str, Mapping[str, Any] | ModelPreference]) -> dict[str, dict[str, str]]:
    """Write choices by purpose, as the bulk update expects them."""
    if not isinstance(preferences, Mapping) or not preferences:
        raise ValidationError(
            'preferences must map purposes to models, such as {"FAST_MODEL": {"provider": "openai", "model_name": '
            f'"gpt-4o-mini"}}}}, not {preferences!r}.'
        )
    rows = [choice_from(f"preferences[{str(purpose)!r}].", row, purpose) for purpose, row in preferences.items()]
    return {row["model_type"]: row for row in rows}


def choice_from(
    place: str, row: Mapping[str, Any] | ModelPreference, model_type: ModelType | str | None = None
) -> dict[str, str]:
    """Write one choice from a mapping or a model, whose purpose may be an argument of its own."""
    if isinstance(row, ModelPreference):
        row = {name: getattr(row, name) for name in _FIELDS}
    if not isinstance(row, Mapping):
        raise ValidationError(f"{place[:-1]} must have provider and model_name, not be {row!r}.")
    unknown = [str(name) for name in row if name not in _FIELDS]
    if unknown:
        raise ValidationError(f"{place[:-1]} has unknown fields {', '.join(unknown)}; known are {', '.join(_FIELDS)}.")
    purpose = row.get("model_type", "") if model_type is None else model_type
    return choice(place, purpose, row.get("provider", ""), row.get("model_name", ""))
