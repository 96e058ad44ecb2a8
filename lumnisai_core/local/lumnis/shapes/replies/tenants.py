"""Shapes of replies: The tenant, its users, keys and model preferences."""

from __future__ import annotations

from datetime import datetime
from typing import (
    Literal,  # pydantic asks for this one before Python 3.12
)
from uuid import UUID

from typing_extensions import TypedDict

from lumnisai_core.local.lumnis.shapes.models import KeyProvider, ModelProvider, ModelType


class Tenant(TypedDict):
    """A tenant."""

    id: UUID
    name: str
    api_key_mode: Literal["platform", "byo_keys"]
    created_at: datetime
    updated_at: datetime | None
    developer_id: UUID
    developer_email: str
    plan: str
    db_status: str
    billing_status: str


class User(TypedDict):
    """A user."""

    id: UUID
    email: str
    first_name: str | None
    last_name: str | None
    tenant_id: UUID
    is_active: bool
    created_at: datetime
    updated_at: datetime


class Pagination(TypedDict):
    """Where a page of users stands."""

    page: int
    page_size: int
    total: int
    total_pages: int
    has_next: bool
    has_prev: bool


class Users(TypedDict):
    """A page of users."""

    users: list[User]
    pagination: Pagination


class Key(TypedDict):
    """A key of a model provider, without the key itself."""

    key_id: UUID
    provider: KeyProvider
    key_name: str | None
    expires_at: datetime | None
    created_at: datetime
    updated_at: datetime
    is_active: bool
    created_by: str | None


class WhoseKeys(TypedDict):
    """Whose keys are used."""

    api_key_mode: Literal["platform", "byo_keys"]


class Preference(TypedDict):
    """The model for one kind of work."""

    tenant_id: UUID
    model_type: ModelType
    provider: ModelProvider
    model_name: str
    is_active: bool
    created_at: datetime
    updated_at: datetime


class Preferences(TypedDict):
    """The models for all kinds of work."""

    tenant_id: UUID
    preferences: list[Preference]
    defaults_applied: list[ModelType]


class Availability(TypedDict):
    """Whether a model could be used."""

    model_type: ModelType
    provider: ModelProvider
    model_name: str
    is_available: bool
    reason: str | None
    requires_api_key: bool
