"""The OpenAPI document of the service."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from functools import cache
from importlib import import_module

from lumnisai_core._version import VERSION
from lumnisai_core.local.lumnis.app import Call, Endpoint, Reply, RouteLine
from lumnisai_core.local.lumnis.replies import dumps


def document(routes: Callable[[], Sequence[RouteLine]], public: frozenset[str]) -> Endpoint:
    """Return an endpoint that shows the document of these routes.

    It is written when it is first asked for, and what writes it is imported then, so that services start quickly.
    """

    @cache
    def written() -> str:
        return dumps(import_module("lumnisai_core.local.web.openapi").openapi(routes(), public, VERSION))

    async def show(_call: Call) -> Reply:
        """Show this document."""
        return Reply(200, await asyncio.to_thread(written))

    return show
