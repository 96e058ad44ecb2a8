"""Pages of lists, and models that the tests of calls do not read."""

from __future__ import annotations

from lumnisai_core import ArtifactList, FeedbackList, FeedbackType, ThreadList, UserList


def test_a_page_counts_the_items_that_were_sent() -> None:
    """Items that could not be read count, too, so that the next page begins in the right place."""
    page = ThreadList.model_validate({"threads": [{"thread_id": "a"}, 5, None], "total": 9})
    assert (len(page.items), page.received) == (1, 3)
    assert ThreadList.model_validate(page).received == 3
    assert ThreadList.model_validate({"threads": None}).received == 0


def test_a_page_of_users_takes_its_length_from_the_pagination() -> None:
    """The service keeps it in another place than for other lists."""
    page = UserList.model_validate({"users": [{"id": "a"}], "pagination": {"total": 3}})
    assert (page.total, page.more_after(1), page.more_after(3)) == (3, True, False)
    assert UserList.model_validate({"users": [], "pagination": {"has_next": True}}).more_after(1)


def test_stored_artifacts_are_read() -> None:
    """The documented shape, and one with nulls."""
    row = {"artifact_id": "a", "response_id": "r", "name": "t.md", "uri": "artifact_1", "mime_type": "text/markdown"}
    page = ArtifactList.model_validate(
        {"artifacts": [{**row, "bytes": 12}, {"artifact_id": "b", "bytes": None}, {}], "total": 3, "limit": 50}
    )
    assert [(artifact.artifact_id, artifact.bytes) for artifact in page.items] == [("a", 12), ("b", 0)]
    assert (page.total, page.items[0].uri) == (3, "artifact_1")


def test_feedback_is_read() -> None:
    """The documented shape, and unknown kinds."""
    rows = [
        {"feedback_id": "f", "feedback_text": "Shorter.", "feedback_type": "correction", "is_consumed": True},
        {"feedback_id": "g", "feedback_type": "praise", "tool_args_update": {"a": 1}},
    ]
    page = FeedbackList.model_validate({"response_id": "r", "total_feedback": 2, "feedback": rows, "note": "In order."})
    assert [row.feedback_type for row in page.feedback] == [FeedbackType.CORRECTION, "praise"]
    assert page.feedback[1].tool_args_update == {"a": 1}
