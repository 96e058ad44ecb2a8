from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from llama_index.core import QueryBundle, SummaryIndex, get_response_synthesizer
from llama_index.core.chat_engine import CondensePlusContextChatEngine, SimpleChatEngine
from llama_index.core.memory import ChatMemoryBuffer
from llama_index.core.query_engine import RetrieverQueryEngine
from llama_index.core.response_synthesizers import ResponseMode
from llama_index.core.retrievers import BaseRetriever
from llama_index.core.schema import NodeWithScore, TextNode
from pydantic import BaseModel

from lumnisai_core.local import Script
from lumnisai_integrations.llama_index import LumnisLLM
from tests.llama_index.conftest import ANSWER, Stage

FACTS = [
    "A neap tide has the smallest range.",
    "A spring tide has the largest range.",
    "Brest has a tidal range of seven metres.",
]
QUESTION = "Which tide has the smallest range?"
#: Runs that each mode needs for three short texts.
RUNS = {ResponseMode.COMPACT: 1, ResponseMode.REFINE: 3, ResponseMode.TREE_SUMMARIZE: 1}


class WordRetriever(BaseRetriever):
    """Returns the facts in the order of words they share with the question."""

    def _retrieve(self, query_bundle: QueryBundle) -> list[NodeWithScore]:
        words = set(query_bundle.query_str.lower().strip("?").split())
        nodes = [TextNode(text=fact) for fact in FACTS]
        scored = [(len(words & set(node.text.lower().strip(".").split())), node) for node in nodes]
        return [NodeWithScore(node=node, score=score) for score, node in sorted(scored, key=lambda pair: -pair[0])]


def _engine(llm: LumnisLLM, mode: ResponseMode, *, streaming: bool = False) -> RetrieverQueryEngine:
    synthesizer = get_response_synthesizer(llm=llm, response_mode=mode, streaming=streaming)
    return RetrieverQueryEngine(WordRetriever(), response_synthesizer=synthesizer)


def _numbered(stage: Stage) -> None:
    stage.play(*(Script(output_text=f"Answer {number}.") for number in range(1, 10)))


@pytest.mark.parametrize("mode", list(RUNS))
def test_query(llm: LumnisLLM, stage: Stage, mode: ResponseMode) -> None:
    """Each response mode answers from its texts with no more runs than it needs."""
    _numbered(stage)
    answer = _engine(llm, mode).query(QUESTION)
    assert str(answer) == f"Answer {RUNS[mode]}."
    assert answer.source_nodes[0].text == FACTS[0]
    asked = "\n".join(message.content for request in stage.requests for message in request.messages)
    assert len(stage.requests) == RUNS[mode]
    assert all(text in asked for text in (*FACTS, QUESTION))


@pytest.mark.parametrize("mode", list(RUNS))
async def test_aquery(llm: LumnisLLM, stage: Stage, mode: ResponseMode) -> None:
    """The asynchronous engine answers the same."""
    _numbered(stage)
    assert str(await _engine(llm, mode).aquery(QUESTION)) == f"Answer {RUNS[mode]}."


@pytest.mark.parametrize("mode", list(RUNS))
def test_streaming_query(make: Callable[..., LumnisLLM], stage: Stage, mode: ResponseMode) -> None:
    """Progress leaves no trace in the text of a streaming engine, which older ones put together again."""
    _numbered(stage)
    answer: Any = _engine(make(stream_chunk_size=4), mode, streaming=True).query(QUESTION)
    assert "".join(answer.response_gen) == f"Answer {RUNS[mode]}."


@pytest.mark.parametrize("mode", list(RUNS))
async def test_streaming_aquery(llm: LumnisLLM, stage: Stage, mode: ResponseMode) -> None:
    """So does the asynchronous one."""
    _numbered(stage)
    answer = await _engine(llm, mode, streaming=True).aquery(QUESTION)
    pieces = [piece async for piece in answer.async_response_gen()]  # type: ignore[union-attr]
    assert "".join(pieces) == f"Answer {RUNS[mode]}."


