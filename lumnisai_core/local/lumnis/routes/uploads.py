"""Uploads: one file or many, each on disk before it is announced, each processed in the background."""

from __future__ import annotations

import asyncio
import mimetypes
import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import TypeVar

from starlette.datastructures import FormData, UploadFile

from lumnisai_core.local.lumnis.service import Call
from lumnisai_core.local.lumnis.shapes.files import BulkUpload, BulkUploaded, FailedUpload, Upload, Uploaded
from lumnisai_core.local.lumnis.store.rows import FileRow
from lumnisai_core.local.web.errors import ApiError, InvalidRequest, invalid
from lumnisai_core.local.web.ids import new_id, now
from lumnisai_core.local.web.json_text import dumps
from lumnisai_core.local.web.routes import Form, Once, RouteTable
from lumnisai_core.local.web.shapes import read
from lumnisai_core.local.web.uploads import keep

_SLACK = 100_000
_BULK = 10
_MAX_NAME = 200
_MAX_TAGS = 10
_MAX_TAG = 50
_UNNAMEABLE = re.compile(r"[\x00-\x1f\x7f]")
_Fields = TypeVar("_Fields", bound=BulkUpload)
route = RouteTable()


@dataclass(frozen=True, slots=True)
class _Received:
    """An upload whose bytes are in their place."""

    file_id: str
    name: str
    mime_type: str
    size: int
    digest: str


@route("POST /v1/files/upload", form=Form(Upload, "file"))
async def upload(call: Call) -> Once[Uploaded]:
    """Take one file; the reply does not wait for its processing."""
    form = await call.form(call.service.settings.max_file + _SLACK)
    try:
        wanted = _fields(Upload, form)
        tags = _read_tags(wanted.tags)
        part = form.get("file")
        if not isinstance(part, UploadFile):
            raise invalid("Field required", "missing", "file")
        received = await _receive(call, part)
    finally:
        await form.close()
    taken: list[FileRow] = []

    def make() -> Uploaded:
        file, is_new = _add(call, wanted, wanted.duplicate_handling, tags, received)
        if is_new:
            taken.append(file)
        return _uploaded(file, "The file is being processed." if is_new else "There already is a file of that name.")

    try:
        reply = call.once(make, about=[wanted.model_dump(), received.name, received.digest])
    finally:
        if not taken:
            call.library.path(received.file_id).unlink(missing_ok=True)
    for file in taken:
        call.library.process(file)
    return reply if taken else Once(reply.text, is_new=False)


@route("POST /v1/files/bulk-upload", status=201, form=Form(BulkUpload, "files", many=True))
async def bulk_upload(call: Call) -> BulkUploaded:
    """Take several files; those that cannot be taken are listed as failed."""
    form = await call.form(_BULK * call.service.settings.max_file + _SLACK)
    failed: list[FailedUpload] = []
    taken: list[FileRow] = []
    try:
        wanted = _fields(BulkUpload, form)
        tags = _read_tags(wanted.tags)
        parts = [part for part in form.getlist("files") if isinstance(part, UploadFile)]
        if not parts:
            raise invalid("Field required", "missing", "files")
        for part in parts:
            try:
                received = await _receive(call, part)
            except ApiError as error:
                failed.append({"filename": part.filename or "", "error": _reason(error)})
            else:
                taken.append(_add(call, wanted, "suffix", tags, received)[0])
    finally:
        await form.close()
    for file in taken:
        call.library.process(file)
    uploaded = [_uploaded(file, "The file is being processed.") for file in taken]
    return {
        "uploaded": uploaded,
        "failed": failed,
        "total_uploaded": len(uploaded),
        "total_failed": len(failed),
    }


def _fields(shape: type[_Fields], form: FormData) -> _Fields:
    return read(shape, {name: value for name, value in form.items() if isinstance(value, str) and value}, "body")


async def _receive(call: Call, part: UploadFile) -> _Received:
    name, size, max_file = _clean_name(part.filename or ""), part.size or 0, call.service.settings.max_file
    if not name:
        raise invalid("a file needs a name", "value_error", "file")
    if size > max_file:
        raise ApiError(413, "PAYLOAD_TOO_LARGE", f"The file is larger than {max_file} bytes.")
    file_id = new_id()
    digest = await asyncio.to_thread(keep, part.file, call.library.path(file_id))
    return _Received(file_id, name, _mime_type(name, part.content_type), size, digest)


def _add(
    call: Call, wanted: BulkUpload, duplicate_handling: str, tags: Iterable[str], received: _Received
) -> tuple[FileRow, bool]:
    """Store the new file, or return the one that takes its place."""
    files, tenant_id = call.store.files, call.tenant.id
    user_id = call.user(wanted.user_id) if wanted.scope == "user" else None
    same = files.named(tenant_id, user_id, received.name)
    if same is not None and duplicate_handling == "skip":
        return same, False
    if same is not None and duplicate_handling == "error":
        raise ApiError(409, "DUPLICATE_FILE", f"There already is a file called {received.name}.")
    if same is not None and duplicate_handling == "replace":
        call.library.remove(same.id)
    moment, kept_tags = now(), list(tags)
    file = FileRow(
        id=received.file_id,
        tenant_id=tenant_id,
        user_id=user_id,
        file_name=free_name(received.name, lambda name: files.named(tenant_id, user_id, name) is not None),
        original_file_name=received.name,
        file_type=_file_type(received.name),
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
        processed_at=None,
        deleted_at=None,
    )
    files.add(file)
    return file, True


def _uploaded(file: FileRow, message: str) -> Uploaded:
    return {"file_id": file.id, "file_name": file.file_name, "status": file.processing_status, "message": message}


def _reason(error: ApiError) -> str:
    return error.errors[0]["msg"] if isinstance(error, InvalidRequest) else error.message


def _clean_name(name: str) -> str:
    """Return the last part of a name, without characters that file systems refuse; may be empty."""
    last = re.split(r"[\\/]", _UNNAMEABLE.sub("", name))[-1].strip()
    if last.strip(".") == "":
        return ""
    stem, dot, ending = last.rpartition(".")
    return last if len(last) <= _MAX_NAME else f"{stem[: _MAX_NAME - len(ending) - 1]}{dot}{ending}"[:_MAX_NAME]


def _file_type(name: str) -> str:
    """Return the ending of a name in lower case; `bin` without one."""
    return name.rpartition(".")[2].lower() if "." in name.strip(".") else "bin"


def _mime_type(name: str, declared: str | None) -> str:
    """Return the media type that a name suggests, or else the one that the sender declared."""
    plain = (declared or "").partition(";")[0].strip().lower()
    return mimetypes.guess_type(name)[0] or plain or "application/octet-stream"


def free_name(name: str, taken: Callable[[str], bool]) -> str:
    """Return the name, with a number before its ending if it is taken."""
    stem, dot, ending = name.rpartition(".") if "." in name.strip(".") else (name, "", "")
    number, candidate = 0, name
    while taken(candidate):
        number += 1
        candidate = f"{stem}_({number}){dot}{ending}"
    return candidate


def _read_tags(text: str | None) -> list[str]:
    """Read comma-joined tags: trimmed, in lower case, each once.

    Raises:
        InvalidRequest: there are too many, or one is too long.
    """
    tags = list(dict.fromkeys(tag.strip().lower() for tag in (text or "").split(",") if tag.strip()))
    if len(tags) > _MAX_TAGS or any(len(tag) > _MAX_TAG for tag in tags):
        message = f"at most {_MAX_TAGS} tags of at most {_MAX_TAG} characters"
        raise invalid(message, "value_error", "tags")
    return tags
