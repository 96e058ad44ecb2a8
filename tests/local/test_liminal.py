"""The embedded privacy gateway: sessions, policies, placeholders in threads, answers by engines, streams."""

from __future__ import annotations

import json
import logging
import sqlite3
from collections.abc import Iterator, Sequence
from contextlib import closing
from pathlib import Path
from typing import Any

import httpx
import pytest

from lumnisai_core.exceptions import NotFoundError, RateLimitError, TransportError, ValidationError
from lumnisai_core.liminal import AsyncClient, Client, PolicyBlockedError, SessionExpiredError, TruncatedStreamError
from lumnisai_core.local import (
    Detection,
    EngineError,
    Fault,
    LiminalInstance,
    LiminalPolicy,
    LiminalSettings,
    LocalLumnis,
    RunReport,
    RunRequest,
    RunResult,
    ScriptableLumnis,
)

PROMPT = "Write to Dr Mira Okafor, mira.okafor@example.org or ann@example.org."
CLEANSED = "Write to Dr PERSON_0, EMAIL_ADDRESS_0 or EMAIL_ADDRESS_1."


class Echo:
    """Answers with the last message and keeps every request."""

    def __init__(self) -> None:
        self.requests: list[RunRequest] = []

    async def run(self, request: RunRequest, report: RunReport) -> RunResult:
        report.title("echo")
        self.requests.append(request)
        return RunResult(f"Yes: {request.messages[-1].content}")


@pytest.fixture
def engine() -> Echo:
    return Echo()


@pytest.fixture
def local(engine: Echo) -> Iterator[LocalLumnis]:
    """A service whose gateway has one model instance."""
    with LocalLumnis(engine=engine) as service:
        yield service


@pytest.fixture
def client(local: LocalLumnis) -> Iterator[Client]:
    with Client(local.liminal.base_url, token=local.liminal.token) as made:
        yield made


def under(policy: LiminalPolicy, **known: Any) -> LiminalSettings:
    """Settings with one model instance under a policy."""
    return LiminalSettings(instances=[LiminalInstance("Shop", policy)], **known)


def shop(local: LocalLumnis) -> Client:
    return Client(local.liminal.base_url, token=local.liminal.token)


def stored_rows(path: Path) -> str:
    """Return everything that the gateway's tables hold, the placeholders apart."""
    with closing(sqlite3.connect(path)) as database:
        tables = ("liminal_threads", "liminal_chats")
        return json.dumps([database.execute(f"SELECT * FROM {table}").fetchall() for table in tables])


def test_a_client_finds_the_gateway_by_its_environment(local: LocalLumnis, monkeypatch: pytest.MonkeyPatch) -> None:
    """Address, token and name of the model instance; the address of one server."""
    for name, value in local.environment().items():
        monkeypatch.setenv(name, value)
    with Client() as client:
        (instance,) = client.llm.get_available_model_instances()
    assert instance.name == local.liminal.model_instance
    assert local.liminal.base_url == f"{local.base_url}/liminal"
    assert local.liminal.token not in repr(local.liminal) + repr(local)


def test_a_prompt_goes_its_whole_way(local: LocalLumnis, client: Client, engine: Echo) -> None:
    """The engine sees placeholders only, also in the history; the caller gets the values; the thread keeps chats."""
    first = client.prompt.submit(1, PROMPT)
    second = client.prompt.submit(1, "Again to ann@example.org.", thread_id=first.thread_id)
    assert (first.raw_llm_response_text, first.answer) == (f"Yes: {CLEANSED}", f"Yes: {PROMPT}")
    assert second.raw_llm_response_text == "Yes: Again to EMAIL_ADDRESS_1."
    for item in first.reidentified_llm_response_items:
        assert first.answer[item.start : item.end] == item.text
    assert [message.content for message in engine.requests[1].messages] == [
        CLEANSED,
        f"Yes: {CLEANSED}",
        "Again to EMAIL_ADDRESS_1.",
    ]
    assert not any(word in repr(engine.requests) for word in ("Okafor", "example.org"))
    thread = client.thread.get_by_id(first.thread_id)
    assert [chat.raw_input for chat in thread.chats] == [PROMPT, "Again to ann@example.org."]
    assert thread.chats[0].cleansed_input == CLEANSED
    assert "Okafor" not in thread.name


