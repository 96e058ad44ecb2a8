"""The window: the page at `/`, and the routes by which it lists and watches runs; other calls of it are public ones."""

from __future__ import annotations

import base64
import functools
import hashlib
import re
from collections.abc import Mapping
from dataclasses import dataclass
from importlib.resources import files
from typing import Any

from pydantic import Field
from starlette.responses import HTMLResponse

from lumnisai_core.local.lumnis.runs import ENDED
from lumnisai_core.local.lumnis.service import Call
from lumnisai_core.local.lumnis.store.rows import Run, RunSummary, Status
from lumnisai_core.local.web.ids import now
from lumnisai_core.local.web.routes import RouteTable
from lumnisai_core.local.web.shapes import Listed, Page, Shape, Time

route = RouteTable()


class FindRuns(Page):
    """Query of the list of runs; `search` finds a text in titles, messages, answers, users and ids."""

    search: str | None = Field(None, max_length=200)
    status: Status | None = None
    thread_id: str | None = None


class FoundRuns(Listed):
    """A page of runs as lists show them; `now` is the time of the service."""

    runs: list[RunSummary]
    now: Time


class WatchRun(Shape):
    """Query of a watched run: wait at most this long, in seconds, while the run is as it was in the version `seen`."""

    seen: int = ENDED
    wait: float = Field(0, ge=0, le=60)


@dataclass(frozen=True, slots=True)
class WatchedRun:
    """A run, the version to wait from next (-1 once it has ended), its user's address, and the time of the service."""

    run: Run
    version: int
    user_email: str | None
    now: Time


@route("GET /", public=True)
async def page(_call: Call) -> HTMLResponse:
    """Show the page. It holds no data: it asks for a key and reads the API with it."""
    text, headers = _page()
    return HTMLResponse(text, headers=headers)


@route("GET /v1/_local/runs")
async def find_runs(call: Call, query: FindRuns) -> FoundRuns:
    """Show a page of runs, newest first, without their progress and answers."""
    wanted: dict[str, Any] = {"user_id": call.user(query.user_id), "status": query.status, "thread_id": query.thread_id}
    wanted["tenant_id"] = call.tenant.id
    if query.search:
        search = functools.partial(call.store.search_runs, query.search, query.limit, query.offset, **wanted)
        runs, total = await call.service.work.do(call.tenant.id, search)
    else:
        runs, total = call.store.find_runs(query.limit, query.offset, **wanted)
    return {"runs": runs, "total": total, "limit": query.limit, "offset": query.offset, "now": now()}


@route("GET /v1/_local/runs/{response_id}")
async def watch_run(call: Call, query: WatchRun) -> WatchedRun:
    """Show a run; held back while it has not changed, in whatever way the service answers other polls."""
    response_id = call.path["response_id"]
    call.find(call.store.runs, "response", response_id=response_id)
    version = await call.runs.watch(response_id, query.seen, min(query.wait, call.service.settings.max_wait))
    run = call.find(call.store.runs, "response", response_id=response_id)
    user = None if run.user_id is None else call.store.users.one(tenant_id=call.tenant.id, id=run.user_id)
    return WatchedRun(call.replies([run])[0], version, None if user is None else user.email, now())


@functools.cache
def _page() -> tuple[str, Mapping[str, str]]:
    """Return the page and its headers; the page loads nothing from anywhere else and makes no markup of data."""
    text = files("lumnisai_core.local").joinpath("window.html").read_text(encoding="utf-8")
    rules = (
        "default-src 'none'",
        f"script-src {_hash(text, 'script')}",
        f"style-src {_hash(text, 'style')}",
        "img-src data:",
        "connect-src 'self'",
        "base-uri 'none'",
        "form-action 'none'",
        "frame-ancestors 'none'",
        "require-trusted-types-for 'script'",
        "trusted-types 'none'",
    )
    headers = {
        "content-security-policy": "; ".join(rules),
        "x-content-type-options": "nosniff",
        "referrer-policy": "no-referrer",
        "cache-control": "no-cache",
    }
    return text, headers


def _hash(page: str, tag: str) -> str:
    """Return the only content of such an element that a browser may use: the one of this page."""
    (content,) = re.findall(rf"<{tag}>(.*?)</{tag}>", page, re.DOTALL)
    return f"'sha256-{base64.b64encode(hashlib.sha256(content.encode()).digest()).decode()}'"
