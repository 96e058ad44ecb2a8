"""The observability service behind its endpoints: keys, agents, shared shapes, links for uploads, and refusals."""

from __future__ import annotations

import hashlib
import hmac
import sqlite3
import time
from collections.abc import Callable, Mapping
from typing import Annotated, Any, TypeVar

from pydantic import Field
from starlette.requests import Request

from lumnisai_core.local.lucidic.store import EventRow, SessionRow, Store
from lumnisai_core.local.web import app
from lumnisai_core.local.web.errors import ApiError, InvalidRequest
from lumnisai_core.local.web.ids import is_past, now
from lumnisai_core.local.web.json_text import Json, dumps
from lumnisai_core.local.web.shapes import Shape
from lumnisai_core.local.web.work import Work

_T = TypeVar("_T")

#: First segment of all paths.
MOUNT = "lucidic"
#: Seconds for which a link for an upload is valid.
LINK_LIFETIME = 15 * 60

#: An id or a name, and a list of tags or the like.
Name = Annotated[str, Field(min_length=1, max_length=255)]
Names = list[Annotated[str, Field(max_length=1000)]]


class Page(Shape):
    """Query of lists."""

    limit: int = Field(100, ge=1, le=1000)
    offset: int = Field(0, ge=0, le=2**62)


class OfAgent(Shape):
    """What belongs to an agent, named here or in the header."""

    agent_id: str | None = Field(None, max_length=255)


def changes(body: Shape, *apart: str) -> dict[str, Any]:
    """Return the fields that a request sets, but null ones and those named."""
    return {name: value for name in body.model_fields_set - {*apart} if (value := getattr(body, name)) is not None}


def stored(value: object) -> Json[Any] | None:
    """Return a value as its column has it; null is nothing."""
    return None if value is None else dumps(value)


class Service:
    """The running service.

    Args:
        api_key: the key of all agents.
        flags: values of feature flags.
        store: its tables.
        max_body: largest upload, in bytes.
        address: where clients reach it.
    """

    def __init__(self, api_key: str, flags: Mapping[str, Any], store: Store, max_body: int, address: str) -> None:
        self.flags = flags
        self.store = store
        self.max_body = max_body
        self.work = Work()
        self._address = address
        self.key_expires_at: str | None = None
        self._api_key = api_key.encode()
        # From the key, so that links are still valid after a restart.
        self._link_key = hashlib.sha256(b"lucidic links\n" + self._api_key).digest()

    def open_call(self, request: Request, path: Mapping[str, str], key: str | None) -> Call:
        """Return the call of a request with the key, or to a public route.

        Raises:
            ApiError: the key is missing, wrong or has expired.
        """
        scheme, _, sent = request.headers.get("authorization", "").partition(" ")
        is_right = scheme.lower() == "api-key" and hmac.compare_digest(sent.strip().encode(), self._api_key)
        if key is not None and (not is_right or is_past(self.key_expires_at, now())):
            raise ApiError(401, "INVALID_API_KEY", "The API key is missing or not valid.")
        return Call(self, request, path)

    def link(self, event_id: str) -> str:
        """Return the address for the upload of an event's payload."""
        expires = int(time.time()) + LINK_LIFETIME
        return f"{self._address}/blobs/{event_id}?expires={expires}&signature={self._signature(event_id, expires)}"

    def check_link(self, event_id: str, expires: int, signature: str) -> None:
        """Refuse an upload whose link is not valid or has expired."""
        if not hmac.compare_digest(self._signature(event_id, expires).encode(), signature.encode()):
            raise ApiError(403, "INVALID_LINK", "The signature of the upload link is not valid.")
        if expires < time.time():
            raise ApiError(403, "EXPIRED_LINK", "The upload link has expired; create the event again to get a new one.")

    def _signature(self, event_id: str, expires: int) -> str:
        return hmac.new(self._link_key, f"{event_id}\n{expires}".encode(), hashlib.sha256).hexdigest()


class Call(app.Call):
    """A request, and the agent that it is about."""

    def __init__(self, service: Service, request: Request, path: Mapping[str, str]) -> None:
        super().__init__(request, path)
        self.service = service
        self.store = service.store

    def agent(self, named: str | None = None) -> str | None:
        """Return the agent that the request names, in its body or query before its header; None if it names none."""
        return named or self.request.headers.get("x-agent-id", "").strip() or None

    def known_agent(self, named: str | None = None) -> str:
        """Return the agent that the request names; refuse a request that names none."""
        agent = self.agent(named)
        if agent is None:
            raise ApiError(400, "MISSING_AGENT", "agent_id must be in the header x-agent-id or in the request.")
        return agent

    async def whole(self, read: Callable[[sqlite3.Connection], _T]) -> Json[_T]:
        """Return something that may be large as JSON. It is read and written in a thread, while others are answered."""
        return await self.service.work.do(self.agent() or "", self.store.whole, read)

    def session(self, session_id: str, agent: str | None = None) -> SessionRow:
        """Return a session that the request's agent may see, or refuse."""
        session = self.store.sessions.one(session_id=session_id, agent_id=self.agent(agent))
        if session is None:
            raise not_found("Session")
        return session

    def event(self, event_id: str) -> EventRow:
        """Return an event by the service's id or the client's, or refuse."""
        for name in ("event_id", "client_event_id"):
            event = self.store.events.one(**{name: event_id}, agent_id=self.agent())
            if event is not None:
                return event
        raise not_found("Event")


def not_found(kind: str) -> ApiError:
    """Return the refusal of an id or name that is unknown, or unknown to this agent."""
    return ApiError(404, "NOT_FOUND", f"{kind} not found")


def refused(error: ApiError) -> Any:
    """Return the body of a refusal, as the service writes it."""
    if isinstance(error, InvalidRequest):
        fields: dict[str, list[str]] = {}
        for part in error.errors:
            fields.setdefault(".".join(map(str, part["loc"][1:])) or "body", []).append(part["msg"])
        detail = "; ".join(f"{name}: {text}" for name, texts in fields.items() for text in texts)
        return {"detail": detail, "errors": fields}
    if "error" in error.details:
        return error.details
    return {"detail": error.message}
