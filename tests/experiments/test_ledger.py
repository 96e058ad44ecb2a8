"""Ledgers: lines that are cut off, files of others, disks that are full, and several processes."""

from __future__ import annotations

import datetime
import json
from pathlib import Path
from typing import Any

import pytest

from lumnisai_core.exceptions import ValidationError
from lumnisai_integrations.experiments import Contains, Experiment, Results, read_ledger
from lumnisai_integrations.experiments.ledger import Ledger


def run(path: Path | None, calls: list[str] | None = None) -> Results:
    def echo(row: Any) -> str:
        if calls is not None:
            calls.append(row["input"])
        return str(row["input"])

    return Experiment("l", ["a", "b", "c"], {"echo": echo}, [Contains("a")], ledger=path).run(progress=False)


def test_a_line_that_was_cut_off_costs_its_trial_only(tmp_path: Path) -> None:
    """At whichever byte the process was killed, and what is added afterwards is whole."""
    path = tmp_path / "l.jsonl"
    whole = run(path)
    content = path.read_bytes()
    for end in range(0, len(content), 37):
        path.write_bytes(content[:end])
        assert run(path) == whole or [trial.output for trial in run(path)] == ["a", "b", "c"]
        calls: list[str] = []
        run(path, calls)
        assert calls == []


@pytest.mark.parametrize("content", [b"something else\n", b'{"format": "lumnis-ledger-2", "job": "x"}\n', b"\x00\xff"])
def test_a_file_of_something_else_is_not_touched(content: bytes, tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.write_bytes(content)
    with pytest.raises(ValidationError, match="is not the ledger of an experiment"):
        run(path)
    assert path.read_bytes() == content


def test_a_ledger_that_cannot_be_opened_is_refused_at_once(tmp_path: Path) -> None:
    """Before anything is made."""
    calls: list[str] = []
    with pytest.raises(ValidationError, match="cannot be read or written: Is a directory"):
        run(tmp_path, calls)
    with pytest.raises(ValidationError, match="there is no ledger"):
        read_ledger(tmp_path / "missing")
    assert calls == []


def test_answers_stay_in_the_process_where_the_disk_is_full(tmp_path: Path) -> None:
    """With a warning; they are written when there is room again."""
    path = tmp_path / "l.jsonl"
    ledger = Ledger(path)
    ledger.add_row("a", {"input": "a"}, None)
    ledger.add_answer(("v", "a", 0, "digest"), {"output": "x", "is_final": True})
    ledger.path = Path("/dev/full")
    with pytest.warns(RuntimeWarning, match="cannot be written: No space left on device"):
        ledger.flush()
    ledger.flush()
    assert ledger.trial(("v", "a", 0, "digest")).output == "x"
    ledger.path = path
    ledger.flush()
    assert [trial.output for trial in read_ledger(path)] == ["x"]


def test_two_processes_share_a_file(tmp_path: Path) -> None:
    """One of them begins it, both have the same job, and each reads what the other one adds."""
    path = tmp_path / "l.jsonl"
    first, second = Ledger(path), Ledger(path)
    assert first.job == second.job
    first.add_answer(("v", "a", 0, "d"), {"output": "x"})
    first.flush()
    second.add_answer(("v", "b", 0, "d"), {"output": "y"})
    second.flush()
    second.load()
    assert second.answer(("v", "a", 0, "d")) == {"output": "x"}
    assert len(read_ledger(path)) == 2


def test_a_ledger_reads_as_trials(tmp_path: Path) -> None:
    """With their rows and scores, without the experiment."""
    run(tmp_path / "l")
    trials = sorted(read_ledger(tmp_path / "l"), key=lambda trial: str(trial.output))  # they are kept as they end
    assert [(trial.variant, trial.input, trial.output, trial.scores) for trial in trials] == [
        ("echo", {"input": text}, text, {"contains": float(text == "a")}) for text in "abc"
    ]


def test_an_experiment_without_a_file_is_free_while_it_lives() -> None:
    """The second run of the same object makes nothing."""
    calls: list[str] = []

    def function(row: Any) -> str:
        calls.append("x")
        return "a"

    experiment = Experiment("m", ["a"], {"v": function})
    assert experiment.run(progress=False) == experiment.run(progress=False)
    assert calls == ["x"]


def test_values_of_any_kind_are_kept_as_json(tmp_path: Path) -> None:
    """Dates, sets, bytes and NaN of rows do not break a line."""
    row = {"id": 1, "when": datetime.date(2026, 1, 2), "set": {"b", "a"}, "nan": float("nan"), "bytes": b"\xff"}
    experiment = Experiment("odd", [row], {"v": lambda _: "x"}, ledger=tmp_path / "l")
    assert experiment.run(progress=False).trials[0].input["when"] == datetime.date(2026, 1, 2)
    (trial,) = read_ledger(tmp_path / "l")
    assert trial.input == {"when": "2026-01-02", "set": ["a", "b"], "nan": None, "bytes": "_w=="}
    assert all(json.loads(line) for line in (tmp_path / "l").read_text().splitlines())
