"""The routes of sessions: creating or resuming, updating, ending, listing, their trees, and evaluations of them."""

from __future__ import annotations

import logging
import sqlite3
from dataclasses import asdict
from typing import Any, Literal

from pydantic import Field, StrictBool, model_validator
from starlette.responses import Response

from lumnisai_core.local.lucidic.service import MOUNT, Call, Name, Names, OfAgent, Page, changes
from lumnisai_core.local.lucidic.store import EvaluationRow, ExperimentRow, SessionRow
from lumnisai_core.local.store.database import containing
from lumnisai_core.local.web.errors import ApiError
from lumnisai_core.local.web.ids import new_id, now
from lumnisai_core.local.web.json_text import Json, dumps
from lumnisai_core.local.web.routes import RouteTable
from lumnisai_core.local.web.shapes import Object, Shape

route = RouteTable(f"/{MOUNT}")
_logger = logging.getLogger("lumnisai_core.local")

#: The name that clients send for a session without one.
_UNNAMED = "Unnamed Session"


class InitSession(OfAgent):
    """Body of `POST /initsession`."""

    session_id: Name | None = None
    session_name: str = _UNNAMED
    task: str | None = None
    tags: Names | None = None
    experiment_id: str | None = None
    datasetitem_id: str | None = None
    checkpoint_id: str | None = None
    evaluators: Names | None = None
    production_monitoring: bool | None = None


class UpdateSession(Shape):
    """Body of `PUT /updatesession`; fields that are missing or null stay as they are."""

    session_id: Name
    session_name: str | None = None
    task: str | None = None
    tags: Names | None = None
    is_finished: StrictBool | None = None
    is_successful: StrictBool | None = None
    is_successful_reason: str | None = None
    session_eval: float | None = None
    session_eval_reason: str | None = None


class ListSessions(Page, OfAgent):
    """Query of `GET /sessions`; `search` finds a text in names, tasks, tags and ids."""

    experiment_id: str | None = None
    search: str | None = Field(None, max_length=200)


class Tree(Shape):
    """Query of the tree of a session: events after a change; `search` finds a text in all of an event."""

    after: int = Field(0, ge=0, le=2**62)
    limit: int = Field(1000, ge=1, le=10_000)
    search: str | None = Field(None, max_length=200)


class Evaluation(Shape):
    """Body of `POST /sdk/evals`."""

    session_id: Name
    result: StrictBool | float | str
    result_type: Literal["boolean", "number", "string"]
    name: str | None = None
    description: str | None = None

    @model_validator(mode="after")
    def _types_agree(self) -> Evaluation:
        types = {bool: "boolean", float: "number", str: "string"}
        if types[type(self.result)] != self.result_type:
            raise ValueError(f"result is not a {self.result_type}")
        return self


class CreateExperiment(OfAgent):
    """Body of `POST /createexperiment`."""

    experiment_name: str = Field(min_length=1)
    description: str = ""
    tags: Names = Field(default_factory=list)
    evaluator_names: Names = Field(default_factory=list)


@route("GET /verifyapikey")
async def verify_api_key(_call: Call) -> Object:
    """Show the project of the key."""
    return {"project": "Local", "project_id": "local"}


@route("POST /initsession")
async def init_session(call: Call, body: InitSession) -> Object:
    """Create a session, or resume the one of that id: what the request says anew is changed, the rest stays."""
    agent, moment = call.known_agent(body.agent_id), now()
    values = _columns(changes(body, "session_id", "agent_id"))
    with call.store.transaction():
        earlier = None if body.session_id is None else call.store.sessions.one(session_id=body.session_id)
        if earlier is None:
            fresh = {"session_name": _UNNAMED, "tags": dumps([]), "evaluators": dumps([])}
            optional = dict.fromkeys(("task", "experiment_id", "datasetitem_id", "checkpoint_id"))
            row = SessionRow(
                **{**optional, **fresh, "production_monitoring": False, **values},
                session_id=body.session_id or new_id(),
                agent_id=agent,
                created_at=moment,
                updated_at=moment,
            )
            call.store.sessions.add(row)
            return reply(row)
        if earlier.agent_id != agent:
            raise ApiError(409, "SESSION_EXISTS", "session_id is that of a session of another agent.")
        if body.session_name == _UNNAMED:
            values.pop("session_name", None)
        call.store.sessions.change({"session_id": earlier.session_id}, **values, updated_at=moment)
    return reply(call.session(earlier.session_id, agent))


