"""Shapes of skills and of their usage in runs."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Literal
from uuid import UUID

from pydantic import Field
from typing_extensions import TypedDict

from lumnisai_core.local.web.shapes import Counted, Id, Named, Numbered, Shape, Time, UserName

_Name = Annotated[str, Field(min_length=1, max_length=1000)]
_Text = Annotated[str, Field(max_length=1_000_000)]
_Category = Annotated[str, Field(max_length=100)]
_Version = Annotated[str, Field(min_length=1, max_length=20)]
_Share = Annotated[float, Field(ge=-1e9, le=1e9)]
_Outcome = Literal["success", "partial", "failed", "cancelled", "not_executed"]


class CreateSkill(Shape):
    """Body of `POST /v1/skills`."""

    name: _Name
    description: _Text
    content: _Text
    category: _Category | None = None
    version: _Version = "1.0.0"


class PutSkill(Shape):
    """Body of `PUT /v1/skills/{id}`; a missing field stays as it is, and only a category can be removed."""

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
    """Body of `PUT /v1/skills/usage/{id}`; a missing field stays as it is."""

    planner_selected: bool | None = None
    usage_reasoning: _Text | None = None
    priority: int | None = Field(None, ge=-(2**31), le=2**31)
    execution_outcome: _Outcome | None = None
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


@dataclass(frozen=True, slots=True)
class Skill:
    """A skill."""

    id: Id
    name: str
    description: str
    content: str
    category: str | None
    version: str
    tenant_id: Id
    user_id: Id | None
    is_active: bool
    created_at: Time
    updated_at: Time


class Skills(Counted):
    """A page of skills."""

    skills: list[Skill]


@dataclass(frozen=True, slots=True)
class Usage:
    """A skill that was available to a run, and how it was used."""

    id: Id
    response_id: Id
    skill_id: Id
    skill_name: str
    tenant_id: Id
    user_id: Id | None
    relevance_score: float | None
    planner_selected: bool | None
    usage_reasoning: str | None
    priority: int | None
    execution_outcome: _Outcome | None
    effectiveness_score: float | None
    feedback_notes: str | None
    created_at: Time
    updated_at: Time


class Usages(Counted):
    """A page of usages."""

    usages: list[Usage]


class SkillAnalytics(TypedDict):
    """How often skills were available, chosen and successful."""

    skill_id: str | None
    total_retrievals: int
    total_selections: int
    successful_executions: int
    selection_rate: float
    success_rate: float
    avg_effectiveness: float
    usage_frequency: float
