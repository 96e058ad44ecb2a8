"""What Lumi.new documents and its official client breaks or lacks, kept by ours, on the embedded service.

Each test has the number of its row in the table "documented but broken" of the wire reference.
"""

from __future__ import annotations

import asyncio
import inspect
import threading
from collections.abc import Iterator

import pytest

from lumnisai_core.exceptions import AuthenticationError, LumnisAIError, NotFoundError, SessionExpiredError
from lumnisai_core.local import LocalLumnis, LumiSettings
from lumnisai_core.lumi import AsyncClient, Client
from tests.core.backend import EMAIL, PASSWORD, bad, good, is_signed
from tests.servers import Canned, canned_server


@pytest.fixture(scope="module")
def backend() -> Iterator[LocalLumnis]:
    """A service that checks each signature and each nonce."""
    with LocalLumnis(lumi=LumiSettings(signature="strict", sign_key="key-of-the-tests")) as local:
        yield local


@pytest.fixture
def client(backend: LocalLumnis) -> Iterator[Client]:
    lumi = backend.lumi
    with Client(lumi.project_id, lumi.base_url, sign_key=lumi.sign_key, api_key=lumi.api_key) as client:
        yield client


def signed_up(local: LocalLumnis, client: Client, email: str) -> Client:
    client.auth.send_otp(email, "register")
    client.auth.sign_up_with_password(email, PASSWORD, local.lumi.outbox[-1].code or "")
    return client


def test_row_01_it_works_from_python(client: Client) -> None:
    assert client.entities.Row1.create({"a": 1})["a"] == 1


def test_row_02_records_have_an_id(client: Client) -> None:
    made = client.entities.Row2.create({"a": 1})
    assert made.id == made["id"] == made["_id"]
    assert client.entities.Row2.update(made["id"], {"a": 2}).id == made.id


def test_row_03_get_gives_none_when_not_found(client: Client) -> None:
    assert client.entities.Row3.get("no-such-id") is None


def test_row_04_every_error_has_its_code(client: Client) -> None:
    with pytest.raises(NotFoundError) as caught:
        client.entities.Row4.update("no-such-id", {"a": 1})
    assert caught.value.code == "404"
    client.auth.access_token = "no-such-token"
    with pytest.raises(SessionExpiredError) as refused:
        client.auth.refresh_user()
    assert refused.value.code == "2100"


def test_rows_05_and_06_limit_skip_and_total_are_what_they_say(client: Client) -> None:
    rows = client.entities.Row5
    rows.create_many([{"n": number} for number in range(5)])
    found, total = rows.list(sort={"n": 1}, skip=2)
    assert ([row["n"] for row in found], total) == ([2, 3, 4], 5)
    assert rows.list(sort={"n": 1}, limit=2, skip=1).total == 5
    assert rows.list(limit=0) == ([], 5)
    assert [row["n"] for row in rows.iter(sort={"n": -1}, page_size=2)] == [4, 3, 2, 1, 0]


def test_row_07_signing_up_returns_the_user_and_signs_in(backend: LocalLumnis, client: Client) -> None:
    client.auth.send_otp("row7@example.org", "register")
    result = client.auth.sign_up_with_password("row7@example.org", PASSWORD, backend.lumi.outbox[-1].code or "", "Row")
    assert (result.user.user_name, result.access_token) == ("Row", client.auth.access_token)
    assert client.auth.refresh_user() == result.user


def test_row_08_an_expired_token_is_renewed_or_shows(backend: LocalLumnis, client: Client) -> None:
    signed_up(backend, client, "row8@example.org")
    token = client.auth.access_token
    backend.lumi.expire_tokens()
    assert client.auth.refresh_user().email == "row8@example.org"
    assert client.auth.access_token != token
    with Client(backend.lumi.project_id, backend.lumi.base_url, None, token, sign_key=backend.lumi.sign_key) as other:
        with pytest.raises(SessionExpiredError):
            other.auth.refresh_user()
        assert not other.auth.is_authenticated


def test_row_09_a_login_without_data_is_an_error_of_the_family() -> None:
    with canned_server([good(None)]) as server, Client("p1", server.base_url, max_retries=0) as client:
        with pytest.raises(LumnisAIError):
            client.auth.sign_in_with_password(EMAIL, PASSWORD)


def test_row_10_signing_out_and_listening_work_on_servers(backend: LocalLumnis, client: Client) -> None:
    changes: list[bool] = []
    client.auth.on_auth_change(lambda change: changes.append(change.is_authenticated))
    signed_up(backend, client, "row10@example.org").auth.sign_out()
    assert changes == [True, False]


def test_row_11_nothing_waits_for_a_window() -> None:
    assert not [name for name in dir(Client("p1", "http://127.0.0.1:9").auth) if "oauth" in name or name == "sign_in"]


