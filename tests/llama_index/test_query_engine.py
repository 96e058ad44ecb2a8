"""An agent with a user's files as a query engine."""

from __future__ import annotations

import asyncio
import logging
import pickle
from collections.abc import Callable, Iterator
from contextlib import aclosing, closing
from typing import Any

import pytest
from llama_index.core.base.response.schema import (
    AsyncStreamingResponse,
    PydanticResponse,
    Response,
    StreamingResponse,
)
from llama_index.core.callbacks import CallbackManager, CBEventType, LlamaDebugHandler
from llama_index.core.chat_engine import CondenseQuestionChatEngine
from llama_index.core.llms import ChatMessage, MockLLM
from llama_index.core.memory import ChatMemoryBuffer
from llama_index.core.prompts import ChatPromptTemplate, PromptTemplate
from llama_index.core.query_engine import RouterQueryEngine, SubQuestionQueryEngine
from llama_index.core.schema import NodeWithScore, QueryBundle
from llama_index.core.tools import QueryEngineTool
from pydantic import BaseModel

from lumnisai_core import Client
from lumnisai_core import exceptions as core
from lumnisai_core.local import LocalLumnis, OfflineEngine, Script, Step
from lumnisai_integrations.llama_index import LumnisLLM, LumnisProgressEvent, StructuredOutputError
from lumnisai_integrations.llama_index.lumnis.query_engine import LumnisQueryEngine
from tests.conftest import Serve
from tests.llama_index.choosers import LastSelector, TwoQuestions
from tests.llama_index.conftest import ANSWER, ENDLESS, Collector, Stage
from tests.loops import no_blocking

QUESTION = "Which tides follow the full moon?"
FACT = "Spring tides follow the full moon."
LOOK_UP = Step("Looking up.", tool_calls=[{"name": "search", "args": {"q": "moon"}, "output_text": "Page 3."}])
RUN = Script(steps=[LOOK_UP], output_text=ANSWER, title="Tides")

#: Runs that nobody stops end before the test does.
WATCH = {"progress_interval": 0.05, "run_timeout": 10.0}

MakeEngine = Callable[..., LumnisQueryEngine]


class Tide(BaseModel):
    hour: int


@pytest.fixture
def begun(own_events: Collector, monkeypatch: pytest.MonkeyPatch) -> asyncio.Event:
    """Set when a run has reported its first step."""
    event = asyncio.Event()

    def notice(self: Collector, news: Any, **_: Any) -> None:
        if isinstance(news, LumnisProgressEvent) and news.message:
            event.set()

    monkeypatch.setattr(Collector, "handle", notice)
    return event


def interrupt(self: Collector, news: Any, **_: Any) -> None:
    if isinstance(news, LumnisProgressEvent) and news.message:
        raise KeyboardInterrupt


def upload(client: Client) -> str:
    file = client.files.upload(FACT.encode(), file_name="tides.md", duplicate_handling="replace")
    client.files.wait_until_processed(file.file_id, poll_interval=0.01)
    return file.file_id


@pytest.fixture(scope="module")
def file_id(theatre: tuple[LocalLumnis, Stage]) -> str:
    with Client(theatre[0].api_key, base_url=theatre[0].base_url, user_id="ada") as client:
        return upload(client)


@pytest.fixture
def engine(local: LocalLumnis, stage: Stage, file_id: str) -> Iterator[MakeEngine]:
    """Makes query engines on the service and closes them."""
    stage.play(RUN)
    made: list[LumnisQueryEngine] = []

    def make(**fields: Any) -> LumnisQueryEngine:
        known = {"api_key": local.api_key, "base_url": local.base_url, "user_id": "ada", **WATCH}
        made.append(LumnisQueryEngine(**{**known, **fields}))
        return made[-1]

    yield make
    for one in made:
        one.close()


def texts_of(nodes: list[NodeWithScore]) -> list[str]:
    return [node.text for node in nodes]


async def test_a_query_is_a_run_with_the_files(engine: MakeEngine, stage: Stage, file_id: str) -> None:
    """Both ways answer, with the passages of files, then what the agent's tools gave it, and the ids of the run."""
    made = engine()
    for response in (made.query(QUESTION), await made.aquery(QueryBundle(QUESTION))):
        request = stage.requests.pop(0)
        assert isinstance(response, Response)
        assert response.response == ANSWER
        assert texts_of(response.source_nodes) == [FACT, "Page 3."]
        passage, told = response.source_nodes
        assert (passage.node.ref_doc_id, told.metadata["tool_name"]) == (file_id, "search")
        assert passage.score is not None
        assert told.score is None
        assert response.metadata is not None
        assert response.metadata["response_id"] == request.response_id
        assert response.metadata["thread_id"] == request.thread_id
        assert request.options == {"use_files": True}
        assert request.messages[-1].content == QUESTION
        assert [file["name"] for file in request.files] == ["tides.md"]
    await made.aclose()


