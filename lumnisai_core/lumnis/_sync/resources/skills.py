# Generated from lumnisai_core/lumnis/_async/resources/skills.py by `make sync`; edit that file.
"""Skills that agents can follow: ``/v1/skills``."""

from __future__ import annotations

from collections.abc import Iterator
from uuid import UUID

from lumnisai_core._transport._sync.resource import Resource
from lumnisai_core._transport.answer import model, nothing
from lumnisai_core._transport.call import Call
from lumnisai_core._transport.checks import (
    changes,
    not_none,
    numbered_page_query,
    optional_member,
    optional_text,
    path,
    text,
    whole_number_between,
)
from lumnisai_core.exceptions import ValidationError
from lumnisai_core.lumnis.config import Settings, user_id_from, user_of_call
from lumnisai_core.lumnis.models.requests import Scope
from lumnisai_core.lumnis.models.skills import (
    SkillAnalytics,
    SkillList,
    SkillObject,
    SkillOutcome,
    SkillUsage,
    SkillUsageList,
)

_ROUTE = "/v1/skills"
_ONE = "/v1/skills/{}"
_USAGE = "/v1/skills/usage"
_LONGEST_NAME = 1000
_LONGEST_CATEGORY = 100
_LONGEST_VERSION = 20
_MOST_DAYS = 3650


