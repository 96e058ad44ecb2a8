# Generated from tests/core/_async/test_lumi_accounts.py by `make sync`; edit that file.
"""The client of Lumi.new against prepared answers: accounts, tokens and who a client works for."""

from __future__ import annotations

import threading
from typing import Any

import pytest

from lumnisai_core.exceptions import (
    AuthenticationError,
    ConfigurationError,
    SessionExpiredError,
    TransportError,
    ValidationError,
)
from lumnisai_core.lumi import AuthChange, Client
from tests.core.backend import (
    API_KEY,
    DOCUMENT,
    EMAIL,
    HASH,
    PASSWORD,
    PROJECT,
    SIGN_KEY,
    SIGNED_IN,
    TOKEN,
    USER,
    bad,
    body,
    good,
    is_signed,
    routes,
)
from tests.servers import Canned, CannedServer, canned_server


def client_to(server: CannedServer, **known: Any) -> Client:
    settings = {"sign_key": SIGN_KEY, "api_key": API_KEY, "top_access_key": "", **known}
    return Client(PROJECT, server.base_url, **settings)


def test_signing_in_sends_the_hash_of_the_password_and_keeps_the_token() -> None:
    """The user, the token and ``is_authenticated`` change together; the next call carries the token."""
    with canned_server([good(SIGNED_IN), good(USER)]) as server:
        with client_to(server) as client:
            assert (client.auth.access_token, client.auth.user, client.auth.is_authenticated) == (None, None, False)
            result = client.auth.sign_in_with_password(EMAIL, PASSWORD)
            assert (result.project_id, result.access_token, result.user.user_name) == (PROJECT, TOKEN, "Ines")
            assert (client.auth.access_token, client.auth.user, client.auth.is_authenticated) == (
                TOKEN,
                result.user,
                True,
            )
            assert (client.auth.refresh_user()).user_role == "USER"
    login, info = server.received
    assert body(login) == {"projectId": PROJECT, "email": EMAIL, "password": HASH}
    assert "authorization" not in login.headers
    assert (info.headers["authorization"], info.body) == (f"Bearer {TOKEN}", b"")
    assert routes(server) == ["POST /lm/user/password/login", "POST /lm/user/info"]
    assert all(is_signed(request) for request in server.received)


def test_signing_up_takes_two_steps() -> None:
    """A code by e-mail, then the registration, which signs in; a display name is sent only if there is one."""
    with canned_server([good(), good(SIGNED_IN), good(SIGNED_IN)]) as server:
        with client_to(server) as client:
            client.auth.send_otp(EMAIL, "register")
            client.auth.sign_up_with_password(EMAIL, PASSWORD, "123456", user_name="Ines")
            assert client.auth.is_authenticated
            client.auth.sign_out()
            client.auth.sign_up_with_password(EMAIL, PASSWORD, "123456")
    assert body(server.received[0]) == {"projectId": PROJECT, "email": EMAIL, "emailType": "register"}
    full = {"projectId": PROJECT, "email": EMAIL, "password": HASH, "code": "123456"}
    assert [body(request) for request in server.received[1:]] == [{**full, "userName": "Ines"}, full]
    assert routes(server)[:2] == ["POST /lm/user/email/code/send", "POST /lm/user/password/register"]


def test_a_password_is_reset_with_a_code() -> None:
    """Both names of the code's kind are understood; nobody is signed in by it."""
    with canned_server([good()]) as server:
        with client_to(server) as client:
            for kind in ("resetPassword", "reset_password"):
                client.auth.send_otp(EMAIL, kind)
            client.auth.reset_password(EMAIL, PASSWORD, "123456")
            assert not client.auth.is_authenticated
    assert {body(request)["emailType"] for request in server.received[:2]} == {"resetPassword"}
    assert body(server.received[2]) == {
        "projectId": PROJECT,
        "email": EMAIL,
        "newPassword": HASH,
        "code": "123456",
    }
    assert routes(server)[2] == "POST /lm/user/password/reset"


