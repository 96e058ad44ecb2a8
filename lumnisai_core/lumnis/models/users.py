"""Users of a tenant (``/v1/users``)."""

from __future__ import annotations

from typing import ClassVar

from pydantic import AliasChoices, AliasPath, Field

from lumnisai_core._transport.wire import Items, Page, Timestamp, WireModel


class UserObject(WireModel):
    """One user of the tenant.

    Attributes:
        id: UUID of the user, also if the request named an e-mail address.
        is_active: False for a deactivated user.
    """

    id: str
    email: str = ""
    first_name: str | None = None
    last_name: str | None = None
    tenant_id: str | None = None
    is_active: bool = True
    created_at: Timestamp | None = None
    updated_at: Timestamp | None = None


class Pagination(WireModel):
    """Position of a page in the whole list."""

    page: int = 1
    page_size: int | None = None
    total: int = 0
    total_pages: int | None = None
    has_next: bool = False
    has_prev: bool = False


class UserList(Page[UserObject]):
    """One page of users."""

    _list: ClassVar[str] = "users"

    total: int = Field(default=0, validation_alias=AliasChoices("total", AliasPath("pagination", "total")))
    users: Items[UserObject] = Field(default_factory=list)
    pagination: Pagination = Field(default_factory=Pagination)

    def more_after(self, seen: int) -> bool:
        """Return whether the list has more than ``seen`` users."""
        return self.pagination.has_next or super().more_after(seen)
