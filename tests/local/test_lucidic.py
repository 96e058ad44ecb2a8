"""The embedded observability service: sessions, events, payloads, prompts, datasets, flags, over real sockets."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from uuid import uuid4

import httpx
import pytest

from lumnisai_core.local import Fault, LocalLumnis, ScriptableLumnis
from lumnisai_core.local.lucidic.summary import Summary, summarised
from tests.local.support import Lucidic, counted_steps

LLM = {
    "request": {"provider": "openai", "model": "gpt-4o-mini", "messages": [{"role": "user", "content": "Where?"}]},
    "response": {"output": "In the harbour."},
    "usage": {"input_tokens": 31, "output_tokens": 12, "cost": 0.5},
    "status": "ok",
}


def test_clients_find_the_service_by_its_environment(local: LocalLumnis) -> None:
    """Address, key and an agent id; the key is in no repr."""
    known = local.environment()
    assert known["LUCIDIC_BASE_URL"] == local.lucidic.base_url == f"{local.base_url}/lucidic"
    assert (known["LUCIDIC_API_KEY"], known["LUCIDIC_AGENT_ID"]) == (local.lucidic.api_key, local.lucidic.agent_id)
    assert local.lucidic.api_key not in repr(local.lucidic)


# Keys and agents


@pytest.mark.parametrize("sent", ["", "Api-Key wrong", "Bearer {key}", "Api-Key", "{key}"])
def test_only_the_key_in_its_own_scheme_is_accepted(local: LocalLumnis, sent: str) -> None:
    """Anything else is a 401 with a detail, without the key."""
    headers = {"authorization": sent.format(key=local.lucidic.api_key), "x-agent-id": "a"}
    reply = httpx.get(f"{local.lucidic.base_url}/sessions", headers=headers)
    assert (reply.status_code, reply.json()) == (401, {"detail": "The API key is missing or not valid."})


def test_any_agent_works_and_sees_its_own_only(local: LocalLumnis) -> None:
    """Sessions, events, datasets and prompts of another agent are unknown; without an agent, all are seen."""
    with Lucidic(local, "isolated-1") as one, Lucidic(local, "isolated-2") as other, Lucidic(local, None) as every:
        session_id = one.session()
        event_id = one.event(session_id)["event_id"]
        dataset_id = one.ok("POST", "/sdk/datasets/create", json={"name": "Cases"})["dataset_id"]
        one.ok("PUT", "/sdk/prompts", json={"prompt_name": "greeting", "prompt_content": "Hi"})
        missing = {"detail": "Session not found"}
        assert other.refused(404, "GET", f"/sessions/{session_id}") == missing
        assert other.refused(404, "PUT", "/updatesession", json={"session_id": session_id, "task": "x"}) == missing
        assert other.refused(404, "POST", "/events", json={"session_id": session_id}) == missing
        assert other.refused(404, "GET", "/events", params={"session_id": session_id}) == missing
        assert other.refused(404, "GET", f"/events/{event_id}") == {"detail": "Event not found"}
        other.refused(404, "GET", "/getdataset", params={"dataset_id": dataset_id})
        other.refused(404, "GET", "/sdk/prompts", params={"prompt_name": "greeting"})
        other.refused(409, "POST", "/initsession", json={"session_id": session_id})
        for path in ("/sessions", "/events"):
            assert other.ok("GET", path) == {"count": 0, "results": []}
            assert one.ok("GET", path)["count"] == 1
            assert every.ok("GET", path, params={"agent_id": "isolated-1"})["count"] == 1
        assert every.ok("GET", f"/events/{event_id}")["session_id"] == session_id
        every.refused(400, "POST", "/initsession", json={"session_id": "s"})


def test_the_keys_of_other_tenants_do_not_reach_it() -> None:
    """Only the service's own key is one."""
    with LocalLumnis(tenants={"acme": ["key-1"], "globex": ["key-2"]}) as local:
        reply = httpx.get(f"{local.lucidic.base_url}/sessions", headers={"authorization": "Api-Key key-2"})
    assert (local.lucidic.api_key, reply.status_code) == ("key-1", 401)


