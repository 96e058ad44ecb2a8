"""Arguments and answers of file calls: uploads, tags, users, line ranges, processing states. Pure."""

from __future__ import annotations

import mimetypes
import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path, PurePath
from typing import Any, BinaryIO, TypeAlias

from lumnisai_core._transport.call import FileContent, FormFile
from lumnisai_core.exceptions import (
    AuthenticationError,
    FileAccessDeniedError,
    FileNotFoundError,  # noqa: A004 - the platform's own name
    FileOperationError,
    NotFoundError,
    ValidationError,
)
from lumnisai_core.lumnis.models.files import FileDeleteResult, FileProcessingStatus, FileScope, ProcessingStatus

#: A file to upload: a path (also as a string), bytes, or a file opened for reading bytes.
FileInput: TypeAlias = str | os.PathLike[str] | bytes | bytearray | memoryview | BinaryIO

#: A file name and the file.
NamedFile: TypeAlias = tuple[str, FileInput]

_MOST_TAGS = 10
_LONGEST_TAG = 50

# An own instance, because the module's functions read the tables of the operating system.
_media_types = mimetypes.MimeTypes()
_media_types.add_type("text/markdown", ".md")


def form_file(field: str, file: FileInput | NamedFile, file_name: str | None = None) -> FormFile:
    """Describe a file to upload, without reading it. Default name: that of the path or of the opened file."""
    if isinstance(file, tuple):
        own_name, file = file
        file_name = file_name or own_name
    content = _content(file)
    name = file_name or _name_of(content)
    if not name or not name.strip():
        raise ValidationError("file_name is missing: bytes and streams without a name need one, such as report.pdf.")
    kind, encoding = _media_types.guess_type(name)
    return FormFile(field, name, content, "application/octet-stream" if kind is None or encoding else kind)


def chosen_file(*files: FileInput | None) -> FileInput:
    """Return the one of the arguments ``file``, ``file_path`` and ``file_content`` that is set."""
    chosen = [file for file in files if file is not None]
    if len(chosen) != 1:
        raise ValidationError("Pass exactly one of file, file_path and file_content (bytes may be empty).")
    return chosen[0]


def _content(file: object) -> FileContent:
    if isinstance(file, str):
        if not file.strip():
            raise ValidationError("The path of the file is empty. Pass the content of a file as bytes.")
        return Path(file)
    if isinstance(file, bytearray | memoryview):
        return bytes(file)
    if isinstance(file, bytes | os.PathLike) or callable(getattr(file, "read", None)):
        return file  # type: ignore[return-value]  # an object with read() is taken for a binary stream
    raise ValidationError(f"A file must be a path, bytes or a binary stream, not {type(file).__name__}.")


def _name_of(content: FileContent) -> str | None:
    if isinstance(content, bytes):
        return None
    source = content if isinstance(content, os.PathLike) else getattr(content, "name", None)
    # The name of a stream on a file descriptor is a number.
    return PurePath(source).name if isinstance(source, str | os.PathLike) else None


def usable_tags(tags: str | Sequence[str] | None) -> list[str] | None:
    """Return tags, a list or comma-separated string, as the service stores them: trimmed, in lower case, each once."""
    if tags is None:
        return None
    usable = list(dict.fromkeys(_usable_tag(tag) for tag in (tags.split(",") if isinstance(tags, str) else tags)))
    if len(usable) > _MOST_TAGS:
        raise ValidationError(f"tags has {len(usable)} entries; at most {_MOST_TAGS} are possible.")
    return usable or None


def _usable_tag(tag: object) -> str:
    if not isinstance(tag, str) or not tag.strip() or "," in tag:
        raise ValidationError(f"{tag!r} is not a valid tag: a tag is a non-empty string without commas.")
    trimmed = tag.strip().lower()
    if len(trimmed) > _LONGEST_TAG:
        raise ValidationError(
            f"The tag {trimmed!r} has {len(trimmed)} characters; at most {_LONGEST_TAG} are possible."
        )
    return trimmed


def upload_fields(user: str | None, tags: str | Sequence[str] | None) -> dict[str, str]:
    """Write scope, user and tags of an upload as form fields."""
    fields = {"scope": str(FileScope.TENANT if user is None else FileScope.USER)}
    if user is not None:
        fields["user_id"] = user
    if usable := usable_tags(tags):
        fields["tags"] = ",".join(usable)
    return fields


def line_range(start_line: int | None, end_line: int | None) -> dict[str, int | None]:
    """Validate a range of lines, counted from 1, both ends inclusive."""
    lines = {"start_line": start_line, "end_line": end_line}
    for name, line in lines.items():
        if line is not None and (isinstance(line, bool) or not isinstance(line, int) or line < 1):
            raise ValidationError(f"{name} must be a whole number, 1 or more, not {line!r}.")
    if start_line is not None and end_line is not None and end_line < start_line:
        raise ValidationError(f"end_line {end_line} is before start_line {start_line}.")
    return lines


def deletion(file_id: object, hard_delete: bool) -> Callable[[Any], FileDeleteResult]:
    """Return a reader for the answer to a deletion, which may be empty."""
    known = {"file_id": str(file_id), "hard_delete": hard_delete}
    return lambda data: FileDeleteResult.model_validate({**known, **(data if isinstance(data, Mapping) else {})})


def is_processed(file_id: object, status: FileProcessingStatus) -> bool:
    """Return whether a file has been processed, at least in part; if that failed, raise FileOperationError."""
    if status.status == ProcessingStatus.ERROR:
        reason = status.error_message or "the service gave no reason"
        raise FileOperationError(f"The file {file_id} could not be processed: {reason}", detail=status.json())
    return status.status in (ProcessingStatus.COMPLETED, ProcessingStatus.PARTIAL_SUCCESS)


@contextmanager
def file_errors() -> Iterator[None]:
    """Turn 404 and 403 errors into the errors for files."""
    try:
        yield
    except NotFoundError as error:
        raise _file_error(FileNotFoundError, error) from error.__cause__
    except AuthenticationError as error:
        if error.status_code != 403:
            raise
        raise _file_error(FileAccessDeniedError, error) from error.__cause__


def _file_error(kind: type[FileOperationError], error: NotFoundError | AuthenticationError) -> FileOperationError:
    known = {name: getattr(error, name) for name in ("status_code", "request_id", "code", "detail")}
    return kind(error.message, **known)
