"""Skills and their usage in runs. A request that names a user sees the tenant's skills and that user's."""

from __future__ import annotations

from datetime import timedelta

from lumnisai_core.local.lumnis.service import Call
from lumnisai_core.local.lumnis.shapes import skills as shapes
from lumnisai_core.local.web.errors import found, not_found
from lumnisai_core.local.web.ids import ago, new_id, now
from lumnisai_core.local.web.routes import Once, RouteTable
from lumnisai_core.local.web.shapes import Named

route = RouteTable()


@route("POST /v1/skills")
async def create(call: Call, query: Named, body: shapes.CreateSkill) -> Once[shapes.Skill]:
    """Make a skill, of the user if one is named."""
    moment = now()
    skill = shapes.Skill(
        id=new_id(),
        **body.model_dump(),
        tenant_id=call.tenant.id,
        user_id=call.user(query.user_id),
        is_active=True,
        created_at=moment,
        updated_at=moment,
    )
    return call.once(lambda: call.store.skills.add(skill))


@route("GET /v1/skills")
async def list_(call: Call, query: shapes.ListSkills) -> shapes.Skills:
    """Show a page of skills, newest first."""
    skills, total = call.store.skills.page(
        query.page_size,
        query.offset,
        tenant_id=call.tenant.id,
        visible_to=call.user(query.user_id),
        category=query.category,
        is_active=query.is_active,
    )
    return {"skills": skills, "total": total, "page": query.page, "page_size": query.page_size}


@route("GET /v1/skills/{skill_id}")
async def get(call: Call, query: Named) -> shapes.Skill:
    """Show one skill."""
    return _find(call, query)


@route("PUT /v1/skills/{skill_id}")
async def update(call: Call, query: Named, body: shapes.PutSkill) -> shapes.Skill:
    """Change parts of a skill."""
    skill = _find(call, query)
    call.store.skills.change({"id": skill.id}, **body.model_dump(exclude_unset=True), updated_at=now())
    return _find(call, query)


@route("DELETE /v1/skills/{skill_id}")
async def delete(call: Call, query: Named) -> None:
    """Delete a skill; records of its usage stay."""
    call.store.skills.remove(id=_find(call, query).id)


@route("POST /v1/skills/usage", refused=(404,))
async def create_usage(call: Call, body: shapes.CreateUsage) -> Once[shapes.Usage]:
    """Record that a skill was available to a run."""
    _own_tenant(call, None if body.tenant_id is None else str(body.tenant_id))
    user_id = call.user(body.user_id)
    run = call.store.runs.one(tenant_id=call.tenant.id, response_id=body.response_id, user_id=user_id)
    found(run, "response", body.response_id)
    skill = call.store.skills.one(id=body.skill_id, tenant_id=call.tenant.id, visible_to=user_id)
    found(skill, "skill", body.skill_id)
    moment = now()
    usage = shapes.Usage(
        id=new_id(),
        response_id=body.response_id,
        skill_id=body.skill_id,
        skill_name=body.skill_name,
        tenant_id=call.tenant.id,
        user_id=user_id,
        relevance_score=body.relevance_score,
        **shapes.PutUsage().model_dump(),
        created_at=moment,
        updated_at=moment,
    )
    return call.once(lambda: call.store.usages.add(usage))


@route("GET /v1/skills/usage")
async def list_usages(call: Call, query: shapes.ListUsages) -> shapes.Usages:
    """Show a page of usages, newest first."""
    usages, total = call.store.usages.page(
        query.page_size,
        query.offset,
        tenant_id=call.tenant.id,
        user_id=call.user(query.user_id),
        skill_id=query.skill_id,
        response_id=query.response_id,
    )
    return {"usages": usages, "total": total, "page": query.page, "page_size": query.page_size}


@route("PUT /v1/skills/usage/{usage_id}")
async def update_usage(call: Call, body: shapes.PutUsage) -> shapes.Usage:
    """Record how a skill was used in a run."""
    usage = _usage(call)
    call.store.usages.change({"id": usage.id}, **body.model_dump(exclude_unset=True), updated_at=now())
    return _usage(call)


@route("GET /v1/skills/analytics", refused=(404,))
async def analytics(call: Call, query: shapes.Analytics) -> shapes.SkillAnalytics:
    """Count how often skills were available, chosen and successful."""
    _own_tenant(call, query.tenant_id)
    since = ago(timedelta(days=query.days_back))
    usages = call.store.usages.all(
        tenant_id=call.tenant.id, user_id=call.user(query.user_id), skill_id=query.skill_id, since=since
    )
    selected = sum(usage.planner_selected is True for usage in usages)
    successes = sum(usage.execution_outcome == "success" for usage in usages)
    scores = [usage.effectiveness_score for usage in usages if usage.effectiveness_score is not None]
    return {
        "skill_id": query.skill_id,
        "total_retrievals": len(usages),
        "total_selections": selected,
        "successful_executions": successes,
        "selection_rate": selected / len(usages) if usages else 0.0,
        "success_rate": successes / selected if selected else 0.0,
        "avg_effectiveness": sum(scores) / len(scores) if scores else 0.0,
        "usage_frequency": len(usages) / query.days_back,
    }


def _find(call: Call, query: Named) -> shapes.Skill:
    skill_id, user_id = call.path["skill_id"], call.user(query.user_id)
    return found(call.store.skills.one(id=skill_id, tenant_id=call.tenant.id, visible_to=user_id), "skill", skill_id)


def _usage(call: Call) -> shapes.Usage:
    usage_id = call.path["usage_id"]
    return found(call.store.usages.one(id=usage_id, tenant_id=call.tenant.id), "usage", usage_id)


def _own_tenant(call: Call, tenant_id: str | None) -> None:
    if tenant_id not in (None, call.tenant.id):
        raise not_found("tenant", str(tenant_id))