def test_signing_out_forgets_everything_and_listeners_see_it() -> None:
    """Listeners get each change once, until they are removed; one that fails does no harm."""
    changes: list[AuthChange] = []

    def failing(change: AuthChange) -> None:
        raise RuntimeError("listener")

    with canned_server([good(SIGNED_IN), good(USER), good(SIGNED_IN)]) as server:
        with client_to(server) as client:
            client.auth.on_auth_change(failing)
            unsubscribe = client.auth.on_auth_change(changes.append)
            client.auth.sign_in_with_password(EMAIL, PASSWORD)
            client.auth.refresh_user()  # the same user: no change
            client.auth.sign_out()
            client.auth.sign_out()
            assert [change.is_authenticated for change in changes] == [True, False]
            assert (client.auth.user, client.auth.access_token) == (None, None)
            client.auth.access_token = "Bearer other"
            assert (client.auth.access_token, client.auth.user, len(changes)) == ("other", None, 3)
            unsubscribe()
            client.auth.sign_out()
            assert len(changes) == 3
            with pytest.raises(AuthenticationError, match="No user is signed in"):
                client.auth.refresh_user()
    assert len(server.received) == 2


def test_one_client_works_for_one_user() -> None:
    """Another user cannot take over a client by signing in; the same one can sign in again."""
    with canned_server([good(SIGNED_IN)]) as server:
        with client_to(server) as client:
            client.auth.sign_in_with_password(EMAIL, PASSWORD)
            with pytest.raises(ConfigurationError, match="one client works for one user"):
                client.auth.sign_in_with_password("bo@example.org", PASSWORD)
            client.auth.sign_in_with_password(EMAIL.upper(), PASSWORD)
        with client_to(server, authorization="Bearer tok-9") as client:
            assert client.auth.access_token == "tok-9"
            with pytest.raises(ConfigurationError):
                client.auth.sign_up_with_password(EMAIL, PASSWORD, "1")
    assert len(server.received) == 2


def test_a_refused_token_is_renewed_once_when_the_password_is_known() -> None:
    """Code 2100 or status 401; the call is sent again with the new token."""
    renewed = good({**SIGNED_IN, "userToken": "tok-new"})
    for refusal in (bad(2100), bad(2100, status=401), Canned(401, b"<html>no</html>")):
        with canned_server([good(SIGNED_IN), refusal, renewed, good([DOCUMENT])]) as server:
            with client_to(server, max_retries=0) as client:
                client.auth.sign_in_with_password(EMAIL, PASSWORD)
                assert (client.entities.Posts.list()).total == 1
                assert client.auth.access_token == "tok-new"
        assert [request.headers.get("authorization") for request in server.received] == [
            None,
            f"Bearer {TOKEN}",
            None,
            "Bearer tok-new",
        ]


def test_a_refused_token_without_a_password_is_an_error_and_shows() -> None:
    """The client does not continue as nobody: each call says so, and ``is_authenticated`` is false."""
    changes: list[AuthChange] = []
    with canned_server([bad(2100, "Token is invalid or expired")]) as server:
        with client_to(server, authorization=f"Bearer {TOKEN}") as client:
            client.auth.on_auth_change(changes.append)
            for _ in range(2):
                with pytest.raises(SessionExpiredError, match="Token is invalid or expired: sign in again") as caught:
                    client.entities.Posts.list()
            assert (caught.value.code, caught.value.status_code) == ("2100", 401)
            assert (client.auth.is_authenticated, len(changes)) == (False, 1)
    assert {request.headers["authorization"] for request in server.received} == {f"Bearer {TOKEN}"}
    assert len(server.received) == 2


