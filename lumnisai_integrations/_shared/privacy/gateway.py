"""Settings of models behind the privacy gateway as fields, with the clients made from them."""

from __future__ import annotations

import warnings
from collections.abc import Mapping
from typing import Any, ClassVar, Self, cast

from pydantic import BaseModel, ConfigDict, Field, PrivateAttr, SecretStr

from lumnisai_core.liminal import AsyncClient, Client, ModelInstance
from lumnisai_integrations._shared.privacy.prompts import History, chosen, ignored

_MOST_KNOWN = 10_000


class _Held(dict[Any, Any]):
    """What a model keeps beside its fields: models with the same fields are equal, whatever they keep."""

    def __eq__(self, other: object) -> bool:
        return isinstance(other, _Held)

    __hash__ = None


class Gateway(BaseModel):
    """Where the gateway is, and whose policy applies, as fields.

    A pickle holds neither token nor clients: what is restored takes its credentials from the environment.
    """

    base_url: str | None = None
    token: SecretStr | None = Field(default=None, exclude=True, repr=False)
    model_instance: str | int | None = None
    thread_id: int | None = None
    history: History = "client"
    stop: list[str] | None = None
    timeout: float | None = None
    max_retries: int | None = None
    client: Client | None = Field(default=None, exclude=True, repr=False)
    async_client: AsyncClient | None = Field(default=None, exclude=True, repr=False)

    model_config: ClassVar[ConfigDict] = ConfigDict(
        arbitrary_types_allowed=True, hide_input_in_errors=True, protected_namespaces=()
    )

    # By their settings, because copies with other fields share them.
    _clients: _Held = PrivateAttr(default_factory=_Held)
    _instances: _Held = PrivateAttr(default_factory=_Held)
    _instructions: _Held = PrivateAttr(default_factory=_Held)
    _warned_of: set[str] = PrivateAttr(default_factory=set)

    @staticmethod
    def _renamed(fields: Mapping[str, Any]) -> dict[str, Any]:
        """Return fields under their own names; frameworks call any credential ``api_key`` and any choice ``model``."""
        names = {"api_key": "token", "model": "model_instance"}
        return {names.get(name, name): value for name, value in fields.items() if value is not None}

    def _blocking(self) -> Client:
        return self.client or cast("Client", self._made(Client))

    def _asyncio(self) -> AsyncClient:
        return self.async_client or cast("AsyncClient", self._made(AsyncClient))

    def _made(self, kind: type[Client | AsyncClient]) -> Client | AsyncClient:
        """Return the client of these settings, which opens nothing before its first request."""
        key = (kind, *self._settings().items())
        made: Client | AsyncClient = self._clients.get(key) or self._clients.setdefault(key, kind(**self._settings()))
        return made

    def _settings(self) -> dict[str, Any]:
        names = ("base_url", "token", "timeout", "max_retries")
        return {name: value for name in names if (value := getattr(self, name)) is not None}

    def _check(self) -> None:
        """Check that a client can be made.

        Raises:
            ConfigurationError: There is no address or no way to log in, or a value is invalid.
        """
        if self.client is None and self.async_client is None:
            self._made(Client)

    def close(self) -> None:
        """Close the connections of blocking calls. Closing is optional; a later call opens new ones."""
        for client in list(self._clients.values()):
            if isinstance(client, Client):
                client.close()

    async def aclose(self) -> None:
        """Close the connections that asyncio calls have in the running event loop; a later call opens new ones."""
        for client in list(self._clients.values()):
            if isinstance(client, AsyncClient):
                await client.close()

    def _instance(self, wanted: str | int | None) -> ModelInstance:
        """Return a model instance, which is looked up once."""
        place = self._place(wanted)
        if (known := self._instances.get(place)) is None:
            known = chosen(self._blocking().llm.get_available_model_instances(), wanted)
        return cast("ModelInstance", self._instances.setdefault(place, known))

    async def _ainstance(self, wanted: str | int | None) -> ModelInstance:
        place = self._place(wanted)
        if (known := self._instances.get(place)) is None:
            known = chosen(await self._asyncio().llm.get_available_model_instances(), wanted)
        return cast("ModelInstance", self._instances.setdefault(place, known))

    def _place(self, wanted: str | int | None) -> tuple[object, ...]:
        return (wanted, id(self.client), id(self.async_client), *self._settings().items())

    def _note(self, thread_id: int, instructions: tuple[str, ...] | None) -> None:
        """Note the last instructions of a thread, so that it gets them once."""
        if instructions is not None:
            self._instructions.pop(str(thread_id), None)
            self._instructions[str(thread_id)] = instructions
            if len(self._instructions) > _MOST_KNOWN:
                del self._instructions[next(iter(self._instructions))]

    def _warn_of_ignored(self, keywords: Mapping[str, Any]) -> None:
        if new := ignored(type(self).__name__, keywords) - self._warned_of:
            self._warned_of |= new
            warnings.warn(
                f"{type(self).__name__} ignores {', '.join(sorted(new))}: the gateway decides how models are called.",
                UserWarning,
                stacklevel=4,
            )

    def __deepcopy__(self, memo: dict[int, Any] | None = None) -> Self:
        return self.model_copy()  # clients are shared, as in any copy

    def __getstate__(self) -> dict[Any, Any]:
        state = super().__getstate__()
        without = {"token": None, "client": None, "async_client": None}
        return state | {"__dict__": state["__dict__"] | without, "__pydantic_private__": None}

    def __setstate__(self, state: dict[Any, Any]) -> None:
        super().__setstate__(state)
        self.model_post_init(None)
