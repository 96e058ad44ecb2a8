"""The short names of the product's documentation, and what is imported late."""

from __future__ import annotations

import subprocess
import sys
from importlib import import_module

import pytest

import lumnisai_core
from lumnisai_core import AsyncClient, Client
from lumnisai_core.lumnis import models

SHORT_NAMES = {
    "responses": "get_response list_responses cancel_response",
    "threads": "create_thread get_thread list_threads update_thread delete_thread",
    "users": "create_user get_user list_users update_user delete_user",
    "external_api_keys": "add_api_key get_api_key list_api_keys delete_api_key get_api_key_mode set_api_key_mode",
    "model_preferences": "get_model_preferences update_model_preferences",
    "files": "upload_file bulk_upload_files list_files get_file get_file_content download_file get_file_status "
    "search_files update_file_scope delete_file bulk_delete_files get_file_statistics",
    "integrations": "initiate_connection get_connection_status list_connections get_connection_statuses "
    "wait_for_connection disconnect_app get_integration_tools list_apps is_app_enabled set_app_enabled "
    "list_integration_providers",
    "mcp_servers": "create_mcp_server get_mcp_server list_mcp_servers update_mcp_server delete_mcp_server "
    "list_mcp_server_tools test_mcp_server",
    "skills": "create_skill list_skills get_skill update_skill delete_skill",
}


@pytest.mark.parametrize("kind", [Client, AsyncClient])
@pytest.mark.parametrize("resource", SHORT_NAMES)
def test_short_names_are_the_methods_of_the_resources(kind: type[Client | AsyncClient], resource: str) -> None:
    """A short name is the method itself, bound to the resource of the same client."""
    client = kind("lmn_test_key").for_user("u")
    for name in SHORT_NAMES[resource].split():
        assert getattr(client, name).__self__ is getattr(client, resource)
        assert name in dir(client)


@pytest.mark.parametrize("kind", [Client, AsyncClient])
def test_a_client_for_a_user_has_resources_of_its_own(kind: type[Client | AsyncClient]) -> None:
    """They act for that user and share nothing but the connections with those of the parent."""
    parent = kind("lmn_test_key")
    assert parent.files is parent.files
    assert parent.for_user("u").files is not parent.files


@pytest.mark.processes
def test_models_of_less_used_resources_load_on_first_use() -> None:
    """Importing the package and making a client loads none of them; using one loads its file only."""
    code = (
        "import sys, lumnisai_core; lumnisai_core.Client('lmn_test_key');"
        "late = lambda: [name for name in sys.modules if name.startswith('lumnisai_core.lumnis.models.')"
        " and name.rpartition('.')[2] in lumnisai_core.lumnis.models._LATE];"
        "assert late() == [], late(); lumnisai_core.FileScope;"
        "assert late() == ['lumnisai_core.lumnis.models.files'], late()"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


def test_unknown_names_are_attribute_errors() -> None:
    """The function that finds models on first use knows no other names."""
    for module in (lumnisai_core, models):
        with pytest.raises(AttributeError, match="has no attribute 'Files'"):
            _ = module.Files
        assert "FileScope" in dir(module)


@pytest.mark.parametrize("file", models._LATE)
def test_the_names_of_a_late_file_are_those_that_it_lists(file: str) -> None:
    """They are listed twice, because they must be known before the file is loaded."""
    names = models._LATE[file].split()
    home = import_module(f"lumnisai_core.lumnis.models.{file}")
    own = (name for name, value in vars(home).items() if getattr(value, "__module__", "") == home.__name__)
    assert names == sorted(name for name in own if name.isidentifier() and not name.startswith("_"))
    for module in (lumnisai_core, models, lumnisai_core.models):
        assert set(names) <= set(module.__all__)
        assert set(names) <= set(dir(module))
