"""Thresholds and reports: what results must reach, and how CI and people read it."""

from __future__ import annotations

from dataclasses import replace
from typing import Any
from xml.etree import ElementTree

import pytest

from lumnisai_core.exceptions import ValidationError
from lumnisai_integrations.experiments import Check, Results, Threshold, Trial, check_all, to_junit, to_markdown
from tests.experiments.trials import results_of, trials_of

#: B is clearly better than A; C is as good as B by its mean, and has failed once.
RESULTS = results_of({"A": [1] * 2 + [0] * 10, "B": [1] * 10 + [0] * 2, "C": [1] * 10 + [0, None]})

REACHED: list[tuple[dict[str, Any], list[bool]]] = [
    ({"at_least": 0.1}, [True, True, True]),
    ({"at_least": 0.8}, [False, True, True]),
    ({"at_least": 10 / 12, "variant": "B"}, [True]),
    ({"surely_at_least": 0.8, "variant": "B", "scorer": "exact"}, [False]),
    ({"surely_at_least": 0.5, "variant": "B"}, [True]),
    ({"better_than": "A"}, [True, True]),
    ({"better_than": "A", "variant": "B"}, [True]),
    ({"better_than": "B", "variant": "C"}, [False]),
    ({"not_worse_than": "B", "variant": "C"}, [True]),
    ({"not_worse_than": "B", "variant": "A"}, [False]),
    ({"failed_at_most": 0}, [True, True, False]),
    ({"failed_at_most": 1, "variant": "C"}, [True]),
    ({"failed_at_most": 0.05, "variant": "C"}, [False]),
    ({"failed_at_most": 0.1, "variant": "C"}, [True]),
    ({"seconds_at_most": 6.5}, [True, True, True]),
    ({"seconds_at_most": 6, "variant": "A"}, [False]),
]


@pytest.mark.parametrize(("threshold", "reached"), REACHED)
def test_a_threshold_is_reached_or_not(threshold: dict[str, Any], reached: list[bool]) -> None:
    """For each variant that is meant, in the order of the results."""
    assert [check.passed for check in Threshold(**threshold).check(RESULTS)] == reached


def test_a_check_says_what_was_required_and_found() -> None:
    assert Threshold(at_least=0.95, variant="C").check(RESULTS) == [
        Check("exact of C is at least 0.95", passed=False, found="0.91, 11 rows")
    ]


def test_a_variant_without_any_score_reaches_nothing() -> None:
    """Nor does one that shares no row with the other."""
    results = results_of({"A": [1, 1], "B": [None, None]})
    for threshold in (
        Threshold(at_least=0.0, variant="B"),
        Threshold(surely_at_least=0.0, variant="B"),
        Threshold(not_worse_than="A"),
        Threshold(seconds_at_most=100, variant="B"),
    ):
        assert [check.passed for check in threshold.check(results)] == [False]


WRONG: list[tuple[dict[str, Any], str]] = [
    ({}, "exactly one of .* got none"),
    ({"at_least": 0.5, "better_than": "A"}, "got at_least and better_than"),
    ({"at_least": "0.5"}, "at_least must be a number, got '0.5'"),
    ({"at_least": True}, "at_least must be a number, got True"),
    ({"better_than": 1}, "better_than must be the name of a variant, got 1"),
    ({"failed_at_most": 1, "scorer": "exact"}, "concerns trials, not scores"),
    ({"better_than": "A", "variant": "A"}, "compares variant 'A' with itself"),
]


@pytest.mark.parametrize(("threshold", "message"), WRONG)
def test_a_threshold_that_makes_no_sense_is_refused(threshold: dict[str, Any], message: str) -> None:
    with pytest.raises(ValidationError, match=message):
        Threshold(**threshold)


@pytest.mark.parametrize(
    "threshold", [{"at_least": 1, "variant": "Z"}, {"at_least": 1, "scorer": "z"}, {"better_than": "Z"}]
)
def test_a_threshold_on_what_is_not_there_is_an_error(threshold: dict[str, Any]) -> None:
    """A typing error must not pass in silence; neither must results without anything to check."""
    with pytest.raises(ValidationError, match="which the results do not have"):
        Threshold(**threshold).check(RESULTS)
    with pytest.raises(ValidationError, match="applies to nothing"):
        Threshold(at_least=0.5).check(Results([Trial("A", "1", {})]))