def test_an_expired_key_is_refused_here_too() -> None:
    """From the start or from now on, and until it is admitted again."""
    past = datetime(2001, 1, 1, tzinfo=UTC)
    with LocalLumnis(api_key="key-1", key_expiry={"key-1": past}) as local, Lucidic(local) as lucidic:
        lucidic.refused(401, "GET", "/sessions")
        local.add_key("key-2")
        lucidic.refused(401, "GET", "/sessions")
        local.add_key("key-1")
        lucidic.ok("GET", "/sessions")
        local.add_key("key-1", expires_at=past)
        lucidic.refused(401, "GET", "/sessions")


# Sessions


def test_a_session_has_what_it_was_created_with(lucidic: Lucidic) -> None:
    """Every documented field comes back; the rest has its default."""
    fields = {
        "task": "Answer a refund question",
        "tags": ["staging"],
        "experiment_id": "exp-31",
        "datasetitem_id": "item-1",
        "checkpoint_id": "cp-1",
        "evaluators": ["politeness"],
        "production_monitoring": True,
    }
    session_id = lucidic.session(**fields, current_time="2026-02-01T10:00:00.120000+00:00")
    session = lucidic.ok("GET", f"/sessions/{session_id}")
    assert fields.items() <= session.items()
    assert (session["session_name"], session["is_finished"], session["is_successful"]) == ("Refund desk", False, None)
    assert (session["evaluations"], session["event_count"]) == ([], 0)


def test_an_existing_id_resumes_its_session(lucidic: Lucidic) -> None:
    """What is sent anew changes, the default name does not, and an ended session stays ended."""
    session_id = lucidic.session(task="First")
    lucidic.event(session_id)
    lucidic.ok("PUT", "/updatesession", json={"session_id": session_id, "is_finished": True})
    again = {"session_id": session_id, "session_name": "Unnamed Session", "task": "Second"}
    resumed = lucidic.ok("POST", "/initsession", json=again)
    assert (resumed["session_name"], resumed["task"], resumed["event_count"]) == ("Refund desk", "Second", 1)
    assert resumed["is_finished"] is True
    assert lucidic.ok("GET", "/sessions")["count"] == 1


def test_an_update_changes_only_what_it_names(lucidic: Lucidic) -> None:
    """Missing and null fields stay; ending sets a time, which opening again takes away; false is a value."""
    session_id = lucidic.session(task="Answer")
    ended = {"session_id": session_id, "is_finished": True, "is_successful": False, "session_eval": 0.2, "task": None}
    session = lucidic.ok("PUT", "/updatesession", json=ended)
    assert (session["task"], session["is_successful"], session["session_eval"]) == ("Answer", False, 0.2)
    assert session["finished_at"] >= session["created_at"]
    lucidic.event(session_id)  # accepted after the end
    opened = lucidic.ok("PUT", "/updatesession", json={"session_id": session_id, "is_finished": False})
    assert (opened["is_finished"], opened["finished_at"], opened["is_successful"]) == (False, None, False)


def test_sessions_are_listed_newest_first(lucidic: Lucidic) -> None:
    """In pages, by experiment, and by a text in name, task, tags or id; a percent sign is a percent sign."""
    ids = [lucidic.session(session_name=f"Nr {number}%", experiment_id=f"exp-{number % 2}") for number in range(5)]
    page = lucidic.ok("GET", "/sessions", params={"limit": 2, "offset": 1})
    assert (page["count"], [one["session_id"] for one in page["results"]]) == (5, [ids[3], ids[2]])
    assert lucidic.ok("GET", "/sessions", params={"experiment_id": "exp-1"})["count"] == 2
    for text, count in (("nr 3%", 1), ("%", 5), ("_", 0), (ids[2], 1), ("exp-0", 3), ("\\", 0)):
        assert lucidic.ok("GET", "/sessions", params={"search": text})["count"] == count, text


