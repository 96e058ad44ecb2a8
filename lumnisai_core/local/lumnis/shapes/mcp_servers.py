"""Shapes of MCP servers."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Literal

from pydantic import Field, model_validator
from typing_extensions import TypedDict

from lumnisai_core.local.web.json_text import Json
from lumnisai_core.local.web.shapes import Id, Object, Shape, Time, UserName

_Name = Annotated[str, Field(min_length=1, max_length=255)]
_Description = Annotated[str, Field(max_length=1000)]
_Url = Annotated[str, Field(max_length=1024, pattern=r"^https?://\S+$")]
_Scope = Literal["tenant", "user"]
_Transport = Literal["stdio", "streamable_http", "sse"]


class ServerConfig(Shape):
    """How a server is reached; also the body of `POST /v1/mcp-servers/test`."""

    transport: _Transport
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
    scope: _Scope
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


@dataclass(frozen=True, slots=True)
class Server:
    """An MCP server."""

    id: Id
    tenant_id: Id
    user_id: Id | None
    scope: _Scope
    name: str
    description: str | None
    transport: _Transport
    command: str | None
    args: Json[list[str]] | None
    url: str | None
    is_active: bool
    created_at: Time
    updated_at: Time


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


class ServerTested(TypedDict):
    """The result of testing an MCP server."""

    success: bool
    message: str
    tool_count: int | None
    error_details: str | None
