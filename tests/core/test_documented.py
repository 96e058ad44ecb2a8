"""The product's documentation, kept: one test for each documented call that the official package gets wrong.

Numbers are those of the list of known faults of official release 0.2.7, in its order.
"""

from __future__ import annotations

import asyncio
import decimal
import threading
from importlib.metadata import metadata
from uuid import uuid4

import pytest
from pydantic import BaseModel

import lumnisai_core as lumnisai
from lumnisai_core import AsyncClient, Client, Scope
from lumnisai_core.exceptions import (
    LumnisAIError,
    MissingUserId,
    RateLimitError,
    RunFailedError,
    TenantScopeUserIdConflict,
    TransportError,
    ValidationError,
)
from lumnisai_core.local import LocalLumnis, Script, Step
from tests.conftest import Serve
from tests.servers import Canned, GatedEngine, RequestEngine, canned_server

CREATED = {"response_id": "r-1", "thread_id": "t-1", "tenant_id": "t", "status": "queued"}
DONE = {**CREATED, "status": "succeeded", "output_text": "done"}
SEARCH = {"name": "web_search", "args": {"query": "tides"}}


class Tide(BaseModel):
    """A tide."""

    port: str


def made(local: LocalLumnis, **options: object) -> Client:
    return Client(local.api_key, base_url=local.base_url, **{"user_id": "user-123", **options})  # type: ignore[arg-type]


def test_row_01_the_default_scope_is_user(local: LocalLumnis) -> None:
    """A call without a user is refused before it is sent."""
    with made(local, user_id=None) as client, pytest.raises(MissingUserId):
        client.invoke("Hello")


def test_row_02_tenant_scope_with_a_user_is_a_conflict(local: LocalLumnis) -> None:
    """Nothing is changed silently."""
    with made(local, user_id=None, scope=Scope.TENANT) as client, pytest.raises(TenantScopeUserIdConflict):
        client.invoke("Hello", user_id="user-123")


def test_row_03_threads_can_be_created_and_deleted(client: Client) -> None:
    """By their short names."""
    thread = client.create_thread(user_id="user-123", title="Research")
    assert thread.title == "Research"
    client.delete_thread(thread.thread_id)


def test_row_04_threads_can_be_listed_for_a_user(client: Client) -> None:
    """By the short name, with a user."""
    thread = client.create_thread(user_id="user-of-row-4")
    listed = client.list_threads(user_id="user-of-row-4")
    assert [found.thread_id for found in listed.threads] == [thread.thread_id]


def test_rows_05_06_27_settings_are_arguments_of_create(serve: Serve) -> None:
    """Overrides, agent settings, files and a pydantic class arrive at the service."""
    engine = RequestEngine()
    with made(serve(engine)) as client:
        created = client.responses.create(
            messages=[{"role": "user", "content": "Solve this"}],
            model_overrides={"smart_model": "anthropic:claude-3-7-sonnet-20250219"},
            agent_config={"use_cognitive_tools": False},
            response_format=Tide,
            files=[{"name": "a.pdf", "uri": "https://files.example/a.pdf"}],
        )
        client.responses.wait(created.response_id)
    (request,) = engine.requests
    assert request.model_overrides == {"smart_model": "anthropic:claude-3-7-sonnet-20250219"}
    assert request.agent_config == {"use_cognitive_tools": False}
    assert request.response_format is not None
    assert "port" in request.response_format["properties"]
    assert request.files[0]["uri"] == "https://files.example/a.pdf"


def test_rows_07_47_streams_end_with_the_status_and_the_result(serve: Serve) -> None:
    """Updates have a status; the last one succeeded and carries text and object."""
    local = serve(Script([Step("Looking.")], output_text="North Quay", structured_response={"port": "North Quay"}))
    with made(local) as client:
        updates = list(client.invoke("Which port?", stream=True, response_format=Tide))
    assert [update.status for update in updates].count("succeeded") == 1
    assert (updates[-1].status, updates[-1].output_text) == ("succeeded", "North Quay")
    assert updates[-1].structured_response == {"port": "North Quay"}


@pytest.mark.parametrize("poll", ["end-only", "on-change"])
def test_rows_08_10_progress_is_seen_while_the_run_works(serve: Serve, poll: str) -> None:
    """Also by the blocking client, with either kind of server."""
    engine = GatedEngine(Script([Step("Looking.")]), Script(output_text="done"))
    with made(serve(engine, poll=poll)) as client:
        engine.open()
        for update in client.invoke("Hello", stream=True, progress_interval=0.05):
            if update.message == "Looking.":
                engine.open()  # only now can the run end
    assert update.status == "succeeded"


def test_row_09_progress_reaches_a_callback(serve: Serve) -> None:
    """In blocking and in streaming calls."""
    local = serve(Script([Step("Looking.")], output_text="done"))
    messages: list[str] = []
    with made(local) as client:
        client.invoke("Hello", on_progress=lambda update: messages.append(update.message))
        list(client.invoke("Hello", stream=True, on_progress=lambda update: messages.append(update.message)))
    assert messages.count("Looking.") == 2


