"""Skills, their usage in runs, and MCP servers."""

from __future__ import annotations

from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest

from tests.local.conftest import Serve
from tests.local.support import Api, EchoEngine, other_tenant

SKILL = {"name": "Tides", "description": "Reads tide tables.", "content": "Look at the table.", "category": "sea"}
STDIO = {"name": "files", "transport": "stdio", "scope": "tenant", "command": "serve-files", "args": ["-v"]}
HTTP = {"name": "web", "transport": "streamable_http", "scope": "tenant", "url": "https://example.org/mcp"}
SECRET = "token-very-secret-0123456789"
SERVER_FIELDS = {
    *("id", "tenant_id", "user_id", "scope", "name", "description", "transport", "command", "args", "url"),
    *("is_active", "created_at", "updated_at"),
}


def _usage(api: Api, skill: dict[str, Any], **fields: Any) -> dict[str, Any]:
    run = api.finish()
    body = {"response_id": run["response_id"], "skill_id": skill["id"], "skill_name": skill["name"], **fields}
    made: dict[str, Any] = api.ok("POST", "/v1/skills/usage", json=body)
    return made


def test_a_skill_is_made_changed_and_deleted(api: Api) -> None:
    """The version begins at 1.0.0; PUT changes what it names; a deleted skill is gone."""
    reply = api.post("/v1/skills", json=SKILL)
    skill = reply.json()
    assert (reply.status_code, skill["version"], skill["is_active"], skill["user_id"]) == (201, "1.0.0", True, None)
    path = f"/v1/skills/{skill['id']}"
    assert api.ok("GET", path) == skill
    changed = api.ok("PUT", path, json={"is_active": False, "category": None})
    assert (changed["is_active"], changed["category"], changed["content"]) == (False, None, SKILL["content"])
    assert api.ok("DELETE", path) is None
    assert api.refused(404, "GET", path) == "NOT_FOUND"


def test_skills_are_listed_and_filtered(api: Api) -> None:
    """Newest first, by category and activity; for a user the tenant's and their own."""
    api.ok("POST", "/v1/skills", json=SKILL)
    moon = api.ok("POST", "/v1/skills", json={**SKILL, "name": "Moon", "category": "sky"})
    mine = api.ok("POST", "/v1/skills", json={**SKILL, "name": "Mine"}, params={"user_id": "ada"})
    api.ok("PUT", f"/v1/skills/{moon['id']}", json={"is_active": False})

    def names(**query: Any) -> list[str]:
        return [skill["name"] for skill in api.ok("GET", "/v1/skills", params=query)["skills"]]

    assert names() == names(user_id="ada") == ["Mine", "Moon", "Tides"]
    assert names(user_id="bob") == ["Moon", "Tides"]
    assert names(category="sky") == names(is_active="false") == ["Moon"]
    page = api.ok("GET", "/v1/skills", params={"page": 2, "page_size": 2})
    assert (page["total"], page["page"], page["page_size"], len(page["skills"])) == (3, 2, 2, 1)
    for method in ("GET", "DELETE"):
        assert api.refused(404, method, f"/v1/skills/{mine['id']}", params={"user_id": "bob"}) == "NOT_FOUND"


def test_usages_are_noted_and_counted(api: Api) -> None:
    """The usage of a skill is recorded step by step; the analytics count it."""
    skill = api.ok("POST", "/v1/skills", json=SKILL)
    first = _usage(api, skill, relevance_score=0.8)
    second = _usage(api, skill)
    assert (first["relevance_score"], first["planner_selected"], first["execution_outcome"]) == (0.8, None, None)
    note = {"planner_selected": True, "execution_outcome": "success", "effectiveness_score": 0.5, "priority": 1}
    noted = api.ok("PUT", f"/v1/skills/usage/{first['id']}", json=note)
    assert {name: noted[name] for name in note} == note
    listed = api.ok("GET", "/v1/skills/usage", params={"response_id": second["response_id"]})
    assert (listed["usages"], listed["total"]) == ([second], 1)
    assert api.ok("GET", "/v1/skills/usage", params={"skill_id": skill["id"]})["total"] == 2
    reply = api.ok("GET", "/v1/skills/analytics", params={"skill_id": skill["id"], "days_back": 4})
    assert reply == {
        "skill_id": skill["id"],
        "total_retrievals": 2,
        "total_selections": 1,
        "successful_executions": 1,
        "selection_rate": 0.5,
        "success_rate": 1.0,
        "avg_effectiveness": 0.5,
        "usage_frequency": 0.5,
    }
    assert api.ok("GET", "/v1/skills/analytics", params={"skill_id": "x"})["success_rate"] == 0.0


