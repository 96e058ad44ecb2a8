"""The tenant of an API key: ``/v1/tenant``."""

from __future__ import annotations

from lumnisai_core._transport._async.resource import AsyncResource
from lumnisai_core._transport.checks import path
from lumnisai_core.lumnis.config import Settings
from lumnisai_core.lumnis.models.tenant import TenantObject


class AsyncTenant(AsyncResource[Settings]):
    """Read the tenant that the API key belongs to. Available as ``client.tenant``."""

    async def get(self) -> TenantObject:
        """Return the tenant of the key (GET /v1/tenant).

        A client with a ``tenant_id`` reads that tenant (GET /v1/tenants/{id}).

        Raises:
            NotFoundError: The key does not belong to the client's ``tenant_id``.
        """
        tenant_id = self._settings.tenant_id
        route = "/v1/tenant" if tenant_id is None else path("/v1/tenants/{}", tenant_id)
        return await self._get(TenantObject, route)
