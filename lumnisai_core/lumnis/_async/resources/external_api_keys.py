"""Your own keys of model and data providers: ``/v1/external-api-keys``."""

from __future__ import annotations

from builtins import list as list_
from collections.abc import AsyncIterator
from datetime import datetime
from uuid import UUID

from pydantic import SecretStr

from lumnisai_core._transport._async.resource import AsyncResource
from lumnisai_core._transport.answer import model, models, nothing
from lumnisai_core._transport.call import Call, path
from lumnisai_core._transport.checks import given, optional_text
from lumnisai_core._transport.secrets import Concealed, concealed
from lumnisai_core.lumnis.calls.external_api_keys import (
    find_provider,
    mode_from,
    provider_from,
    usable_secret,
    warn_of_user,
    wire_time,
)
from lumnisai_core.lumnis.config import Settings
from lumnisai_core.lumnis.models.external_api_keys import ApiKeyMode, ApiKeyModeObject, ApiProvider, ExternalApiKey

_ROUTE = "/v1/external-api-keys"
_ONE = "/v1/external-api-keys/{}"
_MODE = "/v1/external-api-keys/mode"
_LONGEST_NAME = 100


class AsyncExternalApiKeys(AsyncResource[Settings]):
    """Store and delete provider keys of the tenant. Reached as ``client.external_api_keys``."""

    async def create(
        self,
        *,
        provider: ApiProvider | str,
        api_key: str | SecretStr,
        key_name: str | None = None,
        expires_at: datetime | str | None = None,
        mode: ApiKeyMode | str | None = None,
        user_id: str | UUID | None = None,
    ) -> ExternalApiKey:
        """Store a key, or replace the one of the same provider (POST /v1/external-api-keys).

        Args:
            provider: Such as ``OPENAI_API_KEY``, ``openai`` or ``ApiProvider.OPENAI``.
            api_key: The secret, 3 to 2000 characters. It is never sent back.
            key_name: Name that tells several keys of one provider apart, up to 100 characters.
            expires_at: When to stop using it, as a datetime or ISO 8601 text; UTC if it has no zone. Default: never.
            mode: Whose keys runs use from now on, ``platform`` or ``byo_keys`` (also ``byo``). Default: as it is.
            user_id: Ignored with a warning, because keys belong to the whole tenant.

        Returns:
            The stored key without its secret.

        Raises:
            ValidationError: The provider is unknown, or a value is not usable.
        """
        warn_of_user(user_id)
        wanted_mode = None if mode is None else mode_from(mode)
        secret = usable_secret(api_key)
        body = Concealed(
            provider=str(provider_from(provider)),
            api_key=secret,
            **given(
                key_name=optional_text("key_name", key_name, longest=_LONGEST_NAME),
                expires_at=wire_time("expires_at", expires_at),
            ),
        )
        with concealed(secret):
            key = await self._send(Call("POST", _ROUTE, model(ExternalApiKey), body=body))
        if wanted_mode is not None:
            await self.update_mode(wanted_mode)
        return key

    async def get(self, key_id: str | UUID) -> ExternalApiKey:
        """Return a stored key without its secret (GET /v1/external-api-keys/{id}).

        Raises:
            NotFoundError: There is no such key.
        """
        return await self._send(Call("GET", path(_ONE, key_id), model(ExternalApiKey)))

    async def list(self, *, user_id: str | UUID | None = None) -> list_[ExternalApiKey]:
        """List all stored keys without their secrets, newest first (GET /v1/external-api-keys).

        Args:
            user_id: Ignored with a warning, because keys belong to the whole tenant.
        """
        warn_of_user(user_id)
        return await self._send(Call("GET", _ROUTE, models(ExternalApiKey)))

    async def iter(self) -> AsyncIterator[ExternalApiKey]:
        """Iterate over all stored keys; the service sends them as one page."""
        for key in await self.list():
            yield key

    async def delete(self, key: ApiProvider | str | UUID, *, key_name: str | None = None) -> None:
        """Delete the key of a provider (DELETE /v1/external-api-keys/{provider}).

        The service deletes by provider; for a key id, the key's provider and name are looked up first.

        Args:
            key: The provider, such as ``OPENAI_API_KEY`` or ``openai``, or a key id.
            key_name: Which of several keys of the provider. Default for a key id: the name of that key.

        Raises:
            NotFoundError: There is no such key.
        """
        provider: str | None = find_provider(key) if isinstance(key, str) else None
        if provider is None:
            found = await self.get(key)
            provider = found.provider
            key_name = key_name or found.key_name
        query = {"key_name": optional_text("key_name", key_name, longest=_LONGEST_NAME)}
        await self._send(Call("DELETE", path(_ONE, provider), nothing, query=query))

    async def get_mode(self) -> ApiKeyModeObject:
        """Return whose keys runs use (GET /v1/external-api-keys/mode)."""
        return await self._send(Call("GET", _MODE, model(ApiKeyModeObject)))

    async def update_mode(self, mode: ApiKeyMode | str) -> ApiKeyModeObject:
        """Choose whose keys runs use (PATCH /v1/external-api-keys/mode).

        Args:
            mode: ``platform`` or ``byo_keys`` (also ``byo``).

        Raises:
            ValidationError: It is neither.
        """
        body = {"mode": str(mode_from(mode))}
        return await self._send(Call("PATCH", _MODE, model(ApiKeyModeObject), body=body))
