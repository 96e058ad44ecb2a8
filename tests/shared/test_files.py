"""What both adapters decide about files."""

from __future__ import annotations

import logging
from typing import Any

import pytest

from lumnisai_core import FileContentResult, FileMetadata, FileSearchResults
from lumnisai_core.exceptions import ConflictError, FileOperationError, ValidationError
from lumnisai_integrations._shared.file_reading import Reading, unique_ids
from lumnisai_integrations._shared.files import extensions, file_metadata, filled_tags, passages, search_parameters

FIELDS: dict[str, Any] = {
    "k": 4,
    "min_score": 0.0,
    "file_types": None,
    "file_tags": None,
    "user_id": "ada",
    "scope": None,
}


def chunk(index: int, score: float | None, text: str = "text", **more: Any) -> dict[str, Any]:
    return {"chunk_index": index, "similarity_score": score, "chunk_text": text, **more}


def found(*files: tuple[str, float, list[dict[str, Any]]]) -> FileSearchResults:
    results = [
        {"file": {"id": name, "file_name": f"{name}.md", "tags": ["sea"]}, "overall_score": score, "chunks": chunks}
        for name, score, chunks in files
    ]
    return FileSearchResults.model_validate({"results": results})


@pytest.mark.parametrize(
    ("results", "given", "expected"),
    [
        (found(), {}, []),
        (found(("a", 0.9, [])), {}, []),
        (found(("a", 0.9, [chunk(0, 0.9), chunk(1, 0.2)]), ("b", 0.5, [chunk(0, 0.5)])), {}, ["a:0", "b:0", "a:1"]),
        (found(("a", 0.9, [chunk(0, 0.9), chunk(1, 0.2)]), ("b", 0.5, [chunk(0, 0.5)])), {"k": 2}, ["a:0", "b:0"]),
        (found(("a", 0.9, [chunk(3, 0.9), chunk(3, 0.9), chunk(1, 0.9)])), {}, ["a:3", "a:1"]),
        (found(("a", 0.4, [chunk(0, None)]), ("b", 0.3, [chunk(0, 0.5)])), {}, ["b:0", "a:0"]),
        (found(("a", 0.9, [chunk(0, 0.9, " \n"), chunk(1, 0.1)])), {}, ["a:1"]),
        (found(("a", 0.9, [chunk(0, 0.9), chunk(1, 0.4)])), {"min_score": 0.5}, ["a:0"]),
    ],
    ids=["nothing", "no pieces", "by score", "cut", "each once", "score of the file", "blank", "least score"],
)
def test_files_become_passages(results: FileSearchResults, given: dict[str, Any], expected: list[str]) -> None:
    """Pieces of several files are sorted by score, each once, and cut; those without text are left out."""
    asked = search_parameters(FIELDS, given, count="k")
    assert [passage.id for passage in passages(results, asked)] == expected


def test_a_passage_knows_where_it_is_from() -> None:
    """Metadata has file, place and what the service says of the piece, which never hides what it says of the file."""
    inner = {"page": 7, "file_name": "inner.md", "note": None}
    results = found(("a", 0.9, [chunk(2, 0.8, metadata=inner, start_line=3, end_line=5)]))
    passage = passages(results, search_parameters(FIELDS, {}, count="k"))[0]
    assert (passage.id, passage.text, passage.score) == ("a:2", "text", 0.8)
    assert passage.metadata == {
        "file_id": "a",
        "source": "a.md",
        "file_name": "a.md",
        "file_size": 0,
        "file_scope": "tenant",
        "tags": ["sea"],
        "chunk_index": 2,
        "start_line": 3,
        "end_line": 5,
        "page": 7,
        "chunk_file_name": "inner.md",
    }