class Skills(Resource[Settings]):
    """Create, read and change skills, and record how they are used. Available as ``client.skills``."""

    def create(
        self,
        *,
        name: str,
        description: str,
        content: str,
        category: str | None = None,
        version: str = "1.0.0",
        user_id: str | UUID | None = None,
        scope: Scope | str | None = None,
    ) -> SkillObject:
        """Create a skill (POST /v1/skills).

        Args:
            name: Name, up to 1000 characters.
            description: When to use the skill.
            content: The guidance itself.
            category: Category, up to 100 characters.
            version: Version, up to 20 characters.
            user_id: Owner of the skill. Required in user scope.
            scope: ``user`` or ``tenant`` instead of the client's scope.

        Raises:
            ValidationError: A string is empty or too long.
            MissingUserId: User scope without a user.
        """
        query = {"user_id": user_of_call(self._settings, user_id=user_id, scope=scope)}
        body = not_none(
            name=text("name", name, longest=_LONGEST_NAME),
            description=text("description", description),
            content=text("content", content),
            category=optional_text("category", category, longest=_LONGEST_CATEGORY),
            version=text("version", version, longest=_LONGEST_VERSION),
        )
        return self._send(Call("POST", _ROUTE, model(SkillObject), query=query, body=body))

    def get(self, skill_id: str | UUID) -> SkillObject:
        """Return a skill (GET /v1/skills/{id}).

        Raises:
            NotFoundError: The skill does not exist.
        """
        return self._get(SkillObject, path(_ONE, skill_id))

    def list(
        self, *, category: str | None = None, is_active: bool | None = True, page: int = 1, page_size: int = 50
    ) -> SkillList:
        """List skills (GET /v1/skills).

        Args:
            category: Only skills of this category.
            is_active: True (default) for only active skills, False for only inactive ones, None for all.
            page: Number of the page, from 1.
            page_size: Skills on the page, 1 to 100.
        """
        pages = numbered_page_query(page=page, page_size=page_size)
        return self._get(SkillList, _ROUTE, category=category, is_active=is_active, **pages)

    def iter(
        self, *, category: str | None = None, is_active: bool | None = True, page_size: int = 50
    ) -> Iterator[SkillObject]:
        """Iterate over all skills, with the filters of :meth:`list`.

        Args:
            category: Only skills of this category.
            is_active: True (default) for only active skills, False for only inactive ones, None for all.
            page_size: Skills to fetch at a time, 1 to 100.
        """
        return self._iterate(
            lambda place: self.list(category=category, is_active=is_active, page=place.position, page_size=place.size),
            page_size,
            numbered=True,
        )

    def update(
        self,
        skill_id: str | UUID,
        *,
        name: str | None = None,
        description: str | None = None,
        content: str | None = None,
        category: str | None = None,
        version: str | None = None,
        is_active: bool | None = None,
    ) -> SkillObject:
        """Change a skill; arguments that are left out stay unchanged (PUT /v1/skills/{id}).

        Args:
            skill_id: Id of the skill.
            name: New name, up to 1000 characters.
            description: When to use the skill.
            content: The guidance itself.
            category: New category, up to 100 characters.
            version: New version, up to 20 characters.
            is_active: Whether agents can use the skill.

        Raises:
            ValidationError: There is nothing to change, or a string is empty or too long.
            NotFoundError: The skill does not exist.
        """
        body = changes(
            "skill",
            name=optional_text("name", name, longest=_LONGEST_NAME),
            description=optional_text("description", description),
            content=optional_text("content", content),
            category=optional_text("category", category, longest=_LONGEST_CATEGORY),
            version=optional_text("version", version, longest=_LONGEST_VERSION),
            is_active=is_active,
        )
        return self._send(Call("PUT", path(_ONE, skill_id), model(SkillObject), body=body))

    def delete(self, skill_id: str | UUID) -> None:
        """Delete a skill (DELETE /v1/skills/{id}).

        Raises:
            NotFoundError: The skill does not exist.
        """
        self._send(Call("DELETE", path(_ONE, skill_id), nothing))

    def create_usage(
        self,
        *,
        response_id: str | UUID,
        skill_id: str | UUID,
        skill_name: str,
        tenant_id: str | UUID | None = None,
        user_id: str | UUID | None = None,
        relevance_score: float | None = None,
    ) -> SkillUsage:
        """Record that a run used a skill (POST /v1/skills/usage).

        Args:
            response_id: Id of the run.
            skill_id: Id of the skill.
            skill_name: Name of the skill.
            tenant_id: Id of the tenant, as ``client.tenant.get()`` returns it. Required unless the client has one.
            user_id: User of the run. Default: the client's user, if it has one.
            relevance_score: Relevance of the skill for the run.

        Raises:
            ValidationError: The tenant or a string is missing.
        """
        tenant = tenant_id or self._settings.tenant_id
        if tenant is None:
            raise ValidationError("tenant_id is missing: pass client.tenant.get().tenant_id.")
        body = not_none(
            response_id=text("response_id", str(response_id)),
            skill_id=text("skill_id", str(skill_id)),
            skill_name=text("skill_name", skill_name),
            tenant_id=str(tenant),
            user_id=user_id_from(user_id) or self._settings.user_id,
            relevance_score=relevance_score,
        )
        return self._send(Call("POST", _USAGE, model(SkillUsage), body=body))

    def list_usage(
        self,
        *,
        skill_id: str | UUID | None = None,
        response_id: str | UUID | None = None,
        page: int = 1,
        page_size: int = 50,
    ) -> SkillUsageList:
        """List recorded uses of skills (GET /v1/skills/usage).

        Args:
            skill_id: Only uses of this skill.
            response_id: Only uses in this run.
            page: Number of the page, from 1.
            page_size: Uses on the page, 1 to 100.
        """
        pages = numbered_page_query(page=page, page_size=page_size)
        return self._get(SkillUsageList, _USAGE, skill_id=skill_id, response_id=response_id, **pages)

    def iter_usage(
        self, *, skill_id: str | UUID | None = None, response_id: str | UUID | None = None, page_size: int = 50
    ) -> Iterator[SkillUsage]:
        """Iterate over all recorded uses of skills, with the filters of :meth:`list_usage`.

        Args:
            skill_id: Only uses of this skill.
            response_id: Only uses in this run.
            page_size: Uses to fetch at a time, 1 to 100.
        """
        return self._iterate(
            lambda place: self.list_usage(
                skill_id=skill_id, response_id=response_id, page=place.position, page_size=place.size
            ),
            page_size,
            numbered=True,
        )

    def update_usage(
        self,
        usage_id: str | UUID,
        *,
        planner_selected: bool | None = None,
        usage_reasoning: str | None = None,
        priority: int | None = None,
        execution_outcome: SkillOutcome | str | None = None,
        effectiveness_score: float | None = None,
        feedback_notes: str | None = None,
    ) -> SkillUsage:
        """Add to the record of a use (PUT /v1/skills/usage/{id}).

        Args:
            usage_id: Id of the use.
            planner_selected: Whether the planner selected the skill.
            usage_reasoning: Reason for the selection.
            priority: Rank among the selected skills.
            execution_outcome: ``success``, ``partial``, ``failed``, ``cancelled`` or ``not_executed``.
            effectiveness_score: How much the skill helped.
            feedback_notes: Further notes.

        Raises:
            ValidationError: There is nothing to change, or the outcome is unknown.
            NotFoundError: The use does not exist.
        """
        outcome = optional_member(SkillOutcome, "execution_outcome", execution_outcome)
        body = changes(
            "use of a skill",
            planner_selected=planner_selected,
            usage_reasoning=usage_reasoning,
            priority=priority,
            execution_outcome=None if outcome is None else str(outcome),
            effectiveness_score=effectiveness_score,
            feedback_notes=feedback_notes,
        )
        return self._send(Call("PUT", path(_USAGE + "/{}", usage_id), model(SkillUsage), body=body))

    def get_analytics(
        self, *, skill_id: str | UUID | None = None, tenant_id: str | UUID | None = None, days_back: int | None = None
    ) -> SkillAnalytics:
        """Return how often skills were retrieved, selected and successful (GET /v1/skills/analytics).

        Args:
            skill_id: Only this skill.
            tenant_id: Only this tenant. Default: the client's tenant, if it has one.
            days_back: Number of days to look back, 1 to 3650. Default: the service's choice.
        """
        days = None if days_back is None else whole_number_between("days_back", days_back, 1, _MOST_DAYS)
        tenant = tenant_id or self._settings.tenant_id
        return self._get(SkillAnalytics, _ROUTE + "/analytics", skill_id=skill_id, tenant_id=tenant, days_back=days)
