"""Files as the service reports them (``/v1/files``)."""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated, Any

from pydantic import Field, model_validator

from lumnisai_core._transport.wire import OPEN_ENUM, Items, Page, Timestamp, WireModel

__all__ = [
    "BulkDeleteResult",
    "BulkUploadResult",
    "ContentType",
    "DuplicateHandling",
    "FailedUpload",
    "FileChunk",
    "FileContentResult",
    "FileDeleteResult",
    "FileList",
    "FileMetadata",
    "FileProcessingStatus",
    "FileScope",
    "FileSearchResult",
    "FileSearchResults",
    "FileStatistics",
    "FileUploadResult",
    "ProcessingStatus",
]


class FileScope(StrEnum):
    """Who may see a file: one user, or the whole tenant."""

    USER = "user"
    TENANT = "tenant"


class ProcessingStatus(StrEnum):
    """How far the service is with a file. The last three are final."""

    PENDING = "pending"
    PARSING = "parsing"
    EMBEDDING = "embedding"
    COMPLETED = "completed"
    PARTIAL_SUCCESS = "partial_success"
    ERROR = "error"


class ContentType(StrEnum):
    """The forms in which the text of a file can be read."""

    TEXT = "text"
    TRANSCRIPT = "transcript"
    SUMMARY = "summary"
    STRUCTURED = "structured"


class DuplicateHandling(StrEnum):
    """What an upload does when there is a file of that name."""

    ERROR = "error"
    SKIP = "skip"
    REPLACE = "replace"
    SUFFIX = "suffix"


def _percentage(embedded: int, total: int) -> float:
    return min(100.0, 100.0 * embedded / total) if total > 0 else 0.0


class FileMetadata(WireModel):
    """What the service knows about one file.

    Attributes:
        file_name: Name after a suffix was added for a duplicate.
        original_file_name: Name as it was uploaded.
        file_type: Extension of the name.
        file_size: Size in bytes.
        error_message: Why processing failed, or None.
    """

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
        """How much of the file can be searched, 0 to 100."""
        return _percentage(self.chunks_embedded, self.total_chunks)


class FileList(Page[FileMetadata]):
    """One page of files."""

    files: Items[FileMetadata] = Field(default_factory=list)
    total_count: int = 0
    page: int = 1
    limit: int | None = None
    has_more: bool = False

    @model_validator(mode="before")
    @classmethod
    def _take_total_from_count(cls, data: Any) -> Any:
        if isinstance(data, dict) and "total_count" in data:
            return {"total": data["total_count"], **data}
        return data

    @property
    def items(self) -> list[FileMetadata]:
        """The same as ``files``."""
        return self.files

    def more_after(self, seen: int) -> bool:
        """Say whether there are more files than those seen so far, with this page."""
        return self.has_more or super().more_after(seen)


class FileUploadResult(WireModel):
    """A file that has arrived; the service goes on to process it."""

    file_id: str
    file_name: str = ""
    status: Annotated[ProcessingStatus | str, OPEN_ENUM] = ProcessingStatus.PENDING
    message: str | None = None


class FailedUpload(WireModel):
    """A file that was not taken, and why."""

    filename: str = ""
    error: str = ""


class BulkUploadResult(WireModel):
    """What became of several files sent together."""

    uploaded: Items[FileUploadResult] = Field(default_factory=list)
    failed: Items[FailedUpload] = Field(default_factory=list)
    total_uploaded: int = 0
    total_failed: int = 0


class FileContentResult(WireModel):
    """The text of a file, or of a range of its lines.

    Attributes:
        start_line: First line of ``text``, counted from 1, if a range was asked for.
        end_line: Last line of ``text``, included.
        total_lines: Lines of the whole file.
    """

    file_id: str = ""
    content_type: Annotated[ContentType | str, OPEN_ENUM] = ContentType.TEXT
    text: str = ""
    metadata: dict[str, Any] | None = None
    start_line: int | None = None
    end_line: int | None = None
    total_lines: int | None = None


class FileProcessingStatus(WireModel):
    """How far the service is with a file.

    Attributes:
        estimated_time_remaining_seconds: Seconds the service still expects to need, or None.
        jobs: What the service works on; their shape is not declared.
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
    """A piece of a file's text that a search found.

    Attributes:
        similarity_score: How well it fits, 0 to 1.
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
    """A file that a search found, with the pieces that fit best."""

    file: FileMetadata
    chunks: Items[FileChunk] = Field(default_factory=list)
    overall_score: float = 0.0


class FileSearchResults(WireModel):
    """What a search found, best first."""

    results: Items[FileSearchResult] = Field(default_factory=list)
    total_count: int = 0
    query: str = ""
    processing_time_ms: float | None = None


class FileDeleteResult(WireModel):
    """What became of a file that was to be deleted."""

    file_id: str = ""
    hard_delete: bool = True
    message: str = ""


class BulkDeleteResult(WireModel):
    """Ids of the files that were deleted, and of those that were not."""

    deleted: Items[str] = Field(default_factory=list)
    failed: Items[str] = Field(default_factory=list)
    hard_delete: bool = True
    total_requested: int = 0


class FileStatistics(WireModel):
    """Numbers about all files of the tenant.

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
