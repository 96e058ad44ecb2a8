"""Where the platform's behaviour is not known, the service can be set to either: limits, ids, artifacts."""

from __future__ import annotations

from pathlib import Path
from typing import Any
from uuid import UUID

import pytest

from lumnisai_core import Client
from lumnisai_core.local import LocalLumnis, Script, ScriptedEngine, Step
from tests.local.conftest import Serve
from tests.local.support import Api, EchoEngine, HeldEngine

LISTS = [
    ("/v1/responses", "limit"),
    ("/v1/responses/{run}/artifacts", "limit"),
    ("/v1/threads", "limit"),
    ("/v1/threads/{thread}/responses", "limit"),
    ("/v1/users", "page_size"),
    ("/v1/users/ada@example.org/responses", "page_size"),
    ("/v1/users/ada@example.org/threads", "page_size"),
    ("/v1/files", "limit"),
    ("/v1/files/", "limit"),
    ("/v1/mcp-servers", "limit"),
    ("/v1/skills", "page_size"),
    ("/v1/skills/usage", "page_size"),
]
PARTS = {
    "artifactId": "a1",
    "name": "plan.md",
    "description": "The plan",
    "parts": [
        {"kind": "text", "text": "High.", "metadata": None},
        {"kind": "data", "data": {}},
        {"kind": "text", "text": "Low.", "metadata": None},
    ],
    "metadata": None,
    "extensions": [],
}
CODE = {"artifactId": "a2", "type": "code", "language": "python", "content": "print()"}


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"limits": "ignore"}, "limits must be 'reject' or 'clamp', got 'ignore'"),
        ({"entry_ids": "no"}, "entry_ids must be True or False, got 'no'"),
        ({"artifact_shape": "raw"}, "artifact_shape must be 'parts' or 'content', got 'raw'"),
    ],
)
def test_a_setting_that_does_not_exist_is_refused(options: dict[str, Any], message: str) -> None:
    """The message names the setting, what it may be and what it was."""
    with pytest.raises(ValueError, match=message):
        LocalLumnis(**options)


def _places(api: Api) -> list[tuple[str, str]]:
    """Return path and name of the limit of every list, with ids of things that exist."""
    api.ok("POST", "/v1/users", json={"email": "ada@example.org"})
    run = api.finish(user_id="ada@example.org")
    return [(path.format(run=run["response_id"], thread=run["thread_id"]), name) for path, name in LISTS]


def test_a_limit_above_the_maximum_is_refused(api: Api) -> None:
    """Unless told otherwise, one more than the maximum is 422 in every list."""
    for path, name in _places(api):
        assert api.refused(422, "GET", path, params={name: 101}) == [["query", name]]
        api.ok("GET", path, params={name: 100})


def test_a_limit_above_the_maximum_is_clamped(serve: Serve) -> None:
    """Then the reply is that to the maximum; what is too low, no number or wrong elsewhere is still 422."""
    api = serve(EchoEngine(), limits="clamp")
    for path, name in _places(api):
        at_most = api.ok("GET", path, params={name: 100})
        for value in ("101", str(10**30)):
            assert api.ok("GET", path, params={name: value}) == at_most
        shown = at_most.get("pagination", at_most) if isinstance(at_most, dict) else {name: 100}
        assert shown[name] == 100
        for value in ("0", "many"):
            assert api.refused(422, "GET", path, params={name: value}) == [["query", name]]
    query = {"limit": 101, "offset": -1, "status": "done"}
    assert api.refused(422, "GET", "/v1/responses", params=query) == [["query", "offset"], ["query", "status"]]
    assert api.refused(422, "GET", "/v1/files", params={"page": 2**49}) == [["query", "page"]]


