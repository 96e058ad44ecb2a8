"""MCP servers. The service starts no commands and connects to no servers: it only keeps what it is told of them."""

from __future__ import annotations

from typing import Any

from lumnisai_core.local.lumnis.app import Call, Reply
from lumnisai_core.local.lumnis.replies import dumps, row
from lumnisai_core.local.lumnis.shapes.servers import CreateServer, ListServers, PatchServer, ServerConfig
from lumnisai_core.local.lumnis.store import ServerRow
from lumnisai_core.local.web.errors import InvalidRequest, not_found
from lumnisai_core.local.web.ids import new_id, now

_TESTED = {
    "success": True,
    "message": "The settings are valid. The embedded service does not connect to MCP servers.",
    "tool_count": 0,
    "error_details": None,
}


async def create(call: Call) -> Reply:
    """Register a server; its environment and headers are checked and dropped."""
    body = await call.body(CreateServer)

    def make() -> str:
        moment = now()
        server = ServerRow(
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
        call.store.servers.add(server)
        return dumps(row(server))

    return call.once(make)


async def list_(call: Call) -> Reply:
    """Show a page of servers, newest first; with a user, the tenant's and that user's."""
    query = call.query(ListServers)
    wanted: dict[str, Any] = {
        "tenant_id": call.tenant.id,
        "visible_to": call.user(query.user_identifier),
        "scope": None if query.scope == "all" else query.scope,
        "is_active": query.is_active,
    }
    rows = call.store.servers.all(limit=query.limit, offset=query.skip, **wanted)
    total = call.store.servers.count(**wanted)
    reply = {"servers": [row(item) for item in rows], "total": total, "skip": query.skip, "limit": query.limit}
    return Reply(200, dumps(reply))


async def get(call: Call) -> Reply:
    """Show one server."""
    return Reply(200, dumps(row(_find(call))))


async def update(call: Call) -> Reply:
    """Change the given parts of a server."""
    body = await call.body(PatchServer)
    server = _find(call)
    changes = body.model_dump(exclude_unset=True, exclude={"env", "headers"})
    if server.transport != "stdio" and changes.get("url", server.url) is None:
        raise InvalidRequest([{"loc": ["body", "url"], "msg": f"{server.transport} needs a url", "type": "missing"}])
    call.store.servers.change({"id": server.id}, **changes, updated_at=now())
    return Reply(200, dumps(row(_find(call))))


async def delete(call: Call) -> Reply:
    """Forget a server."""
    call.store.servers.remove(id=_find(call).id)
    return Reply(204)


async def tools(call: Call) -> Reply:
    """Show the tools of a server: none are known."""
    server = _find(call)
    return Reply(200, dumps({"server_id": server.id, "server_name": server.name, "tools": [], "total": 0}))


async def test(call: Call) -> Reply:
    """Check a registered server, as far as that is possible without connecting."""
    _find(call)
    return Reply(200, dumps(_TESTED))


async def test_config(call: Call) -> Reply:
    """Check settings, as far as that is possible without connecting."""
    await call.body(ServerConfig)
    return Reply(200, dumps(_TESTED))


def _find(call: Call) -> ServerRow:
    server_id = call.path["server_id"]
    server = call.store.servers.one(id=server_id, tenant_id=call.tenant.id)
    if server is None:
        raise not_found("server", server_id)
    return server
