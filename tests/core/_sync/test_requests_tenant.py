# Generated from tests/core/_async/test_requests_tenant.py by `make sync`; edit that file.
"""Users, tenant, provider keys and model preferences: what each call sends and reads."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from uuid import UUID

import pytest
from pydantic import SecretStr

from lumnisai_core import ApiKeyMode, ApiProvider, Client, ModelProvider, ModelType
from lumnisai_core.exceptions import ValidationError
from tests.core._sync.rows import Row, check_request, check_sparse_answer, table
from tests.servers import Canned, canned_server

ID = "a94d2e70-15c3-4b8f-b6d1-7e0f5c3a9d28"
TIME = "2026-03-02T09:15:00.104233+00:00"
USER = {
    "id": ID,
    "email": "alice@example.com",
    "first_name": "Alice",
    "last_name": None,
    "tenant_id": "t",
    "is_active": True,
    "created_at": TIME,
    "updated_at": TIME,
}
PAGINATION = {"page": 2, "page_size": 5, "total": 6, "total_pages": 2, "has_next": False, "has_prev": True}
KEY = {
    "key_id": "k-1",
    "provider": "OPENAI_API_KEY",
    "key_name": "main",
    "is_active": True,
    "expires_at": TIME,
    "created_at": TIME,
    "updated_at": None,
    "created_by": None,
}
CHOICE = {"model_type": "FAST_MODEL", "provider": "openai", "model_name": "gpt-4o-mini"}
PREFERENCE = {**CHOICE, "tenant_id": "t", "is_active": True, "created_at": TIME, "updated_at": TIME}
PREFERENCES = {"tenant_id": "t", "preferences": [PREFERENCE], "defaults_applied": ["CHEAP_MODEL"]}
ODD_PREFERENCES = {"preferences": [{"model_type": "TINY_MODEL", "provider": "new-one"}, 5], "defaults_applied": None}

USERS = [
    Row(
        lambda client: client.create_user(email="alice@example.com", first_name="Alice"),
        "POST /v1/users",
        body={"email": "alice@example.com", "first_name": "Alice"},
        full=USER,
        sparse={"id": ID, "email": None},
        read={"it.id": ID, "it.email": "alice@example.com", "it.is_active": True},
    ),
    Row(
        lambda client: client.get_user("a b+c@example.com"),
        "GET /v1/users/a%20b%2Bc%40example.com",
        full=USER,
        sparse={"id": ID, "is_active": None, "created_at": "yesterday"},
        read={"it.first_name": "Alice", "it.last_name": None, "it.created_at.year": 2026},
    ),
    Row(lambda client: client.users.get(UUID(ID)), f"GET /v1/users/{ID}", full=USER, sparse={"id": ID}),
    Row(
        lambda client: client.list_users(page=2, page_size=5),
        "GET /v1/users",
        query={"page": "2", "page_size": "5"},
        full={"users": [USER], "pagination": PAGINATION},
        sparse={"users": [None, {"id": ID}], "pagination": None},
        read={
            "[user.id for user in it.users]": [ID],
            "it.pagination.total": 6,
            "it.total": 6,
            "it.pagination.has_prev": True,
        },
    ),
    Row(
        lambda client: client.list_users(),
        "GET /v1/users",
        query={"page": "1", "page_size": "20"},
        full={"users": [], "pagination": PAGINATION},
        sparse={},
    ),
    Row(
        lambda client: client.update_user(ID, last_name="Smith"),
        f"PUT /v1/users/{ID}",
        body={"last_name": "Smith"},
        full=USER,
        sparse={"id": ID},
    ),
    Row(
        lambda client: client.delete_user("alice@example.com"),
        "DELETE /v1/users/alice%40example.com",
        full={"message": "Deactivated."},
        read={"it": None},
    ),
    Row(
        lambda client: client.users.get_responses(ID, page=3, page_size=10),
        f"GET /v1/users/{ID}/responses",
        query={"page": "3", "page_size": "10"},
        full=[{"response_id": "r-1", "status": "succeeded"}],
        sparse=[None, {"response_id": "r-1", "progress": None}],
        read={"[run.response_id for run in it]": ["r-1"]},
    ),
    Row(
        lambda client: client.users.get_threads(UUID(ID)),
        f"GET /v1/users/{ID}/threads",
        query={"page": "1", "page_size": "20"},
        full=[{"thread_id": "t-1", "title": "Tides"}],
        read={"[thread.title for thread in it]": ["Tides"]},
    ),
]

TENANT = {"id": ID, "name": "Harbour", "api_key_mode": "byo_keys", "created_at": TIME, "updated_at": None}
TENANTS = [
    Row(
        lambda client: client.tenant.get(),
        "GET /v1/tenant",
        full={**TENANT, "developer_id": ID, "plan": "shared", "db_status": "active", "billing_status": "trial"},
        sparse={"tenant_id": ID, "api_key_mode": "leased"},
        read={
            "(it.id, it.tenant_id)": (ID, ID),
            "it.name": "Harbour",
            "it.api_key_mode": ApiKeyMode.BYO_KEYS,
            "it.billing_status": "trial",
        },
    ),
    Row(
        lambda client: client.tenant.get(),
        f"GET /v1/tenants/{ID}",
        full=TENANT,
        sparse={"id": ID},
        client={"tenant_id": ID},
    ),
]

STORED = {"provider": "OPENAI_API_KEY", "api_key": "sk-very-secret"}
KEYS = [
    Row(
        lambda client: client.add_api_key(provider="OPENAI_API_KEY", api_key="sk-very-secret"),
        "POST /v1/external-api-keys",
        body=STORED,
        full=KEY,
        sparse={"key_id": 7, "provider": "BRAND_NEW_KEY"},
        read={"it.key_id": "k-1", "it.provider": ApiProvider.OPENAI, "it.is_active": True},
    ),
    Row(
        lambda client: client.external_api_keys.create(
            provider=ApiProvider.OPENAI,
            api_key=SecretStr("sk-very-secret"),
            key_name="main",
            expires_at=datetime(2027, 1, 1, tzinfo=UTC),
        ),
        "POST /v1/external-api-keys",
        body={**STORED, "key_name": "main", "expires_at": "2027-01-01T00:00:00+00:00"},
        full=KEY,
        sparse={"key_id": "k"},
        read={"it.key_name": "main"},
    ),
    Row(
        lambda client: client.get_api_key("k-1"),
        "GET /v1/external-api-keys/k-1",
        full=KEY,
        sparse={"key_id": "k-1", "is_active": "perhaps"},
        read={"it.expires_at.year": 2026},
    ),
    Row(
        lambda client: client.list_api_keys(),
        "GET /v1/external-api-keys",
        full=[KEY],
        sparse=["odd", {"key_id": "k"}],
        read={"[f'{key.provider} {key.is_active}' for key in it]": ["OPENAI_API_KEY True"]},
    ),
    Row(
        lambda client: client.delete_api_key("OPENAI_API_KEY"),
        "DELETE /v1/external-api-keys/OPENAI_API_KEY",
        full={"message": "Deleted."},
        read={"it": None},
    ),
    Row(
        lambda client: client.external_api_keys.delete("openai", key_name="main"),
        "DELETE /v1/external-api-keys/OPENAI_API_KEY",
        query={"key_name": "main"},
        full=None,
    ),
    Row(
        lambda client: client.get_api_key_mode(),
        "GET /v1/external-api-keys/mode",
        full={"api_key_mode": "platform"},
        sparse={"api_key_mode": None},
        read={"it.api_key_mode": ApiKeyMode.USE_PLATFORM},
    ),
    Row(
        lambda client: client.external_api_keys.update_mode(ApiKeyMode.BRING_YOUR_OWN),
        "PATCH /v1/external-api-keys/mode",
        body={"mode": "byo_keys"},
        full={"api_key_mode": "byo_keys"},
        sparse={},
        read={"it.api_key_mode": ApiKeyMode.BYO_KEYS},
    ),
]

AVAILABLE = {**CHOICE, "is_available": False, "reason": "There is no key.", "requires_api_key": True}
MODELS = [
    Row(
        lambda client: client.get_model_preferences(),
        "GET /v1/model-preferences",
        query={"include_defaults": "true"},
        full=PREFERENCES,
        sparse=ODD_PREFERENCES,
        read={
            "[f'{row.model_type}: {row.provider}:{row.model_name}' for row in it.preferences]": [
                "FAST_MODEL: openai:gpt-4o-mini"
            ],
            "it.defaults_applied": [ModelType.CHEAP_MODEL],
        },
    ),
    Row(
        lambda client: client.update_model_preferences(
            {
                "FAST_MODEL": {"provider": "openai", "model_name": "gpt-4o-mini"},
                ModelType.SMART_MODEL: {"provider": ModelProvider.OLLAMA, "model_name": "llama3:8b"},
            }
        ),
        "PUT /v1/model-preferences",
        body={
            "preferences": {
                "FAST_MODEL": CHOICE,
                "SMART_MODEL": {"model_type": "SMART_MODEL", "provider": "ollama", "model_name": "llama3:8b"},
            }
        },
        full=PREFERENCES,
        sparse={},
        read={"it.preferences[0].provider": ModelProvider.OPENAI},
    ),
    Row(
        lambda client: client.model_preferences.update_one("FAST_MODEL", provider="openai", model_name="gpt-4o-mini"),
        "PATCH /v1/model-preferences/FAST_MODEL",
        body=CHOICE,
        full=PREFERENCE,
        sparse={"model_type": "FAST_MODEL"},
        read={"it.model_name": "gpt-4o-mini"},
    ),
    Row(
        lambda client: client.model_preferences.delete(ModelType.FAST_MODEL),
        "DELETE /v1/model-preferences/FAST_MODEL",
        full=None,
        read={"it": None},
    ),
    Row(
        lambda client: client.model_preferences.check_availability([CHOICE]),
        "POST /v1/model-preferences/check-availability",
        body=[CHOICE],
        full=[AVAILABLE],
        sparse=[{"model_type": "FAST_MODEL", "is_available": None}],
        read={"(it[0].is_available, it[0].reason)": (False, "There is no key.")},
    ),
]


@table([*USERS, *TENANTS, *KEYS, *MODELS])
def test_requests_are_as_documented(row: Row) -> None:
    """Method, path, query and body arrive as documented, and the documented answer is read."""
    check_request(row)


@table([*USERS, *TENANTS, *KEYS, *MODELS])
def test_sparse_and_odd_answers_are_read(row: Row) -> None:
    """Missing, null, new and invalid fields do not fail the call."""
    check_sparse_answer(row)


def test_row_36_the_older_form_of_storing_a_key_works() -> None:
    """Short provider and mode are understood, the user is ignored with a warning, and the mode is set after the key."""
    replies = [Canned(body=KEY), Canned(body={"api_key_mode": "byo_keys"})]
    with canned_server(replies) as server:
        with Client("lmn_test_key", base_url=server.base_url) as client:
            with pytest.warns(DeprecationWarning, match="user_id is ignored"):
                key = client.external_api_keys.create(
                    user_id="user-123", provider="openai", api_key="sk-very-secret", mode="byo"
                )
    assert key.provider == "OPENAI_API_KEY"
    assert [f"{received.method} {received.path}" for received in server.received] == [
        "POST /v1/external-api-keys",
        "PATCH /v1/external-api-keys/mode",
    ]
    assert [json.loads(received.body) for received in server.received] == [STORED, {"mode": "byo_keys"}]


def test_row_36_the_older_form_of_listing_keys_works() -> None:
    """The user is ignored with a warning."""
    with canned_server([Canned(body=[KEY])]) as server:
        with Client("lmn_test_key", base_url=server.base_url) as client:
            with pytest.warns(DeprecationWarning, match="user_id is ignored"):
                assert len(client.external_api_keys.list(user_id="user-123")) == 1
            assert [key.key_id for key in client.external_api_keys.iter()] == ["k-1"]
    assert server.received[0].path == "/v1/external-api-keys"


def test_row_36_a_key_is_deleted_by_its_id() -> None:
    """The service deletes by provider, so the id is looked up and the key's provider and name are used."""
    with canned_server([Canned(body=KEY), Canned(status=204)]) as server:
        with Client("lmn_test_key", base_url=server.base_url) as client:
            client.external_api_keys.delete("k-1")
    assert [f"{received.method} {received.path}" for received in server.received] == [
        "GET /v1/external-api-keys/k-1",
        "DELETE /v1/external-api-keys/OPENAI_API_KEY?key_name=main",
    ]


def test_a_refused_key_never_shows() -> None:
    """A service that quotes the key in its refusal does not bring it into the error."""
    detail = [
        {"loc": ["body", "api_key"], "msg": "sk-very-secret is not a key", "input": {"api_key": "sk-very-secret"}}
    ]
    with canned_server([Canned(422, {"detail": detail})]) as server:
        with Client("lmn_test_key", base_url=server.base_url) as client:
            with pytest.raises(ValidationError) as caught:
                client.add_api_key(provider="openai", api_key="sk-very-secret")
    assert "is not a key" in str(caught.value)
    assert "sk-very-secret" not in f"{caught.value} {caught.value!r} {caught.value.detail} {caught.value.__dict__}"
