"""The tenant of an API key (``/v1/tenant``)."""

from __future__ import annotations

from typing import Annotated

from pydantic import AliasChoices, Field

from lumnisai_core._transport.wire import OPEN_ENUM, Timestamp, WireModel
from lumnisai_core.lumnis.models.external_api_keys import ApiKeyMode


class TenantObject(WireModel):
    """The organization that an API key belongs to.

    Attributes:
        api_key_mode: Whether runs use the platform's provider keys or the tenant's own.
        plan: Such as ``shared``.
        db_status: Such as ``provisioning``, ``active``, ``suspended`` or ``failed``.
        billing_status: Such as ``trial``, ``active``, ``past_due`` or ``canceled``.
    """

    id: str = Field(validation_alias=AliasChoices("id", "tenant_id"))
    name: str = ""
    api_key_mode: Annotated[ApiKeyMode | str, OPEN_ENUM] = ApiKeyMode.PLATFORM
    created_at: Timestamp | None = None
    updated_at: Timestamp | None = None
    developer_id: str | None = None
    developer_email: str | None = None
    plan: str | None = None
    db_status: str | None = None
    billing_status: str | None = None

    @property
    def tenant_id(self) -> str:
        """The same as ``id``."""
        return self.id
