"""Applications that users can connect to. None is contacted: visiting the link completes a connection."""

from __future__ import annotations

import secrets
import sqlite3
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Annotated, Literal, NoReturn

from pydantic import Field, StringConstraints
from starlette.responses import HTMLResponse, Response
from typing_extensions import TypedDict

from lumnisai_core.local.lumnis.service import Call
from lumnisai_core.local.lumnis.store.rows import ConnectionProvider, ConnectionRow, ConnectionStatus, view
from lumnisai_core.local.web.errors import ApiError
from lumnisai_core.local.web.ids import now
from lumnisai_core.local.web.json_text import Json
from lumnisai_core.local.web.routes import Once, RouteTable
from lumnisai_core.local.web.shapes import Id, Object, Shape, Text, Time, UserName
from lumnisai_core.local.web.text import word_set

AppName = Annotated[str, StringConstraints(strip_whitespace=True, to_upper=True, pattern=r"^[A-Za-z0-9_-]{1,64}$")]
_Address = Annotated[str, Field(max_length=2000, pattern=r"^https?://\S+$")]

_APPS: dict[ConnectionProvider, frozenset[str]] = {
    "composio": word_set(
        """AIRTABLE ASANA DISCORD DROPBOX GITHUB GMAIL GOOGLECALENDAR GOOGLEDRIVE HUBSPOT JIRA LINEAR NOTION OUTLOOK
        SALESFORCE SLACK TRELLO"""
    ),
    "unipile": word_set("LINKEDIN WHATSAPP"),
}
_CONNECTED = "<!doctype html><title>Connected</title><p>The connection is active. You can close this window."
_FAILED = "<!doctype html><title>Not connected</title><p>The connection was refused. You can close this window."
route = RouteTable()


class Initiate(Shape):
    """Body of `POST /v1/integrations/connections/initiate`. Its secrets are not kept."""

    user_id: UserName
    app_name: AppName
    provider: ConnectionProvider = "composio"
    redirect_url: _Address | None = None
    success_redirect_url: _Address | None = None
    failure_redirect_url: _Address | None = None
    auth_mode: str | None = None
    connection_params: Object | None = Field(None, repr=False)


class OfUser(Shape):
    """A body that names a user, and perhaps a provider."""

    user_id: UserName
    provider: ConnectionProvider | None = None


class Batch(OfUser):
    """Body of `POST /v1/integrations/connections/batch`."""

    app_names: list[AppName] = Field(min_length=1, max_length=100)


class Callback(Shape):
    """Body of `POST /v1/integrations/connections/callback`."""

    connection_id: str
    user_id: UserName | None = None
    code: str | None = None
    state: str | None = None
    error: str | None = None


class Disconnect(OfUser):
    """Body of `POST /v1/integrations/connections/disconnect`."""

    app_name: AppName


class ListTools(OfUser):
    """Body of `POST /v1/integrations/tools`."""

    app_filter: list[AppName] | None = None


class Initiated(Text):
    """A connection that has begun."""

    redirect_url: str
    status: ConnectionStatus
    connection_id: Id


@dataclass(frozen=True, slots=True, kw_only=True)
class ConnectionState:
    """How a user is connected to an app; the time has no zone."""

    app_name: str
    status: ConnectionStatus
    connected_at: str | None = None
    error_message: str | None = None
    is_enabled: bool


@dataclass(frozen=True, slots=True, kw_only=True)
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


class CalledBack(Text):
    """A connection that is complete, or failed."""

    success: bool
    status: ConnectionStatus


class Disconnected(Text):
    """A connection that has ended."""

    success: bool


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


class AppEnabled(Text):
    """Whether an app is enabled."""

    app_name: str
    enabled: bool
    provider: str | None


class AppSet(Text):
    """An app was switched on or off."""

    app_name: str
    enabled: bool
    updated_at: Time


class ContactsStatus(TypedDict):
    """How far contacts are copied."""

    status: Literal["idle", "no_account"]
    synced_count: int
    last_synced_at: Time | None


class ContactsSync(Text):
    """The answer to a request to copy contacts."""

    status: Literal["started", "already_running", "no_account"]


class ContactsDeleted(Text):
    """Copied contacts were deleted."""

    deleted_count: int


@route("POST /v1/integrations/connections/initiate", refused=(403,))
async def initiate(call: Call, body: Initiate) -> Once[Initiated]:
    """Begin a connection; whoever visits the returned address completes it."""
    if body.app_name in call.store.disabled_apps(call.tenant.id):
        raise ApiError(403, "APP_DISABLED", f"{body.app_name} is not enabled for this tenant.")
    return call.once(lambda: _begin(call, body), user_id=call.user_id(body.user_id))


