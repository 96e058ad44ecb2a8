"""The retriever: what it finds, for whom, from where it can be called, and what it keeps to itself."""

from __future__ import annotations

import asyncio
import copy
import pickle
import threading
import warnings
from collections.abc import Callable, Iterator
from typing import Any

import pydantic
import pytest
from langchain_core._api.beta_decorator import LangChainBetaWarning
from langchain_core.callbacks import BaseCallbackHandler
from langchain_core.documents import Document
from langchain_core.exceptions import ModelAuthenticationError, ModelConnectionError, ModelInvalidRequestError
from langchain_core.load import dumpd, dumps, load
from langchain_core.output_parsers import StrOutputParser
from langchain_core.prompts import ChatPromptTemplate
from langchain_core.runnables import ConfigurableField, RunnableLambda, RunnablePassthrough
from langchain_core.tools import create_retriever_tool

from lumnisai_core import exceptions as core
from lumnisai_integrations.langchain import ChatLumnis
from lumnisai_integrations.langchain.lumnis.retriever import LumnisFilesRetriever
from tests.loops import no_blocking
from tests.servers import Canned, canned_server
from tests.shared.library import CHARTER, MOON, QUESTION, USER, Library, library


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


def names(documents: list[Document]) -> list[str]:
    return [document.metadata["file_name"] for document in documents]


async def test_documents_are_passages(files: Library, retriever: LumnisFilesRetriever) -> None:
    """Both ways to call give the same passages: best first, with an id that stays, and where they are from."""
    documents = retriever.invoke(QUESTION, k=6)
    assert await retriever.ainvoke(QUESTION, k=6) == documents
    assert files.asked() == ["POST /v1/files/search"] * 2
    scores = [document.metadata["score"] for document in documents]
    assert scores == sorted(scores, reverse=True)
    first = documents[0]
    assert first.id == f"{files.ids['tides.md']}:{first.metadata['chunk_index']}"
    assert first.page_content.startswith("Chapter")
    assert (first.metadata["source"], first.metadata["tags"]) == ("tides.md", ["sea"])
    assert 0 < first.metadata["score"] <= 1
    await retriever.aclose()


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ({"file_tags": ["sky"]}, {"moon.txt"}),
        ({"file_types": [".TXT"]}, {"moon.txt", "charter.txt"}),
        ({"file_types": "md", "file_tags": "sea"}, {"tides.md"}),
        ({"min_score": 0.9}, {"tides.md"}),
        ({"scope": "tenant"}, {"charter.txt"}),
        ({"user_id": "bob"}, {"charter.txt"}),
        ({"file_tags": ["nothing"]}, set()),
    ],
)
def test_filters_apply(
    files: Library, retriever: LumnisFilesRetriever, given: dict[str, Any], expected: set[str]
) -> None:
    """A filter works as a field and for one call; a call may also take one away."""
    assert set(names(retriever.invoke(QUESTION, k=50, **given))) == expected
    fields = files.fields | ({"user_id": None} if given.get("scope") else {}) | given
    made = LumnisFilesRetriever(**fields, k=50)
    assert set(names(made.invoke(QUESTION))) == expected
    if "file_tags" in given:
        assert set(names(made.invoke(QUESTION, file_tags=None, file_types=None))) > expected
    made.close()


async def test_the_user_comes_from_the_config(files: Library, retriever: LumnisFilesRetriever) -> None:
    """The config names the user for everything it reaches; the call wins over it, and it over the field."""
    bob: Any = {"configurable": {"lumnis_user_id": "bob", "lumnis_thread_id": "t"}}
    assert set(names(retriever.invoke(QUESTION, bob))) == {"charter.txt"}
    assert set(names(await retriever.ainvoke(QUESTION, bob))) == {"charter.txt"}
    assert "tides.md" in names(retriever.invoke(QUESTION, bob, user_id=USER))
    chain = RunnableLambda[str, str](str.strip) | retriever
    assert set(names(chain.invoke(QUESTION, bob))) == {"charter.txt"}
    assert [set(names(found)) for found in retriever.batch([QUESTION] * 2, bob)] == [{"charter.txt"}] * 2
    await retriever.aclose()


