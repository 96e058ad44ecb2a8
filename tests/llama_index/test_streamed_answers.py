"""Answers that reach LlamaIndex while an engine writes them."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from llama_index.core.callbacks import CallbackManager, TokenCountingHandler
from llama_index.core.llms import ChatMessage

from lumnisai_integrations.llama_index import LumnisLLM
from tests.conftest import Serve
from tests.writing import FIRST, WHOLE, WritingEngine


@pytest.fixture
def engine() -> WritingEngine:
    return WritingEngine()


@pytest.fixture
def llm(serve: Serve, engine: WritingEngine) -> Iterator[LumnisLLM]:
    service = serve(engine, poll="on-change")
    made = LumnisLLM(api_key=service.api_key, base_url=service.base_url, user_id="user-123")
    yield made
    made.close()


def test_a_chat_has_the_pieces_of_an_answer(llm: LumnisLLM, engine: WritingEngine) -> None:
    """The first part comes before the rest is written; messages hold what has come so far."""
    deltas: list[str] = []
    for chunk in llm.stream_chat([ChatMessage("When?")]):
        if chunk.delta:
            deltas.append(chunk.delta)
            assert chunk.message.content == "".join(deltas)
            engine.go.set()
    assert (deltas[0], "".join(deltas)) == (FIRST, WHOLE)
    assert chunk.message.content == WHOLE
    counts = {name: chunk.additional_kwargs[name] for name in ("prompt_tokens", "completion_tokens", "total_tokens")}
    assert counts == {"prompt_tokens": 7, "completion_tokens": 3, "total_tokens": 10}
    assert chunk.raw is not None
    assert (chunk.raw["usage"]["input_tokens"], chunk.raw["model"]) == (7, "tide-1")


async def test_an_asynchronous_chat_too(llm: LumnisLLM, engine: WritingEngine) -> None:
    deltas: list[str] = []
    async for chunk in await llm.astream_chat([ChatMessage("When?")]):
        if chunk.delta:
            deltas.append(chunk.delta)
            engine.go.set()
    assert (deltas[0], "".join(deltas)) == (FIRST, WHOLE)


def test_a_completion_too(llm: LumnisLLM, engine: WritingEngine) -> None:
    deltas: list[str] = []
    for chunk in llm.stream_complete("When?"):
        if chunk.delta:
            deltas.append(chunk.delta)
            assert chunk.text == "".join(deltas)
            engine.go.set()
    assert (deltas[0], "".join(deltas)) == (FIRST, WHOLE)


def test_tokens_are_counted(llm: LumnisLLM, engine: WritingEngine) -> None:
    """The handler of LlamaIndex counts the tokens that the service reports."""
    engine.go.set()
    counter = TokenCountingHandler(tokenizer=str.split)
    llm.callback_manager = CallbackManager([counter])
    llm.chat([ChatMessage("When?")])
    assert (counter.prompt_llm_token_count, counter.completion_llm_token_count) == (7, 3)
