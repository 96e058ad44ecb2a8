"""Runs through the client, over real sockets against the embedded service."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from uuid import uuid4

import httpx
import pytest
from pydantic import BaseModel

from lumnisai_core import AsyncClient, KeyedRequest, ResponseStatus, RunUpdate
from lumnisai_core.exceptions import (
    ConflictError,
    LumnisAIError,
    NotFoundError,
    RunCancelledError,
    RunFailedError,
    RunTimeoutError,
    ValidationError,
)
from lumnisai_core.local import Script, Step
from tests.conftest import Serve
from tests.servers import EndlessEngine, FeedbackEngine, GatedEngine, HistoryEngine, RequestEngine


class Tide(BaseModel):
    """A tide."""

    port: str
    height_m: float


async def test_invoke_waits_for_the_answer(async_client: AsyncClient) -> None:
    """A question comes back as a finished run with text, ids and title."""
    response = await async_client.invoke("Neap tides are small. Spring tides are large. Which tides are large?")
    assert response.status == ResponseStatus.SUCCEEDED
    assert "Spring tides are large." in (response.output_text or "")
    assert response.content == response.output_text
    assert response.thread_id
    assert response.completed_at is not None


async def test_invoke_prints_nothing(async_client: AsyncClient, capsys: pytest.CaptureFixture[str]) -> None:
    """Without show_progress the terminal stays clean."""
    await async_client.invoke("Hello")
    assert capsys.readouterr() == ("", "")


async def test_show_progress_prints_the_documented_lines(serve: Serve, capsys: pytest.CaptureFixture[str]) -> None:
    """Status changes, messages and tool calls, each once."""
    search = {"name": "web_search", "args": {"query": "tides"}}
    local = serve(Script([Step("Starting."), Step("Reading.", state="RESEARCHING", tool_calls=[search])]))
    async with AsyncClient(local.api_key, base_url=local.base_url, user_id="u") as client:
        await client.invoke("When is high tide?", show_progress=True)
    assert capsys.readouterr().out.splitlines() == [
        "Status: in_progress",
        "PROCESSING: Starting.",
        "RESEARCHING: Reading.",
        '  web_search(query="tides")',
        "Status: succeeded",
    ]


async def test_a_stream_tells_everything_once_and_ends_with_the_answer(serve: Serve) -> None:
    """Entries as they come, growth of an older entry, repeated texts; the last update alone has the terminal status."""
    engine = GatedEngine(
        Script([Step("Starting."), Step("Reading.", state="RESEARCHING")]),
        Script([Step(add_to=1, tool_calls=[{"name": "web_search", "args": {"query": "tides"}}])]),
        Script([Step("Starting.")], output_text="High at noon."),
    )
    local = serve(engine, poll="on-change")
    updates = []
    async with AsyncClient(local.api_key, base_url=local.base_url, user_id="u") as client:
        async for update in await client.invoke("When is high tide?", stream=True, progress_interval=0.05):
            if update.entry_index is not None or update.is_last:
                updates.append((update.status, update.state, update.message, update.output_text))
            if update.state == "queued" or update.entry_index == 1:
                engine.open()
    assert updates == [
        ("in_progress", "processing", "Starting.", None),
        ("in_progress", "RESEARCHING", "Reading.", None),
        ("in_progress", "tool_update", "Reading.", None),
        ("in_progress", "processing", "Starting.", None),
        ("succeeded", "completed", "", "High at noon."),
    ]
    assert update.is_last
    assert update.response is not None
    assert update.response.response_id == update.response_id


@pytest.mark.parametrize("poll", ["end-only", "on-change"])
async def test_a_listener_hears_the_same_with_either_kind_of_server(serve: Serve, poll: str) -> None:
    """Progress is complete whether held polls end on any change or only with the run."""
    local = serve(Script([Step("one"), Step("two", after=0.05), Step("three", after=0.05)], output_text="x"), poll=poll)
    updates: list[RunUpdate] = []
    async with AsyncClient(local.api_key, base_url=local.base_url, user_id="u") as client:
        await client.invoke("Hi", on_progress=updates.append, progress_interval=0.05)
    assert [update.message for update in updates if update.message] == ["one", "two", "three"]


async def test_a_failing_listener_does_not_end_the_run(
    async_client: AsyncClient, caplog: pytest.LogCaptureFixture
) -> None:
    """The error is logged, the answer arrives."""

    def listener(update: RunUpdate) -> None:
        raise RuntimeError("broken display")

    response = await async_client.invoke("Hello", on_progress=listener)
    assert response.status == "succeeded"
    assert "broken display" in caplog.text


async def test_structured_output_by_class_and_by_schema(async_client: AsyncClient) -> None:
    """Both forms give an object that follows the schema, also at the end of a stream."""
    text = "At North Quay the height is 4.1 m."
    for response_format in (Tide, Tide.model_json_schema()):
        response = await async_client.invoke(text, response_format=response_format)
        assert response.structured_response is not None
        assert Tide(**response.structured_response).height_m == 4.1
    async with async_client.invoke(text, stream=True, response_format=Tide) as stream:
        updates = [update async for update in stream]
    assert updates[-1].structured_response == response.structured_response


async def test_everything_about_a_run_reaches_the_service(serve: Serve) -> None:
    """Settings are sent, not dropped."""
    engine = RequestEngine()
    local = serve(engine)
    async with AsyncClient(local.api_key, base_url=local.base_url, user_id="u") as client:
        await client.invoke(
            [{"role": "system", "content": "Short."}, {"role": "user", "content": "Hi"}],
            model_overrides={"smart_model": "openai:gpt-4o"},
            agent_config={"agent_mode": "single_agent"},
            files=[{"name": "a", "uri": "artifact_1"}],
            options={"x": 1},
            response_format_instructions="metres",
            specialized_agent="quick_people_search",
            specialized_agent_params={"limit": 2},
        )
    (request,) = engine.requests
    assert [(message.role, message.content) for message in request.input_messages] == [
        ("system", "Short."),
        ("user", "Hi"),
    ]
    assert request.model_overrides == {"smart_model": "openai:gpt-4o"}
    assert request.agent_config == {"agent_mode": "single_agent"}
    assert [file["uri"] for file in request.files] == ["artifact_1"]
    assert request.options == {"x": 1}
    assert request.response_format_instructions == "metres"
    assert (request.specialized_agent, request.specialized_agent_params) == ("quick_people_search", {"limit": 2})


async def test_a_thread_holds_the_conversation(serve: Serve) -> None:
    """A follow-up sees the earlier question and answer."""
    local = serve(HistoryEngine())
    async with AsyncClient(local.api_key, base_url=local.base_url, user_id="u") as client:
        first = await client.invoke("one")
        second = await client.invoke("two", thread_id=first.thread_id)
    assert second.thread_id == first.thread_id
    assert second.output_text == "3: one | 1: one | two"


async def test_a_failed_run_raises_with_everything_known(serve: Serve) -> None:
    """Invoke and stream raise, reading does not; the error has the reason and carries the run."""
    local = serve(Script([Step("Looking.")], error=("AGENT_ERROR", "No register.")))
    async with AsyncClient(local.api_key, base_url=local.base_url, user_id="u") as client:
        with pytest.raises(RunFailedError, match="No register") as caught:
            await client.invoke("Hi")
        assert caught.value.response is not None
        assert caught.value.response.progress[0].message == "Looking."
        assert (await client.get_response(caught.value.response_id)).status == "failed"
        statuses = []
        with pytest.raises(RunFailedError):
            async for update in await client.invoke("Hi", stream=True):
                statuses.append(update.status)
        assert statuses[-1] == "failed"


async def test_a_cancelled_run_raises(serve: Serve) -> None:
    """Waiting for a run that somebody else cancels raises an error."""
    local = serve(EndlessEngine(), poll="on-change")
    async with AsyncClient(local.api_key, base_url=local.base_url, user_id="u") as client:
        with pytest.raises(RunCancelledError):
            async for update in await client.invoke("Hi", stream=True, progress_interval=0.05):
                if update.message:
                    cancelled = await client.cancel_response(update.response_id)
                    assert cancelled.status == "cancelled"


async def test_cancelling_a_finished_run_returns_it(async_client: AsyncClient) -> None:
    """Cancelling a run that has ended already does not fail."""
    done = await async_client.invoke("Hello")
    assert (await async_client.responses.cancel(done.response_id)).status == "succeeded"


async def test_a_run_past_its_deadline_goes_on_and_can_be_picked_up(serve: Serve) -> None:
    """RunTimeoutError names the run; wait() fetches its answer later."""
    engine = GatedEngine(Script(output_text="late"))
    local = serve(engine)
    async with AsyncClient(local.api_key, base_url=local.base_url, user_id="u") as client:
        with pytest.raises(RunTimeoutError, match=r"client\.responses\.wait") as caught:
            await client.invoke("Hi", run_timeout=0.1)
        assert caught.value.thread_id
        engine.open()
        response = await client.responses.wait(caught.value.response_id)
        assert response.output_text == "late"


async def test_a_known_run_can_be_followed_from_its_beginning(serve: Serve) -> None:
    """following() repeats earlier updates and continues to the end."""
    local = serve(Script([Step("Starting."), Step("Reading."), Step("Starting.")], output_text="High at noon."))
    async with AsyncClient(local.api_key, base_url=local.base_url, user_id="u") as client:
        created = await client.responses.create("When is high tide?")
        assert (created.status, created.output_text) == ("queued", None)
        async with client.responses.following(created.response_id) as stream:
            messages = [update.message async for update in stream if update.message]
    assert messages == ["Starting.", "Reading.", "Starting."]
    assert stream.response is not None
    assert stream.response.output_text == "High at noon."


@pytest.mark.parametrize("way", ["with", "close"])
async def test_leaving_a_stream_early_stops_the_run(serve: Serve, way: str) -> None:
    """The run is cancelled when nobody reads the stream any more."""
    local = serve(EndlessEngine(), poll="on-change")
    async with AsyncClient(local.api_key, base_url=local.base_url, user_id="u") as client:
        if way == "with":
            with pytest.raises(ZeroDivisionError):
                async with client.invoke("Hi", stream=True) as stream:
                    await anext(stream)
                    raise ZeroDivisionError
        else:
            stream = client.invoke("Hi", stream=True)
            await anext(stream)
            await stream.close()
        assert stream.response_id is not None
        assert (await client.get_response(stream.response_id, wait=10)).status == "cancelled"


async def test_breaking_out_of_a_stream_stops_the_run(serve: Serve) -> None:
    """A stream that is dropped without a with block is closed as well."""
    local = serve(EndlessEngine(), poll="on-change")
    async with AsyncClient(local.api_key, base_url=local.base_url, user_id="u") as client:
        async for update in client.invoke("Hi", stream=True):
            response_id = update.response_id
            break
        assert (await client.get_response(response_id, wait=10)).status == "cancelled"


async def test_leaving_early_can_leave_the_run_alone(serve: Serve) -> None:
    """With cancel_on_interrupt=False nothing is sent."""
    local = serve(EndlessEngine(), poll="on-change")
    async with AsyncClient(local.api_key, base_url=local.base_url, user_id="u") as client:
        async with client.invoke("Hi", stream=True, cancel_on_interrupt=False) as stream:
            response_id = (await anext(stream)).response_id
        assert (await client.get_response(response_id)).status in ("queued", "in_progress")
        await client.cancel_response(response_id)


async def test_a_closed_stream_that_never_began_sends_nothing(async_client: AsyncClient) -> None:
    """The run is created when the first update is requested, not before."""
    before = (await async_client.list_responses()).total
    async with async_client.invoke("Hi", stream=True) as stream:
        pass
    assert stream.response_id is None
    with pytest.raises(LumnisAIError, match="closed before it began"):
        await stream.result()
    assert (await async_client.list_responses()).total == before


async def test_an_idempotency_key_makes_one_run(async_client: AsyncClient) -> None:
    """The same key and question return the original run with its answer; another question is a conflict."""
    first = await async_client.invoke("Important calculation", idempotency_key="calc-1")
    again = await async_client.invoke("Important calculation", idempotency_key="calc-1")
    assert again == first
    with pytest.raises(ConflictError):
        await async_client.invoke("Another calculation", idempotency_key="calc-1")


def step_key(request: KeyedRequest) -> str:
    return f"step-{request.digest}-{request.attempt}"


async def test_a_function_makes_the_key_of_a_run(async_client: AsyncClient) -> None:
    """From the request: the same question is the same run, another one is not; a key that cannot be sent is refused."""
    first = await async_client.invoke("Important calculation", idempotency_key=step_key)
    assert await async_client.invoke("Important calculation", idempotency_key=step_key) == first
    assert await async_client.invoke("Another calculation", idempotency_key=step_key) != first
    created = await async_client.responses.create("Important calculation", idempotency_key=step_key)
    assert created.response_id == first.response_id
    with pytest.raises(ValidationError, match="idempotency_key"):
        await async_client.invoke("Hi", idempotency_key=lambda _: "ü")


async def test_a_key_of_a_failed_run_leads_to_another_one(serve: Serve) -> None:
    """Where the function makes one for each attempt; otherwise the failed run comes back."""
    local = serve([Script(error=("E", "no")), Script(error=("E", "no")), Script(output_text="Yes.")])
    async with AsyncClient(local.api_key, base_url=local.base_url, user_id="u") as client:
        for _ in range(2):
            with pytest.raises(RunFailedError):
                await client.invoke("Hi", idempotency_key=lambda request: f"same-{request.digest}")
        with pytest.raises(RunFailedError):
            await client.invoke("Hi", idempotency_key=lambda request: f"same-{request.digest}-{request.attempt}")
        answer = await client.invoke("Hi", idempotency_key=lambda request: f"same-{request.digest}-{request.attempt}")
        assert answer.output_text == "Yes."
        assert (await client.list_responses()).total == 3


async def test_a_run_that_was_stopped_is_made_again(serve: Serve) -> None:
    """Its caller has left; the next call with the key waits for no answer of it."""
    local = serve(EndlessEngine())
    async with AsyncClient(local.api_key, base_url=local.base_url, user_id="u") as client:
        ids = []
        for _ in range(2):
            async with client.invoke("Hi", stream=True, idempotency_key=step_key) as stream:
                async for update in stream:
                    ids.append(update.response_id)
                    break
        assert len(set(ids)) == 2


@pytest.mark.parametrize(
    ("age", "status", "keys"),
    [(3600, "failed", ["step-1", "step-2"]), (3600, "succeeded", ["step-1"]), (0, "failed", ["step-1"])],
)
async def test_only_an_earlier_run_is_made_again(age: int, status: str, keys: list[str]) -> None:
    """One that another process has seen fail; a run of this call that fails is its failure."""
    now, sent, uuid = datetime.now(UTC), list[str](), str(uuid4())

    def answer(request: httpx.Request) -> httpx.Response:
        if request.method == "POST":
            sent.append(request.headers["idempotency-key"])
        is_first = (request.method == "POST" and len(sent) == 1) or request.url.path.endswith("r-1")
        created = now - timedelta(seconds=age if is_first else 0)
        run = {"response_id": "r-1" if is_first else "r-2", "thread_id": "t", "created_at": created.isoformat()}
        run["status"] = "queued" if request.method == "POST" else status if is_first else "succeeded"
        return httpx.Response(200, json=run, headers={"date": format_datetime(now, usegmt=True)})

    async with (
        httpx.AsyncClient(transport=httpx.MockTransport(answer)) as http_client,
        AsyncClient("key", base_url="https://lumnis.test", user_id="u", http_client=http_client) as client,
    ):
        if age or status == "succeeded":
            await client.invoke("Hi", idempotency_key=lambda request: f"{uuid}-{request.attempt}")
        else:
            with pytest.raises(RunFailedError):
                await client.invoke("Hi", idempotency_key=lambda request: f"{uuid}-{request.attempt}")
    assert [key.replace(uuid, "step") for key in sent] == keys


async def test_runs_are_listed_with_filters(serve: Serve) -> None:
    """Status, day, page and user narrow the list."""
    local = serve([Script(output_text="a"), Script(error=("E", "no"))])
    async with AsyncClient(local.api_key, base_url=local.base_url, user_id="u") as client:
        done = await client.invoke("one")
        with pytest.raises(RunFailedError):
            await client.invoke("two")
        assert (await client.list_responses()).total == 2
        succeeded = await client.list_responses(status=ResponseStatus.SUCCEEDED)
        assert [response.response_id for response in succeeded.responses] == [done.response_id]
        assert done.created_at is not None
        today = done.created_at.date()
        assert (await client.list_responses(start_date=today, end_date=today)).total == 2
        assert (await client.list_responses(end_date="2020-01-01")).total == 0
        assert len((await client.list_responses(limit=1, offset=1)).responses) == 1
        assert (await client.for_user("somebody else").list_responses()).total == 0
        assert (await client.list_responses(scope="tenant")).total == 2


async def test_bad_input_is_refused_before_anything_is_sent(async_client: AsyncClient) -> None:
    """Errors come at once, from blocking calls and streams alike."""
    before = (await async_client.list_responses()).total
    with pytest.raises(ValidationError, match="messages is empty"):
        await async_client.invoke([])
    with pytest.raises(ValidationError, match="messages is empty"):
        async_client.invoke([], stream=True)
    with pytest.raises(ValidationError, match="idempotency_key"):
        await async_client.invoke("Hi", idempotency_key="")
    with pytest.raises(ValidationError, match="run_timeout"):
        await async_client.invoke("Hi", run_timeout=-1)
    with pytest.raises(ValidationError, match="on_progress must be callable"):
        await async_client.invoke("Hi", on_progress="print")  # type: ignore[call-overload]
    with pytest.raises(ValidationError, match="wait must be"):
        await async_client.get_response("r", wait=-1)
    with pytest.raises(ValidationError, match="limit must be 1 to 100"):
        await async_client.list_responses(limit=101)
    with pytest.raises(TypeError, match="mesages"):
        await async_client.invoke("Hi", mesages="x")  # type: ignore[call-overload]
    assert (await async_client.list_responses()).total == before


async def test_unknown_ids_are_not_found(async_client: AsyncClient) -> None:
    """A wrong run or thread is NotFoundError with the service's words."""
    unknown = "00000000-0000-4000-8000-000000000000"
    with pytest.raises(NotFoundError):
        await async_client.get_response(unknown)
    with pytest.raises(NotFoundError):
        await async_client.responses.wait(unknown)
    with pytest.raises(NotFoundError):
        await async_client.cancel_response(unknown)
    with pytest.raises(NotFoundError):
        await async_client.invoke("Hi", thread_id=unknown)


