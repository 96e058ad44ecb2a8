"""Files: metadata, content, search, deletion.

Files of the scope `user` exist only for requests that name their owner, files of the scope `tenant` for all requests.
"""

from __future__ import annotations

import time
from collections import Counter
from dataclasses import dataclass
from datetime import datetime
from functools import partial
from typing import Annotated, Literal

from pydantic import Field, StringConstraints, model_validator
from starlette.responses import FileResponse, Response
from typing_extensions import TypedDict

from lumnisai_core.local.lumnis.routes.uploads import Owned, free_name, tags_of
from lumnisai_core.local.lumnis.service import Call
from lumnisai_core.local.lumnis.store.files import Hit, of_kind, visible
from lumnisai_core.local.lumnis.store.rows import ChunkColumns, FileColumns, FileRow, FileScope, ProcessingStatus, view
from lumnisai_core.local.web.errors import ApiError, found
from lumnisai_core.local.web.ids import now
from lumnisai_core.local.web.routes import RouteTable
from lumnisai_core.local.web.shapes import Id, Named, Object, Shape, Text, UserName
from lumnisai_core.local.web.text import search_terms
from lumnisai_core.local.web.work import OutOfTime

_Word = Annotated[str, StringConstraints(strip_whitespace=True, to_lower=True, min_length=1, max_length=255)]
route = RouteTable()


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


class FileIds(Shape):
    """Body of `DELETE /v1/files/bulk`."""

    file_ids: list[Annotated[str, Field(max_length=255)]] = Field(min_length=1, max_length=1000)


@dataclass(frozen=True, slots=True, kw_only=True)
class File(FileColumns):
    """A file."""

    blob_url: str | None = None


class Files(TypedDict):
    """A page of files."""

    files: list[File]
    total_count: int
    page: int
    limit: int
    has_more: bool


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


@dataclass(frozen=True, slots=True, kw_only=True)
class Chunk(ChunkColumns):
    """A piece of a file that was found."""

    metadata: Object | None = None
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


class DeletedFile(Text):
    """A file was deleted."""

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


@route("GET /v1/files")
@route("GET /v1/files/")
async def list_(call: Call, query: ListFiles) -> Files:
    """Show a page of files, newest first."""
    offset = (query.page - 1) * query.limit
    rows, total = call.store.files.page(
        query.limit,
        offset,
        **visible(call.tenant.id, call.user(query.user_id)),
        **of_kind([query.file_type] if query.file_type else None, tags_of(query.tags)),
        file_scope=query.scope,
        processing_status=query.status,
    )
    return {
        "files": [view(File, file) for file in rows],
        "total_count": total,
        "page": query.page,
        "limit": query.limit,
        "has_more": offset + len(rows) < total,
    }


@route("GET /v1/files/{file_id}")
async def get(call: Call, query: Named) -> File:
    """Show the metadata of a file."""
    return view(File, _find(call, query.user_id))


@route("GET /v1/files/{file_id}/content", refused=(409,))
async def content(call: Call, query: ReadContent) -> Content:
    """Show the text of a file or some of its lines."""
    file = _find(call, query.user_id)
    if file.processing_status != "completed":
        reason = file.error_message or f"it is still {file.processing_status}"
        raise ApiError(409, "CONTENT_NOT_AVAILABLE", f"The file has no text: {reason}")
    if query.content_type != "text":
        raise ApiError(404, "CONTENT_NOT_AVAILABLE", f"The file has a text but no {query.content_type}.")
    ranged = query.start_line is not None or query.end_line is not None
    start = query.start_line or 1
    end = min(query.end_line or file.total_lines, file.total_lines)
    return {
        "file_id": file.id,
        "content_type": "text",
        "text": await call.library.lines(file, start, end) if end >= start else "",
        "metadata": {"file_name": file.file_name, "file_type": file.file_type},
        "start_line": start if ranged else None,
        "end_line": max(start, end) if ranged else None,
        "total_lines": file.total_lines,
    }


@route("GET /v1/files/{file_id}/download", media_types={200: "*/*", 302: None})
async def download(call: Call, query: Named) -> Response:
    """Send the bytes, or a redirect to them. JSON is sent as plain bytes, so that nobody takes it for a reply."""
    file = _find(call, query.user_id)
    if call.service.blobs is not None:
        return Response(status_code=302, headers={"location": call.service.blobs.link(file)})
    media_type = "application/octet-stream" if file.mime_type == "application/json" else file.mime_type
    headers = {"x-content-type-options": "nosniff"}
    return FileResponse(call.library.path(file.id), 200, headers, media_type, filename=file.file_name)


@route("GET /v1/files/{file_id}/status")
async def status(call: Call, query: Named) -> FileStatus:
    """Tell how far a file has been processed."""
    file = _find(call, query.user_id)
    done = file.processing_status == "completed"
    share = file.chunks_embedded / file.total_chunks if file.total_chunks else 0.0
    return {
        "status": file.processing_status,
        "progress_percentage": 100.0 if done else round(100.0 * share, 1),
        "chunks_embedded": file.chunks_embedded,
        "total_chunks": file.total_chunks,
        "estimated_time_remaining_seconds": 0 if done else None,
        "error_message": file.error_message,
        "jobs": [],
    }


