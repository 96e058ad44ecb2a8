"""MCP servers. The service starts no commands and connects to no servers: it only keeps their settings."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, model_validator
from typing_extensions import TypedDict

from lumnisai_core.local.lumnis.service import Call
from lumnisai_core.local.lumnis.store.rows import Server, ServerScope, Transport
from lumnisai_core.local.web.errors import invalid
from lumnisai_core.local.web.ids import now
from lumnisai_core.local.web.json_text import dumps
from lumnisai_core.local.web.routes import Once, RouteTable
from lumnisai_core.local.web.shapes import Id, Object, Shape, Text, UserName

_Name = Annotated[str, Field(min_length=1, max_length=255)]
_Description = Annotated[str, Field(max_length=1000)]
_Url = Annotated[str, Field(max_length=1024, pattern=r"^https?://\S+$")]
route = RouteTable()


class ServerConfig(Shape):
    """How a server is reached; also the body of `POST /v1/mcp-servers/test`."""

    transport: Transport
    command: str | None = Field(None, min_length=1, max_length=255)
    args: list[str] | None = None
    url: _Url | None = None
    env: dict[str, str] | None = Field(None, repr=False)
    headers: dict[str, str] | None = Field(None, repr=False)

    @model_validator(mode="after")
    def _can_be_reached(self) -> ServerConfig:
        needed = "command" if self.transport == "stdio" else "url"
        if getattr(self, needed) is None:
            raise ValueError(f"transport {self.transport} needs {needed}")
        return self


class CreateServer(ServerConfig):
    """Body of `POST /v1/mcp-servers`."""

    name: _Name
    scope: ServerScope
    description: _Description | None = None
    user_identifier: UserName | None = None

    @model_validator(mode="after")
    def _has_an_owner(self) -> CreateServer:
        if (self.scope == "user") != (self.user_identifier is not None):
            verb = "needs" if self.scope == "user" else "forbids"
            raise ValueError(f"scope {self.scope} {verb} user_identifier")
        return self


class PatchServer(Shape):
    """Body of `PATCH /v1/mcp-servers/{id}`; a missing field stays as it is."""

    name: _Name = ""
    description: _Description | None = None
    url: _Url | None = None
    env: dict[str, str] | None = Field(None, repr=False)
    headers: dict[str, str] | None = Field(None, repr=False)
    is_active: bool = True


class ListServers(Shape):
    """Query of `GET /v1/mcp-servers`."""

    scope: Literal["tenant", "user", "all"] = "all"
    user_identifier: UserName | None = None
    is_active: bool | None = None
    skip: int = Field(0, ge=0, le=2**62)
    limit: int = Field(100, ge=1, le=100)


class ByUser(Shape):
    """Query of calls by id that may name a user, by either name."""

    user_identifier: UserName | None = None
    user_id: UserName | None = None


class Servers(TypedDict):
    """A page of MCP servers."""

    servers: list[Server]
    total: int
    skip: int
    limit: int


class ServerTools(TypedDict):
    """The tools of an MCP server."""

    server_id: Id
    server_name: str
    tools: list[Object]
    total: int


class ServerTested(Text):
    """The result of testing an MCP server."""

    success: bool
    tool_count: int | None
    error_details: str | None


_VALID: ServerTested = {
    "success": True,
    "message": "The settings are valid. The embedded service does not connect to MCP servers.",
    "tool_count": 0,
    "error_details": None,
}


@route("POST /v1/mcp-servers")
async def create(call: Call, body: CreateServer) -> Once[Server]:
    """Register a server; its environment and headers are checked and dropped."""
    server = Server(
        tenant_id=call.tenant.id,
        user_id=call.user(body.user_identifier),
        args=None if body.args is None else dumps(body.args),
        **body.model_dump(include={"scope", "name", "description", "transport", "command", "url"}),
    )
    return call.once(lambda: call.store.servers.add(server), user_id=server.user_id)


@route("GET /v1/mcp-servers")
async def list_(call: Call, query: ListServers) -> Servers:
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
async def get(call: Call, query: ByUser) -> Server:
    """Show one server; with a user, one of the tenant's or of that user's."""
    user_id = call.user(query.user_identifier or query.user_id)
    return call.find(call.store.servers, "server", id=call.path["server_id"], visible_to=user_id)


@route("PATCH /v1/mcp-servers/{server_id}")
async def update(call: Call, query: ByUser, body: PatchServer) -> Server:
    """Change parts of a server."""
    server = await get(call, query)
    changes = body.model_dump(exclude_unset=True, exclude={"env", "headers"})
    if server.transport != "stdio" and changes.get("url", server.url) is None:
        raise invalid(f"{server.transport} needs a url", "missing", "url")
    call.store.servers.change({"id": server.id}, **changes, updated_at=now())
    return await get(call, query)


@route("DELETE /v1/mcp-servers/{server_id}")
async def delete(call: Call, query: ByUser) -> None:
    """Delete a server."""
    call.store.servers.remove(id=(await get(call, query)).id)


@route("GET /v1/mcp-servers/{server_id}/tools")
async def tools(call: Call, query: ByUser) -> ServerTools:
    """Show the tools of a server: none are known."""
    server = await get(call, query)
    return {"server_id": server.id, "server_name": server.name, "tools": [], "total": 0}


@route("POST /v1/mcp-servers/{server_id}/test")
async def check(call: Call, query: ByUser) -> ServerTested:
    """Check a registered server, as far as that is possible without connecting."""
    await get(call, query)
    return _VALID


@route("POST /v1/mcp-servers/test")
async def check_config(_call: Call, body: ServerConfig) -> ServerTested:
    """Check settings, as far as that is possible without connecting."""
    del body
    return _VALID