@route("PUT /updatesession")
async def update_session(call: Call, body: UpdateSession) -> Object:
    """Change a session, end it or open it again."""
    values, moment = _columns(changes(body, "session_id")), now()
    with call.store.transaction():
        session = call.session(body.session_id)
        if body.is_finished is not None and body.is_finished != session.is_finished:
            values["finished_at"] = moment if body.is_finished else None
            if not body.is_finished:
                _logger.info("Session %s was opened again", session.session_id)
        call.store.sessions.change({"session_id": session.session_id}, **values, updated_at=moment)
    return reply(call.session(body.session_id))


@route("GET /sessions")
async def list_sessions(call: Call, query: ListSessions) -> Object | Json[Object]:
    """List sessions, newest first."""
    wanted: dict[str, Any] = {
        "agent_id": call.agent(query.agent_id),
        "experiment_id": query.experiment_id or None,
        "search": containing(query.search) if query.search else None,
    }

    def read(sql: sqlite3.Connection | None = None) -> Object:
        sessions, count = call.store.sessions.page(query.limit, query.offset, sql, **wanted)
        return {"count": count, "results": [reply(session) for session in sessions]}

    return await call.whole(read) if query.search else read()


@route("GET /sessions/{session_id}")
async def get_session(call: Call, *, session_id: str) -> Object:
    """Show a session with its evaluations."""
    session = call.session(session_id)
    evaluations = call.store.evaluations.all(session_id=session_id, oldest_first=True)
    return {**reply(session), "evaluations": evaluations}


@route("GET /sessions/{session_id}/tree")
async def tree(call: Call, query: Tree, *, session_id: str) -> Object | Json[Object]:
    """Show the events of a session without their payloads, in the order of their last changes: for a live tree."""
    session = call.session(session_id)
    search = containing(dumps(query.search)[1:-1]) if query.search else None

    def read(sql: sqlite3.Connection | None = None) -> Object:
        wanted: dict[str, Any] = {"session_id": session_id, "after": query.after, "until": session.changes}
        nodes = call.store.nodes.all(sql, limit=query.limit, oldest_first=True, search=search, **wanted)
        return {"session": reply(session), "changes": session.changes, "events": nodes}

    return await call.whole(read) if query.search else read()


@route("POST /sdk/evals", status=201)
async def evaluate(call: Call, body: Evaluation) -> Response:
    """Keep the result of an evaluation of a session."""
    session = call.session(body.session_id)
    result = dumps(body.result)
    row = EvaluationRow(session.session_id, body.name, body.description, result, body.result_type, now())
    call.store.evaluations.add(row)
    return Response(status_code=201)


@route("POST /createexperiment")
async def create_experiment(call: Call, body: CreateExperiment) -> Object:
    """Make an experiment, which sessions join when they are created."""
    agent, tags, evaluators = call.known_agent(body.agent_id), dumps(body.tags), dumps(body.evaluator_names)
    row = ExperimentRow(new_id(), agent, body.experiment_name, body.description, tags, evaluators, now())
    call.store.experiments.add(row)
    return asdict(row)


def reply(session: SessionRow) -> Object:
    """Return a session as clients see it."""
    return {name: getattr(session, name) for name in SessionRow.__dataclass_fields__ if name != "changes"}


async def sessions_of_item(call: Call, item_id: str) -> Json[Object]:
    """Return the sessions that were run for an item of a dataset, newest first."""

    def read(sql: sqlite3.Connection) -> Object:
        sessions = call.store.sessions.all(sql, datasetitem_id=item_id, agent_id=call.agent())
        return {"num_sessions": len(sessions), "sessions": [reply(session) for session in sessions]}

    return await call.whole(read)


def _columns(values: dict[str, Any]) -> dict[str, Any]:
    return {name: dumps(value) if isinstance(value, list) else value for name, value in values.items()}
