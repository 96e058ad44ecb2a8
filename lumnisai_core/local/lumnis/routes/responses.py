"""Responses: runs with their artifacts and feedback."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, timedelta
from typing import Literal

from pydantic import Field, model_validator
from typing_extensions import TypedDict

from lumnisai_core.local.lumnis.routes.threads import find_thread, new_thread
from lumnisai_core.local.lumnis.runs import CreateRun
from lumnisai_core.local.lumnis.service import Call
from lumnisai_core.local.lumnis.store.rows import ArtifactColumns, Feedback, FeedbackType, Run, RunRow, Status, view
from lumnisai_core.local.web.errors import ApiError
from lumnisai_core.local.web.ids import now
from lumnisai_core.local.web.json_text import dumps
from lumnisai_core.local.web.routes import Once, RouteTable
from lumnisai_core.local.web.shapes import Id, Listed, Named, Object, Page, Shape, Text, Time, UserName

_NOTE = "Feedback is consumed by the run while it is active, in order of arrival."
route = RouteTable()


@dataclass(frozen=True, slots=True)
class CreatedRun:
    """A run that was accepted."""

    response_id: Id
    thread_id: Id
    tenant_id: Id
    status: Status
    created_at: Time


class Runs(Listed):
    """A page of runs."""

    responses: list[Run]


class ListRuns(Page):
    """Query of `GET /v1/responses`; both dates are inclusive."""

    status: Status | None = None
    start_date: date | None = None
    end_date: date | None = None


class Cancelled(Text):
    """A run was cancelled."""

    status: Literal["cancelled"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Artifact(ArtifactColumns):
    """A document that a run made."""

    uri: str
    bytes: int


class Artifacts(Listed):
    """A page of artifacts."""

    artifacts: list[Artifact]


@route("POST /v1/responses", refused=(400, 404))
async def create(call: Call, body: CreateRun) -> Once[CreatedRun]:
    """Accept a run; it begins at once, in a new thread or in the one that the request names."""
    await call.runs.check(call.tenant.id, body.response_format)
    accepted: list[RunRow] = []
    user_id = call.user(body.user_id)

    def accept() -> CreatedRun:
        created_at = now()
        if body.thread_id is None:
            thread = new_thread(call, user_id, created_at)
        else:
            thread = find_thread(call, body.thread_id, body.user_id)
        run = call.runs.accept(thread, user_id or thread.user_id, body, created_at)
        accepted.append(run)
        return view(CreatedRun, run)

    reply = call.once(accept, user_id=user_id)
    for run in accepted:
        call.runs.start(run)
    return reply


@route("GET /v1/responses/{response_id}")
async def get(call: Call, *, user_id: UserName | None = None, wait: float = 0.0) -> Run:
    """Show a run; with `wait`, in seconds, hold the answer back until there is something to tell."""
    run = _find(call, user_id)
    if wait > 0 and run.completed_at is None:
        await call.runs.hold(run.response_id, min(wait, call.service.settings.max_wait))
        run = _find(call, user_id)
    return call.replies([run])[0]


@route("GET /v1/responses")
async def list_(call: Call, query: ListRuns) -> Runs:
    """Show a page of runs, newest first."""
    after = query.end_date + timedelta(days=1) if query.end_date and query.end_date < date.max else None
    runs, total = call.page(
        call.store.runs,
        query,
        user_id=call.user(query.user_id),
        status=query.status,
        since=query.start_date and query.start_date.isoformat(),
        before=after and after.isoformat(),
    )
    return {"responses": call.replies(runs), "total": total, "limit": query.limit, "offset": query.offset}


@route("POST /v1/responses/{response_id}/cancel", refused=(409,))
async def cancel(call: Call, query: Named) -> Cancelled:
    """Stop a run that has not ended."""
    run = _find(call, query.user_id)
    if not call.runs.cancel(run.response_id):
        raise ApiError(409, "ALREADY_FINISHED", f"The run has already ended: {run.status}.")
    return {"status": "cancelled", "message": "The run was cancelled."}


@route("GET /v1/responses/{response_id}/artifacts")
async def artifacts(call: Call, query: Page) -> Artifacts:
    """Show a page of the artifacts of a run, in its order."""
    run, stored = _find(call, query.user_id), call.store.artifacts
    rows, total = stored.page(query.limit, query.offset, oldest_first=True, response_id=run.response_id)
    items = [view(Artifact, row, uri=f"artifact_{row.artifact_id}", bytes=len(row.text.encode())) for row in rows]
    return {"artifacts": items, "total": total, "limit": query.limit, "offset": query.offset}


# Feedback


class GiveFeedback(Shape):
    """Body of `POST /v1/responses/{id}/feedback`."""

    feedback_text: str = Field(min_length=1, max_length=5000)
    feedback_type: FeedbackType = "suggestion"
    user_id: UserName | None = None
    progress_id: str | None = Field(None, max_length=255)
    tool_call_id: str | None = Field(None, max_length=255)
    tool_args_update: Object | None = None

    @model_validator(mode="after")
    def _arguments_of_a_call(self) -> GiveFeedback:
        if self.tool_args_update is not None and self.tool_call_id is None:
            raise ValueError("tool_args_update needs tool_call_id")
        return self


class GivenFeedback(TypedDict):
    """Feedback that was accepted."""

    feedback_id: Id
    created_at: Time


class AllFeedback(TypedDict):
    """All feedback for a run."""

    response_id: Id
    progress_id_filter: str | None
    total_feedback: int
    consumed_count: int
    unconsumed_count: int
    feedback: list[Feedback]
    note: str


@route("POST /v1/responses/{response_id}/feedback")
async def give_feedback(call: Call, body: GiveFeedback) -> Once[GivenFeedback]:
    """Give feedback to an active run; its engine gets it in order of arrival."""
    run, giver = _find(call, body.user_id), call.user(body.user_id)

    def make() -> GivenFeedback:
        feedback = Feedback(
            response_id=run.response_id,
            tenant_id=call.tenant.id,
            user_id=giver,
            tool_args_update=None if body.tool_args_update is None else dumps(body.tool_args_update),
            **body.model_dump(exclude={"user_id", "tool_args_update"}),
        )
        if not call.runs.give(feedback):
            raise ApiError(409, "ALREADY_FINISHED", f"The run has already ended: {run.status}.")
        return {"feedback_id": feedback.feedback_id, "created_at": feedback.created_at}

    return call.once(make, user_id=giver)


@route("GET /v1/responses/{response_id}/feedback")
async def feedback(call: Call, *, user_id: UserName | None = None, progress_id: str | None = None) -> AllFeedback:
    """Show the feedback for a run, oldest first, and how much of it the engine has taken."""
    run, stored = _find(call, user_id), call.store.feedback
    rows = stored.all(response_id=run.response_id, progress_id=progress_id, oldest_first=True)
    consumed = sum(item.is_consumed for item in rows)
    return {
        "response_id": run.response_id,
        "progress_id_filter": progress_id,
        "total_feedback": len(rows),
        "consumed_count": consumed,
        "unconsumed_count": len(rows) - consumed,
        "feedback": rows,
        "note": _NOTE,
    }


def _find(call: Call, user_name: str | None) -> RunRow:
    response_id, user_id = call.path["response_id"], call.user(user_name)
    return call.find(call.store.runs, "response", response_id=response_id, user_id=user_id)
