"""Keys that are good for a while only: those of the service, and those of model providers."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone

import httpx
import pytest

from lumnisai_core import Client
from lumnisai_core.exceptions import AuthenticationError
from lumnisai_core.local import LocalLumnis
from lumnisai_core.local.web.ids import is_past, utc
from tests.local.conftest import Serve
from tests.local.support import Api

PAST, FUTURE = datetime(2001, 1, 1, tzinfo=UTC), datetime(2999, 1, 1, tzinfo=UTC)


def _answer(local: LocalLumnis, key: str) -> httpx.Response:
    return httpx.get(f"{local.base_url}/v1/tenant", headers={"x-api-key": key})


def test_an_expired_key_is_refused_like_one_that_is_not_known(api: Api) -> None:
    """With the documented 401; a key that has not expired yet is let in."""
    expired, good = api.local.add_key(expires_at=PAST), api.local.add_key(expires_at=FUTURE)
    refused, unknown = _answer(api.local, expired), _answer(api.local, "lmn_unknown")
    assert (refused.status_code, refused.json()) == (401, unknown.json())
    assert refused.json()["error"]["code"] == "INVALID_API_KEY"
    assert _answer(api.local, good).status_code == 200
    with Client(expired, base_url=api.local.base_url, user_id="u") as client, pytest.raises(AuthenticationError):
        client.invoke("Hello")


def test_a_key_can_be_made_to_expire_and_let_in_again(api: Api) -> None:
    """Its tenant stays the same, so a test can see what becomes of a client in the middle of its work."""
    run = api.finish()
    api.local.add_key(api.local.api_key, expires_at=PAST)
    assert api.refused(401, "GET", f"/v1/responses/{run['response_id']}") == "INVALID_API_KEY"
    api.local.add_key(api.local.api_key)
    assert api.look(run["response_id"]) == run


def test_keys_can_expire_from_the_start() -> None:
    """Each by itself; a date without a zone is in UTC."""
    expiry = {"lmn_a": PAST.replace(tzinfo=None), "lmn_own": FUTURE}
    with LocalLumnis(api_key="lmn_own", tenants={"acme": ["lmn_a", "lmn_b"]}, key_expiry=expiry) as local:
        assert [_answer(local, key).status_code for key in ("lmn_a", "lmn_b", "lmn_own")] == [401, 200, 200]


def test_expiry_needs_no_key_on_public_paths() -> None:
    """Health is told to everybody."""
    with LocalLumnis(api_key="lmn_own", key_expiry={"lmn_own": PAST}) as local:
        assert httpx.get(f"{local.base_url}/v1/health", headers={"x-api-key": "lmn_own"}).status_code == 200


def test_wrong_expiry_is_refused_without_the_key() -> None:
    """A key that is not the service's, or an expiry that is not a date."""
    with pytest.raises(ValueError, match="neither api_key nor one of tenants") as caught:
        LocalLumnis(api_key="lmn_own", key_expiry={"lmn_secret": FUTURE})
    assert "lmn_secret" not in str(caught.value)
    with pytest.raises(ValueError, match="must be a datetime, got 'soon'"):
        LocalLumnis(api_key="lmn_own", key_expiry={"lmn_own": "soon"})  # type: ignore[dict-item]


def test_adding_a_wrong_key_is_refused(api: Api) -> None:
    """Blank, or with an expiry that is not a date."""
    with pytest.raises(ValueError, match="non-empty"):
        api.local.add_key(" ")
    with pytest.raises(ValueError, match="must be a datetime, got 3"):
        api.local.add_key(expires_at=3)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("expires_at", "moment", "past"),
    [
        (None, utc(PAST), False),
        (utc(PAST), utc(PAST), True),
        (utc(PAST), utc(PAST - timedelta(microseconds=1)), False),
        (utc(PAST), utc(PAST + timedelta(microseconds=1)), True),
        (utc(PAST.astimezone(timezone(timedelta(hours=9)))), utc(PAST), True),
        ("2001-01-01T09:00:00+09:00", "2001-01-01T00:00:00.000000+00:00", True),
    ],
)
def test_something_has_expired_from_its_moment_on(expires_at: str | None, moment: str, past: bool) -> None:
    """Zones are understood; what never expires has not."""
    assert is_past(expires_at, moment) is past


def test_an_expired_provider_key_is_inactive_and_not_used(serve: Serve) -> None:
    """It is shown with `is_active: false`, and its models are not available to a tenant that brings its keys."""
    api = serve()
    key = {"provider": "OPENAI_API_KEY", "api_key": "sk-made-up"}
    choice = [{"model_type": "SMART_MODEL", "provider": "openai", "model_name": "gpt-4.1"}]
    api.ok("PATCH", "/v1/external-api-keys/mode", json={"mode": "byo_keys"})
    for expires_at, active in ((PAST, False), (FUTURE, True), (PAST, False)):
        made = api.ok("POST", "/v1/external-api-keys", json={**key, "expires_at": expires_at.isoformat()})
        (listed,) = api.ok("GET", "/v1/external-api-keys")
        one = api.ok("GET", f"/v1/external-api-keys/{made['key_id']}")
        assert [item["is_active"] for item in (made, listed, one)] == [active] * 3
        (available,) = api.ok("POST", "/v1/model-preferences/check-availability", json=choice)
        assert available["is_available"] is active
