"""Files of experiments: what they hold, and what is said about mistakes in them."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import pytest

from lumnisai_core import Client
from lumnisai_core.exceptions import ValidationError
from lumnisai_integrations.experiments import ExperimentFile, Threshold
from tests.experiments.conftest import Engine

YAML = """\
name: tides
data: rows.csv
key: number
expected: answer
variants:
  quoted: "Neap tides are {size}. Which tides are {size}?"
  short:
    prompt_file: short.txt
    user_id: ada
  upper:
    call: tide_functions:upper
    input: size
scorers:
  - exact
  - contains: [tides]
  - matches: {pattern: "^N", name: begins}
  - fits_schema: {schema: schema.json}
  - judge: {rubric: Short answers are good., levels: 3}
  - call: tide_functions:length
    name: letters
repeats: 2
max_in_flight: 4
ledger: tides.jsonl
seed: 7
thresholds:
  - {variant: quoted, scorer: letters, at_least: 0.5}
  - {better_than: short, variant: quoted}
"""

MODULE = """\
def upper(text):
    return text.upper()


def length(trial):
    return len(trial.output) > 3


def rows():
    return [{"size": "small"}]
"""


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with all that the file names; the modules in it are forgotten afterwards."""
    (tmp_path / "rows.csv").write_text("number,size,answer\n1,small,Neap tides are small.\n2,large,\n")
    (tmp_path / "short.txt").write_text("{size}")
    (tmp_path / "schema.json").write_text('{"type": "string"}')
    (tmp_path / "tide_functions.py").write_text(MODULE)
    monkeypatch.setattr(sys, "path", list(sys.path))
    monkeypatch.delitem(sys.modules, "tide_functions", raising=False)
    return tmp_path


def read(folder: Path, text: str, name: str = "tides.yaml") -> ExperimentFile:
    """Write a file and read it."""
    (folder / name).write_text(text)
    return ExperimentFile.read(folder / name)


def test_a_file_is_an_experiment(folder: Path, client: Client) -> None:
    """Every key of the file arrives, and paths are relative to its folder."""
    file = read(folder, YAML)
    assert file.makes_runs
    assert not file.is_recorded
    assert file.thresholds == (
        Threshold(variant="quoted", scorer="letters", at_least=0.5),
        Threshold(variant="quoted", better_than="short"),
    )
    experiment = file.experiment(client=client)
    assert [row.key for row in experiment.rows] == ["1", "2"]
    assert list(experiment.variants) == ["quoted", "short", "upper"]
    names = ["exact", "contains", "begins", "fits_schema", "judge", "letters"]
    assert [scorer.name for scorer in experiment.scorers] == names
    assert experiment.results().total == 12
    assert experiment.results().seed == 7


def test_a_file_runs(folder: Path, client: Client, engine: Engine) -> None:
    """Prompts become runs, functions are called, and the ledger is written."""
    text = YAML.replace("  - judge: {rubric: Short answers are good., levels: 3}\n", "")
    results = read(folder, text).experiment(client=client).run(progress=False)
    assert results.is_complete
    answers = {(trial.variant, trial.row): trial.output for trial in results if trial.repeat == 0}
    assert answers["upper", "1"] == "SMALL"
    assert answers["quoted", "1"] == "NEAP TIDES ARE SMALL. WHICH TIDES ARE SMALL?"
    assert len(engine.requests) == 8
    assert {trial.scores["letters"] for trial in results} == {1.0}
    assert (folder / "tides.jsonl").is_file()


def test_json_and_toml_say_the_same(folder: Path) -> None:
    """Without PyYAML one of these is enough; the name of the experiment is that of the file, if it has none."""
    content = {"data": ["small"], "variants": {"a": "{input}"}, "thresholds": [{"failed_at_most": 1}]}
    as_json = read(folder, json.dumps(content), "tides.json")
    as_toml = read(
        folder, 'data = ["small"]\nvariants.a = "{input}"\n[[thresholds]]\nfailed_at_most = 1\n', "tides.toml"
    )
    assert as_json.thresholds == as_toml.thresholds
    assert as_json.experiment().results() == as_toml.experiment().results()
    assert as_json.experiment().name == "tides"


def test_rows_may_come_from_a_function(folder: Path) -> None:
    text = "data: {call: 'tide_functions:rows'}\nvariants: {a: '{size}'}"
    assert read(folder, text).experiment().rows[0].input == {"size": "small"}


def test_only_what_makes_runs_needs_a_client(folder: Path) -> None:
    text = "data: [small]\nvariants: {a: {call: 'tide_functions:upper', input: input}}\n"
    assert not read(folder, text).makes_runs
    assert read(folder, f"{text}scorers: [judge: Short answers are good.]").makes_runs


