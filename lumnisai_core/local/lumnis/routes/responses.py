"""Responses: runs and what became of them."""

from __future__ import annotations

from lumnisai_core.local.lumnis.app import Call, Reply
from lumnisai_core.local.lumnis.replies import artifact_json, created_json, dumps, page, row
from lumnisai_core.local.lumnis.routes.threads import find_thread, new_thread
from lumnisai_core.local.lumnis.shapes.runs import CreateRun, GiveFeedback, ListFeedback, ListRuns, Poll
from lumnisai_core.local.lumnis.store import FeedbackRow, RunFilter, RunRow
from lumnisai_core.local.web.errors import ApiError, not_found
from lumnisai_core.local.web.ids import new_id, now
from lumnisai_core.local.web.shapes import Named, Page

_NOTE = "Feedback is consumed by the run while it is active, in order of arrival."


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
    return Reply(200, call.shown(run))


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
    return Reply(200, page("responses", map(call.shown, rows), total, query.limit, query.offset))


async def cancel(call: Call) -> Reply:
    """Stop a run that has not ended."""
    run = _find(call, call.path["response_id"], call.query(Named).user_id)
    if not call.runs.cancel(run.response_id):
        raise ApiError(409, "ALREADY_FINISHED", f"The run has already ended: {run.status}.")
    return Reply(200, dumps({"status": "cancelled", "message": "The run was cancelled."}))


async def artifacts(call: Call) -> Reply:
    """Show a page of the artifacts that a run has left behind, in its order."""
    query = call.query(Page)
    run = _find(call, call.path["response_id"], query.user_id)
    stored = call.store.artifacts
    rows = stored.all(response_id=run.response_id, limit=query.limit, offset=query.offset, oldest_first=True)
    total = stored.count(response_id=run.response_id)
    return Reply(200, page("artifacts", map(artifact_json, rows), total, query.limit, query.offset))


async def give_feedback(call: Call) -> Reply:
    """Tell an active run something; its engine gets it in order of arrival."""
    body = await call.body(GiveFeedback)
    run = _find(call, call.path["response_id"], None)
    giver = call.user(body.user_id)
    if None not in (giver, run.user_id) and giver != run.user_id:
        raise not_found("response", run.response_id)

    def make() -> str:
        update = None if body.tool_args_update is None else dumps(body.tool_args_update)
        feedback = FeedbackRow(
            feedback_id=new_id(),
            response_id=run.response_id,
            tenant_id=call.tenant.id,
            user_id=giver,
            feedback_text=body.feedback_text,
            feedback_type=body.feedback_type,
            progress_id=body.progress_id,
            tool_call_id=body.tool_call_id,
            tool_args_update=update,
            is_consumed=False,
            consumed_at=None,
            created_at=now(),
        )
        if not call.runs.give(feedback):
            raise ApiError(409, "ALREADY_FINISHED", f"The run has already ended: {run.status}.")
        return dumps({"feedback_id": feedback.feedback_id, "created_at": feedback.created_at})

    return call.once(make)


async def feedback(call: Call) -> Reply:
    """Show what a run was told, oldest first, and how much of it the engine has taken."""
    query = call.query(ListFeedback)
    run = _find(call, call.path["response_id"], query.user_id)
    stored = call.store.feedback
    rows = stored.all(response_id=run.response_id, progress_id=query.progress_id, oldest_first=True)
    consumed = sum(item.is_consumed for item in rows)
    reply = {
        "response_id": run.response_id,
        "progress_id_filter": query.progress_id,
        "total_feedback": len(rows),
        "consumed_count": consumed,
        "unconsumed_count": len(rows) - consumed,
        "feedback": [row(item) for item in rows],
        "note": _NOTE,
    }
    return Reply(200, dumps(reply))


def _find(call: Call, response_id: str, user_name: str | None) -> RunRow:
    run = call.store.run(call.tenant.id, response_id, call.user(user_name))
    if run is None:
        raise not_found("response", response_id)
    return run