def test_it_answers_from_the_files(serve: Serve) -> None:
    """On the embedded service the answer is what the files say."""
    service = serve(OfflineEngine(step_delay=0))
    with Client(service.api_key, base_url=service.base_url, user_id="ada") as client:
        upload(client)
    engine = LumnisQueryEngine(api_key=service.api_key, base_url=service.base_url, user_id="ada")
    assert FACT in str(engine.query(QUESTION))
    blind = LumnisQueryEngine(api_key=service.api_key, base_url=service.base_url, user_id="ada", use_files=False)
    assert FACT not in str(blind.query(QUESTION))
    engine.close()
    blind.close()


async def test_sources_and_files_can_be_left_out(engine: MakeEngine, stage: Stage) -> None:
    """Without a search only the run speaks; without files there is neither; own options stay."""
    made = engine(similarity_top_k=0, options={"depth": 2})
    assert texts_of(made.query(QUESTION).source_nodes) == ["Page 3."]
    assert stage.requests[0].options == {"use_files": True, "depth": 2}
    made = engine(use_files=False)
    assert texts_of((await made.aquery(QUESTION)).source_nodes) == ["Page 3."]
    assert (stage.requests[1].options, stage.requests[1].files) == (None, ())
    await made.aclose()


@pytest.mark.parametrize("streaming", [True, False])
async def test_a_failing_search_costs_no_answer(
    engine: MakeEngine, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture, streaming: bool
) -> None:
    """The answer comes without passages, and the log says why."""
    made = engine(streaming=streaming)
    monkeypatch.setattr(made._retriever, "user_id", None)
    with caplog.at_level(logging.WARNING, "lumnisai_integrations"):
        response = made.query(QUESTION)
        assert str(response) == ANSWER
        assert texts_of(response.source_nodes) == ["Page 3."]
        response = await made.aquery(QUESTION)
        assert texts_of((await response.get_response() if streaming else response).source_nodes) == ["Page 3."]  # type: ignore[union-attr, misc]
    assert caplog.text.count("could not be searched for sources") == 2
    await made.aclose()


async def test_objects(engine: MakeEngine, stage: Stage) -> None:
    """A class gives a pydantic response, a schema JSON text, in both ways; none at all is an error."""
    stage.play(Script(output_text="At noon.", structured_response={"hour": 12}))
    made = engine(response_format=Tide)
    for response in (made.query(QUESTION), await made.aquery(QUESTION)):
        assert isinstance(response, PydanticResponse)
        assert response.response == Tide(hour=12)
        assert response.metadata is not None
        assert response.metadata["structured_response"] == {"hour": 12}
        assert texts_of(response.source_nodes) == [FACT]
    assert str(engine(response_format=Tide.model_json_schema()).query(QUESTION)) == '{"hour": 12}'
    assert str(engine(response_format=Tide, streaming=True).query(QUESTION)) == '{"hour": 12}'
    stage.play(RUN)
    with pytest.raises(StructuredOutputError):
        made.query(QUESTION)
    await made.aclose()


# Streams


async def test_streams(engine: MakeEngine, stage: Stage) -> None:
    """A stream starts its run when it is read, yields pieces of the answer, and completes sources and ids in place."""
    made = engine(streaming=True, stream_chunk_size=8)
    response = made.query(QUESTION)
    assert isinstance(response, StreamingResponse)
    assert (stage.requests, texts_of(response.source_nodes)) == ([], [FACT])
    assert list(response.response_gen) == ["High tid", "e is at ", "noon."]
    assert texts_of(response.source_nodes) == [FACT, "Page 3."]
    assert response.metadata is not None
    assert response.metadata["response_id"] == stage.requests[0].response_id
    awaited = await made.aquery(QUESTION)
    assert isinstance(awaited, AsyncStreamingResponse)
    assert [piece async for piece in awaited.async_response_gen()] == ["High tid", "e is at ", "noon."]
    assert texts_of(awaited.source_nodes) == [FACT, "Page 3."]
    assert awaited.metadata is not None
    assert awaited.metadata["response_title"] == "Tides"
    assert str(engine(streaming=True).query(QUESTION)) == ANSWER
    await made.aclose()


