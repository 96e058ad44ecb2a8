"""Keys of model providers. The service calls no provider: it keeps that a key was handed in, not the key itself."""

from __future__ import annotations

from lumnisai_core.local.lumnis.app import Call, Reply
from lumnisai_core.local.lumnis.replies import array, dumps, key_json
from lumnisai_core.local.lumnis.shapes.models import KeyMode, KeyPath, KeyQuery, StoreKey
from lumnisai_core.local.lumnis.store import KeyRow
from lumnisai_core.local.web.errors import not_found
from lumnisai_core.local.web.ids import new_id, now


async def store(call: Call) -> Reply:
    """Store a key; one of the same provider and name is replaced and keeps its id and age."""
    body = await call.body(StoreKey)
    return call.once(lambda: key_json(_keep(call, body)))


async def list_(call: Call) -> Reply:
    """Show all keys, newest first, as a bare list."""
    return Reply(200, array(map(key_json, call.store.keys.all(tenant_id=call.tenant.id))))


async def get(call: Call) -> Reply:
    """Show one key by its id."""
    key = call.store.keys.one(tenant_id=call.tenant.id, key_id=call.path["key"])
    if key is None:
        raise not_found("key", call.path["key"])
    return Reply(200, key_json(key))


async def delete(call: Call) -> Reply:
    """Delete the keys of a provider, or the one of that name."""
    provider, name = call.segment(KeyPath).key, call.query(KeyQuery).key_name
    if not call.store.keys.remove(tenant_id=call.tenant.id, provider=provider, key_name=name):
        raise not_found("key of", provider)
    return Reply(200, dumps({"message": f"The key of {provider} was deleted."}))


async def mode(call: Call) -> Reply:
    """Tell whose keys are used."""
    return Reply(200, dumps({"api_key_mode": call.fresh_tenant().api_key_mode}))


async def set_mode(call: Call) -> Reply:
    """Choose whose keys are used."""
    body = await call.body(KeyMode)
    call.store.set_key_mode(call.tenant.id, body.mode)
    return await mode(call)


def _keep(call: Call, body: StoreKey) -> KeyRow:
    keys, moment = call.store.keys, now()
    same = keys.all(tenant_id=call.tenant.id, provider=body.provider)
    known = next((key for key in same if key.key_name == body.key_name), None)
    expires_at = None if body.expires_at is None else body.expires_at.isoformat(timespec="microseconds")
    key_id, created_at = (new_id(), moment) if known is None else (known.key_id, known.created_at)
    if known is not None:
        keys.remove(key_id=key_id)
    key = KeyRow(key_id, call.tenant.id, body.provider, body.key_name, expires_at, created_at, moment)
    keys.add(key)
    return key
