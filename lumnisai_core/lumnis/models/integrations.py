"""Connections to external apps and the tools they provide (``/v1/integrations``)."""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated, Any

from pydantic import Field, model_validator

from lumnisai_core._transport.wire import OPEN_ENUM, Items, Timestamp, WireModel


class ConnectionStatus(StrEnum):
    """State of a user's connection to an app."""

    PENDING = "pending"
    ACTIVE = "active"
    FAILED = "failed"
    EXPIRED = "expired"
    NOT_CONNECTED = "not_connected"


class IntegrationProvider(StrEnum):
    """Providers of connections. The last three are reserved."""

    COMPOSIO = "composio"
    UNIPILE = "unipile"
    NANGO = "nango"
    ARCADE = "arcade"
    MERGE = "merge"


class ConnectionStart(WireModel):
    """A connection that has been started.

    Attributes:
        redirect_url: Page where the user has to authorize it, or None if that is not needed.
    """

    redirect_url: str | None = None
    status: Annotated[ConnectionStatus | str, OPEN_ENUM] = ConnectionStatus.PENDING
    message: str | None = None


class AppConnection(WireModel):
    """A user's connection to one app. Fields differ between versions of the service; all are kept.

    Attributes:
        connected_at: Time of the connection; also set for a pending one that was active before.
        is_enabled: Whether the tenant allows the app, or None if that was not requested.
    """

    app_name: str = ""
    status: Annotated[ConnectionStatus | str, OPEN_ENUM] = ConnectionStatus.NOT_CONNECTED
    connected_at: Timestamp | None = None
    error_message: str | None = None
    is_enabled: bool | None = None
    connection_id: str | None = None
    tenant_id: str | None = None
    user_id: str | None = None
    provider: Annotated[IntegrationProvider | str, OPEN_ENUM] | None = None
    metadata: dict[str, Any] | None = None


class AppConnectionList(WireModel):
    """A user's connections.

    Attributes:
        total_checked: Number of apps that were checked, if the service reports it.
        active_count: Number of active connections, if the service reports it.
    """

    user_id: str | None = None
    connections: Items[AppConnection] = Field(default_factory=list)
    total_checked: int | None = None
    active_count: int | None = None


class ConnectionCallbackResult(WireModel):
    """Result of passing on the callback of an app's login page."""

    success: bool = False
    status: str = ""
    message: str = ""


class DisconnectResult(WireModel):
    """Whether a connection was removed."""

    success: bool = False
    message: str = ""


class IntegrationTool(WireModel):
    """An action that an agent can perform in a connected app.

    Attributes:
        parameters: JSON Schema of its arguments, or None.
    """

    name: str
    description: str = ""
    app_name: str = ""
    parameters: dict[str, Any] | None = None


class IntegrationToolList(WireModel):
    """The tools of a user's active connections."""

    user_id: str | None = None
    tools: Items[IntegrationTool] = Field(default_factory=list)
    tool_count: int = 0


class AppList(WireModel):
    """The apps of a tenant.

    The service lists them flat, by provider, or both ways; ``enabled_apps`` always has all of them.

    Attributes:
        enabled_apps: Apps that users can connect to.
        available_apps: Apps that could be enabled, or None if they were not requested.
        providers: Apps by provider, if the service groups them.
    """

    enabled_apps: Items[str] = Field(default_factory=list)
    total_enabled: int = 0
    available_apps: list[str] | None = None
    total_available: int | None = None
    providers: dict[str, Items[str]] = Field(default_factory=dict)
    total_providers: int | None = None

    @model_validator(mode="before")
    @classmethod
    def _list_grouped_apps(cls, data: Any) -> Any:
        groups = data.get("providers") if isinstance(data, dict) else None
        if not isinstance(groups, dict) or data.get("enabled_apps") is not None:
            return data
        names = (name for apps in groups.values() if isinstance(apps, list) for name in apps)
        apps = list(dict.fromkeys(name for name in names if isinstance(name, str)))
        return {"total_enabled": len(apps), **data, "enabled_apps": apps}


class IntegrationProviderList(WireModel):
    """The providers of connections that the service supports."""

    providers: Items[Annotated[IntegrationProvider | str, OPEN_ENUM]] = Field(default_factory=list)
    total: int = 0


class AppEnabled(WireModel):
    """Whether users of the tenant can connect to an app."""

    app_name: str = ""
    enabled: bool = False
    message: str = ""
    provider: Annotated[IntegrationProvider | str, OPEN_ENUM] | None = None
    updated_at: Timestamp | None = None


class AppRequiredFields(WireModel):
    """Fields that an app without a login page requires. The service does not declare their shape; all are kept."""


class LinkedInSync(WireModel):
    """State of a LinkedIn synchronization; further fields are kept.

    Attributes:
        status: Such as ``started``, ``already_running`` or ``no_account``.
    """

    status: str = ""
    message: str = ""


class LinkedInConnectionsDeleted(WireModel):
    """Number of synchronized LinkedIn connections that were deleted."""

    deleted_count: int = 0
    message: str = ""
