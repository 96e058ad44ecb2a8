"""Shapes of replies: Runs, their documents and feedback, and threads."""

from __future__ import annotations

from datetime import datetime
from typing import (
    Any,
    Literal,  # pydantic asks for this one before Python 3.12
    NotRequired,
)
from uuid import UUID

from typing_extensions import TypedDict

from lumnisai_core.local.lumnis.shapes.runs import Status


class CreatedRun(TypedDict):
    """A run that was accepted."""

    response_id: UUID
    thread_id: UUID
    tenant_id: UUID
    status: Status
    created_at: datetime


class Message(TypedDict):
    """One message."""

    role: Literal["system", "user", "assistant"]
    content: str


class ProgressEntry(TypedDict):
    """One thing that a run has done."""

    id: NotRequired[str]
    ts: datetime
    state: str
    message: str
    tool_calls: list[dict[str, Any]] | None
    output_text: str | None


class RunError(TypedDict):
    """Why a run has failed."""

    code: str
    message: str


class Run(TypedDict):
    """A run."""

    response_id: UUID
    thread_id: UUID
    tenant_id: UUID
    user_id: UUID | None
    status: Status
    progress: list[ProgressEntry]
    input_messages: list[Message]
    output_text: str | None
    structured_response: Any
    artifacts: list[dict[str, Any]] | None
    response_title: str | None
    error: RunError | None
    options: dict[str, Any] | None
    created_at: datetime
    completed_at: datetime | None


class Runs(TypedDict):
    """A page of runs."""

    responses: list[Run]
    total: int
    limit: int
    offset: int


class Cancelled(TypedDict):
    """A run was cancelled."""

    status: Literal["cancelled"]
    message: str


class Artifact(TypedDict):
    """What a run left behind."""

    artifact_id: UUID
    response_id: UUID
    name: str
    uri: str
    mime_type: str
    bytes: int
    created_at: datetime


class Artifacts(TypedDict):
    """A page of artifacts."""

    artifacts: list[Artifact]
    total: int
    limit: int
    offset: int


class GivenFeedback(TypedDict):
    """Feedback that was accepted."""

    feedback_id: UUID
    created_at: datetime


class Feedback(TypedDict):
    """What a run was told."""

    feedback_id: UUID
    response_id: UUID
    tenant_id: UUID
    user_id: UUID | None
    feedback_text: str
    feedback_type: Literal["suggestion", "correction", "guidance"]
    progress_id: str | None
    tool_call_id: str | None
    tool_args_update: dict[str, Any] | None
    is_consumed: bool
    consumed_at: datetime | None
    created_at: datetime


class AllFeedback(TypedDict):
    """All that a run was told."""

    response_id: UUID
    progress_id_filter: str | None
    total_feedback: int
    consumed_count: int
    unconsumed_count: int
    feedback: list[Feedback]
    note: str


class Thread(TypedDict):
    """A thread."""

    thread_id: UUID
    tenant_id: UUID
    user_id: UUID | None
    title: str | None
    created_at: datetime
    updated_at: datetime | None
    response_count: int
    last_response_at: datetime | None


class Threads(TypedDict):
    """A page of threads."""

    threads: list[Thread]
    total: int
    limit: int
    offset: int
