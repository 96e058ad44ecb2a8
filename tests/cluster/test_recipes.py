"""The recipes of docs/bulk.md for Ray, Dask and Spark, and the cookbook's program for Ray, as they are written."""

from __future__ import annotations

import re
import runpy
import shutil
import sys
import time
from pathlib import Path
from typing import Any

import dask
import pandas
import pytest
from dask import dataframe
from dask.distributed import Client, LocalCluster

from lumnisai_integrations.bulk import LumnisBatch
from tests.cluster.conftest import Engine
from tests.cookbook import pages

pytestmark = [
    pytest.mark.timeout(900),
    pytest.mark.filterwarnings("default"),  # the engines warn of themselves
]

_PAGE = Path(__file__).resolve().parents[2] / "docs" / "bulk.md"


def recipes(heading: str) -> list[str]:
    section = re.search(rf"^## {heading}\n(.*?)(?=^## |\Z)", _PAGE.read_text("utf-8"), re.MULTILINE | re.DOTALL)
    assert section is not None
    return re.findall(r"^```py\n(.*?)^```", section[1], re.MULTILINE | re.DOTALL)


def run(block: str) -> dict[str, Any]:
    names: dict[str, Any] = {"__name__": "__main__"}
    exec(compile(block, str(_PAGE), "exec"), names)
    return names


def test_ray(engine: Engine, cluster: str) -> None:
    """Both blocks answer all rows that they show."""
    first, alone = map(run, recipes("Ray"))
    assert len(first["answered"].take_all()) == 100
    again = len(engine.texts) - len(set(engine.texts))
    assert 10 <= again <= 20  # another job with the same texts, left after its first row: one block or two
    assert alone["batch"].job == "by-itself"


def test_the_program_of_the_cookbook(
    engine: Engine, cluster: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """It writes the answers; started again, it makes no run; a row that fails is counted in its exit status."""
    pages.save("ray", tmp_path)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "argv", ["classify.py", "reviews.csv", "answers"])

    def statuses(*rows: str) -> tuple[object, str]:
        Path("reviews.csv").write_text("\n".join(["id,text", *rows, ""]))
        shutil.rmtree("answers", ignore_errors=True)
        with pytest.raises(SystemExit) as left:
            runpy.run_path("classify.py", run_name="__main__")
        return left.value.code, capsys.readouterr().out

    rows = ["1,The quay is clean.", "2,Too loud at night."]
    for _ in range(2):
        status, printed = statuses(*rows)
        assert (status, printed.splitlines()[-1]) == (0, "2 rows, 0 failed")
        assert "1 THE QUAY IS CLEAN." in printed
    assert len(engine.texts) == 2
    status, printed = statuses(*rows, "3,bad")
    assert (status, printed.splitlines()[-1]) == (1, "3 rows, 1 failed")
    assert len(engine.texts) == 3


def test_dask_with_threads(engine: Engine) -> None:
    """Threads of one process share its event loop."""
    (block,) = recipes("Dask")
    frame = run(block)["answered"].compute()
    assert sorted(frame["answer"]) == sorted(f"REVIEW {number}" for number in range(20))
    assert len(engine.texts) == 20


def test_dask_with_processes_that_are_killed(engine: Engine) -> None:
    """A lost worker's partitions are computed again; no run is made twice."""
    engine.seconds = 0.2
    frame = pandas.DataFrame({"id": range(120), "text": [f"row {number}" for number in range(120)]})
    batch = LumnisBatch(job="dask-killed", key="id", prompt="text", user_id="u", max_in_flight=10)
    with (
        dask.config.set({"distributed.worker.daemon": False}),
        LocalCluster(n_workers=2, threads_per_worker=1, dashboard_address=None) as cluster,
        Client(cluster) as client,
    ):
        answered = dataframe.from_pandas(frame, npartitions=8).map_partitions(batch, meta=batch(frame.head(0)))
        future = client.compute(answered)
        while len(engine.texts) < 40:
            time.sleep(0.02)
        next(iter(cluster.workers.values())).process.process._process.kill()
        found = future.result()
    assert list(found.sort_values("id")["answer"]) == [f"ROW {number}" for number in range(120)]
    assert len(engine.texts) == len(set(engine.texts)) == 120


@pytest.mark.skipif(shutil.which("java") is None, reason="Spark needs a Java")
def test_spark(engine: Engine, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each task streams its record batches."""
    monkeypatch.setenv("PYSPARK_PYTHON", sys.executable)
    (block,) = recipes("Spark")
    names = run(block)
    rows = names["answered"].collect()
    assert sorted(row["answer"] for row in rows) == sorted(f"REVIEW {number}" for number in range(20))
    assert len(engine.texts) == len(set(engine.texts)) == 20  # also those that the page's show() had asked
    names["spark"].stop()