def test_placeholders_are_numbered_in_each_thread(client: Client) -> None:
    """The same value has the same placeholder, another thread its own map, and spans lie where they say."""
    threads = [client.thread.create(1, name).id for name in ("a", "b")]
    first = client.prompt.cleanse(1, PROMPT, thread_id=threads[0])
    again = client.prompt.cleanse(1, "ann@example.org, bob@example.org", thread_id=threads[0])
    other = client.prompt.cleanse(1, "ann@example.org", thread_id=threads[1])
    assert first.text == CLEANSED
    assert (again.text, other.text) == ("EMAIL_ADDRESS_1, EMAIL_ADDRESS_2", "EMAIL_ADDRESS_0")
    assert [first.text[item.start : item.end] for item in first.items] == [item.entity_type for item in first.items]
    assert len({first.text_hashed[item.start : item.end] for item in first.items_hashed}) == 3
    assert "example.org" not in first.text_hashed
    hydrated = client.prompt.hydrate(1, "EMAIL_ADDRESS_2 EMAIL_ADDRESS_20 xEMAIL_ADDRESS_2", thread_id=threads[0])
    assert hydrated.text == "bob@example.org EMAIL_ADDRESS_20 xEMAIL_ADDRESS_2"
    assert client.prompt.hydrate(1, "EMAIL_ADDRESS_0").text == "EMAIL_ADDRESS_0"


def test_a_placeholder_that_the_prompt_holds_already_is_left_to_it(client: Client) -> None:
    """Its number is not given to a value, which would appear in its place."""
    thread = client.thread.create(1, "a")
    cleansed = client.prompt.cleanse(1, "EMAIL_ADDRESS_0 is ann@example.org", thread_id=thread.id)
    assert cleansed.text == "EMAIL_ADDRESS_0 is EMAIL_ADDRESS_1"
    assert client.prompt.hydrate(1, cleansed.text, thread_id=thread.id).text == "EMAIL_ADDRESS_0 is ann@example.org"


