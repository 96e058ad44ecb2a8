"""Which model is used for what: ``/v1/model-preferences``."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any
from uuid import uuid4

from lumnisai_core._transport._async.resource import AsyncResource
from lumnisai_core._transport.answer import model, models, nothing
from lumnisai_core._transport.call import Call, path
from lumnisai_core._transport.checks import member
from lumnisai_core.exceptions import ValidationError
from lumnisai_core.lumnis.calls.model_preferences import choice, choice_from, choices_by_type
from lumnisai_core.lumnis.config import Settings
from lumnisai_core.lumnis.models.enums import ModelType
from lumnisai_core.lumnis.models.model_preferences import (
    ModelAvailability,
    ModelPreference,
    ModelPreferenceList,
    ModelProvider,
)

_ROUTE = "/v1/model-preferences"
_ONE = "/v1/model-preferences/{}"


class AsyncModelPreferences(AsyncResource[Settings]):
    """Choose the tenant's models. Reached as ``client.model_preferences``."""

    async def get(self, *, include_defaults: bool = True) -> ModelPreferenceList:
        """Return all choices (GET /v1/model-preferences).

        Args:
            include_defaults: Whether to fill uses without a choice with the platform's.
        """
        query = {"include_defaults": include_defaults}
        return await self._send(Call("GET", _ROUTE, model(ModelPreferenceList), query=query))

    async def update(self, preferences: Mapping[str, Mapping[str, Any] | ModelPreference]) -> ModelPreferenceList:
        """Choose models for several uses; the others stay (PUT /v1/model-preferences).

        Args:
            preferences: ``{"FAST_MODEL": {"provider": "openai", "model_name": "gpt-4o-mini"}}`` and so on.

        Returns:
            All choices, with the platform's for the other uses.

        Raises:
            ValidationError: A use or provider is unknown, or a name is missing.
        """
        body = {"preferences": choices_by_type(preferences)}
        return await self._send(Call("PUT", _ROUTE, model(ModelPreferenceList), body=body))

    async def update_one(
        self, model_type: ModelType | str, *, provider: ModelProvider | str, model_name: str
    ) -> ModelPreference:
        """Choose the model for one use (PATCH /v1/model-preferences/{model_type}).

        Args:
            model_type: What the model is for, such as ``FAST_MODEL``.
            provider: Who runs it, such as ``openai``.
            model_name: Its name without the provider, such as ``gpt-4o-mini``.

        Raises:
            ValidationError: The use or provider is unknown, or the name is missing.
        """
        body = choice("", model_type, provider, model_name)
        return await self._send(Call("PATCH", path(_ONE, body["model_type"]), model(ModelPreference), body=body))

    async def delete(self, model_type: ModelType | str) -> None:
        """Go back to the platform's choice for one use (DELETE /v1/model-preferences/{model_type}).

        Args:
            model_type: What the model is for, such as ``FAST_MODEL``.

        Raises:
            ValidationError: The use is unknown.
        """
        use = member(ModelType, "model_type", model_type)
        await self._send(Call("DELETE", path(_ONE, use), nothing))

    async def check_availability(
        self, choices: Sequence[Mapping[str, Any] | ModelPreference]
    ) -> list[ModelAvailability]:
        """Ask whether models can be used (POST /v1/model-preferences/check-availability).

        Args:
            choices: Each with ``model_type``, ``provider`` and ``model_name``.

        Raises:
            ValidationError: A use or provider is unknown, or a name is missing.
        """
        if isinstance(choices, Mapping | str) or not choices:
            raise ValidationError(f"choices must be a list of at least one choice, not {choices!r}.")
        body = [choice_from(f"choices[{index}].", given) for index, given in enumerate(choices)]
        # It changes nothing, so it may be tried again.
        key = str(uuid4())
        return await self._send(
            Call("POST", _ROUTE + "/check-availability", models(ModelAvailability), body=body, idempotency_key=key)
        )
