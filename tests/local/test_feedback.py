"""Feedback for a run while it works, and the artifacts of a run."""

from __future__ import annotations

import asyncio
import threading
from typing import Any
from uuid import UUID, uuid4

import pytest

from lumnisai_core.local import Feedback, LocalLumnis, RunReport, RunRequest, RunResult, Script
from tests.local.conftest import Serve
from tests.local.support import Api, EchoEngine, HeldEngine, other_tenant

FEEDBACK_FIELDS = {
    "feedback_id",
    "response_id",
    "tenant_id",
    "user_id",
    "feedback_text",
    "feedback_type",
    "progress_id",
    "tool_call_id",
    "tool_args_update",
    "is_consumed",
    "consumed_at",
    "created_at",
}
ARTIFACT = {"artifactId": "a1", "name": "notes.md", "description": "", "parts": [{"kind": "text", "text": "Tides."}]}


def _path(run: dict[str, Any], tail: str = "feedback") -> str:
    return f"/v1/responses/{run['response_id']}/{tail}"


def test_feedback_reaches_the_engine_once_and_in_order(serve: Serve, held: HeldEngine) -> None:
    """The engine takes what came in since it last looked; taken feedback counts as consumed."""
    api = serve(held)
    run = api.create(user_id="ada")
    report = held.arrived()
    full = {
        "feedback_text": "Use knots.",
        "feedback_type": "correction",
        "user_id": "ada",
        "progress_id": "p1",
        "tool_call_id": "t1",
        "tool_args_update": {"unit": "kn"},
    }
    first = api.post(_path(run), json={"feedback_text": "Shorter."})
    assert (first.status_code, set(first.json())) == (201, {"feedback_id", "created_at"})
    api.ok("POST", _path(run), json=full)
    before = api.ok("GET", _path(run))
    assert (before["total_feedback"], before["consumed_count"], before["unconsumed_count"]) == (2, 0, 2)
    taken = report.feedback()
    assert [(item.text, item.type) for item in taken] == [("Shorter.", "suggestion"), ("Use knots.", "correction")]
    assert (taken[1].progress_id, taken[1].tool_call_id, taken[1].tool_args_update) == ("p1", "t1", {"unit": "kn"})
    assert taken[1].user_id == api.look(run["response_id"])["user_id"]
    assert report.feedback() == []
    after = api.ok("GET", _path(run))
    assert (after["consumed_count"], after["unconsumed_count"], bool(after["note"])) == (2, 0, True)
    assert all(item["is_consumed"] and item["consumed_at"] for item in after["feedback"])
    assert set(after["feedback"][0]) == FEEDBACK_FIELDS
    one = api.ok("GET", _path(run), params={"progress_id": "p1"})
    assert (one["total_feedback"], one["progress_id_filter"]) == (1, "p1")
    held.release()


class Listening:
    """Answers with the first feedback it gets; asks in the service's own thread."""

    def __init__(self) -> None:
        self.started = threading.Event()

    async def run(self, request: RunRequest, report: RunReport) -> RunResult:
        self.started.set()
        taken: list[Feedback] = []
        while not taken:
            await asyncio.sleep(0)
            taken = report.feedback()
        return RunResult(taken[0].text)


def test_an_engine_can_wait_for_feedback(serve: Serve) -> None:
    """Feedback can decide how a run ends."""
    api = serve(Listening())
    run = api.create()
    api.ok("POST", _path(run), json={"feedback_text": "Enough."})
    assert api.wait(run["response_id"])["output_text"] == "Enough."
    assert api.ok("GET", _path(run))["consumed_count"] == 1


def test_the_offline_engine_takes_feedback_into_account() -> None:
    """Feedback during a search changes the query."""
    with LocalLumnis(step_delay=0.2) as local, Api(local) as slow:
        text = "Tell me about the harbour.\n\nThe harbour is old. The harbour pilots use tugs. Cranes came later."
        run = slow.create(text)
        slow.ok("POST", _path(run), json={"feedback_text": "Mention cranes."})
        assert "Cranes came later." in slow.wait(run["response_id"])["output_text"]