def test_a_plain_401_is_the_end_of_a_session_too() -> None:
    """Of the platform; a function may have reasons of its own, and a wrong password ends nothing."""
    with canned_server([Canned(401, b"<html>no</html>")]) as server:
        with client_to(server, authorization=TOKEN, max_retries=0) as client:
            with pytest.raises(AuthenticationError) as of_function:
                client.functions.invoke("f")
            assert not isinstance(of_function.value, SessionExpiredError)
            assert client.auth.is_authenticated
            with pytest.raises(SessionExpiredError, match="sign in again"):
                client.entities.Posts.list()
            assert not client.auth.is_authenticated
        with client_to(server, max_retries=0) as client:
            with pytest.raises(AuthenticationError) as of_login:
                client.auth.sign_in_with_password(EMAIL, PASSWORD)
            assert not isinstance(of_login.value, SessionExpiredError)


def test_an_answer_for_one_user_is_never_kept_for_another() -> None:
    """The user changes while the profile is read, and signs out while the token is renewed."""
    arrived, release = threading.Event(), threading.Event()
    with canned_server([good(USER, arrived=arrived, release=release)]) as server:
        with client_to(server, authorization=TOKEN) as client:
            client.auth.on_auth_change(lambda _: release.set())

            def change() -> None:
                arrived.wait(10)
                client.auth.access_token = "of-another"

            other = threading.Thread(target=change)
            other.start()
            assert (client.auth.refresh_user()).user_name == "Ines"
            other.join()
            assert (client.auth.access_token, client.auth.user) == ("of-another", None)
    arrived, release = threading.Event(), threading.Event()
    renewal = good({**SIGNED_IN, "userToken": "tok-new"}, arrived=arrived, release=release)
    with canned_server([good(SIGNED_IN), bad(2100), renewal]) as server:
        with client_to(server) as client:
            client.auth.sign_in_with_password(EMAIL, PASSWORD)

            def sign_out() -> None:
                arrived.wait(10)
                client.auth.sign_out()
                release.set()

            leaving = threading.Thread(target=sign_out)
            leaving.start()
            with pytest.raises(AuthenticationError, match="changed while the token was renewed"):
                client.entities.Posts.list()
            leaving.join()
            assert client.auth.access_token is None


def test_a_login_without_data_is_an_error_of_the_family() -> None:
    """Also one without a token; neither quotes the answer, which may hold one."""
    without_id: dict[str, Any] = {**SIGNED_IN, "userId": None}
    answers: list[Any] = [None, [], {}, {**SIGNED_IN, "userToken": ""}, without_id, {"userToken": TOKEN}]
    for data in answers:
        with canned_server([good(data)]) as server:
            with client_to(server, max_retries=0) as client:
                with pytest.raises(TransportError) as caught:
                    client.auth.sign_in_with_password(EMAIL, PASSWORD)
                assert TOKEN not in str(caught.value) + repr(caught.value.__cause__) + repr(vars(caught.value))


def test_a_refused_login_quotes_the_service_but_no_secret() -> None:
    """Neither the hash of the password nor a one-time code, also where the service quotes them."""
    answer = bad(403, f"Wrong password {HASH} or code 123456")
    with canned_server([answer]) as server:
        with client_to(server) as client:
            with pytest.raises(AuthenticationError, match="Wrong password") as first:
                client.auth.sign_in_with_password(EMAIL, PASSWORD)
            with pytest.raises(AuthenticationError, match="Wrong password") as second:
                client.auth.sign_up_with_password(EMAIL, PASSWORD, "123456")
            assert HASH not in str(first.value) + repr(vars(first.value))
            assert "123456" not in str(second.value) + repr(vars(second.value))
            assert first.value.code == "403"


@pytest.mark.parametrize("password", ["", None, 12345678, b"secret-bytes"])
def test_a_wrong_password_argument_is_not_quoted(password: Any) -> None:
    """It may still be somebody's password."""
    with canned_server([good()]) as server:
        with client_to(server) as client:
            with pytest.raises(ValidationError, match="password must be a non-empty string") as caught:
                client.auth.sign_in_with_password(EMAIL, password)
            with pytest.raises(ValidationError, match="type must be one of"):
                client.auth.send_otp(EMAIL, "login")
            with pytest.raises(ValidationError, match="must be an e-mail address"):
                client.auth.send_otp("ines", "register")
    assert "12345678" not in str(caught.value)
    assert server.received == []
