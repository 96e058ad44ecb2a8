"""The observability service as a part of the embedded service: its address, its key, and its application."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from starlette.types import ASGIApp

from lumnisai_core.local.engines.base import Engine
from lumnisai_core.local.lucidic import datasets, events, prompts, sessions, tools
from lumnisai_core.local.lucidic.service import MOUNT, Service, refused
from lumnisai_core.local.lucidic.store import STEPS, Store
from lumnisai_core.local.store.database import Database
from lumnisai_core.local.web.app import App
from lumnisai_core.local.web.routes import Route


class LocalLucidic:
    """The observability service of a `LocalLumnis`.

    Its data belongs to agents: a request sees the sessions, prompts and datasets of the agent that it names, and those
    of all agents if it names none.

    Attributes:
        api_key: The key of the service, which is valid for every agent.
        agent_id: An agent id for clients; any other one works, too.
        flags: Values of feature flags by their names; change them at any time.
    """

    name = MOUNT
    routes: tuple[Route, ...] = (*sessions.route, *events.route, *prompts.route, *datasets.route, *tools.route)
    steps: tuple[str, ...] = STEPS

    def __init__(self, address: Callable[[], str], api_key: str, key_expiry: Mapping[str, str]) -> None:
        self._address = address
        self._key_expiry = key_expiry
        self._service: Service | None = None
        self.api_key = api_key
        self.agent_id = "local-agent"
        self.flags: dict[str, Any] = {}

    def __repr__(self) -> str:
        return f"<LocalLucidic with {len(self.flags)} feature flags>"

    @property
    def base_url(self) -> str:
        """Address of the running service, such as `http://127.0.0.1:49152/lucidic`."""
        return f"{self._address()}/{self.name}"

    def environment(self) -> dict[str, str]:
        """Return the environment variables with which clients find the service."""
        return {
            "LUCIDIC_BASE_URL": self.base_url,
            "LUCIDIC_API_KEY": self.api_key,
            "LUCIDIC_AGENT_ID": self.agent_id,
        }

    def admit(self, key: str, expires_at: str | None) -> None:
        """Change when the key of the running service expires; other keys are not keys here."""
        if self._service is not None and key == self.api_key:
            self._service.key_expires_at = expires_at

    def application(self, database: Database, engine: Engine, max_body: int, address: str) -> ASGIApp:
        """Return the application for a service that starts."""
        del engine
        self._service = service = Service(self.api_key, self.flags, Store(database), max_body, f"{address}/{self.name}")
        service.key_expires_at = self._key_expiry.get(self.api_key)
        return App(self.routes, service.open_call, max_body=max_body, body_of=refused)
