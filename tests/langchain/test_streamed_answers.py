"""Answers that reach LangChain while an engine writes them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from langchain_core.callbacks import AsyncCallbackHandler, BaseCallbackHandler
from langchain_core.messages import AIMessage, AIMessageChunk

from lumnisai_core import RunUpdate
from lumnisai_integrations.langchain import ChatLumnis, LumnisRunnable
from tests.conftest import Serve
from tests.langchain.conftest import USER, Connect
from tests.writing import FIRST, USAGE, WHOLE, WritingEngine


@pytest.fixture
def engine() -> WritingEngine:
    return WritingEngine()


@pytest.fixture
def model(serve: Serve, connect: Connect, engine: WritingEngine) -> ChatLumnis:
    return connect(serve(engine, poll="on-change"))


def check(message: AIMessage) -> None:
    """The message has the whole answer once, the tokens and the model."""
    assert message.text == WHOLE
    assert message.usage_metadata == USAGE
    assert message.response_metadata["model_name"] == "tide-1"


class Pieces:
    """Adds up chunks, and lets the engine go on when the first part has come."""

    def __init__(self, go: Callable[[], None]) -> None:
        self.go = go
        self.texts: list[str] = []
        self.whole: Any = None

    def add(self, chunk: AIMessageChunk) -> None:
        self.whole = chunk if self.whole is None else self.whole + chunk
        if text := str(chunk.text):
            self.texts.append(text)
            self.go()


@pytest.mark.parametrize("version", ["v0", "v1"])
def test_a_stream_has_the_pieces_of_an_answer(model: ChatLumnis, engine: WritingEngine, version: str) -> None:
    """The first part comes before the rest is written, and the end adds only what is missing."""
    pieces = Pieces(engine.go.set)
    for chunk in model.model_copy(update={"output_version": version}).stream("When?"):
        pieces.add(chunk)
    assert pieces.texts[0] == FIRST
    assert "".join(pieces.texts) == WHOLE
    check(pieces.whole)
    assert [block["type"] for block in pieces.whole.content_blocks].count("text") == 1


async def test_an_asynchronous_stream_too(model: ChatLumnis, engine: WritingEngine) -> None:
    pieces = Pieces(engine.go.set)
    async for chunk in model.astream("When?"):
        pieces.add(chunk)
    assert pieces.texts[0] == FIRST
    check(pieces.whole)


def test_an_answer_ends_before_a_stop(model: ChatLumnis, engine: WritingEngine) -> None:
    """A piece that may begin such a text is held back."""
    pieces = Pieces(engine.go.set)
    for chunk in model.stream("When?", stop=["at no", "x"]):
        pieces.add(chunk)
    assert pieces.texts == ["High "]


def test_tokens_reach_callbacks_of_a_call(model: ChatLumnis, engine: WritingEngine) -> None:
    """A callback that takes tokens gets the pieces of an answer that is not streamed."""
    tokens: list[str] = []

    class Taker(BaseCallbackHandler):
        def on_llm_new_token(self, token: Any, **_: Any) -> None:
            tokens.append(token)
            engine.go.set()

    check(model.invoke("When?", {"callbacks": [Taker()]}))
    assert tokens[0] == FIRST
    assert "".join(tokens) == WHOLE


async def test_tokens_reach_asynchronous_callbacks(model: ChatLumnis, engine: WritingEngine) -> None:
    tokens: list[str] = []

    class Taker(AsyncCallbackHandler):
        async def on_llm_new_token(self, token: Any, **_: Any) -> None:
            tokens.append(token)
            engine.go.set()

    check(await model.ainvoke("When?", {"callbacks": [Taker()]}))
    assert (tokens[0], "".join(tokens)) == (FIRST, WHOLE)


def test_events_of_blocks(model: ChatLumnis, engine: WritingEngine) -> None:
    """Version 3 has the deltas of one block of text, in which no progress comes, and the tokens at the end."""
    deltas: list[str] = []
    stream = model.stream_events("When?", version="v3")
    for event in stream:
        if event["event"] == "content-block-delta" and event["delta"]["type"] == "text-delta":
            deltas.append(event["delta"]["text"])
            engine.go.set()
    assert (deltas[0], "".join(deltas)) == (FIRST, WHOLE)
    assert stream.output.usage_metadata == USAGE


async def test_events_of_callbacks(model: ChatLumnis, engine: WritingEngine) -> None:
    """Version 2 has the same pieces as chunks."""
    texts: list[str] = []
    async for event in model.astream_events("When?", version="v2"):
        if event["event"] == "on_chat_model_stream" and (text := str(event["data"]["chunk"].text)):
            texts.append(text)
            engine.go.set()
    assert (texts[0], "".join(texts)) == (FIRST, WHOLE)


def test_updates_of_a_runnable_have_the_pieces(serve: Serve, engine: WritingEngine) -> None:
    service = serve(engine, poll="on-change")
    agent = LumnisRunnable(api_key=service.api_key, base_url=service.base_url, user_id=USER)
    deltas = []
    for item in agent.stream("When?"):
        if isinstance(item, RunUpdate) and item.delta:
            deltas.append(item.delta)
            engine.go.set()
    assert (deltas[0], "".join(deltas)) == (FIRST, WHOLE)
