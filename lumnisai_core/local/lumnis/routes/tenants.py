"""Health and the caller's own tenant."""

from __future__ import annotations

from lumnisai_core.local.lumnis.app import Call, Reply
from lumnisai_core.local.lumnis.replies import tenant_json
from lumnisai_core.local.web.errors import not_found


async def health(_call: Call) -> Reply:
    """Tell that the service is up."""
    return Reply(200, '{"status":"ok"}')


async def own(call: Call) -> Reply:
    """Show the tenant of the key."""
    return Reply(200, tenant_json(call.fresh_tenant()))


async def get(call: Call) -> Reply:
    """Show a tenant by id; a key can only read its own."""
    if call.path["tenant_id"] != call.tenant.id:
        raise not_found("tenant", call.path["tenant_id"])
    return await own(call)