def test_a_finished_run_takes_no_feedback(api: Api) -> None:
    """Feedback for a run that has ended is a conflict and is not kept."""
    run = api.finish()
    assert api.refused(409, "POST", _path(run), json={"feedback_text": "Late."}) == "ALREADY_FINISHED"
    assert api.ok("GET", _path(run))["feedback"] == []


@pytest.mark.parametrize(
    ("body", "place"),
    [
        (b"{", ["body"]),
        ({}, ["body", "feedback_text"]),
        ({"feedback_text": ""}, ["body", "feedback_text"]),
        ({"feedback_text": "x" * 5001}, ["body", "feedback_text"]),
        ({"feedback_text": "x", "feedback_type": "praise"}, ["body", "feedback_type"]),
        ({"feedback_text": "x", "tool_args_update": {}}, ["body"]),
        ({"feedback_text": "x", "tool_call_id": "t", "tool_args_update": []}, ["body", "tool_args_update"]),
    ],
)
def test_bad_feedback_is_422_and_not_kept(serve: Serve, held: HeldEngine, body: Any, place: list[str]) -> None:
    """Invalid feedback leaves no trace."""
    api = serve(held)
    run = api.create()
    held.arrived()
    sent = {"content": body} if isinstance(body, bytes) else {"json": body}
    assert api.refused(422, "POST", _path(run), **sent) == [place]
    assert api.ok("GET", _path(run))["total_feedback"] == 0
    held.release()


def test_feedback_of_others_is_out_of_reach(serve: Serve, held: HeldEngine) -> None:
    """Neither another tenant nor another user can give feedback to a run or read its feedback."""
    api = serve(held)
    run = api.create(user_id="ada")
    held.arrived()
    bob = {"feedback_text": "Stop.", "user_id": "bob"}
    assert api.refused(404, "POST", _path(run), json=bob) == "NOT_FOUND"
    assert api.refused(404, "GET", _path(run), params={"user_id": "bob"}) == "NOT_FOUND"
    with other_tenant(api) as other:
        assert other.refused(404, "POST", _path(run), json={"feedback_text": "Stop."}) == "NOT_FOUND"
        assert other.refused(404, "GET", _path(run)) == "NOT_FOUND"
    assert api.refused(404, "GET", f"/v1/responses/{uuid4()}/feedback") == "NOT_FOUND"
    assert api.ok("GET", _path(run))["total_feedback"] == 0
    held.release()


def test_artifacts_of_a_run_are_stored_and_listed(serve: Serve) -> None:
    """Each inline artifact is listed with a UUID, an address, a media type and its size."""
    second = {"artifactId": str(uuid4()), "type": "code", "content": "print('\u00e9')"}
    api = serve(Script(output_text="done", artifacts=[ARTIFACT, second]))
    run = api.finish()
    assert run["artifacts"][0]["artifactId"] == "a1"
    shown = api.ok("GET", _path(run, "artifacts"))
    assert (shown["total"], shown["limit"], shown["offset"]) == (2, 50, 0)
    first, other = shown["artifacts"]
    assert first == {
        "artifact_id": str(UUID(first["artifact_id"])),
        "response_id": run["response_id"],
        "name": "notes.md",
        "uri": f"artifact_{first['artifact_id']}",
        "mime_type": "text/markdown",
        "bytes": 6,
        "created_at": first["created_at"],
    }
    assert (other["artifact_id"], other["bytes"]) == (second["artifactId"], 11)
    assert api.ok("GET", _path(run, "artifacts"), params={"limit": 1, "offset": 1})["artifacts"] == [other]


def test_artifacts_go_with_their_thread(serve: Serve) -> None:
    """A deleted run leaves no artifacts."""
    api = serve(Script(output_text="done", artifacts=[ARTIFACT]))
    run = api.finish()
    api.ok("DELETE", f"/v1/threads/{run['thread_id']}")
    assert api.refused(404, "GET", _path(run, "artifacts")) == "NOT_FOUND"


def test_a_run_without_artifacts_lists_none(serve: Serve) -> None:
    """An empty list is a list."""
    run = (api := serve(EchoEngine())).finish()
    assert api.ok("GET", _path(run, "artifacts"))["artifacts"] == []
