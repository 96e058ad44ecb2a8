"""Connection of a component to a Lumi.new application, as fields, and the clients made from them."""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import Any, ClassVar, TypedDict

from pydantic import BaseModel, ConfigDict, Field, PrivateAttr, SecretStr

from lumnisai_core.exceptions import ConfigurationError
from lumnisai_core.lumi import AsyncClient, Client


class LumiConnectionFields(TypedDict, total=False):
    """Connection arguments: the same as the fields of :class:`LumiConnection`."""

    project_id: str | None
    api_base_url: str | None
    authorization: str | SecretStr | None
    lumi_api_key: str | SecretStr | None
    api_key: str | SecretStr | None
    sign_key: str | SecretStr | None
    top_access_key: str | SecretStr | None
    timeout: float | None
    max_retries: int | None
    client: Client | None
    async_client: AsyncClient | None


def _from_environment(variable: str) -> Callable[[], str | None]:
    return lambda: os.environ.get(variable) or None


def _secret_from_environment(variable: str) -> Callable[[], SecretStr | None]:
    return lambda: SecretStr(os.environ[variable]) if os.environ.get(variable) else None


def _chosen(**values: Any) -> dict[str, Any]:
    return {name: value for name, value in values.items() if value is not None}


class _OwnClients:
    """The clients of a component, made on first use; a copy makes its own."""

    def __init__(self) -> None:
        self.blocking: Client | None = None
        self.asyncio: AsyncClient | None = None

    def __eq__(self, other: object) -> bool:
        return isinstance(other, _OwnClients)

    __hash__ = None  # type: ignore[assignment] # the usual way to say that there is no hash

    def __copy__(self) -> _OwnClients:
        return _OwnClients()

    def __deepcopy__(self, memo: dict[int, object]) -> _OwnClients:
        return _OwnClients()


class LumiConnection(BaseModel):
    """Which application a component uses, and for which user.

    Everything is done with the rights of one user: that of the token, or nobody without one. A key with all rights is
    used only if it is passed here, and never taken from the environment.
    """

    model_config: ClassVar[ConfigDict] = ConfigDict(populate_by_name=True, hide_input_in_errors=True)

    project_id: str | None = Field(default_factory=_from_environment("LUMI_PROJECT_ID"))
    api_base_url: str | None = Field(default_factory=_from_environment("LUMI_API_BASE_URL"))
    authorization: SecretStr | None = Field(default=None, exclude=True, repr=False)
    lumi_api_key: SecretStr | None = Field(
        default_factory=_secret_from_environment("LUMI_API_KEY"), alias="api_key", exclude=True, repr=False
    )
    sign_key: SecretStr | None = Field(
        default_factory=_secret_from_environment("LUMI_SIGN_KEY"), exclude=True, repr=False
    )
    top_access_key: SecretStr | None = Field(default=None, exclude=True, repr=False)
    timeout: float | None = None
    max_retries: int | None = None
    client: Client | None = Field(default=None, exclude=True, repr=False)
    async_client: AsyncClient | None = Field(default=None, exclude=True, repr=False)

    _own_clients: _OwnClients = PrivateAttr(default_factory=_OwnClients)
    _lacks_token: bool = PrivateAttr(default=False)

    def check_connection(self) -> None:
        """Check that clients can be made.

        Raises:
            ConfigurationError: There is no application, or a value cannot be used.
        """
        if self.client is None and self.async_client is None:
            self._client()

    def _client(self) -> Client:
        if self.client is not None:
            return self.client
        if self._own_clients.blocking is None:
            self._check_owner("async_client", "client=Client(...)")
            self._own_clients.blocking = Client(**self._arguments())
        return self._own_clients.blocking

    def _aclient(self) -> AsyncClient:
        if self.async_client is not None:
            return self.async_client
        if self._own_clients.asyncio is None:
            self._check_owner("client", "async_client=AsyncClient(...)")
            self._own_clients.asyncio = AsyncClient(**self._arguments())
        return self._own_clients.asyncio

    def _check_owner(self, other: str, missing: str) -> None:
        if getattr(self, other) is not None:
            raise ConfigurationError(f"{type(self).__name__} has only {other}: also pass {missing} for this call.")

    def _arguments(self) -> dict[str, Any]:
        if self._lacks_token and self.authorization is None:
            raise ConfigurationError(
                f"This {type(self).__name__} comes from a pickle, which holds no token: set its authorization."
            )
        keys = {"api_key": self.lumi_api_key or "", "top_access_key": self.top_access_key or ""}
        return keys | _chosen(
            project_id=self.project_id,
            api_base_url=self.api_base_url,
            authorization=self.authorization,
            sign_key=self.sign_key,
            timeout=self.timeout,
            max_retries=self.max_retries,
        )

    def close(self) -> None:
        """Close the connections of blocking calls; a client of yours stays open."""
        if self._own_clients.blocking is not None:
            self._own_clients.blocking.close()

    async def aclose(self) -> None:
        """Close the connections of asyncio calls in the running event loop; a client of yours stays open."""
        if self._own_clients.asyncio is not None:
            await self._own_clients.asyncio.close()

    # Pickles: without secrets, and never as somebody else

    def __getstate__(self) -> dict[Any, Any]:
        state = super().__getstate__()
        values = dict(state["__dict__"])
        owners = (self.authorization, self.client, self.async_client)
        lacks_token = self._lacks_token or any(owner is not None for owner in owners)
        for name in _SECRETS:
            values.pop(name, None)
        return {**state, "__dict__": values, "__pydantic_private__": None, "lacks_token": lacks_token}

    def __setstate__(self, state: dict[Any, Any]) -> None:
        keys = {"lumi_api_key": "LUMI_API_KEY", "sign_key": "LUMI_SIGN_KEY"}
        known = {name: _secret_from_environment(variable)() for name, variable in keys.items()}
        values = {**dict.fromkeys(_SECRETS), **known, **state["__dict__"]}
        super().__setstate__({**state, "__dict__": values})
        if self.__pydantic_private__ is None:
            self.model_post_init(None)
        self._own_clients, self._lacks_token = _OwnClients(), state["lacks_token"]


#: What no saved form holds.
_SECRETS = tuple(name for name, field in LumiConnection.model_fields.items() if field.exclude)
