"""Users: people whose runs, threads and files are kept apart.

A user has one id whatever form a request names them in: it follows from the e-mail address, so that runs made before
the user was are theirs as well.
"""

from __future__ import annotations

from lumnisai_core.local.lumnis.app import Call, Reply
from lumnisai_core.local.lumnis.replies import array, dumps, thread_json, user_json
from lumnisai_core.local.lumnis.shapes.users import CreateUser, PutUser
from lumnisai_core.local.lumnis.store import RunFilter, UserRow
from lumnisai_core.local.web.errors import not_found
from lumnisai_core.local.web.ids import now
from lumnisai_core.local.web.shapes import Numbered


async def create(call: Call) -> Reply:
    """Make a user; an address that is known already returns the user it belongs to."""
    body = await call.body(CreateUser)
    email = body.email.strip()
    user_id = call.user_id(email)
    known = call.store.users.one(tenant_id=call.tenant.id, id=user_id)
    if known is not None:
        return Reply(200, user_json(known))

    def make() -> str:
        moment = now()
        user = UserRow(user_id, email, body.first_name, body.last_name, call.tenant.id, True, moment, moment)
        call.store.users.add(user)
        return user_json(user)

    return call.once(make)


async def list_(call: Call) -> Reply:
    """Show a page of users, newest first."""
    query = call.query(Numbered)
    rows = call.store.users.all(tenant_id=call.tenant.id, limit=query.page_size, offset=query.offset)
    total = call.store.users.count(tenant_id=call.tenant.id)
    pages = -(-total // query.page_size)
    pagination = {
        "page": query.page,
        "page_size": query.page_size,
        "total": total,
        "total_pages": pages,
        "has_next": query.page < pages,
        "has_prev": query.page > 1,
    }
    return Reply(200, f'{{"users":{array(map(user_json, rows))},"pagination":{dumps(pagination)}}}')


async def get(call: Call) -> Reply:
    """Show one user."""
    return Reply(200, user_json(_find(call)))


async def update(call: Call) -> Reply:
    """Rename a user."""
    body = await call.body(PutUser)
    user = _find(call)
    names = body.model_dump(exclude_unset=True)
    call.store.users.change({"tenant_id": user.tenant_id, "id": user.id}, **names, updated_at=now())
    return Reply(200, user_json(_find(call)))


async def delete(call: Call) -> Reply:
    """Delete a user with everything that is theirs; active runs are cancelled."""
    user = _find(call)
    call.runs.cancel_user(user.tenant_id, user.id)
    call.library.forget(call.store.forget_user(user.tenant_id, user.id))
    return Reply(200, dumps({"message": "The user and all their data were deleted."}))


async def responses(call: Call) -> Reply:
    """Show a page of a user's runs, newest first, as a bare list."""
    query = call.query(Numbered)
    wanted = RunFilter(call.tenant.id, _find(call).id)
    rows, _ = call.store.runs(wanted, query.page_size, query.offset)
    return Reply(200, array(map(call.shown, rows)))


async def threads(call: Call) -> Reply:
    """Show a page of a user's threads, newest first, as a bare list."""
    query = call.query(Numbered)
    rows, _ = call.store.threads(call.tenant.id, _find(call).id, query.page_size, query.offset)
    return Reply(200, array(map(thread_json, rows)))


def _find(call: Call) -> UserRow:
    name = call.path["user"]
    user = call.store.users.one(tenant_id=call.tenant.id, id=call.user_id(name))
    if user is None:
        raise not_found("user", name)
    return user
