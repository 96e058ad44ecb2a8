"""The document loader: documents of a collection of Lumi.new."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator, Sequence
from typing import Any, ClassVar

from langchain_core.document_loaders import BaseLoader
from langchain_core.documents import Document
from pydantic import ConfigDict, Field

from lumnisai_core.lumi import Document as LumiDocument
from lumnisai_integrations._shared.lumi.connection import LumiConnection
from lumnisai_integrations._shared.lumi.documents import Fields
from lumnisai_integrations.langchain.errors import model_errors


class LumiEntityLoader(LumiConnection, BaseLoader):
    """A loader of the documents of a Lumi.new collection.

    Documents are fetched page by page, each page when its turn comes, and each document once, also while others are
    added or deleted. The ``id`` of a document is that of the service, so that indexing again replaces the older one.

    Attributes:
        collection: Name of the collection.
        filter: Conditions, such as ``{"status": "open"}``; sent as they are. Default: all documents.
        sort: 1 (ascending) or -1 (descending) by field. Default: by id.
        content_fields: Fields of the content: the plain text of one field, or a line for each of several.
            ``author.name`` is a field inside another. Default: all but those that the service adds.
        metadata_fields: Fields of the metadata. Default: all that are not content. ``id``, ``collection`` and
            ``source`` are always there; values that are lists or objects are JSON text.
        page_size: Documents to fetch at a time, 1 to 100. Default 100.
        project_id, api_base_url, authorization, lumi_api_key, sign_key, top_access_key, timeout, max_retries: The
            connection, as of :class:`ChatLumi`.
        client, async_client: Your own clients, instead of the connection.

    Raises:
        ConfigurationError: There is no application, or a value is not valid.
        ValidationError: A field name is not valid.
    """

    model_config: ClassVar[ConfigDict] = ConfigDict(extra="forbid")

    collection: str
    filter: dict[str, Any] | None = None
    sort: dict[str, int] | None = None
    content_fields: str | Sequence[str] | None = None
    metadata_fields: str | Sequence[str] | None = None
    page_size: int = Field(default=100, ge=1, le=100)

    def __init__(self, collection: str, **fields: Any) -> None:
        super().__init__(collection=collection, **fields)
        with model_errors():
            self.check_connection()
            self._fields()

    def lazy_load(self) -> Iterator[Document]:
        """Yield the documents.

        Raises:
            LumnisAIError: The service cannot be reached or refuses.
        """
        with model_errors():
            fields, entity = self._fields(), self._client().entities[self.collection]
            for found in entity.iter(self.filter, self.sort, self.page_size):
                yield _document(fields, found)

    async def alazy_load(self) -> AsyncIterator[Document]:
        """Yield the documents with asyncio; otherwise the same as :meth:`lazy_load`."""
        with model_errors():
            fields, entity = self._fields(), self._aclient().entities[self.collection]
            async for found in entity.iter(self.filter, self.sort, self.page_size):
                yield _document(fields, found)

    def _fields(self) -> Fields:
        return Fields.of(self.collection, self.content_fields, self.metadata_fields)


def _document(fields: Fields, found: LumiDocument) -> Document:
    read = fields.read(found)
    return Document(id=read.id, page_content=read.text, metadata=read.metadata)
