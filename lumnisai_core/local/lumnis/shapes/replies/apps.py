"""Shapes of replies: Connections to outside apps."""

from __future__ import annotations

from datetime import datetime
from typing import (
    Any,
    Literal,  # pydantic asks for this one before Python 3.12
)
from uuid import UUID

from typing_extensions import TypedDict

ConnectionStatus = Literal["pending", "active", "failed", "expired", "not_connected"]


class Initiated(TypedDict):
    """A connection that has begun."""

    redirect_url: str
    status: ConnectionStatus
    message: str
    connection_id: UUID


class ConnectionState(TypedDict):
    """How a user is connected to an app; the time has no zone."""

    app_name: str
    status: ConnectionStatus
    connected_at: str | None
    error_message: str | None
    is_enabled: bool


class Connection(ConnectionState):
    """A user's connection to an app."""

    connection_id: UUID
    tenant_id: UUID
    user_id: UUID
    provider: str
    metadata: dict[str, Any]


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
    parameters: dict[str, Any]


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
    updated_at: datetime


class ContactsStatus(TypedDict):
    """How far contacts are copied."""

    status: Literal["idle", "no_account"]
    synced_count: int
    last_synced_at: datetime | None


class ContactsSync(TypedDict):
    """Copying of contacts was asked for."""

    status: Literal["started", "already_running", "no_account"]
    message: str


class ContactsDeleted(TypedDict):
    """Copied contacts were deleted."""

    deleted_count: int
    message: str