def test_evaluations_belong_to_a_session(lucidic: Lucidic) -> None:
    """An empty 201; the type must be that of the result; the session must exist."""
    session_id = lucidic.session()
    for result, kind in ((True, "boolean"), (0.87, "number"), (3, "number"), ("good", "string")):
        body = {"session_id": session_id, "result": result, "result_type": kind, "name": "accuracy"}
        reply = lucidic.post("/sdk/evals", json=body)
        assert (reply.status_code, reply.content) == (201, b"")
    shown = lucidic.ok("GET", f"/sessions/{session_id}")["evaluations"]
    assert [one["result"] for one in shown] == [True, 0.87, 3, "good"]
    wrong = {"session_id": session_id, "result": True, "result_type": "number"}
    assert "result is not a number" in lucidic.refused(422, "POST", "/sdk/evals", json=wrong)["detail"]
    lucidic.refused(404, "POST", "/sdk/evals", json={"session_id": "none", "result": "x", "result_type": "string"})


def test_an_experiment_has_an_id_that_sessions_join(lucidic: Lucidic) -> None:
    """Evaluators come in one list."""
    body = {"experiment_name": "Tone", "description": "", "tags": ["a"], "evaluator_names": ["polite", "score"]}
    experiment = lucidic.ok("POST", "/createexperiment", json=body)
    assert body.items() <= experiment.items()
    session_id = lucidic.session(experiment_id=experiment["experiment_id"])
    found = lucidic.ok("GET", "/sessions", params={"experiment_id": experiment["experiment_id"]})
    assert [one["session_id"] for one in found["results"]] == [session_id]


# Events


def test_an_event_comes_back_as_it_was_sent(lucidic: Lucidic) -> None:
    """By the service's id and by the client's; a parent may come later or never."""
    sent = {
        "client_event_id": str(uuid4()),
        "client_parent_event_id": str(uuid4()),
        "type": "llm_generation",
        "occurred_at": "2026-02-01T10:00:01.000000+00:00",
        "duration": 1.42,
        "tags": ["orders"],
        "metadata": {"region": "north", "nested": [1, None, "\N{ANCHOR}"]},
        "screenshots": ["data:1"],
        "payload": LLM,
    }
    made = lucidic.event(lucidic.session(), **sent)
    assert "blob_url" not in made
    for event_id in (made["event_id"], sent["client_event_id"]):
        event = lucidic.ok("GET", f"/events/{event_id}")
        assert sent.items() <= event.items()
        assert event["event_id"] == made["event_id"]


def test_a_client_id_makes_one_event(lucidic: Lucidic) -> None:
    """Also under concurrency; the same id in another session is another event."""
    first, second, client_id = lucidic.session(), lucidic.session(), str(uuid4())
    with ThreadPoolExecutor(8) as pool:
        answers = list(pool.map(lambda n: lucidic.event(first, {"details": n}, client_event_id=client_id), range(16)))
    assert len({answer["event_id"] for answer in answers}) == 1
    assert lucidic.event(second, client_event_id=client_id)["event_id"] != answers[0]["event_id"]
    assert [lucidic.ok("GET", f"/sessions/{one}")["event_count"] for one in (first, second)] == [1, 1]


def test_events_are_listed_in_order_of_arrival(lucidic: Lucidic) -> None:
    """In pages without gaps, of a session, of a type, or of all sessions of the agent."""
    session_id, other = lucidic.session(), lucidic.session()
    kinds = ["generic", "function_call", "my_type"]
    made = [lucidic.event(session_id, type=kinds[number % 3])["event_id"] for number in range(7)]
    lucidic.event(other)

    def listed(**query: Any) -> tuple[int, list[str]]:
        answer = lucidic.ok("GET", "/events", params=query)
        return answer["count"], [event["event_id"] for event in answer["results"]]

    assert listed(session_id=session_id) == (7, made)
    assert listed(session_id=session_id, limit=2, offset=4) == (7, made[4:6])
    assert listed(session_id=session_id, offset=7) == (7, [])
    assert listed(session_id=session_id, type="my_type", limit=1, offset=1) == (2, [made[5]])
    assert listed()[0] == 8
    assert listed(type="function_call") == (2, [made[1], made[4]])


