"""Requests: their shapes, and reading them into values or a 422."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date, timedelta
from typing import Annotated, Any, Literal, TypeVar

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, ValidationError, field_validator
from pydantic_core import from_json

from lumnisai_core.local._errors import InvalidRequest

_Model = TypeVar("_Model", bound=BaseModel)
_Object = dict[str, Any]


def _not_blank(text: str) -> str:
    if not text.strip():
        raise ValueError("must not be blank")
    return text


UserName = Annotated[str, Field(min_length=1, max_length=255), AfterValidator(_not_blank)]
Status = Literal["queued", "in_progress", "succeeded", "failed", "cancelled"]


class _Shape(BaseModel):
    """Unknown fields are ignored, as the platform does."""

    model_config = ConfigDict(extra="ignore", frozen=True, allow_inf_nan=False)


class MessageBody(_Shape):
    """One message."""

    role: Literal["system", "user", "assistant"]
    content: str


class FileBody(_Shape):
    """A file given by its address."""

    name: str
    uri: str
    mime_type: str | None = None
    size_bytes: int | None = None


class CreateRun(_Shape):
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


class CreateThread(_Shape):
    """Body of `POST /v1/threads`; the body may be missing."""

    user_id: UserName | None = None
    title: str | None = Field(None, max_length=500)


class PatchThread(_Shape):
    """Body of `PATCH /v1/threads/{id}`."""

    title: str | None = Field(None, max_length=500)


class Named(_Shape):
    """Query of calls that may name a user."""

    user_id: UserName | None = None


class Poll(Named):
    """Query of `GET /v1/responses/{id}`; `wait` is in seconds, negative means none."""

    wait: float = 0.0

    @field_validator("wait")
    @classmethod
    def _at_least_zero(cls, value: float) -> float:
        return max(0.0, value)


class Page(Named):
    """Query of lists of the limit/offset style."""

    limit: int = Field(50, ge=1, le=100)
    offset: int = Field(0, ge=0, le=2**62)


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


def read_json(body: bytes) -> Any:
    """Parse a body; strict about NaN, lone surrogates, depth and encoding.

    Raises:
        InvalidRequest: the body is not JSON.
    """
    try:
        return from_json(body, allow_inf_nan=False)
    except ValueError as error:
        raise InvalidRequest([{"loc": ["body"], "msg": f"Invalid JSON: {error}", "type": "json_invalid"}]) from error


def read(model: type[_Model], data: Any, where: Literal["body", "query"]) -> _Model:
    """Check parsed data against a shape.

    Raises:
        InvalidRequest: with one entry for each thing that is wrong.
    """
    try:
        return model.model_validate(data)
    except ValidationError as error:
        details = error.errors(include_url=False, include_context=False, include_input=False)
        raise InvalidRequest([_entry(item, where) for item in details]) from error


def _entry(item: Mapping[str, Any], where: str) -> _Object:
    return {"loc": [where, *item["loc"]], "msg": item["msg"], "type": item["type"]}
