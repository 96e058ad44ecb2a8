"""Jobs on a local Ray: each row exactly once, whoever is killed; cancelled runs, one limit, one pause."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
import threading
import time
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
import ray

from lumnisai_core import Client, JobProgress
from lumnisai_core.exceptions import ValidationError
from lumnisai_integrations.bulk import LumnisBatch, read_job
from lumnisai_integrations.bulk.ray import _Hub, _hubs, _Link, map_runs
from tests.cluster.conftest import Engine

pytestmark = [
    pytest.mark.usefixtures("cluster"),
    pytest.mark.timeout(900),
    pytest.mark.filterwarnings("default"),  # Ray warns of itself
]


def rows(count: int, *, bad: int = 0, quick: int = 0) -> list[dict[str, Any]]:
    kinds = ["bad"] * bad + ["quick"] * quick + ["row"] * count
    return [{"id": number, "text": f"{kinds[number]} {number}"} for number in range(count)]


def batch_of(job: str, **options: Any) -> LumnisBatch:
    return LumnisBatch(job=job, key="id", prompt="text", user_id=job, **options)


def right(found: list[dict[str, Any]], count: int, *, bad: int = 0) -> bool:
    """Whether each row is there once, with its own answer or the error of its own run."""
    by_id = {row["id"]: row for row in found}
    return len(found) == len(by_id) == count and all(
        row["answer"] == row["text"].upper() if number >= bad else row["answer"] is None and "failed" in row["error"]
        for number, row in by_id.items()
    )


def test_a_batch_works_in_map_batches_by_itself(engine: Engine) -> None:
    """As a function in Ray's tasks."""
    found = ray.data.from_items(rows(40)).map_batches(batch_of("alone"), batch_size=10).take_all()
    assert right(found, 40)
    assert len(engine.texts) == 40


def test_bad_rows_are_errors_and_progress_counts_them(engine: Engine) -> None:
    """1 % of the rows fail; the job ends with those errors, also in its progress."""
    seen: list[JobProgress] = []
    dataset = map_runs(ray.data.from_items(rows(300, bad=3)), batch_of("bad"), total=300, progress=seen.append)
    assert right(dataset.take_all(), 300, bad=3)
    while not seen or seen[-1].done < 300:
        time.sleep(0.05)
    assert (seen[-1].errors, seen[-1].total) == (3, 300)
    assert len(engine.texts) == 300


def test_the_limit_is_that_of_all_workers_together(engine: Engine) -> None:
    """Whatever the batch says for one process."""
    engine.seconds = 0.02
    dataset = map_runs(
        ray.data.from_items(rows(200)),
        batch_of("limit", max_in_flight=100),
        workers=2,
        total_in_flight=10,
        progress=False,
    )
    assert right(dataset.take_all(), 200)
    assert engine.most <= 10


def test_workers_are_killed_three_times(engine: Engine, tmp_path: Path) -> None:
    """At random moments: all rows have their answers, and no run is made twice."""
    engine.seconds = 0.2
    dice = random.Random(20)
    kills: list[int] = []
    dataset = map_runs(
        ray.data.from_items(rows(600)),
        batch_of("killed", ledger=tmp_path),
        workers=2,
        total_in_flight=40,
        rows_per_block=50,
        progress=False,
    )
    found: list[dict[str, Any]] = []
    marks = sorted(dice.sample(range(50, 500), 3))

    def kill() -> None:
        for mark in marks:
            while len(engine.texts) < mark:
                time.sleep(0.01)
            while not (workers := _workers()):
                time.sleep(0.01)
            kills.append(dice.choice(workers))
            os.kill(kills[-1], signal.SIGKILL)

    killer = threading.Thread(target=kill)
    killer.start()
    found = dataset.take_all()
    killer.join()
    assert len(kills) == 3
    assert right(found, 600)
    assert len(engine.texts) == len(set(engine.texts)) == 600
    assert {row["key"] for row in read_job(tmp_path, "killed")} == {str(row["id"]) for row in found}


def _workers() -> list[int]:
    found = []
    for folder in Path("/proc").iterdir():
        try:
            if folder.name.isdigit() and b"ray::MapWorker" in (folder / "cmdline").read_bytes():
                found.append(int(folder.name))
        except OSError:
            continue
    return found