def test_a_payload_in_wire_form_may_name_its_ids_without_client(lucidic: Lucidic) -> None:
    """The official client sends them so when it gets a payload as a whole."""
    body = {"event_id": "mine", "parent_event_id": "above", "session_id": lucidic.session(), "payload": {"details": 1}}
    event = lucidic.ok("POST", "/events", json=body)
    assert (event["client_event_id"], event["client_parent_event_id"]) == ("mine", "above")


def test_sums_of_a_session_follow_its_events(lucidic: Lucidic) -> None:
    """Tokens, cost and errors are counted with each event, and counted anew with each change."""
    session_id = lucidic.session()
    made = lucidic.event(session_id, LLM, type="llm_generation")
    lucidic.event(session_id, {"function_name": "find", "error": "timeout"}, type="function_call")
    lucidic.event(session_id, {"error": "timeout", "traceback": ""}, type="error_traceback")

    def sums() -> list[Any]:
        session = lucidic.ok("GET", f"/sessions/{session_id}")
        return [session[name] for name in ("event_count", "error_count", "input_tokens", "output_tokens", "cost")]

    assert sums() == [3, 2, 31, 12, 0.5]
    changed = {**LLM, "usage": {"input_tokens": 1, "output_tokens": 2}, "status": "error", "error": "cut"}
    event = lucidic.ok("PUT", f"/events/{made['event_id']}", json={"payload": changed, "tags": ["late"]})
    assert (event["payload"], event["tags"], event["type"]) == (changed, ["late"], "llm_generation")
    assert sums() == [3, 3, 1, 2, 0.0]
    assert lucidic.ok("GET", f"/events/{made['event_id']}") == event


LONG = "word " * 100
SUMMARIES: list[tuple[str, Any, Summary]] = [
    ("generic", {}, Summary("generic")),
    ("generic", {"details": " two\nlines "}, Summary("two lines")),
    ("my_type", {"data": {"a": 1}}, Summary("{'a': 1}")),
    ("generic", {"details": LONG}, Summary(f"{LONG[:199]}\N{HORIZONTAL ELLIPSIS}")),
    ("function_call", {"function_name": "find", "error": None}, Summary("find")),
    ("function_call", {"function_name": None, "error": {"a": 1}}, Summary("function_call", "{'a': 1}")),
    ("error_traceback", {"error": "timeout"}, Summary("timeout", "timeout")),
    ("error_traceback", {"error": ""}, Summary("error_traceback", "error")),
    ("llm_generation", {"request": "?", "usage": 3, "status": "error"}, Summary("llm_generation", "error")),
    ("llm_generation", {"request": {"model": "gpt"}, "usage": {"input_tokens": "3"}}, Summary("gpt")),
    ("llm_generation", {"usage": {"input_tokens": True, "output_tokens": -1}}, Summary("llm_generation")),
    (
        "llm_generation",
        {"usage": {"input_tokens": 1e400, "output_tokens": 10**400, "cost": 1e300}},
        Summary("llm_generation", None, 10**12, 10**12, 1e12),
    ),
    ("generic", {"usage": {"input_tokens": 3}}, Summary("generic")),
]


@pytest.mark.parametrize(("kind", "payload", "summary"), SUMMARIES)
def test_a_payload_of_any_shape_has_a_summary(kind: str, payload: Any, summary: Summary) -> None:
    """A name of one line, its error, and numbers that can be added up."""
    assert summarised(kind, payload) == summary


@pytest.mark.parametrize(
    ("body", "places"),
    [
        ({}, {"session_id"}),
        ({"session_id": 5}, {"session_id"}),
        ({"session_id": "s", "occurred_at": "noon"}, {"occurred_at"}),
        ({"session_id": "s", "duration": "long", "tags": "one"}, {"duration", "tags"}),
        ({"session_id": "s", "payload": [1], "metadata": "x"}, {"payload", "metadata"}),
        ([], {"body"}),
    ],
)
def test_what_is_wrong_with_a_request_is_named(lucidic: Lucidic, body: Any, places: set[str]) -> None:
    """By field, and as one text."""
    answer = lucidic.refused(422, "POST", "/events", json=body)
    assert set(answer["errors"]) == places
    assert all(place in answer["detail"] for place in places)


