"""The core's clients behind one model: made when first needed, kept out of deep copies and pickles."""

from __future__ import annotations

import threading
from dataclasses import dataclass
from typing import Any, Self

from pydantic import SecretStr

from lumnisai_core import AsyncClient, Client, check_settings


@dataclass(frozen=True, slots=True)
class ClientSettings:
    """What a client is made of; None means the core's default. Who a run is for goes with each run instead."""

    api_key: SecretStr | None
    base_url: str | None
    tenant_id: str | None
    timeout: float | None
    max_retries: int | None

    def check(self) -> None:
        """Check that clients can be made.

        Raises:
            ConfigurationError: No API key, or a value that cannot work.
        """
        check_settings(**self._arguments())

    def make_client(self) -> Client:
        """Make a blocking client. It opens nothing before its first request."""
        return Client(**self._arguments())

    def make_async_client(self) -> AsyncClient:
        """Make an asyncio client, which serves any number of event loops."""
        return AsyncClient(**self._arguments())

    def _arguments(self) -> dict[str, Any]:
        key = None if self.api_key is None else self.api_key.get_secret_value()
        others = {"base_url": self.base_url, "tenant_id": self.tenant_id}
        numbers = {"timeout": self.timeout, "max_retries": self.max_retries}
        return {"api_key": key} | {name: value for name, value in (others | numbers).items() if value is not None}


class Clients:
    """One blocking and one asyncio client for each settings that a model had.

    A deep copy or a pickle begins anew: connections, locks and event loops are not carried over.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._blocking: dict[ClientSettings, Client] = {}
        self._asyncio: dict[ClientSettings, AsyncClient] = {}

    def blocking(self, settings: ClientSettings) -> Client:
        """Return the blocking client of these settings."""
        with self._lock:
            if settings not in self._blocking:
                self._blocking[settings] = settings.make_client()
            return self._blocking[settings]

    def asyncio(self, settings: ClientSettings) -> AsyncClient:
        """Return the asyncio client of these settings."""
        with self._lock:
            if settings not in self._asyncio:
                self._asyncio[settings] = settings.make_async_client()
            return self._asyncio[settings]

    def close(self) -> None:
        """Close the connections of the blocking clients; a later run opens new ones."""
        with self._lock:
            clients = list(self._blocking.values())
        for client in clients:
            client.close()

    async def aclose(self) -> None:
        """Close the connections that the asyncio clients have in the running event loop."""
        with self._lock:
            clients = list(self._asyncio.values())
        for client in clients:
            await client.close()

    def __eq__(self, other: object) -> bool:
        # Connections are no part of what a model is: they must not tell equal models apart.
        return isinstance(other, Clients)

    __hash__ = None  # type: ignore[assignment] # the usual way to say that there is no hash

    def __deepcopy__(self, memo: dict[int, object]) -> Self:
        return type(self)()

    def __reduce__(self) -> tuple[type[Self], tuple[()]]:
        return type(self), ()
