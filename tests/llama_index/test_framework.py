"""Parts of LlamaIndex that take any LLM, each from its outside, on the embedded service."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

import pytest
from llama_index.core import PromptTemplate, SummaryIndex
from llama_index.core.agent.workflow import FunctionAgent
from llama_index.core.base.llms.types import ChatMessage
from llama_index.core.chat_engine import CondensePlusContextChatEngine
from llama_index.core.evaluation import CorrectnessEvaluator, FaithfulnessEvaluator, PairwiseComparisonEvaluator
from llama_index.core.extractors import KeywordExtractor, PydanticProgramExtractor, TitleExtractor
from llama_index.core.ingestion import IngestionPipeline
from llama_index.core.memory import ChatMemoryBuffer
from llama_index.core.postprocessor import LLMRerank
from llama_index.core.postprocessor.structured_llm_rerank import StructuredLLMRerank
from llama_index.core.program.function_program import FunctionCallingProgram
from llama_index.core.query_engine import RouterQueryEngine, SubQuestionQueryEngine
from llama_index.core.question_gen import LLMQuestionGenerator
from llama_index.core.schema import NodeWithScore, QueryBundle, TextNode
from llama_index.core.selectors import LLMSingleSelector, PydanticMultiSelector
from llama_index.core.tools import QueryEngineTool
from pydantic import BaseModel

from lumnisai_core.exceptions import TransportError
from lumnisai_core.local import LocalLumnis, OfflineEngine, Script
from lumnisai_integrations.llama_index import LumnisLLM
from tests.llama_index.conftest import ANSWER, HELLO, Stage
from tests.llama_index.test_agents import multiply, pytestmark  # noqa: F401 - the same warnings
from tests.llama_index.test_function_calling import calls, says
from tests.llama_index.test_query_engines import FACTS, QUESTION, WordRetriever
from tests.servers import Canned, canned_server

NODES = [TextNode(text=fact, id_=f"n{number}") for number, fact in enumerate(FACTS)]


def _tools(llm: LumnisLLM) -> list[QueryEngineTool]:
    engines = [SummaryIndex(nodes=[node]).as_query_engine(llm=llm) for node in NODES[:2]]
    names = ["neap", "spring"]
    return [
        QueryEngineTool.from_defaults(one, name=name, description=name)
        for one, name in zip(engines, names, strict=True)
    ]


def _selects(*indexes: int) -> Script:
    chosen = [{"index": index + 1, "reason": "fits"} for index in indexes]
    if len(chosen) == 1:
        return calls(("SingleSelection", chosen[0]))
    return calls(("MultiSelection", {"selections": chosen}))


def test_router_query_engine(llm: LumnisLLM, stage: Stage) -> None:
    """A router chooses its engine through a call of a tool: two runs for a question."""
    stage.play(_selects(1), Script(output_text="The largest."))
    engine = RouterQueryEngine.from_defaults(_tools(llm), llm=llm)
    answer = engine.query("Which is large?")
    assert str(answer) == "The largest."
    assert answer.metadata is not None
    assert answer.metadata["selector_result"].ind == 1
    assert FACTS[1] in stage.requests[1].messages[-1].content
    assert len(stage.requests) == 2


async def test_router_query_engine_async(llm: LumnisLLM, stage: Stage) -> None:
    """So does its asynchronous half, also by a selector that reads text."""
    stage.play(_selects(0), Script(output_text="The smallest."))
    assert str(await RouterQueryEngine.from_defaults(_tools(llm), llm=llm).aquery("Which is small?")) == "The smallest."
    stage.play(Script(output_text='[{"choice": 1, "reason": "fits"}]'), Script(output_text="The smallest."))
    selector = LLMSingleSelector.from_defaults(llm=llm)
    engine = RouterQueryEngine.from_defaults(_tools(llm), llm=llm, selector=selector)
    assert str(await engine.aquery("Which is small?")) == "The smallest."


def test_multi_selector(llm: LumnisLLM, stage: Stage) -> None:
    """A selector of several gets them in one run."""
    stage.play(_selects(0, 1))
    make: Any = PydanticMultiSelector.from_defaults  # its annotation names one LLM, but any with tools does
    selector = make(llm=llm)
    chosen = selector.select([tool.metadata for tool in _tools(llm)], "Both?")
    assert chosen.inds == [0, 1]


def test_sub_question_query_engine(llm: LumnisLLM, stage: Stage) -> None:
    """A question is taken apart, its parts are answered, the answers put together."""
    parts = '[{"sub_question": "Small?", "tool_name": "neap"}, {"sub_question": "Large?", "tool_name": "spring"}]'
    stage.play(
        Script(output_text=f'```json\n{{"items": {parts}}}\n```'),
        Script(output_text="Part."),
        Script(output_text="Part."),
        Script(output_text="Whole."),
    )
    generator = LLMQuestionGenerator.from_defaults(llm=llm)
    synthesizer = SummaryIndex(nodes=[]).as_query_engine(llm=llm)._response_synthesizer  # type: ignore[attr-defined]
    engine = SubQuestionQueryEngine(generator, synthesizer, _tools(llm), verbose=False, use_async=False)
    assert str(engine.query("Both?")) == "Whole."
    assert len(stage.requests) == 4


class Facts(BaseModel):
    """What a text says."""

    subject: str


async def test_extractors(llm: LumnisLLM, stage: Stage) -> None:
    """Extractors of an ingestion pipeline write what runs said into the metadata of nodes."""
    stage.answer(
        lambda request: (
            calls(("Facts", {"subject": "tides"})) if request.response_format else Script(output_text="neap")
        )
    )
    program = FunctionCallingProgram.from_defaults(Facts, prompt_template_str="{input}", llm=llm)
    pipeline = IngestionPipeline(
        transformations=[
            KeywordExtractor(llm=llm, keywords=2, show_progress=False),
            TitleExtractor(llm=llm, nodes=1, show_progress=False),
            PydanticProgramExtractor(program=program, input_key="input", show_progress=False),
        ]
    )
    [node] = await pipeline.arun(nodes=[NODES[0]])
    assert node.metadata == {"excerpt_keywords": "neap", "document_title": "neap", "subject": "tides"}


async def test_evaluators(llm: LumnisLLM, stage: Stage) -> None:
    """Evaluators read a judgement out of the answers."""
    stage.play(Script(output_text="4.5\nNearly."))
    correctness = await CorrectnessEvaluator(llm=llm).aevaluate(QUESTION, "Neap.", reference="The neap tide.")
    assert (correctness.score, correctness.passing) == (4.5, True)
    stage.play(Script(output_text="YES"))
    faithful = FaithfulnessEvaluator(llm=llm)
    assert (await faithful.aevaluate(QUESTION, "Neap.", contexts=FACTS)).passing
    stage.play(Script(output_text="First.\n[[A]]"), Script(output_text="Second.\n[[B]]"))
    pair = await PairwiseComparisonEvaluator(llm=llm).aevaluate(QUESTION, "Neap.", second_response="Spring.")
    assert pair.score == 1.0


def test_rerankers(llm: LumnisLLM, stage: Stage) -> None:
    """Rerankers order nodes by text or by an object."""
    given = [NodeWithScore(node=node, score=0.0) for node in NODES]
    stage.play(Script(output_text="Doc: 3, Relevance: 9\nDoc: 1, Relevance: 4"))
    ranked = LLMRerank(llm=llm, top_n=2).postprocess_nodes(given, QueryBundle(QUESTION))
    assert [item.node.node_id for item in ranked] == ["n2", "n0"]
    found = {"documents": [{"document_number": 2, "relevance": 8}]}
    stage.play(Script(structured_response=found))
    ranked = StructuredLLMRerank(llm=llm, top_n=2).postprocess_nodes(given, QueryBundle(QUESTION))
    assert [item.node.node_id for item in ranked] == ["n1"]


def test_condense_plus_context_stream(make: Callable[..., LumnisLLM], stage: Stage) -> None:
    """A chat engine over a retriever streams its turns, and remembers them."""
    stage.play(*(Script(output_text=f"Answer {number}.") for number in (1, 2)))
    engine = CondensePlusContextChatEngine.from_defaults(
        retriever=WordRetriever(),
        llm=make(stream_chunk_size=4),
        memory=ChatMemoryBuffer.from_defaults(token_limit=3000),
        skip_condense=True,
    )
    for number in (1, 2):
        assert "".join(engine.stream_chat(QUESTION).response_gen) == f"Answer {number}."
    assert "Answer 1." in [message.content for message in stage.requests[-1].messages]


async def test_condense_plus_context_astream(llm: LumnisLLM, stage: Stage) -> None:
    """So does its asynchronous half."""
    memory = ChatMemoryBuffer.from_defaults(token_limit=3000)
    engine = CondensePlusContextChatEngine.from_defaults(retriever=WordRetriever(), llm=llm, memory=memory)
    for _ in range(2):
        answer = await engine.astream_chat(QUESTION)
        assert "".join([piece async for piece in answer.async_response_gen()]) == ANSWER


def test_a_tool_loop_in_several_event_loops(llm: LumnisLLM, stage: Stage) -> None:
    """One LLM serves agents in one event loop after the other."""
    stage.play(says("Done."))

    async def ask() -> str:
        return str(await FunctionAgent(tools=[multiply], llm=llm).run("Go."))

    assert [asyncio.run(ask()) for _ in range(3)] == ["Done."] * 3


@pytest.mark.parametrize("retries", [0, 1])
def test_requests_are_retried_in_one_layer(make: Callable[..., LumnisLLM], retries: int) -> None:
    """A service that fails gets one request and as many more as ``max_retries`` says."""
    with canned_server([Canned(503, {"detail": "busy"}, {"Retry-After": "0"})]) as server:
        llm = make(base_url=server.base_url, max_retries=retries)
        with pytest.raises(TransportError):
            llm.chat(HELLO, tools=[{"name": "add"}])
        assert len(server.received) == 1 + retries


# The offline engine, as users meet it


class Tide(BaseModel):
    name: str


@pytest.fixture(scope="module")
def offline() -> Any:
    with LocalLumnis(engine=OfflineEngine(step_delay=0)) as local:
        llm = LumnisLLM(api_key=local.api_key, base_url=local.base_url, user_id="ada")
        yield llm
        llm.close()


async def test_offline_agent(offline: LumnisLLM) -> None:
    """The offline engine calls the tool that a question asks for, and answers with its result."""
    output: Any = await FunctionAgent(tools=[multiply], llm=offline).run("What is 6 multiplied by 7?", max_iterations=5)
    assert [call.tool_name for call in output.tool_calls] == ["multiply"]
    assert "42" in str(output)
    await offline.aclose()


def test_offline_structured_prediction(offline: LumnisLLM) -> None:
    """The offline engine fills objects from what it is told, also as ``as_structured_llm``."""
    prompt = PromptTemplate("The tide is called neap. {question}")
    assert isinstance(offline.structured_predict(Tide, prompt, question="What is its name?"), Tide)
    answer = offline.as_structured_llm(Tide).chat([ChatMessage(content="The tide is called neap. Its name?")])
    assert isinstance(answer.raw, Tide)