def test_it_works_in_a_chain(files: Library, retriever: LumnisFilesRetriever) -> None:
    """Retrieved texts reach the model's prompt."""

    def joined(documents: list[Document]) -> str:
        return "\n".join(document.page_content for document in documents)

    prompt = ChatPromptTemplate.from_template("{context}\n\n{question}")
    model = ChatLumnis(**files.address, user_id="bob")
    sources = {"context": retriever.bind(file_tags="sky") | joined, "question": RunnablePassthrough()}
    answer = (sources | prompt | model | StrOutputParser()).invoke("What pulls the sea? neap")
    assert "moon pulls the sea" in answer
    model.close()


def test_it_works_as_a_tool(retriever: LumnisFilesRetriever) -> None:
    """Agents get the texts."""
    tool = create_retriever_tool(retriever, "files", "Searches files.")
    assert MOON in tool.invoke({"query": "moon quarters"})


def test_fields_are_configurable(retriever: LumnisFilesRetriever) -> None:
    """A field can be set by the config, as for any runnable."""
    configurable = retriever.configurable_fields(k=ConfigurableField(id="k"))
    assert len(configurable.invoke(QUESTION, {"configurable": {"k": 2}})) == 2


def test_callbacks_hear_of_searches(retriever: LumnisFilesRetriever) -> None:
    """Handlers see documents and errors; `verbose` is the framework's own keyword."""

    class Recorder(BaseCallbackHandler):
        def __init__(self) -> None:
            self.seen: list[Any] = []

        def on_retriever_end(self, documents: Any, **_: Any) -> None:
            self.seen.append(len(documents))

        def on_retriever_error(self, error: BaseException, **_: Any) -> None:
            self.seen.append(type(error).__name__)

    recorder = Recorder()
    retriever.invoke(QUESTION, {"callbacks": [recorder]}, k=2, verbose=False)
    with pytest.raises(core.ValidationError):
        retriever.invoke("  ", {"callbacks": [recorder]})
    assert recorder.seen == [2, "ValidationError"]


@pytest.mark.parametrize("given", [{"k": 0}, {"k": 51}, {"min_score": 2}, {"file_types": []}, {"file_tags": []}])
def test_unusable_filters_are_refused(files: Library, retriever: LumnisFilesRetriever, given: dict[str, Any]) -> None:
    """By the constructor and for one call, as LangChain's error and ours, before anything is sent."""
    for refuse in (
        lambda: LumnisFilesRetriever(**files.fields, **given),
        lambda: retriever.invoke(QUESTION, **given),
    ):
        with pytest.raises(core.ValidationError, match=next(iter(given))) as caught:
            refuse()
        assert isinstance(caught.value, ModelInvalidRequestError)
    assert files.asked() == []


async def test_other_mistakes_are_refused(files: Library, retriever: LumnisFilesRetriever) -> None:
    """Unknown names, too many tags, no query and no user are told before anything is sent."""
    with pytest.raises(TypeError, match="file_tag;"):
        LumnisFilesRetriever(**files.fields, file_tag="sea")
    with pytest.raises(TypeError, match="file_tag;"):
        retriever.invoke(QUESTION, file_tag="sea")
    with pytest.raises(core.ValidationError, match="11 entries"):
        retriever.invoke(QUESTION, file_tags=[f"t{number}" for number in range(11)])
    with pytest.raises(core.ValidationError, match="query"):
        await retriever.ainvoke(" ")
    with pytest.raises(core.MissingUserId):
        LumnisFilesRetriever(**files.address).invoke(QUESTION)
    with pytest.raises(core.TenantScopeUserIdConflict):
        LumnisFilesRetriever(**files.fields, scope="tenant").invoke(QUESTION)
    with pytest.raises(core.ConfigurationError, match="LUMNISAI_API_KEY"):
        LumnisFilesRetriever()
    assert files.asked() == []