def test_interrupting_a_stream_stops_the_run(
    engine: MakeEngine, stage: Stage, client: Client, own_events: Collector, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Ctrl-C while a stream waits for its answer."""
    stage.play(ENDLESS)
    monkeypatch.setattr(Collector, "handle", interrupt)
    response: Any = engine(streaming=True).query(QUESTION)
    with pytest.raises(KeyboardInterrupt), closing(response.response_gen):
        next(response.response_gen)
    assert client.responses.get(stage.requests[0].response_id).status == "cancelled"


@pytest.mark.parametrize("streaming", [True, False])
async def test_cancelling_a_query_stops_the_run(
    engine: MakeEngine, stage: Stage, client: Client, begun: asyncio.Event, streaming: bool
) -> None:
    """So does cancelling the task that reads a stream or waits for the whole answer."""
    stage.play(ENDLESS)
    made = engine(streaming=streaming)

    async def read() -> None:
        response: Any = await made.aquery(QUESTION)
        async with aclosing(response.response_gen) as pieces:
            await anext(pieces)

    task = asyncio.create_task(read())
    await begun.wait()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert (await asyncio.to_thread(client.responses.get, stage.requests[0].response_id)).status == "cancelled"
    await made.aclose()


# Inside of others


async def test_tools_and_routers(engine: MakeEngine, stage: Stage) -> None:
    """As a tool, and where another engine chooses, in both ways and as a stream."""
    made = engine()
    tool = QueryEngineTool.from_defaults(made, name="files", description="Knows the files.")
    for output in (tool.call(QUESTION), await tool.acall(input=QUESTION)):
        assert (output.content, texts_of(output.raw_output.source_nodes)) == (ANSWER, [FACT, "Page 3."])
    streaming = QueryEngineTool.from_defaults(engine(streaming=True), name="stream", description="Streams.")
    router = RouterQueryEngine(LastSelector(), [tool, streaming], llm=MockLLM())
    response = router.query(QUESTION)
    assert isinstance(response, StreamingResponse)
    assert (str(response), response.metadata["selector_result"].ind) == (ANSWER, 1)  # type: ignore[index]
    router = RouterQueryEngine(LastSelector(), [streaming, tool], llm=MockLLM())
    response = await router.aquery(QUESTION)
    assert response.metadata is not None
    assert str(response) == ANSWER
    assert response.metadata["response_id"] == stage.requests[-1].response_id
    await made.aclose()


async def test_sub_questions(engine: MakeEngine, llm: LumnisLLM, stage: Stage) -> None:
    """Sub questions go to engines side by side, and their sources come along."""
    tools = [
        QueryEngineTool.from_defaults(engine(), name=name, description=f"Knows {name}.") for name in ("seas", "skies")
    ]
    asking = SubQuestionQueryEngine.from_defaults(
        tools, llm=llm, question_gen=TwoQuestions(), verbose=False, use_async=True
    )
    response = await asking.aquery(QUESTION)
    assert str(response) == ANSWER
    assert len(stage.requests) == 3
    assert texts_of(response.source_nodes).count(FACT) == 2
    for tool in tools:
        await tool.query_engine.aclose()  # type: ignore[attr-defined]
    await llm.aclose()


def test_chat_engine(engine: MakeEngine, llm: LumnisLLM, stage: Stage) -> None:
    """A chat engine asks it standalone questions, and streams what it streams."""
    stage.play(Script(output_text="Which tides are high?"), RUN)
    history = [ChatMessage(content="Hello"), ChatMessage(role="assistant", content="Ahoy")]
    memory = ChatMemoryBuffer.from_defaults(chat_history=history, token_limit=3000)
    chat = CondenseQuestionChatEngine.from_defaults(query_engine=engine(), llm=llm, memory=memory)
    answer = chat.chat("And high ones?")
    assert (answer.response, texts_of(answer.source_nodes)) == (ANSWER, [FACT, "Page 3."])
    assert stage.requests[1].messages[-1].content == "Which tides are high?"
    memory = ChatMemoryBuffer.from_defaults(token_limit=3000)
    streaming = CondenseQuestionChatEngine.from_defaults(query_engine=engine(streaming=True), llm=llm, memory=memory)
    assert "".join(streaming.stream_chat(QUESTION).response_gen) == ANSWER


# Prompts and reports


def test_prompts(engine: MakeEngine, stage: Stage) -> None:
    """What the agent is told is a prompt of the engine; braces in a query stay; one without the query is refused."""
    made = engine(query_template=PromptTemplate("Cite. {query_str}"))
    made.query("What is {x}?")
    assert list(made.get_prompts()) == ["query_template"]
    chat = ChatPromptTemplate([ChatMessage(role="system", content="Cite."), ChatMessage(content="{query_str}")])
    made.update_prompts({"query_template": chat})
    made.query(QUESTION)
    sent = [[(item.role, item.content) for item in request.messages] for request in stage.requests]
    assert sent == [[("user", "Cite. What is {x}?")], [("system", "Cite."), ("user", QUESTION)]]
    mapped = PromptTemplate("Cite. {question}", template_var_mappings={"query_str": "question"})
    engine(query_template=mapped).query(QUESTION)
    assert stage.requests[-1].messages[-1].content == f"Cite. {QUESTION}"
    with pytest.raises(core.ValidationError, match="query_str"):
        made.update_prompts({"query_template": PromptTemplate("Cite.")})
    with pytest.raises(core.ValidationError, match="query_str"):
        engine(query_template=PromptTemplate("Cite."))


@pytest.mark.parametrize("streaming", [True, False])
async def test_queries_are_reported(engine: MakeEngine, events: Collector, streaming: bool) -> None:
    """Callbacks and instrumentation hear of both ways to ask, and of the progress."""
    debug = LlamaDebugHandler(print_trace_on_end=False)
    made = engine(callback_manager=CallbackManager([debug]), streaming=streaming)
    str(made.query(QUESTION))
    response = await made.aquery(QUESTION)
    if isinstance(response, AsyncStreamingResponse):
        await response.get_response()
    assert len(debug.get_event_pairs(CBEventType.QUERY)) == 2
    assert len(debug.get_event_pairs(CBEventType.AGENT_STEP)) == 2
    assert len(events.of("QueryStartEvent")) == len(events.of("QueryEndEvent")) == 2
    assert [event.message for event in events.of("LumnisProgressEvent") if event.message] == ["Looking up."] * 2
    await made.aclose()


# Errors


@pytest.mark.parametrize("streaming", [True, False])
async def test_queries_that_cannot_be_sent(engine: MakeEngine, stage: Stage, streaming: bool) -> None:
    """Empty ones, and those without a user, are refused before anything is sent."""
    made, nobody = engine(streaming=streaming), engine(user_id=None, streaming=streaming)
    for asking, query, error in ((made, " ", core.ValidationError), (nobody, QUESTION, core.MissingUserId)):
        with pytest.raises(error):
            asking.query(query)
        with pytest.raises(error):
            await asking.aquery(query)
    assert stage.requests == []


@pytest.mark.parametrize(
    ("wrong", "named"),
    [
        ({"similarity_top_k": 51}, "from 0 to 50"),
        ({"similarity_top_k": True}, "similarity_top_k"),
        ({"stream_chunk_size": 0}, "stream_chunk_size"),
        ({"query_template": "{query_str}"}, "must be a prompt template"),
        ({"users": "ada"}, "users"),
        ({"api_key": None}, "LUMNISAI_API_KEY"),
    ],
)
def test_unusable_settings_are_refused(engine: MakeEngine, wrong: dict[str, Any], named: str) -> None:
    """By the constructor, with their name."""
    with pytest.raises((core.LumnisAIError, ValueError), match=named):
        engine(**wrong)


async def test_failed_runs_are_raised(engine: MakeEngine, stage: Stage) -> None:
    """With the run, in all four ways."""
    stage.play(Script(error=("agent_error", "No luck.")))
    for streaming in (False, True):
        made = engine(streaming=streaming)
        with pytest.raises(core.RunFailedError, match="No luck"):
            str(made.query(QUESTION))
        with pytest.raises(core.RunFailedError, match="No luck"):
            await (await made.aquery(QUESTION)).get_response()  # type: ignore[union-attr, misc]
        await made.aclose()


# Sharing and keeping


async def test_queries_at_once(engine: MakeEngine, stage: Stage) -> None:
    """Many queries of one engine run side by side, each with its own answer, and never block the loop."""
    stage.answer(lambda request: Script(output_text=f"To {request.messages[-1].content}"))
    made = engine()
    with no_blocking():
        answers = await asyncio.gather(*(made.aquery(f"question {number}") for number in range(20)))
        await made.aclose()
    assert [str(answer) for answer in answers] == [f"To question {number}" for number in range(20)]


def test_the_key_stays_hidden(engine: MakeEngine, local: LocalLumnis, monkeypatch: pytest.MonkeyPatch) -> None:
    """Neither text nor pickle has it; what is restored takes it from the environment."""
    made = engine()
    written = pickle.dumps(made)
    assert local.api_key.encode() not in written
    assert local.api_key not in f"{made!r} {vars(made)}"
    monkeypatch.setenv("LUMNISAI_API_KEY", local.api_key)
    restored = pickle.loads(written)
    assert texts_of(restored.query(QUESTION).source_nodes) == [FACT, "Page 3."]
    restored.close()
