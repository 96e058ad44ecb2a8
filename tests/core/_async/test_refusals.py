"""Invalid arguments of the resources are refused before anything is sent; the error has the value and what to do."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any

import pytest

from lumnisai_core import AsyncClient
from lumnisai_core.exceptions import MissingUserId, TenantScopeUserIdConflict, ValidationError

CHOICE = {"model_type": "FAST_MODEL", "provider": "openai", "model_name": "gpt-4o-mini"}
SKILL = {"name": "n", "description": "d", "content": "c"}
Make = Callable[[AsyncClient], Awaitable[Any]]

REFUSED: list[tuple[Make, str]] = [
    (lambda client: client.create_user(email=" "), "email must be a non-empty string"),
    (lambda client: client.get_user(""), "not a usable id"),
    (lambda client: client.update_user("u"), "Nothing to change in the user: pass at least one of first_name"),
    (lambda client: client.list_users(page=0), "page must be 1 or more, not 0"),
    (lambda client: client.list_users(page_size=101), "page_size must be 1 to 100, not 101"),
    (lambda client: client.users.get_threads("u", page_size=0), "page_size must be 1 to 100, not 0"),
    (lambda client: client.add_api_key(provider="acme", api_key="sk-1234"), "provider must be one of OPENAI_API_KEY"),
    (lambda client: client.add_api_key(provider="openai", api_key="k"), "api_key has 1 characters; 3 to 2000"),
    (lambda client: client.add_api_key(provider="openai", api_key=5), "api_key must be a string, not int"),  # type: ignore[arg-type]
    (lambda client: client.add_api_key(provider="openai", api_key="k" * 2001), "api_key has 2001 characters"),
    (
        lambda client: client.add_api_key(provider="openai", api_key="sk-1234", key_name="n" * 101),
        "key_name has 101 characters; at most 100",
    ),
    (
        lambda client: client.add_api_key(provider="openai", api_key="sk-1234", expires_at="soon"),
        "expires_at must be a datetime or an ISO 8601 string, not 'soon'",
    ),
    (
        lambda client: client.add_api_key(provider="openai", api_key="sk-1234", mode="loan"),
        "mode must be one of platform, byo_keys, not 'loan'",
    ),
    (lambda client: client.set_api_key_mode("loan"), "mode must be one of"),
    (lambda client: client.delete_api_key(" "), "not a usable id"),
    (lambda client: client.update_model_preferences({}), "preferences must map purposes to models"),
    (lambda client: client.update_model_preferences({"TINY": CHOICE}), "model_type must be one of CHEAP_MODEL"),
    (
        lambda client: client.update_model_preferences({"FAST_MODEL": {"provider": "acme", "model_name": "m"}}),
        r"preferences\['FAST_MODEL'\].provider must be one of openai",
    ),
    (
        lambda client: client.update_model_preferences({"FAST_MODEL": {"provider": "openai"}}),
        r"preferences\['FAST_MODEL'\].model_name must be a non-empty string",
    ),
    (
        lambda client: client.update_model_preferences({"FAST_MODEL": {**CHOICE, "temperature": 1}}),
        "has unknown fields temperature; known are model_type, provider, model_name",
    ),
    (
        lambda client: client.model_preferences.update_one("FAST_MODEL", provider="openai", model_name="openai:gpt-4o"),
        "leave out the provider in front of the colon",
    ),
    (
        lambda client: client.update_model_preferences({"FAST_MODEL": "openai:gpt-4o"}),  # type: ignore[dict-item]
        r"preferences\['FAST_MODEL'\] must have provider and model_name, not be 'openai:gpt-4o'",
    ),
    (lambda client: client.model_preferences.delete("TINY"), "model_type must be one of"),
    (lambda client: client.model_preferences.check_availability([]), "choices must be a list of at least one"),
    (lambda client: client.upload_file(), "Pass exactly one of file, file_path and file_content"),
    (lambda client: client.upload_file(b"a", file_path="b"), "Pass exactly one of"),
    (lambda client: client.upload_file(b"a"), "file_name is missing"),
    (lambda client: client.upload_file(""), "path of the file is empty"),
    (lambda client: client.upload_file("/nowhere/tides.pdf"), "'/nowhere/tides.pdf' cannot be read"),
    (lambda client: client.upload_file(5), "must be a path, bytes or a binary stream, not int"),  # type: ignore[arg-type]
    (lambda client: client.upload_file(b"a", file_name="a", duplicate_handling="keep"), "duplicate_handling must be"),
    (lambda client: client.upload_file(b"a", file_name="a", tags=["x"] * 1 + ["y" * 51]), "has 51 characters"),
    (lambda client: client.upload_file(b"a", file_name="a", tags=[str(n) for n in range(11)]), "tags has 11 entries"),
    (lambda client: client.upload_file(b"a", file_name="a", tags=["a,b"]), "'a,b' is not a valid tag"),
    (lambda client: client.upload_file(b"a", file_name="a", scope="galaxy"), "scope must be 'user' or 'tenant'"),
    (lambda client: client.bulk_upload_files([]), "files must be a list of at least one file"),
    (lambda client: client.bulk_upload_files("tides.pdf"), "files must be a list of at least one file"),
    (lambda client: client.bulk_upload_files([b"a"]), "file_name is missing"),
    (lambda client: client.list_files(limit=101), "limit must be 1 to 100, not 101"),
    (lambda client: client.list_files(status="done"), "status must be one of pending, parsing"),
    (lambda client: client.search_files(""), "query must be a non-empty string"),
    (lambda client: client.search_files("x", limit=51), "limit must be a whole number from 1 to 50, not 51"),
    (lambda client: client.search_files("x", min_score=1.5), "min_score must be a number from 0 to 1, not 1.5"),
    (lambda client: client.get_file_content("f", start_line=0), "start_line must be a whole number, 1 or more, not 0"),
    (lambda client: client.get_file_content("f", start_line=5, end_line=4), "end_line 4 is before start_line 5"),
    (lambda client: client.get_file_content("f", content_type="poem"), "content_type must be one of text"),
    (lambda client: client.update_file_scope("f", "galaxy"), "scope must be one of user, tenant"),
    (lambda client: client.bulk_delete_files([]), "file_ids is empty"),
    (lambda client: client.bulk_delete_files("f"), "file_ids must be a list of strings, not 'f'"),
    (lambda client: client.files.wait_until_processed("f", timeout=0), "timeout must be a positive number"),
    (lambda client: client.initiate_connection(app_name=" "), "app_name must be a non-empty string"),
    (lambda client: client.initiate_connection(app_name="X", provider="acme"), "provider must be one of composio"),
    (lambda client: client.get_connection_status("u-1"), "app_name must be a non-empty string"),
    (lambda client: client.get_connection_statuses([]), "app_names is empty"),
    (lambda client: client.get_connection_statuses("GITHUB"), "app_names must be a list of strings"),
    (lambda client: client.wait_for_connection("u", "X", poll_interval=-1), "poll_interval must be a positive number"),
    (lambda client: client.create_mcp_server(name="n", transport="stdio"), "stdio server needs command="),
    (lambda client: client.create_mcp_server(name="n", transport="sse"), "sse server needs url="),
    (lambda client: client.create_mcp_server(name="n", transport="pigeon"), "transport must be one of stdio"),
    (
        lambda client: client.create_mcp_server(name="n", transport="sse", url="ftp://x.example"),
        "url must begin with http:// or https://",
    ),
    (
        lambda client: client.create_mcp_server(name="n" * 256, transport="stdio", command="c"),
        "name has 256 characters; at most 255",
    ),
    (
        lambda client: client.create_mcp_server(name="n", transport="stdio", command="c", description="d" * 1001),
        "description has 1001 characters; at most 1000",
    ),
    (
        lambda client: client.create_mcp_server(name="n", transport="stdio", command="c", args="-m"),
        "args must be a list of strings",
    ),
    (
        lambda client: client.create_mcp_server(name="n", transport="stdio", command="c", env={"K": 1}),  # type: ignore[dict-item]
        r"env\['K'\] must be a string, not int",
    ),
    (
        lambda client: client.update_mcp_server("s", headers=["K: v"]),  # type: ignore[arg-type]
        "headers must map names to strings, not be a list",
    ),
    (lambda client: client.update_mcp_server("s"), "Nothing to change in the MCP server"),
    (lambda client: client.list_mcp_servers(scope="galaxy"), "scope must be one of tenant, user, all"),
    (lambda client: client.create_skill(**{**SKILL, "content": ""}), "content must be a non-empty string"),
    (lambda client: client.create_skill(**{**SKILL, "name": "n" * 1001}), "name has 1001 characters; at most 1000"),
    (lambda client: client.create_skill(**SKILL, version="1" * 21), "version has 21 characters; at most 20"),
    (lambda client: client.update_skill("s"), "Nothing to change in the skill"),
    (
        lambda client: client.skills.create_usage(response_id="r", skill_id="s", skill_name="n"),
        "tenant_id is missing",
    ),
    (lambda client: client.skills.update_usage("u", execution_outcome="fine"), "execution_outcome must be one of"),
    (lambda client: client.people.quick_search("x", limit=101), "limit must be a whole number from 1 to 100"),
    (lambda client: client.people.quick_search("x", data_sources=["acme"]), "data_sources must be one of PDL"),
    (lambda client: client.people.preview_posts(["u"] * 51), "post_urls has 51 entries; at most 50"),
]


@pytest.mark.parametrize(("call", "message"), REFUSED, ids=[message[:40] for _, message in REFUSED])
async def test_invalid_arguments_are_refused(call: Make, message: str) -> None:
    """Nothing listens at the address, so a request that was sent would fail with a TransportError."""
    async with AsyncClient("lmn_test_key", base_url="http://127.0.0.1:9", user_id="u", max_retries=0) as client:
        with pytest.raises(ValidationError, match=message):
            await call(client)


NEED_A_USER: list[Make] = [
    lambda client: client.upload_file(b"a", file_name="a"),
    lambda client: client.upload_file(b"a", file_name="a", scope="user"),
    lambda client: client.bulk_upload_files([("a", b"a")]),
    lambda client: client.list_files(),
    lambda client: client.search_files("x"),
    lambda client: client.update_file_scope("f", "user"),
    lambda client: client.list_connections(),
    lambda client: client.get_integration_tools(),
    lambda client: client.initiate_connection(app_name="X"),
    lambda client: client.create_mcp_server(name="n", transport="stdio", command="c"),
    lambda client: client.create_skill(**SKILL),
]


@pytest.mark.parametrize("call", NEED_A_USER)
async def test_user_scope_needs_a_user(call: Make) -> None:
    """Calls about the data of a user are refused without one."""
    async with AsyncClient("lmn_test_key", base_url="http://127.0.0.1:9", max_retries=0) as client:
        with pytest.raises(MissingUserId):
            await call(client)


ALLOW_NO_USER: list[Make] = [
    lambda client: client.upload_file(b"a", file_name="a", user_id="u"),
    lambda client: client.list_files(user_id="u"),
    lambda client: client.search_files("x", user_id="u"),
    lambda client: client.create_mcp_server(name="n", transport="stdio", command="c", user_identifier="u"),
    lambda client: client.create_skill(**SKILL, user_id="u"),
]


@pytest.mark.parametrize("call", ALLOW_NO_USER)
async def test_tenant_scope_allows_no_user(call: Make) -> None:
    """Calls about the data of the tenant are refused with a user."""
    async with AsyncClient("lmn_test_key", base_url="http://127.0.0.1:9", scope="tenant", max_retries=0) as client:
        with pytest.raises(TenantScopeUserIdConflict):
            await call(client)


async def test_a_provider_key_is_in_no_refusal() -> None:
    """An error about a key does not show the key."""
    async with AsyncClient("lmn_test_key", base_url="http://127.0.0.1:9", max_retries=0) as client:
        with pytest.raises(ValidationError) as caught:
            await client.add_api_key(provider="openai", api_key="sk-secret" * 300)
    assert "sk-secret" not in str(caught.value)
