from __future__ import annotations

import asyncio
import copy
import pickle
import threading
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from llama_index.core import QueryBundle, get_response_synthesizer
from llama_index.core.callbacks import CallbackManager, CBEventType, LlamaDebugHandler
from llama_index.core.query_engine import RetrieverQueryEngine
from llama_index.core.retrievers import QueryFusionRetriever
from llama_index.core.schema import MetadataMode, NodeWithScore
from llama_index.core.tools import RetrieverTool

from lumnisai_core import exceptions as core
from lumnisai_integrations.llama_index import LumnisLLM
from lumnisai_integrations.llama_index.lumnis.retriever import LumnisFilesRetriever
from tests.llama_index.conftest import ANSWER, Collector, Stage
from tests.loops import no_blocking
from tests.shared.library import CHAPTERS, CHARTER, MOON, QUESTION, USER, Library, library


@pytest.fixture(scope="module")
def files() -> Iterator[Library]:
    with library() as made:
        yield made


@pytest.fixture
def retriever(files: Library) -> Iterator[LumnisFilesRetriever]:
    made = LumnisFilesRetriever(**files.fields)
    files.asked()
    yield made
    made.close()


def names(nodes: list[NodeWithScore]) -> set[str]:
    return {node.metadata["file_name"] for node in nodes}


async def test_nodes_are_passages(files: Library, retriever: LumnisFilesRetriever) -> None:
    """Both ways to call give the same nodes: best first, with score, an id that stays, and the file as source."""
    nodes = retriever.retrieve(QUESTION)
    assert await retriever.aretrieve(QueryBundle(QUESTION)) == nodes
    assert files.asked() == ["POST /v1/files/search"] * 2
    assert len(nodes) == 4
    scores = [node.score or 0.0 for node in nodes]
    assert scores == sorted(scores, reverse=True)
    assert 0 < min(scores) <= max(scores) <= 1
    first, tides = nodes[0], files.ids["tides.md"]
    assert first.node.node_id == f"{tides}:{first.metadata['chunk_index']}"
    assert first.text.strip() == CHAPTERS[first.metadata["chunk_index"]].strip()
    assert first.node.source_node is not None
    assert (first.node.ref_doc_id, first.node.source_node.metadata["file_name"]) == (tides, "tides.md")
    await retriever.aclose()


def test_a_model_sees_name_and_text_and_an_embedding_the_text_alone(retriever: LumnisFilesRetriever) -> None:
    """Ids and sizes are for programs."""
    retriever.file_tags = "sky"
    node = retriever.retrieve(QUESTION)[0].node
    assert node.get_content(MetadataMode.LLM) == f"file_name: moon.txt\ntags: ['sky']\n\n{MOON}"
    assert node.get_content(MetadataMode.EMBED) == MOON


@pytest.mark.parametrize(
    ("fields", "expected"),
    [
        ({"file_tags": ["sky"]}, {"moon.txt"}),
        ({"file_types": (".TXT",)}, {"moon.txt", "charter.txt"}),
        ({"min_score": 0.9}, {"tides.md"}),
        ({"scope": "tenant", "user_id": None}, {"charter.txt"}),
        ({"user_id": "bob"}, {"charter.txt"}),
        ({"file_tags": "nothing"}, set()),
    ],
)
def test_filters_apply(
    files: Library, retriever: LumnisFilesRetriever, fields: dict[str, Any], expected: set[str]
) -> None:
    """A filter works from the constructor, and when it is set later."""
    made = LumnisFilesRetriever(**files.fields | fields, similarity_top_k=50)
    assert names(made.retrieve(QUESTION)) == expected
    made.close()
    for name, value in {"similarity_top_k": 50, **fields}.items():
        setattr(retriever, name, value)
    assert names(retriever.retrieve(QUESTION)) == expected


@pytest.mark.parametrize("count", [1, 3, 6])
def test_as_many_as_wanted(retriever: LumnisFilesRetriever, count: int) -> None:
    """There are exactly that many nodes if there are enough."""
    retriever.similarity_top_k = count
    assert len(retriever.retrieve(QUESTION)) == count


async def test_query_engine(retriever: LumnisFilesRetriever, llm: LumnisLLM, stage: Stage) -> None:
    """A query engine answers from the passages and names them as sources, in both ways."""
    engine = RetrieverQueryEngine(retriever, response_synthesizer=get_response_synthesizer(llm=llm))
    answer = engine.query(QUESTION)
    assert str(answer) == ANSWER
    assert names(answer.source_nodes) == {"tides.md"}
    assert all(node.text.strip() in stage.requests[0].messages[-1].content for node in answer.source_nodes)
    assert (await engine.aquery(QUESTION)).source_nodes == answer.source_nodes
    await retriever.aclose()
    await llm.aclose()


async def test_fusion_and_tool(retriever: LumnisFilesRetriever, llm: LumnisLLM) -> None:
    """It can be one of several retrievers, and a tool of an agent."""
    fused = QueryFusionRetriever([retriever, retriever], llm=llm, num_queries=1, similarity_top_k=3, use_async=False)
    assert len({node.node.node_id for node in fused.retrieve(QUESTION)}) == 3
    assert MOON in str(await RetrieverTool.from_defaults(retriever).acall("moon quarters"))
    await retriever.aclose()


