"""The client of Lucidic against a recording service: what each call sends, reads and refuses."""

from __future__ import annotations

import pickle
from typing import Any

import pytest

from lumnisai_core.exceptions import (
    AuthenticationError,
    ConfigurationError,
    LumnisAIError,
    NotFoundError,
    RateLimitError,
    TransportError,
    ValidationError,
)
from lumnisai_core.lucidic import (
    APIKeyVerificationError,
    AsyncClient,
    FeatureFlagError,
    InvalidOperationError,
    LucidicError,
    PromptError,
)
from tests.core.collector import KEY, Collector, collector
from tests.servers import Canned, canned_server


def client_to(service: Collector, **known: Any) -> AsyncClient:
    return AsyncClient(base_url=service.base_url, **{**KEY, "max_retries": 0, **known})


async def test_requests_carry_key_agent_and_time() -> None:
    """The key in its header with its word, the agent on every request, and the time in each body."""
    with collector() as service:
        async with client_to(service) as client:
            await client.sessions.create("Refund desk", task="Answer", tags=["a"])
            await client.sessions.list()
    created, listed = service.requests
    assert created.headers["authorization"] == "Api-Key key-1234"
    assert listed.headers["x-agent-id"] == "agent-1"
    assert created.body["current_time"].endswith("+00:00")
    assert created.body["agent_id"] == "agent-1"
    assert "lucidic-sdk" not in created.headers["user-agent"]


async def test_a_session_is_updated_and_ended() -> None:
    """Empty values are left out; leaving the block ends the session once."""
    with collector() as service:
        async with client_to(service) as client:
            async with await client.sessions.create(session_id="s-1", evaluators=[], task="") as session:
                await session.update(session_eval=0.5)
                event_id = await client.events.create(details="x")
            async with await client.sessions.create(session_id="s-2") as ended:
                await ended.end(is_successful=True)
            async with await client.sessions.create(session_id="s-3", auto_end=False):
                pass
    assert service.bodies("/initsession")[0] == {
        "session_id": "s-1",
        "session_name": "Unnamed Session",
        "agent_id": "agent-1",
    }
    assert [row["client_event_id"] for row in service.events("s-1")] == [event_id]
    assert service.changes("s-1") == {"session_eval": 0.5, "is_finished": True}
    assert service.changes("s-2") == {"is_successful": True, "is_finished": True}
    assert service.changes("s-3") == {}


async def test_the_id_that_the_service_answers_counts() -> None:
    """It may choose another one than the client's."""
    with collector() as service:
        service.answers["/initsession"] = {"session_id": "theirs"}
        async with client_to(service) as client:
            session = await client.sessions.create(session_id="ours")
    assert session.session_id == "theirs"


async def test_large_payloads_are_uploaded() -> None:
    """A preview is posted; the whole goes compressed to its address, without the key."""
    text = "ä" * 40_000
    with collector() as service:
        async with client_to(service) as client:
            await client.events.create("generic", session_id="s", details=text)
            await client.events.create("generic", session_id="s", details="x" * 65_000)
    posted, uploaded, small = service.requests
    assert (posted.body["payload"], posted.body["needs_blob"]) == ({"details": "ä" * 200}, True)
    assert (uploaded.method, uploaded.body) == ("PUT", {"details": text})
    assert "authorization" not in uploaded.headers
    assert "x-agent-id" not in uploaded.headers
    assert "needs_blob" not in small.body


async def test_large_payloads_are_not_lost_without_an_upload_address() -> None:
    """They are put in place of the preview."""
    with collector() as service:
        service.offers_blobs = False
        async with client_to(service) as client:
            event_id = await client.events.create("generic", session_id="s", details="x" * 70_000)
    assert service.requests[1].path == f"/events/e-{event_id}"
    assert service.requests[1].body["payload"] == {"details": "x" * 70_000}


async def test_events_need_a_session() -> None:
    """Without one, the error says so before anything is sent."""
    with collector() as service:
        async with client_to(service) as client:
            with pytest.raises(InvalidOperationError, match="session_id="):
                await client.events.create(details="x")
    assert service.requests == []


async def test_masking_is_applied_to_every_text() -> None:
    """Payload, metadata, task and reasons; keys stay. Where the function raises, a notice is sent."""

    def mask(text: str) -> str:
        if text == "bad":
            raise RuntimeError
        return text.replace("Mira", "[NAME]")

    with collector() as service:
        async with client_to(service, masking_function=mask) as client:
            session = await client.sessions.create(task="Help Mira")
            await client.events.create(
                session_id=session.session_id, details={"Mira": ["Mira", 1, "bad"]}, metadata={"who": "Mira"}
            )
            await session.end(is_successful_reason="Mira is happy")
    text = str([sent.body for sent in service.requests])
    assert text.count("Mira") == 1  # the key
    assert text.count("[NAME]") == 4
    assert "'bad'" not in text
    assert "masking function failed" in text


