"""Files: metadata, content, search, deletion.

Files of the scope `user` exist only for requests that name their owner, files of the scope `tenant` for all requests.
"""

from __future__ import annotations

import time
from collections import Counter
from datetime import datetime

from lumnisai_core.local.lumnis.replies import file_reply, shown
from lumnisai_core.local.lumnis.routes.uploads import free_name
from lumnisai_core.local.lumnis.service import Call
from lumnisai_core.local.lumnis.shapes import files as shapes
from lumnisai_core.local.lumnis.store.files import FileFilter, Hit
from lumnisai_core.local.lumnis.store.rows import FileRow
from lumnisai_core.local.web.errors import ApiError, found
from lumnisai_core.local.web.ids import now
from lumnisai_core.local.web.routes import Reply, RouteTable
from lumnisai_core.local.web.shapes import Named
from lumnisai_core.local.web.text import quoted, words

_MAX_TERMS = 32
route = RouteTable()


@route("GET /v1/files")
@route("GET /v1/files/")
async def list_(call: Call, query: shapes.ListFiles) -> shapes.Files:
    """Show a page of files, newest first."""
    wanted = FileFilter(
        tenant_id=call.tenant.id,
        user_id=call.user(query.user_id),
        scope=query.scope,
        types=(query.file_type,) if query.file_type else (),
        status=query.status,
        tags=tuple(tag.strip().lower() for tag in (query.tags or "").split(",") if tag.strip()),
    )
    offset = (query.page - 1) * query.limit
    rows, total = call.store.files.page(wanted, query.limit, offset)
    return {
        "files": [file_reply(file) for file in rows],
        "total_count": total,
        "page": query.page,
        "limit": query.limit,
        "has_more": offset + len(rows) < total,
    }


@route("GET /v1/files/{file_id}")
async def get(call: Call, query: Named) -> shapes.File:
    """Show the metadata of a file."""
    return file_reply(_find(call, query.user_id))


@route("GET /v1/files/{file_id}/content", refused=(409,))
async def content(call: Call, query: shapes.ReadContent) -> shapes.Content:
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
async def download(call: Call, query: Named) -> Reply:
    """Send the bytes, or a redirect to them. JSON is sent as plain bytes, so that nobody takes it for a reply."""
    file = _find(call, query.user_id)
    if call.service.blobs is not None:
        return Reply(302, headers={"location": call.service.blobs.link(file)})
    media_type = "application/octet-stream" if file.mime_type == "application/json" else file.mime_type
    return Reply(200, media_type=media_type, file=call.library.path(file.id), file_name=file.file_name)


@route("GET /v1/files/{file_id}/status")
async def status(call: Call, query: Named) -> shapes.FileStatus:
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


@route("POST /v1/files/search")
async def search(call: Call, body: shapes.SearchFiles) -> shapes.Found:
    """Find the pieces that match a query best: at most `limit` pieces, shown file by file, the best file first."""
    started = time.perf_counter()
    wanted = FileFilter(call.tenant.id, call.user(body.user_id), types=body.file_types or (), tags=body.tags or ())
    terms = [quoted(word) for word in dict.fromkeys(words(body.query))][:_MAX_TERMS]
    by_file: dict[str, list[Hit]] = {}
    for chunk, score in call.store.files.search(terms, wanted, body.limit, body.min_score):
        by_file.setdefault(chunk.file_id, []).append((chunk, score))
    results: list[shapes.FoundFile] = []
    for file_id, hits in by_file.items():
        file = call.store.files.one(file_id, wanted)
        if file is not None:
            chunks = [shown(shapes.Chunk, chunk, metadata=None, similarity_score=score) for chunk, score in hits]
            results.append({"file": file_reply(file), "chunks": chunks, "overall_score": hits[0][1]})
    return {
        "results": results,
        "total_count": len(results),
        "query": body.query,
        "processing_time_ms": round((time.perf_counter() - started) * 1000),
    }


@route("PATCH /v1/files/{file_id}/scope")
async def set_scope(call: Call, query: Named, body: shapes.Owned) -> shapes.File:
    """Give a file to the whole tenant or to one user; a user's file only moves in the name of its owner."""
    file, files = _find(call, body.user_id or query.user_id), call.store.files
    user_id = call.user(body.user_id) if body.scope == "user" else None
    if (file.file_scope, file.user_id) != (body.scope, user_id):
        name = free_name(file.file_name, lambda name: files.named(file.tenant_id, user_id, name) is not None)
        files.change(file.id, file_scope=body.scope, user_id=user_id, file_name=name, updated_at=now())
    return file_reply(files.by_id(file.id) or file)


@route("DELETE /v1/files/{file_id}")
async def delete(call: Call, query: shapes.DeleteFiles) -> shapes.DeletedFile:
    """Delete a file for good, or with `hard_delete=false` only hide it."""
    file = _find(call, query.user_id, deleted=query.hard_delete)
    _delete(call, file, hard=query.hard_delete)
    return {"message": "The file was deleted.", "file_id": file.id, "hard_delete": query.hard_delete}


@route("DELETE /v1/files/bulk")
async def delete_many(call: Call, query: shapes.DeleteFiles, body: shapes.FileIds) -> shapes.DeletedFiles:
    """Delete several files; those that cannot be reached are listed as failed."""
    wanted = FileFilter(call.tenant.id, call.user(query.user_id), deleted=query.hard_delete)
    deleted: list[str] = []
    failed: list[str] = []
    for file_id in dict.fromkeys(body.file_ids):
        file = call.store.files.one(file_id, wanted)
        if file is None:
            failed.append(file_id)
        else:
            _delete(call, file, hard=query.hard_delete)
            deleted.append(file.id)
    total = len(deleted) + len(failed)
    return {"deleted": deleted, "failed": failed, "hard_delete": query.hard_delete, "total_requested": total}


@route("GET /v1/files/statistics")
async def statistics(call: Call, query: Named) -> shapes.FileStatistics:
    """Count the files of the tenant, or those that a user may see."""
    user_id = call.user(query.user_id)
    files = call.store.files.of_tenant(call.tenant.id)
    if user_id is not None:
        files = [file for file in files if file.user_id in (None, user_id)]
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
    file_id = call.path["file_id"]
    wanted = FileFilter(call.tenant.id, call.user(user_name), deleted=deleted)
    return found(call.store.files.one(file_id, wanted), "file", file_id)


def _delete(call: Call, file: FileRow, *, hard: bool) -> None:
    if hard:
        call.library.remove(file.id)
    else:
        call.store.files.change(file.id, deleted_at=now())


def _seconds(start: str, end: str) -> float:
    return (datetime.fromisoformat(end) - datetime.fromisoformat(start)).total_seconds()
