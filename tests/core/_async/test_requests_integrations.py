"""Integrations: what each call sends and reads."""

from __future__ import annotations

from datetime import UTC

import pytest

from lumnisai_core import AsyncClient, ConnectionStatus, IntegrationProvider
from lumnisai_core.exceptions import AppConnectionError, MissingUserId, TransportError, WaitTimeoutError
from tests.core._async.rows import READER, Row, check_request, check_sparse_answer, table
from tests.servers import Canned, canned_server

CONNECTIONS = "/v1/integrations/connections"
MINE = f"{CONNECTIONS}/reader%40example.org"
CONNECTION = {
    "app_name": "GITHUB",
    "status": "active",
    "connected_at": "2025-09-02T09:15:00.104233",
    "error_message": None,
    "is_enabled": True,
}
NEWER = {
    "connection_id": None,
    "tenant_id": "t",
    "user_id": "u",
    "provider": "unipile",
    "app_name": "LINKEDIN",
    "status": "expired",
    "connected_at": None,
    "metadata": {"seat": 1},
}
ENABLED = {"app_name": "GITHUB", "enabled": True, "message": "Enabled.", "updated_at": "2026-03-02T09:15:00"}
TOOL = {"name": "star", "description": "Stars.", "app_name": "GITHUB", "parameters": None}
BATCH = {"user_id": "u", "connections": [CONNECTION], "total_checked": 1, "active_count": 1}

ROWS = [
    Row(
        lambda client: client.initiate_connection(user_id="u-1", app_name="github", redirect_url="https://me.example"),
        f"POST {CONNECTIONS}/initiate",
        body={"user_id": "u-1", "app_name": "GITHUB", "redirect_url": "https://me.example"},
        full={"redirect_url": "https://app.example/login", "status": "pending", "message": None},
        sparse={},
        read={"it.redirect_url": "https://app.example/login", "it.status": ConnectionStatus.PENDING},
    ),
    Row(
        lambda client: client.integrations.initiate_connection(
            app_name="GITHUB",
            integration_id="i",
            auth_mode="oauth",
            connection_params={"team": 7},
            provider=IntegrationProvider.NANGO,
            success_redirect_url="https://me.example/yes",
            failure_redirect_url="https://me.example/no",
        ),
        f"POST {CONNECTIONS}/initiate",
        body={
            "user_id": READER,
            "app_name": "GITHUB",
            "integration_id": "i",
            "auth_mode": "oauth",
            "connection_params": {"team": 7},
            "provider": "nango",
            "success_redirect_url": "https://me.example/yes",
            "failure_redirect_url": "https://me.example/no",
        },
        full={"status": "new"},
        sparse={"redirect_url": None},
    ),
    Row(
        lambda client: client.get_connection_status("u-1", "github"),
        f"GET {CONNECTIONS}/u-1/GITHUB",
        full=CONNECTION,
        sparse={"status": "asleep", "connected_at": "once"},
        read={"it.status": ConnectionStatus.ACTIVE, "it.is_enabled": True, "it.connected_at.tzinfo": UTC},
    ),
    Row(
        lambda client: client.get_connection_status(app_name="GITHUB", provider="composio", include_enabled=True),
        f"GET {MINE}/GITHUB",
        query={"provider": "composio", "include_enabled": "true"},
        full=CONNECTION,
        sparse={},
        client={"scope": "tenant", "user_id": READER},
    ),
    Row(
        lambda client: client.list_connections("u-1", app_filter="github, Slack"),
        f"GET {CONNECTIONS}/u-1",
        query={"app_filter": "GITHUB,SLACK"},
        full={"user_id": "u-1", "connections": [CONNECTION, NEWER]},
        sparse={"connections": [None, {}]},
        read={
            "[row.status for row in it.connections]": ["active", "expired"],
            "it.connections[1].provider": IntegrationProvider.UNIPILE,
            "it.connections[1].metadata": {"seat": 1},
        },
    ),
    Row(
        lambda client: client.get_connection_statuses(["github"], include_enabled=True),
        f"POST {CONNECTIONS}/batch",
        body={"user_id": READER, "app_names": ["GITHUB"], "provider": "composio", "include_enabled_status": True},
        full=BATCH,
        sparse={},
        read={"it.active_count": 1},
    ),
    Row(
        lambda client: client.integrations.callback(connection_id="c", code="1", state="s"),
        f"POST {CONNECTIONS}/callback",
        body={"connection_id": "c", "code": "1", "state": "s"},
        full={"success": True, "status": "active", "message": "Connected."},
        sparse={"success": None},
        read={"it.success": True},
    ),
    Row(
        lambda client: client.disconnect_app(app_name="github", account_id="a"),
        f"POST {CONNECTIONS}/disconnect",
        body={"user_id": READER, "app_name": "GITHUB", "account_id": "a"},
        full={"success": True, "message": "Done."},
        sparse={},
        read={"it.success": True},
    ),
    Row(
        lambda client: client.get_integration_tools("u-1", app_filter=["github"]),
        "POST /v1/integrations/tools",
        body={"user_id": "u-1", "app_filter": ["GITHUB"]},
        full={"user_id": "u-1", "tools": [TOOL], "tool_count": 1},
        sparse={"tools": [{"description": "nameless"}, {"name": "star"}]},
        read={"it.tools[0].name": "star", "it.tools[0].parameters": None},
    ),
    Row(
        lambda client: client.list_apps(),
        "GET /v1/integrations/apps",
        query={"include_available": "true"},
        full={"enabled_apps": ["GITHUB"], "total_enabled": 1, "available_apps": ["SLACK"], "total_available": 1},
        sparse={"enabled_apps": None},
        read={"(it.enabled_apps, it.available_apps)": (["GITHUB"], ["SLACK"])},
    ),
    Row(
        lambda client: client.list_apps(include_available=False, provider="composio"),
        "GET /v1/integrations/apps",
        query={"include_available": "false", "provider": "composio"},
        full={"providers": {"composio": ["GITHUB", "SLACK"], "unipile": ["LINKEDIN", "SLACK"]}, "total_providers": 2},
        sparse={"providers": {"composio": None, "odd": 5}},
        read={
            "it.enabled_apps": ["GITHUB", "SLACK", "LINKEDIN"],
            "it.total_enabled": 3,
            "it.providers['unipile']": ["LINKEDIN", "SLACK"],
        },
    ),
    Row(
        lambda client: client.list_integration_providers(),
        "GET /v1/integrations/providers",
        full={"providers": ["composio", "brand_new"], "total": 2},
        sparse={},
        read={"it.providers": [IntegrationProvider.COMPOSIO, "brand_new"]},
    ),
    Row(
        lambda client: client.is_app_enabled("github"),
        "GET /v1/integrations/apps/GITHUB/enabled",
        full={**ENABLED, "provider": "composio"},
        sparse={"enabled": "maybe"},
        read={"it.enabled": True, "it.provider": "composio"},
    ),
    Row(
        lambda client: client.set_app_enabled("github", enabled=False),
        "PUT /v1/integrations/apps/GITHUB",
        query={"enabled": "false"},
        full={**ENABLED, "enabled": False},
        sparse={},
        read={"it.enabled": False, "it.updated_at.year": 2026},
    ),
    Row(
        lambda client: client.integrations.get_non_oauth_required_fields("github", auth_scheme="basic"),
        "GET /v1/integrations/non-oauth/required-fields/GITHUB",
        query={"auth_scheme": "basic"},
        full={"fields": [{"name": "token"}]},
        sparse={},
        read={"it.model_extra": {"fields": [{"name": "token"}]}},
    ),
    Row(
        lambda client: client.integrations.get_linkedin_sync_status(),
        "GET /v1/integrations/linkedin/sync-status",
        query={"user_id": READER},
        full={"status": "running", "synced": 4},
        sparse={},
        read={"(it.status, it.model_extra)": ("running", {"synced": 4})},
    ),
    Row(
        lambda client: client.integrations.sync_linkedin(user_id="u-1"),
        "POST /v1/integrations/linkedin/sync",
        query={"user_id": "u-1"},
        full={"status": "started", "message": "Running."},
        sparse={},
        read={"it.status": "started"},
    ),
    Row(
        lambda client: client.integrations.delete_linkedin_connections(),
        "DELETE /v1/integrations/linkedin/connections",
        query={"user_id": READER},
        full={"deleted_count": 4, "message": "Deleted."},
        sparse=None,
        read={"it.deleted_count": 4},
    ),
]