def _begin(call: Call, body: Initiate) -> Initiated:
    user_id, store = call.user_id(body.user_id), call.store.connections
    known = _known(call, user_id, body.app_name, body.provider)
    connection = ConnectionRow(
        tenant_id=call.tenant.id,
        user_id=user_id,
        provider=body.provider,
        app_name=body.app_name,
        connected_at=known[0].connected_at if known else None,
        state=secrets.token_urlsafe(24),
        success_url=body.success_redirect_url or body.redirect_url,
        failure_url=body.failure_redirect_url or body.redirect_url,
    )
    for older in known:
        store.remove(connection_id=older.connection_id)
    store.add(connection)
    return {
        "redirect_url": f"{call.service.address}/v1/integrations/authorize/{connection.state}",
        "status": connection.status,
        "message": f"Visit redirect_url to connect {body.app_name}.",
        "connection_id": connection.connection_id,
    }


@route("GET /v1/integrations/authorize/{state}", public=True, media_types={200: "text/html", 302: None})
async def authorize(call: Call, *, error: str | None = None) -> Response:
    """Complete a connection in the browser; with `error`, as somebody who refused."""
    connection = call.store.connections.one(state=call.path["state"])
    if connection is None or connection.status != "pending":
        raise ApiError(404, "NOT_FOUND", "This link is no longer valid.")
    _complete(call, connection, error)
    target = connection.success_url if error is None else connection.failure_url
    if target is not None:
        return Response(status_code=302, headers={"location": target})
    return HTMLResponse(_CONNECTED if error is None else _FAILED)


@route("POST /v1/integrations/connections/callback", refused=(400, 404))
async def callback(call: Call, body: Callback) -> CalledBack:
    """Complete a connection with the message of its provider."""
    wanted = {"connection_id": body.connection_id, "user_id": call.user(body.user_id)}
    connection = call.find(call.store.connections, "connection", **wanted)
    if body.state is not None and body.state != connection.state:
        raise ApiError(400, "INVALID_STATE", "The state does not belong to this connection.")
    _complete(call, connection, body.error)
    message = body.error or f"{connection.app_name} is connected."
    return {"success": body.error is None, "status": "active" if body.error is None else "failed", "message": message}


@route("GET /v1/integrations/connections/{user_id}/{app}")
async def get(
    call: Call, *, user_id: UserName, app: AppName, provider: ConnectionProvider | None = None
) -> ConnectionState:
    """Show how a user is connected to an app."""
    return _state(call, call.user_id(user_id), app, provider)


@route("GET /v1/integrations/connections/{user_id}")
async def list_(
    call: Call, *, user_id: UserName, provider: ConnectionProvider | None = None, app_filter: str | None = None
) -> Json[Connections]:
    """Show all connections of a user, newest first; with comma-joined apps, those to one of them."""
    wanted = {part.strip().upper() for part in (app_filter or "").split(",") if part.strip()}
    disabled = call.store.disabled_apps(call.tenant.id)

    def read(sql: sqlite3.Connection) -> Connections:
        connections = [
            view(Connection, item, metadata={}, is_enabled=item.app_name not in disabled)
            for item in _known(call, call.user_id(user_id), None, provider, sql)
            if not wanted or item.app_name in wanted
        ]
        return {"user_id": user_id, "connections": connections}

    return await call.whole(read)


@route("POST /v1/integrations/connections/batch")
async def batch(call: Call, body: Batch) -> ConnectionStates:
    """Show how a user is connected to several apps, in their order in the request."""
    user_id = call.user_id(body.user_id)
    states = [_state(call, user_id, app, body.provider) for app in dict.fromkeys(body.app_names)]
    return {
        "user_id": body.user_id,
        "connections": states,
        "total_checked": len(states),
        "active_count": sum(state.status == "active" for state in states),
    }


@route("POST /v1/integrations/connections/disconnect")
async def disconnect(call: Call, body: Disconnect) -> Disconnected:
    """End a user's connection to an app."""
    known = _known(call, call.user_id(body.user_id), body.app_name, body.provider)
    for item in known:
        call.store.connections.remove(connection_id=item.connection_id)
    message = f"{body.app_name} was {'disconnected' if known else 'not connected'}."
    return {"success": bool(known), "message": message}


@route("POST /v1/integrations/tools")
async def list_tools(call: Call, body: ListTools) -> Json[AppTools]:
    """Show the tools of the apps a user is connected to: one for each."""
    wanted = None if body.app_filter is None else frozenset(body.app_filter)

    def read(sql: sqlite3.Connection) -> AppTools:
        known = _known(call, call.user_id(body.user_id), None, body.provider, sql)
        apps = [item.app_name for item in known if item.status == "active"]
        tools = [_tool(app) for app in apps if wanted is None or app in wanted]
        return {"user_id": body.user_id, "tools": tools, "tool_count": len(tools)}

    return await call.whole(read)


