from __future__ import annotations

import copy
import logging
import pickle
from collections.abc import Callable, Iterator
from typing import Any

import pydantic
import pytest
from llama_index.core.embeddings import MockEmbedding
from llama_index.core.ingestion import DocstoreStrategy, IngestionPipeline
from llama_index.core.node_parser import TokenTextSplitter
from llama_index.core.readers.base import ReaderConfig
from llama_index.core.schema import Document, MetadataMode
from llama_index.core.storage.docstore import SimpleDocumentStore
from llama_index.core.vector_stores import SimpleVectorStore

from lumnisai_core import Client
from lumnisai_core import exceptions as core
from lumnisai_integrations.llama_index.lumnis.reader import LumnisFilesReader
from tests.shared.library import CHARTER, MOON, TIDES, Library, library

NOBODYS = "0b8e7f4e-0000-4000-8000-000000000000"


@pytest.fixture(scope="module")
def files() -> Iterator[Library]:
    with library() as made:
        yield made


@pytest.fixture
def reader(files: Library) -> Iterator[LumnisFilesReader]:
    made = LumnisFilesReader(**files.fields)
    files.asked()
    yield made
    made.close()


def names(documents: list[Document]) -> list[str]:
    return [document.metadata["file_name"] for document in documents]


async def test_a_file_is_a_document(
    files: Library, reader: LumnisFilesReader, caplog: pytest.LogCaptureFixture
) -> None:
    """All four ways give each file with its whole text and its id; what has no text is named in the log."""
    with caplog.at_level(logging.WARNING):
        documents = reader.load_data()
    assert {document.id_: document.text for document in documents} == {
        files.ids["tides.md"]: TIDES,
        files.ids["moon.txt"]: MOON,
        files.ids["charter.txt"]: CHARTER,
    }
    assert "photo.png" in caplog.text
    assert "empty.txt" in caplog.text
    assert list(reader.lazy_load_data()) == documents
    assert await reader.aload_data() == documents
    lazily = await reader.alazy_load_data()
    assert [document async for document in lazily] == documents
    assert list(lazily) == documents
    assert reader.is_remote
    assert documents[1].get_content(MetadataMode.LLM) == f"file_name: moon.txt\ntags: ['sky']\n\n{MOON}"
    assert documents[1].get_content(MetadataMode.EMBED) == MOON
    await reader.aclose()


@pytest.mark.parametrize(
    ("fields", "expected"),
    [
        ({"scope": "user", "file_type": ".TXT"}, ["moon.txt"]),
        ({"scope": "tenant", "user_id": None}, ["charter.txt"]),
        ({"file_tags": "sea"}, ["tides.md"]),
        ({"status": "completed", "file_tags": ["sky", "sea"]}, ["moon.txt", "tides.md"]),
        ({"user_id": "bob"}, ["charter.txt"]),
    ],
)
async def test_filters_apply(files: Library, fields: dict[str, Any], expected: list[str]) -> None:
    """Documents and resources are those that the filters let through, newest first."""
    reader = LumnisFilesReader(**files.fields | fields)
    assert names(reader.load_data()) == expected
    resources = reader.list_resources()
    assert [file_id for file_id in resources if file_id in {files.ids[name] for name in expected}] == [
        files.ids[name] for name in expected
    ]
    assert await reader.alist_resources() == resources
    await reader.aclose()
    reader.close()


async def test_nothing_is_read_before_it_is_due(files: Library, reader: LumnisFilesReader) -> None:
    """Each document costs its own request, and leaving early spares the rest, in both ways."""
    ids = [files.ids["tides.md"], files.ids["moon.txt"]]
    documents = reader.lazy_load_data(ids)
    assert files.asked() == []
    next(documents)
    assert len(files.asked()) == 2
    lazily = aiter(await reader.alazy_load_data(ids))
    assert files.asked() == []
    await anext(lazily)
    assert len(files.asked()) == 2
    await reader.aclose()


async def test_resources_are_files(files: Library, reader: LumnisFilesReader) -> None:
    """They are listed with one request a page, described, and loaded one by one or together."""
    assert set(reader.list_resources()) == set(files.ids.values())
    files.asked()
    info = reader.list_resources_with_info()
    assert await reader.alist_resources_with_info() == info
    assert files.asked() == ["GET /v1/files"] * 2
    tides = files.ids["tides.md"]
    assert reader.get_resource_info(tides) == await reader.aget_resource_info(tides) == info[tides]
    assert (info[tides]["file_name"], info[tides]["processing_status"]) == ("tides.md", "completed")
    permission = reader.get_permission_info(tides)
    assert await reader.aget_permission_info(tides) == permission
    assert (set(permission), permission["file_scope"]) == ({"file_scope", "user_id", "tenant_id"}, "user")
    both = [tides, files.ids["moon.txt"]]
    assert [document.text for document in reader.load_resources(both)] == [TIDES, MOON]
    loaded = await reader.aload_resources(both)
    assert {file_id: names(documents) for file_id, documents in loaded.items()} == {
        both[0]: ["tides.md"],
        both[1]: ["moon.txt"],
    }
    await reader.aclose()


