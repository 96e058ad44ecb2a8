"""API keys of model and data providers: ``/v1/external-api-keys``."""

from __future__ import annotations

from builtins import list as list_
from collections.abc import AsyncIterator
from datetime import datetime
from uuid import UUID

from pydantic import SecretStr

from lumnisai_core._transport._async.resource import AsyncResource
from lumnisai_core._transport.answer import model, models, nothing
from lumnisai_core._transport.call import Call
from lumnisai_core._transport.checks import not_none, optional_text, path
from lumnisai_core._transport.secrets import Concealed, concealed
from lumnisai_core.lumnis.calls import external_api_keys as calls
from lumnisai_core.lumnis.config import Settings
from lumnisai_core.lumnis.models.external_api_keys import ApiKeyMode, ApiKeyModeObject, ApiProvider, ExternalApiKey

_ROUTE = "/v1/external-api-keys"
_ONE = "/v1/external-api-keys/{}"
_MODE = "/v1/external-api-keys/mode"
_LONGEST_NAME = 100


class AsyncExternalApiKeys(AsyncResource[Settings]):
    """Store and delete the tenant's keys of model and data providers. Available as ``client.external_api_keys``."""

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
        """Store a key, or replace the key of the same provider (POST /v1/external-api-keys).

        Args:
            provider: Provider, such as ``OPENAI_API_KEY``, ``openai`` or ``ApiProvider.OPENAI``.
            api_key: The secret, 3 to 2000 characters. The service never returns it.
            key_name: Name that distinguishes several keys of one provider, up to 100 characters.
            expires_at: Time after which the key is no longer used, as a datetime or ISO 8601 string; UTC if it has no
                zone. Default: never.
            mode: Keys that runs use from now on: ``platform`` or ``byo_keys`` (also ``byo``). Default: unchanged.
            user_id: Ignored with a warning, because keys belong to the whole tenant.

        Returns:
            The stored key without its secret.

        Raises:
            ValidationError: The provider is unknown, or a value is invalid.
        """
        calls.warn_of_user(user_id)
        new_mode = None if mode is None else calls.mode_from(mode)
        secret = calls.usable_secret(api_key)
        body = Concealed(
            provider=str(calls.provider_from(provider)),
            api_key=secret,
            **not_none(
                key_name=optional_text("key_name", key_name, longest=_LONGEST_NAME),
                expires_at=calls.wire_time("expires_at", expires_at),
            ),
        )
        with concealed(secret):
            key = await self._send(Call("POST", _ROUTE, model(ExternalApiKey), body=body))
        if new_mode is not None:
            await self.update_mode(new_mode)
        return key

    async def get(self, key_id: str | UUID) -> ExternalApiKey:
        """Return a stored key without its secret (GET /v1/external-api-keys/{id}).

        Raises:
            NotFoundError: The key does not exist.
        """
        return await self._get(ExternalApiKey, path(_ONE, key_id))

    async def list(self, *, user_id: str | UUID | None = None) -> list_[ExternalApiKey]:
        """List all stored keys without their secrets, newest first (GET /v1/external-api-keys).

        Args:
            user_id: Ignored with a warning, because keys belong to the whole tenant.
        """
        calls.warn_of_user(user_id)
        return await self._send(Call("GET", _ROUTE, models(ExternalApiKey)))

    async def iter(self) -> AsyncIterator[ExternalApiKey]:
        """Iterate over all stored keys; the service returns them on one page."""
        for key in await self.list():
            yield key

    async def delete(self, key: ApiProvider | str | UUID, *, key_name: str | None = None) -> None:
        """Delete the key of a provider (DELETE /v1/external-api-keys/{provider}).

        The service deletes keys by provider; for a key id, the provider and name of the key are looked up first.

        Args:
            key: Provider, such as ``OPENAI_API_KEY`` or ``openai``, or id of a key.
            key_name: Name of the key, if the provider has several. Default for a key id: the name of that key.

        Raises:
            NotFoundError: The key does not exist.
        """
        provider: str | None = calls.find_provider(key) if isinstance(key, str) else None
        if provider is None:
            stored = await self.get(key)
            provider = stored.provider
            key_name = key_name or stored.key_name
        query = {"key_name": optional_text("key_name", key_name, longest=_LONGEST_NAME)}
        await self._send(Call("DELETE", path(_ONE, provider), nothing, query=query))

    async def get_mode(self) -> ApiKeyModeObject:
        """Return whether runs use the platform's keys or the tenant's (GET /v1/external-api-keys/mode)."""
        return await self._get(ApiKeyModeObject, _MODE)

    async def update_mode(self, mode: ApiKeyMode | str) -> ApiKeyModeObject:
        """Choose whether runs use the platform's keys or the tenant's (PATCH /v1/external-api-keys/mode).

        Args:
            mode: ``platform`` or ``byo_keys`` (also ``byo``).

        Raises:
            ValidationError: The mode is unknown.
        """
        body = {"mode": str(calls.mode_from(mode))}
        return await self._send(Call("PATCH", _MODE, model(ApiKeyModeObject), body=body))