def test_the_map_is_in_the_database_alone(engine: Echo, tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """A restarted service knows it; answers and logs do not have it."""
    caplog.set_level(logging.DEBUG)
    path = tmp_path / "lumnis.db"
    settings = LiminalSettings(token="t-1")
    with LocalLumnis(engine=engine, path=path, liminal=settings) as service, shop(service) as client:
        thread = client.thread.create(1, "letters")
        client.prompt.cleanse(1, PROMPT, thread_id=thread.id)
    assert "Okafor" not in stored_rows(path)
    with LocalLumnis(engine=engine, path=path, liminal=settings) as service, shop(service) as client:
        assert client.prompt.hydrate(1, "PERSON_0", thread_id=thread.id).text == "Mira Okafor"
        assert client.prompt.cleanse(1, "ann@example.org", thread_id=thread.id).text == "EMAIL_ADDRESS_1"
        assert client.thread.get_by_id(thread.id).chats == []
    assert "Okafor" not in caplog.text
    assert "ann@example.org" not in caplog.text


def test_sessions_expire(local: LocalLumnis, client: Client) -> None:
    """A client with a token logs in anew; one with a session id alone learns that it is over."""
    assert client.thread.get_available() == []
    session = client.session_id
    assert session is not None
    local.liminal.expire_sessions()
    with Client(local.liminal.base_url, session_id=session) as other:
        with pytest.raises(SessionExpiredError):
            other.thread.get_available()
    assert client.thread.get_available() == []
    assert client.session_id not in (None, session)


def test_sessions_have_a_lifetime(engine: Echo) -> None:
    """The settings say how long; each answer may renew the cookie."""
    with LocalLumnis(engine=engine, liminal=LiminalSettings(session_lifetime=1e-9)) as service, shop(service) as client:
        with pytest.raises(SessionExpiredError):
            client.thread.get_available()
    with LocalLumnis(engine=engine, liminal=LiminalSettings(renew_cookie=True)) as service, shop(service) as client:
        sessions = set()
        for _ in range(3):
            client.thread.get_available()
            sessions.add(client.session_id)
    assert len(sessions) == 3


def test_policies_decide_by_type(engine: Echo) -> None:
    """Redact and mask hide, allow leaves, block refuses; terms of one's own are found in any case."""
    policy = LiminalPolicy({"URL": "allow", "CREDIT_CARD": "block", "PERSON": "mask"}, custom_terms=["Project Gull"])
    text = "Dr Mira Okafor of PROJECT GULL: https://example.org/a, ann@example.org"
    with LocalLumnis(engine=engine, liminal=under(policy)) as service, shop(service) as client:
        findings = client.prompt.analyze(1, text).findings
        assert [(one.type, one.policy_action) for one in findings] == [
            ("PERSON", "mask"),
            ("CUSTOM_TERM", "redact"),
            ("URL", "allow"),
            ("EMAIL_ADDRESS", "redact"),
        ]
        assert findings[1].custom_term == "Project Gull"
        cleansed = client.prompt.cleanse(1, text)
        assert cleansed.text == "Dr PERSON_0 of CUSTOM_TERM_0: https://example.org/a, EMAIL_ADDRESS_0"
        for call in (client.prompt.cleanse, client.prompt.submit):
            with pytest.raises(PolicyBlockedError):
                call(1, "Pay with 4111 1111 1111 1111.")
        with pytest.raises(PolicyBlockedError):
            list(client.prompt.stream(1, "Pay with 4111 1111 1111 1111."))
        assert client.prompt.analyze(1, "4111 1111 1111 1111").findings[0].policy_action == "block"
    assert engine.requests == []


def test_findings_of_the_caller_are_applied(client: Client) -> None:
    """Instead of a new analysis, under the policy of the service; by offset, in UTF-16 too, or by text."""
    found = client.prompt.analyze(1, PROMPT)
    assert client.prompt.cleanse(1, PROMPT, findings=found).text == CLEANSED
    assert client.prompt.cleanse(1, PROMPT, findings=found.findings[:1]).text == PROMPT.replace(
        "Mira Okafor", "PERSON_0"
    )
    text = "\U0001f30a\U0001f30a Mira sails"
    for start in (3, 5, 99):
        finding = {"start": start, "end": start + 4, "text": "Mira", "type": "PERSON", "policyAction": "allow"}
        assert client.prompt.cleanse(1, text, findings=[finding]).text == "\U0001f30a\U0001f30a PERSON_0 sails"
    with pytest.raises(ValidationError):
        client.prompt.cleanse(1, text, findings=[{**finding, "text": "Ann"}])


def test_streams_never_split_a_value(client: Client) -> None:
    """Each value is in one piece, the pieces make up the answer, and its chat is stored."""
    thread = client.thread.create(1, "a")
    with client.prompt.stream(1, PROMPT, thread_id=thread.id) as stream:
        chunks = list(stream)
    assert "".join(chunk.content for chunk in chunks) == f"Yes: {PROMPT}"
    assert [chunk.finish_reason for chunk in chunks] == [None] * (len(chunks) - 1) + ["stop"]
    for value in ("Mira Okafor", "mira.okafor@example.org", "ann@example.org"):
        assert any(value in chunk.content for chunk in chunks)
    assert client.thread.get_by_id(thread.id).chats[0].hydrated_output == f"Yes: {PROMPT}"


async def test_it_serves_the_asyncio_client(local: LocalLumnis) -> None:
    """The same answers."""
    async with AsyncClient(local.liminal.base_url, token=local.liminal.token) as client:
        instance = await client.llm.get_model_instance(local.liminal.model_instance)
        assert (await client.prompt.submit(instance.id, PROMPT)).answer == f"Yes: {PROMPT}"
        pieces = [chunk.content async for chunk in client.prompt.stream(instance.id, PROMPT)]
    assert "".join(pieces) == f"Yes: {PROMPT}"


def test_model_instances_have_engines_and_instructions_of_their_own(engine: Echo) -> None:
    """Their instructions stand in front of the conversation."""
    own = Echo()
    instances = [LiminalInstance("A"), LiminalInstance("B", engine=own, model="b-1", instructions="Be brief.")]
    with LocalLumnis(engine=engine, liminal=LiminalSettings(instances=instances)) as service, shop(service) as client:
        instance = client.llm.get_model_instance("B")
        answer = client.prompt.submit(instance.id, "Hello")
        assert client.thread.get_by_id(answer.thread_id).model_instance_id == instance.id
    assert (answer.llm_model, engine.requests) == ("b-1", [])
    assert [message.role for message in own.requests[0].messages] == ["system", "user"]


def test_detectors_can_be_plugged_in(engine: Echo) -> None:
    """One method; one that fails or points outside the text refuses the prompt, and nothing quotes it."""

    class Boats:
        def __init__(self, shift: int = 0) -> None:
            self._shift = shift

        def detect(self, text: str) -> Sequence[Detection]:
            if "Titanic" in text:
                raise RuntimeError(text)
            return [Detection("sailing-boat", text.index("Gull"), text.index("Gull") + 4 + self._shift)]

    settings = LiminalSettings(detectors=[Boats()])
    with LocalLumnis(engine=engine, liminal=settings) as service, shop(service) as client:
        assert client.prompt.submit(1, "The Gull sails").raw_llm_response_text == "Yes: The SAILING_BOAT_0 sails"
        with pytest.raises(TransportError, match="500") as caught:
            client.prompt.submit(1, "The Titanic sails")
    assert "Titanic" not in str(caught.value)
    with LocalLumnis(engine=engine, liminal=LiminalSettings(detectors=[Boats(99)])) as service, shop(service) as client:
        with pytest.raises(TransportError, match="500"):
            client.prompt.submit(1, "The Gull sails")
    with pytest.raises(ValueError, match="a method detect"):
        LiminalSettings(detectors=[object()])  # type: ignore[list-item]


def test_refusals_have_the_shape_of_the_gateway(local: LocalLumnis) -> None:
    """Status and message; no route works without a session, and requests are checked."""
    with httpx.Client(base_url=f"{local.liminal.base_url}/api/v1") as raw:
        for path in ("/users/me", "/model-instances", "/threads", "/nothing"):
            answer = raw.get(path)
            assert answer.status_code == (404 if path == "/nothing" else 401)
            assert answer.json()["statusCode"] == answer.status_code
        assert raw.get("/auth/login/oauth/access-token", headers={"authorization": "Bearer x"}).status_code == 401
        bearer = {"authorization": f"Bearer {local.liminal.token}"}
        assert "HttpOnly" in raw.get("/auth/login/oauth/access-token", headers=bearer).headers["set-cookie"]
        assert raw.get("/users/me").json()["data"]["email"]
        wrong = raw.post("/prompts/analyze", json={"modelInstanceId": 1, "source": "app", "text": 5})
        assert (wrong.status_code, "source" in wrong.json()["message"]) == (422, True)
        analyze = {"modelInstanceId": 9, "source": "sdk", "text": "x"}
        assert raw.post("/prompts/analyze", json=analyze).status_code == 404
        one = {**analyze, "modelInstanceId": 1}
        assert raw.post("/prompts/analyze", json={**one, "text": "x" * (1 << 20)}).is_success
        assert raw.post("/prompts/analyze", json={**one, "text": "x" * (1 + (1 << 20))}).status_code == 413
        assert raw.get("/threads", params={"source": "app"}).json() == {"data": []}
        assert raw.delete("/threads/1").status_code == 405


def test_unknown_threads_and_failed_engines_are_errors(client: Client) -> None:
    """A thread of another id, and an engine that fails with a code."""

    class Broken:
        async def run(self, request: RunRequest, report: RunReport) -> RunResult:
            raise EngineError("MODEL_DOWN", "no")

    with pytest.raises(NotFoundError):
        client.thread.get_by_id(99)
    with pytest.raises(NotFoundError):
        client.prompt.submit(1, "x", thread_id=99)
    with LocalLumnis(engine=Broken()) as service, shop(service) as other:
        with pytest.raises(TransportError, match="502"):
            other.prompt.submit(1, "x")


def test_faults_happen_on_demand(engine: Echo) -> None:
    """Busy, broken off, cut: each is the client's typed error."""
    route = "POST /liminal/api/v1/prompts/submit"
    faults = [Fault(route, status=429, times=1), Fault(route, truncate=True, times=1)]
    with LocalLumnis(engine=engine, faults=faults) as service, shop(service) as client:
        with pytest.raises(RateLimitError):
            client.prompt.submit(1, PROMPT)
        with pytest.raises(TruncatedStreamError):
            list(client.prompt.stream(1, PROMPT))


def test_tests_can_script_its_answers() -> None:
    """The next answer is the script's, and requests are recorded without credentials."""
    with ScriptableLumnis() as service, shop(service) as client:
        service.script("Dear PERSON_0!")
        assert client.prompt.submit(1, "For Dr Mira Okafor").answer == "Dear Mira Okafor!"
        assert service.liminal.token not in repr([request.headers for request in service.requests])
        assert [request.path for request in service.requests][-1] == "/liminal/api/v1/prompts/submit"


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: LiminalPolicy({"URL": "hide"}), "action must be one of"),  # type: ignore[dict-item]
        (lambda: LiminalPolicy(custom_terms="Gull"), "custom_terms"),
        (lambda: LiminalPolicy(custom_terms=[" "]), "custom_terms"),
        (lambda: LiminalSettings(instances=[]), "instances must be"),
        (lambda: LiminalSettings(instances=[LiminalInstance("A"), LiminalInstance("A")]), "instances must be"),
        (lambda: LiminalSettings(session_lifetime=0), "session_lifetime"),
        (lambda: LiminalSettings(token=" "), "token must be"),
        (lambda: LocalLumnis(liminal={"token": "t"}), "liminal must be LiminalSettings, got dict"),  # type: ignore[arg-type]
    ],
)
def test_settings_are_checked(make: Any, message: str) -> None:
    """What cannot work is named when it is made."""
    with pytest.raises(ValueError, match=message):
        make()