async def test_a_file_that_is_not_there_is_an_error(reader: LumnisFilesReader) -> None:
    """In every way to name it."""
    for blocking in (reader.load_resource, reader.get_resource_info, reader.get_permission_info):
        with pytest.raises(core.FileNotFoundError):
            blocking(NOBODYS)
    for asynchronous in (reader.aload_resource, reader.aget_resource_info, reader.aget_permission_info):
        with pytest.raises(core.FileNotFoundError):
            await asynchronous(NOBODYS)
    await reader.aclose()


async def test_files_without_text_can_be_errors(files: Library, reader: LumnisFilesReader) -> None:
    """With on_unreadable='raise' they end the loading, with the reason; otherwise they give no document."""
    photo = files.ids["photo.png"]
    assert reader.load_resource(photo) == []
    reader.on_unreadable = "raise"
    with pytest.raises(core.FileOperationError, match=r"photo\.png.*could not be processed"):
        reader.load_resource(photo)
    with pytest.raises(core.FileOperationError, match=r"photo\.png"):
        await reader.aload_resource(photo)
    await reader.aclose()


def test_a_pipeline_updates_what_changed(files: Library) -> None:
    """Run again, an ingestion pipeline skips files that are the same and forgets those that are gone."""
    with Client(**files.fields) as client:
        file_id = client.files.upload(b"First.", file_name="diary.txt", tags="diary").file_id
        client.files.wait_until_processed(file_id, poll_interval=0.01)
        reader = LumnisFilesReader(**files.fields, file_tags=["diary", "sky"])
        pipeline = IngestionPipeline(
            transformations=[TokenTextSplitter(), MockEmbedding(embed_dim=4)],
            vector_store=SimpleVectorStore(),
            docstore=SimpleDocumentStore(),
            docstore_strategy=DocstoreStrategy.UPSERTS_AND_DELETE,
        )
        assert {node.ref_doc_id for node in pipeline.run(documents=reader.load_data())} == {
            file_id,
            files.ids["moon.txt"],
        }
        assert list(pipeline.run(documents=reader.load_data())) == []
        client.files.delete(file_id)
        pipeline.run(documents=reader.load_data())
    assert pipeline.docstore is not None
    assert set(pipeline.docstore.get_all_document_hashes().values()) == {files.ids["moon.txt"]}
    reader.close()


@pytest.mark.parametrize("wrong", [{"file_type": ""}, {"file_type": "md,txt"}, {"file_tags": []}])
def test_unusable_filters_are_refused(files: Library, wrong: dict[str, Any]) -> None:
    """By the constructor, with the name of the field."""
    with pytest.raises(core.ValidationError, match=next(iter(wrong))):
        LumnisFilesReader(**files.fields, **wrong)


async def test_other_mistakes_are_refused(files: Library, reader: LumnisFilesReader) -> None:
    """No key, no user, one id in the place of a list, unknown fields: told before anything is sent."""
    with pytest.raises(core.ConfigurationError, match="LUMNISAI_API_KEY"):
        LumnisFilesReader()
    with pytest.raises(core.MissingUserId):
        LumnisFilesReader(**files.address).load_data()
    with pytest.raises(core.MissingUserId):
        await LumnisFilesReader(**files.address).aload_data()
    with pytest.raises(core.ValidationError, match="must be a list"):
        reader.load_data(files.ids["moon.txt"])
    with pytest.raises(pydantic.ValidationError, match="file_tag") as caught:
        LumnisFilesReader(**files.fields, file_tag="sky")
    assert files.service.api_key not in str(caught.value)
    assert files.asked() == []


def test_saving_leaves_the_key_out(
    files: Library, reader: LumnisFilesReader, monkeypatch: pytest.MonkeyPatch, leave_process: Callable[[], None]
) -> None:
    """Dicts, texts and pickles have all settings but the key, which in another process the environment has."""
    key = files.service.api_key
    expected = reader.load_data()
    written = pickle.dumps(reader)
    assert key.encode() not in written
    for text in (repr(reader), reader.to_json(), str(reader.to_dict()), str(ReaderConfig(reader=reader).to_dict())):
        assert key not in text
    assert copy.deepcopy(reader).load_data() == expected
    assert pickle.loads(written).load_data() == expected
    leave_process()
    restored = pickle.loads(written)
    with pytest.raises(core.ConfigurationError, match="LUMNISAI_API_KEY"):
        restored.load_data()
    monkeypatch.setenv("LUMNISAI_API_KEY", key)
    for again in (pickle.loads(written), LumnisFilesReader.from_dict(reader.to_dict())):
        assert again.load_data() == expected
        again.close()
