"""Skills and their usage in runs. A request that names a user sees the tenant's skills and that user's."""

from __future__ import annotations

from datetime import timedelta
from typing import Annotated
from uuid import UUID

from pydantic import Field
from typing_extensions import TypedDict

from lumnisai_core.local.lumnis.service import Call
from lumnisai_core.local.lumnis.store.rows import Outcome, Skill, Usage
from lumnisai_core.local.web.errors import not_found
from lumnisai_core.local.web.ids import ago, now
from lumnisai_core.local.web.routes import Once, RouteTable
from lumnisai_core.local.web.shapes import Counted, Named, Numbered, Shape, UserName

_Name = Annotated[str, Field(min_length=1, max_length=1000)]
_Text = Annotated[str, Field(max_length=1_000_000)]
_Category = Annotated[str, Field(max_length=100)]
_Version = Annotated[str, Field(min_length=1, max_length=20)]
_Share = Annotated[float, Field(ge=-1e9, le=1e9)]
route = RouteTable()


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


class Skills(Counted):
    """A page of skills."""

    skills: list[Skill]


@route("POST /v1/skills")
async def create(call: Call, query: Named, body: CreateSkill) -> Once[Skill]:
    """Make a skill, of the user if one is named."""
    skill = Skill(**body.model_dump(), tenant_id=call.tenant.id, user_id=call.user(query.user_id))
    return call.once(lambda: call.store.skills.add(skill), user_id=skill.user_id)


@route("GET /v1/skills")
async def list_(call: Call, query: ListSkills) -> Skills:
    """Show a page of skills, newest first."""
    chosen = {"visible_to": call.user(query.user_id), "category": query.category, "is_active": query.is_active}
    skills, total = call.page(call.store.skills, query, **chosen)
    return {"skills": skills, "total": total, "page": query.page, "page_size": query.page_size}


@route("GET /v1/skills/{skill_id}")
async def get(call: Call, query: Named) -> Skill:
    """Show one skill."""
    return call.find(call.store.skills, "skill", id=call.path["skill_id"], visible_to=call.user(query.user_id))


@route("PUT /v1/skills/{skill_id}")
async def update(call: Call, query: Named, body: PutSkill) -> Skill:
    """Change parts of a skill."""
    skill = await get(call, query)
    call.store.skills.change({"id": skill.id}, **body.model_dump(exclude_unset=True), updated_at=now())
    return await get(call, query)


@route("DELETE /v1/skills/{skill_id}")
async def delete(call: Call, query: Named) -> None:
    """Delete a skill; records of its usage stay."""
    call.store.skills.remove(id=(await get(call, query)).id)


# Usage


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
    execution_outcome: Outcome | None = None
    effectiveness_score: _Share | None = None
    feedback_notes: _Text | None = None


class ListUsages(Numbered):
    """Query of `GET /v1/skills/usage`."""

    skill_id: str | None = None
    response_id: str | None = None
    page_size: int = Field(50, ge=1, le=100)


class Usages(Counted):
    """A page of usages."""

    usages: list[Usage]


class Analytics(Named):
    """Query of `GET /v1/skills/analytics`."""

    skill_id: str | None = None
    tenant_id: str | None = None
    days_back: int = Field(30, ge=1, le=3650)


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


@route("POST /v1/skills/usage", refused=(404,))
async def create_usage(call: Call, body: CreateUsage) -> Once[Usage]:
    """Record that a skill was available to a run."""
    _own_tenant(call, None if body.tenant_id is None else str(body.tenant_id))
    user_id = call.user(body.user_id)
    call.find(call.store.runs, "response", response_id=body.response_id, user_id=user_id)
    call.find(call.store.skills, "skill", id=body.skill_id, visible_to=user_id)
    usage = Usage(**{**body.model_dump(), "tenant_id": call.tenant.id, "user_id": user_id})
    return call.once(lambda: call.store.usages.add(usage), user_id=user_id)


@route("GET /v1/skills/usage")
async def list_usages(call: Call, query: ListUsages) -> Usages:
    """Show a page of usages, newest first."""
    chosen = {"user_id": call.user(query.user_id), "skill_id": query.skill_id, "response_id": query.response_id}
    usages, total = call.page(call.store.usages, query, **chosen)
    return {"usages": usages, "total": total, "page": query.page, "page_size": query.page_size}


@route("PUT /v1/skills/usage/{usage_id}")
async def update_usage(call: Call, query: Named, body: PutUsage) -> Usage:
    """Record how a skill was used in a run."""
    usages, wanted = call.store.usages, {"id": call.path["usage_id"], "user_id": call.user(query.user_id)}
    usage = call.find(usages, "usage", **wanted)
    usages.change({"id": usage.id}, **body.model_dump(exclude_unset=True), updated_at=now())
    return call.find(usages, "usage", **wanted)


@route("GET /v1/skills/analytics", refused=(404,))
async def analytics(call: Call, query: Analytics) -> SkillAnalytics:
    """Count how often skills were available, chosen and successful."""
    _own_tenant(call, query.tenant_id)
    since = ago(timedelta(days=query.days_back))
    ((total, selected, successes, score),) = call.store.usages.aggregate(
        "count(*)",
        "total(planner_selected IS 1)",
        "total(execution_outcome IS 'success')",
        "coalesce(avg(effectiveness_score), 0.0)",
        tenant_id=call.tenant.id,
        user_id=call.user(query.user_id),
        skill_id=query.skill_id,
        since=since,
    )
    return {
        "skill_id": query.skill_id,
        "total_retrievals": total,
        "total_selections": int(selected),
        "successful_executions": int(successes),
        "selection_rate": selected / total if total else 0.0,
        "success_rate": successes / selected if selected else 0.0,
        "avg_effectiveness": score,
        "usage_frequency": total / query.days_back,
    }


def _own_tenant(call: Call, tenant_id: str | None) -> None:
    if tenant_id not in (None, call.tenant.id):
        raise not_found("tenant", str(tenant_id))
