"""Log lines of the service: one for each request and each run, under the logger `lumnisai_core.local`."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Mapping
from typing import Any

from starlette.types import ASGIApp, Message, Receive, Scope, Send

_requests = logging.getLogger("lumnisai_core.local.requests")
_runs = logging.getLogger("lumnisai_core.local.runs")
# Programs that set up no log see none of these lines, and of the service only what failed.
for _logger in (_requests, _runs):
    _logger.addHandler(logging.NullHandler())
#: Characters of a name from outside that a line shows.
_LONGEST = 100
#: Where the application notes route and user of a request for its line, and that a fault was planned.
NOTES = "lumnis.notes"


class LoggedApp:
    """Writes a line for each request; the application leaves the route and the user under `NOTES` of the scope.

    A line has neither path nor query, which may hold what is secret, but the route.
    """

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        if scope["type"] != "http" or not _requests.isEnabledFor(logging.ERROR):
            await self._app(scope, receive, send)
            return
        notes: dict[str, str] = {}
        scope[NOTES] = notes
        status, began = 0, time.perf_counter()

        async def send_noted(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
            await send(message)

        try:
            await self._app(scope, receive, send_noted)
        finally:
            failed = status >= 500 and "fault" not in notes  # a planned fault is not a failure
            level = logging.ERROR if failed else logging.WARNING if status >= 400 else logging.INFO
            route = notes.get("route") or f"{scope['method']} (no route)"
            level = logging.DEBUG if level == logging.INFO and route.endswith("/health") else level
            fields = {"route": route, "status": status or None, **_time_and_user(began, notes.get("user"))}
            _write(_requests, level, route, str(status or "no answer"), fields)


def run_ended(
    response_id: str, status: str, began: float, *, engine: Callable[[], str], user: str | None, code: str | None
) -> None:
    """Write the line of a run that has ended; `began` is of `time.perf_counter`, `code` that of its error."""
    level = logging.WARNING if code else logging.INFO
    if _runs.isEnabledFor(level):
        name = engine()[:_LONGEST]
        named = {"run": response_id, "engine": name, "status": status}
        fields = named | ({"code": code[:_LONGEST]} if code else {}) | _time_and_user(began, user)
        outcome = f"{status} {_shown(code)} {_shown(name)}" if code else f"{status} {_shown(name)}"
        _write(_runs, level, f"run {response_id}", outcome, fields)


def _time_and_user(began: float, user: str | None) -> dict[str, Any]:
    return {"ms": round((time.perf_counter() - began) * 1000, 1)} | ({"user": user[:_LONGEST]} if user else {})


def _write(to: logging.Logger, level: int, subject: str, outcome: str, fields: Mapping[str, Any]) -> None:
    user = f" user={_shown(fields['user'])}" if "user" in fields else ""
    to.log(level, "%s %s %s ms%s", subject, outcome, f"{fields['ms']:,.0f}", user, extra={"fields": fields})


def _shown(text: str) -> str:
    """Return a text from outside as it can stand in a line: quoted if it has blanks or is not plain."""
    plain = text.isascii() and text.isprintable() and " " not in text
    return text[:_LONGEST] if plain else ascii(text[:_LONGEST])
