"""The product's documentation, kept, continued: files, skills, keys, preferences, connections and the tenant.

Numbers are those of the list of known faults of official release 0.2.7, in its order.
"""

from __future__ import annotations

import inspect
import json
from pathlib import Path
from uuid import UUID

import pytest

import lumnisai_core as lumnisai
from lumnisai_core import AsyncClient, Client, exceptions
from lumnisai_core.exceptions import (
    AppConnectionError,
    FileAccessDeniedError,
    LumnisAIError,
    LumnisError,
)
from tests.servers import Canned, canned_server


def test_row_25_skills_work(client: Client) -> None:
    """Create, list, get, update, delete by their short names."""
    skill = client.create_skill(name="tides", description="Reads tables", content="# Tides")
    assert skill.id in {found.id for found in client.list_skills().skills}
    assert client.get_skill(skill.id).name == "tides"
    assert client.update_skill(skill.id, description="Reads all tables").description == "Reads all tables"
    client.delete_skill(skill.id)


def test_rows_26_43_files_can_be_uploaded_by_path_and_empty(client: Client, tmp_path: Path) -> None:
    """Neither scope nor duplicate handling needs to be named, and nothing is a content, too."""
    path = tmp_path / "tides.txt"
    path.write_text("Springs follow the full moon.")
    assert client.upload_file(file_path=path).file_name.startswith("tides")
    assert client.upload_file(file_content=b"", file_name="empty.txt").file_id


def test_row_29_file_calls_take_any_id_of_a_user(client: Client) -> None:
    """Free texts, e-mail addresses and UUID objects."""
    for user in ("user-123", "harbour@example.org", UUID(int=7)):
        uploaded = client.upload_file(file_content=b"Springs.", file_name="t.txt", scope="user", user_id=user)
        client.search_files("springs", user_id=user)
        assert client.update_file_scope(uploaded.file_id, scope="tenant", user_id=user).file_scope == "tenant"


def test_row_33_names_of_the_examples_exist(client: Client) -> None:
    """output_text of a new run, connection_id of an initiated connection, LumnisError."""
    assert client.responses.create("Hello").output_text is None
    assert hasattr(client.initiate_connection(user_id="user-123", app_name="github"), "connection_id")
    assert LumnisError is LumnisAIError


def test_row_34_enums_have_the_documented_names() -> None:
    """In the older form and in the newer one."""
    assert lumnisai.ApiProvider("OPENAI_API_KEY") is lumnisai.ApiProvider.OPENAI
    assert lumnisai.ApiKeyMode("byo_keys") is lumnisai.ApiKeyMode.BRING_YOUR_OWN
    assert lumnisai.ApiKeyMode("platform") is lumnisai.ApiKeyMode.USE_PLATFORM


def test_row_35_preferences_print_as_text(client: Client) -> None:
    """No enum names in f-strings."""
    client.update_model_preferences({"FAST_MODEL": {"provider": "openai", "model_name": "gpt-4o-mini"}})
    lines = [f"{row.model_type}: {row.provider}:{row.model_name}" for row in client.get_model_preferences().preferences]
    assert "FAST_MODEL: openai:gpt-4o-mini" in lines


def test_row_36_keys_of_providers_in_the_older_form(client: Client) -> None:
    """Creating with user, short provider name and mode; listing by user; deleting by key id."""
    with pytest.warns(DeprecationWarning, match="user_id"):
        key = client.external_api_keys.create(user_id="user-123", provider="openai", api_key="sk-1", mode="byo")
    with pytest.warns(DeprecationWarning, match="user_id"):
        keys = client.external_api_keys.list(user_id="user-123")
    assert key.key_id in {found.key_id for found in keys}
    client.external_api_keys.delete(key.key_id)
    assert key.key_id not in {found.key_id for found in client.list_api_keys()}


@pytest.mark.parametrize(
    "body",
    [{"providers": {"composio": ["GITHUB"]}, "total_providers": 1}, {"enabled_apps": ["GITHUB"], "total_enabled": 1}],
)
def test_row_40_apps_are_listed_in_both_shapes(body: dict[str, object]) -> None:
    """Flat lists and lists by provider."""
    with canned_server([Canned(200, body)]) as server, Client("k", base_url=server.base_url) as client:
        assert "GITHUB" in json.dumps(client.list_apps().model_dump(mode="json"))


def test_row_44_waiting_for_a_connection_ends_with_our_error() -> None:
    """A failed connection raises an error, after as many polls as it took."""
    states = [{"app_name": "GITHUB", "status": status} for status in ("pending", "failed")]
    with canned_server([Canned(200, state) for state in states]) as server:
        with Client("k", base_url=server.base_url) as client, pytest.raises(AppConnectionError):
            client.wait_for_connection(user_id="u", app_name="github", poll_interval=0.01)
    assert len(server.received) == 2


@pytest.mark.parametrize("call", ["get_file", "get_file_content", "get_file_status", "download_file", "delete_file"])
@pytest.mark.parametrize(("status", "error"), [(404, exceptions.FileNotFoundError), (403, FileAccessDeniedError)])
def test_row_45_every_file_call_tells_missing_from_forbidden(call: str, status: int, error: type[Exception]) -> None:
    """Not only the first one."""
    with canned_server([Canned(status)]) as server, Client("k", base_url=server.base_url) as client:
        with pytest.raises(error):
            getattr(client, call)("f-1")


def test_row_48_the_whole_api_has_methods(client: Client) -> None:
    """In both clients alike."""
    wanted = {
        "threads": ["create", "delete"],
        "users": ["get_responses", "get_threads"],
        "files": ["get_statistics"],
        "model_preferences": ["update_one", "delete", "check_availability"],
        "integrations": ["list_connections", "disconnect", "list_providers"],
        "mcp_servers": ["test_config"],
        "skills": ["create_usage"],
        "people": ["quick_search", "preview_posts"],
    }
    other = AsyncClient("k")
    for resource, methods in wanted.items():
        for method in methods:
            assert callable(getattr(getattr(client, resource), method)), f"{resource}.{method}"
            found = getattr(getattr(other, resource), method)
            assert inspect.iscoroutinefunction(found), f"{resource}.{method}"


def test_row_49_a_tenant_id_only_selects_the_tenant_to_look_up() -> None:
    """It changes the path of tenant.get and nothing else."""
    tenant = {"id": "t-1", "name": "Harbour", "api_key_mode": "platform"}
    with canned_server([Canned(200, tenant)]) as server:
        with Client("k", base_url=server.base_url) as client:
            client.tenant.get()
        with Client("k", base_url=server.base_url, tenant_id="t-1") as client:
            assert client.tenant.get().tenant_id == "t-1"
    assert [request.path for request in server.received] == ["/v1/tenant", "/v1/tenants/t-1"]