def test_no_trial_may_fail_unless_a_threshold_says_so() -> None:
    assert [check.passed for check in check_all(RESULTS, [])] == [True, True, False]
    assert all(check.passed for check in check_all(RESULTS, [Threshold(failed_at_most=1)]))


def test_a_partial_experiment_passes_no_check() -> None:
    [*_, last] = check_all(replace(RESULTS, total=100), [])
    assert (last.passed, last.found) == (False, "36 of 100")


def test_no_variant_may_be_clearly_worse_than_in_earlier_results() -> None:
    """What could be chance is not worse."""
    before = results_of({"A": [1] * 12, "B": [1] * 11 + [0]})
    checks = check_all(RESULTS, [Threshold(failed_at_most=1)], before=before)[-2:]
    assert [(check.text, check.passed) for check in checks] == [
        ("exact of A now is not worse than A before", False),
        ("exact of B now is not worse than B before", True),
    ]


def outcomes(document: str) -> dict[str, list[str]]:
    """Return the outcome of each case by its class."""
    found: dict[str, list[str]] = {}
    for case in ElementTree.fromstring(document).iter("testcase"):
        tags = [child.tag for child in case if child.tag in ("failure", "error", "skipped")]
        found.setdefault(case.attrib["classname"], []).append(tags[0] if tags else "passed")
    return found


def test_a_junit_report_fails_when_a_check_does() -> None:
    """A failed trial is an error then; where thresholds allow it, it is skipped."""
    checks = check_all(RESULTS, [])
    report = to_junit(RESULTS, checks)
    assert outcomes(report) == {
        "tides.thresholds": ["passed", "passed", "failure"],
        "tides.A": ["passed"] * 12,
        "tides.B": ["passed"] * 12,
        "tides.C": ["passed"] * 11 + ["error"],
    }
    root = ElementTree.fromstring(report)
    assert {name: root.attrib[name] for name in ("tests", "failures", "errors", "skipped")} == {
        "tests": "39",
        "failures": "1",
        "errors": "1",
        "skipped": "0",
    }
    allowed = to_junit(RESULTS, check_all(RESULTS, [Threshold(failed_at_most=1)]))
    assert outcomes(allowed)["tides.C"] == ["passed"] * 11 + ["skipped"]


def test_a_junit_report_has_scores_runs_and_times() -> None:
    case = next(ElementTree.fromstring(to_junit(RESULTS)).iter("testcase"))
    assert (case.attrib["name"], case.attrib["time"]) == ("row-0", "1.000")
    named = {one.attrib["name"]: one.attrib["value"] for one in case.iter("property")}
    assert named == {"score.exact": "1", "response_id": "A-0"}
    assert case.findtext("system-out") == "yes"


def test_reports_take_any_text() -> None:
    """Control characters, halves of characters, markup and tables inside of answers."""
    odd = "\x00\x1b[31m\ud800 <b>]]> | `a|b` ![x](https://example.com/x.png)\nline"
    trials = [
        replace(trial, variant=f"{trial.variant}|<i>", output=odd, row=odd) for trial in trials_of({"A": [1], "B": [0]})
    ]
    results = Results(trials, name=odd)
    ElementTree.fromstring(to_junit(results, check_all(results, [])).encode())
    report = to_markdown(results, check_all(results, []))
    assert not any(tag in report for tag in ("<b>", "<i>", "![x]", "\x1b", "\x00"))
    [row] = [line for line in report.splitlines() if line.startswith("|") and "example.com" in line]
    assert row.replace("\\|", "").count("|") == 6


def test_a_markdown_report_has_all_that_people_look_for() -> None:
    report = to_markdown(RESULTS, check_all(RESULTS, [Threshold(at_least=0.5)]))
    titles = [line for line in report.splitlines() if line.startswith("#")]
    assert titles == ["# tides", "## Thresholds: 2 of 6 failed", "## Differences", "## Disagreements", "## Failures"]
    assert "| A | 0.17 (" in report
    assert "B is better than A by 0.67" in report
    assert "| C | row-11 | 0 | the answer | The run failed. | C-11 |" in report


def test_a_markdown_report_needs_no_scipy(monkeypatch: pytest.MonkeyPatch) -> None:
    """It has no intervals then, and says how to get them."""
    monkeypatch.setitem(__import__("sys").modules, "scipy.stats", None)
    report = to_markdown(results_of({"A": [1, 0], "B": [0, 0]}))
    assert "lumnisai-integrations[notebook]" in report
    assert "## Differences" not in report
