"""The reader: documents of a collection of Lumi.new."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterable, Iterator, Sequence
from typing import Any, ClassVar

from llama_index.core.readers.base import BasePydanticReader
from llama_index.core.schema import Document
from pydantic import ConfigDict, Field

from lumnisai_core.lumi import Document as LumiDocument
from lumnisai_integrations._shared.lumi.connection import LumiConnection
from lumnisai_integrations._shared.lumi.documents import Fields


class LumiEntityReader(LumiConnection, BasePydanticReader):
    """A reader of the documents of a Lumi.new collection.

    Documents are fetched page by page, each page when its turn comes, and each document once, also while others are
    added or deleted. The ``id_`` of a document is that of the service, so that an ingestion pipeline with a document
    store replaces changed documents and skips the others.

    Args:
        collection: Name of the collection.
        filter: Conditions, such as ``{"status": "open"}``; sent as they are. Default: all documents.
        sort: 1 (ascending) or -1 (descending) by field. Default: by id.
        content_fields: Fields of the content: the plain text of one field, or a line for each of several.
            ``author.name`` is a field inside another. Default: all but those that the service adds.
        metadata_fields: Fields of the metadata. Default: all that are not content. ``id``, ``collection`` and
            ``source`` are always there; values that are lists or objects are JSON text.
        page_size: Documents to fetch at a time, 1 to 100. Default 100.
        project_id, api_base_url, authorization, api_key, sign_key, top_access_key, timeout, max_retries: The
            connection, as of :class:`LumiLLM`.
        client, async_client: Your own clients, instead of the connection.

    Raises:
        ConfigurationError: There is no application, or a value is not valid.
        ValidationError: A field name is not valid.
    """

    model_config: ClassVar[ConfigDict] = ConfigDict(extra="forbid")

    is_remote: bool = True
    collection: str
    filter: dict[str, Any] | None = None
    sort: dict[str, int] | None = None
    content_fields: str | Sequence[str] | None = None
    metadata_fields: str | Sequence[str] | None = None
    page_size: int = Field(default=100, ge=1, le=100)

    def __init__(self, collection: str, **fields: Any) -> None:
        fields.pop("class_name", None)  # part of what pydantic dumps
        super().__init__(collection=collection, **fields)
        self.check_connection()
        self._fields()

    @classmethod
    def class_name(cls) -> str:
        """Return the name under which LlamaIndex serializes this class."""
        return "LumiEntityReader"

    def lazy_load_data(self) -> Iterator[Document]:
        """Yield the documents.

        Raises:
            LumnisAIError: The service cannot be reached or refuses.
        """
        fields, entity = self._fields(), self._client().entities[self.collection]
        for found in entity.iter(self.filter, self.sort, self.page_size):
            yield _document(fields, found)

    async def alazy_load_data(self) -> LazyDocuments:
        """Return the documents for ``async for``, each page fetched when its turn comes. An ordinary ``for`` blocks."""
        return LazyDocuments(self)

    async def aload_data(self) -> list[Document]:
        """Return all documents, read with asyncio."""
        return [document async for document in LazyDocuments(self)]

    def _fields(self) -> Fields:
        return Fields.of(self.collection, self.content_fields, self.metadata_fields)


class LazyDocuments(Iterable[Document]):
    """Documents of a collection, each page fetched when its turn comes. Every iteration starts again."""

    def __init__(self, reader: LumiEntityReader) -> None:
        self._reader = reader

    def __iter__(self) -> Iterator[Document]:
        return iter(self._reader.lazy_load_data())

    async def __aiter__(self) -> AsyncIterator[Document]:
        reader = self._reader
        fields, entity = reader._fields(), reader._aclient().entities[reader.collection]
        async for found in entity.iter(reader.filter, reader.sort, reader.page_size):
            yield _document(fields, found)


def _document(fields: Fields, found: LumiDocument) -> Document:
    read = fields.read(found)
    known: dict[str, Any] = {} if read.id is None else {"id_": read.id}
    return Document(text=read.text, metadata=read.metadata, **known)
