"""The file that remembers which run belongs to which input."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from lumnisai_core import RunRecord
from lumnisai_core.exceptions import ValidationError
from lumnisai_core.lumnis.calls.keys import digest_of
from lumnisai_core.lumnis.runs.ledger import open_ledger


def test_entries_survive_reopening(tmp_path: Path) -> None:
    """Job, runs and attempts survive; the newest line of an input counts."""
    path = tmp_path / "job.jsonl"
    first = open_ledger(path)
    first.add(RunRecord("0", "d", "r-1"))
    first.add(RunRecord("0", "d", "r-2", attempt=1))
    again = open_ledger(path)
    assert (again.job, again.find("0", "d"), again.find("1", "d")) == (first.job, RunRecord("0", "d", "r-2", 1), None)


def test_a_line_that_was_cut_off_is_dropped(tmp_path: Path) -> None:
    """Whatever the last write was interrupted in, later lines begin at a line of their own."""
    path = tmp_path / "job.jsonl"
    open_ledger(path).add(RunRecord("0", "d", "r-1"))
    with path.open("a") as file:
        file.write('{"key": "1", "dig')
    open_ledger(path).add(RunRecord("1", "d", "r-2"))
    assert open_ledger(path).records == {"0": RunRecord("0", "d", "r-1"), "1": RunRecord("1", "d", "r-2")}


@pytest.mark.parametrize("content", ["hello\n", '{"format": "other"}\n', "[]\n", "\ud800"])
def test_another_file_is_left_alone(content: str, tmp_path: Path) -> None:
    """A file that is not a ledger is refused and not changed."""
    path = tmp_path / "data.txt"
    path.write_bytes(content.encode(errors="surrogatepass"))
    with pytest.raises(ValidationError, match="ledger"):
        open_ledger(path)
    assert path.read_bytes() == content.encode(errors="surrogatepass")


@pytest.mark.parametrize("cut", ["", "{", '{"format": "lum', '{"format": "lumnis-ledger-2", "job": "a', "{\n{\n"])
def test_a_ledger_whose_head_was_cut_off_is_begun_again(cut: str, tmp_path: Path) -> None:
    """Nothing had been recorded; a full disk costs nothing but the time until there is room."""
    path = tmp_path / "job.jsonl"
    path.write_text(cut)
    ledger = open_ledger(path)
    ledger.add(RunRecord("0", "d", "r-1"))
    assert (open_ledger(path).job, open_ledger(path).records) == (ledger.job, {"0": RunRecord("0", "d", "r-1")})


def test_the_first_head_counts(tmp_path: Path) -> None:
    """Processes that begin the same ledger at the same moment have the same job, and so the same keys."""
    path = tmp_path / "job.jsonl"
    gate = threading.Barrier(8)

    def begin(_: int) -> str:
        gate.wait()
        ledger = open_ledger(path)
        ledger.add(RunRecord("0", "d", "r-1"))
        return ledger.job

    with ThreadPoolExecutor(8) as threads:
        jobs = set(threads.map(begin, range(8)))
    assert jobs == {open_ledger(path).job}


def test_damaged_lines_are_left_out(tmp_path: Path) -> None:
    """Their runs are found again by their keys."""
    path = tmp_path / "job.jsonl"
    job = open_ledger(path).job
    with path.open("ab") as file:
        file.write(b'{"key": [], "digest": "d", "response_id": "r"}\n\xff\xfe\n[1]\n{"key": "1", "digest": 5}\n')
    open_ledger(path).add(RunRecord("2", "d", "r-2"))
    assert (open_ledger(path).job, open_ledger(path).records) == (job, {"2": RunRecord("2", "d", "r-2")})


def test_a_ledger_that_cannot_be_written_ends_the_job(tmp_path: Path) -> None:
    """The error names the file and stays."""
    path = tmp_path / "job.jsonl"
    ledger = open_ledger(path)
    path.unlink()
    path.mkdir()
    with pytest.raises(ValidationError, match=r"job\.jsonl' cannot be read or written: Is a directory"):
        ledger.add(RunRecord("0", "d", "r-1"))
    with pytest.raises(ValidationError, match="are not created again"):
        ledger.find("1", "d")


def test_a_ledger_needs_a_folder(tmp_path: Path) -> None:
    """A path that cannot be written is a ValidationError."""
    with pytest.raises(ValidationError, match="cannot be read or written"):
        open_ledger(tmp_path / "missing" / "job.jsonl")


def test_another_input_at_the_same_place_is_refused(tmp_path: Path) -> None:
    """Changed inputs would get the answers of others."""
    ledger = open_ledger(tmp_path / "job.jsonl")
    ledger.add(RunRecord("0", digest_of({"a": 1}), "r-1"))
    assert ledger.find("0", digest_of({"a": 1})) is not None
    with pytest.raises(ValidationError, match="Input 0 differs from the one"):
        ledger.find("0", digest_of({"a": 2}))
