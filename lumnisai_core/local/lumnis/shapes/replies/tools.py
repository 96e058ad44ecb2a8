"""Shapes of replies: MCP servers, skills and people."""

from __future__ import annotations

from datetime import datetime
from typing import (
    Any,
    Literal,  # pydantic asks for this one before Python 3.12
)
from uuid import UUID

from typing_extensions import TypedDict


class Server(TypedDict):
    """An MCP server."""

    id: UUID
    tenant_id: UUID
    user_id: UUID | None
    scope: Literal["tenant", "user"]
    name: str
    description: str | None
    transport: Literal["stdio", "streamable_http", "sse"]
    command: str | None
    args: list[str] | None
    url: str | None
    is_active: bool
    created_at: datetime
    updated_at: datetime


class Servers(TypedDict):
    """A page of MCP servers."""

    servers: list[Server]
    total: int
    skip: int
    limit: int


class ServerTools(TypedDict):
    """The tools of an MCP server."""

    server_id: UUID
    server_name: str
    tools: list[dict[str, Any]]
    total: int


class ServerTested(TypedDict):
    """What a test of an MCP server has shown."""

    success: bool
    message: str
    tool_count: int | None
    error_details: str | None


class Skill(TypedDict):
    """A skill."""

    id: UUID
    name: str
    description: str
    content: str
    category: str | None
    version: str
    tenant_id: UUID
    user_id: UUID | None
    is_active: bool
    created_at: datetime
    updated_at: datetime


class Skills(TypedDict):
    """A page of skills."""

    skills: list[Skill]
    total: int
    page: int
    page_size: int


class Usage(TypedDict):
    """That a run had a skill at hand, and what became of it."""

    id: UUID
    response_id: UUID
    skill_id: UUID
    skill_name: str
    tenant_id: UUID
    user_id: UUID | None
    relevance_score: float | None
    planner_selected: bool | None
    usage_reasoning: str | None
    priority: int | None
    execution_outcome: Literal["success", "partial", "failed", "cancelled", "not_executed"] | None
    effectiveness_score: float | None
    feedback_notes: str | None
    created_at: datetime
    updated_at: datetime


class Usages(TypedDict):
    """A page of usages."""

    usages: list[Usage]
    total: int
    page: int
    page_size: int


class SkillAnalytics(TypedDict):
    """How often skills were at hand, chosen and of use."""

    skill_id: str | None
    total_retrievals: int
    total_selections: int
    successful_executions: int
    selection_rate: float
    success_rate: float
    avg_effectiveness: float
    usage_frequency: float


class Post(TypedDict):
    """A post that could not be read."""

    url: str
    status: Literal["success", "error"]
    error: str


class Posts(TypedDict):
    """Posts in the order they were asked for."""

    posts: list[Post]
