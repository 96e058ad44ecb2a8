"""API keys of model providers. The service calls no provider: it keeps a record of each key, not the key itself."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Annotated, ClassVar

from pydantic import AfterValidator, ConfigDict, Field
from typing_extensions import TypedDict

from lumnisai_core.local.lumnis.service import Call
from lumnisai_core.local.lumnis.store.rows import ApiKeyMode, KeyColumns, KeyProvider, KeyRow, view
from lumnisai_core.local.web.errors import not_found
from lumnisai_core.local.web.ids import is_past, now
from lumnisai_core.local.web.json_text import Json
from lumnisai_core.local.web.routes import Once, RouteTable
from lumnisai_core.local.web.shapes import Shape, Text

route = RouteTable()


def _in_utc(moment: datetime) -> datetime:
    return moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment.astimezone(UTC)


def _none_if_empty(text: str) -> str | None:
    return text or None


class StoreKey(Shape):
    """Body of `POST /v1/external-api-keys`. The key itself is checked and dropped."""

    model_config: ClassVar[ConfigDict] = ConfigDict(hide_input_in_errors=True)

    provider: KeyProvider
    api_key: str = Field(min_length=3, max_length=2000, repr=False)
    key_name: Annotated[str, Field(max_length=100), AfterValidator(_none_if_empty)] | None = None
    expires_at: Annotated[datetime, AfterValidator(_in_utc)] | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Key(KeyColumns):
    """A key of a model provider, without the key itself."""

    is_active: bool
    created_by: str | None = None


class KeyMode(Shape):
    """Body of `PATCH /v1/external-api-keys/mode`."""

    mode: ApiKeyMode


class WhoseKeys(TypedDict):
    """Whose keys are used."""

    api_key_mode: ApiKeyMode


@route("POST /v1/external-api-keys")
async def store(call: Call, body: StoreKey) -> Once[Key]:
    """Store a key; one of the same provider and name is replaced and keeps its id and age."""
    return call.once(lambda: _view(_keep(call, body)))


@route("GET /v1/external-api-keys")
async def list_(call: Call) -> Json[list[Key]]:
    """Show all keys, newest first, as a bare list."""
    stored = call.store.keys
    return await call.whole(lambda sql: [_view(key) for key in stored.all(sql, tenant_id=call.tenant.id)])


@route("GET /v1/external-api-keys/{key}")
async def get(call: Call) -> Key:
    """Show one key by its id."""
    return _view(call.find(call.store.keys, "key", key_id=call.path["key"]))


@route("DELETE /v1/external-api-keys/{key}")
async def delete(call: Call, *, key: KeyProvider, key_name: str | None = None) -> Text:
    """Delete the keys of a provider, or the one of that name."""
    if not call.store.keys.remove(tenant_id=call.tenant.id, provider=key, key_name=key_name):
        raise not_found("key of", key)
    return {"message": f"The key of {key} was deleted."}


@route("GET /v1/external-api-keys/mode")
async def mode(call: Call) -> WhoseKeys:
    """Tell whose keys are used."""
    return {"api_key_mode": call.fresh_tenant().api_key_mode}


@route("PATCH /v1/external-api-keys/mode")
async def set_mode(call: Call, body: KeyMode) -> WhoseKeys:
    """Choose whose keys are used."""
    call.store.tenants.change({"id": call.tenant.id}, api_key_mode=body.mode, updated_at=now())
    return {"api_key_mode": body.mode}


def _view(key: KeyRow) -> Key:
    """Return a key; it is active until it expires."""
    return view(Key, key, is_active=not is_past(key.expires_at, now()))


def _keep(call: Call, body: StoreKey) -> KeyRow:
    keys = call.store.keys
    older = keys.one(tenant_id=call.tenant.id, provider=body.provider, named=body.key_name or "")
    kept = {}
    if older is not None:
        kept = {"key_id": older.key_id, "created_at": older.created_at}
        keys.remove(key_id=older.key_id)
    expires_at = None if body.expires_at is None else body.expires_at.isoformat(timespec="microseconds")
    key = KeyRow(
        tenant_id=call.tenant.id, provider=body.provider, key_name=body.key_name, expires_at=expires_at, **kept
    )
    return keys.add(key)
