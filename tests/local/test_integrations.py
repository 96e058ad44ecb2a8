"""Connections to other applications, which apps there are, and people."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path
from typing import Any
from uuid import uuid4

import httpx
import pytest

from tests.local.conftest import Serve
from tests.local.support import Api, EchoEngine, other_tenant

BASE = "/v1/integrations"


def _initiate(api: Api, app: str = "GITHUB", **fields: Any) -> dict[str, Any]:
    body = {"user_id": "ada", "app_name": app, **fields}
    reply: dict[str, Any] = api.ok("POST", f"{BASE}/connections/initiate", json=body)
    return reply


def _state(api: Api, app: str = "GITHUB", user: str = "ada") -> dict[str, Any]:
    reply: dict[str, Any] = api.ok("GET", f"{BASE}/connections/{user}/{app}")
    return reply


def test_visiting_the_link_completes_a_connection(api: Api) -> None:
    """A connection is pending until its link is visited, without a key; the link works once."""
    assert _state(api)["status"] == "not_connected"
    begun = _initiate(api, "github")
    assert begun["status"] == _state(api)["status"] == "pending"
    page = httpx.get(begun["redirect_url"])
    assert (page.status_code, page.headers["content-type"]) == (200, "text/html; charset=utf-8")
    done = _state(api, "GitHub")
    assert (done["app_name"], done["status"], done["is_enabled"]) == ("GITHUB", "active", True)
    assert datetime.fromisoformat(done["connected_at"]).tzinfo is None
    assert httpx.get(begun["redirect_url"]).status_code == 404
    assert httpx.get(begun["redirect_url"][:-1]).status_code == 404


def test_the_link_leads_on_to_where_the_caller_wants(api: Api) -> None:
    """Success and refusal each have a place to go; a refused connection has failed."""
    places = {"success_redirect_url": "https://example.org/yes", "failure_redirect_url": "https://example.org/no"}
    yes = httpx.get(_initiate(api, **places)["redirect_url"])
    assert (yes.status_code, yes.headers["location"]) == (302, places["success_redirect_url"])
    no = httpx.get(_initiate(api, **places)["redirect_url"], params={"error": "access_denied"})
    assert no.headers["location"] == places["failure_redirect_url"]
    assert (_state(api)["status"], _state(api)["error_message"]) == ("failed", "access_denied")


def test_a_renewed_connection_keeps_its_old_time(api: Api) -> None:
    """Beginning again is pending with the time of the earlier connection."""
    httpx.get(_initiate(api)["redirect_url"])
    before = _state(api)["connected_at"]
    _initiate(api)
    assert (_state(api)["status"], _state(api)["connected_at"]) == ("pending", before)
    assert len(api.ok("GET", f"{BASE}/connections/ada")["connections"]) == 1


def test_a_callback_completes_a_connection(api: Api) -> None:
    """With the right state or none it is active, with an error it has failed."""
    begun = _initiate(api)
    body = {"connection_id": begun["connection_id"], "code": "c", "state": "wrong"}
    assert api.refused(400, "POST", f"{BASE}/connections/callback", json=body) == "INVALID_STATE"
    state = begun["redirect_url"].rpartition("/")[2]
    done = api.ok("POST", f"{BASE}/connections/callback", json={**body, "state": state})
    assert (done["success"], done["status"], _state(api)["status"]) == (True, "active", "active")
    failed = api.ok(
        "POST", f"{BASE}/connections/callback", json={"connection_id": body["connection_id"], "error": "no"}
    )
    assert (failed["success"], failed["status"], failed["message"]) == (False, "failed", "no")
    unknown = {"connection_id": str(uuid4())}
    assert api.refused(404, "POST", f"{BASE}/connections/callback", json=unknown) == "NOT_FOUND"


def test_connections_are_listed_checked_and_ended(api: Api) -> None:
    """Lists can be narrowed; a batch answers in its own order; an ended connection is not connected."""
    httpx.get(_initiate(api)["redirect_url"])
    _initiate(api, "LINKEDIN", provider="unipile")
    listed = api.ok("GET", f"{BASE}/connections/ada")
    assert (listed["user_id"], [item["app_name"] for item in listed["connections"]]) == ("ada", ["LINKEDIN", "GITHUB"])
    assert not {"state", "success_url"} & set(listed["connections"][0])
    for query in ({"app_filter": "github,slack"}, {"provider": "composio"}):
        narrowed = api.ok("GET", f"{BASE}/connections/ada", params=query)["connections"]
        assert [item["app_name"] for item in narrowed] == ["GITHUB"]
    batch = {"user_id": "ada", "app_names": ["slack", "GITHUB"], "include_enabled_status": True}
    reply = api.ok("POST", f"{BASE}/connections/batch", json=batch)
    assert [item["status"] for item in reply["connections"]] == ["not_connected", "active"]
    assert (reply["total_checked"], reply["active_count"]) == (2, 1)
    body = {"user_id": "ada", "app_name": "github"}
    assert api.ok("POST", f"{BASE}/connections/disconnect", json=body)["success"] is True
    assert api.ok("POST", f"{BASE}/connections/disconnect", json=body)["success"] is False
    assert _state(api)["status"] == "not_connected"


def test_tools_come_with_active_connections(api: Api) -> None:
    """A connected app has a tool with a described parameter; a pending one has none."""
    httpx.get(_initiate(api)["redirect_url"])
    _initiate(api, "SLACK")
    reply = api.ok("POST", f"{BASE}/tools", json={"user_id": "ada"})
    assert (reply["tool_count"], reply["tools"][0]["app_name"]) == (1, "GITHUB")
    assert reply["tools"][0]["parameters"]["type"] == "object"
    assert api.ok("POST", f"{BASE}/tools", json={"user_id": "ada", "app_filter": ["slack"]})["tools"] == []


def test_apps_are_listed_and_switched(api: Api) -> None:
    """An app that is switched off cannot be connected and is not listed as enabled."""
    before = api.ok("GET", f"{BASE}/apps", params={"include_available": "true"})
    assert before["enabled_apps"] == before["available_apps"]
    assert before["total_enabled"] == before["total_available"] == len(before["enabled_apps"])
    off = api.ok("PUT", f"{BASE}/apps/github", params={"enabled": "false"})
    assert (off["app_name"], off["enabled"]) == ("GITHUB", False)
    assert api.ok("GET", f"{BASE}/apps/GITHUB/enabled")["enabled"] is False
    after = api.ok("GET", f"{BASE}/apps")
    assert ("GITHUB" in after["enabled_apps"], after["available_apps"]) == (False, None)
    refused = {"user_id": "ada", "app_name": "GITHUB"}
    assert api.refused(403, "POST", f"{BASE}/connections/initiate", json=refused) == "APP_DISABLED"
    api.ok("PUT", f"{BASE}/apps/GITHUB", params={"enabled": "true"})
    assert api.ok("GET", f"{BASE}/apps", params={"provider": "unipile"})["total_providers"] == 1
    assert api.ok("GET", f"{BASE}/providers") == {"providers": ["composio", "unipile"], "total": 2}
    assert api.refused(501, "GET", f"{BASE}/non-oauth/required-fields/github") == "NOT_IMPLEMENTED"


def test_linkedin_contacts_depend_on_the_connection(api: Api) -> None:
    """Without an account there is nothing to start; there are never contacts to delete."""
    user = {"user_id": "ada"}
    assert api.ok("POST", f"{BASE}/linkedin/sync", params=user)["status"] == "no_account"
    httpx.get(_initiate(api, "LINKEDIN", provider="unipile")["redirect_url"])
    assert api.ok("POST", f"{BASE}/linkedin/sync", params=user)["status"] == "started"
    assert api.ok("GET", f"{BASE}/linkedin/sync-status", params=user)["status"] == "idle"
    assert api.ok("DELETE", f"{BASE}/linkedin/connections", params=user)["deleted_count"] == 0


@pytest.mark.parametrize(
    ("method", "path", "body", "place"),
    [
        ("POST", "/connections/initiate", b"{", ["body"]),
        ("POST", "/connections/initiate", {"app_name": "X"}, ["body", "user_id"]),
        ("POST", "/connections/initiate", {"user_id": "a", "app_name": "../x"}, ["body", "app_name"]),
        ("POST", "/connections/initiate", {"user_id": "a", "app_name": "X", "provider": "y"}, ["body", "provider"]),
        (
            "POST",
            "/connections/initiate",
            {"user_id": "a", "app_name": "X", "redirect_url": "javascript:x"},
            ["body", "redirect_url"],
        ),
        ("POST", "/connections/batch", {"user_id": "a", "app_names": []}, ["body", "app_names"]),
        ("POST", "/connections/callback", {}, ["body", "connection_id"]),
        ("POST", "/connections/disconnect", {"user_id": "a"}, ["body", "app_name"]),
        ("POST", "/tools", {"user_id": "a", "app_filter": "X"}, ["body", "app_filter"]),
        ("GET", "/connections/ada/a%00b", None, ["path", "app"]),
        ("GET", "/connections/ada?provider=x", None, ["query", "provider"]),
        ("GET", "/apps?provider=x", None, ["query", "provider"]),
        ("PUT", "/apps/GITHUB", None, ["query", "enabled"]),
        ("PUT", "/apps/GITHUB?enabled=perhaps", None, ["query", "enabled"]),
        ("GET", "/linkedin/sync-status", None, ["query", "user_id"]),
        ("POST", "/linkedin/sync", None, ["query", "user_id"]),
        ("DELETE", "/linkedin/connections", None, ["query", "user_id"]),
    ],
)
def test_a_bad_request_is_422_and_nothing_is_written(
    api: Api, method: str, path: str, body: Any, place: list[str]
) -> None:
    """Wrong shapes, names and addresses are refused and leave no trace."""
    sent = {"content": body} if isinstance(body, bytes) else {"json": body}
    assert api.refused(422, method, f"{BASE}{path}", **sent) == [place]
    assert api.ok("GET", f"{BASE}/connections/a")["connections"] == []


def test_connections_are_each_tenants_and_users_own(api: Api) -> None:
    """Neither another user nor another tenant sees or completes a connection."""
    begun = _initiate(api)
    assert _state(api, user="bob")["status"] == "not_connected"
    api.ok("PUT", f"{BASE}/apps/SLACK", params={"enabled": "false"})
    with other_tenant(api) as other:
        assert _state(other)["status"] == "not_connected"
        body = {"connection_id": begun["connection_id"]}
        assert other.refused(404, "POST", f"{BASE}/connections/callback", json=body) == "NOT_FOUND"
        assert other.ok("GET", f"{BASE}/apps/SLACK/enabled")["enabled"] is True
    assert _state(api)["status"] == "pending"


def test_connections_survive_a_restart(serve: Serve, tmp_path: Path) -> None:
    """Connections and switched apps are there again."""
    first = serve(EchoEngine(), path=tmp_path / "lumnis.db", api_key="k")
    httpx.get(_initiate(first)["redirect_url"])
    first.ok("PUT", f"{BASE}/apps/SLACK", params={"enabled": "false"})
    first.local.close()
    second = serve(EchoEngine(), path=tmp_path / "lumnis.db", api_key="k")
    assert _state(second)["status"] == "active"
    assert second.ok("GET", f"{BASE}/apps/SLACK/enabled")["enabled"] is False


@pytest.mark.parametrize("sources", [None, ["PDL"]])
def test_people_cannot_be_searched(api: Api, sources: list[str] | None) -> None:
    """There are no data sources: 400 in the error shape of the people endpoints."""
    reply = api.post("/v1/people/quick-search", json={"query": "sailors", "data_sources": sources})
    assert reply.status_code == 400
    assert reply.json()["detail"]["error"]["code"] == "NO_DATA_SOURCES"


def test_each_post_is_out_of_reach(api: Api) -> None:
    """Each address has an entry, in the order of the request."""
    urls = ["https://example.org/2", "https://example.org/1"]
    posts = api.ok("POST", "/v1/people/posts/preview", json={"post_urls": urls})["posts"]
    assert [(post["url"], post["status"], bool(post["error"])) for post in posts] == [
        (url, "error", True) for url in urls
    ]


@pytest.mark.parametrize(
    ("path", "body", "place"),
    [
        ("quick-search", {}, ["body", "query"]),
        ("quick-search", {"query": "x", "limit": 0}, ["body", "limit"]),
        ("quick-search", {"query": "x", "limit": 101}, ["body", "limit"]),
        ("quick-search", {"query": "x", "data_sources": ["WEB"]}, ["body", "data_sources", 0]),
        ("posts/preview", {"post_urls": []}, ["body", "post_urls"]),
        ("posts/preview", {"post_urls": ["x"] * 51}, ["body", "post_urls"]),
    ],
)
def test_a_bad_question_about_people_is_422(api: Api, path: str, body: Any, place: list[Any]) -> None:
    """Limits and names of sources are checked first."""
    assert api.refused(422, "POST", f"/v1/people/{path}", json=body) == [place]
