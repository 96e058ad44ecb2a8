"""MCP servers. The service starts no commands and connects to no servers: it only keeps their settings."""

from __future__ import annotations

from lumnisai_core.local.lumnis.service import Call
from lumnisai_core.local.lumnis.shapes import mcp_servers as shapes
from lumnisai_core.local.web.errors import found, invalid
from lumnisai_core.local.web.ids import new_id, now
from lumnisai_core.local.web.json_text import dumps
from lumnisai_core.local.web.routes import Once, RouteTable

_TESTED: shapes.ServerTested = {
    "success": True,
    "message": "The settings are valid. The embedded service does not connect to MCP servers.",
    "tool_count": 0,
    "error_details": None,
}
route = RouteTable()


@route("POST /v1/mcp-servers")
async def create(call: Call, body: shapes.CreateServer) -> Once[shapes.Server]:
    """Register a server; its environment and headers are checked and dropped."""
    moment = now()
    server = shapes.Server(
        id=new_id(),
        tenant_id=call.tenant.id,
        user_id=call.user(body.user_identifier),
        scope=body.scope,
        name=body.name,
        description=body.description,
        transport=body.transport,
        command=body.command,
        args=None if body.args is None else dumps(body.args),
        url=body.url,
        is_active=True,
        created_at=moment,
        updated_at=moment,
    )
    return call.once(lambda: call.store.servers.add(server))


@route("GET /v1/mcp-servers")
async def list_(call: Call, query: shapes.ListServers) -> shapes.Servers:
    """Show a page of servers, newest first; with a user, the tenant's and that user's."""
    servers, total = call.store.servers.page(
        query.limit,
        query.skip,
        tenant_id=call.tenant.id,
        visible_to=call.user(query.user_identifier),
        scope=None if query.scope == "all" else query.scope,
        is_active=query.is_active,
    )
    return {"servers": servers, "total": total, "skip": query.skip, "limit": query.limit}


@route("GET /v1/mcp-servers/{server_id}")
async def get(call: Call) -> shapes.Server:
    """Show one server."""
    return _find(call)


@route("PATCH /v1/mcp-servers/{server_id}")
async def update(call: Call, body: shapes.PatchServer) -> shapes.Server:
    """Change parts of a server."""
    server = _find(call)
    changes = body.model_dump(exclude_unset=True, exclude={"env", "headers"})
    if server.transport != "stdio" and changes.get("url", server.url) is None:
        raise invalid(f"{server.transport} needs a url", "missing", "url")
    call.store.servers.change({"id": server.id}, **changes, updated_at=now())
    return _find(call)


@route("DELETE /v1/mcp-servers/{server_id}")
async def delete(call: Call) -> None:
    """Delete a server."""
    call.store.servers.remove(id=_find(call).id)


@route("GET /v1/mcp-servers/{server_id}/tools")
async def tools(call: Call) -> shapes.ServerTools:
    """Show the tools of a server: none are known."""
    server = _find(call)
    return {"server_id": server.id, "server_name": server.name, "tools": [], "total": 0}


@route("POST /v1/mcp-servers/{server_id}/test")
async def check(call: Call) -> shapes.ServerTested:
    """Check a registered server, as far as that is possible without connecting."""
    _find(call)
    return _TESTED


@route("POST /v1/mcp-servers/test")
async def check_config(_call: Call, body: shapes.ServerConfig) -> shapes.ServerTested:
    """Check settings, as far as that is possible without connecting."""
    del body
    return _TESTED


def _find(call: Call) -> shapes.Server:
    server_id = call.path["server_id"]
    return found(call.store.servers.one(id=server_id, tenant_id=call.tenant.id), "server", server_id)