def test_a_clamped_page_holds_the_maximum(serve: Serve) -> None:
    """The items stop there, and the next page begins there."""
    api = serve(EchoEngine(), limits="clamp")
    for number in range(102):
        api.ok("POST", "/v1/users", json={"email": f"user{number}@example.org"})
    pages = [api.ok("GET", "/v1/users", params={"page_size": 500, "page": page}) for page in (1, 2)]
    assert [len(page["users"]) for page in pages] == [100, 2]
    assert (pages[0]["pagination"]["total_pages"], pages[0]["pagination"]["has_next"]) == (2, True)


@pytest.mark.parametrize("limits", ["reject", "clamp"])
def test_the_search_of_files_has_a_maximum_of_its_own(serve: Serve, limits: str) -> None:
    """A search gives 50 pieces at most."""
    api = serve(EchoEngine(), limits=limits)
    text = "\n".join(f"Line {number} is about harbours." + " and nets" * 80 for number in range(60))
    upload = api.ok("POST", "/v1/files/upload", files={"file": ("a.txt", text)}, data={"scope": "tenant"})
    while api.ok("GET", f"/v1/files/{upload['file_id']}/status")["status"] != "completed":
        pass
    if limits == "reject":
        body = {"query": "harbours", "limit": 51}
        assert api.refused(422, "POST", "/v1/files/search", json=body) == [["body", "limit"]]
    else:
        (found,) = api.ok("POST", "/v1/files/search", json={"query": "harbours", "limit": 1000})["results"]
        assert len(found["chunks"]) == 50
        body = {"query": "", "limit": 1000}
        assert api.refused(422, "POST", "/v1/files/search", json=body) == [["body", "query"]]


STEPS = [
    Step("one", tool_calls=[{"name": "search"}, {"name": "read", "id": "mine"}]),
    Step("two"),
    Step(add_to=0, tool_calls=[{"name": "write"}]),
]


def test_entries_and_calls_have_no_ids_of_the_service(serve: Serve) -> None:
    """Unless told otherwise, nothing is added to what the engine says."""
    run = serve(Script(STEPS, "done")).finish()
    assert all("id" not in entry for entry in run["progress"])
    assert run["progress"][0]["tool_calls"] == [{"name": "search"}, {"name": "read", "id": "mine"}, {"name": "write"}]


def test_ids_stay_while_entries_and_calls_change(serve: Serve, held: HeldEngine) -> None:
    """An id goes with its entry or call, whatever else happens to it; what is new has a new one."""
    api = serve(held, entry_ids=True)
    response_id = api.create()["response_id"]
    report = held.arrived()

    def shown() -> tuple[list[str], list[str]]:
        entries = api.look(response_id)["progress"]
        return [entry["id"] for entry in entries], [call["id"] for call in entries[0]["tool_calls"] or ()]

    report.progress("one", tool_calls=[{"name": "search"}, {"name": "read", "id": "mine"}])
    (first,), (search, read) = shown()
    assert UUID(first) != UUID(search)
    assert read == "mine"
    report.progress("two")
    report.add_tool_calls(0, {"name": "write"})
    entries, calls = shown()
    assert (entries[0], calls[:2], len({*entries, *calls})) == (first, [search, read], 5)
    report.replace(0, message="One", tool_calls=[{"name": "search", "output_text": "Found."}, {"name": "ask"}])
    assert shown()[0] == entries
    assert shown()[1][0] == search
    assert shown()[1][1] not in calls
    report.reset()
    report.progress("one")
    assert shown()[0][0] not in entries
    kept = shown()
    held.release()
    api.wait(response_id)
    assert shown() == kept


