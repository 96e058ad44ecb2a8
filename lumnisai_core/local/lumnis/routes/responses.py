"""Responses: runs with their artifacts and feedback."""

from __future__ import annotations

from lumnisai_core.local.lumnis.replies import artifact_reply, shown
from lumnisai_core.local.lumnis.routes.threads import find_thread, new_thread
from lumnisai_core.local.lumnis.service import Call
from lumnisai_core.local.lumnis.shapes import runs as shapes
from lumnisai_core.local.lumnis.store.rows import RunRow
from lumnisai_core.local.web.errors import ApiError, found, not_found
from lumnisai_core.local.web.ids import new_id, now
from lumnisai_core.local.web.json_text import dumps
from lumnisai_core.local.web.routes import Once, RouteTable
from lumnisai_core.local.web.shapes import Named, Page

_NOTE = "Feedback is consumed by the run while it is active, in order of arrival."
route = RouteTable()


@route("POST /v1/responses", refused=(400, 404))
async def create(call: Call, body: shapes.CreateRun) -> Once[shapes.CreatedRun]:
    """Accept a run; it begins at once, in a new thread or in the one that the request names."""
    accepted: list[RunRow] = []

    def accept() -> shapes.CreatedRun:
        user_id, created_at = call.user(body.user_id), now()
        if body.thread_id is None:
            thread = new_thread(call, user_id, created_at=created_at)
        else:
            thread = find_thread(call, body.thread_id, body.user_id)
        run = call.runs.accept(thread, user_id or thread.user_id, body, created_at)
        accepted.append(run)
        return shown(shapes.CreatedRun, run)

    reply = call.once(accept)
    for run in accepted:
        call.runs.start(run)
    return reply


@route("GET /v1/responses/{response_id}")
async def get(call: Call, query: shapes.Poll) -> shapes.Run:
    """Show a run; with `wait`, hold the answer back until there is something to tell."""
    run = _find(call, query.user_id)
    if query.wait > 0 and run.completed_at is None:
        await call.runs.hold(run.response_id, min(query.wait, call.service.settings.max_wait))
        run = _find(call, query.user_id)
    return call.shown([run])[0]


@route("GET /v1/responses")
async def list_(call: Call, query: shapes.ListRuns) -> shapes.Runs:
    """Show a page of runs, newest first."""
    runs, total = call.store.runs.page(
        query.limit,
        query.offset,
        tenant_id=call.tenant.id,
        user_id=call.user(query.user_id),
        status=query.status,
        since=query.since,
        before=query.before,
    )
    return {"responses": call.shown(runs), "total": total, "limit": query.limit, "offset": query.offset}


@route("POST /v1/responses/{response_id}/cancel", refused=(409,))
async def cancel(call: Call, query: Named) -> shapes.Cancelled:
    """Stop a run that has not ended."""
    run = _find(call, query.user_id)
    if not call.runs.cancel(run.response_id):
        raise ApiError(409, "ALREADY_FINISHED", f"The run has already ended: {run.status}.")
    return {"status": "cancelled", "message": "The run was cancelled."}


@route("GET /v1/responses/{response_id}/artifacts")
async def artifacts(call: Call, query: Page) -> shapes.Artifacts:
    """Show a page of the artifacts of a run, in its order."""
    run, stored = _find(call, query.user_id), call.store.artifacts
    rows, total = stored.page(query.limit, query.offset, oldest_first=True, response_id=run.response_id)
    artifacts = [artifact_reply(row) for row in rows]
    return {"artifacts": artifacts, "total": total, "limit": query.limit, "offset": query.offset}


@route("POST /v1/responses/{response_id}/feedback")
async def give_feedback(call: Call, body: shapes.GiveFeedback) -> Once[shapes.GivenFeedback]:
    """Give feedback to an active run; its engine gets it in order of arrival."""
    run = _find(call, None)
    giver = call.user(body.user_id)
    if None not in (giver, run.user_id) and giver != run.user_id:
        raise not_found("response", run.response_id)

    def make() -> shapes.GivenFeedback:
        feedback = shapes.Feedback(
            feedback_id=new_id(),
            response_id=run.response_id,
            tenant_id=call.tenant.id,
            user_id=giver,
            feedback_text=body.feedback_text,
            feedback_type=body.feedback_type,
            progress_id=body.progress_id,
            tool_call_id=body.tool_call_id,
            tool_args_update=None if body.tool_args_update is None else dumps(body.tool_args_update),
            is_consumed=False,
            consumed_at=None,
            created_at=now(),
        )
        if not call.runs.give(feedback):
            raise ApiError(409, "ALREADY_FINISHED", f"The run has already ended: {run.status}.")
        return {"feedback_id": feedback.feedback_id, "created_at": feedback.created_at}

    return call.once(make)


@route("GET /v1/responses/{response_id}/feedback")
async def feedback(call: Call, query: shapes.ListFeedback) -> shapes.AllFeedback:
    """Show the feedback for a run, oldest first, and how much of it the engine has taken."""
    run, stored = _find(call, query.user_id), call.store.feedback
    rows = stored.all(response_id=run.response_id, progress_id=query.progress_id, oldest_first=True)
    consumed = sum(item.is_consumed for item in rows)
    return {
        "response_id": run.response_id,
        "progress_id_filter": query.progress_id,
        "total_feedback": len(rows),
        "consumed_count": consumed,
        "unconsumed_count": len(rows) - consumed,
        "feedback": rows,
        "note": _NOTE,
    }


def _find(call: Call, user_name: str | None) -> RunRow:
    response_id = call.path["response_id"]
    run = call.store.runs.one(tenant_id=call.tenant.id, response_id=response_id, user_id=call.user(user_name))
    return found(run, "response", response_id)
