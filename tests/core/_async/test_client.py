"""Making clients, scopes, and the ways a request can go wrong, over real sockets."""

from __future__ import annotations

import random
import socket
import threading

import pytest

from lumnisai_core import AsyncClient, Scope
from lumnisai_core._transport.pool import AsyncHTTPClient
from lumnisai_core.exceptions import (
    AuthenticationError,
    ConfigurationError,
    LumnisAIError,
    MissingUserId,
    TenantScopeUserIdConflict,
    TransportError,
    ValidationError,
)
from lumnisai_core.local import LocalLumnis
from tests.servers import Canned, canned_server

CREATED = {"response_id": "r-1", "thread_id": "t-1", "tenant_id": "t", "status": "queued"}
DONE = {**CREATED, "status": "succeeded", "output_text": "done"}


async def test_the_environment_configures_the_client(local: LocalLumnis, monkeypatch: pytest.MonkeyPatch) -> None:
    """Key and address need not be in the code."""
    monkeypatch.setenv("LUMNISAI_API_KEY", local.api_key)
    monkeypatch.setenv("LUMNISAI_BASE_URL", local.base_url)
    async with AsyncClient() as client:
        assert (await client.invoke("Hello", user_id="u")).status == "succeeded"


async def test_no_key_is_a_clear_error() -> None:
    """The message names the variable."""
    with pytest.raises(ConfigurationError, match="LUMNISAI_API_KEY"):
        AsyncClient()


async def test_the_warning_about_an_unencrypted_address_names_the_callers_line() -> None:
    """A key that travels in clear can be found in the code."""
    with pytest.warns(UserWarning, match="unencrypted") as caught:
        AsyncClient("lmn_1", base_url="http://lumnis.example")
    assert caught[0].filename == __file__


async def test_a_wrong_key_is_an_authentication_error(local: LocalLumnis) -> None:
    """401 carries the code and request id of the service, and not the key."""
    async with AsyncClient("lmn_wrong_key", base_url=local.base_url, user_id="u") as client:
        with pytest.raises(AuthenticationError) as caught:
            await client.invoke("Hello")
    assert (caught.value.status_code, caught.value.code) == (401, "INVALID_API_KEY")
    assert caught.value.request_id
    assert "lmn_wrong_key" not in str(caught.value) + repr(caught.value.detail)


async def test_an_unreachable_service_is_a_transport_error() -> None:
    """The message says where nobody answered."""
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        address = f"http://127.0.0.1:{unused.getsockname()[1]}"
        async with AsyncClient("lmn_1", base_url=address, user_id="u", max_retries=0) as client:
            with pytest.raises(TransportError, match=address):
                await client.invoke("Hello")


async def test_scopes(local: LocalLumnis) -> None:
    """User scope needs a user, tenant scope allows none, a client for a user shares the connections."""
    async with AsyncClient(local.api_key, base_url=local.base_url) as client:
        with pytest.raises(MissingUserId):
            await client.invoke("Hello")
        with pytest.raises(TenantScopeUserIdConflict):
            await client.invoke("Hello", user_id="u", scope=Scope.TENANT)
        assert (await client.invoke("Hello", scope=Scope.TENANT)).user_id is None
        mine = await client.for_user("reader-2").invoke("Hello")
        async with client.as_user("reader-2") as user_client:
            also_mine = await user_client.invoke("Hello")
        assert mine.user_id == also_mine.user_id is not None
        assert (await client.invoke("Hello", user_id="reader-2")).user_id == mine.user_id


async def test_a_client_can_be_closed_twice_and_used_again(local: LocalLumnis) -> None:
    """Connections are made when they are needed."""
    client = AsyncClient(local.api_key, base_url=local.base_url, user_id="u")
    await client.close()
    await client.invoke("Hello")
    await client.close()
    await client.close()
    await client.invoke("Hello")
    await client.close()


async def test_your_own_http_client_is_used_and_left_open(local: LocalLumnis) -> None:
    """Proxies and certificates can be configured; whoever made a client closes it."""
    async with AsyncHTTPClient(trust_env=False) as own:
        async with AsyncClient(local.api_key, base_url=local.base_url, user_id="u", http_client=own) as client:
            await client.invoke("Hello")
        assert not own.is_closed
    with pytest.raises(ConfigurationError, match="http_client"):
        AsyncClient("lmn_1", http_client=object())  # type: ignore[arg-type]


