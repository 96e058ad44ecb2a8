"""Results of experiments: tables, differences, disagreements, failures, files and plots."""

from __future__ import annotations

import pickle
import subprocess
import sys
from dataclasses import replace
from html import unescape
from pathlib import Path
from typing import Any

import pytest

from lumnisai_core.exceptions import ValidationError
from lumnisai_integrations.experiments import Results, Trial
from tests.experiments.trials import results_of, trials_of

#: Twelve rows, of which A answers four and B ten.
CLEAR = results_of({"A": [1] * 4 + [0] * 8, "B": [1] * 10 + [0] * 2})


def test_means_are_over_rows_and_repeats_are_averaged_within_them() -> None:
    """Three repeats of two rows are two rows, not six."""
    [one] = results_of({"A": [1, 0, 1, 0, 0, 0]}, repeats=3).summary()
    assert one.means["exact"].value == pytest.approx(1 / 3)
    assert (one.rows, one.trials, one.means["exact"].rows) == (2, 6, 2)


def test_failures_count_in_the_table_and_means_say_over_how_many_rows_they_are() -> None:
    results = results_of({"A": [1, 1, None, 0], "B": [1, 0, 1, 0]})
    [one, _] = results.summary()
    assert one.columns()["failed"] == "1 of 4"
    assert str(one.columns()["exact"]).endswith(", 3 of 4 rows")
    [failure] = results.failures()
    assert (failure.variant, failure.row, failure.scorer, failure.reason) == ("A", "row-2", None, "The run failed.")
    assert results.differences()[0].rows == 3
    assert "1 failure: failures() has the reasons" in str(results)


def test_a_scorer_that_failed_is_a_failure_with_its_reason() -> None:
    """The answer counts as an answer all the same."""
    trial = replace(trials_of({"A": [1]})[0], scores={"exact": 1.0, "judge": None}, reasons={"judge": "No grade."})
    results = Results([trial])
    [failure] = results.failures()
    assert (failure.scorer, failure.reason) == ("judge", "No grade.")
    assert results.summary(intervals=False)[0].failed == 0
    assert results.summary(intervals=False)[0].columns()["judge"] == "no score"


def test_seconds_are_a_median_and_that_of_nine_in_ten() -> None:
    """Failed trials took none."""
    [one] = results_of({"A": [*[1] * 10, None]}).summary()
    assert (one.seconds, one.slow_seconds) == (5.5, 9.0)


def test_a_clear_difference_is_a_sentence_below_the_table() -> None:
    [difference] = CLEAR.differences()
    assert (difference.first, difference.second, difference.value) == ("A", "B", 0.5)
    assert difference.is_clear
    assert f"exact: B is better than A by 0.50 ({difference.low:.2f} to {difference.high:.2f})" in str(CLEAR)
    assert "could be chance" in str(results_of({"A": [1, 0, 1, 0], "B": [1, 1, 1, 0]}))


def test_a_baseline_leaves_fewer_pairs() -> None:
    """So p is corrected for fewer of them."""
    results = results_of({"A": [1] * 4 + [0] * 8, "B": [1] * 10 + [0] * 2, "C": [1] * 7 + [0] * 5})
    pairs = {(one.first, one.second): one for one in results.differences()}
    with_baseline = {(one.first, one.second): one for one in results.differences("A")}
    assert list(pairs) == [("A", "B"), ("A", "C"), ("B", "C")]
    assert list(with_baseline) == [("A", "B"), ("A", "C")]
    assert with_baseline["A", "B"].p < pairs["A", "B"].p


def test_unknown_names_are_refused() -> None:
    """With the names that there are."""
    with pytest.raises(ValidationError, match="no variant 'Z': 'A', 'B'"):
        CLEAR.differences("Z")
    for act in (
        lambda: CLEAR.differences(scorer="z"),
        lambda: CLEAR.disagreements("z"),
        lambda: CLEAR.plot(scorer="z"),
    ):
        with pytest.raises(ValidationError, match="no score 'z': 'exact'"):
            act()


