"""The routes of tool replay and training modules: there are no fixtures here, so every tool call runs for real."""

from __future__ import annotations

from pydantic import Field

from lumnisai_core.local.lucidic.service import MOUNT, Call, Name, OfAgent
from lumnisai_core.local.lucidic.store import ToolRow
from lumnisai_core.local.web.errors import ApiError
from lumnisai_core.local.web.json_text import dumps
from lumnisai_core.local.web.routes import RouteTable
from lumnisai_core.local.web.shapes import Object, Shape

route = RouteTable(f"/{MOUNT}")


class SessionKey(Shape):
    """A body or query that names a session."""

    session_id: Name


class ToolIn(Shape):
    """A tool of an agent, with whatever the client knows of it."""

    model_config = Shape.model_config | {"extra": "allow"}

    name: Name


class SyncTools(OfAgent):
    """Body of `POST /sdk/agent-tools/sync`."""

    tools: list[ToolIn] = Field(max_length=10_000)


class MockCall(SessionKey):
    """Body of `POST /sdk/mock-call`."""

    tool_name: Name


class Inference(SessionKey):
    """Body of `POST /sdk/training-modules/inferences`."""

    tool_name: Name


@route("POST /sdk/session-init-fixtures")
async def init_fixtures(call: Call, body: SessionKey) -> Object:
    """Say that a session has no fixtures."""
    call.session(body.session_id)
    none = {"fixture_ids": [], "tools_snapshotted": 0, "already_initialized": False}
    return {"initialized": False, "reason": "This service has no fixtures.", **none}


@route("POST /sdk/agent-tools/sync")
async def sync_tools(call: Call, body: SyncTools) -> Object:
    """Keep the descriptions of an agent's tools."""
    agent = call.known_agent(body.agent_id)
    stats = {"created": 0, "updated": 0, "unchanged": 0}
    with call.store.transaction():
        for tool in body.tools:
            row = ToolRow(agent, tool.name, dumps(tool.model_dump()))
            earlier = call.store.tools.one(agent_id=agent, name=tool.name)
            stats["created" if earlier is None else "unchanged" if earlier == row else "updated"] += 1
            call.store.tools.add(row, "INSERT OR REPLACE")
    return {"synced": len(body.tools), "stats": stats}


@route("POST /sdk/mock-call")
async def mock_call(call: Call, body: MockCall) -> Object:
    """Let the client run the real tool."""
    if call.store.sessions.one(session_id=body.session_id, agent_id=call.agent()) is None:
        raise ApiError(404, "NOT_FOUND", "", error={"code": "session_not_found", "detail": "Session not found"})
    return {"return_value": None, "tier": "PASS_THROUGH", "was_mocked": False}


@route("GET /sdk/training-modules/tools")
async def checkpoint_tools(call: Call, query: SessionKey) -> Object:
    """List the tools of a checkpoint; there are none."""
    call.session(query.session_id)
    return {"tools": []}


@route("POST /sdk/training-modules/inferences")
async def infer(call: Call, body: Inference) -> Object:
    """Refuse to run a tool of a checkpoint."""
    call.session(body.session_id)
    raise _unavailable("unknown_tool", f"There is no checkpoint tool {body.tool_name}", 404)


@route("GET /sdk/training-modules/inferences/{run_id}")
async def inference(_call: Call, *, run_id: str) -> Object:
    """Refuse to show a run of a checkpoint tool."""
    raise _unavailable("unknown_run", f"There is no inference run {run_id[:100]}", 404)


@route("POST /sdk/evosim/training-run")
async def training_run(_call: Call) -> Object:
    """Refuse an optimisation run, which nothing here can do."""
    raise _unavailable("not_available", "This service runs no optimisation", 501)


def _unavailable(code: str, detail: str, status: int) -> ApiError:
    return ApiError(status, "NOT_AVAILABLE", detail, error={"code": code, "detail": detail})
