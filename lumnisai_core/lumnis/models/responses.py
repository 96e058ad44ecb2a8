"""Runs as the service reports them (``/v1/responses``), with their progress, artifacts and feedback."""

from __future__ import annotations

import json
from enum import StrEnum
from typing import Annotated, Any, ClassVar

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

#: The final states of a run.
TERMINAL_STATUSES = frozenset({ResponseStatus.SUCCEEDED, ResponseStatus.FAILED, ResponseStatus.CANCELLED})


class Message(WireModel):
    """One turn of a conversation: a role and plain text."""

    role: Annotated[MessageRole | str, OPEN_ENUM]
    content: str


class ToolCall(WireModel):
    """A tool that the agent used on the service. Only the name is certain; unknown fields are kept."""

    name: str = ""
    args: dict[str, Any] = Field(default_factory=dict)
    output_text: str | None = None

    def __str__(self) -> str:
        arguments = ", ".join(
            f"{name}={json.dumps(value, ensure_ascii=False, default=str)}" for name, value in self.args.items()
        )
        return f"{self.name}({arguments})"


class ProgressEntry(WireModel):
    """One step of a run. Its ``tool_calls`` can grow while the run is working."""

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
    """A document that the agent made. Fields differ between versions of the service; all are kept."""

    artifact_id: str | None = Field(default=None, alias="artifactId")
    name: str | None = None
    description: str | None = None
    parts: Items[ArtifactPart] = Field(default_factory=list)
    metadata: dict[str, Any] | None = None
    extensions: Items[Any] = Field(default_factory=list)


class ResponseObject(WireModel):
    """One run: its state, its progress and, once it has succeeded, its answer.

    Attributes:
        response_id: Id of the run.
        thread_id: Id of the thread it belongs to.
        status: ``queued``, ``in_progress``, ``succeeded``, ``failed`` or ``cancelled``.
        progress: Steps the agent has reported, oldest first.
        output_text: The answer as Markdown. Final only when the status is.
        structured_response: The object requested with ``response_format``. It can be None although the run succeeded.
        error: Reason for a failure. The service does not declare its shape.
    """

    _id: ClassVar[str] = "response_id"

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
        """Whether the run has ended. Only the status decides this, never a progress entry."""
        return self.status in TERMINAL_STATUSES

    def table_row(self) -> dict[str, object]:
        """Return the values to show in a table of runs, by column."""
        questions = [message.content for message in self.input_messages if message.role == MessageRole.USER]
        ended, began = self.completed_at, self.created_at
        return {
            "response_id": self.response_id,
            "status": self.status,
            "question": questions[-1] if questions else self.response_title,
            "answer": self.output_text or self.error,
            "created_at": began,
            "seconds": (ended - began).total_seconds() if ended and began else None,
        }

    def _display_fields(self) -> dict[str, object]:
        # All the progress would bury the reason why there is no answer.
        progress = {"last progress": next((entry.message for entry in reversed(self.progress) if entry.message), None)}
        before = {name: getattr(self, name) for name in ("status", "response_id", "thread_id", "error")}
        return before | progress | {name: getattr(self, name) for name in ("output_text", "created_at", "completed_at")}

    def _repr_mimebundle_(self, **options: Any) -> dict[str, str]:
        from lumnisai_core.display import answer_markdown  # noqa: PLC0415 - only notebooks need it

        documents = [artifact.name or artifact.artifact_id for artifact in self.artifacts]
        answer = answer_markdown(self.output_text or "", self.structured_response, documents)
        if answer and self.status == ResponseStatus.SUCCEEDED:
            return {"text/markdown": answer}
        return super()._repr_mimebundle_(**options)


class ResponseList(Page[ResponseObject]):
    """One page of runs, newest first."""

    _list: ClassVar[str] = "responses"

    responses: Items[ResponseObject] = Field(default_factory=list)
    limit: int | None = None
    offset: int = 0


class StoredArtifact(WireModel):
    """A document of a run that the service keeps.

    Attributes:
        uri: Address of the document; accepted by ``files=`` of a run.
        bytes: Size in bytes.
    """

    _id: ClassVar[str] = "artifact_id"

    artifact_id: str
    response_id: str | None = None
    name: str = ""
    uri: str = ""
    mime_type: str = ""
    bytes: int = 0
    created_at: Timestamp | None = None


class ArtifactList(Page[StoredArtifact]):
    """One page of stored documents."""

    _list: ClassVar[str] = "artifacts"

    artifacts: Items[StoredArtifact] = Field(default_factory=list)
    limit: int | None = None
    offset: int = 0


class FeedbackType(StrEnum):
    """The purpose of feedback."""

    SUGGESTION = "suggestion"
    CORRECTION = "correction"
    GUIDANCE = "guidance"


class FeedbackCreated(WireModel):
    """Feedback that the service has accepted."""

    feedback_id: str
    created_at: Timestamp | None = None


class Feedback(WireModel):
    """One piece of feedback.

    Attributes:
        progress_id: Progress entry that it refers to, or None for the whole run.
        tool_call_id: Tool call that it refers to, or None.
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
    """All feedback on a run, in order of arrival."""

    response_id: str | None = None
    progress_id_filter: str | None = None
    total_feedback: int = 0
    consumed_count: int = 0
    unconsumed_count: int = 0
    feedback: Items[Feedback] = Field(default_factory=list)
    note: str = ""