def wait_for_runs(count: int) -> None:
    """Wait until the hubs of this program know of so many runs under way."""

    def runs(hub: Any) -> int:
        return sum(len(state.runs) for state in hub._working.values())

    while sum(ray.get(hub.__ray_call__.remote(runs)) for hub in list(_hubs)) < count:
        time.sleep(0.02)


_PROGRAM = """
import sys
import threading
import ray
from tests.cluster.test_ray import batch_of, rows, wait_for_runs
from lumnisai_integrations.bulk.ray import map_runs
ray.init(address=sys.argv[1], log_to_driver=False)
source = ray.data.from_items(rows(60, quick=int(sys.argv[3])))
dataset = map_runs(source, batch_of(sys.argv[2]), total_in_flight=20, rows_per_block=10)
threading.Thread(target=lambda: (wait_for_runs(20), print("ready", flush=True)), daemon=True).start()
dataset.take_all()
"""


def _program(cluster: str, job: str, quick: int = 0) -> subprocess.Popen[bytes]:
    return subprocess.Popen(
        [sys.executable, "-c", _PROGRAM, cluster, job, str(quick)], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL
    )


def _statuses(job: str) -> list[str]:
    with Client(user_id=job) as client:
        return [str(run.status) for run in client.responses.iter()]


def test_a_program_that_was_killed_is_started_again(engine: Engine, cluster: str) -> None:
    """Its runs are found by their keys; none is made twice."""
    engine.gate.clear()
    program = _program(cluster, "again")
    while len(engine.texts) < 20:
        time.sleep(0.02)
    program.kill()
    program.communicate()
    engine.gate.set()
    found = map_runs(ray.data.from_items(rows(60)), batch_of("again"), progress=False).take_all()
    assert right(found, 60)
    assert len(engine.texts) == len(set(engine.texts)) == 60


@pytest.mark.parametrize("quick", [0, 40])
def test_ctrl_c_stops_the_runs_under_way(engine: Engine, cluster: str, quick: int) -> None:
    """Before the program has ended, whether rows have come already, when Ray kills the workers, or not."""
    engine.gate.clear()
    program = _program(cluster, f"interrupted-{quick}", quick)
    assert program.stdout is not None
    while b"ready" not in program.stdout.readline():
        assert program.poll() is None
    program.send_signal(signal.SIGINT)
    program.communicate()
    assert not engine.now
    assert Counter(_statuses(f"interrupted-{quick}"))["cancelled"] == 20


def test_leaving_the_rows_early_stops_the_runs_under_way(engine: Engine) -> None:
    """A program that has seen enough does not pay for the rest; a further start of the job answers all rows."""
    engine.gate.clear()
    source = ray.data.from_items(rows(100, quick=50))  # Ray fetches some blocks ahead
    for row in map_runs(source, batch_of("left"), total_in_flight=20, rows_per_block=10, progress=False).iter_rows():
        assert row["answer"] == row["text"].upper()
        wait_for_runs(20)
        break
    while engine.now:
        time.sleep(0.02)
    assert Counter(_statuses("left")) == {"succeeded": 50, "cancelled": 20}
    engine.gate.set()
    assert right(map_runs(source, batch_of("left"), progress=False).take_all(), 100)


def test_a_pause_of_one_worker_is_one_of_all() -> None:
    """The first answer 429 in the cluster stops everybody."""
    hub = _Hub.remote(batch_of("pause"), JobProgress())
    first, second = _Link(hub), _Link(hub)
    first.sharing.cool_down.begin(time.monotonic(), 60.0, spread=1.0)
    while not second.sharing.cool_down.over_at:
        time.sleep(0.01)
    assert second.sharing.cool_down.left(time.monotonic()) > 0
    first.close()
    second.close()


WRONG: list[tuple[dict[str, Any], str]] = [
    ({"workers": 0}, "workers must be a whole number"),
    ({"workers": 4, "total_in_flight": 3}, "at least the number of workers, 4"),
    ({"rows_per_block": 0}, "rows_per_block must be"),
]


@pytest.mark.parametrize(("options", "message"), WRONG)
def test_wrong_arguments_are_refused_at_once(options: dict[str, Any], message: str) -> None:
    """Before anything starts."""
    with pytest.raises(ValidationError, match=message):
        map_runs(ray.data.from_items(rows(1)), batch_of("wrong"), **options)
    with pytest.raises(ValidationError, match="batch must be a LumnisBatch"):
        map_runs(ray.data.from_items(rows(1)), lambda block: block)  # type: ignore[arg-type]
