"""Feedback on runs and the documents of runs that the service keeps (below ``/v1/responses/{id}``)."""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated, Any, ClassVar

from pydantic import Field

from lumnisai_core._transport.wire import OPEN_ENUM, Items, Page, Timestamp, WireModel

__all__ = ["ArtifactList", "Feedback", "FeedbackCreated", "FeedbackList", "FeedbackType", "StoredArtifact"]


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
