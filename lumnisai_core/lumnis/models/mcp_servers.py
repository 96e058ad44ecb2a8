"""MCP servers and their tools (``/v1/mcp-servers``). The service never returns ``env`` and ``headers``."""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated, Any, ClassVar

from pydantic import Field

from lumnisai_core._transport.wire import OPEN_ENUM, Items, Page, Timestamp, WireModel
from lumnisai_core.lumnis.models.requests import Scope


class MCPTransport(StrEnum):
    """Transport of an MCP server: a process, or one of two HTTP protocols."""

    STDIO = "stdio"
    STREAMABLE_HTTP = "streamable_http"
    SSE = "sse"


class MCPServer(WireModel):
    """A registered MCP server.

    Attributes:
        scope: Whether one user or the whole tenant can use it.
        command: Program of a ``stdio`` server.
        url: Address of a server of the other kinds.
    """

    id: str
    tenant_id: str | None = None
    user_id: str | None = None
    scope: Annotated[Scope | str, OPEN_ENUM] = Scope.TENANT
    name: str = ""
    description: str | None = None
    transport: Annotated[MCPTransport | str, OPEN_ENUM] = ""
    command: str | None = None
    args: Items[str] = Field(default_factory=list)
    url: str | None = None
    is_active: bool = True
    created_at: Timestamp | None = None
    updated_at: Timestamp | None = None


class MCPServerList(Page[MCPServer]):
    """One page of MCP servers."""

    _list: ClassVar[str] = "servers"

    servers: Items[MCPServer] = Field(default_factory=list)
    skip: int = 0
    limit: int | None = None


class MCPTool(WireModel):
    """A tool of an MCP server.

    Attributes:
        input_schema: JSON Schema of its arguments, or None.
    """

    name: str
    description: str | None = None
    input_schema: dict[str, Any] | None = None


class MCPToolList(WireModel):
    """The tools of an MCP server."""

    server_id: str | None = None
    server_name: str = ""
    tools: Items[MCPTool] = Field(default_factory=list)
    total: int = 0


class MCPTestResult(WireModel):
    """Whether an MCP server could be reached."""

    success: bool = False
    message: str = ""
    tool_count: int | None = None
    error_details: str | None = None