@table(ROWS)
async def test_requests_are_as_documented(row: Row) -> None:
    """Method, path, query and body arrive as documented, and the documented answer is read."""
    await check_request(row)


@table(ROWS)
async def test_sparse_and_odd_answers_are_read(row: Row) -> None:
    """Missing, null, new and invalid fields do not fail the call."""
    await check_sparse_answer(row)


async def test_a_connection_needs_a_user_in_every_scope() -> None:
    """Tenant scope allows naming the user, because the route has one; without a user nothing is sent."""
    with canned_server([Canned(body=CONNECTION)]) as server:
        async with AsyncClient("lmn_test_key", base_url=server.base_url, scope="tenant") as client:
            assert (await client.get_connection_status("u-1", "GITHUB")).status == "active"
            with pytest.raises(MissingUserId):
                await client.get_connection_status(app_name="GITHUB")
    assert len(server.received) == 1


async def test_waiting_ends_when_a_connection_is_active() -> None:
    """Not yet connected is waited for as well as pending."""
    states = [Canned(body={"status": state}) for state in ("not_connected", "pending", "active")]
    with canned_server(states) as server:
        async with AsyncClient("lmn_test_key", base_url=server.base_url) as client:
            connection = await client.wait_for_connection("u-1", "github", poll_interval=0.01)
    assert (connection.status, len(server.received)) == ("active", 3)
    assert {received.path for received in server.received} == {f"{CONNECTIONS}/u-1/GITHUB"}


@pytest.mark.parametrize("status", ["failed", "expired"])
async def test_row_44_waiting_ends_when_a_connection_fails(status: str) -> None:
    """The error belongs to our family and has the reason and a way to continue."""
    with canned_server([Canned(body={"status": status, "error_message": "Denied by the user."})]) as server:
        async with AsyncClient("lmn_test_key", base_url=server.base_url, user_id="u") as client:
            with pytest.raises(AppConnectionError, match=f"GITHUB is {status}: Denied by the user.*Start it again"):
                await client.wait_for_connection(app_name="github")


async def test_waiting_for_a_connection_has_a_deadline() -> None:
    """The error says how to wait again."""
    with canned_server([Canned(body={"status": "pending"})]) as server:
        async with AsyncClient("lmn_test_key", base_url=server.base_url, user_id="u") as client:
            with pytest.raises(WaitTimeoutError, match=r"GITHUB is still pending after 0.05 s.*Wait again"):
                await client.wait_for_connection(app_name="GITHUB", timeout=0.05, poll_interval=0.02)


async def test_a_reserved_route_is_a_clear_error() -> None:
    """A service that refuses it with 501 is quoted."""
    with canned_server([Canned(501, {"detail": "Not implemented."})]) as server:
        async with AsyncClient("lmn_test_key", base_url=server.base_url, max_retries=0) as client:
            with pytest.raises(TransportError, match="501 Not Implemented: Not implemented"):
                await client.integrations.get_non_oauth_required_fields("GITHUB")
