"""Skills, their usage and analytics (``/v1/skills``)."""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated, ClassVar

from pydantic import Field

from lumnisai_core._transport.wire import OPEN_ENUM, Items, Page, Timestamp, WireModel


class SkillOutcome(StrEnum):
    """Outcome of using a skill."""

    SUCCESS = "success"
    PARTIAL = "partial"
    FAILED = "failed"
    CANCELLED = "cancelled"
    NOT_EXECUTED = "not_executed"


class SkillObject(WireModel):
    """Guidance that agents can follow.

    Attributes:
        description: When to use the skill.
        content: The guidance itself.
    """

    id: str
    name: str = ""
    description: str = ""
    content: str = ""
    category: str | None = None
    version: str = "1.0.0"
    tenant_id: str | None = None
    user_id: str | None = None
    is_active: bool = True
    created_at: Timestamp | None = None
    updated_at: Timestamp | None = None


class SkillList(Page[SkillObject]):
    """One page of skills."""

    _list: ClassVar[str] = "skills"

    skills: Items[SkillObject] = Field(default_factory=list)
    page: int = 1
    page_size: int | None = None


class SkillUsage(WireModel):
    """One use of a skill in a run.

    Attributes:
        planner_selected: Whether the planner selected the skill after retrieval.
        effectiveness_score: How much it helped, as the service measures it.
    """

    id: str | None = None
    response_id: str | None = None
    skill_id: str | None = None
    skill_name: str | None = None
    tenant_id: str | None = None
    user_id: str | None = None
    relevance_score: float | None = None
    planner_selected: bool | None = None
    usage_reasoning: str | None = None
    priority: int | None = None
    execution_outcome: Annotated[SkillOutcome | str, OPEN_ENUM] | None = None
    effectiveness_score: float | None = None
    feedback_notes: str | None = None
    created_at: Timestamp | None = None
    updated_at: Timestamp | None = None


class SkillUsageList(Page[SkillUsage]):
    """One page of uses of skills."""

    _list: ClassVar[str] = "usages"

    usages: Items[SkillUsage] = Field(default_factory=list)
    page: int = 1
    page_size: int | None = None


class SkillAnalytics(WireModel):
    """How often skills were retrieved, selected and successful. Rates are 0 to 1."""

    skill_id: str | None = None
    total_retrievals: int = 0
    total_selections: int = 0
    successful_executions: int = 0
    selection_rate: float | None = None
    success_rate: float | None = None
    avg_effectiveness: float | None = None
    usage_frequency: float | None = None
