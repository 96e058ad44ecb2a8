"""Growth: what is new costs, and not what is there already."""

from __future__ import annotations

import asyncio
import sqlite3
from pathlib import Path

import pytest

from lumnisai_core.local import RunReport, RunRequest, RunResult
from lumnisai_core.local.lumnis.report import Changes, LiveReport
from lumnisai_core.local.lumnis.routes.uploads import numbered
from lumnisai_core.local.lumnis.store.schema import STEPS
from lumnisai_core.local.store.database import Database
from tests.local.conftest import Serve
from tests.local.support import EchoEngine, counted_steps
from tests.local.test_files import put

ENTRIES = 2_000


@pytest.mark.parametrize("at_once", [True, False])
async def test_progress_is_written_once(at_once: bool) -> None:
    """Each entry when it is new, and once more when it has changed; entries of one moment together."""
    saved: asyncio.Queue[Changes] = asyncio.Queue()
    shown: list[bool] = []
    loop = asyncio.get_running_loop()
    report = LiveReport(loop, shown.append, saved.put_nowait, lambda _: None, [], False, _is_saved_at_once=at_once)
    for number in range(ENTRIES):
        report.progress(f"step {number}")
        if number % 10 == 9:
            await asyncio.sleep(0)
    written: list[int] = []
    while len(written) < ENTRIES:
        written += (await saved.get()).entries
    report.replace(0, message="changed")
    written += (await saved.get()).entries
    assert written == [*range(ENTRIES), 0]
    assert shown == [False] * (ENTRIES // 10 + 1)
    assert report.columns()["progress"].count('"step ') == ENTRIES - 1


async def test_progress_that_could_not_be_written_is_written_with_the_next() -> None:
    """A full disk loses none of it."""
    saved: list[Changes] = []
    full = True

    def save(changes: Changes) -> None:
        if full:
            raise sqlite3.OperationalError("database or disk is full")
        saved.append(changes)

    report = LiveReport(asyncio.get_running_loop(), lambda _: None, save, lambda _: None, [], _ids=False)
    report.title("T")
    report.progress("one")
    with pytest.raises(sqlite3.OperationalError):
        report.flush()
    full = False
    report.progress("two")
    report.flush()
    assert [*saved[0].entries] == [0, 1]
    assert saved[0].title == "T"


class Chatty:
    """Reports much, starts over in between, and ends."""

    async def run(self, request: RunRequest, report: RunReport) -> RunResult:
        for number in range(ENTRIES):
            report.progress(f"step {number}")
            if number == 10:
                await asyncio.sleep(0)
                report.reset()
            if number % 100 == 0:
                await asyncio.sleep(0)
        return RunResult("done")


def test_progress_of_a_run_is_whole_at_its_end(serve: Serve, tmp_path: Path) -> None:
    """In order, without what was reset, and stored as one list."""
    path = tmp_path / "l.db"
    api = serve(Chatty(), path=path)
    run = api.finish()
    assert [entry["message"] for entry in run["progress"]] == [f"step {number}" for number in range(11, ENTRIES)]
    api.local.close()
    with sqlite3.connect(path) as db:
        assert db.execute("SELECT count(*) FROM progress").fetchone() == (0,)
    db.close()


@pytest.mark.parametrize(
    ("taken", "free"),
    [([], 0), ([0], 1), ([0, 1], 2), ([*range(8)], 8), ([*range(2_001)], 2_001), ([0, 2], 1), ([*range(5), 6, 7], 8)],
)
def test_a_free_name_is_found_in_a_few_looks(taken: list[int], free: int) -> None:
    """However many files of the name there are."""
    names = {f"a_({number}).txt" if number else "a.txt" for number in taken}
    looks: list[str] = []

    def is_taken(name: str) -> bool:
        looks.append(name)
        return name in names

    assert numbered("a.txt", is_taken) == (f"a_({free}).txt" if free else "a.txt")
    assert len(looks) <= 25


def test_files_of_one_name_stay_apart(serve: Serve) -> None:
    """Each upload of the name has the next number."""
    api = serve(EchoEngine())
    names = [put(api, "tide.md", b"x")["file_name"] for _ in range(5)]
    assert names == ["tide.md", *(f"tide_({number}).md" for number in range(1, 5))]


def test_lists_without_pages_leave_the_loop_to_others(serve: Serve, monkeypatch: pytest.MonkeyPatch) -> None:
    """What they read is counted in the steps of the database in the loop: it does not grow with the list."""
    steps = counted_steps(monkeypatch)
    api = serve(EchoEngine())

    def costs(size: int) -> dict[str, int]:
        """Return the steps of each request, once there are so many keys and connections."""
        for number in range(len(api.ok("GET", "/v1/external-api-keys")), size):
            key = {"provider": "OPENAI_API_KEY", "api_key": "sk-123", "key_name": f"key {number}"}
            api.ok("POST", "/v1/external-api-keys", json=key)
            app = {"user_id": "u", "app_name": f"APP_{number}"}
            api.ok("POST", "/v1/integrations/connections/initiate", json=app)
        found = {}
        for method, path, body in (
            ("GET", "/v1/external-api-keys", None),
            ("POST", "/v1/external-api-keys", {"provider": "OPENAI_API_KEY", "api_key": "sk-456", "key_name": "key 0"}),
            ("GET", "/v1/integrations/connections/u", None),
            ("POST", "/v1/integrations/tools", {"user_id": "u"}),
        ):
            before = steps()
            api.ok(method, path, json=body)
            found[f"{method} {path}"] = steps() - before
        return found

    small, large = costs(10), costs(100)
    assert [name for name in small if large[name] > small[name] + 20] == []
    assert len(api.ok("GET", "/v1/external-api-keys")) == 100
    assert len(api.ok("GET", "/v1/integrations/connections/u")["connections"]) == 100


@pytest.mark.parametrize(
    "conditions",
    ["", "AND status = 'failed'", "AND user_id = 'u'", "AND user_id = 'u' AND created_at >= '2001'"],
)
@pytest.mark.parametrize("table", ["runs", "threads"])
def test_lists_come_from_an_index_in_their_order(tmp_path: Path, table: str, conditions: str) -> None:
    """None of them sorts, or looks at rows that it does not show."""
    if table == "threads" and "status" in conditions:
        return
    database = Database(tmp_path / "l.db", {"lumnis": STEPS})
    query = f"SELECT * FROM {table} WHERE tenant_id = 't' {conditions} ORDER BY created_at DESC, rowid DESC LIMIT 50"
    plan = " ".join(row[3] for row in database.sql.execute(f"EXPLAIN QUERY PLAN {query}"))
    wanted = "status=?" if "status" in conditions else "user_id=?" if "user_id" in conditions else "tenant_id=?"
    assert "SCAN" not in plan
    assert "TEMP" not in plan
    assert wanted in plan
    database.close()
