"""Threads: conversations that runs belong to."""

from __future__ import annotations

from lumnisai_core.local.lumnis.app import Call, Reply
from lumnisai_core.local.lumnis.replies import array, page, thread_json
from lumnisai_core.local.lumnis.shapes.runs import CreateThread, PatchThread
from lumnisai_core.local.lumnis.store import RunFilter, ThreadRow
from lumnisai_core.local.web.errors import not_found
from lumnisai_core.local.web.ids import new_id, now
from lumnisai_core.local.web.shapes import Named, Page


async def create(call: Call) -> Reply:
    """Make an empty thread."""
    body = await call.body(CreateThread, optional=True)
    return call.once(lambda: thread_json(new_thread(call, call.user(body.user_id), body.title, created_at=now())))


async def get(call: Call) -> Reply:
    """Show one thread."""
    return Reply(200, thread_json(find_thread(call, call.path["thread_id"], call.query(Named).user_id)))


async def list_(call: Call) -> Reply:
    """Show a page of threads, newest first."""
    query = call.query(Page)
    rows, total = call.store.threads(call.tenant.id, call.user(query.user_id), query.limit, query.offset)
    return Reply(200, page("threads", map(thread_json, rows), total, query.limit, query.offset))


async def update(call: Call) -> Reply:
    """Rename a thread."""
    body = await call.body(PatchThread)
    name = call.query(Named).user_id
    thread = find_thread(call, call.path["thread_id"], name)
    if "title" in body.model_fields_set:
        call.store.set_thread_title(thread.thread_id, body.title)
    return Reply(200, thread_json(find_thread(call, thread.thread_id, name)))


async def delete(call: Call) -> Reply:
    """Delete a thread with its runs; those still active are cancelled."""
    thread = find_thread(call, call.path["thread_id"], call.query(Named).user_id)
    call.runs.cancel_thread(thread.thread_id)
    call.store.delete_thread(thread.thread_id)
    return Reply(204)


async def responses(call: Call) -> Reply:
    """Show a page of a thread's runs, newest first, as a bare list."""
    query = call.query(Page)
    thread = find_thread(call, call.path["thread_id"], query.user_id)
    wanted = RunFilter(call.tenant.id, call.user(query.user_id), thread.thread_id)
    rows, _ = call.store.runs(wanted, query.limit, query.offset)
    return Reply(200, array(map(call.shown, rows)))


def new_thread(call: Call, user_id: str | None, title: str | None = None, created_at: str | None = None) -> ThreadRow:
    """Store a new thread."""
    created_at = created_at or now()
    thread = ThreadRow(new_id(), call.tenant.id, user_id, title, created_at, created_at)
    call.store.add_thread(thread)
    return thread


def find_thread(call: Call, thread_id: str, user_name: str | None) -> ThreadRow:
    """Return a thread of the tenant, and of the user if the request names one."""
    thread = call.store.thread(call.tenant.id, thread_id, call.user(user_name))
    if thread is None:
        raise not_found("thread", thread_id)
    return thread