async def test_searches_are_reported(files: Library, events: Collector) -> None:
    """Callbacks and instrumentation hear of both ways to search."""
    debug = LlamaDebugHandler(print_trace_on_end=False)
    retriever = LumnisFilesRetriever(**files.fields, callback_manager=CallbackManager([debug]))
    retriever.retrieve(QUESTION)
    await retriever.aretrieve(QUESTION)
    assert len(debug.get_event_pairs(CBEventType.RETRIEVE)) == 2
    assert [len(event.nodes) for event in events.of("RetrievalEndEvent")] == [4, 4]
    await retriever.aclose()
    retriever.close()


@pytest.mark.parametrize(
    "wrong",
    [{"similarity_top_k": 0}, {"similarity_top_k": 51}, {"min_score": 2}, {"file_types": []}, {"file_tags": []}],
)
async def test_unusable_filters_are_refused(
    files: Library, retriever: LumnisFilesRetriever, wrong: dict[str, Any]
) -> None:
    """By the constructor and, when set later, by the search; nothing is sent."""
    name, value = next(iter(wrong.items()))
    with pytest.raises(core.ValidationError, match=name):
        LumnisFilesRetriever(**files.fields | wrong)
    setattr(retriever, name, value)
    with pytest.raises(core.ValidationError, match=name):
        retriever.retrieve(QUESTION)
    with pytest.raises(core.ValidationError, match=name):
        await retriever.aretrieve(QUESTION)
    assert files.asked() == []


def test_other_mistakes_are_refused(files: Library, retriever: LumnisFilesRetriever) -> None:
    """No key, no user, a user in tenant scope, an unknown scope, no query: told before anything is sent."""
    with pytest.raises(core.ConfigurationError, match="LUMNISAI_API_KEY"):
        LumnisFilesRetriever()
    with pytest.raises(core.ConfigurationError, match="timeout"):
        LumnisFilesRetriever(**files.fields, timeout=0)
    with pytest.raises(core.MissingUserId):
        LumnisFilesRetriever(**files.address).retrieve(QUESTION)
    with pytest.raises(core.TenantScopeUserIdConflict):
        LumnisFilesRetriever(**files.fields, scope="tenant").retrieve(QUESTION)
    with pytest.raises(core.ConfigurationError, match="galaxy"):
        LumnisFilesRetriever(**files.fields, scope="galaxy").retrieve(QUESTION)
    with pytest.raises(core.ValidationError, match="query"):
        retriever.retrieve(" ")
    assert files.asked() == []


async def test_errors_of_the_service(files: Library) -> None:
    """A wrong key and an address where nobody answers are errors of this package."""
    refused = LumnisFilesRetriever(**files.fields | {"api_key": "wrong"})
    with pytest.raises(core.AuthenticationError):
        refused.retrieve(QUESTION)
    with pytest.raises(core.AuthenticationError):
        await refused.aretrieve(QUESTION)
    await refused.aclose()
    refused.close()
    lost = LumnisFilesRetriever(api_key="k", base_url="http://127.0.0.1:9", user_id=USER, max_retries=0, timeout=5)
    with pytest.raises(core.TransportError):
        lost.retrieve(QUESTION)


def test_the_key_stays_hidden(
    files: Library,
    retriever: LumnisFilesRetriever,
    monkeypatch: pytest.MonkeyPatch,
    leave_process: Callable[[], None],
) -> None:
    """Neither text nor pickle has it; copies keep it; in another process it comes from the environment."""
    key = files.service.api_key
    expected = retriever.retrieve(QUESTION)
    written = pickle.dumps(retriever)
    assert key.encode() not in written
    assert key not in f"{retriever!r} {vars(retriever)}"
    for copied in (copy.copy(retriever), copy.deepcopy(retriever)):
        assert copied.retrieve(QUESTION) == expected
        copied.close()
    assert pickle.loads(written).retrieve(QUESTION) == expected
    leave_process()
    with pytest.raises(core.ConfigurationError, match="LUMNISAI_API_KEY"):
        pickle.loads(written).retrieve(QUESTION)
    monkeypatch.setenv("LUMNISAI_API_KEY", key)
    restored = pickle.loads(written)
    assert restored.retrieve(QUESTION) == expected
    restored.close()


def test_threads_and_loops_share_one(retriever: LumnisFilesRetriever) -> None:
    """Several threads, each with a loop of its own, search at the same time; closing is no end."""
    found: list[int] = []

    async def search() -> None:
        results = await asyncio.gather(*(retriever.aretrieve(QUESTION) for _ in range(3)))
        found.extend(len(nodes) for nodes in results)
        await retriever.aclose()

    def in_thread(work: Callable[[], Any]) -> threading.Thread:
        thread = threading.Thread(target=work)
        thread.start()
        return thread

    threads = [in_thread(lambda: asyncio.run(search())) for _ in range(4)]
    for thread in threads:
        thread.join()
    assert found == [4] * 12
    retriever.close()
    assert CHARTER in [node.text for node in retriever.retrieve("harbour office")]


async def test_the_loop_is_never_blocked(retriever: LumnisFilesRetriever) -> None:
    """Searching with asyncio makes no blocking call."""
    with no_blocking():
        assert len(await retriever.aretrieve(QUESTION)) == 4
        await retriever.aclose()
