"""Arguments and answers of file calls: uploads, tags, users, line ranges, processing states. Pure."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

from lumnisai_core._transport.upload import FileInput
from lumnisai_core.exceptions import (
    AuthenticationError,
    FileAccessDeniedError,
    FileNotFoundError,  # noqa: A004 - the platform's own name
    FileOperationError,
    NotFoundError,
    ValidationError,
)
from lumnisai_core.lumnis.models.files import FileDeleteResult, FileProcessingStatus, FileScope, ProcessingStatus

_MOST_TAGS = 10
_LONGEST_TAG = 50


def chosen_file(*files: FileInput | None) -> FileInput:
    """Return the one of the arguments ``file``, ``file_path`` and ``file_content`` that is set."""
    chosen = [file for file in files if file is not None]
    if len(chosen) != 1:
        raise ValidationError("Pass exactly one of file, file_path and file_content (bytes may be empty).")
    return chosen[0]


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
