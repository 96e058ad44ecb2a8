# Generated from tests/core/_async/test_liminal_logins.py by `make sync`; edit that file.
"""The client of Liminal against prepared answers: settings, logins, sessions."""

from __future__ import annotations

from typing import Any

import pytest

from lumnisai_core._transport.pool import HTTPClient
from lumnisai_core._transport.waiting import each
from lumnisai_core.exceptions import (
    AuthenticationError,
    ConfigurationError,
)
from lumnisai_core.liminal import (
    Client,
    SessionExpiredError,
)
from tests.core.gateway import (
    INSTANCE,
    PROMPT,
    SUBMITTED,
    TOKEN,
    TOKEN_LOGIN,
    data,
    login,
    refused,
    routes,
)
from tests.servers import Canned, CannedServer, canned_server


def client_to(server: CannedServer, **known: Any) -> Client:
    return Client(server.base_url, **{"token": TOKEN, **known})


# Logging in


def test_it_logs_in_with_the_first_call() -> None:
    """Making a client sends nothing; the session goes along as a cookie, the token only to the login."""
    with canned_server([login(), data([INSTANCE])]) as server:
        with client_to(server) as client:
            assert (server.received, client.session_id) == ([], None)
            assert (client.llm.get_model_instance("House")).id == 12
            assert client.session_id == "session-1"
    assert routes(server) == [TOKEN_LOGIN, "GET /model-instances"]
    first, second = (request.headers for request in server.received)
    assert first["x-test-automation-api-key"] == TOKEN
    assert (second["cookie"], "x-test-automation-api-key" in second) == ("session=session-1", False)


def test_refresh_is_automatic() -> None:
    """An expired session is renewed once, also for a prompt that is never submitted twice; new cookies are adopted."""
    with canned_server(
        [login(1), refused(), login(2), data(SUBMITTED, headers={"Set-Cookie": "session=session-3"}), data([])]
    ) as server:
        with client_to(server) as client:
            assert (client.prompt.submit(12, PROMPT)).answer == "Dear Mira Okafor,"
            assert client.thread.get_available() == []
    assert routes(server)[:4] == [TOKEN_LOGIN, "POST /prompts/submit", TOKEN_LOGIN, "POST /prompts/submit"]
    assert [request.headers.get("cookie") for request in server.received[3:]] == [
        "session=session-2",
        "session=session-3",
    ]


def test_a_session_that_cannot_be_renewed_is_a_typed_error() -> None:
    """With a session id alone there is no way to log in again."""
    with canned_server([refused()]) as server:
        with Client(server.base_url, session_id="session-0") as client:
            with pytest.raises(
                SessionExpiredError, match=r"401 Unauthorized: the session has expired.*token="
            ) as caught:
                client.thread.get_by_id(3)
    assert isinstance(caught.value, AuthenticationError)
    assert (caught.value.status_code, len(server.received)) == (401, 1)


def test_a_session_id_works_although_the_service_sets_no_cookie() -> None:
    """The given id stays; the service is asked whether it is valid."""
    with canned_server([data({"id": 7})]) as server:
        client = Client.authenticate_from_session_id(server.base_url, "session-0")
        assert client.session_id == "session-0"
        client.close()
    assert routes(server) == ["GET /users/me"]
    assert server.received[0].headers["cookie"] == "session=session-0"


def test_refused_logins_are_authentication_errors() -> None:
    """A wrong token, and a login that sets no cookie."""
    for answer in (refused(401), refused(403), Canned(200)):
        with canned_server([answer]) as server:
            with pytest.raises(AuthenticationError) as caught:
                Client.authenticate_from_token(server.base_url, TOKEN)
        assert TOKEN not in str(caught.value) + repr(vars(caught.value))


def test_the_quick_start_of_the_product_works() -> None:
    """Its classmethod without arguments returns what makes the client; a provider needs one method."""

    class Provider:
        def get_access_token(self) -> str:
            return "entra-token"

    with canned_server([login()]) as server:
        client = Client.authenticate_from_auth_provider()(server.base_url, Provider())
        assert client.session_id == "session-1"
        client.close()
    assert routes(server) == ["GET /auth/login/oauth/access-token"]
    assert server.received[0].headers["authorization"] == "Bearer entra-token"


def test_the_pooling_example_of_the_product_works() -> None:
    """Provider and address in the older order, and an HTTP client of the caller, which stays open."""

    class Provider:
        def get_access_token(self) -> str:
            return "entra-token"

    with canned_server([login(), data([INSTANCE])]) as server:
        with HTTPClient(trust_env=False) as own:
            with Client(Provider(), server.base_url, httpx_client=own) as client:
                assert [one.name for one in client.llm.get_available_model_instances()] == ["House"]
            assert not own.is_closed


def test_a_shared_http_client_mixes_no_identities() -> None:
    """Two clients over one HTTP client each send their own cookie only."""
    with canned_server([login(1), data([]), login(2), data([]), data([])]) as server:
        with HTTPClient(trust_env=False) as own:
            first, second = (client_to(server, http_client=own) for _ in range(2))
            for client in (first, second, first):
                client.thread.get_available()
    assert [request.headers.get("cookie") for request in server.received] == [
        None,
        "session=session-1",
        None,
        "session=session-2",
        "session=session-1",
    ]


@pytest.mark.parametrize(
    ("environment", "known"),
    [
        ({"LIMINAL_TOKEN": TOKEN}, "token"),
        ({"LIMINAL_SESSION_ID": "session-0"}, "session"),
        ({"LIMINAL_ENTRA_TENANT_ID": "t", "LIMINAL_ENTRA_CLIENT_ID": "c"}, "provider"),
    ],
)
def test_settings_come_from_the_environment(
    environment: dict[str, str], known: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Credentials too, unless one is an argument: identities are never mixed."""
    monkeypatch.setenv("LIMINAL_API_SERVER_URL", "http://127.0.0.1:9/base/")
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    client = Client()
    assert repr(client) == "Client(base_url='http://127.0.0.1:9/base')"
    assert (client.session_id is not None) == (known == "session")
    assert (client._service.login() is not None) == (known != "session")
    argued = Client(session_id="session-9")
    assert (argued.session_id, argued._service.login()) == ("session-9", None)


def test_settings_that_cannot_work_are_named() -> None:
    """Before anything is sent; no secret is in the message."""
    base = "http://127.0.0.1:9"
    wrong: list[tuple[dict[str, Any], str]] = [
        ({}, "LIMINAL_API_SERVER_URL"),
        ({"base_url": base}, "No way to log in"),
        ({"base_url": base, "token": "a b"}, "The token contains characters"),
        ({"base_url": base, "auth_provider": object()}, "get_access_token"),
        ({"base_url": base, "token": "t", "timeout": 0}, "timeout"),
        ({"base_url": base, "token": "t", "max_retries": -1}, "max_retries"),
        ({"base_url": base, "token": "t", "default_headers": {"Cookie": "x"}}, "default_headers"),
        ({"base_url": "ftp://x", "token": "t"}, "base_url must be"),
    ]
    for arguments, message in wrong:
        with pytest.raises(ConfigurationError, match=message):
            Client(**arguments)


def test_many_calls_share_one_login() -> None:
    """Nothing is sent before it is done."""
    with canned_server([login(), data([])]) as server:
        client = client_to(server)

        def threads(_: int) -> int:
            return len(client.thread.get_available())

        assert [count for count in each(threads, range(20), limit=20, stop=client.close)] == [0] * 20
        client.close()
    assert routes(server).count(TOKEN_LOGIN) == 1
    assert routes(server)[0] == TOKEN_LOGIN
