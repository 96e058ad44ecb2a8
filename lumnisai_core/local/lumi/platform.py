"""The application backend as a part of the embedded service: its address, its keys, and its application."""

from __future__ import annotations

import asyncio
import os
import secrets
from collections.abc import Callable, Mapping
from typing import Any, TypeVar

from starlette.types import ASGIApp, Receive, Scope, Send

from lumnisai_core.local.engines.base import Engine
from lumnisai_core.local.lumi import routes
from lumnisai_core.local.lumi.accounts import Accounts
from lumnisai_core.local.lumi.documents import Documents
from lumnisai_core.local.lumi.files import Files
from lumnisai_core.local.lumi.functions import Functions
from lumnisai_core.local.lumi.generation import Generation
from lumnisai_core.local.lumi.mail import Post
from lumnisai_core.local.lumi.service import Keys, Service
from lumnisai_core.local.lumi.settings import LumiSettings
from lumnisai_core.local.lumi.shapes import LumiMail
from lumnisai_core.local.lumi.signature import Signatures
from lumnisai_core.local.lumi.store import STEPS, Store
from lumnisai_core.local.store.database import Database
from lumnisai_core.local.web.app import App
from lumnisai_core.local.web.routes import Route

_T = TypeVar("_T")
_Handler = TypeVar("_Handler", bound=Callable[..., Any])


class LocalLumi:
    """The application backend of a `LocalLumnis`.

    Attributes:
        settings: Its settings.
        project_id: The project.
        api_key: Key for text and images.
        sign_key: Key of the signature.
        top_access_key: Key that gives a request every right, for hosted functions.
    """

    name = routes.MOUNT
    routes: tuple[Route, ...] = tuple(routes.route)
    steps: tuple[str, ...] = STEPS

    def __init__(
        self, address: Callable[[], str], settings: LumiSettings, owner_key: str, key_expiry: Mapping[str, str]
    ) -> None:
        if not isinstance(settings, LumiSettings):
            raise ValueError(f"lumi must be LumiSettings, got {type(settings).__name__}")
        self._address = address
        self._running: tuple[int, asyncio.AbstractEventLoop, Service] | None = None
        self._functions = Functions()
        self._owner_key = owner_key
        self._key_expiry = key_expiry
        self.settings = settings
        self.project_id: str = settings.project_id
        self.api_key: str = settings.api_key or f"lk_local_{secrets.token_urlsafe(24)}"
        self.sign_key: str = settings.sign_key or secrets.token_urlsafe(24)
        self.top_access_key: str = settings.top_access_key or f"top_local_{secrets.token_urlsafe(24)}"

    def __repr__(self) -> str:
        return f"<LocalLumi {self.project_id}>"

    @property
    def base_url(self) -> str:
        """Address of the running backend, such as `http://127.0.0.1:49152/lumi`."""
        return f"{self._address()}/{self.name}"

    @property
    def outbox(self) -> list[LumiMail]:
        """The e-mails so far, oldest first; one with a one-time code has it as `code`."""
        return self._inside(lambda store: store.mails())

    def environment(self) -> dict[str, str]:
        """Return the environment variables with which clients find the backend, all but that of the top access key."""
        return {
            "LUMI_API_BASE_URL": self.base_url,
            "LUMI_PROJECT_ID": self.project_id,
            "LUMI_API_KEY": self.api_key,
            "LUMI_SIGN_KEY": self.sign_key,
        }

    def function(self, name: str) -> Callable[[_Handler], _Handler]:
        """Return a decorator that registers a function under a name, for calls by any method.

        The function takes a `LumiRequest`, and may be a coroutine function. It returns a string, bytes, a value for
        JSON, an iterator of event lines to stream, or a Starlette `Response`.

        Args:
            name: its name in the path.

        Raises:
            ValueError: the name is empty.
        """
        return self._functions.register(name)

    def expire_tokens(self) -> None:
        """End all sessions, so that a test can see code 2100."""
        self._inside(lambda store: store.remove_tokens())

    def admit(self, key: str, expires_at: str | None) -> None:
        """Change when the service's own key expires, with which its page reads; other keys are not keys here."""
        if self._running is not None and key == self._owner_key:
            self._running[2].keys.owner_expires_at = expires_at

    def _inside(self, act: Callable[[Store], _T]) -> _T:
        """Use the tables in the thread of the service, which alone may."""
        self._address()  # raises if the service is not running
        if self._running is None:
            raise RuntimeError("LocalLumnis is not running")
        process, loop, service = self._running
        if process != os.getpid():
            raise RuntimeError("This LocalLumnis lives in the parent process: call it over HTTP from here.")
        store = service.store
        if asyncio._get_running_loop() is loop:
            return act(store)  # a function of the project asks

        async def acted() -> _T:
            return act(store)

        return asyncio.run_coroutine_threadsafe(acted(), loop).result()

    def application(self, database: Database, engine: Engine, max_body: int, address: str) -> ASGIApp:
        """Return the application for a service that starts."""
        settings, store = self.settings, Store(database)
        expires_at = self._key_expiry.get(self._owner_key)
        post = Post(settings, store)
        files = Files(store, database.path.with_name(f"{database.path.name}.lumi"), settings.max_file)
        service = Service(
            settings=settings,
            keys=Keys(self.api_key, self.sign_key, self.top_access_key, self._owner_key, expires_at),
            signatures=Signatures(self.sign_key),
            store=store,
            accounts=Accounts(settings, store, post),
            documents=Documents(settings, store),
            post=post,
            files=files,
            generation=Generation(settings, engine, store, files),
            functions=self._functions,
            max_body=max_body,
            address=f"{address}/{self.name}",
        )
        self._running = (os.getpid(), asyncio.get_running_loop(), service)
        app = App(
            self.routes,
            service.open_call,
            max_body=max_body,
            body_of=service.refused,
            status_of=service.status_of,
        )

        async def by_raw_path(scope: Scope, receive: Receive, send: Send) -> None:
            # Segments are decoded one by one, so that an id with a slash in it does not lead to another route.
            path = scope.get("raw_path", b"").decode("latin-1")
            await app({**scope, "path": path} if path else scope, receive, send)

        return by_raw_path
