"""Files: what is known of them, their contents, searching, deleting.

Files of the scope `user` exist only for requests that name their owner, files of the scope `tenant` for all requests.
"""

from __future__ import annotations

import time
from collections import Counter
from datetime import datetime

from lumnisai_core.local.lumnis.app import Call, Reply
from lumnisai_core.local.lumnis.files.names import free_name
from lumnisai_core.local.lumnis.replies import chunk_value, dumps, file_value
from lumnisai_core.local.lumnis.shapes.files import DeleteFiles, FileIds, ListFiles, Owned, ReadContent, SearchFiles
from lumnisai_core.local.lumnis.store import FileRow
from lumnisai_core.local.lumnis.store.files import ChunkHit, FileFilter
from lumnisai_core.local.web.errors import ApiError, not_found
from lumnisai_core.local.web.ids import now
from lumnisai_core.local.web.shapes import Named
from lumnisai_core.local.web.text import quoted, words

_MAX_TERMS = 32


async def list_(call: Call) -> Reply:
    """Show a page of files, newest first."""
    query = call.query(ListFiles)
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
    reply = {
        "files": [file_value(file) for file in rows],
        "total_count": total,
        "page": query.page,
        "limit": query.limit,
        "has_more": offset + len(rows) < total,
    }
    return Reply(200, dumps(reply))


async def get(call: Call) -> Reply:
    """Show what is known of a file."""
    return Reply(200, dumps(file_value(_find(call, call.query(Named).user_id))))


async def content(call: Call) -> Reply:
    """Show the text of a file or some of its lines."""
    query = call.query(ReadContent)
    file = _find(call, query.user_id)
    if file.processing_status != "completed":
        reason = file.error_message or f"it is still {file.processing_status}"
        raise ApiError(409, "CONTENT_NOT_AVAILABLE", f"The file has no text: {reason}")
    if query.content_type != "text":
        raise ApiError(404, "CONTENT_NOT_AVAILABLE", f"The file has a text but no {query.content_type}.")
    ranged = query.start_line is not None or query.end_line is not None
    start = query.start_line or 1
    end = min(query.end_line or file.total_lines, file.total_lines)
    reply = {
        "file_id": file.id,
        "content_type": "text",
        "text": await call.library.lines(file, start, end) if end >= start else "",
        "metadata": {"file_name": file.file_name, "file_type": file.file_type},
        "start_line": start if ranged else None,
        "end_line": max(start, end) if ranged else None,
        "total_lines": file.total_lines,
    }
    return Reply(200, dumps(reply))


async def download(call: Call) -> Reply:
    """Hand out the bytes, or say where they are. JSON is sent as plain bytes, so that nobody takes it for a reply."""
    file = _find(call, call.query(Named).user_id)
    if call.service.blobs is not None:
        return Reply(302, headers={"location": call.service.blobs.link(file)})
    media_type = "application/octet-stream" if file.mime_type == "application/json" else file.mime_type
    return Reply(200, media_type=media_type, file=call.library.path(file.id), file_name=file.file_name)


async def status(call: Call) -> Reply:
    """Tell how far a file has been processed."""
    file = _find(call, call.query(Named).user_id)
    done = file.processing_status == "completed"
    share = file.chunks_embedded / file.total_chunks if file.total_chunks else 0.0
    reply = {
        "status": file.processing_status,
        "progress_percentage": 100.0 if done else round(100.0 * share, 1),
        "chunks_embedded": file.chunks_embedded,
        "total_chunks": file.total_chunks,
        "estimated_time_remaining_seconds": 0 if done else None,
        "error_message": file.error_message,
        "jobs": [],
    }
    return Reply(200, dumps(reply))


