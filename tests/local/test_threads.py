"""Threads: conversations, their fields, who may see them, lists."""

from __future__ import annotations

from uuid import UUID, uuid4

import pytest

from lumnisai_core.local import Script
from tests.local.conftest import Serve
from tests.local.support import Api, EchoEngine, HeldEngine

THREAD_FIELDS = {
    "thread_id",
    "tenant_id",
    "user_id",
    "title",
    "created_at",
    "updated_at",
    "response_count",
    "last_response_at",
}


def _thread(api: Api, thread_id: str, **query: str) -> dict[str, object]:
    body: dict[str, object] = api.get(f"/v1/threads/{thread_id}", params=query).json()
    return body


def test_a_run_without_a_thread_makes_one(serve: Serve, held: HeldEngine) -> None:
    """The new thread is as old as its first run, counts it at once, and gets a title when the run has succeeded."""
    api = serve(held)
    run = api.create("How high is the tide?")
    held.arrived()
    thread = _thread(api, run["thread_id"])
    assert thread["created_at"] == thread["last_response_at"] == run["created_at"]
    assert (thread["response_count"], thread["title"]) == (1, None)
    held.release()
    done = api.wait(run["response_id"])
    thread = _thread(api, run["thread_id"])
    assert (thread["title"], thread["updated_at"]) == ("How high is the tide?", done["completed_at"])
    assert set(thread) == THREAD_FIELDS


def test_a_thread_holds_the_conversation(api: Api) -> None:
    """The engine gets all earlier turns in order, answers included, then the new messages."""
    thread_id = api.finish("one")["thread_id"]
    assert api.finish("two", thread_id=thread_id)["output_text"] == "user: one\nassistant: user: one\nuser: two"
    assert _thread(api, thread_id)["response_count"] == 2


def test_turns_that_did_not_succeed_are_not_part_of_the_conversation(serve: Serve, held: HeldEngine) -> None:
    """Neither failed nor active runs are shown to the engine; two runs may be active in one thread."""
    api = serve(held)
    first = api.create("first")
    held.arrived()
    second = api.create("second", thread_id=first["thread_id"])
    held.arrived()
    assert [item.content for item in held.requests[-1].messages] == ["second"]
    held.release()
    assert api.wait(first["response_id"])["status"] == api.wait(second["response_id"])["status"] == "succeeded"


def test_threads_are_made_renamed_and_deleted(api: Api) -> None:
    """A thread can exist before its first run; deleting it deletes its runs."""
    thread = api.post("/v1/threads", json={"title": "Tides", "user_id": "ada"})
    assert (thread.status_code, thread.json()["title"], thread.json()["response_count"]) == (201, "Tides", 0)
    path = f"/v1/threads/{thread.json()['thread_id']}"
    run = api.finish(thread_id=thread.json()["thread_id"])
    assert api.patch(path, json={"title": "Neap tides"}).json()["title"] == "Neap tides"
    assert api.patch(path, json={}).json()["title"] == "Neap tides"
    assert api.patch(path, json={"title": None}).json()["title"] is None
    assert api.patch(path, json={"title": "x" * 501}).status_code == 422
    gone = api.delete(path)
    assert (gone.status_code, gone.content) == (204, b"")
    assert api.get(path).status_code == 404
    assert api.get(f"/v1/responses/{run['response_id']}").status_code == 404


@pytest.mark.parametrize("body", [None, b"", b"null", b"{}"])
def test_a_thread_needs_no_body(api: Api, body: bytes | None) -> None:
    """A thread can be made without saying anything about it."""
    reply = api.post("/v1/threads", content=body, headers={"content-type": "application/json"})
    assert (reply.status_code, reply.json()["user_id"]) == (201, None)


def test_deleting_a_thread_cancels_its_runs(serve: Serve, held: HeldEngine) -> None:
    """An active run ends with its thread."""
    api = serve(held)
    run = api.create()
    held.arrived()
    assert api.delete(f"/v1/threads/{run['thread_id']}").status_code == 204
    assert held.cancelled.wait(20)


def test_a_run_in_an_unknown_thread_is_404(api: Api) -> None:
    """A thread must exist to be continued."""
    body = {"messages": [{"role": "user", "content": "x"}], "thread_id": str(uuid4())}
    assert api.post("/v1/responses", json=body).status_code == 404


