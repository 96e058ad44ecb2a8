"""What connects a component of LlamaIndex to Lumnis: settings, clients, and what is left out of a saved form."""

from __future__ import annotations

import os
import threading
from typing import Annotated, Any, ClassVar
from uuid import UUID, uuid4

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


_Known = tuple[ClientSettings, tuple[str | None, ...]]

_lock = threading.Lock()
_references: dict[_Known, str] = {}
_shared: dict[str, tuple[ClientSettings, Clients]] = {}


def share(settings: ClientSettings) -> tuple[str, Clients]:
    """Return the clients of these settings, and a reference to both."""
    known = (settings, _environment())
    with _lock:
        reference = _references.setdefault(known, uuid4().hex)
        _, clients = _shared.setdefault(reference, (settings, Clients()))
        return reference, clients


def key_of(reference: str | None, base_url: str | None) -> SecretStr | None:
    """Return the API key that belongs to a reference, for the same service only."""
    with _lock:
        settings, _ = _shared.get(reference or "", (None, None))
    return settings.api_key if settings is not None and settings.base_url == base_url else None


def _environment() -> tuple[str | None, ...]:
    # Settings that are not given come from there; with other values there, the clients are others.
    return tuple(os.environ.get(f"LUMNISAI_{name}") for name in ("API_KEY", "BASE_URL", "TENANT_ID"))