def test_metadata_is_plain_data() -> None:
    """Times are texts, unknown scopes stay, and what is unknown is not there."""
    file = FileMetadata.model_validate({"id": "a", "file_scope": "galaxy", "created_at": "2026-01-02T03:04:05Z"})
    assert file_metadata(file) == {
        "file_id": "a",
        "source": "a",
        "file_size": 0,
        "file_scope": "galaxy",
        "created_at": "2026-01-02T03:04:05+00:00",
    }


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ({}, {"limit": 4, "min_score": 0.0, "file_types": None, "tags": None, "user_id": "ada", "scope": None}),
        ({"k": 9, "file_types": ".PDF", "file_tags": ["sea"]}, {"limit": 9, "file_types": ["pdf"], "tags": ["sea"]}),
        ({"k": None, "min_score": None, "file_tags": "a,b"}, {"limit": 4, "min_score": 0.0, "tags": "a,b"}),
        ({"scope": "tenant"}, {"user_id": None, "scope": "tenant"}),
        ({"scope": "tenant", "user_id": "bob"}, {"user_id": "bob", "scope": "tenant"}),
    ],
)
def test_the_call_wins_over_the_fields(given: dict[str, Any], expected: dict[str, Any]) -> None:
    """A keyword replaces the field of its name; the tenant's view needs no user."""
    asked = search_parameters(FIELDS, given, count="k")
    assert dict(asked) | expected == asked


@pytest.mark.parametrize(
    "given",
    [
        {"k": 0},
        {"k": 51},
        {"k": True},
        {"k": "4"},
        {"min_score": -0.1},
        {"min_score": 2},
        {"min_score": "high"},
        {"min_score": float("nan")},
        {"file_types": []},
        {"file_types": ["pdf", ""]},
        {"file_types": [7]},
        {"file_types": "pdf,md"},
        {"file_tags": []},
        {"file_tags": " "},
    ],
)
def test_invalid_filters_are_refused(given: dict[str, Any]) -> None:
    """The message names the argument."""
    with pytest.raises(ValidationError, match=next(iter(given))):
        search_parameters(FIELDS, given, count="k")


def test_unknown_keywords_are_refused() -> None:
    """A misspelled filter does not silently find everything."""
    with pytest.raises(TypeError, match=r"no file_tag; it takes k, .*file_tags"):
        search_parameters(FIELDS, {"file_tag": "sea"}, count="k")


def test_filters_are_brought_into_form() -> None:
    """Extensions have no dot and lower case; tags are left to the core."""
    assert extensions("file_types", [".MD", "md", " pdf"]) == ["md", "pdf"]
    assert (extensions("file_types", None), filled_tags(None), filled_tags(("a",))) == (None, None, ["a"])


@pytest.mark.parametrize("wrong", ["an-id", ["a", " "]])
def test_ids_are_a_list_of_texts(wrong: Any) -> None:
    """A single id in the place of a list is a mistake, and so is a blank one; repeated ones count once."""
    with pytest.raises(ValidationError, match="file_ids"):
        unique_ids(wrong)
    assert unique_ids(["b", "a", "b"]) == ["b", "a"]


def reading(**fields: Any) -> Reading:
    nothing = dict.fromkeys(("user_id", "scope", "file_type", "file_tags", "status", "content_type"))
    return Reading.of({**nothing, "on_unreadable": "raise", **fields})


@pytest.mark.parametrize(
    ("file", "answer", "reason"),
    [
        ({"processing_status": "pending"}, None, "still pending"),
        ({"processing_status": "error", "error_message": "Broken."}, None, "Broken"),
        ({"processing_status": "error"}, None, "gives no reason"),
        ({"processing_status": "completed"}, FileContentResult(text=" \n"), "it has no text"),
        ({"processing_status": "embedding"}, ConflictError("Wait.", status_code=409, request_id="q1"), "Wait"),
    ],
)
def test_files_without_text_are_never_left_out_silently(
    file: dict[str, Any], answer: Any, reason: str, caplog: pytest.LogCaptureFixture
) -> None:
    """They are an error, or a line in the log, with id and reason."""
    metadata = FileMetadata.model_validate({"id": "f1", "file_name": "a.pdf", **file})
    with pytest.raises(FileOperationError, match=rf"'a.pdf' \(file id f1\).*{reason}") as caught:
        reading().text_of(metadata, answer)
    assert caught.value.request_id == (answer.request_id if isinstance(answer, ConflictError) else None)
    with caplog.at_level(logging.WARNING):
        assert reading(on_unreadable="warn").text_of(metadata, answer) is None
    assert "f1" in caplog.text
    assert reason in caplog.text


def test_a_wrong_question_is_an_error_of_its_own() -> None:
    """What was refused before sending is not taken for a fault of the file."""
    refused = ValidationError("content_type must be one of ...")
    with pytest.raises(ValidationError, match="content_type"):
        reading(on_unreadable="warn").text_of(FileMetadata(id="f1"), refused)
