"""Lumnis as an MCP server: agents that desktop apps, editors and other agents call as tools.

>>> from lumnisai_integrations.mcp import mcp_server, serve_stdio
>>> async with AsyncClient(user_id="user-123") as client:
...     await serve_stdio(mcp_server(client))

``lumnis mcp`` does this from the command line.
"""

from __future__ import annotations

from importlib.util import find_spec

if find_spec("mcp") is None:
    raise ImportError(
        'lumnisai_integrations.mcp needs mcp: pip install "lumnisai-integrations[mcp]"',
        name="mcp",
    )

from lumnisai_integrations.mcp.server import mcp_server
from lumnisai_integrations.mcp.serving import http_app, serve_http, serve_stdio

__all__ = ["http_app", "mcp_server", "serve_http", "serve_stdio"]
