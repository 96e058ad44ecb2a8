"""Wire models: lenient on what the service sends."""

from __future__ import annotations

import logging
from datetime import UTC

import pydantic
import pytest

from lumnisai_core import ResponseList, ResponseObject, ResponseStatus


def test_unknown_fields_and_statuses_are_kept() -> None:
    """A newer service does not break the client."""
    response = ResponseObject.model_validate({"response_id": "r", "status": "paused", "priority": 3})
    assert (response.status, response.is_terminal) == ("paused", False)
    assert response.model_extra == {"priority": 3}


def test_a_null_list_is_empty() -> None:
    """Fields that are lists are never None."""
    nulls = {"progress": None, "input_messages": None, "artifacts": None}
    response = ResponseObject.model_validate({"response_id": "r", **nulls})
    assert (response.progress, response.input_messages, response.artifacts) == ([], [], [])


def test_an_odd_element_does_not_lose_the_list(caplog: pytest.LogCaptureFixture) -> None:
    """What cannot be read is left out and logged; everything else stays."""
    progress = [{"message": "one", "tool_calls": [{"name": "a"}, 5]}, "odd", {"message": "two", "ts": "yesterday"}]
    data = {"response_id": "r", "status": "succeeded", "progress": progress, "created_at": [], "output_text": "done"}
    with caplog.at_level(logging.WARNING, "lumnisai_core"):
        response = ResponseObject.model_validate(data)
    assert [entry.message for entry in response.progress] == ["one", "two"]
    assert [call.name for call in response.progress[0].tool_calls] == ["a"]
    assert (response.status, response.output_text, response.created_at) == (ResponseStatus.SUCCEEDED, "done", None)
    assert "progress[1]" in caplog.text
    assert "created_at" in caplog.text


def test_one_odd_run_does_not_lose_the_page() -> None:
    """A list keeps the runs it can read."""
    page = ResponseList.model_validate({"responses": [{"response_id": "a"}, None, {"response_id": "b"}], "total": 3})
    assert [response.response_id for response in page.responses] == ["a", "b"]


def test_a_run_without_an_id_is_an_error() -> None:
    """There are limits: nothing can be done with it."""
    with pytest.raises(pydantic.ValidationError):
        ResponseObject.model_validate({"status": "queued"})


def test_times_without_a_zone_are_utc() -> None:
    """Times can always be compared."""
    response = ResponseObject.model_validate({"response_id": "r", "created_at": "2026-03-02T09:15:00.104233"})
    assert response.created_at is not None
    assert response.created_at.tzinfo is UTC


def test_artifacts_of_both_shapes_are_read() -> None:
    """Nulls inside an artifact never lose a finished run."""
    artifacts = [
        {
            "artifactId": "artifact_1",
            "name": "t.md",
            "parts": [{"kind": "text", "text": "# T", "metadata": None}],
            "metadata": None,
            "extensions": None,
        },
        {"type": "code", "language": "python", "content": "1 + 1"},
    ]
    response = ResponseObject.model_validate({"response_id": "r", "artifacts": artifacts})
    assert response.artifacts[0].artifact_id == "artifact_1"
    assert response.artifacts[0].parts[0].text == "# T"
    assert response.artifacts[1].model_extra == {"type": "code", "language": "python", "content": "1 + 1"}


def test_models_are_frozen() -> None:
    """A later state is a new object."""
    response = ResponseObject(response_id="r")
    with pytest.raises(pydantic.ValidationError, match="frozen"):
        response.status = "failed"  # type: ignore[misc]  # that is the point


def test_statuses_print_as_their_text() -> None:
    """No enum names in f-strings."""
    assert f"{ResponseObject(response_id='r').status}" == "queued"
