"""Runs as the service reports them (``/v1/responses``)."""

from __future__ import annotations

import json
from enum import StrEnum
from typing import Annotated, Any

from pydantic import Field

from lumnisai_core._transport.wire import OPEN_ENUM, Items, Page, Timestamp, WireModel
from lumnisai_core.lumnis.models.enums import MessageRole, ResponseStatus

__all__ = [
    "TERMINAL_STATUSES",
    "Artifact",
    "ArtifactList",
    "ArtifactPart",
    "Feedback",
    "FeedbackCreated",
    "FeedbackList",
    "FeedbackType",
    "Message",
    "ProgressEntry",
    "ResponseList",
    "ResponseObject",
    "StoredArtifact",
    "ToolCall",
]


class StoredArtifact(WireModel):
    """A document that the service keeps.

    Attributes:
        uri: Where it is; usable in ``files=`` of a run.
        bytes: Size in bytes.
    """

    artifact_id: str
    response_id: str | None = None
    name: str = ""
    uri: str = ""
    mime_type: str = ""
    bytes: int = 0
    created_at: Timestamp | None = None


class ArtifactList(Page[StoredArtifact]):
    """One page of stored documents."""

    artifacts: Items[StoredArtifact] = Field(default_factory=list)
    limit: int | None = None
    offset: int = 0

    @property
    def items(self) -> list[StoredArtifact]:
        """The same as ``artifacts``."""
        return self.artifacts


#: A run in one of these states does not change any more.
TERMINAL_STATUSES = frozenset({ResponseStatus.SUCCEEDED, ResponseStatus.FAILED, ResponseStatus.CANCELLED})


class Message(WireModel):
    """One turn of a conversation: a role and plain text."""

    role: Annotated[MessageRole | str, OPEN_ENUM]
    content: str


class ToolCall(WireModel):
    """A tool the agent used on the service. Only the name is certain; unknown keys are kept."""

    name: str = ""
    args: dict[str, Any] = Field(default_factory=dict)
    output_text: str | None = None

    def __str__(self) -> str:
        arguments = ", ".join(
            f"{name}={json.dumps(value, ensure_ascii=False, default=str)}" for name, value in self.args.items()
        )
        return f"{self.name}({arguments})"


class ProgressEntry(WireModel):
    """One step of a run. ``tool_calls`` of an entry can grow while the run goes on."""

    ts: Timestamp | None = None
    state: str = ""
    message: str = ""
    tool_calls: Items[ToolCall] = Field(default_factory=list)
    output_text: str | None = None


class ArtifactPart(WireModel):
    """A piece of an artifact."""

    kind: str = "text"
    text: str = ""
    metadata: dict[str, Any] | None = None


class Artifact(WireModel):
    """A document the agent made. Services of different age send different fields; all are kept."""

    artifact_id: str | None = Field(default=None, alias="artifactId")
    name: str | None = None
    description: str | None = None
    parts: Items[ArtifactPart] = Field(default_factory=list)
    metadata: dict[str, Any] | None = None
    extensions: Items[Any] = Field(default_factory=list)


class ResponseObject(WireModel):
    """One run: its state, its progress and, when it has succeeded, its answer.

    Attributes:
        response_id: Id of the run.
        thread_id: Id of the conversation it belongs to.
        status: ``queued``, ``in_progress``, ``succeeded``, ``failed`` or ``cancelled``.
        progress: What the agent reported so far, oldest first.
        output_text: The answer as Markdown. Not final before the status is.
        structured_response: The object that was asked for by ``response_format``; can be None on success.
        error: What the service says of a failure; its shape is not declared.
    """

    response_id: str
    thread_id: str | None = None
    tenant_id: str | None = None
    user_id: str | None = None
    status: Annotated[ResponseStatus | str, OPEN_ENUM] = ResponseStatus.QUEUED
    progress: Items[ProgressEntry] = Field(default_factory=list)
    input_messages: Items[Message] = Field(default_factory=list)
    output_text: str | None = None
    structured_response: dict[str, Any] | None = None
    artifacts: Items[Artifact] = Field(default_factory=list)
    response_title: str | None = None
    error: Any = None
    options: dict[str, Any] | None = None
    created_at: Timestamp | None = None
    completed_at: Timestamp | None = None

    @property
    def content(self) -> str | None:
        """The same as ``output_text``."""
        return self.output_text

    @property
    def is_terminal(self) -> bool:
        """Whether the run is over. The status alone decides this, never a progress entry."""
        return self.status in TERMINAL_STATUSES


class ResponseList(Page[ResponseObject]):
    """One page of runs, newest first."""

    responses: Items[ResponseObject] = Field(default_factory=list)
    limit: int | None = None
    offset: int = 0

    @property
    def items(self) -> list[ResponseObject]:
        """The same as ``responses``."""
        return self.responses


class FeedbackType(StrEnum):
    """What feedback is meant as."""

    SUGGESTION = "suggestion"
    CORRECTION = "correction"
    GUIDANCE = "guidance"


class FeedbackCreated(WireModel):
    """Feedback that was taken."""

    feedback_id: str
    created_at: Timestamp | None = None


class Feedback(WireModel):
    """One piece of feedback.

    Attributes:
        progress_id: Progress entry it is about, or None for the whole run.
        tool_call_id: Tool call it is about, or None.
        tool_args_update: New arguments for that tool call, or None.
        is_consumed: Whether the agent has read it.
    """

    feedback_id: str
    response_id: str | None = None
    tenant_id: str | None = None
    user_id: str | None = None
    feedback_text: str = ""
    feedback_type: Annotated[FeedbackType | str, OPEN_ENUM] = FeedbackType.SUGGESTION
    progress_id: str | None = None
    tool_call_id: str | None = None
    tool_args_update: dict[str, Any] | None = None
    is_consumed: bool = False
    consumed_at: Timestamp | None = None
    created_at: Timestamp | None = None


class FeedbackList(WireModel):
    """All feedback to a run, in order of arrival."""

    response_id: str | None = None
    progress_id_filter: str | None = None
    total_feedback: int = 0
    consumed_count: int = 0
    unconsumed_count: int = 0
    feedback: Items[Feedback] = Field(default_factory=list)
    note: str = ""
