"""OpenAI's protocol in front of the embedded service: its runs, in this process."""

from __future__ import annotations

import json
from collections.abc import AsyncGenerator, Mapping

from starlette.requests import Request
from starlette.types import ASGIApp

from lumnisai_core.local.lumnis import service
from lumnisai_core.local.lumnis.routes import responses, threads
from lumnisai_core.local.lumnis.runs import CreateRun
from lumnisai_core.local.openai.attempts import Attempts
from lumnisai_core.local.openai.replies import error_body, status_of
from lumnisai_core.local.openai.routes import MOUNT, Call, Endpoint, route
from lumnisai_core.local.web.app import App
from lumnisai_core.local.web.errors import ApiError
from lumnisai_core.local.web.json_text import written
from lumnisai_core.local.web.shapes import Named, Object, Page, read

__all__ = ["MOUNT", "ROUTES", "EmbeddedRuns", "application"]

#: The routes, for the plan of faults.
ROUTES = tuple(route)


class EmbeddedRuns:
    """The runs of the embedded service, for one request."""

    def __init__(self, call: service.Call) -> None:
        self._call = call

    async def start(self, run: Object, key: str | None, digest: str) -> Object:
        """Create a run; the idempotency key is that in the headers of the request."""
        del key
        self._call.data = digest  # what tells requests with one key apart
        return _object((await responses.create(self._call, read(CreateRun, run, "body"))).text)

    async def get(self, run_id: str, user: str | None = None) -> Object:
        """Return a run."""
        return _object(await responses.get(self._at(response_id=run_id), user_id=user))

    async def follow(self, run_id: str) -> AsyncGenerator[Object, None]:
        """Yield a run after each of its changes."""
        while True:
            change = self._call.runs.change(run_id)
            yield await self.get(run_id)
            if change is None:
                return
            await change.wait()

    async def cancel(self, run_id: str) -> None:
        """Stop a run."""
        try:
            await responses.cancel(self._at(response_id=run_id), Named())
        except ApiError as error:
            if error.status != 409:
                raise

    async def turns(self, thread_id: str, user: str | None = None) -> AsyncGenerator[Object, None]:
        """Yield the runs of a thread, newest first."""
        call, offset = self._at(thread_id=thread_id), 0
        limit = 1  # most readers want the newest one only
        while found := await threads.responses(call, Page(user_id=user, limit=limit, offset=offset)):
            for run in found:
                yield _object(run)
            offset, limit = offset + len(found), 100

    async def make_thread(self) -> Object:
        """Make an empty thread."""
        return _object((await threads.create(self._at(), threads.CreateThread())).text)

    async def thread(self, thread_id: str) -> Object:
        """Return a thread."""
        return _object(await threads.get(self._at(thread_id=thread_id), Named()))

    async def delete_thread(self, thread_id: str) -> None:
        """Delete a thread."""
        await threads.delete(self._at(thread_id=thread_id), Named())

    def _at(self, **path: str) -> service.Call:
        """Return the call with another path."""
        own = self._call
        return service.Call(own.service, own.request, path, own.tenant, is_owner=own.is_owner)


def _object(reply: object) -> Object:
    value: Object = json.loads(written(reply))
    return value


def application(lumnis: service.Service, agents: tuple[str, ...], max_body: int) -> ASGIApp:
    """Return the application in front of a service that starts."""
    endpoint = Endpoint(Attempts(), agents)

    def open_call(request: Request, path: Mapping[str, str], key: str | None) -> Call:
        return Call(request, path, endpoint, EmbeddedRuns(lumnis.open_call(request, path, key)))

    return App(route, open_call, max_body=max_body, body_of=error_body, status_of=status_of)