def test_row_12_a_signature_covers_what_it_can() -> None:
    with canned_server([good([{"fileName": "a.txt"}]), good([])]) as server:
        with Client("p1", server.base_url, sign_key="demo-signing-key") as client:
            client.tools.file.upload([("a.txt", b"x")])
            client.entities.A.list()
    assert all(is_signed(request) for request in server.received)


def test_row_13_the_hash_of_a_password_is_a_secret(backend: LocalLumnis, client: Client) -> None:
    signed_up(backend, client, "row13@example.org")
    assert client._service.session.credentials is not None
    assert "**********" in repr(client._service.session.credentials)


def test_row_14_the_ai_key_is_in_no_error() -> None:
    with canned_server([bad(400, "Wrong key lk-secret-key")]) as server:
        with Client("p1", server.base_url, api_key="lk-secret-key") as client:
            with pytest.raises(LumnisAIError, match=r"Wrong key \[redacted\]"):
                client.tools.ai.generate_text("Hello")


def test_row_15_there_is_no_limit_of_our_own(client: Client) -> None:
    assert {client.entities.Row15.list().total for _ in range(8)} == {0}


def test_row_16_a_retry_is_not_a_replay() -> None:
    with canned_server([Canned(503, headers={"Retry-After": "0"}), good({"_id": "x"})]) as server:
        with Client("p1", server.base_url, sign_key="demo-signing-key") as client:
            client.entities.A.get("x")
    assert len({request.headers["x-nonce"] for request in server.received}) == 2


def test_row_17_a_strict_service_deletes_many(client: Client) -> None:
    rows = client.entities.Row17
    ids = [row["_id"] for row in rows.create_many([{"n": number} for number in range(150)])]
    rows.delete_many(ids[1:])
    assert [row["_id"] for row in rows.list().list] == ids[:1]


def test_row_18_headers_of_a_function_arrive(backend: LocalLumnis, client: Client) -> None:
    backend.lumi.function("headers")(lambda request: dict(request.headers))
    signed_up(backend, client, "row18@example.org")
    seen = client.functions.invoke("headers", headers={"X-Campaign-ID": "weekly"})
    assert (seen["x-campaign-id"], seen["authorization"]) == ("weekly", f"Bearer {client.auth.access_token}")


def test_row_19_ids_cannot_change_the_route(client: Client) -> None:
    rows = client.entities.Row19
    rows.create({"a": 1})
    assert rows.get("../documents") is None
    rows.delete("batch-by-ids?ids=1")
    assert rows.list().total == 1


def test_row_20_a_text_has_a_timeout_and_can_be_cancelled() -> None:
    arrived, release = threading.Event(), threading.Event()

    async def main(address: str) -> None:
        async with AsyncClient("p1", address, api_key="lk-1") as client:
            task = asyncio.ensure_future(client.tools.ai.generate_text("Hello"))
            await asyncio.to_thread(arrived.wait)
            task.cancel()
            with pytest.raises(asyncio.CancelledError):
                await task

    with canned_server([Canned(arrived=arrived, release=release)]) as server:
        asyncio.run(main(server.base_url))
        release.set()
    assert "timeout" in inspect.signature(Client("p1", "http://127.0.0.1:9").tools.ai.generate_text).parameters


def test_row_21_an_error_in_place_of_a_stream_is_an_error(backend: LocalLumnis) -> None:
    lumi = backend.lumi
    with Client(lumi.project_id, lumi.base_url, api_key="lk-wrong-key", sign_key=lumi.sign_key) as client:
        with pytest.raises(AuthenticationError), client.tools.ai.generate_text_stream("Hello") as raw:
            list(client.tools.ai.parse_stream(raw))


def test_row_22_an_image_has_a_deadline(client: Client) -> None:
    image = client.tools.ai.generate_image("A lake", timeout=30, poll_interval=0.01)
    assert (image.generation_status, (image.image_url or "")[:4]) == ("SUCCESS", "http")


def test_row_23_a_scheduled_email_is_accepted(backend: LocalLumnis, client: Client) -> None:
    client.tools.email.send(EMAIL, "Later", text="x", scheduled_at="2035-01-01T00:00:00Z")
    assert backend.lumi.outbox[-1].scheduled_at == "2035-01-01T00:00:00Z"


def test_row_24_filters_may_have_operators(client: Client) -> None:
    rows = client.entities.Row24
    rows.create_many([{"n": number} for number in range(5)])
    assert sorted(row["n"] for row in rows.list({"n": {"$gte": 3}}).list) == [3, 4]


def test_row_25_documents_can_be_counted(client: Client) -> None:
    client.entities.Row25.create_many([{"open": number > 1} for number in range(5)])
    assert client.entities.Row25.list({"open": True}, limit=0).total == 3
