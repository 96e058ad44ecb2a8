"""An MCP server with two tools and a picture, over its standard input and output: ``python tide_server.py``."""

from __future__ import annotations

from typing import Annotated, Any

from mcp.server.fastmcp import FastMCP, Image
from pydantic import BaseModel, Field

server = FastMCP("tides")


class Place(BaseModel):
    """A port and, if known, its quay."""

    port: str
    quay: str | None = None


@server.tool()  # type: ignore[untyped-decorator] # as mcp is installed by `make thirdparty` only
def look_up(place: Place, days: Annotated[int, Field(ge=1, le=7)] = 1) -> str:
    """Look up the tide table of a place."""
    return f"High tide at {place.port}, {place.quay or 'any quay'}, for {days} days: noon."


@server.tool()  # type: ignore[untyped-decorator] # as above
def fail(reason: str) -> str:
    """Fail for a reason."""
    raise ValueError(reason)


@server.tool(structured_output=False)  # type: ignore[untyped-decorator] # as above
def chart(port: str) -> list[Any]:
    """Draw the chart of a port."""
    return [f"Chart of {port}:", Image(data=b"\x89PNG\r\n\x1a\n", format="png")]


if __name__ == "__main__":
    server.run("stdio")
