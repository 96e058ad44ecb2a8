"""The routes of the agent platform, collected from their endpoints, and the OpenAPI document that describes them."""

from __future__ import annotations

import asyncio
from functools import cache
from importlib import import_module

from lumnisai_core._version import VERSION
from lumnisai_core.local.lumnis.routes import (
    external_api_keys,
    faults,
    files,
    integrations,
    mcp_servers,
    model_preferences,
    people,
    responses,
    skills,
    threads,
    uploads,
    users,
    window,
)
from lumnisai_core.local.lumnis.service import Call
from lumnisai_core.local.web.routes import Route, RouteTable
from lumnisai_core.local.web.shapes import Object

_route = RouteTable()


@_route("GET /v1/openapi.json", public=True)
async def document(_call: Call) -> Object:
    """Show this document."""
    return await asyncio.to_thread(openapi_document)


@cache
def openapi_document() -> Object:
    """Return the document. Its writer is imported with the first request for it, so that services start quickly."""
    document: Object = import_module("lumnisai_core.local.web.openapi").openapi(ROUTES, "Lumnis, embedded", VERSION)
    return document


#: The routes of the platform, as the document describes them.
ROUTES: tuple[Route, ...] = (
    *_route,
    *users.route,
    *responses.route,
    *threads.route,
    *uploads.route,
    *files.route,
    *integrations.route,
    *mcp_servers.route,
    *skills.route,
    *people.route,
    *external_api_keys.route,
    *model_preferences.route,
)
#: Routes that only this service has; no fault happens to them.
EMBEDDED_ROUTES: tuple[Route, ...] = (*window.route, *faults.route)