async def test_the_key_is_in_no_text(local: LocalLumnis) -> None:
    """Clients can be printed."""
    client = AsyncClient(local.api_key, base_url=local.base_url, user_id="u")
    assert local.api_key not in repr(client) + str(vars(client))
    assert repr(client).startswith(type(client).__name__)


async def test_requests_carry_what_the_service_expects() -> None:
    """Bearer key, JSON, a version, and one idempotency key for each create; the base URL keeps its path."""
    with canned_server([Canned(201, CREATED), Canned(200, DONE)]) as server:
        async with AsyncClient("lmn_1", base_url=server.base_url + "/gateway/", user_id="u") as client:
            assert (await client.invoke("Hello")).output_text == "done"
    create, poll = server.received
    assert (create.method, create.path) == ("POST", "/gateway/v1/responses")
    assert (poll.method, poll.path) == ("GET", "/gateway/v1/responses/r-1?wait=10")
    assert create.headers["authorization"] == "Bearer lmn_1"
    assert create.headers["content-type"] == "application/json"
    assert create.headers["user-agent"].startswith("lumnisai-integrations/")
    assert create.headers["idempotency-key"]
    assert create.body == b'{"messages":[{"role":"user","content":"Hello"}],"user_id":"u"}'
    assert "idempotency-key" not in poll.headers


@pytest.mark.parametrize(
    "trouble",
    [Canned(503), Canned(500, b"<html>"), Canned(429, headers={"Retry-After": "0.01"}), Canned(reset=True)],
    ids=["503", "500", "429", "reset"],
)
async def test_a_lost_create_is_tried_again_with_the_same_key(trouble: Canned) -> None:
    """A retried create can make only one run."""
    with canned_server([trouble, Canned(201, CREATED), trouble, Canned(200, DONE)]) as server:
        async with AsyncClient("lmn_1", base_url=server.base_url, user_id="u") as client:
            assert (await client.invoke("Hello")).output_text == "done"
    keys = [request.headers.get("idempotency-key") for request in server.received]
    assert keys[0] == keys[1] is not None
    assert keys[2:] == [None, None]


async def test_what_cannot_be_repeated_is_sent_once() -> None:
    """A POST without a key is not tried again."""
    with canned_server([Canned(503, {"message": "Busy."})]) as server:
        async with AsyncClient("lmn_1", base_url=server.base_url, user_id="u") as client:
            with pytest.raises(TransportError, match="Busy"):
                await client.create_thread(title="x")
    assert len(server.received) == 1


async def test_what_sets_a_state_is_tried_again_with_the_same_key() -> None:
    """PATCH and DELETE lead to the same state however often they arrive."""
    with canned_server([Canned(503), Canned(200, {"thread_id": "t-1"}), Canned(503), Canned(204)]) as server:
        async with AsyncClient("lmn_1", base_url=server.base_url, user_id="u") as client:
            assert (await client.update_thread("t-1", title="x")).thread_id == "t-1"
            await client.delete_thread("t-1")
    keys = [request.headers["idempotency-key"] for request in server.received]
    assert keys[0] == keys[1] != keys[2] == keys[3]


async def test_retries_leave_the_random_numbers_of_the_program_alone() -> None:
    """Somebody who has seeded them gets the same ones, whatever is tried again meanwhile."""
    with canned_server([Canned(503), Canned(200, {"thread_id": "t-1"})]) as server:
        async with AsyncClient("lmn_1", base_url=server.base_url, user_id="u") as client:
            before = random.getstate()
            await client.update_thread("t-1", title="x")
    assert len(server.received) == 2
    assert random.getstate() == before


async def test_retries_have_an_end() -> None:
    """max_retries counts the tries after the first."""
    with canned_server([Canned(429, headers={"Retry-After": "0"})]) as server:
        async with AsyncClient("lmn_1", base_url=server.base_url, user_id="u", max_retries=1) as client:
            with pytest.raises(Exception, match="429"):
                await client.get_thread("t-1")
    assert len(server.received) == 2


