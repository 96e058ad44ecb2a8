"""The Lumnis service: how its error answers read, and which of its requests carry an idempotency key. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from lumnisai_core._transport.answer import Problem, compact_json, shortened
from lumnisai_core._transport.service import Service


class LumnisService(Service):
    """The agent platform: an API key in a header, and errors in five shapes."""

    #: Together with GET, all methods but POST can be repeated. These set a state and are sent with a key of their own.
    keyed_methods = frozenset({"PUT", "PATCH", "DELETE"})

    def read_error(self, status: int, headers: Mapping[str, str], body: Any) -> Problem:
        """Read an answer that is not 2xx."""
        message, code = error_message(body) if isinstance(body, Mapping) else ("", None)
        return Problem(message, code=code) if message or code else super().read_error(status, headers, body)


def error_message(body: Mapping[str, Any]) -> tuple[str, str | None]:
    """Find the text and the code in an error body; both are empty if it has none of the known shapes.

    These are ``{"error": {"code", "message"}}``, ``{"detail": "text"}``, ``{"detail": [{"loc", "msg"}]}``,
    ``{"detail": {"error": {...}}}`` and ``{"message": "text"}``.
    """
    for key in ("error", "detail"):
        inner = body.get(key)
        if isinstance(inner, Mapping):
            message, code = error_message(inner)
            own = inner.get("code")
            return message or (compact_json(inner) if inner else ""), code or (None if own is None else str(own))
        if isinstance(inner, str) and inner:
            return shortened(inner), None
        if isinstance(inner, list) and inner:
            return "; ".join(_problem_text(problem) for problem in inner), None
    text = body.get("message")
    return (shortened(text) if isinstance(text, str) else ""), None


def _problem_text(problem: Any) -> str:
    if not isinstance(problem, Mapping):
        return shortened(str(problem))
    location = problem.get("loc")
    place = ".".join(str(step) for step in location) if isinstance(location, list) else ""
    text = str(problem.get("msg") or compact_json(problem))
    return f"{place}: {text}" if place else text