def test_row_11_the_blocking_client_works_inside_a_running_loop(local: LocalLumnis) -> None:
    """It is made and used there."""

    async def main() -> str:
        with made(local) as client:
            return client.invoke("Hello").status

    assert asyncio.run(main()) == "succeeded"


def test_row_12_clients_for_a_user_need_no_tenant(local: LocalLumnis) -> None:
    """for_user and as_user work on the blocking client."""
    with made(local, user_id=None) as client:
        assert client.for_user("user-123").invoke("Hello").status == "succeeded"
        with client.as_user("user-123") as user_client:
            assert user_client.invoke("Hello").status == "succeeded"


def test_rows_13_14_nothing_is_printed_by_default(serve: Serve, capsys: pytest.CaptureFixture[str]) -> None:
    """show_progress prints status lines and messages; without it there is silence."""
    local = serve(Script([Step("Looking.", state="planning")], output_text="done"))
    with made(local) as client:
        client.invoke("Hello")
        list(client.invoke("Hello", stream=True))
        assert capsys.readouterr().out == ""
        client.invoke("Hello", show_progress=True)
    assert capsys.readouterr().out.splitlines() == ["Status: in_progress", "PLANNING: Looking.", "Status: succeeded"]


def test_row_15_new_tool_calls_are_shown_as_they_come(serve: Serve, capsys: pytest.CaptureFixture[str]) -> None:
    """Also when they belong to an entry that was shown before."""
    engine = GatedEngine(Script([Step("Looking.")]), Script([Step(add_to=0, tool_calls=[SEARCH])]), Script())
    shown: list[str] = []

    def listen(update: lumnisai.RunUpdate) -> None:
        shown.append(update.state)
        if update.entry_index is not None:
            engine.open()

    with made(serve(engine)) as client:
        engine.open()
        client.invoke("Hello", show_progress=True, on_progress=listen, progress_interval=0.05)
    assert "tool_update" in shown
    assert '  web_search(query="tides")' in capsys.readouterr().out.splitlines()


def test_row_16_a_poll_may_be_held_longer_than_the_timeout(serve: Serve) -> None:
    """wait=30.0 waits for the run in one request."""
    requests: list[object] = []
    local = serve(Script(after=0.4, output_text="done"))
    with made(local, timeout=0.2, max_retries=0, on_request=requests.append) as client:
        created = client.responses.create("Hello")
        final = client.get_response(created.response_id, wait=30.0)
    assert final.status == "succeeded"
    assert len(requests) == 2


@pytest.mark.parametrize("retry_after", ["0.01", "Thu, 01 Jan 2026 00:00:00 GMT", "soon"])
def test_row_17_too_many_requests_are_tried_again(retry_after: str) -> None:
    """Retry-After may be decimal, a date, or nonsense."""
    answers = [Canned(429, headers={"Retry-After": retry_after}), Canned(200, {"thread_id": "t-1"})]
    with canned_server(answers) as server, Client("k", base_url=server.base_url) as client:
        assert client.get_thread("t-1").thread_id == "t-1"
    with canned_server(answers[:1]) as server, Client("k", base_url=server.base_url, max_retries=0) as client:
        with pytest.raises(RateLimitError):
            client.get_thread("t-1")


def test_row_18_a_lost_create_is_tried_again_without_a_key_of_the_caller() -> None:
    """So are PUT, PATCH and DELETE."""
    answers = [Canned(reset=True), Canned(201, CREATED), Canned(200, DONE), Canned(503), Canned(204)]
    with canned_server(answers) as server, Client("k", base_url=server.base_url, user_id="u") as client:
        assert client.invoke("Hello").output_text == "done"
        client.delete_thread("t-1")
    keys = [request.headers.get("idempotency-key") for request in server.received]
    assert keys[0] == keys[1] is not None
    assert keys[3] == keys[4] is not None


@pytest.mark.parametrize(
    "answer",
    [
        Canned(200, {"status": 5}),
        Canned(200, b"{"),
        Canned(reset=True),
        Canned(429, headers={"Retry-After": "1.5.5"}),
        Canned(200, {"response_id": None}),
        Canned(500, b"\xff\xfe"),
    ],
)
def test_row_19_every_error_is_of_the_family(answer: Canned) -> None:
    """Whatever comes back."""
    with canned_server([answer]) as server, Client("k", base_url=server.base_url, max_retries=0) as client:
        with pytest.raises(LumnisAIError):
            client.get_response("r-1")


@pytest.mark.parametrize(
    ("body", "reason"),
    [
        ({"detail": "Thread title is too long."}, "Thread title is too long."),
        ({"detail": [{"loc": ["body", "messages"], "msg": "Field required"}]}, "body.messages: Field required"),
        (b"<html><h1>Request too large</h1></html>", "Request too large"),
        ({"error": "plain"}, "plain"),
        (["odd"], "odd"),
    ],
)
def test_rows_20_21_refusals_say_why(body: object, reason: str) -> None:
    """In every shape of error body."""
    answer = Canned(422, body)  # type: ignore[arg-type]
    with canned_server([answer]) as server, Client("k", base_url=server.base_url) as client:
        with pytest.raises(ValidationError, match=reason):
            client.get_thread("t-1")


