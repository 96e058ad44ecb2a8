# Generated from tests/core/_async/test_requests_tools.py by `make sync`; edit that file.
"""MCP servers, skills and people: what each call sends and reads."""

from __future__ import annotations

from typing import Any

import pytest

from lumnisai_core import Client, MCPTransport, PeopleDataSource, SkillOutcome
from lumnisai_core.exceptions import ValidationError
from tests.core._sync.rows import READER, Row, check_request, check_sparse_answer, table
from tests.servers import Canned, canned_server

ID = "a94d2e70-15c3-4b8f-b6d1-7e0f5c3a9d28"
TIME = "2026-03-02T09:15:00.104233+00:00"
SERVER = {
    "id": ID,
    "tenant_id": "t",
    "user_id": None,
    "scope": "tenant",
    "name": "tables",
    "description": None,
    "transport": "stdio",
    "command": "python",
    "args": None,
    "url": None,
    "is_active": True,
    "created_at": TIME,
    "updated_at": TIME,
}
REACHED = {"success": True, "message": "Reached.", "tool_count": 2, "error_details": None}
REMOTE = {"transport": "sse", "url": "https://mcp.example", "headers": {"X-Key": "header-secret"}}

SERVERS = [
    Row(
        lambda client: client.create_mcp_server(
            name="tables", transport="stdio", scope="tenant", command="python", args=["-m", "t"], env={"K": "secret"}
        ),
        "POST /v1/mcp-servers",
        body={
            "name": "tables",
            "transport": "stdio",
            "scope": "tenant",
            "command": "python",
            "args": ["-m", "t"],
            "env": {"K": "secret"},
        },
        full=SERVER,
        sparse={"id": ID, "transport": "pigeon", "scope": None},
        read={"it.transport": MCPTransport.STDIO, "it.args": [], "it.command": "python"},
    ),
    Row(
        lambda client: client.mcp_servers.create(
            name="far",
            transport=MCPTransport.SSE,
            url="https://mcp.example",
            headers={"X-Key": "header-secret"},
            description="Far away",
        ),
        "POST /v1/mcp-servers",
        body={"name": "far", "scope": "user", "user_identifier": READER, "description": "Far away", **REMOTE},
        full=SERVER,
        sparse={"id": ID},
    ),
    Row(
        lambda client: client.get_mcp_server(ID),
        f"GET /v1/mcp-servers/{ID}",
        full=SERVER,
        sparse={"id": ID, "is_active": None},
        read={"it.name": "tables"},
    ),
    Row(
        lambda client: client.list_mcp_servers(),
        "GET /v1/mcp-servers",
        query={"user_identifier": READER, "skip": "0", "limit": "100"},
        full={"servers": [SERVER], "total": 1, "skip": 0, "limit": 100},
        sparse={"servers": [5, {"id": ID}]},
        read={"[server.name for server in it.servers]": ["tables"], "it.total": 1},
    ),
    Row(
        lambda client: client.list_mcp_servers(scope="tenant", is_active=False, skip=5, limit=10),
        "GET /v1/mcp-servers",
        query={"scope": "tenant", "is_active": "false", "skip": "5", "limit": "10"},
        full={"servers": []},
        sparse={},
    ),
    Row(
        lambda client: client.update_mcp_server(ID, headers={"X-Key": "new"}, is_active=False),
        f"PATCH /v1/mcp-servers/{ID}",
        body={"headers": {"X-Key": "new"}, "is_active": False},
        full=SERVER,
        sparse={"id": ID},
    ),
    Row(lambda client: client.delete_mcp_server(ID), f"DELETE /v1/mcp-servers/{ID}", full=None, read={"it": None}),
    Row(
        lambda client: client.list_mcp_server_tools(ID),
        f"GET /v1/mcp-servers/{ID}/tools",
        full={"server_id": ID, "server_name": "tables", "tools": [{"name": "sum", "input_schema": None}], "total": 1},
        sparse={"tools": None},
        read={"it.tools[0].name": "sum"},
    ),
    Row(
        lambda client: client.test_mcp_server(ID),
        f"POST /v1/mcp-servers/{ID}/test",
        full=REACHED,
        sparse={"success": None},
        read={"(it.success, it.tool_count)": (True, 2)},
    ),
    Row(
        lambda client: client.mcp_servers.test_config(
            transport="sse", url="https://mcp.example", headers={"X-Key": "header-secret"}
        ),
        "POST /v1/mcp-servers/test",
        body=REMOTE,
        full={"success": False, "message": "No.", "error_details": "Refused."},
        sparse={},
        read={"it.error_details": "Refused."},
    ),
]