async def test_errors_are_langchains_too(files: Library) -> None:
    """A wrong key and an address where nobody answers."""
    refused = LumnisFilesRetriever(**files.fields | {"api_key": "wrong"})
    with pytest.raises(ModelAuthenticationError):
        refused.invoke(QUESTION)
    with pytest.raises(ModelAuthenticationError):
        await refused.ainvoke(QUESTION)
    await refused.aclose()
    refused.close()
    lost = LumnisFilesRetriever(api_key="k", base_url="http://127.0.0.1:9", user_id=USER, max_retries=0, timeout=5)
    with pytest.raises(ModelConnectionError):
        lost.invoke(QUESTION)


def test_the_key_stays_hidden(
    files: Library,
    retriever: LumnisFilesRetriever,
    monkeypatch: pytest.MonkeyPatch,
    leave_process: Callable[[], None],
) -> None:
    """No text, saved form or pickle has it; copies keep it; in another process it comes from the environment."""
    key = files.service.api_key
    expected = retriever.invoke(QUESTION)
    for text in (repr(retriever), str(retriever.model_dump()), dumps(retriever)):
        assert key not in text
    written = pickle.dumps(retriever)
    assert key.encode() not in written
    assert copy.deepcopy(retriever).invoke(QUESTION) == expected
    assert pickle.loads(written).invoke(QUESTION) == expected
    leave_process()
    with pytest.raises(core.ConfigurationError, match="LUMNISAI_API_KEY"):
        pickle.loads(written).invoke(QUESTION)
    monkeypatch.setenv("LUMNISAI_API_KEY", key)
    assert pickle.loads(written).invoke(QUESTION) == expected
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", LangChainBetaWarning)  # said once in a process
        loaded = load(
            dumpd(retriever),
            allowed_objects=[LumnisFilesRetriever],
            valid_namespaces=["lumnisai_integrations"],
            secrets_from_env=True,
        )
    assert loaded == retriever
    with pytest.raises(pydantic.ValidationError) as caught:
        LumnisFilesRetriever(api_key=[key])
    assert key not in str(caught.value)


def test_threads_and_loops_share_one(retriever: LumnisFilesRetriever) -> None:
    """Several threads, each with a loop of its own, search at the same time; closing is no end."""
    found: list[int] = []

    async def search() -> None:
        documents = await asyncio.gather(*(retriever.ainvoke(QUESTION, k=3) for _ in range(3)))
        found.extend(len(each) for each in documents)
        await retriever.aclose()

    def work() -> None:
        asyncio.run(search())
        found.append(len(retriever.invoke(QUESTION, k=3)))

    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert found == [3] * 16
    retriever.close()
    assert CHARTER in [document.page_content for document in retriever.invoke("harbour office")]


async def test_the_loop_is_never_blocked(retriever: LumnisFilesRetriever) -> None:
    """Searching with asyncio makes no blocking call."""
    with no_blocking():
        assert len(await retriever.ainvoke(QUESTION, k=3)) == 3
        await retriever.aclose()


async def test_a_search_can_be_cancelled() -> None:
    """Cancelling ends the waiting at once, and the retriever goes on working."""
    arrived, release = threading.Event(), threading.Event()
    empty = {"results": [], "total_count": 0, "query": QUESTION}
    with canned_server([Canned(body=empty, arrived=arrived, release=release), Canned(body=empty)]) as server:
        retriever = LumnisFilesRetriever(api_key="k", base_url=server.base_url, user_id=USER)
        search = asyncio.create_task(retriever.ainvoke(QUESTION))
        await asyncio.to_thread(arrived.wait)
        search.cancel()
        with pytest.raises(asyncio.CancelledError):
            await search
        assert await retriever.ainvoke(QUESTION) == []
        release.set()
        await retriever.aclose()
