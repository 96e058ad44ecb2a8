"""The routes by which the window lists and watches runs."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from lumnisai_core.local import LocalLumnis, Script, Step
from tests.local.support import Api, other_tenant
from tests.servers import GatedEngine

RUNS = "/v1/_local/runs"


@pytest.fixture
def filled(api: Api) -> Api:
    """A service with runs of two users."""
    api.ok("POST", "/v1/users", json={"email": "ines@example.org"})
    api.finish("When is high water?", user_id="ines@example.org")
    api.finish('Say "100 %_\\" twice', user_id="omar@example.org")
    api.finish("Où est le port?")
    return api


def questions(api: Api, **query: Any) -> list[str]:
    """Return the questions of the runs that are found."""
    return [run["question"] for run in api.ok("GET", RUNS, params=query)["runs"]]


def test_runs_are_listed_newest_first_with_what_a_list_shows(filled: Api) -> None:
    """The question, title, status, times, and the address of a user who is known; neither progress nor answer."""
    found = filled.ok("GET", RUNS)
    assert (found["total"], found["limit"], found["offset"]) == (3, 50, 0)
    assert [run["user_email"] for run in found["runs"]] == [None, None, "ines@example.org"]
    run = filled.look(found["runs"][2]["response_id"])
    shown = found["runs"][2]
    assert (shown.pop("question"), shown.pop("user_email")) == ("When is high water?", "ines@example.org")
    assert shown == {name: run[name] for name in shown}
    assert not {"progress", "output_text", "input_messages"} & set(shown)
    assert max(item["completed_at"] for item in found["runs"]) <= found["now"]


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ({"search": "HIGH WATER"}, ["When is high water?"]),
        ({"search": "ines@"}, ["When is high water?"]),
        ({"search": '"100 %_\\"'}, ['Say "100 %_\\" twice']),
        ({"search": "%"}, ['Say "100 %_\\" twice']),
        ({"search": "Où"}, ["Où est le port?"]),
        ({"search": "nowhere"}, []),
        ({"search": "content"}, []),
        ({"search": "\\"}, ['Say "100 %_\\" twice']),
        ({"user_id": "omar@example.org"}, ['Say "100 %_\\" twice']),
        ({"user_id": "omar@example.org", "search": "port"}, []),
        ({"user_id": "nobody"}, []),
        ({"status": "failed"}, []),
        ({"limit": 1, "offset": 1}, ['Say "100 %_\\" twice']),
        ({"limit": 1, "offset": 2, "search": "e"}, ["When is high water?"]),
        ({"offset": 3}, []),
    ],
)
def test_runs_are_found(filled: Api, query: dict[str, Any], expected: list[str]) -> None:
    """By a text of them as it stands, by user and by status; a page counts within what is found."""
    assert questions(filled, **query) == expected


def test_runs_are_found_by_their_ids_and_threads(filled: Api) -> None:
    """So an id from a log leads to its run."""
    run = filled.finish("Here", user_id="ines@example.org")
    assert questions(filled, search=run["response_id"]) == ["Here"]
    assert questions(filled, search=run["thread_id"]) == ["Here"]
    assert questions(filled, thread_id=run["thread_id"]) == ["Here"]
    assert filled.ok("GET", RUNS, params={"status": "succeeded"})["total"] == 4


def test_a_long_question_is_cut_in_lists(api: Api) -> None:
    """The list stays light however large prompts are."""
    api.finish("x" * 100_000)
    assert questions(api) == ["x" * 200]


def test_another_tenant_sees_none_of_it(filled: Api) -> None:
    """Neither in the list nor by id; without a key nothing at all."""
    response_id = filled.ok("GET", RUNS)["runs"][0]["response_id"]
    with other_tenant(filled) as other:
        assert questions(other) == questions(other, search="water") == []
        assert other.refused(404, "GET", f"{RUNS}/{response_id}") == "NOT_FOUND"
    with Api(filled.local, headers={}) as nobody:
        assert nobody.refused(401, "GET", RUNS) == nobody.refused(401, "GET", f"{RUNS}/{response_id}")


@pytest.mark.parametrize("query", [{"limit": 101}, {"status": "done"}, {"search": "x" * 201}])
def test_a_query_that_makes_no_sense_is_refused(api: Api, query: dict[str, Any]) -> None:
    """With the name of the parameter."""
    assert api.refused(422, "GET", RUNS, params=query) == [["query", next(iter(query))]]


@pytest.fixture(params=["end-only", "on-change"])
def gated(request: pytest.FixtureRequest) -> Iterator[tuple[Api, GatedEngine]]:
    """A service whose run waits before each of its parts."""
    engine = GatedEngine(Script([Step("one")]), Script([Step("two")]), Script(output_text="done"))
    with LocalLumnis(engine=engine, poll=request.param) as local, Api(local) as api:
        yield api, engine
        for _ in range(3):
            engine.open()


def test_a_watched_run_shows_each_change_at_once(gated: tuple[Api, GatedEngine]) -> None:
    """Whatever held polls do otherwise: a reply comes with the change, and the version says whether one was missed."""
    api, engine = gated
    path = f"{RUNS}/{api.create(user_id='ines@example.org')['response_id']}"
    seen: list[int] = []

    def watch(version: int) -> Any:
        found = api.ok("GET", path, params={"seen": version, "wait": 20})
        seen.append(found["version"])
        return found

    found = watch(-1)
    while found["run"]["status"] == "queued":
        found = watch(found["version"])
    for count in (1, 2):
        engine.open()
        while len(found["run"]["progress"]) < count:
            found = watch(found["version"])
    engine.open()
    while found["version"] != -1:
        found = watch(found["version"])
    assert (found["run"]["status"], found["run"]["output_text"], found["user_email"]) == ("succeeded", "done", None)
    assert seen[:-1] == sorted(set(seen[:-1]))
    assert api.ok("GET", path, params={"seen": 0, "wait": 20})["version"] == -1


def test_a_watch_that_sees_nothing_new_ends(gated: tuple[Api, GatedEngine]) -> None:
    """After the time that it names, with the same version."""
    api, _ = gated
    path = f"{RUNS}/{api.create()['response_id']}"
    found = api.ok("GET", path)
    while found["run"]["status"] == "queued":
        found = api.ok("GET", path, params={"seen": found["version"], "wait": 20})
    again = api.ok("GET", path, params={"seen": found["version"], "wait": 0.01})
    assert {**again, "now": ""} == {**found, "now": ""}
