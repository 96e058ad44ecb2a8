"""The loader: whole files, in both ways, lazily, with nothing lost."""

from __future__ import annotations

import logging
import pickle
from collections.abc import Iterator
from typing import Any

import pytest
from langchain_core.documents import Document
from langchain_core.embeddings import DeterministicFakeEmbedding
from langchain_core.indexing import InMemoryRecordManager, index
from langchain_core.vectorstores import InMemoryVectorStore

from lumnisai_core import exceptions as core
from lumnisai_integrations.langchain.lumnis.loader import LumnisFilesLoader
from tests.servers import Canned, canned_server
from tests.shared.library import CHARTER, MOON, TIDES, USER, Library, library


@pytest.fixture(scope="module")
def files() -> Iterator[Library]:
    with library() as made:
        yield made


def names(documents: list[Document]) -> list[str]:
    return [document.metadata["file_name"] for document in documents]


async def test_a_file_is_a_document(files: Library, caplog: pytest.LogCaptureFixture) -> None:
    """Both ways give each file with its whole text and its id; what has no text is named in the log."""
    loader = LumnisFilesLoader(**files.fields)
    with caplog.at_level(logging.WARNING):
        documents = loader.load()
    assert {document.id: document.page_content for document in documents} == {
        files.ids["tides.md"]: TIDES,
        files.ids["moon.txt"]: MOON,
        files.ids["charter.txt"]: CHARTER,
    }
    assert [(name in caplog.text, name) for name in files.ids if name not in names(documents)] == [
        (True, "photo.png"),
        (True, "empty.txt"),
    ]
    assert await loader.aload() == documents
    metadata = documents[-1].metadata
    assert (metadata["source"], metadata["tags"], metadata["file_id"]) == ("tides.md", ["sea"], files.ids["tides.md"])
    await loader.aclose()
    loader.close()


@pytest.mark.parametrize(
    ("fields", "expected"),
    [
        ({"scope": "user", "file_type": ".TXT"}, ["moon.txt"]),
        ({"scope": "tenant", "user_id": None}, ["charter.txt"]),
        ({"file_tags": "sea"}, ["tides.md"]),
        ({"status": "completed", "file_tags": ["sky", "sea"]}, ["moon.txt", "tides.md"]),
        ({"status": "pending"}, []),
        ({"user_id": "bob"}, ["charter.txt"]),
    ],
)
def test_filters_apply(files: Library, fields: dict[str, Any], expected: list[str]) -> None:
    """Files are listed as the filters want them, newest first."""
    loader = LumnisFilesLoader(**files.fields | fields)
    assert names(loader.load()) == expected
    loader.close()


async def test_files_can_be_named(files: Library) -> None:
    """Named files come in that order, each once; one that does not exist is an error."""
    wanted = [files.ids[name] for name in ("moon.txt", "tides.md", "moon.txt")]
    loader = LumnisFilesLoader(**files.fields, file_ids=wanted)
    assert names(loader.load()) == ["moon.txt", "tides.md"]
    assert names(await loader.aload()) == ["moon.txt", "tides.md"]
    await loader.aclose()
    loader.file_ids = ["0b8e7f4e-0000-4000-8000-000000000000"]
    with pytest.raises(core.NotFoundError):
        loader.load()
    loader.close()


async def test_files_without_text_can_be_errors(files: Library) -> None:
    """With on_unreadable='raise' the first one ends the loading, with its reason."""
    for name, reason in (("photo.png", "could not be processed"), ("empty.txt", "no text")):
        loader = LumnisFilesLoader(**files.fields, file_ids=[files.ids[name]], on_unreadable="raise")
        with pytest.raises(core.FileOperationError, match=f"{name}.*{reason}"):
            loader.load()
        with pytest.raises(core.FileOperationError, match=f"{name}.*{reason}"):
            await loader.aload()
        await loader.aclose()
        loader.close()


async def test_texts_of_a_kind_that_is_not_there_are_reported(files: Library) -> None:
    """The service's refusal of a file is the reason."""
    loader = LumnisFilesLoader(**files.fields, file_tags="sky", content_type="summary", on_unreadable="raise")
    with pytest.raises(core.FileOperationError, match="no summary") as caught:
        loader.load()
    assert caught.value.status_code == 404
    with pytest.raises(core.FileOperationError, match="no summary"):
        await loader.aload()
    await loader.aclose()
    loader.close()


