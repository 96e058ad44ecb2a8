"""The chat model behind the privacy gateway, over the embedded one."""

from __future__ import annotations

import asyncio
import copy
import json
import pickle
from collections.abc import Iterator
from typing import Any

import pytest
from langchain_core.caches import InMemoryCache
from langchain_core.exceptions import (
    ModelAuthenticationError,
    ModelConnectionError,
    ModelInvalidRequestError,
    ModelNotFoundError,
)
from langchain_core.messages import AIMessage, HumanMessage, SystemMessage, ToolMessage
from langchain_core.prompts import ChatPromptTemplate

from lumnisai_core.exceptions import AuthenticationError, ConfigurationError, ValidationError
from lumnisai_core.liminal import Client, ModelInstanceUnknownError, PolicyBlockedError
from lumnisai_core.local import (
    LiminalInstance,
    LiminalPolicy,
    LiminalSettings,
    LocalLumnis,
    RunReport,
    RunRequest,
    RunResult,
)
from lumnisai_integrations.langchain import ChatLiminal, ChatModelEngine
from tests.langchain.recording import RecordingModel
from tests.loops import no_blocking
from tests.shared.guarded import CLEAR, MESSAGE, clear_values, placeholders

PROMPT = "Write to Dr Mira Okafor, mira@example.org"
CLEANSED = "Write to Dr PERSON_0, EMAIL_ADDRESS_0"


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
def gateway(engine: Echo) -> Iterator[LocalLumnis]:
    """A gateway with two model instances, one of which blocks cards."""
    strict = LiminalInstance("Strict", LiminalPolicy({"CREDIT_CARD": "block"}))
    with LocalLumnis(engine=engine, liminal=LiminalSettings(instances=[LiminalInstance("Shop"), strict])) as service:
        yield service


@pytest.fixture
def model(gateway: LocalLumnis) -> Iterator[ChatLiminal]:
    made = connect(gateway)
    yield made
    made.close()


def connect(gateway: LocalLumnis, **fields: Any) -> ChatLiminal:
    address: dict[str, Any] = {"base_url": gateway.liminal.base_url, "token": gateway.liminal.token}
    return ChatLiminal(**address | {"model_instance": "Shop"} | fields)


def test_the_model_reads_placeholders_and_the_caller_the_values(model: ChatLiminal, engine: Echo) -> None:
    """Metadata has ids, and counts by type; no value."""
    answer = model.invoke(PROMPT)
    assert answer.content == f"Yes: {PROMPT}"
    assert engine.requests[0].messages[-1].content == CLEANSED
    about = answer.response_metadata
    assert about["findings"] == {"PERSON": 1, "EMAIL_ADDRESS": 1}
    assert (about["model_provider"], about["model_instance"], about["thread_id"]) == ("liminal", "Shop", 1)
    assert "Okafor" not in json.dumps(about)


async def test_all_ways_to_call_give_the_same_answer(model: ChatLiminal) -> None:
    """Blocking and asyncio, whole and streamed; asyncio calls block no event loop."""
    answers = [model.invoke(PROMPT)]
    pieces = list(model.stream(PROMPT))
    whole = pieces[0]
    for piece in pieces[1:]:
        whole += piece
    answers += [whole, *model.batch([PROMPT, PROMPT])]
    await model.ainvoke("warm up")
    with no_blocking():
        answers.append(await model.ainvoke(PROMPT))
        answers.append(AIMessage("".join([str(piece.content) async for piece in model.astream(PROMPT)])))
    assert {answer.content for answer in answers} == {f"Yes: {PROMPT}"}
    assert len(pieces) > 3
    assert whole.response_metadata["findings"] == answers[0].response_metadata["findings"]
    assert isinstance(whole.response_metadata["thread_id"], int)
    await model.aclose()


