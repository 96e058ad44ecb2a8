"""Shapes of applications that users can connect to, and of their connections."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Literal

from pydantic import Field, StringConstraints
from typing_extensions import TypedDict

from lumnisai_core.local.web.shapes import Id, Object, Shape, Time, UserName

AppName = Annotated[str, StringConstraints(strip_whitespace=True, to_upper=True, pattern=r"^[A-Za-z0-9_-]{1,64}$")]
Provider = Literal["composio", "unipile"]
ConnectionStatus = Literal["pending", "active", "failed", "expired", "not_connected"]
_Address = Annotated[str, Field(max_length=2000, pattern=r"^https?://\S+$")]


class Initiate(Shape):
    """Body of `POST /v1/integrations/connections/initiate`. Its secrets are not kept."""

    user_id: UserName
    app_name: AppName
    provider: Provider = "composio"
    redirect_url: _Address | None = None
    success_redirect_url: _Address | None = None
    failure_redirect_url: _Address | None = None
    auth_mode: str | None = None
    connection_params: Object | None = Field(None, repr=False)


class OfUser(Shape):
    """A path or query that must name a user."""

    user_id: UserName


class AppPath(Shape):
    """Path of one app."""

    app: AppName


class ConnectionPath(OfUser, AppPath):
    """Path of one user's connection to one app."""


class WithProvider(Shape):
    """Query of calls that may name a provider."""

    provider: Provider | None = None


class ListConnections(WithProvider):
    """Query of `GET /v1/integrations/connections/{user_id}`; `app_filter` is comma-joined."""

    app_filter: str | None = None


class Batch(WithProvider):
    """Body of `POST /v1/integrations/connections/batch`."""

    user_id: UserName
    app_names: list[AppName] = Field(min_length=1, max_length=100)


class Callback(Shape):
    """Body of `POST /v1/integrations/connections/callback`."""

    connection_id: str
    code: str | None = None
    state: str | None = None
    error: str | None = None


class Disconnect(WithProvider):
    """Body of `POST /v1/integrations/connections/disconnect`."""

    user_id: UserName
    app_name: AppName


class ListTools(WithProvider):
    """Body of `POST /v1/integrations/tools`."""

    user_id: UserName
    app_filter: list[AppName] | None = None


class ListApps(WithProvider):
    """Query of `GET /v1/integrations/apps`."""

    include_available: bool = False


class SetApp(WithProvider):
    """Query of `PUT /v1/integrations/apps/{app}`."""

    enabled: bool


class Authorize(Shape):
    """Query of the address that completes a connection."""

    error: str | None = None


class Initiated(TypedDict):
    """A connection that has begun."""

    redirect_url: str
    status: ConnectionStatus
    message: str
    connection_id: Id


@dataclass(frozen=True, slots=True)
class ConnectionState:
    """How a user is connected to an app; the time has no zone."""

    app_name: str
    status: ConnectionStatus
    connected_at: str | None
    error_message: str | None
    is_enabled: bool


@dataclass(frozen=True, slots=True)
class Connection(ConnectionState):
    """A user's connection to an app."""

    connection_id: Id
    tenant_id: Id
    user_id: Id
    provider: str
    metadata: Object


class Connections(TypedDict):
    """All connections of a user."""

    user_id: str
    connections: list[Connection]


class ConnectionStates(TypedDict):
    """How a user is connected to several apps."""

    user_id: str
    connections: list[ConnectionState]
    total_checked: int
    active_count: int


class CalledBack(TypedDict):
    """A connection that is complete, or failed."""

    success: bool
    status: ConnectionStatus
    message: str


class Disconnected(TypedDict):
    """A connection that has ended."""

    success: bool
    message: str


class AppTool(TypedDict):
    """A tool of an app."""

    name: str
    description: str
    app_name: str
    parameters: Object


class AppTools(TypedDict):
    """The tools of a user's apps."""

    user_id: str
    tools: list[AppTool]
    tool_count: int


class Apps(TypedDict):
    """The apps of a tenant."""

    enabled_apps: list[str]
    total_enabled: int
    available_apps: list[str] | None
    total_available: int | None
    providers: dict[str, list[str]]
    total_providers: int


class Providers(TypedDict):
    """The providers of connections."""

    providers: list[str]
    total: int


class AppEnabled(TypedDict):
    """Whether an app is enabled."""

    app_name: str
    enabled: bool
    message: str
    provider: str | None


class AppSet(TypedDict):
    """An app was switched on or off."""

    app_name: str
    enabled: bool
    message: str
    updated_at: Time


class ContactsStatus(TypedDict):
    """How far contacts are copied."""

    status: Literal["idle", "no_account"]
    synced_count: int
    last_synced_at: Time | None


class ContactsSync(TypedDict):
    """The answer to a request to copy contacts."""

    status: Literal["started", "already_running", "no_account"]
    message: str


class ContactsDeleted(TypedDict):
    """Copied contacts were deleted."""

    deleted_count: int
    message: str
