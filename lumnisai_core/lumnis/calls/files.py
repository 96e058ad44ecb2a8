"""Decisions about files: what is uploaded, who may see it, when it is processed. Pure."""

from __future__ import annotations

import mimetypes
import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path, PurePath
from typing import Any, BinaryIO, TypeAlias
from uuid import UUID

from lumnisai_core._transport.call import FileContent, FormFile
from lumnisai_core.exceptions import (
    AuthenticationError,
    FileAccessDeniedError,
    FileNotFoundError,  # noqa: A004 - the platform's own name
    FileOperationError,
    NotFoundError,
    ValidationError,
)
from lumnisai_core.lumnis.config import Settings, user_id_from, user_of_call
from lumnisai_core.lumnis.models.enums import Scope
from lumnisai_core.lumnis.models.files import FileDeleteResult, FileProcessingStatus, FileScope, ProcessingStatus

#: What can be uploaded: a path (also as text), bytes, or something opened for reading bytes.
FileInput: TypeAlias = str | os.PathLike[str] | bytes | bytearray | memoryview | BinaryIO

#: The same together with a file name.
NamedFile: TypeAlias = tuple[str, FileInput]

_MOST_TAGS = 10
_LONGEST_TAG = 50

#: A file in one of these states is not worked on any more.
_PROCESSED = (ProcessingStatus.COMPLETED, ProcessingStatus.PARTIAL_SUCCESS)

# Made here, because it reads the system's tables.
_media_types = mimetypes.MimeTypes()
_media_types.add_type("text/markdown", ".md")


def form_file(field: str, file: FileInput | NamedFile, file_name: str | None = None) -> FormFile:
    """Describe a file to upload; nothing is read yet.

    Args:
        field: Name of the form's field.
        file: What to upload.
        file_name: Name to show. Default: that of the path or of the opened file.

    Raises:
        ValidationError: It is no file, or has no name.
    """
    if isinstance(file, tuple):
        named, file = file
        file_name = file_name or named
    content = _content(file)
    name = file_name or _name_of(content)
    if not name or not name.strip():
        raise ValidationError("file_name is missing: bytes and streams without a name need one, such as report.pdf.")
    kind, encoding = _media_types.guess_type(name)
    return FormFile(field, name, content, "application/octet-stream" if kind is None or encoding else kind)


def chosen_file(file: FileInput | None, file_path: FileInput | None, file_content: FileInput | None) -> FileInput:
    """Return the one of the three arguments that was given.

    Raises:
        ValidationError: None was given, or several.
    """
    chosen = [value for value in (file, file_path, file_content) if value is not None]
    if len(chosen) != 1:
        raise ValidationError("Pass exactly one of file, file_path and file_content (bytes may be empty).")
    return chosen[0]


def _content(file: object) -> FileContent:
    if isinstance(file, str):
        if not file.strip():
            raise ValidationError("The path of the file is empty. The text of a file has to be given as bytes.")
        return Path(file)
    if isinstance(file, bytearray | memoryview):
        return bytes(file)
    if isinstance(file, bytes | os.PathLike) or callable(getattr(file, "read", None)):
        return file  # type: ignore[return-value]  # whatever can be read is taken for a binary stream
    raise ValidationError(f"A file must be a path, bytes or a binary stream, not {type(file).__name__}.")


def _name_of(content: FileContent) -> str | None:
    if isinstance(content, bytes):
        return None
    source = content if isinstance(content, os.PathLike) else getattr(content, "name", None)
    # A stream on a file descriptor has a number for its name.
    return PurePath(source).name if isinstance(source, str | os.PathLike) else None


