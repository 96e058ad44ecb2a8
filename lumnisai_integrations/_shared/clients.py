"""Connection settings of a component as fields, and the core's clients made from them."""

from __future__ import annotations

import warnings
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, Any, ClassVar, Self, get_args
from uuid import UUID, uuid4

from pydantic import BaseModel, BeforeValidator, PrivateAttr, SecretStr

from lumnisai_core import AsyncClient, Client, Scope, check_settings
from lumnisai_integrations._shared.runs import IGNORED_PARAMETERS, ignored_parameters, ignored_warning

#: An id as text; a UUID is accepted, too.
Id = Annotated[str, BeforeValidator(lambda value: str(value) if isinstance(value, UUID) else value)]


@dataclass(frozen=True, slots=True)
class ClientSettings:
    """Arguments of a client; None means the core's default. User and scope go with each run instead."""

    api_key: SecretStr | None
    base_url: str | None
    tenant_id: str | None
    timeout: float | None
    max_retries: int | None

    def check(self) -> None:
        """Check that clients can be made."""
        check_settings(**self.arguments())

    def arguments(self) -> dict[str, Any]:
        """Return the keyword arguments of ``Client`` and ``AsyncClient``."""
        key = None if self.api_key is None else self.api_key.get_secret_value()
        others = {name: getattr(self, name) for name in ("base_url", "tenant_id", "timeout", "max_retries")}
        return {"api_key": key} | {name: value for name, value in others.items() if value is not None}


class Clients:
    """One blocking and one asyncio client for each settings of a component, made when they are first needed.

    A deep copy or a pickle starts without clients: connections, locks and event loops are not carried over.
    """

    def __init__(self) -> None:
        self._blocking: dict[ClientSettings, Client] = {}
        self._asyncio: dict[ClientSettings, AsyncClient] = {}
        self.references: dict[ClientSettings, str] = {}

    def blocking(self, settings: ClientSettings) -> Client:
        """Return the blocking client of these settings. It opens nothing before its first request."""
        # Without a lock, which a forked process could find held for ever: a client that comes second is dropped unused.
        return self._blocking.get(settings) or self._blocking.setdefault(settings, Client(**settings.arguments()))

    def asyncio(self, settings: ClientSettings) -> AsyncClient:
        """Return the asyncio client of these settings, which serves any number of event loops."""
        return self._asyncio.get(settings) or self._asyncio.setdefault(settings, AsyncClient(**settings.arguments()))

    def close(self) -> None:
        """Close the connections of the blocking clients; a later run opens new ones."""
        for client in list(self._blocking.values()):
            client.close()

    async def aclose(self) -> None:
        """Close the connections that the asyncio clients have in the running event loop."""
        for client in list(self._asyncio.values()):
            await client.close()

    def __eq__(self, other: object) -> bool:
        # Models with the same fields are equal, whatever connections they have.
        return isinstance(other, Clients)

    __hash__ = None  # type: ignore[assignment] # the usual way to say that there is no hash

    def __deepcopy__(self, memo: dict[int, object]) -> Self:
        return type(self)()

    def __reduce__(self) -> tuple[type[Self], tuple[()]]:
        return type(self), ()


_MOST_SHARED = 1000

_shared: dict[str, tuple[ClientSettings, Clients]] = {}


def share(settings: ClientSettings, clients: Clients) -> str:
    """Return a reference to settings and clients that saved forms hold instead of the key, valid in this process."""
    reference = clients.references.setdefault(settings, uuid4().hex)
    _shared[reference] = settings, clients
    if len(_shared) > _MOST_SHARED:
        del _shared[next(iter(_shared))]
    return reference


def shared(reference: str | None, base_url: str | None) -> tuple[SecretStr | None, Clients | None]:
    """Return the API key and the clients that belong to a reference, for the same service only."""
    settings, clients = _shared.get(reference or "", (None, None))
    if settings is None or settings.base_url != base_url:
        return None, None
    return settings.api_key, clients


class Connection(BaseModel):
    """Where the service is and for whom it works, as fields.

    A pickle does not hold the API key. In the process that wrote it, it finds the key and the clients again.
    """

    base_url: str | None = None
    tenant_id: Id | None = None
    timeout: float | None = None
    max_retries: int | None = None
    user_id: Id | None = None
    scope: Scope | None = None

    #: Name of the field that holds the API key.
    _key_field: ClassVar[str] = "api_key"
    _clients: Clients = PrivateAttr(default_factory=Clients)
    _warned_of: set[str] = PrivateAttr(default_factory=set)

    def __getstate__(self) -> dict[Any, Any]:
        state = super().__getstate__()
        reference = share(self._client_settings(), self._clients)
        return state | {"__dict__": state["__dict__"] | {self._key_field: None}, "reference": reference}

    def __setstate__(self, state: dict[Any, Any]) -> None:
        super().__setstate__(state)
        key, clients = shared(state.get("reference"), self.base_url)
        if clients is not None:
            self.__dict__[self._key_field], self._clients = key, clients

    def close(self) -> None:
        """Close the connections of blocking calls. Closing is optional; a later call opens new ones."""
        self._clients.close()

    async def aclose(self) -> None:
        """Close the connections that asyncio calls have in the running event loop; a later call opens new ones."""
        await self._clients.aclose()

    @classmethod
    def _split_fields(cls, fields: Mapping[str, Any]) -> tuple[dict[str, Any], dict[str, Any]]:
        """Return the fields of a component, and those of other models, which have no effect here.

        None means the default where a field has no other use for it.
        """
        infos = {name: info for field, info in cls.model_fields.items() for name in (field, info.alias) if name}
        own, others = dict[str, Any](), dict[str, Any]()
        for name, value in fields.items():
            if name in infos:
                if value is not None or infos[name].default is None or type(None) in get_args(infos[name].annotation):
                    own[name] = value
            elif value is None or (name in IGNORED_PARAMETERS and name != "user"):  # not for a mistyped user_id
                others[name] = value
            else:
                own[name] = value
        return own, others

    def _warn_of_ignored(self, keywords: Mapping[str, Any]) -> None:
        """Warn once of each parameter that has no effect."""
        if new := ignored_parameters(keywords) - self._warned_of:
            self._warned_of |= new
            warnings.warn(ignored_warning(type(self).__name__, new), UserWarning, stacklevel=4)

    def _client_settings(self) -> ClientSettings:
        api_key = getattr(self, self._key_field)
        return ClientSettings(api_key, self.base_url, self.tenant_id, self.timeout, self.max_retries)

    def _client(self) -> Client:
        return self._clients.blocking(self._client_settings())

    def _aclient(self) -> AsyncClient:
        return self._clients.asyncio(self._client_settings())
