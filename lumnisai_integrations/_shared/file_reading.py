"""Whole texts of files, read one after the other as loaders do. A file without text is logged or raises."""

from __future__ import annotations

import logging
from collections.abc import AsyncIterator, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal, NamedTuple, TypeAlias
from uuid import UUID

from lumnisai_core import AsyncClient, Client, ContentType, FileContentResult, FileMetadata, ProcessingStatus, Scope
from lumnisai_core.exceptions import (
    FileNotFoundError,  # noqa: A004 - the platform's own name
    FileOperationError,
    LumnisAIError,
    ValidationError,
)
from lumnisai_integrations._shared.files import extensions, file_metadata, filled_tags

#: What happens with a file that has no text: it is left out with a warning in the log, or an error is raised.
OnUnreadable: TypeAlias = Literal["warn", "raise"]

_PAGE_SIZE = 100
#: Errors with which the service says that a file has no text of this kind, or not yet.
_REFUSALS = (ValidationError, FileNotFoundError)
_logger = logging.getLogger(__name__)


class FileText(NamedTuple):
    """A file's id, whole text and metadata."""

    id: str
    text: str
    metadata: dict[str, Any]


@dataclass(frozen=True, slots=True)
class Reading:
    """Which files are read, and how; None means any, or the service's choice."""

    user_id: str | UUID | None
    scope: Scope | None
    file_type: str | None
    file_tags: str | Sequence[str] | None
    status: ProcessingStatus | None
    content_type: ContentType | None
    on_unreadable: OnUnreadable

    @classmethod
    def of(cls, fields: Mapping[str, Any]) -> Reading:
        """Return the reading that the fields of a loader describe."""
        reading = cls(**{name: fields[name] for name in cls.__annotations__})
        reading.list_parameters()
        return reading

    def list_parameters(self) -> dict[str, Any]:
        """Return the keywords of ``client.files.iter`` that list these files."""
        kinds = extensions("file_type", self.file_type)
        about = {"user_id": self.user_id, "scope": self.scope, "status": self.status, "page_size": _PAGE_SIZE}
        return {**about, "file_type": kinds[0] if kinds else None, "tags": filled_tags(self.file_tags)}

    def content_parameters(self) -> dict[str, Any]:
        """Return the keywords of ``client.files.get_content``."""
        return {"content_type": self.content_type, "user_id": self.user_id}

    def text_of(self, file: FileMetadata, content: FileContentResult | LumnisAIError | None) -> FileText | None:
        """Return a file with its text; log a warning and return None if it has no text.

        The content is the service's answer to the request for the text, or None if there was no request.
        """
        error = content if isinstance(content, LumnisAIError) else None
        if isinstance(content, FileContentResult) and content.text.strip():
            facts = {"content_type": str(content.content_type), "total_lines": content.total_lines}
            known = {name: value for name, value in facts.items() if value is not None}
            return FileText(file.id, content.text, file_metadata(file) | known)
        if error is not None and error.status_code is None:
            raise error  # the request is wrong, not the file
        reason = why_not_ready(file) or "it has no text" if error is None else error.message
        name = f"{file.file_name!r} (file id {file.id})"
        if self.on_unreadable == "warn":
            _logger.warning("The file %s is left out: %s", name, reason)
            return None
        raise FileOperationError(
            f"The file {name} cannot be read: {reason.rstrip('.')}. Leave such files out with on_unreadable='warn'; "
            "client.files.wait_until_processed(...) waits for one that is being processed.",
            status_code=error.status_code if error else None,
            request_id=error.request_id if error else None,
        ) from error


def why_not_ready(file: FileMetadata) -> str | None:
    """Return why the service has no text of a file; None if it may have one."""
    if file.processing_status == ProcessingStatus.ERROR:
        return f"it could not be processed: {file.error_message or 'the service gives no reason'}"
    if file.processing_status in (ProcessingStatus.PENDING, ProcessingStatus.PARSING):
        return f"it is still {file.processing_status}"
    return None


def files_to_read(client: Client, reading: Reading, file_ids: Iterable[str | UUID] | None) -> Iterator[FileMetadata]:
    """Yield the named files, or all files that match the filters, page by page, each once."""
    if file_ids is not None:
        for file_id in unique_ids(file_ids):
            yield client.files.get(file_id, user_id=reading.user_id)
        return
    yield from client.files.iter(**reading.list_parameters())


async def afiles_to_read(
    client: AsyncClient, reading: Reading, file_ids: Iterable[str | UUID] | None
) -> AsyncIterator[FileMetadata]:
    """Do the same with asyncio."""
    if file_ids is not None:
        for file_id in unique_ids(file_ids):
            yield await client.files.get(file_id, user_id=reading.user_id)
        return
    async for file in client.files.iter(**reading.list_parameters()):
        yield file


def read_files(client: Client, reading: Reading, file_ids: Iterable[str | UUID] | None = None) -> Iterator[FileText]:
    """Yield the named files with their texts, or all that match the filters; each is read when its turn comes."""
    for file in files_to_read(client, reading, file_ids):
        content: FileContentResult | LumnisAIError | None = None
        try:
            if why_not_ready(file) is None:
                content = client.files.get_content(file.id, **reading.content_parameters())
        except _REFUSALS as refusal:
            content = refusal
        if (text := reading.text_of(file, content)) is not None:
            yield text


async def aread_files(
    client: AsyncClient, reading: Reading, file_ids: Iterable[str | UUID] | None = None
) -> AsyncIterator[FileText]:
    """Do the same with asyncio."""
    async for file in afiles_to_read(client, reading, file_ids):
        content: FileContentResult | LumnisAIError | None = None
        try:
            if why_not_ready(file) is None:
                content = await client.files.get_content(file.id, **reading.content_parameters())
        except _REFUSALS as refusal:
            content = refusal
        if (text := reading.text_of(file, content)) is not None:
            yield text


def unique_ids(file_ids: Iterable[str | UUID]) -> list[str]:
    """Return ids as text, each once."""
    if isinstance(file_ids, str | bytes | UUID):
        raise ValidationError(f"file_ids must be a list of ids, got {file_ids!r}.")
    ids = [str(file_id) for file_id in file_ids]
    if not all(file_id.strip() for file_id in ids):
        raise ValidationError("file_ids must not contain a blank id.")
    return list(dict.fromkeys(ids))