@pytest.mark.parametrize(
    ("status", "kind"),
    [(401, APIKeyVerificationError), (403, APIKeyVerificationError), (404, NotFoundError), (500, TransportError)],
)
async def test_refusals_are_typed(status: int, kind: type[LumnisAIError]) -> None:
    """One family, with status and the service's text, and never the key."""
    with collector() as service:
        service.refusals = [("", status, {"x-request-id": "r-1"})]
        async with client_to(service) as client:
            with pytest.raises(kind) as caught:
                await client.sessions.get("s")
    assert isinstance(caught.value, LucidicError)
    assert (caught.value.status_code, caught.value.request_id) == (status, "r-1")
    assert "refused" in str(caught.value)
    assert "key-1234" not in str(caught.value)
    assert issubclass(APIKeyVerificationError, AuthenticationError)


@pytest.mark.parametrize(
    ("body", "text"),
    [
        ({"detail": "no"}, "no"),
        ({"error": {"code": "c", "detail": "why"}}, "why"),
        ({"error": "text"}, "text"),
        ({"errors": {"name": ["taken"]}}, "taken"),
    ],
)
async def test_all_shapes_of_errors_are_read(body: dict[str, Any], text: str) -> None:
    """Three generations of the service's routes each have their own."""
    with canned_server([Canned(422, body)]) as server:
        async with AsyncClient(base_url=server.base_url, **KEY) as client:
            with pytest.raises(ValidationError, match=text):
                await client.datasets.create("d")


async def test_retries_obey_the_service() -> None:
    """Requests with ids of the client's are repeated; Retry-After is obeyed; new versions of prompts are not."""
    with collector() as service:
        service.refusals = [("/events", 503, {}), ("/events", 429, {"Retry-After": "0"}), ("/sdk/prompts", 503, {})]
        async with client_to(service, max_retries=3) as client:
            await client.events.create(session_id="s", details=1)
            with pytest.raises(TransportError):
                await client.prompts.update("p", "text")
    assert len(service.bodies("/events")) == 3
    assert len({row["client_event_id"] for row in service.bodies("/events")}) == 1
    assert len(service.bodies("/sdk/prompts")) == 1


async def test_rate_limits_are_typed() -> None:
    """After the retries."""
    with collector() as service:
        service.refusals = [("", 429, {"Retry-After": "7"})]
        async with client_to(service) as client:
            with pytest.raises(RateLimitError) as caught:
                await client.evals.create(0.5, session_id="s")
    assert caught.value.retry_after == 7


async def test_lists_are_read_in_every_shape() -> None:
    """A bare array, ``results``, or the name of the resource; unreadable rows are left out."""
    rows = [{"session_id": "a"}, {"session_id": "b", "is_finished": True}]
    for answer in (rows, {"results": rows}, {"sessions": rows, "count": 2}):
        with collector() as service:
            service.answers["/sessions"] = answer
            async with client_to(service) as client:
                assert [row.session_id for row in await client.sessions.list()] == ["a", "b"]
                assert [row.session_id async for row in client.sessions.iter()] == ["a", "b"]


async def test_prompts_are_filled_and_cached_as_asked() -> None:
    """0 never stores, a positive age is that of the stored copy, -1 accepts any; an update forgets all labels."""
    with collector() as service:
        service.answers["/sdk/prompts"] = {"prompt_content": "Hi {{name}} {{ x }} {{y}}", "metadata": {"v": 1}}
        async with client_to(service) as client:
            prompt = await client.prompts.get("p", {"name": "{{x}}", "x": 2})
            assert (prompt, prompt.content) == ("Hi {{x}} 2 {{y}}", "Hi {{x}} 2 {{y}}")
            assert (prompt.raw_content, prompt.metadata) == ("Hi {{name}} {{ x }} {{y}}", {"v": 1})
            assert pickle.loads(pickle.dumps(prompt)).metadata == {"v": 1}
            for ttl in (0, 60, 60, -1):
                await client.prompts.get("p", cache_ttl=ttl)
            assert len(service.requests) == 3
            await client.prompts.update("p", "new")
            await client.prompts.get("p", cache_ttl=-1)
            assert len(service.requests) == 5
            with pytest.raises(ValidationError, match="cache_ttl"):
                await client.prompts.get("p", cache_ttl=-2)


async def test_a_missing_prompt_is_a_prompt_error() -> None:
    """Also for code that catches what is not found."""
    with collector() as service:
        service.refusals = [("/sdk/prompts", 404, {})]
        async with client_to(service) as client:
            with pytest.raises(PromptError) as caught:
                await client.prompts.get("p")
    assert isinstance(caught.value, NotFoundError)


