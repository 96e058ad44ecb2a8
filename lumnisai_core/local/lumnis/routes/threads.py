"""Threads: conversations that runs belong to."""

from __future__ import annotations

from pydantic import Field

from lumnisai_core.local.lumnis.service import Call
from lumnisai_core.local.lumnis.store.rows import Run, Thread
from lumnisai_core.local.web.ids import now
from lumnisai_core.local.web.routes import Once, RouteTable
from lumnisai_core.local.web.shapes import Listed, Named, Page, Shape, UserName

route = RouteTable()


class PatchThread(Shape):
    """Body of `PATCH /v1/threads/{id}`."""

    title: str | None = Field(None, max_length=500)


class CreateThread(PatchThread):
    """Body of `POST /v1/threads`; it may be missing."""

    user_id: UserName | None = None


class Threads(Listed):
    """A page of threads."""

    threads: list[Thread]


@route("POST /v1/threads", optional=True)
async def create(call: Call, body: CreateThread) -> Once[Thread]:
    """Make an empty thread."""
    user_id = call.user(body.user_id)
    return call.once(lambda: new_thread(call, user_id, now(), body.title), user_id=user_id)


@route("GET /v1/threads/{thread_id}")
async def get(call: Call, query: Named) -> Thread:
    """Show one thread."""
    return find_thread(call, call.path["thread_id"], query.user_id)


@route("GET /v1/threads")
async def list_(call: Call, query: Page) -> Threads:
    """Show a page of threads, newest first."""
    threads, total = call.page(call.store.threads, query, user_id=call.user(query.user_id))
    return {"threads": threads, "total": total, "limit": query.limit, "offset": query.offset}


@route("PATCH /v1/threads/{thread_id}")
async def update(call: Call, query: Named, body: PatchThread) -> Thread:
    """Rename a thread."""
    thread = find_thread(call, call.path["thread_id"], query.user_id)
    if "title" in body.model_fields_set:
        call.store.threads.change({"thread_id": thread.thread_id}, title=body.title, updated_at=now())
    return find_thread(call, thread.thread_id, query.user_id)


@route("DELETE /v1/threads/{thread_id}")
async def delete(call: Call, query: Named) -> None:
    """Delete a thread with its runs; active ones are cancelled."""
    thread = find_thread(call, call.path["thread_id"], query.user_id)
    call.runs.cancel_where(lambda run: run.thread_id == thread.thread_id)
    call.store.delete_thread(thread.thread_id)


@route("GET /v1/threads/{thread_id}/responses")
async def responses(call: Call, query: Page) -> list[Run]:
    """Show a page of a thread's runs, newest first, as a bare list."""
    thread = find_thread(call, call.path["thread_id"], query.user_id)
    user_id = call.user(query.user_id)
    return call.replies(call.page(call.store.runs, query, user_id=user_id, thread_id=thread.thread_id)[0])


def new_thread(call: Call, user_id: str | None, created_at: str, title: str | None = None) -> Thread:
    """Store a new thread."""
    thread = Thread(
        tenant_id=call.tenant.id, user_id=user_id, title=title, created_at=created_at, updated_at=created_at
    )
    return call.store.threads.add(thread)


def find_thread(call: Call, thread_id: str, user_name: str | None) -> Thread:
    """Return a thread of the tenant, and of the user if the request names one."""
    return call.find(call.store.threads, "thread", thread_id=thread_id, user_id=call.user(user_name))