def test_a_thread_gets_new_messages_only(model: ChatLiminal, engine: Echo) -> None:
    """It is followed with `history="server"`, and the same value keeps its placeholder."""
    model = model.model_copy(update={"history": "server"})
    messages: list[Any] = [SystemMessage("Be brief."), HumanMessage(PROMPT)]
    messages.append(model.invoke(messages))
    messages.append(HumanMessage("Is mira@example.org right?"))
    second = model.invoke(messages)
    assert [request.messages[-1].content for request in engine.requests] == [
        f"Be brief.\n\n{CLEANSED}",
        "Is EMAIL_ADDRESS_0 right?",
    ]
    assert len(engine.requests[1].messages) == 3  # the gateway has the first turn
    assert second.response_metadata["thread_id"] == messages[2].response_metadata["thread_id"]


def test_a_streamed_thread_can_be_continued(model: ChatLiminal, engine: Echo) -> None:
    """The stream's last chunk names it."""
    first = list(model.stream(PROMPT))[-1]
    model.invoke("And mira@example.org?", thread_id=first.response_metadata["thread_id"])
    assert engine.requests[1].messages[-1].content == "And EMAIL_ADDRESS_0?"


@pytest.mark.parametrize("way", ["field", "bind", "config", "keyword"])
def test_the_thread_is_named_in_every_usual_way(
    gateway: LocalLumnis, model: ChatLiminal, engine: Echo, way: str
) -> None:
    """By field, bind, config, also from the chain around it, or keyword."""
    thread_id = model.invoke(PROMPT).response_metadata["thread_id"]
    chain: Any = ChatPromptTemplate.from_messages([("human", "{text}")])
    known: dict[str, Any] = {}
    if way == "field":
        chain |= connect(gateway, thread_id=thread_id)
    elif way == "bind":
        chain |= model.bind(thread_id=thread_id)
    elif way == "config":
        chain |= model
        known = {"config": {"configurable": {"liminal_thread_id": thread_id}}}
    else:
        chain |= model.bind()
        known = {"thread_id": thread_id}
    answer = chain.invoke({"text": "x"}, **known) if way != "keyword" else model.invoke("x", **known)
    assert answer.response_metadata["thread_id"] == thread_id
    assert len(engine.requests[-1].messages) == 3


def test_tool_calls_of_other_models_become_text_and_pictures_an_error(model: ChatLiminal, engine: Echo) -> None:
    """The gateway takes plain text; what is older gets a line instead."""
    call = {"id": "1", "name": "look", "args": {"at": "tides"}}
    picture: list[str | dict[Any, Any]] = [
        {"type": "text", "text": "See"},
        {"type": "image", "url": "https://a.example/b.png"},
    ]
    model.invoke([HumanMessage(picture), AIMessage("", tool_calls=[call]), ToolMessage("High", tool_call_id="1")])
    sent = engine.requests[0].messages[-1].content
    assert "User: See\n[Left out: a block of type 'image']" in sent
    assert '"name": "look"' in sent
    assert "High" in sent
    with pytest.raises(ValidationError, match="plain text only"):
        model.invoke([HumanMessage(picture)])
    with pytest.raises(NotImplementedError):
        model.bind_tools([])


def test_errors_are_typed(gateway: LocalLumnis, engine: Echo) -> None:
    """Blocked by a policy, unknown instance, wrong token; none quotes the prompt."""
    strict = connect(gateway, model_instance=None, model="Strict")
    for call in (strict.invoke, lambda text: list(strict.stream(text))):
        with pytest.raises(PolicyBlockedError) as caught:
            call("Pay with 4111 1111 1111 1111")
        assert "4111" not in str(caught.value)
    assert engine.requests == []
    with pytest.raises(ModelInstanceUnknownError, match="usable: 'Shop', 'Strict'"):
        connect(gateway, model_instance="Shp").invoke("x")
    with pytest.raises(AuthenticationError):
        connect(gateway, token="wrong").invoke("x")