@route("GET /v1/integrations/apps")
async def list_apps(call: Call, *, provider: ConnectionProvider | None = None, include_available: bool = False) -> Apps:
    """Show which apps are enabled, by provider too; with `include_available`, all there are."""
    disabled = call.store.disabled_apps(call.tenant.id)
    offered = {name: apps for name, apps in _APPS.items() if provider in (None, name)}
    providers: dict[str, list[str]] = {name: sorted(apps - disabled) for name, apps in offered.items()}
    enabled = sorted(app for apps in providers.values() for app in apps)
    available = sorted(app for apps in offered.values() for app in apps) if include_available else None
    return {
        "enabled_apps": enabled,
        "total_enabled": len(enabled),
        "available_apps": available,
        "total_available": None if available is None else len(available),
        "providers": providers,
        "total_providers": len(providers),
    }


@route("GET /v1/integrations/providers")
async def list_providers(_call: Call) -> Providers:
    """Show the providers of connections."""
    return {"providers": list(_APPS), "total": len(_APPS)}


@route("GET /v1/integrations/apps/{app}/enabled")
async def is_enabled(call: Call, *, app: AppName, provider: ConnectionProvider | None = None) -> AppEnabled:
    """Tell whether an app is enabled; any app is until it is switched off."""
    enabled = app not in call.store.disabled_apps(call.tenant.id)
    message = f"{app} is {'enabled' if enabled else 'not enabled'}."
    return {"app_name": app, "enabled": enabled, "message": message, "provider": provider}


@route("PUT /v1/integrations/apps/{app}")
async def set_enabled(call: Call, *, app: AppName, enabled: bool, provider: ConnectionProvider | None = None) -> AppSet:
    """Switch an app on or off for the tenant."""
    del provider
    call.store.enable_app(call.tenant.id, app, enabled=enabled)
    message = f"{app} was {'enabled' if enabled else 'disabled'}."
    return {"app_name": app, "enabled": enabled, "message": message, "updated_at": now()}


@route("GET /v1/integrations/non-oauth/required-fields/{app}", refused=(501,))
async def required_fields(_call: Call, *, app: AppName) -> NoReturn:
    """Refuse: reserved on the platform as well."""
    raise ApiError(501, "NOT_IMPLEMENTED", f"The fields that {app} needs without OAuth are not known.")


@route("GET /v1/integrations/linkedin/sync-status")
async def linkedin_status(call: Call, *, user_id: UserName) -> ContactsStatus:
    """Tell how far a user's LinkedIn contacts are copied: there are none to copy."""
    connected = _is_connected(call, user_id, "LINKEDIN")
    return {"status": "idle" if connected else "no_account", "synced_count": 0, "last_synced_at": None}


@route("POST /v1/integrations/linkedin/sync")
async def linkedin_sync(call: Call, *, user_id: UserName) -> ContactsSync:
    """Begin to copy a user's LinkedIn contacts, if the user is connected."""
    if not _is_connected(call, user_id, "LINKEDIN"):
        return {"status": "no_account", "message": "The user has no LinkedIn account connected."}
    return {"status": "started", "message": "There is nothing to copy."}


@route("DELETE /v1/integrations/linkedin/connections")
async def delete_linkedin_contacts(_call: Call, *, user_id: UserName) -> ContactsDeleted:
    """Delete copied LinkedIn contacts; there are none."""
    del user_id
    return {"deleted_count": 0, "message": "There were no contacts to delete."}


def _is_connected(call: Call, user_name: str, app: str) -> bool:
    return any(item.status == "active" for item in _known(call, call.user_id(user_name), app, None))


def _known(
    call: Call, user_id: str, app: str | None, provider: str | None, sql: sqlite3.Connection | None = None
) -> list[ConnectionRow]:
    return call.store.connections.all(sql, tenant_id=call.tenant.id, user_id=user_id, app_name=app, provider=provider)


def _state(call: Call, user_id: str, app: str, provider: str | None) -> ConnectionState:
    known = _known(call, user_id, app, provider)
    enabled = app not in call.store.disabled_apps(call.tenant.id)
    if not known:
        return ConnectionState(app_name=app, status="not_connected", is_enabled=enabled)
    return view(ConnectionState, known[0], is_enabled=enabled)


def _complete(call: Call, connection: ConnectionRow, error: str | None) -> None:
    """Make a connection active or failed; the platform writes the time without a zone."""
    where = {"connection_id": connection.connection_id}
    if error is not None:
        call.store.connections.change(where, status="failed", error_message=error[:1000])
    else:
        moment = datetime.now(UTC).replace(tzinfo=None).isoformat(timespec="microseconds")
        call.store.connections.change(where, status="active", error_message=None, connected_at=moment)


def _tool(app: str) -> AppTool:
    query = {"type": "string", "description": "The text to look for."}
    return {
        "name": f"{app}_SEARCH",
        "description": f"Search in {app.capitalize()}.",
        "app_name": app,
        "parameters": {"type": "object", "properties": {"query": query}, "required": ["query"]},
    }
