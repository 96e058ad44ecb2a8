"""Uploads: one file or many, each on disk before it is announced, each processed in the background."""

from __future__ import annotations

import asyncio
import mimetypes
import re
from collections.abc import Callable
from dataclasses import replace
from typing import Literal, TypeVar

from pydantic import model_validator
from starlette.datastructures import FormData, UploadFile
from typing_extensions import TypedDict

from lumnisai_core.local.lumnis.service import Call
from lumnisai_core.local.lumnis.store.rows import FileRow, FileScope, ProcessingStatus
from lumnisai_core.local.web.errors import ApiError, InvalidRequest, invalid
from lumnisai_core.local.web.json_text import dumps
from lumnisai_core.local.web.routes import Form, Once, RouteTable
from lumnisai_core.local.web.shapes import Id, Shape, Text, UserName, read

_SLACK = 100_000
_BULK = 10
_MAX_NAME = 200
_MAX_TAGS = 10
_MAX_TAG = 50
_MEDIA_TYPE = re.compile(r"[a-z0-9!#$&^_.+-]{1,100}/[a-z0-9!#$&^_.+-]{1,100}")
_UNNAMEABLE = re.compile(r"[\x00-\x1f\x7f]")
_Fields = TypeVar("_Fields", bound="BulkUpload")
route = RouteTable()


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


class Uploaded(Text):
    """A file that was taken."""

    file_id: Id
    file_name: str
    status: ProcessingStatus


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


@route("POST /v1/files/upload", form=Form(Upload, "file"))
async def upload(call: Call) -> Once[Uploaded]:
    """Take one file; the reply does not wait for its processing."""
    form = await call.form(call.service.settings.max_file + _SLACK)
    try:
        wanted, tags = _fields(Upload, form)
        part = form.get("file")
        if not isinstance(part, UploadFile):
            raise invalid("Field required", "missing", "file")
        received, digest = await _receive(call, part, wanted, tags)
    finally:
        await form.close()
    taken: list[FileRow] = []
    replaced: list[str] = []

    def make() -> Uploaded:
        file = _add(call, received, wanted.duplicate_handling, replaced)
        if file.id != received.id:
            return _uploaded(file, "There already is a file of that name.")
        taken.append(file)
        return _uploaded(file)

    try:
        about = [wanted.model_dump(), received.file_name, digest]
        reply = call.once(make, user_id=received.user_id, about=about)
    finally:
        if not taken:
            call.library.path(received.id).unlink(missing_ok=True)
    await call.library.remove(replaced)
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
        wanted, tags = _fields(BulkUpload, form)
        parts = [part for part in form.getlist("files") if isinstance(part, UploadFile)]
        if not parts:
            raise invalid("Field required", "missing", "files")
        for part in parts:
            try:
                received, _ = await _receive(call, part, wanted, tags)
            except ApiError as error:
                reason = error.errors[0]["msg"] if isinstance(error, InvalidRequest) else error.message
                failed.append({"filename": part.filename or "", "error": reason})
            else:
                taken.append(_add(call, received, "suffix", []))
    finally:
        await form.close()
    for file in taken:
        call.library.process(file)
    uploaded = [_uploaded(file) for file in taken]
    return {"uploaded": uploaded, "failed": failed, "total_uploaded": len(uploaded), "total_failed": len(failed)}


def _fields(shape: type[_Fields], form: FormData) -> tuple[_Fields, list[str]]:
    """Read the text parts of a form, and the tags among them."""
    wanted = read(shape, {name: value for name, value in form.items() if isinstance(value, str) and value}, "body")
    tags = tags_of(wanted.tags)
    if len(tags) > _MAX_TAGS or any(len(tag) > _MAX_TAG for tag in tags):
        raise invalid(f"at most {_MAX_TAGS} tags of at most {_MAX_TAG} characters", "value_error", "tags")
    return wanted, tags