def test_ids_are_the_same_in_every_reply_and_after_a_restart(tmp_path: Path) -> None:
    """A run, the lists it is in and a later service on the same file tell the same ids."""
    path = tmp_path / "lumnis.db"
    user = "ada@example.org"
    for again in (False, True):
        held = HeldEngine()
        with LocalLumnis(engine=held, path=path, api_key="lmn_key", entry_ids=True) as local, Api(local) as api:
            if not again:
                api.ok("POST", "/v1/users", json={"email": user})
                run = api.create(user_id=user)
                held.arrived().progress("one", tool_calls=[{"name": "search"}])
                held.release()
                run = api.wait(run["response_id"])
            assert str(UUID(run["progress"][0]["id"])) == run["progress"][0]["id"]
            assert api.look(run["response_id"])["progress"] == run["progress"]
            assert api.ok("GET", "/v1/responses")["responses"] == [run]
            assert api.ok("GET", f"/v1/threads/{run['thread_id']}/responses") == [run]
            assert api.ok("GET", f"/v1/users/{user}/responses") == [run]


def test_feedback_names_ids_that_were_shown(serve: Serve, held: HeldEngine) -> None:
    """The engine gets them, and feedback is found by them."""
    api = serve(held, entry_ids=True)
    response_id = api.create()["response_id"]
    report = held.arrived()
    report.progress("one", tool_calls=[{"name": "search"}])
    entry = api.look(response_id)["progress"][0]
    path, call = f"/v1/responses/{response_id}/feedback", entry["tool_calls"][0]["id"]
    api.ok("POST", path, json={"feedback_text": "No.", "progress_id": entry["id"], "tool_call_id": call})
    api.ok("POST", path, json={"feedback_text": "Well."})
    assert api.ok("GET", path, params={"progress_id": entry["id"]})["total_feedback"] == 1
    assert [(item.progress_id, item.tool_call_id) for item in report.feedback()] == [(entry["id"], call), (None, None)]
    held.release()


def test_artifacts_are_shown_as_the_engine_made_them(serve: Serve) -> None:
    """Unless told otherwise, a run shows them as they are."""
    assert serve(Script(output_text="done", artifacts=[PARTS, CODE])).finish()["artifacts"] == [PARTS, CODE]


def test_artifacts_are_shown_with_one_content(serve: Serve) -> None:
    """The texts of the parts are joined, in every reply with runs; other documents and the stored ones stay."""
    user = "ada@example.org"
    listing = {**PARTS, "language": "markdown"}
    scripts = Script(output_text="done", artifacts=[PARTS, listing, CODE, {"name": "empty"}])
    api = serve(scripts, artifact_shape="content")
    api.ok("POST", "/v1/users", json={"email": user})
    run = api.finish(user_id=user)
    assert run["artifacts"] == [
        {"type": "text", "content": "High.\nLow."},
        {"type": "text", "content": "High.\nLow.", "language": "markdown"},
        CODE,
        {"type": "text", "content": "", "name": "empty"},
    ]
    assert api.ok("GET", "/v1/responses")["responses"] == [run]
    assert api.ok("GET", f"/v1/threads/{run['thread_id']}/responses") == [run]
    assert api.ok("GET", f"/v1/users/{user}/responses") == [run]
    stored = api.ok("GET", f"/v1/responses/{run['response_id']}/artifacts")["artifacts"]
    assert [item["name"] for item in stored] == ["plan.md", "artifact-3", "empty"]


def test_a_run_without_artifacts_has_none_in_either_shape(serve: Serve) -> None:
    """There is nothing to convert."""
    assert serve(EchoEngine(), artifact_shape="content").finish()["artifacts"] is None


def test_the_client_reads_every_setting() -> None:
    """Ids and the other shape are kept as further fields."""
    script = Script(STEPS, "done", artifacts=[PARTS])
    with (
        LocalLumnis(engine=ScriptedEngine(script), entry_ids=True, artifact_shape="content") as local,
        Client(local.api_key, base_url=local.base_url, user_id="ada") as client,
    ):
        run = client.invoke("Hello")
        assert set(run.progress[0].model_extra or {}) == {"id"}
        assert [(call.model_extra or {})["id"] for call in run.progress[0].tool_calls][1] == "mine"
        assert [item.model_extra for item in run.artifacts] == [{"type": "text", "content": "High.\nLow."}]