def test_unknown_things_are_refused_with_a_detail(lucidic: Lucidic) -> None:
    """Events of unknown sessions, unknown paths, methods and JSON that is not."""
    assert lucidic.refused(404, "POST", "/events", json={"session_id": "none"}) == {"detail": "Session not found"}
    assert "detail" in lucidic.refused(404, "GET", "/initstep")
    assert "detail" in lucidic.refused(405, "GET", "/initsession")
    assert "detail" in lucidic.refused(422, "POST", "/events", content=b'{"session_id": NaN}')
    assert "detail" in lucidic.refused(422, "GET", "/sessions", params={"limit": 1001})


# Trees


def test_a_tree_shows_events_without_payloads(lucidic: Lucidic) -> None:
    """Names, times, tokens and errors; later requests get only what has changed since."""
    session_id = lucidic.session()
    parent = str(uuid4())
    lucidic.event(session_id, LLM, type="llm_generation", client_parent_event_id=parent, duration=1.5)
    lucidic.event(session_id, {"function_name": "answer"}, type="function_call", client_event_id=parent)

    def tree(**query: Any) -> Any:
        return lucidic.ok("GET", f"/sessions/{session_id}/tree", params=query)

    first = tree()
    assert [(one["name"], one["client_parent_event_id"]) for one in first["events"]] == [
        ("gpt-4o-mini", parent),
        ("answer", None),
    ]
    assert not any("payload" in one for one in first["events"])
    assert (first["session"]["session_id"], first["changes"]) == (session_id, 2)
    assert tree(after=2)["events"] == []
    lucidic.ok("PUT", f"/events/{parent}", json={"payload": {"function_name": "answer", "error": "late"}})
    assert [(one["client_event_id"], one["error"]) for one in tree(after=2)["events"]] == [(parent, "late")]
    assert [one["change"] for one in tree(limit=1)["events"]] == [1]
    for text, names in (
        ("HARBOUR.", ["gpt-4o-mini"]),
        ('"', []),
        ("late", ["answer"]),
        ("e", ["gpt-4o-mini", "answer"]),
    ):
        assert [one["name"] for one in tree(search=text)["events"]] == names, text


def test_a_tree_is_searched_in_whole_payloads(lucidic: Lucidic) -> None:
    """Also in those that were uploaded, and with signs that JSON writes otherwise."""
    session_id = lucidic.session()
    made = lucidic.event(session_id, {"details": "preview"}, needs_blob=True)
    httpx.put(made["blob_url"], json={"details": 'far down: "needle"\nin hay'}).raise_for_status()
    for text, count in (('"needle"\nin', 1), ("needle", 1), ("thread", 0)):
        found = lucidic.ok("GET", f"/sessions/{session_id}/tree", params={"search": text})["events"]
        assert len(found) == count, text


# The service around it


def test_data_outlives_the_service(tmp_path: Path) -> None:
    """Sessions, events and uploaded payloads are in its file; a link is still valid after a restart."""
    options: dict[str, Any] = {"path": tmp_path / "lumnis.db", "api_key": "key-1"}
    with LocalLumnis(**options) as local, Lucidic(local) as lucidic:
        session_id = lucidic.session()
        made = lucidic.event(session_id, {"details": "preview"}, needs_blob=True)
    with LocalLumnis(**options) as local, Lucidic(local) as lucidic:
        link = httpx.URL(made["blob_url"]).copy_with(port=httpx.URL(local.base_url).port)
        httpx.put(link, json={"details": "whole"}).raise_for_status()
        assert lucidic.ok("GET", f"/events/{made['event_id']}")["payload"] == {"details": "whole"}
        assert lucidic.ok("GET", f"/sessions/{session_id}")["event_count"] == 1


