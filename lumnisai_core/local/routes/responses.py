"""Responses: runs and what became of them."""

from __future__ import annotations

from lumnisai_core.local._app import Call, Reply
from lumnisai_core.local._bodies import CreateRun, ListRuns, Named, Page, Poll
from lumnisai_core.local._errors import ApiError, not_found
from lumnisai_core.local._store import RunFilter, RunRow
from lumnisai_core.local._times import now
from lumnisai_core.local._wire import created_json, dumps, page, run_json
from lumnisai_core.local.routes.threads import find_thread, new_thread


async def create(call: Call) -> Reply:
    """Accept a run; it begins at once, in the given thread or in a new one."""
    body = await call.body(CreateRun)
    accepted: list[RunRow] = []

    def accept() -> str:
        user_id, created_at = call.user(body.user_id), now()
        if body.thread_id is None:
            thread = new_thread(call, user_id, created_at=created_at)
        else:
            thread = find_thread(call, body.thread_id, body.user_id)
        run = call.runs.accept(thread, user_id or thread.user_id, body, created_at)
        accepted.append(run)
        return created_json(run)

    reply = call.once(accept)
    for run in accepted:
        call.runs.start(run)
    return reply


async def get(call: Call) -> Reply:
    """Show a run; with `wait`, hold the answer back until there is something to tell."""
    query = call.query(Poll)
    response_id = call.path["response_id"]
    run = _find(call, response_id, query.user_id)
    if query.wait > 0 and run.completed_at is None:
        await call.runs.hold(response_id, min(query.wait, call.service.max_wait))
        run = _find(call, response_id, query.user_id)
    return Reply(200, run_json(run))


async def list_(call: Call) -> Reply:
    """Show a page of runs, newest first."""
    query = call.query(ListRuns)
    wanted = RunFilter(
        tenant_id=call.tenant.id,
        user_id=call.user(query.user_id),
        status=query.status,
        since=query.since,
        before=query.before,
    )
    rows, total = call.store.runs(wanted, query.limit, query.offset)
    return Reply(200, page("responses", map(run_json, rows), total, query.limit, query.offset))


async def cancel(call: Call) -> Reply:
    """Stop a run that has not ended."""
    run = _find(call, call.path["response_id"], call.query(Named).user_id)
    if not call.runs.cancel(run.response_id):
        raise ApiError(409, "ALREADY_FINISHED", f"The run has already ended: {run.status}.")
    return Reply(200, dumps({"status": "cancelled", "message": "The run was cancelled."}))


async def artifacts(call: Call) -> Reply:
    """Show a page of stored artifacts; the embedded service stores none."""
    query = call.query(Page)
    _find(call, call.path["response_id"], query.user_id)
    return Reply(200, page("artifacts", (), 0, query.limit, query.offset))


def _find(call: Call, response_id: str, user_name: str | None) -> RunRow:
    run = call.store.run(call.tenant.id, response_id, call.user(user_name))
    if run is None:
        raise not_found("response", response_id)
    return run
