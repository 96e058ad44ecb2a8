"""The caller's own tenant as the service reports it (``/v1/tenant``)."""

from __future__ import annotations

from typing import Annotated

from pydantic import AliasChoices, Field

from lumnisai_core._transport.wire import OPEN_ENUM, Timestamp, WireModel
from lumnisai_core.lumnis.models.external_api_keys import ApiKeyMode

__all__ = ["TenantObject"]


class TenantObject(WireModel):
    """The organization an API key belongs to.

    Attributes:
        api_key_mode: Whose provider keys runs use.
        plan: For instance ``shared``.
        db_status: For instance ``provisioning``, ``active``, ``suspended`` or ``failed``.
        billing_status: For instance ``trial``, ``active``, ``past_due`` or ``canceled``.
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