def test_a_usage_needs_its_run_and_its_skill(api: Api) -> None:
    """A usage of an unknown run, skill or tenant is not noted."""
    skill = api.ok("POST", "/v1/skills", json=SKILL)
    run = api.finish()
    good = {"response_id": run["response_id"], "skill_id": skill["id"], "skill_name": "Tides"}
    for wrong in ({"response_id": str(uuid4())}, {"skill_id": "x"}, {"tenant_id": str(uuid4())}, {"user_id": "bob"}):
        assert api.refused(404, "POST", "/v1/skills/usage", json={**good, **wrong}) == "NOT_FOUND"
    assert api.refused(404, "PUT", f"/v1/skills/usage/{uuid4()}", json={}) == "NOT_FOUND"
    assert api.refused(404, "GET", "/v1/skills/analytics", params={"tenant_id": "x"}) == "NOT_FOUND"
    assert api.ok("GET", "/v1/skills/usage")["usages"] == []


@pytest.mark.parametrize(
    ("body", "place"),
    [
        (b"{", ["body"]),
        ({**SKILL, "name": ""}, ["body", "name"]),
        ({**SKILL, "name": "x" * 1001}, ["body", "name"]),
        ({"name": "x", "description": "x"}, ["body", "content"]),
        ({**SKILL, "category": "x" * 101}, ["body", "category"]),
        ({**SKILL, "version": "x" * 21}, ["body", "version"]),
        ({**SKILL, "content": None}, ["body", "content"]),
    ],
)
def test_a_bad_skill_is_422_and_not_made(api: Api, body: Any, place: list[str]) -> None:
    """An invalid skill leaves no trace."""
    sent = {"content": body} if isinstance(body, bytes) else {"json": body}
    assert api.refused(422, "POST", "/v1/skills", **sent) == [place]
    assert api.ok("GET", "/v1/skills")["total"] == 0


@pytest.mark.parametrize(
    ("method", "path", "body"),
    [
        ("PUT", "/v1/skills/usage/x", {"execution_outcome": "great"}),
        ("PUT", "/v1/skills/x", {"name": None}),
        ("GET", "/v1/skills?page_size=101", None),
        ("GET", "/v1/skills/analytics?days_back=0", None),
        ("GET", "/v1/mcp-servers?limit=101", None),
        ("GET", "/v1/mcp-servers?scope=mine", None),
        ("GET", "/v1/mcp-servers?skip=-1", None),
    ],
)
def test_values_out_of_range_are_422(api: Api, method: str, path: str, body: Any) -> None:
    """Unknown outcomes, scopes and pages out of range are refused."""
    assert len(api.refused(422, method, path, json=body)) == 1


def test_a_server_is_registered_changed_and_forgotten(api: Api) -> None:
    """PATCH changes the fields in its body; a deleted server is not found."""
    reply = api.post("/v1/mcp-servers", json=STDIO)
    server = reply.json()
    assert (reply.status_code, set(server), server["args"]) == (201, SERVER_FIELDS, ["-v"])
    path = f"/v1/mcp-servers/{server['id']}"
    assert api.ok("GET", path) == server
    changed = api.ok("PATCH", path, json={"name": "docs", "is_active": False, "env": {"A": "b"}})
    assert (changed["name"], changed["is_active"], changed["command"]) == ("docs", False, "serve-files")
    assert api.ok("GET", f"{path}/tools") == {"server_id": server["id"], "server_name": "docs", "tools": [], "total": 0}
    assert api.ok("POST", f"{path}/test")["success"] is True
    assert api.ok("POST", "/v1/mcp-servers/test", json=HTTP)["success"] is True
    assert api.ok("DELETE", path) is None
    for method, tail in (("GET", ""), ("PATCH", ""), ("DELETE", ""), ("GET", "/tools"), ("POST", "/test")):
        assert api.refused(404, method, f"{path}{tail}", json={}) == "NOT_FOUND"