async def test_the_older_name_of_streaming_still_works(async_client: AsyncClient) -> None:
    """invoke_stream warns and streams."""
    with pytest.warns(DeprecationWarning, match="stream=True"):
        stream = async_client.invoke_stream("Hello")
    assert (await stream.result()).status == "succeeded"


async def test_feedback_reaches_a_run_while_it_is_working(serve: Serve) -> None:
    """Feedback reaches the engine in order and is listed as read; afterwards it is a conflict."""
    engine = FeedbackEngine()
    local = serve(engine, poll="on-change")
    async with AsyncClient(local.api_key, base_url=local.base_url, user_id="u") as client:
        async with client.invoke("Hi", stream=True, progress_interval=0.05) as stream:
            run = (await anext(stream)).response_id
            first = await client.responses.create_feedback(run, "Use metres.", feedback_type="correction")
            await client.responses.create_feedback(run, "Be brief.")
            assert first.feedback_id
            engine.release()
            updates = [update async for update in stream]
        assert updates[-1].output_text == "Use metres. | Be brief."
        listed = await client.responses.list_feedback(run)
        assert [(item.feedback_text, item.is_consumed) for item in listed.feedback] == [
            ("Use metres.", True),
            ("Be brief.", True),
        ]
        with pytest.raises(ConflictError):
            await client.responses.create_feedback(run, "Too late.")
        for text, kind in (("", "guidance"), ("x" * 5001, "guidance"), ("x", "praise")):
            with pytest.raises(ValidationError, match="feedback_t"):
                await client.responses.create_feedback(run, text, feedback_type=kind)
        with pytest.raises(ValidationError, match="needs tool_call_id"):
            await client.responses.create_feedback(run, "x", tool_args_update={"a": 1})


async def test_stored_documents_of_a_run_are_listed(serve: Serve) -> None:
    """By pages and all together."""
    artifacts = [{"artifactId": f"artifact_{number}", "name": f"{number}.md", "parts": []} for number in range(3)]
    local = serve(Script(output_text="done", artifacts=artifacts))
    async with AsyncClient(local.api_key, base_url=local.base_url, user_id="u") as client:
        run = (await client.invoke("Hi")).response_id
        page = await client.responses.list_artifacts(run, limit=2)
        assert (page.total, len(page.artifacts)) == (3, 2)
        names = {artifact.name async for artifact in client.responses.iter_artifacts(run, page_size=2)}
    assert names == {"0.md", "1.md", "2.md"}