def test_faults_happen_to_its_routes() -> None:
    """By the path of a route; an event that was processed but not answered is not doubled by the next try."""
    route = "POST /lucidic/events"
    faults = [
        Fault(route, status=429, retry_after=3, times=1),
        Fault(route, reset="after", times=1),
        Fault("PUT /lucidic/blobs/{event_id}", status=503, times=1),
    ]
    with LocalLumnis(faults=faults) as local, Lucidic(local) as lucidic:
        session_id, client_id = lucidic.session(), str(uuid4())
        body = {"session_id": session_id, "client_event_id": client_id}
        reply = lucidic.post("/events", json=body)
        assert (reply.status_code, reply.headers["retry-after"]) == (429, "3")
        with pytest.raises(httpx.TransportError):
            lucidic.post("/events", json=body)
        lucidic.ok("POST", "/events", json=body)
        assert lucidic.ok("GET", "/events", params={"session_id": session_id})["count"] == 1
        link = lucidic.event(session_id, needs_blob=True)["blob_url"]
        assert [httpx.put(link, json={}).status_code for _ in range(2)] == [503, 200]


def test_requests_are_recorded_without_credentials() -> None:
    """As for the other platforms."""
    with ScriptableLumnis() as local, Lucidic(local) as lucidic:
        lucidic.session()
    assert [request.path for request in local.requests] == ["/lucidic/initsession"]
    assert local.lucidic.api_key not in repr(local.requests)


def test_requests_cost_the_same_however_large_a_session_is(monkeypatch: pytest.MonkeyPatch) -> None:
    """Counted in steps of the database in the loop: new events, uploads, any page, parts of the tree, what is found."""
    steps = counted_steps(monkeypatch)
    with LocalLumnis() as local, Lucidic(local) as lucidic:
        session_id = lucidic.session()
        dataset_id = lucidic.ok("POST", "/sdk/datasets/create", json={"name": "Cases"})["dataset_id"]

        def cost(method: str, path: str, **options: Any) -> int:
            before = steps()
            lucidic.ok(method, path, **options)
            return steps() - before

        def costs(size: int) -> dict[str, int]:
            """Return the steps of each request, once the session has so many events."""
            for number in range(lucidic.ok("GET", f"/sessions/{session_id}")["event_count"], size):
                lucidic.event(session_id, client_event_id=f"event-{number}")
                item = {"dataset_id": dataset_id, "name": str(number), "input": {}}
                lucidic.ok("POST", "/sdk/datasets/items/create", json=item)
                lucidic.ok("POST", "/sdk/datasets/create", json={"name": str(number)})
            of_session = {"session_id": session_id, "limit": 5}
            link = lucidic.event(session_id, client_event_id="event-1", needs_blob=True)["blob_url"]
            return {
                "upload": cost("PUT", link, json={}),
                "first page": cost("GET", "/events", params=of_session),
                "last page": cost("GET", "/events", params={**of_session, "offset": size - 5}),
                "of the agent": cost("GET", "/events", params={"limit": 5}),
                "one": cost("GET", "/events/event-2"),
                "of a type": cost("GET", "/events", params={"type": "generic", "offset": size - 5}),
                "found": cost("GET", f"/sessions/{session_id}/tree", params={"search": "tide"}),
                "found sessions": cost("GET", "/sessions", params={"search": "tide"}),
                "datasets": cost("GET", "/sdk/datasets"),
                "items": cost("GET", "/getdataset", params={"dataset_id": dataset_id}),
                "tree": cost("GET", f"/sessions/{session_id}/tree", params={"after": size - 5, "limit": 5}),
                "repeated": cost("POST", "/events", json={"session_id": session_id, "client_event_id": "event-0"}),
                "new": cost("POST", "/events", json={"session_id": session_id}),
                "sessions": cost("GET", "/sessions"),
            }

        small, large = costs(20), costs(300)
    assert [name for name in small if large[name] > small[name] + 20] == []