WRITTEN = {"name": "Tides", "description": "For tide questions", "content": "Use metres."}
SKILL = {"id": ID, **WRITTEN, "category": None, "version": "1.0.0", "tenant_id": "t", "is_active": True}
USAGE = {"id": "u-1", "response_id": "r", "skill_id": ID, "skill_name": "Tides", "execution_outcome": "success"}
ANALYTICS = {"total_retrievals": 4, "total_selections": 2, "selection_rate": 0.5, "avg_effectiveness": None}

SKILLS = [
    Row(
        lambda client: client.create_skill(name="Tides", description="For tide questions", content="Use metres."),
        "POST /v1/skills",
        query={"user_id": READER},
        body={**WRITTEN, "version": "1.0.0"},
        full=SKILL,
        sparse={"id": ID, "version": None},
        read={"(it.id, it.name, it.version)": (ID, "Tides", "1.0.0")},
    ),
    Row(
        lambda client: client.create_skill(**WRITTEN, category="sea", version="2", scope="tenant"),
        "POST /v1/skills",
        body={**WRITTEN, "category": "sea", "version": "2"},
        full=SKILL,
        sparse={"id": ID},
    ),
    Row(lambda client: client.get_skill(ID), f"GET /v1/skills/{ID}", full=SKILL, sparse={"id": ID}),
    Row(
        lambda client: client.list_skills(category="sea", page=2),
        "GET /v1/skills",
        query={"category": "sea", "is_active": "true", "page": "2", "page_size": "50"},
        full={"skills": [SKILL], "total": 51, "page": 2, "page_size": 50},
        sparse={"skills": None},
        read={"[skill.name for skill in it.skills]": ["Tides"], "it.total": 51},
    ),
    Row(
        lambda client: client.skills.list(is_active=None, page_size=1),
        "GET /v1/skills",
        query={"page": "1", "page_size": "1"},
        full={"skills": []},
        sparse={},
    ),
    Row(
        lambda client: client.update_skill(ID, content="Use feet.", is_active=False),
        f"PUT /v1/skills/{ID}",
        body={"content": "Use feet.", "is_active": False},
        full=SKILL,
        sparse={"id": ID},
    ),
    Row(lambda client: client.delete_skill(ID), f"DELETE /v1/skills/{ID}", full=None, read={"it": None}),
    Row(
        lambda client: client.skills.create_usage(
            response_id="r", skill_id=ID, skill_name="Tides", tenant_id="t", relevance_score=0.5
        ),
        "POST /v1/skills/usage",
        body={
            "response_id": "r",
            "skill_id": ID,
            "skill_name": "Tides",
            "tenant_id": "t",
            "user_id": READER,
            "relevance_score": 0.5,
        },
        full=USAGE,
        sparse={},
        read={"it.execution_outcome": SkillOutcome.SUCCESS},
    ),
    Row(
        lambda client: client.skills.list_usage(skill_id=ID, response_id="r"),
        "GET /v1/skills/usage",
        query={"skill_id": ID, "response_id": "r", "page": "1", "page_size": "50"},
        full={"usages": [USAGE], "total": 1, "page": 1, "page_size": 50},
        sparse={"usages": [5]},
        read={"it.usages[0].skill_name": "Tides"},
    ),
    Row(
        lambda client: client.skills.update_usage("u-1", planner_selected=True, execution_outcome="partial"),
        "PUT /v1/skills/usage/u-1",
        body={"planner_selected": True, "execution_outcome": "partial"},
        full=USAGE,
        sparse={"execution_outcome": "unheard of"},
    ),
    Row(
        lambda client: client.skills.get_analytics(skill_id=ID, days_back=7),
        "GET /v1/skills/analytics",
        query={"skill_id": ID, "days_back": "7"},
        full=ANALYTICS,
        sparse={},
        read={"it.selection_rate": 0.5},
    ),
]

