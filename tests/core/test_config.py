"""Settings and scopes."""

from __future__ import annotations

import pickle
from typing import Any
from uuid import UUID

import pytest
from pydantic import SecretStr

from lumnisai_core import Scope
from lumnisai_core.exceptions import ConfigurationError, MissingUserId, TenantScopeUserIdConflict, ValidationError
from lumnisai_core.lumnis.config import Settings, settings_for_user, settings_from, user_of_call


def made(environment: dict[str, str] | None = None, **arguments: Any) -> Settings:
    return settings_from(**{"api_key": "lmn_secret", "environment": environment or {}, **arguments})


def test_an_argument_wins_over_the_environment_and_that_over_the_default() -> None:
    """The three sources count in this order."""
    environment = {
        "LUMNISAI_API_KEY": "lmn_env",
        "LUMNISAI_BASE_URL": "https://env.example/x/",
        "LUMNISAI_TENANT_ID": "t-env",
    }
    default = made()
    assert (default.service.base_url, default.tenant_id, default.scope) == ("https://api.lumnis.ai", None, Scope.USER)
    from_environment = made(environment, api_key=None)
    assert from_environment.service.secrets() == (SecretStr("lmn_env"),)
    assert (from_environment.service.base_url, from_environment.tenant_id) == ("https://env.example/x", "t-env")
    by_argument = made(environment, base_url="https://arg.example", tenant_id=UUID(int=1))
    assert by_argument.service.secrets() == (SecretStr("lmn_secret"),)
    assert (by_argument.service.base_url, by_argument.tenant_id) == ("https://arg.example", str(UUID(int=1)))


@pytest.mark.parametrize("key", [None, "", "   "])
def test_a_missing_key_names_the_variable_and_the_embedded_service(key: str | None) -> None:
    """A newcomer without an account learns what to do."""
    with pytest.raises(ConfigurationError, match=r"LUMNISAI_API_KEY(.|\n)*LocalLumnis"):
        made(api_key=key)


@pytest.mark.parametrize("key", ["lmn a", "lmn\nX-Evil: 1", "schlüssel"])
def test_a_key_that_cannot_be_a_header_is_refused_without_showing_it(key: str) -> None:
    """The message never repeats the key."""
    with pytest.raises(ConfigurationError) as caught:
        made(api_key=key)
    assert key not in str(caught.value)


def test_a_line_end_after_the_key_is_forgiven() -> None:
    """Keys read from files often end in one."""
    assert made(api_key="lmn_1\n").service.secrets() == (SecretStr("lmn_1"),)


@pytest.mark.parametrize(
    "url",
    [
        "api.lumnis.ai",
        "ftp://x.example",
        "https://",
        "https://x:99999",
        "https://u:p@x.example",
        "https://x.example?a=1",
    ],
)
def test_an_unusable_base_url_is_refused(url: str) -> None:
    """Only http and https addresses without extras can be a base URL."""
    with pytest.raises(ConfigurationError, match="base_url"):
        made(base_url=url)


@pytest.mark.parametrize(
    "arguments",
    [
        {"timeout": 0},
        {"timeout": "30"},
        {"timeout": None},
        {"max_retries": -1},
        {"max_retries": 1.5},
        {"scope": "all"},
        {"user_id": ""},
        {"user_id": 5},
    ],
)
def test_unusable_arguments_are_refused(arguments: dict[str, Any]) -> None:
    """Each is named in the error."""
    with pytest.raises(ValidationError, match=next(iter(arguments))):
        made(**arguments)


def test_an_unencrypted_address_warns_and_loopback_does_not() -> None:
    """A key should not travel in clear over a network."""
    with pytest.warns(UserWarning, match="unencrypted"):
        made(base_url="http://lumnis.example")
    for local in ("http://127.0.0.1:8000", "http://localhost:1", "http://[::1]:1"):
        made(base_url=local)


def test_the_text_of_settings_never_shows_the_key() -> None:
    """Settings can be logged, and a pickle would hold the key: there is none."""
    settings = made()
    assert "lmn_secret" not in repr(settings) + str(settings.service) + str(vars(settings.service))
    with pytest.raises(TypeError, match="holds secrets and cannot be copied or pickled"):
        pickle.dumps(settings)


@pytest.mark.parametrize(
    ("settings", "call", "user"),
    [
        ({}, {"user_id": "u"}, "u"),
        ({}, {"user_id": UUID(int=7)}, str(UUID(int=7))),
        ({"user_id": "own"}, {}, "own"),
        ({"user_id": "own"}, {"user_id": "u"}, "u"),
        ({"scope": "tenant"}, {}, None),
        ({"scope": "tenant"}, {"user_id": "u", "scope": "user"}, "u"),
        ({"user_id": "own"}, {"scope": Scope.TENANT}, None),
    ],
)
def test_the_user_of_a_call(settings: dict[str, Any], call: dict[str, Any], user: str | None) -> None:
    """The call's scope and user win over the client's."""
    assert user_of_call(made(**settings), **call) == user


@pytest.mark.parametrize(
    ("settings", "call", "error"),
    [
        ({}, {}, MissingUserId),
        ({"scope": "tenant"}, {"scope": "user"}, MissingUserId),
        ({"scope": "tenant"}, {"user_id": "u"}, TenantScopeUserIdConflict),
        ({}, {"user_id": "u", "scope": "tenant"}, TenantScopeUserIdConflict),
        ({"scope": "tenant", "user_id": "own"}, {}, TenantScopeUserIdConflict),
        ({}, {"user_id": " "}, ConfigurationError),
    ],
)
def test_contradictions_of_scope_and_user(
    settings: dict[str, Any], call: dict[str, Any], error: type[Exception]
) -> None:
    """User scope needs a user, tenant scope allows none."""
    with pytest.raises(error):
        user_of_call(made(**settings), **call)


def test_a_client_for_a_user_is_in_user_scope() -> None:
    """Also when its parent is not."""
    settings = settings_for_user(made(scope="tenant"), "u")
    assert (settings.scope, settings.user_id) == (Scope.USER, "u")
