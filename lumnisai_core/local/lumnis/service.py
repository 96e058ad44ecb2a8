"""The agent platform behind its endpoints: what a request may use, and whose it is."""

from __future__ import annotations

import hashlib
import sqlite3
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any, TypeVar

from starlette.requests import Request

from lumnisai_core.local.lumnis.files.library import Blobs, Library
from lumnisai_core.local.lumnis.runs import Runs, with_content
from lumnisai_core.local.lumnis.settings import Settings
from lumnisai_core.local.lumnis.store.rows import Run, RunRow, TenantRow, view
from lumnisai_core.local.lumnis.store.store import Store
from lumnisai_core.local.store.database import Row, Table
from lumnisai_core.local.web import app
from lumnisai_core.local.web.errors import ApiError, found
from lumnisai_core.local.web.faults import FaultPlan
from lumnisai_core.local.web.ids import is_past, now, user_id_of
from lumnisai_core.local.web.json_text import Json, dumps, written
from lumnisai_core.local.web.routes import Once
from lumnisai_core.local.web.shapes import Numbered, Page
from lumnisai_core.local.web.work import Work

_T = TypeVar("_T")
#: Conditions that limit rows to a user.
_OF_USER = ("user_id", "visible_to")
_NOBODY = TenantRow(key_hash="", id="", name="", created_at="")


class Keys:
    """The keys that clients may send."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._tenants: dict[str, TenantRow] = {}
        self._expiry: dict[str, str] = {}

    def admit(self, key: str, tenant: str | None = None, expires_at: str | None = None) -> TenantRow:
        """Admit a key, to a tenant by name or, on first sight, to one of its own."""
        hashed = _hash(key)
        self._tenants[hashed] = self._store.tenant(hashed, tenant)
        self._expiry.pop(hashed, None)
        if expires_at is not None:
            self._expiry[hashed] = expires_at
        return self._tenants[hashed]

    def tenant_of(self, key: str) -> TenantRow | None:
        """Return the tenant of a key; None if the key is unknown or has expired."""
        hashed = _hash(key)
        expires_at = self._expiry.get(hashed)
        return None if expires_at is not None and is_past(expires_at, now()) else self._tenants.get(hashed)


def _hash(key: str) -> str:
    return hashlib.sha256(key.encode()).hexdigest()


@dataclass(frozen=True, slots=True)
class Service:
    """A running service; `address` is where clients reach it."""

    settings: Settings
    store: Store
    runs: Runs
    library: Library
    blobs: Blobs | None
    keys: Keys
    faults: FaultPlan
    work: Work
    address: str

    def open_call(self, request: Request, path: Mapping[str, str], key: str | None) -> Call:
        """Return the call of a request with a key, or to a public route; refuse an unknown or expired key."""
        tenant = _NOBODY if key is None else self.keys.tenant_of(key)
        if tenant is None:
            raise ApiError(401, "INVALID_API_KEY", "The API key is missing or not valid.")
        return Call(self, request, path, tenant, is_owner=key is not None and key == self.settings.owner_key)


class Call(app.Call):
    """A request of a tenant, and the parts of the service that its endpoint uses."""

    def __init__(
        self, service: Service, request: Request, path: Mapping[str, str], tenant: TenantRow, *, is_owner: bool
    ) -> None:
        super().__init__(request, path)
        self.is_owner = is_owner
        self.service = service
        self.store = service.store
        self.runs = service.runs
        self.library = service.library
        self.tenant = tenant

    def user_id(self, name: str) -> str:
        """Return the stable id of a user named in any form."""
        return user_id_of(self.tenant.id, name)

    def user(self, name: str | None) -> str | None:
        """Return the stable id of the user, if one is named."""
        return None if name is None else self.user_id(name)

    def find(self, table: Table[Row], kind: str, **conditions: str | None) -> Row:
        """Return a row of the tenant or refuse; the first condition is the name that the request has for it.

        A request that names a user reaches no row of others, unless the service is to reach the whole tenant by id.
        """
        name = str(next(iter(conditions.values())))
        if self.service.settings.reach == "tenant":
            conditions = {column: value for column, value in conditions.items() if column not in _OF_USER}
        return found(table.one(tenant_id=self.tenant.id, **conditions), kind, name)

    def page(self, table: Table[Row], query: Page | Numbered, **conditions: Any) -> tuple[list[Row], int]:
        """Return a page of the rows of the tenant that meet the conditions, newest first, and how many there are."""
        return table.page(query.limit, query.offset, tenant_id=self.tenant.id, **conditions)

    async def whole(self, read: Callable[[sqlite3.Connection], _T]) -> Json[_T]:
        """Return a list without pages as JSON. It is read and written in a thread, while others are answered."""
        return await self.service.work.do(self.tenant.id, self.store.whole, read)

    def replies(self, runs: Iterable[RunRow]) -> list[Run]:
        """Return runs as this service shows them: with the artifacts as engines made them, or with one `content`."""
        if self.service.settings.artifact_shape == "parts":
            return [view(Run, run, **self.runs.reported(run)) for run in runs]
        content = ((run, with_content(run.artifacts)) for run in runs)
        return [view(Run, run, artifacts=artifacts, **self.runs.reported(run)) for run, artifacts in content]

    def fresh_tenant(self) -> TenantRow:
        """Return the tenant as it is stored now."""
        return self.store.tenants.one(id=self.tenant.id) or self.tenant

    def once(self, make: Callable[[], _T], *, user_id: str | None = None, about: Any = None) -> Once[_T]:
        """Make something new in a transaction, or replay the reply if the request's idempotency key was used before.

        The keys of each user are apart: `user_id` is the one that the request names. `about` tells requests with one
        key apart, by default their bodies; a key of a different request is refused.
        """
        key = self.request.headers.get("idempotency-key", "").strip()
        with self.store.transaction():
            if not key:
                return _new(make())
            data = dumps(_sorted(self.data if about is None else about))
            fingerprint = hashlib.sha256(f"{self.request.url.path}\n{data}".encode()).hexdigest()
            earlier = self.store.remembered(self.tenant.id, user_id or "", key)
            if earlier is None:
                reply = _new(make())
                self.store.remember(self.tenant.id, user_id or "", key, fingerprint, reply.text)
                return reply
        if earlier[0] != fingerprint:
            message = "This idempotency key was used for a different request."
            raise ApiError(409, "IDEMPOTENCY_KEY_REUSED", message)
        return Once(Json(earlier[1]), is_new=False)


def _new(reply: _T) -> Once[_T]:
    return Once(Json(written(reply)), is_new=True)


def _sorted(data: Any) -> Any:
    """Return JSON data with the names of its objects in order."""
    if isinstance(data, dict):
        return {name: _sorted(data[name]) for name in sorted(data)}
    return [_sorted(item) for item in data] if isinstance(data, list) else data