def usable_tags(tags: str | Sequence[str] | None) -> list[str] | None:
    """Bring tags into the form in which they are kept: trimmed, in lower case, each once.

    Args:
        tags: Up to 10 tags of up to 50 characters, as a list or joined by commas.

    Raises:
        ValidationError: There are too many, or one is empty, too long or has a comma in it.
    """
    if tags is None:
        return None
    given = tags.split(",") if isinstance(tags, str) else list(tags)
    usable = list(dict.fromkeys(_usable_tag(tag) for tag in given))
    if len(usable) > _MOST_TAGS:
        raise ValidationError(f"tags has {len(usable)} entries; at most {_MOST_TAGS} are possible.")
    return usable or None


def _usable_tag(tag: object) -> str:
    if not isinstance(tag, str) or not tag.strip() or "," in tag:
        raise ValidationError(f"{tag!r} is no usable tag: a tag is a text without commas.")
    trimmed = tag.strip().lower()
    if len(trimmed) > _LONGEST_TAG:
        raise ValidationError(
            f"The tag {trimmed!r} has {len(trimmed)} characters; at most {_LONGEST_TAG} are possible."
        )
    return trimmed


def upload_fields(
    settings: Settings,
    *,
    user_id: str | UUID | None,
    scope: FileScope | Scope | str | None,
    tags: str | Sequence[str] | None,
) -> dict[str, str]:
    """Write who may see an upload, and its tags, as form fields.

    Raises:
        MissingUserId: User scope and no user.
        TenantScopeUserIdConflict: Tenant scope and a user.
        ValidationError: The tags are not usable.
    """
    user = user_of_call(settings, user_id=user_id, scope=scope)
    usable = usable_tags(tags)
    fields = {"scope": str(FileScope.TENANT if user is None else FileScope.USER)}
    if user is not None:
        fields["user_id"] = user
    if usable is not None:
        fields["tags"] = ",".join(usable)
    return fields


def reader_of_file(settings: Settings, user_id: str | UUID | None) -> str | None:
    """Decide in whose name a file is addressed by its id: the named user, else the client's, else nobody.

    The scope of the client does not matter, because the file has its own.
    """
    return user_id_from(user_id) or settings.user_id


def line_range(start_line: int | None, end_line: int | None) -> dict[str, int | None]:
    """Check and write a range of lines, counted from 1, both ends included.

    Raises:
        ValidationError: There are no such lines.
    """
    for name, line in (("start_line", start_line), ("end_line", end_line)):
        if line is not None and (isinstance(line, bool) or not isinstance(line, int) or line < 1):
            raise ValidationError(f"{name} must be a whole number from 1, not {line!r}.")
    if start_line is not None and end_line is not None and end_line < start_line:
        raise ValidationError(f"end_line {end_line} lies before start_line {start_line}.")
    return {"start_line": start_line, "end_line": end_line}


def deletion(file_id: object, hard_delete: bool) -> Callable[[Any], FileDeleteResult]:
    """Read the answer to a deletion, which may be empty."""
    known = {"file_id": str(file_id), "hard_delete": hard_delete}

    def read(data: Any) -> FileDeleteResult:
        said = data if isinstance(data, Mapping) else {}
        return FileDeleteResult.model_validate({**known, **said})

    return read


def is_processed(file_id: object, status: FileProcessingStatus) -> bool:
    """Say whether the service is done with a file.

    Raises:
        FileOperationError: Processing failed.
    """
    if status.status == ProcessingStatus.ERROR:
        reason = status.error_message or "the service gives no reason"
        raise FileOperationError(f"The file {file_id} could not be processed: {reason}", detail=status.json())
    return status.status in _PROCESSED


@contextmanager
def file_errors() -> Iterator[None]:
    """Turn what is not found, and what is forbidden, into the errors for files."""
    try:
        yield
    except NotFoundError as error:
        raise FileNotFoundError(error.message, **_known(error)) from error.__cause__
    except AuthenticationError as error:
        if error.status_code != 403:
            raise
        raise FileAccessDeniedError(error.message, **_known(error)) from error.__cause__


def _known(error: NotFoundError | AuthenticationError) -> dict[str, Any]:
    return {
        "status_code": error.status_code,
        "request_id": error.request_id,
        "code": error.code,
        "detail": error.detail,
    }
