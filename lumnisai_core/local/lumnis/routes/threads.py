"""Threads: conversations that runs belong to."""

from __future__ import annotations

from lumnisai_core.local.lumnis.service import Call
from lumnisai_core.local.lumnis.shapes.runs import CreateThread, PatchThread, Run, Thread, Threads
from lumnisai_core.local.web.errors import found
from lumnisai_core.local.web.ids import new_id, now
from lumnisai_core.local.web.routes import Once, RouteTable
from lumnisai_core.local.web.shapes import Named, Page

route = RouteTable()


@route("POST /v1/threads", optional=True)
async def create(call: Call, body: CreateThread) -> Once[Thread]:
    """Make an empty thread."""
    return call.once(lambda: new_thread(call, call.user(body.user_id), body.title))


@route("GET /v1/threads/{thread_id}")
async def get(call: Call, query: Named) -> Thread:
    """Show one thread."""
    return find_thread(call, call.path["thread_id"], query.user_id)


@route("GET /v1/threads")
async def list_(call: Call, query: Page) -> Threads:
    """Show a page of threads, newest first."""
    user_id = call.user(query.user_id)
    threads, total = call.store.threads.page(query.limit, query.offset, tenant_id=call.tenant.id, user_id=user_id)
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
    runs, _ = call.store.runs.page(
        query.limit,
        query.offset,
        tenant_id=call.tenant.id,
        user_id=call.user(query.user_id),
        thread_id=thread.thread_id,
    )
    return call.shown(runs)


def new_thread(call: Call, user_id: str | None, title: str | None = None, created_at: str | None = None) -> Thread:
    """Store a new thread."""
    created_at = created_at or now()
    return call.store.threads.add(
        Thread(
            thread_id=new_id(),
            tenant_id=call.tenant.id,
            user_id=user_id,
            title=title,
            created_at=created_at,
            updated_at=created_at,
            response_count=0,
            last_response_at=None,
        )
    )


def find_thread(call: Call, thread_id: str, user_name: str | None) -> Thread:
    """Return a thread of the tenant, and of the user if the request names one."""
    user_id = call.user(user_name)
    thread = call.store.threads.one(tenant_id=call.tenant.id, thread_id=thread_id, user_id=user_id)
    return found(thread, "thread", thread_id)
