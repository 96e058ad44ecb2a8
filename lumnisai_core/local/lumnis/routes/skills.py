"""Skills and what became of them in runs. A request that names a user sees the tenant's skills and that user's."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from lumnisai_core.local.lumnis.app import Call, Reply
from lumnisai_core.local.lumnis.replies import dumps, row
from lumnisai_core.local.lumnis.shapes.skills import (
    Analytics,
    CreateSkill,
    CreateUsage,
    ListSkills,
    ListUsages,
    PutSkill,
    PutUsage,
)
from lumnisai_core.local.lumnis.store import SkillRow, UsageRow
from lumnisai_core.local.web.errors import not_found
from lumnisai_core.local.web.ids import ago, new_id, now
from lumnisai_core.local.web.shapes import Named


async def create(call: Call) -> Reply:
    """Make a skill, of the user if one is named."""
    body = await call.body(CreateSkill)
    user_id = call.user(call.query(Named).user_id)

    def make() -> str:
        moment = now()
        skill = SkillRow(
            id=new_id(),
            **body.model_dump(),
            tenant_id=call.tenant.id,
            user_id=user_id,
            is_active=True,
            created_at=moment,
            updated_at=moment,
        )
        call.store.skills.add(skill)
        return dumps(row(skill))

    return call.once(make)


async def list_(call: Call) -> Reply:
    """Show a page of skills, newest first."""
    query = call.query(ListSkills)
    wanted: dict[str, Any] = {
        "tenant_id": call.tenant.id,
        "visible_to": call.user(query.user_id),
        "category": query.category,
        "is_active": query.is_active,
    }
    rows = call.store.skills.all(limit=query.page_size, offset=query.offset, **wanted)
    return _page("skills", rows, call.store.skills.count(**wanted), query)


async def get(call: Call) -> Reply:
    """Show one skill."""
    return Reply(200, dumps(row(_find(call))))


async def update(call: Call) -> Reply:
    """Change the given parts of a skill."""
    body = await call.body(PutSkill)
    skill = _find(call)
    call.store.skills.change({"id": skill.id}, **body.model_dump(exclude_unset=True), updated_at=now())
    return Reply(200, dumps(row(_find(call))))


async def delete(call: Call) -> Reply:
    """Delete a skill; what became of it in runs stays."""
    call.store.skills.remove(id=_find(call).id)
    return Reply(204)


async def create_usage(call: Call) -> Reply:
    """Note that a run had a skill at hand."""
    body = await call.body(CreateUsage)
    _own_tenant(call, None if body.tenant_id is None else str(body.tenant_id))
    user_id = call.user(body.user_id)
    if call.store.run(call.tenant.id, body.response_id, user_id) is None:
        raise not_found("response", body.response_id)
    if call.store.skills.one(id=body.skill_id, tenant_id=call.tenant.id, visible_to=user_id) is None:
        raise not_found("skill", body.skill_id)

    def make() -> str:
        moment = now()
        usage = UsageRow(
            id=new_id(),
            response_id=body.response_id,
            skill_id=body.skill_id,
            skill_name=body.skill_name,
            tenant_id=call.tenant.id,
            user_id=user_id,
            relevance_score=body.relevance_score,
            **PutUsage().model_dump(),
            created_at=moment,
            updated_at=moment,
        )
        call.store.usages.add(usage)
        return dumps(row(usage))

    return call.once(make)


async def list_usages(call: Call) -> Reply:
    """Show a page of usages, newest first."""
    query = call.query(ListUsages)
    wanted: dict[str, Any] = {
        "tenant_id": call.tenant.id,
        "user_id": call.user(query.user_id),
        "skill_id": query.skill_id,
        "response_id": query.response_id,
    }
    rows = call.store.usages.all(limit=query.page_size, offset=query.offset, **wanted)
    return _page("usages", rows, call.store.usages.count(**wanted), query)


async def update_usage(call: Call) -> Reply:
    """Note what became of a skill in a run."""
    body = await call.body(PutUsage)
    usage = _usage(call)
    call.store.usages.change({"id": usage.id}, **body.model_dump(exclude_unset=True), updated_at=now())
    return Reply(200, dumps(row(_usage(call))))


async def analytics(call: Call) -> Reply:
    """Count how often skills were at hand, chosen and of use."""
    query = call.query(Analytics)
    _own_tenant(call, query.tenant_id)
    since = ago(timedelta(days=query.days_back))
    usages = call.store.usages.all(
        tenant_id=call.tenant.id, user_id=call.user(query.user_id), skill_id=query.skill_id, since=since
    )
    selected = sum(usage.planner_selected is True for usage in usages)
    successes = sum(usage.execution_outcome == "success" for usage in usages)
    scores = [usage.effectiveness_score for usage in usages if usage.effectiveness_score is not None]
    reply = {
        "skill_id": query.skill_id,
        "total_retrievals": len(usages),
        "total_selections": selected,
        "successful_executions": successes,
        "selection_rate": selected / len(usages) if usages else 0.0,
        "success_rate": successes / selected if selected else 0.0,
        "avg_effectiveness": sum(scores) / len(scores) if scores else 0.0,
        "usage_frequency": len(usages) / query.days_back,
    }
    return Reply(200, dumps(reply))


def _find(call: Call) -> SkillRow:
    skill_id, user_id = call.path["skill_id"], call.user(call.query(Named).user_id)
    skill = call.store.skills.one(id=skill_id, tenant_id=call.tenant.id, visible_to=user_id)
    if skill is None:
        raise not_found("skill", skill_id)
    return skill


def _usage(call: Call) -> UsageRow:
    usage = call.store.usages.one(id=call.path["usage_id"], tenant_id=call.tenant.id)
    if usage is None:
        raise not_found("usage", call.path["usage_id"])
    return usage


def _own_tenant(call: Call, tenant_id: str | None) -> None:
    if tenant_id not in (None, call.tenant.id):
        raise not_found("tenant", str(tenant_id))


def _page(name: str, rows: list[SkillRow] | list[UsageRow], total: int, query: ListSkills | ListUsages) -> Reply:
    items = [row(item) for item in rows]
    return Reply(200, dumps({name: items, "total": total, "page": query.page, "page_size": query.page_size}))
