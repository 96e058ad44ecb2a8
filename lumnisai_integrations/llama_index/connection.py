"""What connects a component of LlamaIndex to Lumnis: settings, clients, and what is left out of a saved form."""

from __future__ import annotations

from typing import Annotated, Any, ClassVar
from uuid import UUID

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, PrivateAttr, SecretStr

from lumnisai_core import AsyncClient, Client, Scope
from lumnisai_integrations._shared.clients import Clients, ClientSettings

Id = Annotated[str, BeforeValidator(lambda value: str(value) if isinstance(value, UUID) else value)]


class LumnisConnection(BaseModel):
    """The fields that say where the service is and for whom it works."""

    model_config: ClassVar[ConfigDict] = ConfigDict(extra="forbid", hide_input_in_errors=True)

    api_key: SecretStr | None = Field(default=None, exclude=True, repr=False)
    base_url: str | None = None
    tenant_id: Id | None = None
    timeout: float | None = None
    max_retries: int | None = None
    scope: Scope | None = None
    user_id: Id | None = None

    _clients: Clients = PrivateAttr(default_factory=Clients)

    def __init__(self, **fields: Any) -> None:
        super().__init__(**fields)
        self._client_settings().check()

    def __getstate__(self) -> dict[Any, Any]:
        state = super().__getstate__()
        return state | {"__dict__": state["__dict__"] | {"api_key": None}}

    def close(self) -> None:
        """Close the connections of blocking calls; a later call opens new ones."""
        self._clients.close()

    async def aclose(self) -> None:
        """Close the connections of the running event loop; a later call opens new ones."""
        await self._clients.aclose()

    def client(self) -> Client:
        """Return the blocking client of these settings."""
        return self._clients.blocking(self._client_settings())

    def aclient(self) -> AsyncClient:
        """Return the asyncio client of these settings, which serves any number of event loops."""
        return self._clients.asyncio(self._client_settings())

    def _client_settings(self) -> ClientSettings:
        return ClientSettings(self.api_key, self.base_url, self.tenant_id, self.timeout, self.max_retries)