def test_disagreements_begin_with_the_largest() -> None:
    """Rows in which all variants score the same are left out."""
    results = results_of({"A": [1, 1, 0.5, 0], "B": [1, 0, 0, 0]})
    rows = results.disagreements()
    assert [(row.row, row.spread) for row in rows] == [("row-1", 1.0), ("row-2", 0.5)]
    assert rows[0].columns() == {
        "row": "row-1",
        "input": "Question 1?",
        "expected": "yes",
        "answer of A": "1.00: yes",
        "answer of B": "0.00: no",
    }
    assert "no disagreement" in str(results_of({"A": [1], "B": [1]}).disagreements())


def test_without_scores_other_answers_are_disagreements() -> None:
    """Also an answer beside a failure."""
    trials = [replace(trial, scores={}) for trial in trials_of({"A": [1, 1, 1], "B": [1, 0, None]})]
    assert [row.row for row in Results(trials).disagreements()] == ["row-1", "row-2"]


def test_a_partial_experiment_says_so() -> None:
    results = replace(CLEAR, total=50)
    assert not results.is_complete
    assert "24 of 50 trials so far" in str(results)
    assert "24 of 50 trials so far" in results._repr_html_()


def test_two_trials_of_one_cell_are_refused() -> None:
    """They would count twice."""
    with pytest.raises(ValidationError, match="variant 'A', row 'row-0' and repeat 0"):
        Results(trials_of({"A": [1]}) * 2)


@pytest.mark.parametrize("scores", [{}, {"A": []}, {"A": [1]}, {"A": [None]}, {"A": [None, 1], "B": [1, None]}])
def test_few_trials_can_be_shown(scores: dict[str, list[float | None]]) -> None:
    """None, one, or none that two variants share."""
    results = results_of(scores)
    assert "tides" in str(results)
    assert "tides" in results._repr_html_()
    assert len(results.to_pandas()) == len(results)
    str(results.disagreements())
    str(results.failures())
    str(results.differences())


def test_foreign_text_does_no_harm() -> None:
    """Neither as HTML nor in a terminal."""
    trial = Trial("<b>A", "1", {"question": "<script>"}, None, output="\x1b[31m<img>", scores={"<i>": 1.0})
    other = replace(trial, variant="B", output="b", scores={"<i>": 0.0})
    results = Results([trial, other], name="<u>")
    pages = [results._repr_html_(), results.disagreements()._repr_html_()]
    assert not any(tag in page for page in pages for tag in ("<b>A", "<script>", "<img>", "<i>", "<u>"))
    assert "<script>" in unescape(pages[1])
    assert "\x1b" not in f"{results}{results.disagreements()}"


def test_a_data_frame_has_a_line_for_each_trial() -> None:
    frame = CLEAR.to_pandas()
    assert len(frame) == 24
    assert frame.loc[0, ["variant", "row", "input.question", "score.exact"]].tolist() == [
        "A",
        "row-0",
        "Question 0?",
        1,
    ]
    assert list(CLEAR.summary().to_pandas()["variant"]) == ["A", "B"]


def test_results_are_kept_in_a_file(tmp_path: Path) -> None:
    """They are the same value when they are read again, and texts that are not quite Unicode survive."""
    odd = Results([*trials_of({"A": [1, None]}), Trial("A", "odd", {"question": "caf\udce9 €"})], "odd", 5, 3)
    for results in (CLEAR, odd):
        results.save(tmp_path / "results.json")
        assert Results.load(tmp_path / "results.json") == results
    assert [path.name for path in tmp_path.iterdir()] == ["results.json"]


@pytest.mark.parametrize("content", ["", "[]", "{}", '{"format": "lumnis-results-1"}', '{"format": "x", "trials": []}'])
def test_a_file_of_something_else_is_refused(tmp_path: Path, content: str) -> None:
    path = tmp_path / "results.json"
    path.write_text(content)
    with pytest.raises(ValidationError, match="holds no results of an experiment"):
        Results.load(path)


def test_results_are_a_value() -> None:
    """They compare by their trials and can be pickled, also after they were shown."""
    str(CLEAR)
    assert pickle.loads(pickle.dumps(CLEAR)) == CLEAR == Results(list(CLEAR.trials), "tides")
    with pytest.raises(AttributeError):
        CLEAR.name = "other"  # type: ignore[misc] # that is what is tested


