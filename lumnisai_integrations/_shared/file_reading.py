"""Reading whole files one after the other, as loaders do. What cannot be read is never left out silently."""

from __future__ import annotations

import logging
from collections.abc import AsyncIterator, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal, TypeAlias, TypedDict
from uuid import UUID

from lumnisai_core import (
    AsyncClient,
    Client,
    ContentType,
    FileContentResult,
    FileMetadata,
    ProcessingStatus,
    Scope,
)
from lumnisai_core.exceptions import (
    FileNotFoundError,  # noqa: A004 - the platform's own name
    FileOperationError,
    LumnisAIError,
    ValidationError,
)
from lumnisai_integrations._shared.files import extensions, filled_tags, text_metadata, why_not_ready

#: What happens with a file that has no text: it is left out with a warning in the log, or an error is raised.
OnUnreadable: TypeAlias = Literal["warn", "raise"]

#: Fields of a loader that say which files it reads, and how.
READING_FIELDS = ("user_id", "scope", "file_type", "file_tags", "status", "content_type", "on_unreadable")

_PAGE_SIZE = 100
#: How a service says that there is no such text: of this kind, or not yet.
_REFUSALS = (ValidationError, FileNotFoundError)
_logger = logging.getLogger(__name__)


class ListParameters(TypedDict):
    """Keywords of ``client.files.iter``."""

    user_id: str | UUID | None
    scope: Scope | None
    file_type: str | None
    status: ProcessingStatus | None
    tags: str | list[str] | None
    page_size: int


@dataclass(frozen=True, slots=True)
class FileText:
    """A file with its text."""

    file: FileMetadata
    content: FileContentResult

    @property
    def id(self) -> str:
        """Id of the file."""
        return self.file.id

    @property
    def text(self) -> str:
        """The whole text."""
        return self.content.text

    @property
    def metadata(self) -> dict[str, Any]:
        """What is worth knowing about the file."""
        return text_metadata(self.file, self.content)


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
        """Take :data:`READING_FIELDS` out of a loader's fields.

        Raises:
            ValidationError: A filter is not usable.
        """
        reading = cls(**{name: fields[name] for name in READING_FIELDS})
        reading.listing()
        return reading

    def listing(self) -> ListParameters:
        """Return the keywords that list these files.

        Raises:
            ValidationError: A filter is not usable.
        """
        kinds = extensions("file_type", self.file_type)
        return ListParameters(
            user_id=self.user_id,
            scope=self.scope,
            file_type=kinds[0] if kinds else None,
            status=self.status,
            tags=filled_tags(self.file_tags),
            page_size=_PAGE_SIZE,
        )

    def judge(self, file: FileMetadata, answer: FileContentResult | LumnisAIError | None) -> FileText | None:
        """Return a file with its text; without one, say so in the log.

        Args:
            file: The file.
            answer: What the service answered when it was asked for the text, or None if it was not asked.

        Raises:
            FileOperationError: There is no text, and that is to be raised.
            LumnisAIError: The answer is an error that is not about this file.
        """
        if isinstance(answer, FileContentResult) and answer.text.strip():
            return FileText(file, answer)
        if isinstance(answer, LumnisAIError) and answer.status_code is None:
            raise answer  # the question is wrong, not the file
        reason = answer.message if isinstance(answer, LumnisAIError) else why_not_ready(file) or "it has no text"
        named = f"{file.file_name!r} (file id {file.id})"
        if self.on_unreadable == "warn":
            _logger.warning("The file %s is left out: %s", named, reason)
            return None
        error = answer if isinstance(answer, LumnisAIError) else None
        raise FileOperationError(
            f"The file {named} cannot be read: {reason.rstrip('.')}. Leave such files out with on_unreadable='warn'; "
            "client.files.wait_until_processed(...) waits for one that is being processed.",
            status_code=error.status_code if error else None,
            request_id=error.request_id if error else None,
        ) from error


def files_to_read(client: Client, reading: Reading, file_ids: Iterable[str | UUID] | None) -> Iterator[FileMetadata]:
    """Yield the named files, or else all that the filters let through, page by page, each once."""
    seen: set[str] = set()
    if file_ids is not None:
        for file_id in unique_ids(file_ids):
            yield client.files.get(file_id, user_id=reading.user_id)
        return
    for file in client.files.iter(**reading.listing()):
        if file.id not in seen:  # what is uploaded meanwhile moves the others to later pages
            seen.add(file.id)
            yield file


async def afiles_to_read(
    client: AsyncClient, reading: Reading, file_ids: Iterable[str | UUID] | None
) -> AsyncIterator[FileMetadata]:
    """Do the same with asyncio."""
    seen: set[str] = set()
    if file_ids is not None:
        for file_id in unique_ids(file_ids):
            yield await client.files.get(file_id, user_id=reading.user_id)
        return
    async for file in client.files.iter(**reading.listing()):
        if file.id not in seen:
            seen.add(file.id)
            yield file


def read_files(client: Client, reading: Reading, file_ids: Iterable[str | UUID] | None = None) -> Iterator[FileText]:
    """Yield the named files with their texts, or else all that the filters let through; each is read when it is due.

    Args:
        client: Where to ask.
        reading: The filters, and what to do with files that have no text.
        file_ids: The files, or None for all.

    Raises:
        FileOperationError: A file has no text, and that is to be raised.
        FileNotFoundError: There is no file with a named id.
        LumnisAIError: The service cannot be reached or refuses.
    """
    for file in files_to_read(client, reading, file_ids):
        answer: FileContentResult | LumnisAIError | None = None
        if why_not_ready(file) is None:
            try:
                answer = client.files.get_content(file.id, content_type=reading.content_type, user_id=reading.user_id)
            except _REFUSALS as refusal:
                answer = refusal
        read = reading.judge(file, answer)
        if read is not None:
            yield read


async def aread_files(
    client: AsyncClient, reading: Reading, file_ids: Iterable[str | UUID] | None = None
) -> AsyncIterator[FileText]:
    """Do the same with asyncio."""
    async for file in afiles_to_read(client, reading, file_ids):
        answer: FileContentResult | LumnisAIError | None = None
        if why_not_ready(file) is None:
            try:
                answer = await client.files.get_content(
                    file.id, content_type=reading.content_type, user_id=reading.user_id
                )
            except _REFUSALS as refusal:
                answer = refusal
        read = reading.judge(file, answer)
        if read is not None:
            yield read


def unique_ids(file_ids: Iterable[str | UUID]) -> list[str]:
    """Return ids as texts, each once.

    Raises:
        ValidationError: They are a single text, or one is blank.
    """
    if isinstance(file_ids, str | bytes | UUID):
        raise ValidationError(f"file_ids must be a list of ids, not {file_ids!r}.")
    ids = [str(file_id) for file_id in file_ids]
    if not all(file_id.strip() for file_id in ids):
        raise ValidationError("file_ids has a blank id.")
    return list(dict.fromkeys(ids))
