"""Uploads: one file or many, each on disk before it is known, each processed in the background."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from starlette.datastructures import FormData, UploadFile

from lumnisai_core.local.lumnis.app import Call, Reply
from lumnisai_core.local.lumnis.files.names import clean_name, file_type, free_name, mime_type, read_tags
from lumnisai_core.local.lumnis.replies import dumps
from lumnisai_core.local.lumnis.shapes.files import Upload
from lumnisai_core.local.lumnis.store import FileRow
from lumnisai_core.local.web.errors import ApiError, InvalidRequest
from lumnisai_core.local.web.ids import new_id, now
from lumnisai_core.local.web.shapes import read
from lumnisai_core.local.web.uploads import keep

_SLACK = 100_000
_BULK = 10


@dataclass(frozen=True, slots=True)
class _Received:
    """An upload whose bytes are in their place."""

    file_id: str
    name: str
    mime_type: str
    size: int
    digest: str


async def upload(call: Call) -> Reply:
    """Take one file; the reply does not wait for its processing."""
    form = await call.form(call.service.max_file + _SLACK)
    try:
        wanted = _fields(form)
        tags = read_tags(wanted.tags)
        part = form.get("file")
        if not isinstance(part, UploadFile):
            raise _invalid("file", "Field required", "missing")
        received = await _receive(call, part)
    finally:
        await form.close()
    taken: list[FileRow] = []

    def make() -> str:
        file, is_new = _add(call, wanted, tags, received)
        if is_new:
            taken.append(file)
        return dumps(_told(file, "The file is being processed." if is_new else "A file of that name is there already."))

    try:
        reply = call.once(make, about=[wanted.model_dump(), received.name, received.digest])
    finally:
        if not taken:
            call.library.path(received.file_id).unlink(missing_ok=True)
    for file in taken:
        call.library.process(file)
    return reply if taken else Reply(200, reply.body)


async def bulk_upload(call: Call) -> Reply:
    """Take several files; those that cannot be taken are listed as failed."""
    form = await call.form(_BULK * call.service.max_file + _SLACK)
    failed: list[dict[str, str]] = []
    taken: list[FileRow] = []
    try:
        wanted = _fields(form).model_copy(update={"duplicate_handling": "suffix"})
        tags = read_tags(wanted.tags)
        parts = [part for part in form.getlist("files") if isinstance(part, UploadFile)]
        if not parts:
            raise _invalid("files", "Field required", "missing")
        for part in parts:
            try:
                received = await _receive(call, part)
            except ApiError as error:
                failed.append({"filename": part.filename or "", "error": _reason(error)})
            else:
                taken.append(_add(call, wanted, tags, received)[0])
    finally:
        await form.close()
    for file in taken:
        call.library.process(file)
    told = [_told(file, "The file is being processed.") for file in taken]
    counts = {"total_uploaded": len(told), "total_failed": len(failed)}
    return Reply(201, dumps({"uploaded": told, "failed": failed, **counts}))


def _fields(form: FormData) -> Upload:
    return read(Upload, {name: value for name, value in form.items() if isinstance(value, str) and value}, "body")


async def _receive(call: Call, part: UploadFile) -> _Received:
    name, size = clean_name(part.filename or ""), part.size or 0
    if not name:
        raise _invalid("file", "a file needs a name", "value_error")
    if size > call.service.max_file:
        raise ApiError(413, "PAYLOAD_TOO_LARGE", f"The file is larger than {call.service.max_file} bytes.")
    file_id = new_id()
    digest = await asyncio.to_thread(keep, part.file, call.library.path(file_id))
    return _Received(file_id, name, mime_type(name, part.content_type), size, digest)


def _add(call: Call, wanted: Upload, tags: Iterable[str], received: _Received) -> tuple[FileRow, bool]:
    """Store the new file, or return the one that takes its place."""
    files, tenant_id = call.store.files, call.tenant.id
    user_id = call.user(wanted.user_id) if wanted.scope == "user" else None
    same = files.named(tenant_id, user_id, received.name)
    if same is not None and wanted.duplicate_handling == "skip":
        return same, False
    if same is not None and wanted.duplicate_handling == "error":
        raise ApiError(409, "DUPLICATE_FILE", f"There is a file called {received.name} already.")
    if same is not None and wanted.duplicate_handling == "replace":
        call.library.remove(same.id)
    moment, kept_tags = now(), list(tags)
    file = FileRow(
        id=received.file_id,
        tenant_id=tenant_id,
        user_id=user_id,
        file_name=free_name(received.name, lambda name: files.named(tenant_id, user_id, name) is not None),
        original_file_name=received.name,
        file_type=file_type(received.name),
        mime_type=received.mime_type,
        file_size=received.size,
        file_scope=wanted.scope,
        processing_status="pending",
        error_message=None,
        total_chunks=0,
        chunks_embedded=0,
        total_lines=0,
        tags=dumps(kept_tags) if kept_tags else None,
        created_at=moment,
        updated_at=moment,
    )
    files.add(file)
    return file, True


def _told(file: FileRow, message: str) -> dict[str, Any]:
    return {"file_id": file.id, "file_name": file.file_name, "status": file.processing_status, "message": message}


def _reason(error: ApiError) -> str:
    return error.errors[0]["msg"] if isinstance(error, InvalidRequest) else error.message


def _invalid(name: str, message: str, kind: str) -> InvalidRequest:
    return InvalidRequest([{"loc": ["body", name], "msg": message, "type": kind}])
