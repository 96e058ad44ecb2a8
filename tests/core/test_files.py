"""Arguments and answers of file calls."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any

import pytest

from lumnisai_core._transport.upload import form_file
from lumnisai_core.exceptions import FileOperationError, ValidationError
from lumnisai_core.lumnis.calls.files import is_processed, usable_tags
from lumnisai_core.lumnis.models.files import FileProcessingStatus


class Named(io.BytesIO):
    """An opened file with a name, as the standard library gives it."""

    def __init__(self, name: object) -> None:
        super().__init__(b"")
        self.name = name


@pytest.mark.parametrize(
    ("file", "file_name", "name", "content_type"),
    [
        ("/a/tides.pdf", None, "tides.pdf", "application/pdf"),
        (Path("tides.md"), None, "tides.md", "text/markdown"),
        (Path("tides.md"), "other.txt", "other.txt", "text/plain"),
        (Named("/a/tides.csv"), None, "tides.csv", "text/csv"),
        (b"", "no extension", "no extension", "application/octet-stream"),
        (b"", "tides.tar.gz", "tides.tar.gz", "application/octet-stream"),
        (("tides.html", b""), None, "tides.html", "text/html"),
        (memoryview(b"a"), "潮.json", "潮.json", "application/json"),
    ],
)
def test_name_and_type_of_an_upload(file: Any, file_name: str | None, name: str, content_type: str) -> None:
    """The name comes from the caller or the path, the type from the name."""
    part = form_file("file", file, file_name)
    assert (part.file_name, part.content_type) == (name, content_type)


@pytest.mark.parametrize("file", [b"", io.BytesIO(b""), Named(3), Named("")])
def test_content_without_a_name_needs_one(file: Any) -> None:
    """The number of a descriptor does not count as a name."""
    with pytest.raises(ValidationError, match="file_name is missing"):
        form_file("file", file)


@pytest.mark.parametrize(
    ("tags", "usable"),
    [
        (None, None),
        ([], None),
        ([" Sea", "TIDES ", "sea"], ["sea", "tides"]),
        ("Sea, tides", ["sea", "tides"]),
        (["x" * 50], ["x" * 50]),
    ],
)
def test_tags_are_trimmed_lowered_and_kept_once(tags: Any, usable: list[str] | None) -> None:
    """The form in which the service keeps them."""
    assert usable_tags(tags) == usable


@pytest.mark.parametrize("tags", ["", "a,,b", [""], [5], ["a,b"], ["x" * 51], [str(number) for number in range(11)]])
def test_tags_that_cannot_be_kept_are_refused(tags: Any) -> None:
    """Empty, too long, too many, or two in one."""
    with pytest.raises(ValidationError, match="tag"):
        usable_tags(tags)


@pytest.mark.parametrize(
    ("status", "done"),
    [
        ("pending", False),
        ("parsing", False),
        ("embedding", False),
        ("new", False),
        ("completed", True),
        ("partial_success", True),
    ],
)
def test_when_a_file_is_processed(status: str, done: bool) -> None:
    """Unknown states count as unfinished."""
    assert is_processed("f", FileProcessingStatus(status=status)) is done


def test_failed_processing_is_an_error_with_the_reason() -> None:
    """Also if the service does not report one."""
    with pytest.raises(FileOperationError, match="The file f could not be processed: the service gave no reason"):
        is_processed("f", FileProcessingStatus(status="error"))
