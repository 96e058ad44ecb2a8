"""The privacy gateway as a part of the embedded service: its address, its token, and its application."""

from __future__ import annotations

import secrets
from collections.abc import Callable

from starlette.types import ASGIApp

from lumnisai_core.local.engines.base import Engine
from lumnisai_core.local.liminal import routes
from lumnisai_core.local.liminal.service import Service, refused
from lumnisai_core.local.liminal.settings import LiminalSettings
from lumnisai_core.local.liminal.store import STEPS, Store
from lumnisai_core.local.store.database import Database
from lumnisai_core.local.web.app import App
from lumnisai_core.local.web.routes import Route


class LocalLiminal:
    """The privacy gateway of a `LocalLumnis`.

    Attributes:
        settings: Its settings.
        token: Environment token to log in with.
        model_instance: Name of its first model instance.
    """

    name = routes.MOUNT
    routes: tuple[Route, ...] = tuple(routes.route)
    steps: tuple[str, ...] = STEPS

    def __init__(self, address: Callable[[], str], settings: LiminalSettings) -> None:
        if not isinstance(settings, LiminalSettings):
            raise ValueError(f"liminal must be LiminalSettings, got {type(settings).__name__}")
        self._address = address
        self._service: Service | None = None
        self.settings = settings
        self.token: str = settings.token or f"lim_local_{secrets.token_urlsafe(24)}"
        self.model_instance: str = settings.instances[0].name

    def __repr__(self) -> str:
        return f"<LocalLiminal with {len(self.settings.instances)} model instances>"

    @property
    def base_url(self) -> str:
        """Address of the running gateway, such as `http://127.0.0.1:49152/liminal`."""
        return f"{self._address()}/{self.name}"

    def environment(self) -> dict[str, str]:
        """Return the environment variables with which clients find the gateway."""
        return {"LIMINAL_API_SERVER_URL": self.base_url, "LIMINAL_TOKEN": self.token}

    def expire_sessions(self) -> None:
        """End all sessions, so that a test can see clients log in anew."""
        if self._service is not None:
            self._service.sessions.expire()

    def application(self, database: Database, engine: Engine, max_body: int, address: str) -> ASGIApp:
        """Return the application for a service that starts."""
        del address
        self._service = service = Service(self.settings, self.token, Store(database), engine)
        return App(self.routes, service.open_call, max_body=max_body, body_of=refused)