async def search(call: Call) -> Reply:
    """Find the pieces that match a query best: at most `limit` pieces, shown file by file, the best file first."""
    started = time.perf_counter()
    body = await call.body(SearchFiles)
    user_id = call.user(body.user_id)
    wanted = FileFilter(call.tenant.id, user_id, types=body.file_types or (), tags=body.tags or ())
    terms = [quoted(word) for word in dict.fromkeys(words(body.query))][:_MAX_TERMS]
    hits = call.store.files.search(terms, wanted, body.limit, body.min_score)
    by_file: dict[str, list[ChunkHit]] = {}
    for hit in hits:
        by_file.setdefault(hit.chunk.file_id, []).append(hit)
    results = []
    for file_id, found in by_file.items():
        file = call.store.files.one(file_id, wanted)
        if file is not None:
            chunks = [chunk_value(hit.chunk, hit.score) for hit in found]
            results.append({"file": file_value(file), "chunks": chunks, "overall_score": found[0].score})
    spent = round((time.perf_counter() - started) * 1000)
    reply = {"results": results, "total_count": len(results), "query": body.query, "processing_time_ms": spent}
    return Reply(200, dumps(reply))


async def set_scope(call: Call) -> Reply:
    """Give a file to the whole tenant or to one user; a user's file only moves in the name of its owner."""
    body = await call.body(Owned)
    file = _find(call, body.user_id or call.query(Named).user_id)
    user_id = call.user(body.user_id) if body.scope == "user" else None
    if (file.file_scope, file.user_id) != (body.scope, user_id):
        files = call.store.files
        name = free_name(file.file_name, lambda name: files.named(file.tenant_id, user_id, name) is not None)
        files.change(file.id, file_scope=body.scope, user_id=user_id, file_name=name, updated_at=now())
    moved = call.store.files.by_id(file.id)
    return Reply(200, dumps(file_value(moved or file)))


async def delete(call: Call) -> Reply:
    """Delete a file for good, or with `hard_delete=false` only hide it."""
    query = call.query(DeleteFiles)
    file = _find(call, query.user_id, deleted=query.hard_delete)
    _delete(call, file, hard=query.hard_delete)
    reply = {"message": "The file was deleted.", "file_id": file.id, "hard_delete": query.hard_delete}
    return Reply(200, dumps(reply))


async def delete_many(call: Call) -> Reply:
    """Delete several files; those that cannot be reached are listed as failed."""
    body, query = await call.body(FileIds), call.query(DeleteFiles)
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
    reply = {"deleted": deleted, "failed": failed, "hard_delete": query.hard_delete, "total_requested": total}
    return Reply(200, dumps(reply))


async def statistics(call: Call) -> Reply:
    """Count the files of the tenant, or those that a user may see."""
    user_id = call.user(call.query(Named).user_id)
    files = call.store.files.of_tenant(call.tenant.id)
    if user_id is not None:
        files = [file for file in files if file.user_id in (None, user_id)]
    size = sum(file.file_size for file in files)
    times = [_seconds(file.created_at, file.processed_at) for file in files if file.processed_at]
    reply = {
        "total_files": len(files),
        "total_size_bytes": size,
        "files_by_type": Counter(file.file_type for file in files),
        "files_by_status": Counter(file.processing_status for file in files),
        "files_by_scope": Counter(file.file_scope for file in files),
        "average_file_size_bytes": size / len(files) if files else 0.0,
        "average_processing_time_seconds": sum(times) / len(times) if times else None,
        "storage_usage_percentage": None,
    }
    return Reply(200, dumps(reply))


def _find(call: Call, user_name: str | None, *, deleted: bool = False) -> FileRow:
    file_id = call.path["file_id"]
    file = call.store.files.one(file_id, FileFilter(call.tenant.id, call.user(user_name), deleted=deleted))
    if file is None:
        raise not_found("file", file_id)
    return file


def _delete(call: Call, file: FileRow, *, hard: bool) -> None:
    if hard:
        call.library.remove(file.id)
    else:
        call.store.files.change(file.id, deleted_at=now())


def _seconds(start: str, end: str) -> float:
    return (datetime.fromisoformat(end) - datetime.fromisoformat(start)).total_seconds()
