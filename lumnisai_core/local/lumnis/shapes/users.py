"""Shapes of users and of their tenant."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Literal

from pydantic import Field
from typing_extensions import TypedDict

from lumnisai_core.local.web.shapes import Id, Shape, Time

ApiKeyMode = Literal["platform", "byo_keys"]
Email = Annotated[str, Field(min_length=3, max_length=255, pattern=r"^[^@\s\x00]+@[^@\s\x00]+$")]
_Name = Annotated[str, Field(max_length=255)]


class Health(TypedDict):
    """The service is up."""

    status: Literal["ok"]


@dataclass(frozen=True, slots=True)
class Tenant:
    """A tenant."""

    id: Id
    name: str
    api_key_mode: ApiKeyMode
    created_at: Time
    updated_at: Time | None
    developer_id: Id
    developer_email: str
    plan: str
    db_status: str
    billing_status: str


class PutUser(Shape):
    """Body of `PUT /v1/users/{id}`; a missing field stays as it is."""

    first_name: _Name | None = None
    last_name: _Name | None = None


class CreateUser(PutUser):
    """Body of `POST /v1/users`."""

    email: Email


@dataclass(frozen=True, slots=True)
class User:
    """A user."""

    id: Id
    email: str
    first_name: str | None
    last_name: str | None
    tenant_id: Id
    is_active: bool
    created_at: Time
    updated_at: Time


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