def test_context_window_decides_the_number_of_runs(make: Callable[..., LumnisLLM], stage: Stage) -> None:
    """A small window splits the texts over several runs."""
    texts = [TextNode(text=f"{fact} " * 100) for fact in FACTS]
    SummaryIndex(nodes=texts).as_query_engine(llm=make(context_window=1500)).query(QUESTION)
    assert len(stage.requests) > 1
    stage.requests.clear()
    SummaryIndex(nodes=texts).as_query_engine(llm=make()).query(QUESTION)
    assert len(stage.requests) == 1


def test_tree_with_asyncio_inside(make: Callable[..., LumnisLLM], stage: Stage) -> None:
    """A blocking engine that runs its own event loop works, several times."""
    texts = [TextNode(text=f"{fact} " * 100) for fact in FACTS]
    index = SummaryIndex(nodes=texts)
    engine = index.as_query_engine(llm=make(context_window=1500), response_mode="tree_summarize", use_async=True)
    assert [str(engine.query(QUESTION)) for _ in range(2)] == [ANSWER, ANSWER]
    assert len(stage.requests) > 2


def test_structured_engine(llm: LumnisLLM, stage: Stage) -> None:
    """A query engine with ``output_cls`` returns the object."""

    class Fact(BaseModel):
        tide: str

    stage.play(Script(structured_response={"tide": "neap"}))
    engine = SummaryIndex(nodes=[TextNode(text=FACTS[0])]).as_query_engine(llm=llm, output_cls=Fact)
    assert engine.query(QUESTION).response == Fact(tide="neap")  # type: ignore[union-attr]


def _memory() -> ChatMemoryBuffer:
    # The engines' own default keeps an SQLite connection that it never closes.
    return ChatMemoryBuffer.from_defaults(token_limit=3000)


def test_simple_chat_engine(llm: LumnisLLM, stage: Stage) -> None:
    """A chat engine sends what was said before along with each turn."""
    _numbered(stage)
    engine = SimpleChatEngine.from_defaults(llm=llm, memory=_memory(), system_prompt="Be brief.")
    assert [str(engine.chat("One?")), str(engine.chat("Two?"))] == ["Answer 1.", "Answer 2."]
    assert [message.content for message in stage.requests[1].messages] == ["Be brief.", "One?", "Answer 1.", "Two?"]


async def test_simple_chat_engine_async(llm: LumnisLLM, stage: Stage) -> None:
    """So does the asynchronous half."""
    _numbered(stage)
    engine = SimpleChatEngine.from_defaults(llm=llm, memory=_memory())
    assert [str(await engine.achat("One?")), str(await engine.achat("Two?"))] == ["Answer 1.", "Answer 2."]
    assert len(stage.requests[1].messages) == 3


def test_simple_chat_engine_stream(llm: LumnisLLM, stage: Stage) -> None:
    """A streamed turn is remembered like another."""
    _numbered(stage)
    engine = SimpleChatEngine.from_defaults(llm=llm, memory=_memory())
    assert "".join(engine.stream_chat("One?").response_gen) == "Answer 1."
    assert "".join(engine.stream_chat("Two?").response_gen) == "Answer 2."
    assert [message.content for message in stage.requests[1].messages] == ["One?", "Answer 1.", "Two?"]


async def test_simple_chat_engine_astream(llm: LumnisLLM, stage: Stage) -> None:
    """So is an asynchronously streamed one."""
    _numbered(stage)
    engine = SimpleChatEngine.from_defaults(llm=llm, memory=_memory())
    answer = await engine.astream_chat("One?")
    assert "".join([piece async for piece in answer.async_response_gen()]) == "Answer 1."


def test_condense_plus_context(llm: LumnisLLM, stage: Stage) -> None:
    """The chat engine over a retriever starts a second run from the second turn on, unless it skips condensing."""
    for skip, runs in ((True, [1, 1]), (False, [1, 2])):
        engine = CondensePlusContextChatEngine.from_defaults(
            retriever=WordRetriever(), llm=llm, memory=_memory(), skip_condense=skip
        )
        for count in runs:
            stage.requests.clear()
            assert str(engine.chat(QUESTION)) == ANSWER
            assert len(stage.requests) == count