def test_comparing_days_pairs_each_variant_with_itself() -> None:
    """Rows that are new or ask something else are left out, and the note counts them."""
    before = results_of({"A": [0] * 9, "B": [1] * 9, "gone": [1] * 9})
    later = trials_of({"A": [1] * 10, "B": [1] * 10})
    changed = [replace(trial, expected="no") if trial.row == "row-8" else trial for trial in later]
    table = Results(changed).compare(before)
    assert [(one.first, one.second, one.value, one.rows) for one in table] == [
        ("A before", "A now", 1.0, 8),
        ("B before", "B now", 0.0, 8),
    ]
    assert table.note == "left out: 1 changed row; 1 new row"
    assert table[0].is_clear
    with pytest.raises(ValidationError, match="no variant is in both results: 'C' here, 'A', 'B', 'gone' there"):
        results_of({"C": [1]}).compare(before)


def test_comparing_with_a_file_is_comparing_with_the_results(tmp_path: Path) -> None:
    """Inputs that JSON has no form of do not count as changed."""
    one = Results([replace(trial, input={"place": Path("/quay"), "of": (1, 2)}) for trial in CLEAR])
    one.save(tmp_path / "results.json")
    assert one.compare(Results.load(tmp_path / "results.json"))[0].rows == 12


@pytest.mark.parametrize("what", ["means", "differences"])
def test_a_plot_is_a_picture_with_intervals(what: str, tmp_path: Path) -> None:
    """A line for each interval and a point for each value; a notebook gets a picture without pyplot."""
    figure = CLEAR.plot(what)  # type: ignore[arg-type] # one of the two
    [axes] = figure.axes
    drawn: list[Any] = list(axes.lines)
    lines = [list(line.get_xdata()) for line in drawn]
    widths = [len(line) for line in lines]
    count = 2 if what == "means" else 1
    assert widths.count(1) == count
    labels = [label.get_text() for label in axes.get_yticklabels()]
    assert labels == (["A", "B"] if what == "means" else ["B - A"])
    [low, high] = next(line for line in lines if len(line) == 2)
    shown = CLEAR.summary()[0].means["exact"] if what == "means" else CLEAR.differences()[0]
    assert (low, high) == (shown.low, shown.high)
    assert figure._repr_png_().startswith(b"\x89PNG")  # type: ignore[attr-defined] # for notebooks
    figure.savefig(tmp_path / "plot.svg")


def test_a_plot_of_nothing_is_refused() -> None:
    with pytest.raises(ValidationError, match="no trial has a score"):
        Results([]).plot()
    with pytest.raises(ValidationError, match="'means' or 'differences', got 'bars'"):
        CLEAR.plot("bars")  # type: ignore[arg-type] # that is what is tested


def test_without_scipy_results_are_shown_without_intervals(monkeypatch: pytest.MonkeyPatch) -> None:
    """A display never fails; the note names the extra."""
    monkeypatch.setitem(sys.modules, "scipy.stats", None)
    results = results_of({"A": [1, 0], "B": [1, 1]})
    assert "0.50" in str(results)
    assert "lumnisai-integrations[notebook]" in str(results)
    with pytest.raises(ImportError, match="notebook"):
        results.differences()


@pytest.mark.parametrize(("package", "method"), [("pandas", "to_pandas"), ("matplotlib.figure", "plot")])
def test_without_a_package_the_error_names_the_extra(
    package: str, method: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delitem(sys.modules, "lumnisai_integrations.experiments.plots", raising=False)
    monkeypatch.delattr("lumnisai_integrations.experiments.plots", raising=False)
    monkeypatch.setitem(sys.modules, package, None)
    with pytest.raises(ImportError, match=r"lumnisai-integrations\[notebook\]"):
        getattr(CLEAR, method)()


def test_importing_results_loads_no_library_of_statistics() -> None:
    """scipy, pandas and matplotlib are loaded where they are used."""
    program = (
        "import sys, lumnisai_integrations.experiments; print({'scipy', 'pandas', 'matplotlib'} & sys.modules.keys())"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "set()"
