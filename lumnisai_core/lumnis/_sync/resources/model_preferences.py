# Generated from lumnisai_core/lumnis/_async/resources/model_preferences.py by `make sync`; edit that file.
"""Choice of models: ``/v1/model-preferences``."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from lumnisai_core._transport._sync.resource import Resource
from lumnisai_core._transport.answer import model, models, nothing
from lumnisai_core._transport.call import Call
from lumnisai_core._transport.checks import member, path
from lumnisai_core.exceptions import ValidationError
from lumnisai_core.lumnis.calls import model_preferences as calls
from lumnisai_core.lumnis.config import Settings
from lumnisai_core.lumnis.models.model_preferences import (
    ModelAvailability,
    ModelPreference,
    ModelPreferenceList,
    ModelProvider,
)
from lumnisai_core.lumnis.models.requests import ModelType

_ROUTE = "/v1/model-preferences"
_ONE = "/v1/model-preferences/{}"


class ModelPreferences(Resource[Settings]):
    """Choose the tenant's models. Available as ``client.model_preferences``."""

    def get(self, *, include_defaults: bool = True) -> ModelPreferenceList:
        """Return the models for all purposes (GET /v1/model-preferences).

        Args:
            include_defaults: Whether to include the platform's model for purposes without a choice.
        """
        return self._get(ModelPreferenceList, _ROUTE, include_defaults=include_defaults)

    def update(self, preferences: Mapping[str, Mapping[str, Any] | ModelPreference]) -> ModelPreferenceList:
        """Choose models for several purposes; the others stay unchanged (PUT /v1/model-preferences).

        Args:
            preferences: Models by purpose, such as
                ``{"FAST_MODEL": {"provider": "openai", "model_name": "gpt-4o-mini"}}``.

        Returns:
            The models for all purposes, including the platform's choices.

        Raises:
            ValidationError: A purpose or provider is unknown, or a name is missing.
        """
        body = {"preferences": calls.choices_by_type(preferences)}
        return self._send(Call("PUT", _ROUTE, model(ModelPreferenceList), body=body))

    def update_one(
        self, model_type: ModelType | str, *, provider: ModelProvider | str, model_name: str
    ) -> ModelPreference:
        """Choose the model for one purpose (PATCH /v1/model-preferences/{model_type}).

        Args:
            model_type: Purpose of the model, such as ``FAST_MODEL``.
            provider: Provider of the model, such as ``openai``.
            model_name: Name of the model without the provider, such as ``gpt-4o-mini``.

        Raises:
            ValidationError: The purpose or provider is unknown, or the name is missing.
        """
        body = calls.choice("", model_type, provider, model_name)
        return self._send(Call("PATCH", path(_ONE, body["model_type"]), model(ModelPreference), body=body))

    def delete(self, model_type: ModelType | str) -> None:
        """Return to the platform's choice for one purpose (DELETE /v1/model-preferences/{model_type}).

        Args:
            model_type: Purpose of the model, such as ``FAST_MODEL``.

        Raises:
            ValidationError: The purpose is unknown.
        """
        purpose = member(ModelType, "model_type", model_type)
        self._send(Call("DELETE", path(_ONE, purpose), nothing))

    def check_availability(self, choices: Sequence[Mapping[str, Any] | ModelPreference]) -> list[ModelAvailability]:
        """Check whether the tenant can use models (POST /v1/model-preferences/check-availability).

        Args:
            choices: Models, each with ``model_type``, ``provider`` and ``model_name``.

        Raises:
            ValidationError: A purpose or provider is unknown, or a name is missing.
        """
        if isinstance(choices, Mapping | str) or not choices:
            raise ValidationError(f"choices must be a list of at least one model, not {choices!r}.")
        body = [calls.choice_from(f"choices[{index}].", row) for index, row in enumerate(choices)]
        return self._send(
            Call("POST", _ROUTE + "/check-availability", models(ModelAvailability), body=body, idempotent=True)
        )
