"""Shapes of runs, their progress, artifacts and feedback, and of threads."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, timedelta
from typing import Any, Literal, NotRequired

from pydantic import Field, field_validator, model_validator
from typing_extensions import TypedDict

from lumnisai_core.local.web.json_text import Json
from lumnisai_core.local.web.shapes import Id, Listed, Named, Object, Page, Shape, Time, UserName

Status = Literal["queued", "in_progress", "succeeded", "failed", "cancelled"]
Role = Literal["system", "user", "assistant"]
FeedbackType = Literal["suggestion", "correction", "guidance"]


class MessageBody(Shape):
    """One message."""

    role: Role
    content: str


class FileBody(Shape):
    """A file named by its address."""

    name: str
    uri: str
    mime_type: str | None = None
    size_bytes: int | None = None


class CreateRun(Shape):
    """Body of `POST /v1/responses`."""

    messages: list[MessageBody] = Field(min_length=1)
    thread_id: str | None = None
    user_id: UserName | None = None
    response_format: Object | None = None
    response_format_instructions: str | None = None
    model_overrides: Object | None = None
    agent_config: Object | None = None
    files: list[FileBody] | None = None
    options: Object | None = None
    specialized_agent: str | None = None
    specialized_agent_params: Object | None = None


@dataclass(frozen=True, slots=True)
class CreatedRun:
    """A run that was accepted."""

    response_id: Id
    thread_id: Id
    tenant_id: Id
    status: Status
    created_at: Time


class Message(TypedDict):
    """One message."""

    role: Role
    content: str


class ProgressEntry(TypedDict):
    """One step of a run."""

    id: NotRequired[str]
    ts: Time
    state: str
    message: str
    tool_calls: list[Object] | None
    output_text: str | None


class RunError(TypedDict):
    """Why a run has failed."""

    code: str
    message: str


@dataclass(frozen=True, slots=True)
class Run:
    """A run."""

    response_id: Id
    thread_id: Id
    tenant_id: Id
    user_id: Id | None
    status: Status
    progress: Json[list[ProgressEntry]]
    input_messages: Json[list[Message]]
    output_text: str | None
    structured_response: Json[Any] | None
    artifacts: Json[list[Object]] | None
    response_title: str | None
    error: Json[RunError] | None
    options: Json[Object] | None
    created_at: Time
    completed_at: Time | None


class Runs(Listed):
    """A page of runs."""

    responses: list[Run]


class Poll(Named):
    """Query of `GET /v1/responses/{id}`; `wait` is in seconds, negative means none."""

    wait: float = 0.0

    @field_validator("wait")
    @classmethod
    def _at_least_zero(cls, value: float) -> float:
        return max(0.0, value)


class ListRuns(Page):
    """Query of `GET /v1/responses`; both dates are inclusive."""

    status: Status | None = None
    start_date: date | None = None
    end_date: date | None = None

    @property
    def since(self) -> str | None:
        """First moment of the list."""
        return self.start_date.isoformat() if self.start_date else None

    @property
    def before(self) -> str | None:
        """First moment after the list."""
        if self.end_date is None or self.end_date == date.max:
            return None
        return (self.end_date + timedelta(days=1)).isoformat()


class Cancelled(TypedDict):
    """A run was cancelled."""

    status: Literal["cancelled"]
    message: str


@dataclass(frozen=True, slots=True)
class Artifact:
    """A document that a run made."""

    artifact_id: Id
    response_id: Id
    name: str
    uri: str
    mime_type: str
    bytes: int
    created_at: Time


class Artifacts(Listed):
    """A page of artifacts."""

    artifacts: list[Artifact]


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


@dataclass(frozen=True, slots=True)
class Feedback:
    """Feedback for a run."""

    feedback_id: Id
    response_id: Id
    tenant_id: Id
    user_id: Id | None
    feedback_text: str
    feedback_type: FeedbackType
    progress_id: str | None
    tool_call_id: str | None
    tool_args_update: Json[Object] | None
    is_consumed: bool
    consumed_at: Time | None
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


class ListFeedback(Named):
    """Query of `GET /v1/responses/{id}/feedback`."""

    progress_id: str | None = None


class CreateThread(Shape):
    """Body of `POST /v1/threads`; it may be missing."""

    user_id: UserName | None = None
    title: str | None = Field(None, max_length=500)


class PatchThread(Shape):
    """Body of `PATCH /v1/threads/{id}`."""

    title: str | None = Field(None, max_length=500)


@dataclass(frozen=True, slots=True)
class Thread:
    """A thread: a conversation that runs belong to."""

    thread_id: Id
    tenant_id: Id
    user_id: Id | None
    title: str | None
    created_at: Time
    updated_at: Time | None
    response_count: int
    last_response_at: Time | None


class Threads(Listed):
    """A page of threads."""

    threads: list[Thread]