async def _receive(call: Call, part: UploadFile, wanted: BulkUpload, tags: list[str]) -> tuple[FileRow, str]:
    """Put an uploaded file in its place; return it, not stored yet, and the digest of its content."""
    name, size, max_file = _clean_name(part.filename or ""), part.size or 0, call.service.settings.max_file
    if not name:
        raise invalid("a file needs a name", "value_error", "file")
    if size > max_file:
        raise ApiError(413, "PAYLOAD_TOO_LARGE", f"The file is larger than {max_file} bytes.")
    declared = (part.content_type or "").partition(";")[0].strip().lower()
    if not _MEDIA_TYPE.fullmatch(declared):
        declared = ""
    file = FileRow(
        tenant_id=call.tenant.id,
        user_id=call.user(wanted.user_id) if wanted.scope == "user" else None,
        file_name=name,
        original_file_name=name,
        file_type=name.rpartition(".")[2].lower() if "." in name.strip(".") else "bin",
        mime_type=mimetypes.guess_type(name)[0] or declared or "application/octet-stream",
        file_size=size,
        file_scope=wanted.scope,
        tags=dumps(tags) if tags else None,
    )
    return file, await asyncio.to_thread(call.library.keep, file.id, part.file)


def _add(call: Call, received: FileRow, duplicate_handling: str, replaced: list[str]) -> FileRow:
    """Store the new file, or return the one that takes its place. The id of one that it replaces joins `replaced`."""
    files = call.store.files
    same = files.named(received.tenant_id, received.user_id, received.file_name)
    if same is not None and duplicate_handling == "skip":
        return same
    if same is not None and duplicate_handling == "error":
        raise ApiError(409, "DUPLICATE_FILE", f"There already is a file called {received.file_name}.")
    if same is not None and duplicate_handling == "replace":
        files.remove(id=same.id)
        replaced.append(same.id)
    return files.add(replace(received, file_name=free_name(call, received, received.user_id)))


def _uploaded(file: FileRow, message: str = "The file is being processed.") -> Uploaded:
    return {"file_id": file.id, "file_name": file.file_name, "status": file.processing_status, "message": message}


def _clean_name(name: str) -> str:
    """Return the last part of a name, without characters that file systems refuse; may be empty."""
    name = name.encode(errors="replace").decode()
    last = re.split(r"[\\/]", _UNNAMEABLE.sub("", name))[-1].strip()
    if last.strip(".") == "":
        return ""
    stem, dot, ending = last.rpartition(".")
    return last if len(last) <= _MAX_NAME else f"{stem[: _MAX_NAME - len(ending) - 1]}{dot}{ending}"[:_MAX_NAME]


def free_name(call: Call, file: FileRow, user_id: str | None) -> str:
    """Return the name of a file, with a number before its ending if the owner has a file of that name."""
    return numbered(file.file_name, lambda name: call.store.files.named(file.tenant_id, user_id, name) is not None)


def numbered(name: str, is_taken: Callable[[str], bool]) -> str:
    """Return a name that is free: the name itself, or with the number after one that is taken.

    The numbers before it are not all looked at: of thousands of files of one name, a few tell where the gap is.
    """
    stem, dot, ending = name.rpartition(".") if "." in name.strip(".") else (name, "", "")

    def with_number(number: int) -> str:
        return f"{stem}_({number}){dot}{ending}" if number else name

    free = 0
    while is_taken(with_number(free)):
        free = 2 * free or 1
    taken = free // 2  # of its numbers the largest that is known to be taken, or 0
    while free - taken > 1:
        middle = (free + taken) // 2
        taken, free = (middle, free) if is_taken(with_number(middle)) else (taken, middle)
    return with_number(free)


def tags_of(text: str | None) -> list[str]:
    """Read comma-joined tags: trimmed, in lower case, each once."""
    return list(dict.fromkeys(tag.strip().lower() for tag in (text or "").split(",") if tag.strip()))