def test_row_22_the_detail_is_whole() -> None:
    """Ids and keys of the body are there for diagnosis; only our own API key is not."""
    body = {"error": {"code": "C", "message": "M", "details": {"token_id": str(uuid4()), "key_id": "k-1"}}}
    with canned_server([Canned(400, body)]) as server, Client("lmn_1", base_url=server.base_url) as client:
        with pytest.raises(ValidationError) as caught:
            client.get_thread("t-1")
    assert caught.value.detail == body


def test_rows_23_24_odd_values_never_lose_a_finished_run() -> None:
    """Nulls in artifacts, unknown words, a text as error, another kind of user id."""
    odd = {
        **DONE,
        "user_id": "not-a-uuid",
        "error": "text",
        "progress": None,
        "input_messages": [{"role": "robot", "content": "x"}],
        "artifacts": [{"artifactId": "a", "name": "n", "parts": [{"kind": "text", "text": "t"}], "metadata": None}],
    }
    with canned_server([Canned(200, odd)]) as server, Client("k", base_url=server.base_url) as client:
        response = client.get_response("r-1")
    assert (response.output_text, response.user_id, response.error) == ("done", "not-a-uuid", "text")
    assert response.artifacts[0].parts[0].text == "t"
    assert response.input_messages[0].role == "robot"


def test_row_28_unknown_options_are_refused_and_known_ones_sent(serve: Serve) -> None:
    """Nothing is dropped silently."""
    engine = RequestEngine()
    with made(serve(engine)) as client:
        with pytest.raises(TypeError, match="progress_callback"):
            client.invoke("Hello", progress_callback=print)  # type: ignore[call-overload]
        client.invoke("Hello", options={"a": 1}, specialized_agent="quick_people_search")
    assert (engine.requests[0].options, engine.requests[0].specialized_agent) == ({"a": 1}, "quick_people_search")


def test_row_30_a_uuid_names_a_user(client: Client) -> None:
    """As an object, too."""
    user = uuid4()
    assert client.responses.create("Hello", user_id=user).response_id


async def test_row_31_a_fresh_asyncio_client_needs_no_start(local: LocalLumnis) -> None:
    """Its first call may be any call."""
    client = AsyncClient(local.api_key, base_url=local.base_url)
    created = await client.responses.create("Hello", user_id="user-123")
    assert created.response_id
    await client.close()


def test_row_32_cancel_returns_the_run(serve: Serve) -> None:
    """As its type says."""
    local = serve(Script(after=60.0))
    with made(local) as client:
        created = client.responses.create("Hello")
        cancelled = client.cancel_response(created.response_id)
    assert (cancelled.response_id, cancelled.status) == (created.response_id, "cancelled")


def test_row_37_the_metadata_tell_the_python_version() -> None:
    """The one the code needs."""
    assert metadata("lumnisai-integrations")["Requires-Python"] == ">=3.11"


def test_rows_38_39_requests_name_the_version_and_keep_the_path() -> None:
    """A gateway's path stays in front, and the user agent is ours."""
    with canned_server([Canned(200, {"thread_id": "t-1"})]) as server:
        with Client("k", base_url=f"{server.base_url}/x") as client:
            client.get_thread("t-1")
    assert server.received[0].path == "/x/v1/threads/t-1"
    assert server.received[0].headers["user-agent"] == f"lumnisai-integrations/{lumnisai.__version__}"


def test_row_41_one_client_serves_threads_and_what_follows_a_loop(client: Client) -> None:
    """From another thread, and after asyncio.run."""
    asyncio.run(asyncio.sleep(0))
    statuses = [client.invoke("Hello").status]
    thread = threading.Thread(target=lambda: statuses.append(client.invoke("Hello").status))
    thread.start()
    thread.join()
    assert statuses == ["succeeded", "succeeded"]


def test_row_42_no_setting_of_the_process_changes(local: LocalLumnis) -> None:
    """The decimal precision stays what it was."""
    with decimal.localcontext() as context:
        context.prec = 50
        with made(local) as client:
            client.invoke("Hello")
        assert decimal.getcontext().prec == 50


def test_row_46_a_failed_run_is_reported(serve: Serve) -> None:
    """By invoke and by a stream."""
    with made(serve(Script(error=("E", "No.")))) as client:
        with pytest.raises(RunFailedError, match=r"No\."):
            client.invoke("Hello")
        with pytest.raises(RunFailedError, match=r"No\."):
            list(client.invoke("Hello", stream=True))


def test_transport_errors_have_words() -> None:
    """The official package's message is empty after a read timeout."""
    release = threading.Event()
    with canned_server([Canned(release=release)]) as server:
        with Client("k", base_url=server.base_url, timeout=0.05, max_retries=0) as client:
            with pytest.raises(TransportError, match="no complete answer"):
                client.get_thread("t-1")
        release.set()
