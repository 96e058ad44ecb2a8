"""Requests about skills."""

from __future__ import annotations

from typing import Annotated, Literal
from uuid import UUID

from pydantic import Field

from lumnisai_core.local.web.shapes import Named, Numbered, Shape, UserName

_Name = Annotated[str, Field(min_length=1, max_length=1000)]
_Text = Annotated[str, Field(max_length=1_000_000)]
_Category = Annotated[str, Field(max_length=100)]
_Version = Annotated[str, Field(min_length=1, max_length=20)]
_Share = Annotated[float, Field(ge=-1e9, le=1e9)]


class CreateSkill(Shape):
    """Body of `POST /v1/skills`."""

    name: _Name
    description: _Text
    content: _Text
    category: _Category | None = None
    version: _Version = "1.0.0"


class PutSkill(Shape):
    """Body of `PUT /v1/skills/{id}`; what is missing stays as it is, and only a category can be taken away."""

    name: _Name = ""
    description: _Text = ""
    content: _Text = ""
    category: _Category | None = None
    version: _Version = "1.0.0"
    is_active: bool = True


class ListSkills(Numbered):
    """Query of `GET /v1/skills`."""

    category: str | None = None
    is_active: bool | None = None
    page_size: int = Field(50, ge=1, le=100)


class CreateUsage(Shape):
    """Body of `POST /v1/skills/usage`."""

    response_id: str
    skill_id: str
    skill_name: _Name
    tenant_id: UUID | None = None
    user_id: UserName | None = None
    relevance_score: _Share | None = None


class PutUsage(Shape):
    """Body of `PUT /v1/skills/usage/{id}`; what is missing stays as it is."""

    planner_selected: bool | None = None
    usage_reasoning: _Text | None = None
    priority: int | None = Field(None, ge=-(2**31), le=2**31)
    execution_outcome: Literal["success", "partial", "failed", "cancelled", "not_executed"] | None = None
    effectiveness_score: _Share | None = None
    feedback_notes: _Text | None = None


class ListUsages(Numbered):
    """Query of `GET /v1/skills/usage`."""

    skill_id: str | None = None
    response_id: str | None = None
    page_size: int = Field(50, ge=1, le=100)


class Analytics(Named):
    """Query of `GET /v1/skills/analytics`."""

    skill_id: str | None = None
    tenant_id: str | None = None
    days_back: int = Field(30, ge=1, le=3650)
