"""The device-code flow against a prepared identity provider: a person logs in once, later logins are silent."""

from __future__ import annotations

import pickle
from typing import Any

import pytest

from lumnisai_core.exceptions import AuthenticationError, ConfigurationError
from lumnisai_core.liminal import AsyncClient, DeviceCodeFlowProvider
from tests.servers import Canned, CannedServer, canned_server

SESSION = Canned(200, headers={"Set-Cookie": "session=session-1"})
EMPTY = Canned(200, {"data": []})
MESSAGE = "Open https://example.org/device and enter ABC."
DEVICE = Canned(
    200, {"device_code": "d-1", "user_code": "ABC", "interval": 0.001, "expires_in": 900, "message": MESSAGE}
)
PENDING = Canned(400, {"error": "authorization_pending"})
GRANTED = Canned(200, {"token_type": "Bearer", "access_token": "access-1", "refresh_token": "refresh-1"})


def forms(server: CannedServer) -> list[tuple[str, str]]:
    return [(request.path, request.body.decode()) for request in server.received]


def provider_of(identity: CannedServer, messages: list[str], **known: Any) -> DeviceCodeFlowProvider:
    return DeviceCodeFlowProvider("t-1", "c-1", on_message=messages.append, authority=identity.base_url, **known)


async def test_a_person_logs_in_with_a_code() -> None:
    """Two form posts: one for the code, one repeated until the person has entered it; nothing of ours goes there."""
    messages: list[str] = []
    with canned_server([DEVICE, PENDING, PENDING, GRANTED]) as identity, canned_server([SESSION, EMPTY]) as server:
        provider = provider_of(identity, messages)
        client = await AsyncClient.authenticate_from_auth_provider(server.base_url, provider)
        assert await client.thread.get_available() == []
        await client.close()
    assert messages == [MESSAGE]
    device, *polls = forms(identity)
    assert device == (
        "/t-1/oauth2/v2.0/devicecode",
        "client_id=c-1&scope=User.Read+openid+profile+offline_access",
    )
    grant = "grant_type=urn%3Aietf%3Aparams%3Aoauth%3Agrant-type%3Adevice_code"
    assert polls == [("/t-1/oauth2/v2.0/token", f"client_id=c-1&{grant}&device_code=d-1&code=d-1")] * 3
    assert not {"cookie", "authorization"} & set(identity.received[0].headers)
    assert server.received[0].headers["authorization"] == "Bearer access-1"


async def test_later_logins_are_silent() -> None:
    """The refresh token gets a new access token when the session has expired; the person is not asked again."""
    messages: list[str] = []
    renewed = Canned(200, {"access_token": "access-2", "refresh_token": "refresh-2"})
    again = Canned(200, headers={"Set-Cookie": "session=session-2"})
    with (
        canned_server([DEVICE, GRANTED, renewed]) as identity,
        canned_server([SESSION, EMPTY, Canned(401), again, EMPTY]) as server,
    ):
        async with AsyncClient(server.base_url, auth_provider=provider_of(identity, messages)) as client:
            await client.thread.get_available()
            await client.thread.get_available()
            assert client.session_id == "session-2"
    assert len(messages) == 1
    assert "grant_type=refresh_token&refresh_token=refresh-1" in forms(identity)[-1][1]
    assert server.received[3].headers["authorization"] == "Bearer access-2"


async def test_a_refresh_token_that_is_over_needs_the_person_again() -> None:
    """A refusal of the renewal begins a new flow."""
    messages: list[str] = []
    over = Canned(400, {"error": "invalid_grant", "error_description": "Expired."})
    with (
        canned_server([DEVICE, GRANTED, over, DEVICE, GRANTED]) as identity,
        canned_server([SESSION, EMPTY, Canned(401), SESSION, EMPTY]) as server,
    ):
        async with AsyncClient(server.base_url, auth_provider=provider_of(identity, messages)) as client:
            await client.thread.get_available()
            await client.thread.get_available()
    assert len(messages) == 2


@pytest.mark.parametrize(
    ("answers", "message"),
    [
        ([DEVICE, Canned(400, {"error": "authorization_declined"})], "the person declined"),
        ([DEVICE, Canned(400, {"error": "expired_token"})], "the code has expired"),
        ([Canned(400, {"error": "unauthorized_client", "error_description": "No.\nTrace"})], r"refused.*: No\.\."),
        ([Canned(400, b"<html>")], "no reason given"),
    ],
)
async def test_a_failed_flow_is_an_authentication_error(answers: list[Canned], message: str) -> None:
    """Declined, expired, or not even begun."""
    with canned_server(answers) as identity, canned_server([SESSION]) as server:
        with pytest.raises(AuthenticationError, match=message):
            await AsyncClient.authenticate_from_auth_provider(server.base_url, provider_of(identity, []))
    assert server.received == []


async def test_a_person_who_does_nothing_is_not_waited_for_without_end() -> None:
    """The flow ends with the code, or earlier if that was wished; a service that is hurried wants longer pauses."""
    short = Canned(200, {"device_code": "d-1", "interval": 0.001, "expires_in": 0.002})
    hurried = Canned(400, {"error": "slow_down"})
    with canned_server([short, PENDING]) as identity, canned_server([SESSION]) as server:
        with pytest.raises(AuthenticationError, match=r"not completed within 0\.002 s"):
            await AsyncClient.authenticate_from_auth_provider(server.base_url, provider_of(identity, []))
    with canned_server([DEVICE, hurried]) as identity, canned_server([SESSION]) as server:
        with pytest.raises(AuthenticationError, match="not completed within 2 s"):
            provider = provider_of(identity, [], auth_challenge_timeout=2)
            await AsyncClient.authenticate_from_auth_provider(server.base_url, provider)
    assert len(identity.received) == 2


def test_a_provider_shows_and_pickles_no_token() -> None:
    """Its settings are no secrets; what it has received is."""
    provider = DeviceCodeFlowProvider("t 1", "c-1")
    provider._refresh_token = "refresh-1"
    assert repr(provider) == "DeviceCodeFlowProvider('https://login.microsoftonline.com/t%201', 'c-1')"
    assert b"refresh-1" not in pickle.dumps(provider)
    for tenant, client in (("", "c"), ("t", " ")):
        with pytest.raises(ConfigurationError, match="_id must be a non-empty string"):
            DeviceCodeFlowProvider(tenant, client)
