"""The document loader: whole files of the platform."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from uuid import UUID

from langchain_core.document_loaders import BaseLoader
from langchain_core.documents import Document

from lumnisai_core import ContentType, ProcessingStatus
from lumnisai_integrations._shared.file_reading import (
    FileText,
    OnUnreadable,
    Reading,
    aread_files,
    read_files,
    unique_ids,
)
from lumnisai_integrations.langchain.errors import model_errors
from lumnisai_integrations.langchain.lumnis.settings import LumnisConnection


class LumnisFilesLoader(LumnisConnection, BaseLoader):
    """A loader of files on the Lumnis platform: one document for each file, with its whole text.

    The ``id`` of a document is that of the file, so that indexing again replaces the older document. Files are listed
    page by page and each is read when its turn comes. A loader may be shared by threads and event loops, copied and
    pickled. A pickle does not hold the API key; a loader that is restored from one takes it from the environment.

    ``lumnis_api_key`` (``api_key``), ``base_url``, ``tenant_id``, ``timeout`` and ``max_retries`` are those of
    :class:`ChatLumnis`.

    Attributes:
        user_id: User whose files are read. Required in user scope.
        scope: ``user`` for the user's own files only, ``tenant`` for those of the tenant only. Default: both, as far
            as the user may see them.
        file_ids: Only these files, regardless of the filters below. Default: all.
        file_type: Only files with this extension.
        file_tags: Only files with these tags.
        status: Only files in this processing status.
        content_type: ``text``, ``transcript``, ``summary`` or ``structured``. Default: the service's choice.
        on_unreadable: What happens with a file that is not processed yet, could not be processed or has no text:
            ``warn`` (default) leaves it out and logs a warning, ``raise`` raises ``FileOperationError``.

    Raises:
        ConfigurationError: No API key, or a value that is not valid.
        ValidationError: A filter is not valid.
    """

    file_ids: list[str | UUID] | None = None
    file_type: str | None = None
    file_tags: str | list[str] | None = None
    status: ProcessingStatus | None = None
    content_type: ContentType | None = None
    on_unreadable: OnUnreadable = "warn"

    def _check(self) -> None:
        Reading.of(self.__dict__)
        unique_ids(self.file_ids or ())

    def lazy_load(self) -> Iterator[Document]:
        """Yield a document for each file, newest first as the service lists them.

        Raises:
            MissingUserId: User scope without a user.
            FileOperationError: A file has no text, and ``on_unreadable`` is ``raise``.
            FileNotFoundError: There is no file with one of ``file_ids``.
            LumnisAIError: The service cannot be reached or refuses.
        """
        with model_errors():
            for file in read_files(self._client(), Reading.of(self.__dict__), self.file_ids):
                yield _document(file)

    async def alazy_load(self) -> AsyncIterator[Document]:
        """Yield a document for each file with asyncio; otherwise the same as :meth:`lazy_load`."""
        with model_errors():
            async for file in aread_files(self._aclient(), Reading.of(self.__dict__), self.file_ids):
                yield _document(file)


def _document(file: FileText) -> Document:
    return Document(id=file.id, page_content=file.text, metadata=file.metadata)
