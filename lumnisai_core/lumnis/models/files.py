"""Uploaded files, their text and search results (``/v1/files``)."""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated, Any, ClassVar

from pydantic import AliasChoices, Field, model_validator

from lumnisai_core._transport.wire import OPEN_ENUM, Items, Page, Timestamp, WireModel


class FileScope(StrEnum):
    """Who can see a file: one user or the whole tenant."""

    USER = "user"
    TENANT = "tenant"


class ProcessingStatus(StrEnum):
    """State of a file's processing. The last three are final."""

    PENDING = "pending"
    PARSING = "parsing"
    EMBEDDING = "embedding"
    COMPLETED = "completed"
    PARTIAL_SUCCESS = "partial_success"
    ERROR = "error"


class ContentType(StrEnum):
    """Forms in which the text of a file can be read."""

    TEXT = "text"
    TRANSCRIPT = "transcript"
    SUMMARY = "summary"
    STRUCTURED = "structured"


class DuplicateHandling(StrEnum):
    """What an upload does if a file with the same name exists."""

    ERROR = "error"
    SKIP = "skip"
    REPLACE = "replace"
    SUFFIX = "suffix"


def _percentage(embedded: int, total: int) -> float:
    return min(100.0, 100.0 * embedded / total) if total > 0 else 0.0


class FileMetadata(WireModel):
    """One uploaded file.

    Attributes:
        file_name: Name, with the suffix of a duplicate if there is one.
        original_file_name: Name at upload.
        file_type: Extension of the name, such as ``pdf``.
        file_size: Size in bytes.
        error_message: Why processing failed, or None.
    """

    _columns: ClassVar[tuple[str, ...]] = (
        "id",
        "file_name",
        "file_size",
        "processing_status",
        "file_scope",
        "tags",
        "created_at",
    )

    id: str
    tenant_id: str | None = None
    user_id: str | None = None
    file_name: str = ""
    original_file_name: str = ""
    file_type: str = ""
    mime_type: str = ""
    file_size: int = 0
    file_scope: Annotated[FileScope | str, OPEN_ENUM] = FileScope.TENANT
    processing_status: Annotated[ProcessingStatus | str, OPEN_ENUM] = ProcessingStatus.PENDING
    error_message: str | None = None
    total_chunks: int = 0
    chunks_embedded: int = 0
    tags: Items[str] = Field(default_factory=list)
    blob_url: str | None = None
    created_at: Timestamp | None = None
    updated_at: Timestamp | None = None
    deleted_at: Timestamp | None = None

    @property
    def progress_percentage(self) -> float:
        """Share of the file that can be searched, 0 to 100."""
        return _percentage(self.chunks_embedded, self.total_chunks)


class FileList(Page[FileMetadata]):
    """One page of files."""

    _list: ClassVar[str] = "files"

    total: int = Field(default=0, validation_alias=AliasChoices("total", "total_count"))
    files: Items[FileMetadata] = Field(default_factory=list)
    total_count: int = 0
    page: int = 1
    limit: int | None = None
    has_more: bool = False

    def more_after(self, seen: int) -> bool:
        """Return whether the list has more than ``seen`` files."""
        return self.has_more or super().more_after(seen)


class FileUploadResult(WireModel):
    """A file that was uploaded and is being processed."""

    file_id: str
    file_name: str = ""
    status: Annotated[ProcessingStatus | str, OPEN_ENUM] = ProcessingStatus.PENDING
    message: str | None = None


class FailedUpload(WireModel):
    """A file that was refused, with the reason."""

    filename: str = ""
    error: str = ""


class BulkUploadResult(WireModel):
    """The outcome of uploading several files with one request."""

    uploaded: Items[FileUploadResult] = Field(default_factory=list)
    failed: Items[FailedUpload] = Field(default_factory=list)
    total_uploaded: int = 0
    total_failed: int = 0


class FileContentResult(WireModel):
    """The text of a file, or of a range of its lines.

    Attributes:
        start_line: First line of ``text``, counted from 1, if a range was requested.
        end_line: Last line of ``text``, inclusive.
        total_lines: Number of lines in the whole file.
    """

    file_id: str = ""
    content_type: Annotated[ContentType | str, OPEN_ENUM] = ContentType.TEXT
    text: str = ""
    metadata: dict[str, Any] | None = None
    start_line: int | None = None
    end_line: int | None = None
    total_lines: int | None = None


class FileProcessingStatus(WireModel):
    """State of a file's processing.

    Attributes:
        estimated_time_remaining_seconds: Seconds until the end as the service expects, or None.
        jobs: Processing jobs. The service does not declare their shape.
    """

    status: Annotated[ProcessingStatus | str, OPEN_ENUM] = ProcessingStatus.PENDING
    progress_percentage: float = 0.0
    chunks_embedded: int = 0
    total_chunks: int = 0
    estimated_time_remaining_seconds: float | None = None
    error_message: str | None = None
    jobs: Items[dict[str, Any]] = Field(default_factory=list)

    @model_validator(mode="before")
    @classmethod
    def _count_percentage(cls, data: Any) -> Any:
        if isinstance(data, dict) and data.get("progress_percentage") is None:
            embedded, total = data.get("chunks_embedded"), data.get("total_chunks")
            if isinstance(embedded, int) and isinstance(total, int):
                return {**data, "progress_percentage": _percentage(embedded, total)}
        return data


class FileChunk(WireModel):
    """A passage of a file that a search found.

    Attributes:
        similarity_score: Relevance, 0 to 1.
    """

    id: str = ""
    chunk_index: int = 0
    chunk_text: str = ""
    start_line: int | None = None
    end_line: int | None = None
    token_count: int | None = None
    metadata: dict[str, Any] | None = None
    similarity_score: float | None = None


class FileSearchResult(WireModel):
    """A file that a search found, with its most relevant passages."""

    file: FileMetadata
    chunks: Items[FileChunk] = Field(default_factory=list)
    overall_score: float = 0.0

    def table_row(self) -> dict[str, object]:
        """Return the values to show in a table of results, by column."""
        passage = self.chunks[0].chunk_text if self.chunks else None
        return {"file_name": self.file.file_name, "score": self.overall_score, "passage": passage, "id": self.file.id}


class FileSearchResults(WireModel):
    """Results of a search, most relevant first."""

    results: Items[FileSearchResult] = Field(default_factory=list)
    total_count: int = 0
    query: str = ""
    processing_time_ms: float | None = None


class FileDeleteResult(WireModel):
    """The outcome of deleting a file."""

    file_id: str = ""
    hard_delete: bool = True
    message: str = ""


class BulkDeleteResult(WireModel):
    """Ids of the files that were deleted and of those that were not."""

    deleted: Items[str] = Field(default_factory=list)
    failed: Items[str] = Field(default_factory=list)
    hard_delete: bool = True
    total_requested: int = 0


class FileStatistics(WireModel):
    """Totals over all files of the tenant.

    Attributes:
        files_by_type: Number of files for each extension.
        files_by_status: Number of files for each processing status.
        files_by_scope: Number of files for each scope.
    """

    total_files: int = 0
    total_size_bytes: int = 0
    files_by_type: dict[str, int] = Field(default_factory=dict)
    files_by_status: dict[str, int] = Field(default_factory=dict)
    files_by_scope: dict[str, int] = Field(default_factory=dict)
    average_file_size_bytes: float = 0.0
    average_processing_time_seconds: float | None = None
    storage_usage_percentage: float | None = None