async def test_nothing_is_read_before_it_is_due(files: Library) -> None:
    """Making a loader sends nothing; each document costs its own request, and leaving early spares the rest."""
    files.asked()
    loader = LumnisFilesLoader(**files.fields, file_ids=list(files.ids.values()))
    documents = loader.lazy_load()
    assert files.asked() == []
    next(documents)
    assert len(files.asked()) == 2
    adocuments = loader.alazy_load()
    assert files.asked() == []
    await anext(adocuments)
    assert len(files.asked()) == 2
    await loader.aclose()
    loader.close()


def listed(*numbers: int, more: bool) -> Canned:
    rows = [{"id": str(number), "file_name": f"{number}.txt", "processing_status": "completed"} for number in numbers]
    return Canned(body={"files": rows, "total_count": 3, "page": 1, "limit": 2, "has_more": more})


async def test_pages_are_fetched_as_needed_and_no_file_comes_twice() -> None:
    """A file that moves to a later page while others are uploaded is read once."""
    text = Canned(body={"file_id": "x", "text": "Tides."})
    answers = [listed(1, 2, more=True), text, text, listed(2, 3, more=False), text]
    with canned_server(answers) as server:
        loader = LumnisFilesLoader(api_key="k", base_url=server.base_url, user_id=USER)
        assert [document.id for document in loader.lazy_load()] == ["1", "2", "3"]
        paths = [received.path.partition("?")[0] for received in server.received]
        contents = [f"/v1/files/{number}/content" for number in (1, 2, 3)]
        assert paths == ["/v1/files", *contents[:2], "/v1/files", contents[2]]
        loader.close()
    with canned_server(answers) as server:
        loader.base_url = server.base_url
        assert [document.id async for document in loader.alazy_load()] == ["1", "2", "3"]
        await loader.aclose()


@pytest.mark.parametrize(
    "wrong", [{"file_type": ""}, {"file_type": "md,txt"}, {"file_tags": []}, {"file_ids": ["a", " "]}]
)
def test_unusable_filters_are_refused(files: Library, wrong: dict[str, Any]) -> None:
    """By the constructor, with the name of the field."""
    with pytest.raises(core.ValidationError, match=next(iter(wrong))):
        LumnisFilesLoader(**files.fields, **wrong)


async def test_a_missing_user_raises_before_anything_is_sent(files: Library) -> None:
    """User scope needs one."""
    files.asked()
    loader = LumnisFilesLoader(**files.address)
    with pytest.raises(core.MissingUserId):
        loader.load()
    with pytest.raises(core.MissingUserId):
        await loader.aload()
    assert files.asked() == []


def test_indexing_again_changes_nothing(files: Library) -> None:
    """Documents of the same file have the same id and metadata, so that an index skips them."""
    loader = LumnisFilesLoader(**files.fields, file_tags=["sea", "sky"])
    records, store = InMemoryRecordManager("files"), InMemoryVectorStore(DeterministicFakeEmbedding(size=8))
    keywords: dict[str, Any] = {"cleanup": "full", "source_id_key": "file_id", "key_encoder": "sha256"}
    assert index(loader, records, store, **keywords)["num_added"] == 2
    again = index(loader, records, store, **keywords)
    assert (again["num_added"], again["num_skipped"], again["num_deleted"]) == (0, 2, 0)
    loader.close()


def test_the_key_stays_hidden(files: Library, monkeypatch: pytest.MonkeyPatch) -> None:
    """A loader can be pickled without its key; what is restored takes it from the environment."""
    loader = LumnisFilesLoader(**files.fields, file_tags="sky")
    expected = loader.load()
    written = pickle.dumps(loader)
    assert files.service.api_key not in repr(loader)
    assert files.service.api_key.encode() not in written
    monkeypatch.setenv("LUMNISAI_API_KEY", files.service.api_key)
    restored = pickle.loads(written)
    assert restored.load() == expected
    restored.close()
    loader.close()