async def test_flags_have_defaults_and_types() -> None:
    """A missing flag is its default, or an error; the context is sent; a wrong type is an error."""
    with collector() as service:
        service.answers["/featureflags"] = {"value": True}
        async with client_to(service) as client:
            assert await client.feature_flags.get("f") is True
            assert await client.feature_flags.get_bool("f") is True
            with pytest.raises(ValidationError, match="must be int or float"):
                await client.feature_flags.get_number("f")
            service.answers["/featureflags"] = {}
            assert await client.feature_flags.get("f", None) is None
            assert await client.feature_flags.get_number("f", 3) == 3
            with pytest.raises(FeatureFlagError):
                await client.feature_flags.get("f")
            service.answers["/evaluatefeatureflagstateless"] = {"value": "blue"}
            assert await client.feature_flags.get_string("f", "red", context={"plan": "pro"}) == "blue"
    sent = service.bodies("/evaluatefeatureflagstateless")[0]
    assert sent == {"agent_id": "agent-1", "flag_name": "f", "context": {"plan": "pro"}, "default": "red"}


async def test_datasets_experiments_and_evaluations() -> None:
    """Each call by its route; updates send what changes only, evaluations name their type."""
    with collector() as service:
        service.answers |= {
            "/sdk/datasets/create": {"dataset_id": "d"},
            "/sdk/datasets/items/create": {"datasetitem_id": "i"},
            "/createexperiment": {"experiment_id": "x"},
            "/getdataset": {"dataset_id": "d", "items": [{"datasetitem_id": "i", "input": {"q": 1}}]},
            "/sdk/datasets": {"num_datasets": 1, "datasets": [{"dataset_id": "d"}]},
            "/sdk/datasets/items/get": {"datasetitem_id": "i", "expected_output": 2},
            "/sdk/datasets/items/sessions": {"num_sessions": 1, "sessions": [{"session_id": "s"}]},
        }
        async with client_to(service) as client:
            assert await client.datasets.create("cases", tags=["t"]) == "d"
            assert await client.datasets.create_item("d", "one", {"q": 1}, expected_output=0) == "i"
            await client.datasets.update("d", description="new")
            await client.datasets.update_item("i", input={"q": 2})
            assert (await client.datasets.get("d")).items[0].input == {"q": 1}
            assert [row.dataset_id for row in await client.datasets.list()] == ["d"]
            assert (await client.datasets.get_item("i")).expected_output == 2
            assert [row.session_id for row in await client.datasets.list_item_sessions("i")] == ["s"]
            await client.datasets.delete_item("i")
            await client.datasets.delete("d")
            assert (
                await client.experiments.create("e", LLM_boolean_evaluators=["a"], LLM_numeric_evaluators=["b"]) == "x"
            )
            for result in (True, 1, 0.5, "good"):
                await client.evals.create(result, session_id="s", name="n")
            with pytest.raises(ValidationError, match="Nothing to change"):
                await client.datasets.update("d")
    assert service.bodies("/sdk/datasets/items/create")[0]["expected_output"] == 0
    assert service.bodies("/sdk/datasets/update") == [{"dataset_id": "d", "description": "new"}]
    assert service.bodies("/createexperiment")[0]["evaluator_names"] == ["a", "b"]
    assert [row["result_type"] for row in service.bodies("/sdk/evals")] == ["boolean", "number", "number", "string"]


@pytest.mark.parametrize(
    ("arguments", "text"),
    [
        ({"tags": "one"}, "tags must be a list of strings"),
        ({"duration": "2"}, "duration must be a number"),
        ({"metadata": [1]}, "metadata must be an object"),
        ({"occurred_at": "yesterday"}, "occurred_at must be"),
    ],
)
async def test_bad_arguments_are_refused_before_sending(arguments: dict[str, Any], text: str) -> None:
    """The error names the argument and the value."""
    with collector() as service:
        async with client_to(service) as client:
            with pytest.raises(ValidationError, match=text):
                await client.events.create(session_id="s", **arguments)
    assert service.requests == []


def test_settings_come_from_arguments_then_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    """Without a key or an agent the error names the variable; no client shows its key."""
    for name in ("API_KEY", "AGENT_ID", "BASE_URL", "REGION"):
        monkeypatch.delenv(f"LUCIDIC_{name}", raising=False)
    with pytest.raises(ConfigurationError, match="LUCIDIC_API_KEY"):
        AsyncClient()
    with pytest.raises(ConfigurationError, match="LUCIDIC_AGENT_ID"):
        AsyncClient("k")
    with pytest.raises(ValueError, match="region must be one of us, india"):
        AsyncClient("k", "a", region="mars")
    monkeypatch.setenv("LUCIDIC_API_KEY", "from-env")
    monkeypatch.setenv("LUCIDIC_AGENT_ID", "a")
    monkeypatch.setenv("LUCIDIC_REGION", "india")
    assert "in.backend" in repr(AsyncClient())
    monkeypatch.setenv("LUCIDIC_BASE_URL", "https://lucidic.example.org/api")
    assert "lucidic.example.org" in repr(AsyncClient())
    assert "from-env" not in repr(AsyncClient())
    with pytest.raises(TypeError, match="pickled"):
        pickle.dumps(AsyncClient())
