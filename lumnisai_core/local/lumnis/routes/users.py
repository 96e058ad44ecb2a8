"""Users: people whose runs, threads and files are kept apart; and the tenant that they belong to.

A user has one id, whatever form a request names them in: it follows from the e-mail address, so that runs made before
the user was created are theirs as well.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Literal

from pydantic import Field
from typing_extensions import TypedDict

from lumnisai_core.local.lumnis.service import Call
from lumnisai_core.local.lumnis.store.rows import ApiKeyMode, Run, Thread, User, view
from lumnisai_core.local.web.errors import not_found
from lumnisai_core.local.web.ids import now, tenant_id_of
from lumnisai_core.local.web.json_text import Json, written
from lumnisai_core.local.web.routes import Once, RouteTable
from lumnisai_core.local.web.shapes import Id, Numbered, Shape, Text, Time

_Name = Annotated[str, Field(max_length=255)]
route = RouteTable()


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
    # The parts of an account that the embedded service does not have.
    developer_id: Id
    developer_email: str = "developer@localhost"
    plan: str = "shared"
    db_status: str = "active"
    billing_status: str = "active"


class PutUser(Shape):
    """Body of `PUT /v1/users/{id}`; a missing field stays as it is."""

    first_name: _Name | None = None
    last_name: _Name | None = None


class CreateUser(PutUser):
    """Body of `POST /v1/users`."""

    email: Annotated[str, Field(min_length=3, max_length=255, pattern=r"^[^@\s\x00]+@[^@\s\x00]+$")]


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


@route("GET /v1/health", public=True)
async def health(_call: Call) -> Health:
    """Tell that the service is up."""
    return {"status": "ok"}


@route("GET /v1/tenant")
async def own_tenant(call: Call) -> Tenant:
    """Show the tenant of the key."""
    tenant = call.fresh_tenant()
    return view(Tenant, tenant, developer_id=tenant_id_of(tenant.id))


@route("GET /v1/tenants/{tenant_id}")
async def tenant(call: Call) -> Tenant:
    """Show a tenant by id; a key can only read its own."""
    if call.path["tenant_id"] != call.tenant.id:
        raise not_found("tenant", call.path["tenant_id"])
    return await own_tenant(call)


@route("POST /v1/users")
async def create(call: Call, body: CreateUser) -> Once[User]:
    """Make a user; an address that is known already returns the user it belongs to."""
    email = body.email.strip()
    user_id = call.user_id(email)
    known = call.store.users.one(tenant_id=call.tenant.id, id=user_id)
    if known is not None:
        return Once(Json(written(known)), is_new=False)
    user = User(id=user_id, email=email, first_name=body.first_name, last_name=body.last_name, tenant_id=call.tenant.id)
    return call.once(lambda: call.store.users.add(user))


@route("GET /v1/users")
async def list_(call: Call, query: Numbered) -> Users:
    """Show a page of users, newest first."""
    users, total = call.page(call.store.users, query)
    pages = -(-total // query.page_size)
    return {
        "users": users,
        "pagination": {
            "page": query.page,
            "page_size": query.page_size,
            "total": total,
            "total_pages": pages,
            "has_next": query.page < pages,
            "has_prev": query.page > 1,
        },
    }


@route("GET /v1/users/{user}")
async def get(call: Call) -> User:
    """Show one user."""
    name = call.path["user"]
    user = call.store.users.one(tenant_id=call.tenant.id, id=call.user_id(name))
    if user is None:
        raise not_found("user", name)
    return user


@route("PUT /v1/users/{user}")
async def update(call: Call, body: PutUser) -> User:
    """Rename a user."""
    user = await get(call)
    names = body.model_dump(exclude_unset=True)
    call.store.users.change({"tenant_id": user.tenant_id, "id": user.id}, **names, updated_at=now())
    return await get(call)


@route("DELETE /v1/users/{user}")
async def delete(call: Call) -> Text:
    """Delete a user with everything that is theirs; active runs are cancelled."""
    user = await get(call)
    call.runs.cancel_where(lambda run: (run.tenant_id, run.user_id) == (user.tenant_id, user.id))
    await call.library.remove(call.store.delete_user(user.tenant_id, user.id))
    return {"message": "The user and all their data were deleted."}


@route("GET /v1/users/{user}/responses")
async def responses(call: Call, query: Numbered) -> list[Run]:
    """Show a page of a user's runs, newest first, as a bare list."""
    user = await get(call)
    return call.replies(call.page(call.store.runs, query, user_id=user.id)[0])


@route("GET /v1/users/{user}/threads")
async def threads(call: Call, query: Numbered) -> list[Thread]:
    """Show a page of a user's threads, newest first, as a bare list."""
    user = await get(call)
    return call.page(call.store.threads, query, user_id=user.id)[0]
