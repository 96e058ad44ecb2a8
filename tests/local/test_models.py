"""External keys and model preferences: secrets stay out, enums are closed, defaults fill in."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from tests.local.conftest import Serve
from tests.local.support import Api, EchoEngine, other_tenant

SECRET = "sk-very-secret-0123456789"
OPENAI = {"provider": "OPENAI_API_KEY", "api_key": SECRET}
KEYS = "/v1/external-api-keys"
MODELS = "/v1/model-preferences"
KEY_FIELDS = {"key_id", "provider", "key_name", "is_active", "expires_at", "created_at", "updated_at", "created_by"}


def test_a_key_is_stored_listed_and_deleted_by_provider(api: Api) -> None:
    """Keys are listed newest first as a bare list, read by id, deleted by provider."""
    first = api.post(KEYS, json=OPENAI)
    assert (first.status_code, set(first.json())) == (201, KEY_FIELDS)
    second = api.ok("POST", KEYS, json={"provider": "EXA_API_KEY", "api_key": "abc"})
    assert api.ok("GET", KEYS) == [second, first.json()]
    assert api.ok("GET", f"{KEYS}/{second['key_id']}") == second
    assert set(api.ok("DELETE", f"{KEYS}/EXA_API_KEY")) == {"message"}
    assert api.refused(404, "GET", f"{KEYS}/{second['key_id']}") == "NOT_FOUND"
    assert api.refused(404, "DELETE", f"{KEYS}/EXA_API_KEY") == "NOT_FOUND"


def test_storing_a_key_again_keeps_its_id_and_age(api: Api) -> None:
    """One key for each provider and name; a newer one takes the place of the older."""
    first = api.ok("POST", KEYS, json=OPENAI)
    again = api.ok("POST", KEYS, json={**OPENAI, "api_key": "other"})
    assert (again["key_id"], again["created_at"]) == (first["key_id"], first["created_at"])
    assert again["updated_at"] > first["updated_at"]
    named = api.ok("POST", KEYS, json={**OPENAI, "key_name": "spare"})
    assert named["key_id"] != first["key_id"]
    assert api.ok("POST", KEYS, json={**OPENAI, "key_name": ""})["key_id"] == first["key_id"]
    api.ok("DELETE", f"{KEYS}/OPENAI_API_KEY", params={"key_name": "spare"})
    assert [key["key_id"] for key in api.ok("GET", KEYS)] == [first["key_id"]]


def test_an_expired_key_is_not_active(api: Api) -> None:
    """A key is active until it expires."""
    past = api.ok("POST", KEYS, json={**OPENAI, "expires_at": "2001-01-01T00:00:00"})
    assert (past["is_active"], past["expires_at"]) == (False, "2001-01-01T00:00:00.000000+00:00")
    assert api.ok("POST", KEYS, json={**OPENAI, "expires_at": "2999-01-01T00:00:00+02:00"})["is_active"] is True


def test_the_secret_is_neither_shown_nor_kept(serve: Serve, tmp_path: Path) -> None:
    """The key appears in no reply, no refusal and nowhere on disk."""
    api = serve(EchoEngine(), path=tmp_path / "lumnis.db", api_key="k")
    shown = [api.post(KEYS, json=OPENAI, headers={"idempotency-key": "once"}) for _ in range(2)]
    shown += [api.post(KEYS, json={"provider": "NO", "api_key": SECRET}), api.get(KEYS)]
    shown.append(api.post(KEYS, json={"provider": "EXA_API_KEY", "api_key": [SECRET]}))
    assert all(SECRET not in reply.text for reply in shown)
    api.local.close()
    assert all(SECRET.encode() not in path.read_bytes() for path in tmp_path.rglob("*") if path.is_file())
    again = serve(EchoEngine(), path=tmp_path / "lumnis.db", api_key="k")
    assert [key["provider"] for key in again.ok("GET", KEYS)] == ["OPENAI_API_KEY"]


def test_the_mode_is_shown_and_changed(api: Api) -> None:
    """The request says `mode`, the reply `api_key_mode`, and the tenant says the same."""
    assert api.ok("GET", f"{KEYS}/mode") == {"api_key_mode": "platform"}
    assert api.ok("PATCH", f"{KEYS}/mode", json={"mode": "byo_keys"}) == {"api_key_mode": "byo_keys"}
    assert api.ok("GET", f"{KEYS}/mode") == {"api_key_mode": "byo_keys"}
    assert api.ok("GET", "/v1/tenant")["api_key_mode"] == "byo_keys"
    assert api.refused(422, "PATCH", f"{KEYS}/mode", json={"mode": "free"}) == [["body", "mode"]]


@pytest.mark.parametrize(
    ("body", "place"),
    [
        (b"nope", ["body"]),
        ({"provider": "OPENAI_API_KEY"}, ["body", "api_key"]),
        ({**OPENAI, "provider": "openai"}, ["body", "provider"]),
        ({**OPENAI, "api_key": "ab"}, ["body", "api_key"]),
        ({**OPENAI, "api_key": "x" * 2001}, ["body", "api_key"]),
        ({**OPENAI, "key_name": "x" * 101}, ["body", "key_name"]),
        ({**OPENAI, "expires_at": "soon"}, ["body", "expires_at"]),
    ],
)
def test_a_bad_key_is_422_and_not_kept(api: Api, body: Any, place: list[str]) -> None:
    """An invalid key leaves no trace."""
    sent = {"content": body} if isinstance(body, bytes) else {"json": body}
    assert api.refused(422, "POST", KEYS, **sent) == [place]
    assert api.ok("GET", KEYS) == []


@pytest.mark.parametrize("name", ["nothing", "openai", "a%00b"])
def test_an_unknown_key_provider_in_the_path_is_422(api: Api, name: str) -> None:
    """Deleting takes a provider of the list, not any text."""
    assert api.refused(422, "DELETE", f"{KEYS}/{name}") == [["path", "key"]]


def test_defaults_fill_in_for_missing_choices(api: Api) -> None:
    """Every kind of work has a model; the reply lists those that are defaults."""
    shown = api.ok("GET", MODELS)
    assert len(shown["preferences"]) == len(shown["defaults_applied"]) == 5
    assert {item["tenant_id"] for item in shown["preferences"]} == {shown["tenant_id"]}
    assert api.ok("GET", MODELS, params={"include_defaults": "false"})["preferences"] == []


def test_preferences_are_set_in_bulk_and_one_by_one(api: Api) -> None:
    """PUT leaves what it does not mention; PATCH sets one; DELETE goes back to the default."""
    fast = {"provider": "groq", "model_name": "llama", "model_type": "FAST_MODEL"}
    api.ok("PUT", MODELS, json={"preferences": {"FAST_MODEL": fast}})
    shown = api.ok("PUT", MODELS, json={"preferences": {"SMART_MODEL": {"provider": "xai", "model_name": "grok-2"}}})
    chosen = {item["model_type"]: item["model_name"] for item in shown["preferences"]}
    assert (chosen["FAST_MODEL"], chosen["SMART_MODEL"]) == ("llama", "grok-2")
    assert set(shown["defaults_applied"]) == {"CHEAP_MODEL", "REASONING_MODEL", "VISION_MODEL"}
    one = api.ok("PATCH", f"{MODELS}/FAST_MODEL", json={**fast, "model_name": "gemma"})
    assert (one["model_name"], one["is_active"]) == ("gemma", True)
    assert one["updated_at"] > one["created_at"]
    for _ in range(2):
        assert api.ok("DELETE", f"{MODELS}/FAST_MODEL") is None
    assert "FAST_MODEL" in api.ok("GET", MODELS)["defaults_applied"]


def test_availability_follows_the_key_mode(api: Api) -> None:
    """With the platform's keys every model can be used; with one's own only those whose key is there."""
    models = [
        {"model_type": "FAST_MODEL", "provider": provider, "model_name": "m"}
        for provider in ("openai", "mistralai", "ollama")
    ]
    everything = api.ok("POST", f"{MODELS}/check-availability", json=models)
    assert [item["is_available"] for item in everything] == [True, True, True]
    api.ok("PATCH", f"{KEYS}/mode", json={"mode": "byo_keys"})
    api.ok("POST", KEYS, json={**OPENAI, "provider": "MISTRAL_API_KEY"})
    own = api.ok("POST", f"{MODELS}/check-availability", json=models)
    assert [item["is_available"] for item in own] == [False, True, True]
    assert [item["requires_api_key"] for item in own] == [True, True, False]
    assert "OPENAI_API_KEY" in own[0]["reason"]


@pytest.mark.parametrize(
    ("method", "path", "body", "place"),
    [
        ("PUT", "", {}, ["body", "preferences"]),
        ("PUT", "", {"preferences": {"FAST": {"provider": "openai", "model_name": "x"}}}, None),
        ("PUT", "", {"preferences": {"FAST_MODEL": {"provider": "meta", "model_name": "x"}}}, None),
        ("PUT", "", {"preferences": {"FAST_MODEL": {"provider": "openai", "model_name": ""}}}, None),
        (
            "PUT",
            "",
            {"preferences": {"FAST_MODEL": {"provider": "xai", "model_name": "x", "model_type": "SMART_MODEL"}}},
            ["body"],
        ),
        ("PATCH", "/FAST", {"provider": "xai", "model_name": "x"}, ["path", "model_type"]),
        (
            "PATCH",
            "/FAST_MODEL",
            {"provider": "xai", "model_name": "x", "model_type": "SMART_MODEL"},
            ["body", "model_type"],
        ),
        ("DELETE", "/FAST", None, ["path", "model_type"]),
        ("POST", "/check-availability", {}, ["body"]),
        ("POST", "/check-availability", [{"provider": "xai", "model_name": "x"}], ["body", 0, "model_type"]),
    ],
)
def test_bad_preferences_are_422_and_nothing_changes(
    api: Api, method: str, path: str, body: Any, place: list[Any] | None
) -> None:
    """Unknown kinds, providers and shapes are refused as a whole."""
    places = api.refused(422, method, f"{MODELS}{path}", json=body)
    assert place is None or places == [place]
    assert api.ok("GET", MODELS, params={"include_defaults": "false"})["preferences"] == []


def test_keys_and_preferences_are_each_tenants_own(api: Api) -> None:
    """Another tenant sees and deletes none of them."""
    key = api.ok("POST", KEYS, json=OPENAI)
    api.ok("PATCH", f"{MODELS}/FAST_MODEL", json={"provider": "xai", "model_name": "grok-2"})
    api.ok("PATCH", f"{KEYS}/mode", json={"mode": "byo_keys"})
    with other_tenant(api) as other:
        assert other.ok("GET", KEYS) == []
        assert other.refused(404, "GET", f"{KEYS}/{key['key_id']}") == "NOT_FOUND"
        assert other.refused(404, "DELETE", f"{KEYS}/OPENAI_API_KEY") == "NOT_FOUND"
        assert other.ok("GET", f"{KEYS}/mode") == {"api_key_mode": "platform"}
        assert len(other.ok("GET", MODELS)["defaults_applied"]) == 5
        other.ok("DELETE", f"{MODELS}/FAST_MODEL")
    assert len(api.ok("GET", MODELS)["defaults_applied"]) == 4