@route("POST /v1/files/search", refused=(400,))
async def search(call: Call, body: SearchFiles) -> Found:
    """Find the pieces that match a query best: at most `limit` pieces, shown file by file, the best file first."""
    started = time.perf_counter()
    wanted = {**visible(call.tenant.id, call.user(body.user_id)), **of_kind(body.file_types, body.tags)}
    by_file: dict[str, list[Hit]] = {}
    find = partial(call.store.files.search, search_terms(body.query), body.limit, body.min_score, **wanted)
    try:
        hits = await call.service.work.do(call.tenant.id, find)
    except OutOfTime as error:
        advice = "search for fewer or rarer words, or among fewer files"
        raise ApiError(400, "SEARCH_TOO_LARGE", f"The search was ended, because {error}: {advice}.") from error
    for chunk, score in hits:
        by_file.setdefault(chunk.file_id, []).append((chunk, score))
    results: list[FoundFile] = []
    for file_id, hits in by_file.items():
        if (file := call.store.files.one(id=file_id, **visible(call.tenant.id, call.user(body.user_id)))) is not None:
            chunks = [view(Chunk, chunk, similarity_score=score) for chunk, score in hits]
            results.append({"file": view(File, file), "chunks": chunks, "overall_score": hits[0][1]})
    return {
        "results": results,
        "total_count": len(results),
        "query": body.query,
        "processing_time_ms": round((time.perf_counter() - started) * 1000),
    }


@route("PATCH /v1/files/{file_id}/scope")
async def set_scope(call: Call, query: Named, body: Owned) -> File:
    """Give a file to the whole tenant or to one user; a user's file only moves in the name of its owner."""
    file, files = _find(call, body.user_id or query.user_id), call.store.files
    user_id = call.user(body.user_id) if body.scope == "user" else None
    if (file.file_scope, file.user_id) != (body.scope, user_id):
        name = free_name(call, file, user_id)
        files.change({"id": file.id}, file_scope=body.scope, user_id=user_id, file_name=name, updated_at=now())
    return view(File, files.one(id=file.id) or file)


@route("DELETE /v1/files/{file_id}")
async def delete(call: Call, *, user_id: UserName | None = None, hard_delete: bool = True) -> DeletedFile:
    """Delete a file for good, or with `hard_delete=false` only hide it."""
    file = _find(call, user_id, deleted=hard_delete)
    await _delete(call, file, hard=hard_delete)
    return {"message": "The file was deleted.", "file_id": file.id, "hard_delete": hard_delete}


@route("DELETE /v1/files/bulk")
async def delete_many(
    call: Call, body: FileIds, *, user_id: UserName | None = None, hard_delete: bool = True
) -> DeletedFiles:
    """Delete several files; those that cannot be reached are listed as failed."""
    wanted = visible(call.tenant.id, call.user(user_id), deleted=hard_delete)
    deleted: list[str] = []
    failed: list[str] = []
    for file_id in dict.fromkeys(body.file_ids):
        file = call.store.files.one(id=file_id, **wanted)
        if file is None:
            failed.append(file_id)
        else:
            await _delete(call, file, hard=hard_delete)
            deleted.append(file.id)
    total = len(deleted) + len(failed)
    return {"deleted": deleted, "failed": failed, "hard_delete": hard_delete, "total_requested": total}


@route("GET /v1/files/statistics")
async def statistics(call: Call, query: Named) -> FileStatistics:
    """Count the files of the tenant, or those that a user may see."""
    user_id = call.user(query.user_id)
    files = call.store.files.all(tenant_id=call.tenant.id, visible_to=user_id, is_deleted=False)
    size = sum(file.file_size for file in files)
    times = [_seconds(file.created_at, file.processed_at) for file in files if file.processed_at]
    return {
        "total_files": len(files),
        "total_size_bytes": size,
        "files_by_type": Counter(file.file_type for file in files),
        "files_by_status": Counter[str](file.processing_status for file in files),
        "files_by_scope": Counter[str](file.file_scope for file in files),
        "average_file_size_bytes": size / len(files) if files else 0.0,
        "average_processing_time_seconds": sum(times) / len(times) if times else None,
        "storage_usage_percentage": None,
    }


def _find(call: Call, user_name: str | None, *, deleted: bool = False) -> FileRow:
    conditions = visible(call.tenant.id, call.user(user_name), deleted=deleted)
    return found(call.store.files.one(id=call.path["file_id"], **conditions), "file", call.path["file_id"])


async def _delete(call: Call, file: FileRow, *, hard: bool) -> None:
    if hard:
        await call.library.remove([file.id])
    else:
        call.store.files.change({"id": file.id}, deleted_at=now())


def _seconds(start: str, end: str) -> float:
    return (datetime.fromisoformat(end) - datetime.fromisoformat(start)).total_seconds()
