"""Requests about runs, feedback and threads."""

from __future__ import annotations

from datetime import date, timedelta
from typing import Any, Literal

from pydantic import Field, field_validator, model_validator

from lumnisai_core.local.web.shapes import Named, Page, Shape, UserName

_Object = dict[str, Any]
Status = Literal["queued", "in_progress", "succeeded", "failed", "cancelled"]


class MessageBody(Shape):
    """One message."""

    role: Literal["system", "user", "assistant"]
    content: str


class FileBody(Shape):
    """A file given by its address."""

    name: str
    uri: str
    mime_type: str | None = None
    size_bytes: int | None = None


class CreateRun(Shape):
    """Body of `POST /v1/responses`."""

    messages: list[MessageBody] = Field(min_length=1)
    thread_id: str | None = None
    user_id: UserName | None = None
    response_format: _Object | None = None
    response_format_instructions: str | None = None
    model_overrides: _Object | None = None
    agent_config: _Object | None = None
    files: list[FileBody] | None = None
    options: _Object | None = None
    specialized_agent: str | None = None
    specialized_agent_params: _Object | None = None


class CreateThread(Shape):
    """Body of `POST /v1/threads`; the body may be missing."""

    user_id: UserName | None = None
    title: str | None = Field(None, max_length=500)


class PatchThread(Shape):
    """Body of `PATCH /v1/threads/{id}`."""

    title: str | None = Field(None, max_length=500)


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
        """First moment that is shown."""
        return self.start_date.isoformat() if self.start_date else None

    @property
    def before(self) -> str | None:
        """First moment that is not shown any more."""
        if self.end_date is None or self.end_date == date.max:
            return None
        return (self.end_date + timedelta(days=1)).isoformat()


class GiveFeedback(Shape):
    """Body of `POST /v1/responses/{id}/feedback`."""

    feedback_text: str = Field(min_length=1, max_length=5000)
    feedback_type: Literal["suggestion", "correction", "guidance"] = "suggestion"
    user_id: UserName | None = None
    progress_id: str | None = Field(None, max_length=255)
    tool_call_id: str | None = Field(None, max_length=255)
    tool_args_update: _Object | None = None

    @model_validator(mode="after")
    def _arguments_of_a_call(self) -> GiveFeedback:
        if self.tool_args_update is not None and self.tool_call_id is None:
            raise ValueError("tool_args_update needs tool_call_id")
        return self


class ListFeedback(Named):
    """Query of `GET /v1/responses/{id}/feedback`."""

    progress_id: str | None = None
