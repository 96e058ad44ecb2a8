"""Users: people whose runs, threads and files are kept apart; and the tenant that they belong to.

A user has one id, whatever form a request names them in: it follows from the e-mail address, so that runs made before
the user was created are theirs as well.
"""

from __future__ import annotations

from lumnisai_core.local.lumnis.replies import tenant_reply
from lumnisai_core.local.lumnis.service import Call
from lumnisai_core.local.lumnis.shapes.runs import Run, Thread
from lumnisai_core.local.lumnis.shapes.users import CreateUser, Health, PutUser, Tenant, User, Users
from lumnisai_core.local.web.errors import found, not_found
from lumnisai_core.local.web.ids import now
from lumnisai_core.local.web.json_text import Json, written
from lumnisai_core.local.web.routes import Once, RouteTable
from lumnisai_core.local.web.shapes import Numbered, Text

route = RouteTable()


@route("GET /v1/health", public=True)
async def health(_call: Call) -> Health:
    """Tell that the service is up."""
    return {"status": "ok"}


@route("GET /v1/tenant")
async def own_tenant(call: Call) -> Tenant:
    """Show the tenant of the key."""
    return tenant_reply(call.fresh_tenant())


@route("GET /v1/tenants/{tenant_id}")
async def tenant(call: Call) -> Tenant:
    """Show a tenant by id; a key can only read its own."""
    if call.path["tenant_id"] != call.tenant.id:
        raise not_found("tenant", call.path["tenant_id"])
    return tenant_reply(call.fresh_tenant())


@route("POST /v1/users")
async def create(call: Call, body: CreateUser) -> Once[User]:
    """Make a user; an address that is known already returns the user it belongs to."""
    email = body.email.strip()
    user_id = call.user_id(email)
    known = call.store.users.one(tenant_id=call.tenant.id, id=user_id)
    if known is not None:
        return Once(Json(written(known)), is_new=False)

    moment = now()
    user = User(
        id=user_id,
        email=email,
        first_name=body.first_name,
        last_name=body.last_name,
        tenant_id=call.tenant.id,
        is_active=True,
        created_at=moment,
        updated_at=moment,
    )
    return call.once(lambda: call.store.users.add(user))


@route("GET /v1/users")
async def list_(call: Call, query: Numbered) -> Users:
    """Show a page of users, newest first."""
    users, total = call.store.users.page(query.page_size, query.offset, tenant_id=call.tenant.id)
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
    return _find(call)


@route("PUT /v1/users/{user}")
async def update(call: Call, body: PutUser) -> User:
    """Rename a user."""
    user = _find(call)
    names = body.model_dump(exclude_unset=True)
    call.store.users.change({"tenant_id": user.tenant_id, "id": user.id}, **names, updated_at=now())
    return _find(call)


@route("DELETE /v1/users/{user}")
async def delete(call: Call) -> Text:
    """Delete a user with everything that is theirs; active runs are cancelled."""
    user = _find(call)
    call.runs.cancel_where(lambda run: (run.tenant_id, run.user_id) == (user.tenant_id, user.id))
    call.library.delete_from_disk(call.store.delete_user(user.tenant_id, user.id))
    return {"message": "The user and all their data were deleted."}


@route("GET /v1/users/{user}/responses")
async def responses(call: Call, query: Numbered) -> list[Run]:
    """Show a page of a user's runs, newest first, as a bare list."""
    user = _find(call)
    runs, _ = call.store.runs.page(query.page_size, query.offset, tenant_id=user.tenant_id, user_id=user.id)
    return call.shown(runs)


@route("GET /v1/users/{user}/threads")
async def threads(call: Call, query: Numbered) -> list[Thread]:
    """Show a page of a user's threads, newest first, as a bare list."""
    user = _find(call)
    return call.store.threads.page(query.page_size, query.offset, tenant_id=user.tenant_id, user_id=user.id)[0]


def _find(call: Call) -> User:
    name = call.path["user"]
    return found(call.store.users.one(tenant_id=call.tenant.id, id=call.user_id(name)), "user", name)
