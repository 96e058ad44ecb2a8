"""The reader: whole files of the platform."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterable, Iterator, Sequence
from typing import Any
from uuid import UUID

from llama_index.core.readers.base import BasePydanticReader, ResourcesReaderMixin
from llama_index.core.schema import Document

from lumnisai_core import ContentType, ProcessingStatus
from lumnisai_integrations._shared.file_reading import (
    OnUnreadable,
    Reading,
    afiles_to_read,
    aread_files,
    files_to_read,
    read_files,
)
from lumnisai_integrations.llama_index.lumnis.results import document_of
from lumnisai_integrations.llama_index.lumnis.settings import LumnisConnection

FileIds = Sequence[str | UUID]


class LumnisFilesReader(LumnisConnection, BasePydanticReader, ResourcesReaderMixin):
    """A reader of files on the Lumnis platform: one document for each file, with its whole text.

    The ``id_`` of a document is that of the file, so that an ingestion pipeline with a document store replaces changed
    documents and skips the others. Files are listed page by page and each is read when its turn comes. A resource of
    this reader is a file, named by its id.

    Args:
        user_id: User whose files are read. Required in user scope.
        scope: ``user`` for the user's own files only, ``tenant`` for those of the tenant only. Default: both, as far
            as the user may see them.
        file_type: Only files with this extension.
        file_tags: Only files with these tags.
        status: Only files in this processing status.
        content_type: ``text``, ``transcript``, ``summary`` or ``structured``. Default: the service's choice.
        on_unreadable: What happens with a file that is not processed yet, could not be processed or has no text:
            ``warn`` (default) leaves it out and logs a warning, ``raise`` raises ``FileOperationError``.
        api_key, base_url, tenant_id, timeout, max_retries: The connection, as of :class:`LumnisLLM`. No saved form
            contains the key.

    Raises:
        ConfigurationError: No API key, or a value that is not valid.
        ValidationError: A filter is not valid.
    """

    is_remote: bool = True
    file_type: str | None = None
    file_tags: str | list[str] | None = None
    status: ProcessingStatus | None = None
    content_type: ContentType | None = None
    on_unreadable: OnUnreadable = "warn"

    def __init__(self, **fields: Any) -> None:
        super().__init__(**fields)
        self._reading()  # refuses filters that are not valid

    @classmethod
    def class_name(cls) -> str:
        """Return the name under which LlamaIndex serializes this class."""
        return "LumnisFilesReader"

    def lazy_load_data(self, file_ids: FileIds | None = None) -> Iterator[Document]:
        """Yield a document for each file.

        Args:
            file_ids: Only these files, regardless of the filters. Default: all that match the filters, newest first.

        Raises:
            MissingUserId: User scope without a user.
            FileOperationError: A file has no text, and ``on_unreadable`` is ``raise``.
            FileNotFoundError: There is no file with one of ``file_ids``.
            LumnisAIError: The service cannot be reached or refuses.
        """
        for file in read_files(self.client(), self._reading(), file_ids):
            yield document_of(file)

    async def alazy_load_data(self, file_ids: FileIds | None = None) -> LazyDocuments:
        """Return documents for ``async for``, each read when its turn comes. An ordinary ``for`` blocks."""
        return LazyDocuments(self, file_ids)

    async def aload_data(self, file_ids: FileIds | None = None) -> list[Document]:
        """Return all documents, read with asyncio; otherwise the same as :meth:`lazy_load_data`."""
        return [document async for document in LazyDocuments(self, file_ids)]

    def list_resources(self) -> list[str]:
        """Return the ids of all files that match the filters."""
        return list(self.list_resources_with_info())

    async def alist_resources(self) -> list[str]:
        """Do the same with asyncio."""
        return list(await self.alist_resources_with_info())

    def get_resource_info(self, resource_id: str) -> dict[str, Any]:
        """Return everything the service knows about a file, as plain data.

        Raises:
            FileNotFoundError: There is no such file.
        """
        return self.client().files.get(resource_id, user_id=self.user_id).model_dump(mode="json")

    async def aget_resource_info(self, resource_id: str) -> dict[str, Any]:
        """Do the same with asyncio."""
        return (await self.aclient().files.get(resource_id, user_id=self.user_id)).model_dump(mode="json")

    def list_resources_with_info(self) -> dict[str, dict[str, Any]]:
        """Return everything the service knows about all files that match the filters, by id."""
        files = files_to_read(self.client(), self._reading(), None)
        return {file.id: file.model_dump(mode="json") for file in files}

    async def alist_resources_with_info(self) -> dict[str, dict[str, Any]]:
        """Do the same with asyncio."""
        files = afiles_to_read(self.aclient(), self._reading(), None)
        return {file.id: file.model_dump(mode="json") async for file in files}

    def get_permission_info(self, resource_id: str) -> dict[str, Any]:
        """Return who may see a file: ``file_scope``, and the ``user_id`` and ``tenant_id`` it belongs to.

        Raises:
            FileNotFoundError: There is no such file.
        """
        return _permissions(self.get_resource_info(resource_id))

    async def aget_permission_info(self, resource_id: str) -> dict[str, Any]:
        """Do the same with asyncio."""
        return _permissions(await self.aget_resource_info(resource_id))

    def load_resource(self, resource_id: str) -> list[Document]:
        """Return a file as a list of one document; an empty list if it has no text and ``on_unreadable`` is ``warn``.

        Raises:
            FileOperationError: The file has no text, and ``on_unreadable`` is ``raise``.
            FileNotFoundError: There is no such file.
        """
        return self.load_data([resource_id])

    async def aload_resource(self, resource_id: str) -> list[Document]:
        """Do the same with asyncio."""
        return await self.aload_data([resource_id])

    def _reading(self) -> Reading:
        return Reading.of(self.__dict__)


class LazyDocuments(Iterable[Document]):
    """Documents of files, each read when its turn comes. Every iteration starts again."""

    def __init__(self, reader: LumnisFilesReader, file_ids: FileIds | None) -> None:
        self._reader = reader
        self._file_ids = file_ids

    def __iter__(self) -> Iterator[Document]:
        return iter(self._reader.lazy_load_data(self._file_ids))

    async def __aiter__(self) -> AsyncIterator[Document]:
        async for file in aread_files(self._reader.aclient(), self._reader._reading(), self._file_ids):
            yield document_of(file)


def _permissions(info: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in info.items() if name in ("file_scope", "user_id", "tenant_id")}