@pytest.mark.parametrize(
    "answer",
    [
        Canned(200, b"<html>Please log in</html>"),
        Canned(200, b'{"response_id": '),
        Canned(200, {"status": "queued"}),
        Canned(200, []),
        Canned(302, headers={"Location": "https://elsewhere.example/"}),
    ],
    ids=["html", "truncated", "no id", "array", "redirect"],
)
async def test_an_unusable_answer_is_our_error(answer: Canned) -> None:
    """Nothing foreign escapes, whatever a gateway sends."""
    with canned_server([answer]) as server:
        async with AsyncClient("lmn_1", base_url=server.base_url, user_id="u", max_retries=0) as client:
            with pytest.raises(TransportError, match="GET /v1/responses/r-1"):
                await client.get_response("r-1")


async def test_a_key_quoted_by_an_error_is_blotted_out() -> None:
    """Not even a chatty service brings the key into our messages."""
    with canned_server([Canned(400, {"detail": "key lmn_1 is odd"})]) as server:
        async with AsyncClient("lmn_1", base_url=server.base_url, user_id="u") as client:
            with pytest.raises(Exception, match=r"key \[redacted\] is odd") as caught:
                await client.get_thread("t-1")
    assert "lmn_1" not in repr(vars(caught.value))


async def test_a_run_that_was_lost_sight_of_says_how_to_go_on() -> None:
    """When polling fails for good, the error carries the run's id."""
    with canned_server([Canned(201, CREATED), Canned(401)]) as server:
        async with AsyncClient("lmn_1", base_url=server.base_url, user_id="u") as client:
            with pytest.raises(AuthenticationError) as caught:
                await client.invoke("Hello")
    assert any("client.responses.wait('r-1')" in note for note in caught.value.__notes__)


@pytest.mark.parametrize(("status", "is_open"), [(500, True), (429, True), (400, False)])
async def test_an_error_that_leaves_open_whether_there_is_a_run_has_its_key(status: int, *, is_open: bool) -> None:
    """However the run was created, the notes say how to repeat the call without a second run."""
    with canned_server([Canned(status)] * 3) as server:
        async with AsyncClient("lmn_1", base_url=server.base_url, user_id="u", max_retries=0) as client:
            with pytest.raises(LumnisAIError) as invoked:
                await client.invoke("Hello")
            with pytest.raises(LumnisAIError) as created:
                await client.responses.create("Hello")
            mapped = [outcome.error async for outcome in client.responses.map(["Hello"])]
    for error in (invoked.value, created.value, *mapped):
        notes = " ".join(getattr(error, "__notes__", ()))
        assert ("pass idempotency_key='" in notes) is is_open


async def test_a_service_that_does_not_answer_in_time_is_a_transport_error() -> None:
    """The message says how long was waited; a held poll may take its wait on top of the timeout."""
    release = threading.Event()
    with canned_server([Canned(release=release)]) as server:
        async with AsyncClient("lmn_1", base_url=server.base_url, timeout=0.05, max_retries=0) as client:
            with pytest.raises(TransportError, match=r"no complete answer within 0\.05 s"):
                await client.get_response("r-1")
            with pytest.raises(TransportError, match=r"no complete answer within 0\.15 s"):
                await client.get_response("r-1", wait=0.1)
        release.set()


async def test_a_cancel_that_is_refused_while_the_run_goes_on_is_an_error() -> None:
    """A refusal means that the run is over only if it is; other refusals are passed on at once."""
    running = {**CREATED, "status": "in_progress"}
    with canned_server([Canned(400, {"message": "Not now."}), Canned(200, running), Canned(422)]) as server:
        async with AsyncClient("lmn_1", base_url=server.base_url) as client:
            with pytest.raises(ValidationError, match="Not now"):
                await client.cancel_response("r-1")
            with pytest.raises(ValidationError, match="422"):
                await client.cancel_response("r-1")
    assert len(server.received) == 3


async def test_a_run_that_cannot_be_stopped_is_logged(caplog: pytest.LogCaptureFixture) -> None:
    """Leaving early never raises because of the service."""
    with canned_server([Canned(201, CREATED), Canned(501, {"message": "No."})]) as server:
        client = AsyncClient("lmn_1", base_url=server.base_url, user_id="u")
        async with client, client.invoke("Hello", stream=True) as stream:
            await anext(stream)
    assert "Could not stop the run" in caplog.text
    assert server.received[-1].path == "/v1/responses/r-1/cancel"


async def test_a_client_for_nobody_is_refused(async_client: AsyncClient) -> None:
    """for_user needs a user."""
    with pytest.raises(ConfigurationError, match="user_id must be"):
        async_client.for_user(None)  # type: ignore[arg-type]
