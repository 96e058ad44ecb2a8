"""The LLM behind the privacy gateway, over the embedded one."""

from __future__ import annotations

import json
import pickle
from collections.abc import Iterator
from typing import Any

import pytest
from llama_index.core import SummaryIndex
from llama_index.core.base.llms.types import ChatMessage, ImageBlock, MessageRole, TextBlock
from llama_index.core.chat_engine import SimpleChatEngine
from llama_index.core.schema import TextNode

from lumnisai_core.exceptions import ConfigurationError, ValidationError
from lumnisai_core.liminal import PolicyBlockedError
from lumnisai_core.local import (
    LiminalInstance,
    LiminalPolicy,
    LiminalSettings,
    LocalLumnis,
    RunReport,
    RunRequest,
    RunResult,
)
from lumnisai_integrations.llama_index import LiminalLLM
from tests.loops import no_blocking

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
    policy = LiminalPolicy({"CREDIT_CARD": "block"})
    with LocalLumnis(engine=engine, liminal=LiminalSettings(instances=[LiminalInstance("Shop", policy)])) as service:
        yield service


@pytest.fixture
def llm(gateway: LocalLumnis) -> Iterator[LiminalLLM]:
    made = LiminalLLM(base_url=gateway.liminal.base_url, token=gateway.liminal.token)
    yield made
    made.close()


def says(text: str) -> ChatMessage:
    return ChatMessage(role=MessageRole.USER, content=text)


async def test_all_ways_to_call_give_the_same_answer(llm: LiminalLLM, engine: Echo) -> None:
    """The model reads placeholders, the caller the values; asyncio calls block no event loop."""
    answers = [
        llm.chat([says(PROMPT)]).message.content,
        llm.complete(PROMPT).text,
        list(llm.stream_chat([says(PROMPT)]))[-1].message.content,
        "".join(piece.delta or "" for piece in llm.stream_complete(PROMPT)),
    ]
    await llm.acomplete(PROMPT)
    with no_blocking():
        answers.append((await llm.achat([says(PROMPT)])).message.content)
        answers.append((await llm.acomplete(PROMPT)).text)
        answers.append("".join([piece.delta or "" async for piece in await llm.astream_chat([says(PROMPT)])]))
        answers.append([piece.text async for piece in await llm.astream_complete(PROMPT)][-1])
    assert {*answers} == {f"Yes: {PROMPT}"}
    assert {request.messages[-1].content for request in engine.requests} == {CLEANSED}
    await llm.aclose()


def test_raw_has_ids_and_counts_and_no_value(llm: LiminalLLM) -> None:
    """Also of a stream; entries of ours do not show in what is printed into prompts."""
    for answer in (llm.chat([says(PROMPT)]), list(llm.stream_chat([says(PROMPT)]))[-1]):
        assert answer.raw["findings"] == {"PERSON": 1, "EMAIL_ADDRESS": 1}
        assert answer.raw["model_instance"] == "Shop"
        assert "Okafor" not in json.dumps(answer.raw)
        assert "liminal" not in repr(answer.message.additional_kwargs)


@pytest.mark.parametrize("streams", [False, True])
def test_a_thread_gets_new_messages_only(llm: LiminalLLM, engine: Echo, streams: bool) -> None:
    """It is followed with `history="server"`, and the same value keeps its placeholder."""
    first = list(llm.stream_chat([says(PROMPT)]))[-1] if streams else llm.chat([says(PROMPT)])
    messages = [says(PROMPT), first.message, says("Is mira@example.org right?")]
    second = llm.chat(messages, history="server")
    assert engine.requests[1].messages[-1].content == "Is EMAIL_ADDRESS_0 right?"
    assert second.raw["thread_id"] == first.raw["thread_id"]
    third = llm.chat(messages, thread_id=None, history="server")
    assert third.raw["thread_id"] != first.raw["thread_id"]


@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")  # the memory of the chat engine
def test_engines_take_it(llm: LiminalLLM, engine: Echo) -> None:
    """A query engine and a chat engine; none of their prompts reaches the model with a value."""
    index = SummaryIndex(nodes=[TextNode(text="Dr Mira Okafor lives by the sea.")])
    assert "Okafor" in str(index.as_query_engine(llm=llm).query("Where does Dr Mira Okafor live?"))
    chat = SimpleChatEngine.from_defaults(llm=llm)
    assert "mira@example.org" in str(chat.chat(PROMPT))
    assert "mira@example.org" in str(chat.chat("And mira@example.org?"))
    sent = " ".join(message.content for request in engine.requests for message in request.messages)
    assert "Okafor" not in sent
    assert "mira@" not in sent


def test_errors_are_typed(llm: LiminalLLM, engine: Echo) -> None:
    """Blocked by a policy, not text, tools, nothing to log in with, a name that does not exist."""
    card = "Pay with 4111 1111 1111 1111"
    for call in (lambda: llm.complete(card), lambda: list(llm.stream_complete(card))):
        with pytest.raises(PolicyBlockedError) as caught:
            call()
        assert "4111" not in str(caught.value)
    picture = ChatMessage(role=MessageRole.USER, blocks=[TextBlock(text="See"), ImageBlock(url="https://a.example/b")])
    with pytest.raises(ValidationError, match="plain text only"):
        llm.chat([picture])
    with pytest.raises(ConfigurationError):
        LiminalLLM(base_url="https://api.shop.example")
    with pytest.raises(TypeError, match="has no thraed_id"):
        llm.complete("x", thraed_id=1)
    assert engine.requests == []


def test_the_token_is_nowhere(gateway: LocalLumnis, llm: LiminalLLM, monkeypatch: pytest.MonkeyPatch) -> None:
    """Not in repr, dicts or pickles; what is restored takes it from the environment."""
    for text in (repr(llm), str(llm.to_dict()), str(llm), str(pickle.dumps(llm))):
        assert gateway.liminal.token not in text
    monkeypatch.setenv("LIMINAL_TOKEN", gateway.liminal.token)
    restored: list[Any] = [pickle.loads(pickle.dumps(llm)), LiminalLLM.from_dict(llm.to_dict())]
    for other in restored:
        assert other.complete("Hello").text == "Yes: Hello"
        other.close()
