# Generated from tests/core/_async/test_resource_lives.py by `make sync`; edit that file.
"""The lives of things at the embedded service, from making to deleting, over real sockets."""

from __future__ import annotations

from pathlib import Path

import pytest

from lumnisai_core import ApiKeyMode, ApiProvider, Client, ModelType
from lumnisai_core.exceptions import (
    FileNotFoundError,  # noqa: A004 - the platform's own name
    FileOperationError,
    NotFoundError,
)
from lumnisai_core.local import LocalLumnis


def test_the_life_of_a_user(local: LocalLumnis) -> None:
    """Create, get by id and e-mail address, list, update, use and delete, by the short names."""
    with Client(local.add_key(), base_url=local.base_url) as client:
        user = client.create_user(email="alice@example.com", first_name="Alice", last_name="Johnson")
        assert (client.create_user(email="alice@example.com")).id == user.id
        assert (client.get_user(user.id)).email == "alice@example.com"
        assert (client.get_user("alice@example.com")).id == user.id
        updated = client.update_user(user.id, first_name="Alicia", last_name="Smith")
        assert (updated.first_name, updated.last_name) == ("Alicia", "Smith")
        for name in ("bob", "carol"):
            client.create_user(email=f"{name}@example.com")
        users = client.list_users(page=1, page_size=2)
        assert (len(users.users), users.pagination.total) == (2, 3)
        assert {found.email for found in client.users.iter(page_size=2)} == {
            f"{name}@example.com" for name in ("alice", "bob", "carol")
        }
        run = client.invoke("What is a neap tide?", user_id="alice@example.com")
        assert [found.response_id for found in client.users.get_responses(user.id)] == [run.response_id]
        found = [thread.thread_id for thread in client.users.iter_threads("alice@example.com", page_size=1)]
        assert found == [run.thread_id]
        client.delete_user(user.id)
        with pytest.raises(NotFoundError):
            client.get_user(user.id)


def test_a_tenant_is_read_by_key_and_by_id(local: LocalLumnis) -> None:
    """A key can read its own tenant, and no other."""
    with Client(local.api_key, base_url=local.base_url) as client:
        tenant = client.tenant.get()
        assert tenant.tenant_id == tenant.id
    with Client(local.api_key, base_url=local.base_url, tenant_id=tenant.id) as client:
        assert client.tenant.get() == tenant
    with Client(local.add_key(), base_url=local.base_url, tenant_id=tenant.id) as client:
        with pytest.raises(NotFoundError):
            client.tenant.get()


def test_the_life_of_a_provider_key(local: LocalLumnis) -> None:
    """Store, get, list, choose whose keys are used, and delete by provider and by id."""
    with Client(local.add_key(), base_url=local.base_url) as client:
        key = client.add_api_key(provider="OPENAI_API_KEY", api_key="sk-very-secret")
        assert (key.provider, key.is_active) == (ApiProvider.OPENAI, True)
        assert "sk-very-secret" not in repr(key)
        assert (client.get_api_key(key.key_id)).provider == "OPENAI_API_KEY"
        client.add_api_key(provider=ApiProvider.ANTHROPIC, api_key="sk-ant-secret")
        assert {found.provider for found in client.list_api_keys()} == {"OPENAI_API_KEY", "ANTHROPIC_API_KEY"}
        assert (client.set_api_key_mode("byo")).api_key_mode == ApiKeyMode.BYO_KEYS
        assert (client.tenant.get()).api_key_mode == ApiKeyMode.BRING_YOUR_OWN
        client.delete_api_key("ANTHROPIC_API_KEY")
        client.external_api_keys.delete(key.key_id)
        assert client.list_api_keys() == []
        with pytest.raises(NotFoundError):
            client.delete_api_key("OPENAI_API_KEY")


def test_the_life_of_model_preferences(local: LocalLumnis) -> None:
    """Defaults, choices in bulk and one by one, availability, and back to the default."""
    with Client(local.add_key(), base_url=local.base_url) as client:
        before = client.get_model_preferences()
        assert set(before.defaults_applied) <= set(ModelType)
        after = client.update_model_preferences(
            {
                "FAST_MODEL": {"provider": "openai", "model_name": "gpt-4o-mini"},
                "SMART_MODEL": {"provider": "anthropic", "model_name": "claude-3-7-sonnet-20250219"},
            }
        )
        assert "FAST_MODEL: openai:gpt-4o-mini" in [
            f"{pref.model_type}: {pref.provider}:{pref.model_name}" for pref in after.preferences
        ]
        one = client.model_preferences.update_one("FAST_MODEL", provider="groq", model_name="llama")
        assert (one.provider, one.model_name) == ("groq", "llama")
        available = client.model_preferences.check_availability([one])
        assert [(row.model_type, row.provider, row.model_name) for row in available] == [
            ("FAST_MODEL", "groq", "llama")
        ]
        client.model_preferences.delete("FAST_MODEL")
        chosen = client.model_preferences.get(include_defaults=False)
        assert [pref.model_type for pref in chosen.preferences] == [ModelType.SMART_MODEL]


def test_the_life_of_a_file(local: LocalLumnis, tmp_path: Path) -> None:
    """Upload, wait, get, list, search, read, download, share and delete."""
    target = tmp_path / "tides.md"
    target.write_text("# Tides\n\nNeap tides follow the quarters of the moon.\nSpring tides follow full moon.\n")
    with Client(local.add_key(), base_url=local.base_url, user_id="reader-of-files") as client:
        taken = client.upload_file(file_path=target, tags=["Sea"])
        status = client.files.wait_until_processed(taken.file_id, poll_interval=0.02)
        assert (status.status, status.progress_percentage) == ("completed", 100.0)
        file = client.get_file(taken.file_id)
        assert (file.file_name, file.file_scope, file.tags) == ("tides.md", "user", ["sea"])
        assert file.file_size == target.stat().st_size
        more = client.bulk_upload_files([("b.txt", b"Nothing about the sea."), ("c.txt", b"")])
        assert (more.total_uploaded, more.total_failed) == (2, 0)
        ids = {taken.file_id, *(row.file_id for row in more.uploaded)}
        assert {row.id for row in client.files.iter(page_size=1)} == ids
        assert [row.id for row in (client.list_files(tags="sea")).files] == [taken.file_id]
        found = client.search_files("neap tides")
        assert found.results[0].file.id == taken.file_id
        content = client.get_file_content(taken.file_id, start_line=3, end_line=3)
        assert "Neap tides" in content.text
        assert client.download_file(taken.file_id) == target.read_bytes()
        copy = client.files.download_to(taken.file_id, tmp_path / "copy.md")
        assert copy.read_bytes() == target.read_bytes()
        assert (client.get_file_statistics()).total_files == 3
        with pytest.raises(FileOperationError):
            client.get_file(taken.file_id, user_id="somebody-else")
        assert (client.update_file_scope(taken.file_id, "tenant")).file_scope == "tenant"
        client.delete_file(taken.file_id)
        with pytest.raises(FileNotFoundError):
            client.get_file(taken.file_id)
        deleted = client.bulk_delete_files([row.file_id for row in more.uploaded])
        assert set(deleted.deleted) == {row.file_id for row in more.uploaded}