PERSON = {
    "id": "p",
    "name": "Ada",
    "emails": ["ada@example.org"],
    "skills": [],
    "is_decision_maker": True,
    "recently_changed_jobs": False,
    "source": "PDL",
    "salary_range": {"min": 1, "max": 3, "median": 2, "currency": "EUR", "period": "month"},
    "confidence_score": 0.9,
}
PEOPLE = [
    Row(
        lambda client: client.people.quick_search("engineers in Lisbon"),
        "POST /v1/people/quick-search",
        body={"query": "engineers in Lisbon", "limit": 20},
        full={
            "candidates": [PERSON],
            "total_found": 1,
            "applied_filters": {"cities": {"values": ["Lisbon"], "logic": "or"}},
            "execution_time_ms": 12,
            "data_sources_used": ["PDL", "NEW"],
        },
        sparse={"candidates": [{"name": "without an id"}, {"id": "p", "salary_range": 5}]},
        read={
            "it.candidates[0].salary_range.median": 2,
            "it.data_sources_used": [PeopleDataSource.PDL, "NEW"],
            "it.applied_filters['cities']['values']": ["Lisbon"],
        },
    ),
    Row(
        lambda client: client.people.quick_search("x", limit=100, data_sources=["pdl", PeopleDataSource.CRUST_DATA]),
        "POST /v1/people/quick-search",
        body={"query": "x", "limit": 100, "data_sources": ["PDL", "CRUST_DATA"]},
        full={"candidates": []},
        sparse={},
    ),
    Row(
        lambda client: client.people.preview_posts(["https://a.example/1", "https://a.example/2"]),
        "POST /v1/people/posts/preview",
        body={"post_urls": ["https://a.example/1", "https://a.example/2"]},
        full={
            "posts": [
                {"url": "https://a.example/1", "status": "success", "total_reactions": 3},
                {"url": "https://a.example/2", "status": "error", "error": "It is private."},
            ]
        },
        sparse={"posts": [{"status": "success"}]},
        read={"[post.error for post in it.posts]": [None, "It is private."]},
    ),
]


@table([*SERVERS, *SKILLS, *PEOPLE])
def test_requests_are_as_documented(row: Row) -> None:
    """Method, path, query and body arrive as documented, and the documented answer is read."""
    check_request(row)


@table([*SERVERS, *SKILLS, *PEOPLE])
def test_sparse_and_odd_answers_are_read(row: Row) -> None:
    """Missing, null, new and invalid fields do not fail the call."""
    check_sparse_answer(row)


@pytest.mark.parametrize("name", ["create", "update", "test_config"])
def test_secrets_of_mcp_servers_never_show(name: str) -> None:
    """A service that quotes variables and headers in its refusal does not bring them into the error."""
    settings: dict[str, Any] = {
        "url": "https://mcp.example",
        "headers": {"X-Key": "header-secret"},
        "env": {"K": "env-secret"},
    }
    arguments: dict[str, tuple[list[str], dict[str, Any]]] = {
        "create": ([], {"name": "n", "transport": "sse", "scope": "tenant", **settings}),
        "update": ([ID], settings),
        "test_config": ([], {"transport": "sse", **settings}),
    }
    positional, options = arguments[name]
    detail = {"error": {"code": "NO", "message": "header-secret and env-secret are wrong", "details": settings}}
    with canned_server([Canned(400, detail)]) as server:
        with Client("lmn_test_key", base_url=server.base_url) as client:
            with pytest.raises(ValidationError) as caught:
                getattr(client.mcp_servers, name)(*positional, **options)
    shown = f"{caught.value} {caught.value!r} {caught.value.__dict__}"
    assert "are wrong" in shown
    assert "header-secret" not in shown
    assert "env-secret" not in shown


def test_the_service_says_which_people_sources_there_are() -> None:
    """The refusal's code and text are kept."""
    detail = {"detail": {"error": {"code": "SOURCES_NOT_AVAILABLE", "message": "Not available. Try [PDL]"}}}
    with canned_server([Canned(400, detail)]) as server:
        with Client("lmn_test_key", base_url=server.base_url) as client:
            with pytest.raises(ValidationError, match=r"Try \[PDL\]") as caught:
                client.people.quick_search("x", data_sources=["CORESIGNAL"])
    assert caught.value.code == "SOURCES_NOT_AVAILABLE"
