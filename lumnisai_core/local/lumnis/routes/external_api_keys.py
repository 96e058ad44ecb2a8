"""API keys of model providers. The service calls no provider: it keeps a record of each key, not the key itself."""

from __future__ import annotations

from lumnisai_core.local.lumnis.replies import shown
from lumnisai_core.local.lumnis.service import Call
from lumnisai_core.local.lumnis.shapes.external_api_keys import Key, KeyMode, KeyPath, KeyQuery, StoreKey, WhoseKeys
from lumnisai_core.local.lumnis.store.rows import KeyRow
from lumnisai_core.local.web.errors import found, not_found
from lumnisai_core.local.web.ids import is_past, new_id, now
from lumnisai_core.local.web.routes import Once, RouteTable
from lumnisai_core.local.web.shapes import Text

route = RouteTable()


@route("POST /v1/external-api-keys")
async def store(call: Call, body: StoreKey) -> Once[Key]:
    """Store a key; one of the same provider and name is replaced and keeps its id and age."""
    return call.once(lambda: _shown(_keep(call, body)))


@route("GET /v1/external-api-keys")
async def list_(call: Call) -> list[Key]:
    """Show all keys, newest first, as a bare list."""
    return [_shown(key) for key in call.store.keys.all(tenant_id=call.tenant.id)]


@route("GET /v1/external-api-keys/{key}")
async def get(call: Call) -> Key:
    """Show one key by its id."""
    key_id = call.path["key"]
    return _shown(found(call.store.keys.one(tenant_id=call.tenant.id, key_id=key_id), "key", key_id))


@route("DELETE /v1/external-api-keys/{key}")
async def delete(call: Call, path: KeyPath, query: KeyQuery) -> Text:
    """Delete the keys of a provider, or the one of that name."""
    if not call.store.keys.remove(tenant_id=call.tenant.id, provider=path.key, key_name=query.key_name):
        raise not_found("key of", path.key)
    return {"message": f"The key of {path.key} was deleted."}


@route("GET /v1/external-api-keys/mode")
async def mode(call: Call) -> WhoseKeys:
    """Tell whose keys are used."""
    return {"api_key_mode": call.fresh_tenant().api_key_mode}


@route("PATCH /v1/external-api-keys/mode")
async def set_mode(call: Call, body: KeyMode) -> WhoseKeys:
    """Choose whose keys are used."""
    call.store.set_key_mode(call.tenant.id, body.mode)
    return {"api_key_mode": body.mode}


def _shown(key: KeyRow) -> Key:
    """Return a key; it is active until it expires."""
    return shown(Key, key, is_active=not is_past(key.expires_at, now()), created_by=None)


def _keep(call: Call, body: StoreKey) -> KeyRow:
    keys, moment = call.store.keys, now()
    same = keys.all(tenant_id=call.tenant.id, provider=body.provider)
    known = next((key for key in same if key.key_name == body.key_name), None)
    if known is not None:
        keys.remove(key_id=known.key_id)
    return keys.add(
        KeyRow(
            key_id=known.key_id if known else new_id(),
            tenant_id=call.tenant.id,
            provider=body.provider,
            key_name=body.key_name,
            expires_at=None if body.expires_at is None else body.expires_at.isoformat(timespec="microseconds"),
            created_at=known.created_at if known else moment,
            updated_at=moment,
        )
    )
