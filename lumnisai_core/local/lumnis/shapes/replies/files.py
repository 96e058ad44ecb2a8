"""Shapes of replies: Files."""

from __future__ import annotations

from datetime import datetime
from typing import (
    Any,
    Literal,  # pydantic asks for this one before Python 3.12
)
from uuid import UUID

from typing_extensions import TypedDict

from lumnisai_core.local.lumnis.shapes.files import FileScope

ProcessingStatus = Literal["pending", "parsing", "embedding", "completed", "partial_success", "error"]


class File(TypedDict):
    """What is known of a file."""

    id: UUID
    tenant_id: UUID
    user_id: UUID | None
    file_name: str
    original_file_name: str
    file_type: str
    mime_type: str
    file_size: int
    file_scope: FileScope
    processing_status: ProcessingStatus
    error_message: str | None
    total_chunks: int
    chunks_embedded: int
    tags: list[str] | None
    created_at: datetime
    updated_at: datetime
    deleted_at: datetime | None
    blob_url: str | None


class Files(TypedDict):
    """A page of files."""

    files: list[File]
    total_count: int
    page: int
    limit: int
    has_more: bool


class Uploaded(TypedDict):
    """A file that was taken."""

    file_id: UUID
    file_name: str
    status: ProcessingStatus
    message: str


class FailedUpload(TypedDict):
    """A file that was not taken."""

    filename: str
    error: str


class BulkUploaded(TypedDict):
    """What became of several files."""

    uploaded: list[Uploaded]
    failed: list[FailedUpload]
    total_uploaded: int
    total_failed: int


class Content(TypedDict):
    """The text of a file, or some lines of it."""

    file_id: UUID
    content_type: Literal["text"]
    text: str
    metadata: dict[str, Any] | None
    start_line: int | None
    end_line: int | None
    total_lines: int


class FileStatus(TypedDict):
    """How far a file has been processed."""

    status: ProcessingStatus
    progress_percentage: float
    chunks_embedded: int
    total_chunks: int
    estimated_time_remaining_seconds: int | None
    error_message: str | None
    jobs: list[dict[str, Any]]


class Chunk(TypedDict):
    """A piece of a file that was found."""

    id: UUID
    chunk_index: int
    chunk_text: str
    start_line: int | None
    end_line: int | None
    token_count: int | None
    metadata: dict[str, Any] | None
    similarity_score: float


class FoundFile(TypedDict):
    """A file in which something was found."""

    file: File
    chunks: list[Chunk]
    overall_score: float


class Found(TypedDict):
    """What a search has found."""

    results: list[FoundFile]
    total_count: int
    query: str
    processing_time_ms: int


class DeletedFile(TypedDict):
    """A file was deleted."""

    message: str
    file_id: UUID
    hard_delete: bool


class DeletedFiles(TypedDict):
    """What became of several files."""

    deleted: list[UUID]
    failed: list[str]
    hard_delete: bool
    total_requested: int


class FileStatistics(TypedDict):
    """How many files there are, of which kinds."""

    total_files: int
    total_size_bytes: int
    files_by_type: dict[str, int]
    files_by_status: dict[str, int]
    files_by_scope: dict[str, int]
    average_file_size_bytes: float
    average_processing_time_seconds: float | None
    storage_usage_percentage: float | None
