"""Shapes of files: uploading, listing, reading, searching, deleting."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Literal

from pydantic import Field, StringConstraints, model_validator
from typing_extensions import TypedDict

from lumnisai_core.local.web.json_text import Json
from lumnisai_core.local.web.shapes import Id, Named, Object, Shape, Time, UserName

FileScope = Literal["user", "tenant"]
ProcessingStatus = Literal["pending", "parsing", "embedding", "completed", "partial_success", "error"]
_Word = Annotated[str, StringConstraints(strip_whitespace=True, to_lower=True, min_length=1, max_length=255)]


class Owned(Shape):
    """Who a file belongs to: the whole tenant, or a user who must be named."""

    scope: FileScope
    user_id: UserName | None = None

    @model_validator(mode="after")
    def _a_user_is_named(self) -> Owned:
        if self.scope == "user" and self.user_id is None:
            raise ValueError("scope user needs user_id")
        return self


class BulkUpload(Owned):
    """Text parts of `POST /v1/files/bulk-upload`; `tags` are comma-joined."""

    tags: str | None = None


class Upload(BulkUpload):
    """Text parts of `POST /v1/files/upload`."""

    duplicate_handling: Literal["error", "skip", "replace", "suffix"] = "suffix"


class ListFiles(Named):
    """Query of `GET /v1/files`; `tags` are comma-joined and any of them will do."""

    scope: FileScope | None = None
    file_type: str | None = Field(None, max_length=255)
    status: ProcessingStatus | None = None
    tags: str | None = None
    page: int = Field(1, ge=1, le=2**48)
    limit: int = Field(20, ge=1, le=100)


class ReadContent(Named):
    """Query of `GET /v1/files/{id}/content`; lines count from 1 and both ends are included."""

    content_type: Literal["text", "transcript", "summary", "structured"] = "text"
    start_line: int | None = Field(None, ge=1, le=2**48)
    end_line: int | None = Field(None, ge=1, le=2**48)

    @model_validator(mode="after")
    def _in_order(self) -> ReadContent:
        if self.end_line is not None and self.end_line < (self.start_line or 1):
            raise ValueError("end_line must be at least start_line")
        return self


class SearchFiles(Named):
    """Body of `POST /v1/files/search`."""

    query: str = Field(min_length=1, max_length=10_000)
    limit: int = Field(10, ge=1, le=50)
    min_score: float = Field(0.0, ge=0, le=1)
    file_types: list[_Word] | None = None
    tags: list[_Word] | None = None


class DeleteFiles(Named):
    """Query of `DELETE /v1/files/{id}`."""

    hard_delete: bool = True


class FileIds(Shape):
    """Body of `DELETE /v1/files/bulk`."""

    file_ids: list[Annotated[str, Field(max_length=255)]] = Field(min_length=1, max_length=1000)


@dataclass(frozen=True, slots=True)
class FileColumns:
    """The columns of a file that requests see."""

    id: Id
    tenant_id: Id
    user_id: Id | None
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
    tags: Json[list[str]] | None
    created_at: Time
    updated_at: Time
    deleted_at: Time | None


@dataclass(frozen=True, slots=True)
class File(FileColumns):
    """A file."""

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

    file_id: Id
    file_name: str
    status: ProcessingStatus
    message: str


class FailedUpload(TypedDict):
    """A file that was not taken."""

    filename: str
    error: str


class BulkUploaded(TypedDict):
    """The outcome for several files."""

    uploaded: list[Uploaded]
    failed: list[FailedUpload]
    total_uploaded: int
    total_failed: int


class Content(TypedDict):
    """The text of a file, or some lines of it."""

    file_id: Id
    content_type: Literal["text"]
    text: str
    metadata: Object | None
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
    jobs: list[Object]


@dataclass(frozen=True, slots=True)
class ChunkColumns:
    """The columns of a piece of a file that requests see; lines count from 1."""

    id: Id
    chunk_index: int
    chunk_text: str
    start_line: int | None
    end_line: int | None
    token_count: int | None


@dataclass(frozen=True, slots=True)
class Chunk(ChunkColumns):
    """A piece of a file that was found."""

    metadata: Object | None
    similarity_score: float


class FoundFile(TypedDict):
    """A file in which something was found."""

    file: File
    chunks: list[Chunk]
    overall_score: float


class Found(TypedDict):
    """Files in which a search found something."""

    results: list[FoundFile]
    total_count: int
    query: str
    processing_time_ms: int


class DeletedFile(TypedDict):
    """A file was deleted."""

    message: str
    file_id: Id
    hard_delete: bool


class DeletedFiles(TypedDict):
    """The outcome for several files."""

    deleted: list[Id]
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
