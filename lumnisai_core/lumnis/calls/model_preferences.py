"""Reading how callers choose models for their uses. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from lumnisai_core._transport.checks import member, text
from lumnisai_core.exceptions import ValidationError
from lumnisai_core.lumnis.models.enums import ModelType
from lumnisai_core.lumnis.models.model_preferences import ModelPreference, ModelProvider

_FIELDS = ("model_type", "provider", "model_name")


def choice(place: str, model_type: ModelType | str, provider: ModelProvider | str, model_name: str) -> dict[str, str]:
    """Write the choice of a model for one use.

    Args:
        place: Where it was given, for the messages.
        model_type: What the model is for.
        provider: Who runs it.
        model_name: Its name, without the provider in front.

    Raises:
        ValidationError: A part is unknown or missing.
    """
    runs_it = member(ModelProvider, f"{place}provider", provider)
    name = text(f"{place}model_name", model_name)
    if name.startswith(f"{runs_it}:"):
        raise ValidationError(f"{place}model_name is {name!r}: leave out the provider in front of the colon.")
    return {
        "model_type": str(member(ModelType, f"{place}model_type", model_type)),
        "provider": str(runs_it),
        "model_name": name,
    }


def choices_by_type(preferences: Mapping[str, Mapping[str, Any] | ModelPreference]) -> dict[str, dict[str, str]]:
    """Write choices that are given by use, as the bulk update wants them.

    Raises:
        ValidationError: There is none, or one is not usable.
    """
    if not isinstance(preferences, Mapping) or not preferences:
        raise ValidationError(
            'preferences must be choices by use, such as {"FAST_MODEL": {"provider": "openai", "model_name": '
            f'"gpt-4o-mini"}}}}, not {preferences!r}.'
        )
    rows = [choice_from(f"preferences[{str(use)!r}].", value, use) for use, value in preferences.items()]
    return {row["model_type"]: row for row in rows}


def choice_from(
    place: str, given: Mapping[str, Any] | ModelPreference, model_type: ModelType | str | None = None
) -> dict[str, str]:
    """Write one choice that is given as a mapping.

    Args:
        place: Where it was given, for the messages.
        given: ``provider`` and ``model_name``, and ``model_type`` unless that is given by itself.
        model_type: What the model is for.

    Raises:
        ValidationError: It is not usable.
    """
    if isinstance(given, ModelPreference):
        given = {name: getattr(given, name) for name in _FIELDS}
    if not isinstance(given, Mapping):
        raise ValidationError(f"{place[:-1]} must have provider and model_name, not be {given!r}.")
    unknown = [str(name) for name in given if name not in _FIELDS]
    if unknown:
        raise ValidationError(f"{place[:-1]} has unknown fields {', '.join(unknown)}; known are {', '.join(_FIELDS)}.")
    use = given.get("model_type", "") if model_type is None else model_type
    return choice(place, use, given.get("provider", ""), given.get("model_name", ""))