@pytest.mark.parametrize("mode", ["invoke", "stream"])
def test_a_langchain_model_answers_behind_the_gateway(mode: str) -> None:
    """`ChatModelEngine` is the engine of the gateway, too: its model reads placeholders; no stream splits a value."""
    recording = RecordingModel()
    with LocalLumnis(engine=ChatModelEngine(recording)) as service:
        model = ChatLiminal(base_url=service.liminal.base_url, token=service.liminal.token)
        pieces = [model.invoke(MESSAGE)] if mode == "invoke" else list(model.stream(MESSAGE))
    assert clear_values(recording.seen) == []
    assert placeholders(recording.seen)
    text = "".join(piece.text for piece in pieces)
    assert all(value in text for value in CLEAR)
    assert "_0" not in text


def test_errors_belong_to_langchain(gateway: LocalLumnis) -> None:
    """Each error is in LangChain's family, too, with what decides on retries and fallbacks."""
    strict = connect(gateway, model_instance=None, model="Strict")
    for call in (strict.invoke, lambda text: list(strict.stream(text)), lambda text: asyncio.run(strict.ainvoke(text))):
        with pytest.raises(ModelInvalidRequestError) as refused:
            call("Pay with 4111 1111 1111 1111")
        assert isinstance(refused.value, PolicyBlockedError)
        assert not refused.value.is_retryable
    with pytest.raises(ModelNotFoundError):
        connect(gateway, model_instance="Shp").invoke("x")
    with pytest.raises(ModelAuthenticationError):
        connect(gateway, token="wrong").invoke("x")
    with pytest.raises(ModelInvalidRequestError):
        ChatLiminal(base_url="https://api.shop.example")
    gone = connect(gateway, base_url="http://127.0.0.1:1", max_retries=0)
    with pytest.raises(ModelConnectionError) as lost:
        gone.invoke("x")
    assert lost.value.is_retryable


def test_wrong_settings_are_named(gateway: LocalLumnis) -> None:
    """Nothing to log in with, and a field that does not exist."""
    with pytest.raises(ConfigurationError):
        ChatLiminal(base_url="https://api.shop.example")
    with pytest.raises(TypeError, match="has no thraed_id"):
        connect(gateway, thraed_id=1)


def test_the_token_is_nowhere(gateway: LocalLumnis, monkeypatch: pytest.MonkeyPatch) -> None:
    """Not in repr, dumps or pickles; what is restored takes it from the environment. Copies share connections."""
    model = connect(gateway)
    token = gateway.liminal.token
    for text in (repr(model), str(model.model_dump()), str(model.to_json()), str(pickle.dumps(model))):
        assert token not in text
    monkeypatch.setenv("LIMINAL_TOKEN", token)
    for other in (pickle.loads(pickle.dumps(model)), copy.deepcopy(model), copy.copy(model)):
        assert other == model or other.token is None
        assert other.invoke("Hello").content == "Yes: Hello"
        other.close()
    model.close()


def test_a_client_of_the_caller_is_used(gateway: LocalLumnis) -> None:
    """Such as one with a session; it is not closed."""
    with Client(gateway.liminal.base_url, token=gateway.liminal.token) as client:
        model = ChatLiminal(client=client, model_instance="Shop")
        assert model.invoke("Hello").content == "Yes: Hello"
        model.close()
        assert client.thread.get_available() != []


def test_answers_in_threads_are_not_cached(gateway: LocalLumnis, engine: Echo) -> None:
    """The same question may mean something else there; without a thread the cache answers."""
    model = connect(gateway, cache=InMemoryCache())
    model.invoke("Hello")
    model.invoke("Hello")
    assert len(engine.requests) == 1
    model.invoke("Hello", thread_id=1)
    model.invoke("Hello", thread_id=1)
    assert len(engine.requests) == 3


def test_answers_end_before_a_stop_text(model: ChatLiminal) -> None:
    """Whole and streamed; parameters of other models have no effect, and a warning says so once."""
    assert model.invoke("one STOP two", stop=["STOP"]).content == "Yes: one "
    assert "".join(str(piece.content) for piece in model.stream("one STOP two", stop=["STOP"])) == "Yes: one "
    with pytest.warns(UserWarning, match="ChatLiminal ignores temperature"):
        model.invoke("x", temperature=0.1)