@pytest.mark.parametrize(
    "name", ["ada@example.org", "user-123", "\u00e9l\u00e8ve", "0F8FAD5B-D9CB-469F-A165-70867728950E"]
)
def test_a_user_has_one_id_whatever_form_is_sent(api: Api, name: str) -> None:
    """Replies carry a stable UUID; the name and the UUID select the same runs."""
    run = api.finish(user_id=name)
    assert str(UUID(run["user_id"])) == run["user_id"]
    for form in (name, run["user_id"], f" {name} "):
        assert api.look(run["response_id"], user_id=form)["user_id"] == run["user_id"]
        assert api.get("/v1/responses", params={"user_id": form}).json()["total"] == 1
        assert api.get("/v1/threads", params={"user_id": form}).json()["total"] == 1


def test_an_address_is_the_same_in_any_case(api: Api) -> None:
    """E-mail addresses do not depend on case; other names do."""
    assert api.finish(user_id="Ada@Example.org")["user_id"] == api.finish(user_id="ada@example.org")["user_id"]
    assert api.finish(user_id="Ada")["user_id"] != api.finish(user_id="ada")["user_id"]


def test_a_named_user_reaches_only_their_own(api: Api) -> None:
    """Where a request names a user, the runs and threads of others do not exist."""
    run = api.finish(user_id="ada")
    paths = (
        ("GET", f"/v1/responses/{run['response_id']}"),
        ("POST", f"/v1/responses/{run['response_id']}/cancel"),
        ("GET", f"/v1/responses/{run['response_id']}/artifacts"),
        ("GET", f"/v1/threads/{run['thread_id']}"),
        ("GET", f"/v1/threads/{run['thread_id']}/responses"),
        ("DELETE", f"/v1/threads/{run['thread_id']}"),
    )
    for method, path in paths:
        assert api.request(method, path, params={"user_id": "bob"}).status_code == 404
    body = {"messages": [{"role": "user", "content": "x"}], "thread_id": run["thread_id"], "user_id": "bob"}
    assert api.post("/v1/responses", json=body).status_code == 404
    patch = api.patch(f"/v1/threads/{run['thread_id']}", params={"user_id": "bob"}, json={"title": "mine"})
    assert patch.status_code == 404


def test_a_run_in_a_users_thread_belongs_to_the_user(api: Api) -> None:
    """A run that names no user takes the user of its thread."""
    run = api.finish(user_id="ada")
    assert api.finish(thread_id=run["thread_id"])["user_id"] == run["user_id"]


def test_lists_are_newest_first_and_paged(api: Api) -> None:
    """Pages do not overlap, totals count everything, and a thread's runs are a bare list."""
    first = api.finish("0")
    runs = [first, *(api.finish(str(n), thread_id=first["thread_id"]) for n in range(1, 5))]
    newest = [run["response_id"] for run in reversed(runs)]
    page = api.get("/v1/responses", params={"limit": 2, "offset": 1}).json()
    assert [run["response_id"] for run in page["responses"]] == newest[1:3]
    assert (page["total"], page["limit"], page["offset"]) == (5, 2, 1)
    bare = api.get(f"/v1/threads/{first['thread_id']}/responses", params={"limit": 3}).json()
    assert [run["response_id"] for run in bare] == newest[:3]
    other = api.finish("elsewhere")
    threads = api.get("/v1/threads").json()
    assert [thread["thread_id"] for thread in threads["threads"]] == [other["thread_id"], first["thread_id"]]
    assert threads["total"] == 2
    assert api.get("/v1/responses", params={"offset": 99}).json()["responses"] == []


def test_runs_are_listed_by_status_and_date(serve: Serve) -> None:
    """Status and both dates, inclusive, narrow the list."""
    api = serve(Script(error=("A", "b")))
    today = api.finish()["created_at"][:10]
    for query, count in (
        ({"status": "failed"}, 1),
        ({"status": "succeeded"}, 0),
        ({"start_date": today, "end_date": today}, 1),
        ({"start_date": "2999-01-01"}, 0),
        ({"end_date": "1999-12-31"}, 0),
        ({"end_date": "9999-12-31"}, 1),
    ):
        assert api.get("/v1/responses", params=query).json()["total"] == count


def test_a_title_is_the_first_line_cut_at_a_word(serve: Serve) -> None:
    """A thread's generated title is short."""
    api = serve(EchoEngine())
    run = api.finish("\n  What is " + "very " * 30 + "high?\nMore.")
    assert run["response_title"].endswith("very...")
    assert len(run["response_title"]) <= 60