WRONG = [
    ("data: [a]", "variants: Field required"),
    ("[1]", "valid dictionary"),
    ("data: [a]\nvariants: {a: '{input}'}\nrepeat: 3", "repeat: Extra inputs"),
    ("data: [a]\nvariants: {a: '{input}'}\nrepeats: 0", "repeats: Input should be greater"),
    ("data: [a]\nvariants: {a: '{input}'}\nrepeats: '3'", "repeats: Input should be a valid integer"),
    ("data: [a]\nvariants: {a: '{input}', a: x}", "the name 'a' is repeated"),
    ("data: [a]\nvariants: {a: {promt: x}}", "variants.a: "),
    ("data: [a]\nvariants: {a: {prompt: x, tempo: 1}}", "variants.a: .*tempo"),
    ("data: [a]\nvariants: {a: {prompt: x, prompt_file: y}}", "variants.a: only one of"),
    ("data: [a]\nvariants: {a: {call: 'tide_functions:upper', tempo: 1}}", "variants.a: .*got tempo"),
    ("data: [a]\nvariants: {a: {call: upper}}", "variants.a: call must have the form module:attribute, got 'upper'"),
    ("data: [a]\nvariants: {a: {call: 'tide_functions:lower'}}", "variants.a: tide_functions:lower cannot be imported"),
    (
        "data: [a]\nvariants: {a: {call: 'no_such_module:f'}}",
        "no_such_module:f cannot be imported: ModuleNotFoundError",
    ),
    ("data: []\nvariants: {a: x}", "data: .*no rows"),
    ("data: {path: x}\nvariants: {a: x}", "data: .*got path"),
    ("data: [a]\nvariants: {a: x}\nscorers: [exactly]", "scorers.0: there is no scorer 'exactly': use exact,"),
    ("data: [a]\nvariants: {a: x}\nscorers: [{judge: {rubrik: x}}]", "scorers.0: judge: .*rubric"),
    ("data: [a]\nvariants: {a: x}\nscorers: [{matches: '('}]", "scorers.0: .*regular expression"),
    ("data: [a]\nvariants: {a: x}\nscorers: [{exact: x, contains: y}]", "scorers.0: .*got exact, contains"),
    ("data: [a]\nvariants: {a: x}\nscorers: [contains: a, contains: b]", "scorers: two scorers have the name"),
    ("data: [a]\nvariants: {a: x}\nthresholds: [{at_lest: 1}]", "thresholds.0: .*at_lest"),
    (
        "data: [a]\nvariants: {a: x}\nthresholds: [{at_least: 1, variant: b}]",
        "thresholds.0: there is no variant 'b': 'a'",
    ),
    (
        "data: [a]\nvariants: {a: x}\nthresholds: [{at_least: 1, scorer: b}]",
        "thresholds.0: there is no score 'b': none",
    ),
    ("data: [a\n", "cannot be read"),
]


@pytest.mark.parametrize(("text", "message"), WRONG)
def test_a_mistake_is_named_with_its_place(folder: Path, text: str, message: str) -> None:
    """Before anything is sent."""
    with pytest.raises(ValidationError, match=rf"tides\.yaml:? .*{message}|tides\.yaml: {message}"):
        read(folder, text)


def test_yaml_may_merge_mappings(folder: Path) -> None:
    """A merged name may be set again; that is what merging is for."""
    text = "data: [a]\nvariants:\n  a: &base {prompt: '{input}', user_id: ada}\n  b: {<<: *base, user_id: bob}\n"
    assert list(read(folder, text).experiment().variants) == ["a", "b"]


def test_the_file_in_the_documentation_is_valid(folder: Path) -> None:
    """Every key of the page is one that files have."""
    page = (Path(__file__).parents[2] / "docs" / "experiment-results.md").read_text("utf-8")
    (folder / "questions.csv").write_text("id,question,answer\n1,When is high tide?,noon\n")
    (folder / "notes.txt").write_text("High tide is at noon. {question}")
    (folder / "harbour_rules.py").write_text("def answer(text): ...\ndef is_polite(trial): ...\n")
    file = read(folder, page.partition("```yaml\n")[2].partition("```")[0])
    assert [len(file.thresholds), len(file.experiment().variants), len(file.experiment().scorers)] == [3, 3, 4]


def test_other_files_are_refused(folder: Path) -> None:
    with pytest.raises(ValidationError, match=r"ends in \.yaml, \.yml, \.toml or \.json"):
        read(folder, "", "tides.ini")
    with pytest.raises(FileNotFoundError):
        ExperimentFile.read(folder / "nowhere.yaml")


def test_without_pyyaml_the_error_names_the_extra(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "yaml", None)
    with pytest.raises(ImportError, match=r"lumnisai-integrations\[notebook\]"):
        read(folder, YAML)