def test_servers_are_listed_by_scope_and_user(api: Api) -> None:
    """A user sees the tenant's servers and their own."""
    api.ok("POST", "/v1/mcp-servers", json=STDIO)
    api.ok("POST", "/v1/mcp-servers", json={**HTTP, "scope": "user", "user_identifier": "ada"})

    def names(**query: Any) -> list[str]:
        return [server["name"] for server in api.ok("GET", "/v1/mcp-servers", params=query)["servers"]]

    assert names() == names(user_identifier="ada") == ["web", "files"]
    assert names(user_identifier="bob") == names(scope="tenant") == names(skip=1) == ["files"]
    assert names(scope="user", user_identifier="bob") == names(is_active="false") == []


@pytest.mark.parametrize(
    ("body", "place"),
    [
        (b"[", ["body"]),
        ({**STDIO, "command": None}, ["body"]),
        ({**HTTP, "url": None}, ["body"]),
        ({**HTTP, "url": "ftp://example.org"}, ["body", "url"]),
        ({**HTTP, "url": f"https://{'x' * 1024}"}, ["body", "url"]),
        ({**STDIO, "transport": "pipe"}, ["body", "transport"]),
        ({**STDIO, "scope": "all"}, ["body", "scope"]),
        ({**STDIO, "scope": "user"}, ["body"]),
        ({**STDIO, "user_identifier": "ada"}, ["body"]),
        ({**STDIO, "name": "x" * 256}, ["body", "name"]),
        ({**STDIO, "args": "-v"}, ["body", "args"]),
        ({**STDIO, "env": {"A": 1}}, ["body", "env", "A"]),
    ],
)
def test_a_bad_server_is_422_and_not_registered(api: Api, body: Any, place: list[str]) -> None:
    """A server without an address or with the wrong owner leaves no trace."""
    sent = {"content": body} if isinstance(body, bytes) else {"json": body}
    assert api.refused(422, "POST", "/v1/mcp-servers", **sent) == [place]
    assert api.ok("GET", "/v1/mcp-servers")["total"] == 0


def test_a_server_keeps_its_address(api: Api) -> None:
    """The address of a server that is reached by one cannot be taken away."""
    server = api.ok("POST", "/v1/mcp-servers", json=HTTP)
    assert api.refused(422, "PATCH", f"/v1/mcp-servers/{server['id']}", json={"url": None}) == [["body", "url"]]


def test_skills_and_servers_survive_a_restart_without_secrets(serve: Serve, tmp_path: Path) -> None:
    """Both are there again; environment and headers were never written."""
    first = serve(EchoEngine(), path=tmp_path / "lumnis.db", api_key="k")
    skill = first.ok("POST", "/v1/skills", json=SKILL)
    secrets = {"env": {"KEY": SECRET}, "headers": {"authorization": SECRET}}
    server = first.ok("POST", "/v1/mcp-servers", json={**HTTP, **secrets})
    first.local.close()
    assert all(SECRET.encode() not in path.read_bytes() for path in tmp_path.iterdir() if path.is_file())
    second = serve(EchoEngine(), path=tmp_path / "lumnis.db", api_key="k")
    assert second.ok("GET", f"/v1/skills/{skill['id']}") == skill
    assert second.ok("GET", f"/v1/mcp-servers/{server['id']}") == server


def test_skills_and_servers_of_another_tenant_do_not_exist(api: Api) -> None:
    """Guessed ids of another tenant are unknown here."""
    skill = api.ok("POST", "/v1/skills", json=SKILL)
    server = api.ok("POST", "/v1/mcp-servers", json=STDIO)
    usage = _usage(api, skill)
    with other_tenant(api) as other:
        for path in (f"/v1/skills/{skill['id']}", f"/v1/mcp-servers/{server['id']}"):
            for method in ("GET", "DELETE"):
                assert other.refused(404, method, path) == "NOT_FOUND"
        assert other.refused(404, "PUT", f"/v1/skills/usage/{usage['id']}", json={}) == "NOT_FOUND"
        assert other.ok("GET", "/v1/skills")["total"] == other.ok("GET", "/v1/skills/usage")["total"] == 0
        assert other.ok("GET", "/v1/mcp-servers")["total"] == 0
        assert other.ok("GET", "/v1/skills/analytics")["total_retrievals"] == 0
