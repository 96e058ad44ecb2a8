"""``lumnis experiment``: results, exit status by thresholds, reports, and starts that continue."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from xml.etree import ElementTree

import pytest

from lumnisai_core import Client
from lumnisai_integrations.experiments import Results
from tests.cli.conftest import Lumnis

FILE = """\
name: tides
data:
  - {id: neap, size: small, expected: Neap tides are small.}
  - {id: spring, size: large, expected: Neap tides are large.}
variants:
  quoted: "Neap tides are {size}. Which tides are {size}?"
  bare: "{size}"
scorers: [exact]
"""


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The current folder, with the file of an experiment in it."""
    (tmp_path / "tides.yaml").write_text(FILE)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", list(sys.path))
    return tmp_path


def test_results_and_checks_are_printed(lumnis: Lumnis, key: str, folder: Path) -> None:
    """The table on standard output, progress on standard error; without thresholds only failures count."""
    done = lumnis("experiment", "tides.yaml")
    assert done.status == 0
    assert done.out.startswith("tides: 2 variants, 2 rows, 4 trials\n")
    assert "could be chance: quoted scores more than bare by 1.00" in done.out
    assert "passed: trials of quoted that failed are at most 0: 0 of 2" in done.out
    assert "4/4" in done.err


def test_a_threshold_decides_the_exit_status(lumnis: Lumnis, key: str, folder: Path) -> None:
    (folder / "tides.yaml").write_text(f"{FILE}thresholds:\n  - {{scorer: exact, at_least: 0.5}}\n")
    done = lumnis("experiment", "tides.yaml")
    assert done.status == 1
    assert "passed: exact of quoted is at least 0.5: 1.00, 2 rows" in done.out
    assert "FAILED: exact of bare is at least 0.5: 0.00, 2 rows" in done.out
    quiet = lumnis("experiment", "tides.yaml", "--quiet")
    assert (quiet.status, quiet.out) == (1, "")
    assert quiet.err == "lumnis: FAILED: exact of bare is at least 0.5: 0.00, 2 rows\n"


def test_reports_are_written(lumnis: Lumnis, key: str, folder: Path) -> None:
    """JUnit and Markdown, and the results for another day."""
    done = lumnis("experiment", "tides.yaml", "--junit", "r.xml", "--markdown", "r.md", "--save", "r.json", "--json")
    content = json.loads(done.out)
    assert [one["variant"] for one in content["variants"]] == ["quoted", "bare"]
    assert content["differences"][0]["value"] == -1.0
    assert ElementTree.parse(folder / "r.xml").getroot().attrib["tests"] == "6"
    assert (folder / "r.md").read_text().startswith("# tides\n")
    assert len(Results.load(folder / "r.json")) == 4


def test_a_second_start_with_a_ledger_makes_no_run(lumnis: Lumnis, key: str, folder: Path, client: Client) -> None:
    """Unchanged trials are free; a changed prompt makes its own runs only."""
    first = lumnis("experiment", "tides.yaml", "--ledger", "ledger.jsonl", "--quiet")
    assert first.status == 0
    second = lumnis("experiment", "tides.yaml", "--ledger", "ledger.jsonl")
    assert (second.status, second.err) == (0, "")
    assert len(client.responses.list().responses) == 4
    (folder / "tides.yaml").write_text(FILE.replace('bare: "{size}"', 'bare: "{size}?"'))
    assert lumnis("experiment", "tides.yaml", "--ledger", "ledger.jsonl", "--quiet").status == 0
    assert len(client.responses.list().responses) == 6


def test_no_variant_may_be_worse_than_in_saved_results(lumnis: Lumnis, key: str, folder: Path) -> None:
    """Worse beyond chance, which takes more than a few rows."""
    rows = "".join(f"  - {{id: r{row}, size: small, expected: Neap tides are small.}}\n" for row in range(8))
    text = f'name: tides\ndata:\n{rows}scorers: [exact]\nvariants:\n  a: "Neap tides are {{size}}. Which tides?"\n'
    (folder / "tides.yaml").write_text(text)
    assert lumnis("experiment", "tides.yaml", "--quiet", "--save", "before.json").status == 0
    (folder / "tides.yaml").write_text(text.replace("Neap tides are {size}. Which tides?", "Spring {size}"))
    done = lumnis("experiment", "tides.yaml", "--before", "before.json")
    assert done.status == 1
    assert "FAILED: exact of a now is not worse than a before: a before is better than a now by 1.00" in done.out


def test_functions_need_no_service(lumnis: Lumnis, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nor a key."""
    (folder / "loud_tides.py").write_text("def upper(row):\n    return row['size'].upper()\n")
    text = FILE.partition("variants:")[0] + "variants:\n  loud: {call: 'loud_tides:upper'}\n"
    (folder / "tides.yaml").write_text(text)
    monkeypatch.setitem(sys.modules, "lumnisai_core.local", None)
    done = lumnis("experiment", "tides.yaml", "--quiet")
    assert (done.status, done.err) == (0, "")


WRONG = [
    (["nowhere.yaml"], "nowhere.yaml: No such file or directory"),
    (["tides.yaml", "--before", "nowhere.json"], "nowhere.json: No such file or directory"),
    (["tides.yaml", "--before", "tides.yaml"], "'tides.yaml' holds no results of an experiment"),
    (["tides.yaml", "--junit", "nowhere/r.xml"], "there is no folder nowhere"),
    (["tides.yaml", "--ledger", "tides.yaml"], "tides.yaml"),
    (["bad.yaml"], "bad.yaml: variants: Field required"),
    (["missing.yaml"], "no field 'colour'"),
]


@pytest.mark.parametrize(("arguments", "message"), WRONG)
def test_wrong_usage_makes_no_run(
    lumnis: Lumnis, key: str, folder: Path, client: Client, arguments: list[str], message: str
) -> None:
    """What cannot work is found before anything is paid for."""
    (folder / "bad.yaml").write_text("data: [a]\n")
    (folder / "missing.yaml").write_text("data: [a]\nvariants: {a: '{colour}'}\n")
    done = lumnis("experiment", *arguments)
    assert (done.status, done.out) == (2, "")
    assert message in done.err
    assert client.responses.list().responses == []
