"""Backend of the endpoint: runs and threads of an agent platform, in this process or behind a client."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Protocol

from lumnisai_core.local.web.errors import ApiError
from lumnisai_core.local.web.shapes import Object

_ENDED = ("succeeded", "failed", "cancelled")
#: Statuses of refusals for failed runs by the code of their error; 500 for all others.
_STATUSES = {
    "AGENT_NOT_AVAILABLE": 404,
    "CONTEXT_LENGTH_EXCEEDED": 400,
    "MODEL_NOT_AVAILABLE": 404,
    "MODEL_NOT_FOUND": 404,
    "MODEL_RATE_LIMITED": 429,
    "MODEL_REQUEST_REFUSED": 400,
    "MODEL_TIMEOUT": 504,
    "MODEL_UNAVAILABLE": 502,
}


class OpenAIBackend(Protocol):
    """Runs and threads that requests in OpenAI's protocol work with.

    Runs and threads are JSON objects in the form of the agent platform's API. Methods raise `ApiError` to refuse; ids
    that are unknown, or of other users than the one that is named, are refused with 404.
    """

    async def start(self, run: Object, key: str | None, digest: str) -> Object:
        """Create a run from the body of `POST /v1/responses`; one only for each idempotency key.

        Args:
            run: The body.
            key: The idempotency key, if there is one.
            digest: The same for tries of one request, also when their bodies differ.
        """

    async def get(self, run_id: str, user: str | None = None) -> Object:
        """Return a run."""

    def follow(self, run_id: str) -> AsyncGenerator[Object, None]:
        """Yield a run now and after each of its changes, last with its final status unless the service stops."""

    async def cancel(self, run_id: str) -> None:
        """Stop a run; one that has ended stays as it is."""

    def turns(self, thread_id: str, user: str | None = None) -> AsyncGenerator[Object, None]:
        """Yield the runs of a thread, newest first."""

    async def make_thread(self) -> Object:
        """Make an empty thread."""

    async def thread(self, thread_id: str) -> Object:
        """Return a thread."""

    async def delete_thread(self, thread_id: str) -> None:
        """Delete a thread with its runs."""


@dataclass(frozen=True, slots=True)
class Run:
    """A run as the endpoint reads it."""

    response_id: str
    thread_id: str | None
    status: str
    progress: Sequence[Mapping[str, Any]] = ()
    input_messages: Sequence[Mapping[str, Any]] = ()
    output_text: str | None = None
    structured_response: dict[str, Any] | None = None
    error: Any = None
    usage: Mapping[str, Any] | None = None
    model: str | None = None
    created_at: str = ""
    completed_at: str | None = None
    #: The part of the run's options that this endpoint wrote.
    echo: Mapping[str, Any] = field(default_factory=dict)

    @classmethod
    def of(cls, data: Mapping[str, Any]) -> Run:
        """Read the JSON object of a run; fields that are missing or null have their defaults."""
        names = cls.__dataclass_fields__.keys() - {"echo"}
        known = {name: data[name] for name in names if data.get(name) is not None}
        options = data.get("options")
        echo = options.get("openai") if isinstance(options, Mapping) else None
        return cls(**{"thread_id": None, **known}, echo=echo if isinstance(echo, Mapping) else {})

    @property
    def is_over(self) -> bool:
        """Whether the run has ended."""
        return self.status in _ENDED

    @property
    def created(self) -> int:
        """When it was made, in seconds since 1970."""
        return seconds(self.created_at)

    def json(self) -> dict[str, Any]:
        """Return the fields."""
        return {name: getattr(self, name) for name in self.__dataclass_fields__}

    def failure(self) -> ApiError | None:
        """Return the refusal for a run without an answer; None for a run that succeeded."""
        if self.status == "succeeded":
            return None
        if self.status == "cancelled":
            return ApiError(409, "RUN_CANCELLED", f"Run {self.response_id} was cancelled.")
        if self.status == "failed":
            about = self.error if isinstance(self.error, Mapping) else {"message": self.error}
            code = str(about.get("code") or "RUN_FAILED")
            reason = about.get("message") or "the service gave no reason"
            return ApiError(_STATUSES.get(code, 500), code, f"Run {self.response_id} failed: {reason}")
        text = f"The service stops; run {self.response_id} is {self.status}."
        return ApiError(503, "SERVICE_STOPPING", text)


def seconds(time: str) -> int:
    """Return a time on the wire in seconds since 1970; 0 without one."""
    return int(datetime.fromisoformat(time).timestamp()) if time else 0
