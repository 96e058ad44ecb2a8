"""Connections of users to other applications. None is contacted: visiting the link completes a connection."""

from __future__ import annotations

import secrets
from datetime import UTC, datetime
from typing import Any

from lumnisai_core.local.lumnis.app import Call, Reply
from lumnisai_core.local.lumnis.replies import dumps, row
from lumnisai_core.local.lumnis.shapes.integrations import (
    Authorize,
    Batch,
    Callback,
    ConnectionPath,
    Disconnect,
    Initiate,
    ListConnections,
    ListTools,
    OfUser,
    WithProvider,
)
from lumnisai_core.local.lumnis.store import ConnectionRow
from lumnisai_core.local.web.errors import ApiError, not_found
from lumnisai_core.local.web.ids import new_id, now

_CONNECTED = "<!doctype html><title>Connected</title><p>The connection is active. You can close this window."
_FAILED = "<!doctype html><title>Not connected</title><p>The connection was refused. You can close this window."


async def initiate(call: Call) -> Reply:
    """Begin a connection; whoever visits the returned address completes it."""
    body = await call.body(Initiate)
    if body.app_name in call.store.disabled_apps(call.tenant.id):
        raise ApiError(403, "APP_DISABLED", f"{body.app_name} is not enabled for this tenant.")
    return call.once(lambda: _begin(call, body))


def _begin(call: Call, body: Initiate) -> str:
    user_id, store = call.user_id(body.user_id), call.store.connections
    known = _known(call, user_id, body.app_name, body.provider)
    connection = ConnectionRow(
        connection_id=new_id(),
        tenant_id=call.tenant.id,
        user_id=user_id,
        provider=body.provider,
        app_name=body.app_name,
        status="pending",
        connected_at=known[0].connected_at if known else None,
        error_message=None,
        state=secrets.token_urlsafe(24),
        success_url=body.success_redirect_url or body.redirect_url,
        failure_url=body.failure_redirect_url or body.redirect_url,
        created_at=now(),
    )
    for older in known:
        store.remove(connection_id=older.connection_id)
    store.add(connection)
    reply = {
        "redirect_url": f"{call.base_url}/v1/integrations/authorize/{connection.state}",
        "status": connection.status,
        "message": f"Visit redirect_url to connect {body.app_name}.",
        "connection_id": connection.connection_id,
    }
    return dumps(reply)


async def authorize(call: Call) -> Reply:
    """Complete a connection in the browser; with `error`, as somebody who refused."""
    connection = call.store.connections.one(state=call.path["state"])
    if connection is None or connection.status != "pending":
        raise ApiError(404, "NOT_FOUND", "This link is not valid any more.")
    error = call.query(Authorize).error
    _complete(call, connection, error)
    target = connection.success_url if error is None else connection.failure_url
    if target is not None:
        return Reply(302, headers={"location": target})
    return Reply(200, _CONNECTED if error is None else _FAILED, media_type="text/html")


async def callback(call: Call) -> Reply:
    """Complete a connection with what its provider has sent."""
    body = await call.body(Callback)
    connection = call.store.connections.one(tenant_id=call.tenant.id, connection_id=body.connection_id)
    if connection is None:
        raise not_found("connection", body.connection_id)
    if body.state is not None and body.state != connection.state:
        raise ApiError(400, "INVALID_STATE", "The state does not belong to this connection.")
    _complete(call, connection, body.error)
    status = "active" if body.error is None else "failed"
    message = body.error or f"{connection.app_name} is connected."
    return Reply(200, dumps({"success": body.error is None, "status": status, "message": message}))


async def get(call: Call) -> Reply:
    """Show how a user is connected to an app."""
    path, provider = call.segment(ConnectionPath), call.query(WithProvider).provider
    return Reply(200, dumps(_state(call, call.user_id(path.user_id), path.app, provider)))


async def list_(call: Call) -> Reply:
    """Show all connections of a user, newest first."""
    name, query = call.segment(OfUser).user_id, call.query(ListConnections)
    wanted = {part.strip().upper() for part in (query.app_filter or "").split(",") if part.strip()}
    disabled = call.store.disabled_apps(call.tenant.id)
    hidden = ("state", "success_url", "failure_url", "created_at")
    shown = [
        row(item, without=hidden, metadata={}, is_enabled=item.app_name not in disabled)
        for item in _known(call, call.user_id(name), None, query.provider)
        if not wanted or item.app_name in wanted
    ]
    return Reply(200, dumps({"user_id": name, "connections": shown}))


async def batch(call: Call) -> Reply:
    """Show how a user is connected to several apps, in the given order."""
    body = await call.body(Batch)
    user_id = call.user_id(body.user_id)
    states = [_state(call, user_id, app, body.provider) for app in dict.fromkeys(body.app_names)]
    active = sum(state["status"] == "active" for state in states)
    counts = {"total_checked": len(states), "active_count": active}
    return Reply(200, dumps({"user_id": body.user_id, "connections": states, **counts}))


async def disconnect(call: Call) -> Reply:
    """End a user's connection to an app."""
    body = await call.body(Disconnect)
    found = _known(call, call.user_id(body.user_id), body.app_name, body.provider)
    for item in found:
        call.store.connections.remove(connection_id=item.connection_id)
    message = f"{body.app_name} was {'disconnected' if found else 'not connected'}."
    return Reply(200, dumps({"success": bool(found), "message": message}))


async def tools(call: Call) -> Reply:
    """Show the tools of the apps a user is connected to: one for each."""
    body = await call.body(ListTools)
    found = _known(call, call.user_id(body.user_id), None, body.provider)
    apps = [item.app_name for item in found if item.status == "active"]
    shown = [_tool(app) for app in apps if body.app_filter is None or app in body.app_filter]
    return Reply(200, dumps({"user_id": body.user_id, "tools": shown, "tool_count": len(shown)}))


def is_active(call: Call, user_name: str, app: str) -> bool:
    """Tell whether a user has an active connection to an app."""
    return any(item.status == "active" for item in _known(call, call.user_id(user_name), app, None))


def _known(call: Call, user_id: str, app: str | None, provider: str | None) -> list[ConnectionRow]:
    return call.store.connections.all(tenant_id=call.tenant.id, user_id=user_id, app_name=app, provider=provider)


def _state(call: Call, user_id: str, app: str, provider: str | None) -> dict[str, Any]:
    found = _known(call, user_id, app, provider)
    return {
        "app_name": app,
        "status": found[0].status if found else "not_connected",
        "connected_at": found[0].connected_at if found else None,
        "error_message": found[0].error_message if found else None,
        "is_enabled": app not in call.store.disabled_apps(call.tenant.id),
    }


def _complete(call: Call, connection: ConnectionRow, error: str | None) -> None:
    """Make a connection active or failed; the platform writes the time without a zone."""
    where = {"connection_id": connection.connection_id}
    if error is not None:
        call.store.connections.change(where, status="failed", error_message=error[:1000])
    else:
        moment = datetime.now(UTC).replace(tzinfo=None).isoformat(timespec="microseconds")
        call.store.connections.change(where, status="active", error_message=None, connected_at=moment)


def _tool(app: str) -> dict[str, Any]:
    query = {"type": "string", "description": "What to look for."}
    return {
        "name": f"{app}_SEARCH",
        "description": f"Search in {app.capitalize()}.",
        "app_name": app,
        "parameters": {"type": "object", "properties": {"query": query}, "required": ["query"]},
    }
