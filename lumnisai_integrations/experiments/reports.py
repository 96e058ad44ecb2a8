"""Reports of experiments: JUnit XML for CI and Markdown for people."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from xml.etree.ElementTree import Element, SubElement, indent, tostring

from lumnisai_core.display import one_line, safe_markdown
from lumnisai_integrations.experiments.results import Results
from lumnisai_integrations.experiments.statistics import Difference, counted
from lumnisai_integrations.experiments.tables import TableRow
from lumnisai_integrations.experiments.thresholds import Check
from lumnisai_integrations.experiments.trial import Trial

#: Characters that XML cannot hold.
_NOT_IN_XML = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
_MOST_ROWS = 20
_LONGEST_CELL = 300


def to_junit(results: Results, checks: Sequence[Check] = ()) -> str:
    """Write results as JUnit XML: a suite for the thresholds, and one for each variant with a case for each trial.

    A threshold that is not reached is a failure. A trial without an answer is an error, or skipped if all checks have
    passed, so that a report fails exactly when the checks do.

    Args:
        results: The results of an experiment.
        checks: The thresholds as applied to them.

    Returns:
        The document, in UTF-8 if it is written to a file.
    """
    passed = all(check.passed for check in checks)
    suites = Element("testsuites", {"name": _xml(results.name)})
    if checks:
        _add_suite(suites, f"{results.name}: thresholds", [_check_case(results.name, check) for check in checks])
    for variant in results.variants:
        trials = [trial for trial in results if trial.variant == variant]
        cases = [
            _trial_case(results.name, trial, errors="skipped" if checks and passed else "error") for trial in trials
        ]
        _add_suite(suites, f"{results.name}: {variant}", cases)
    for count in ("tests", "failures", "errors", "skipped"):
        suites.set(count, str(sum(int(suite.get(count, "0")) for suite in suites)))
    indent(suites)
    return '<?xml version="1.0" encoding="UTF-8"?>\n' + tostring(suites, encoding="unicode") + "\n"


def _add_suite(suites: Element, name: str, cases: Sequence[Element]) -> None:
    suite = SubElement(suites, "testsuite", {"name": _xml(name), "tests": str(len(cases))})
    for count, tag in (("failures", "failure"), ("errors", "error"), ("skipped", "skipped")):
        suite.set(count, str(sum(case.find(tag) is not None for case in cases)))
    suite.set("time", f"{sum(float(case.get('time', '0')) for case in cases):.3f}")
    suite.extend(cases)


def _check_case(name: str, check: Check) -> Element:
    case = Element("testcase", {"classname": _xml(f"{name}.thresholds"), "name": _xml(check.text)})
    if check.passed:
        SubElement(case, "system-out").text = _xml(check.found)
    else:
        SubElement(case, "failure", {"message": _xml(check.found)})
    return case


def _trial_case(name: str, trial: Trial, *, errors: str) -> Element:
    repeat = f" #{trial.repeat + 1}" if trial.repeat else ""
    case = Element("testcase", {"classname": _xml(f"{name}.{trial.variant}"), "name": _xml(f"{trial.row}{repeat}")})
    case.set("time", f"{trial.seconds or 0:.3f}")
    named = {f"score.{scorer}": f"{score:g}" for scorer, score in trial.scores.items() if score is not None}
    if trial.response_id is not None:
        named["response_id"] = trial.response_id
    if named:
        properties = SubElement(case, "properties")
        for key, value in named.items():
            SubElement(properties, "property", {"name": _xml(key), "value": _xml(value)})
    if trial.error is not None:
        SubElement(case, errors, {"message": _xml(one_line(trial.error))})
    elif trial.output is not None:
        SubElement(case, "system-out").text = _xml(trial.output)
    return case


def _xml(text: str) -> str:
    return _NOT_IN_XML.sub("\N{REPLACEMENT CHARACTER}", text)


def to_markdown(results: Results, checks: Sequence[Check] = ()) -> str:
    """Write results as Markdown: the table, the differences, the thresholds, disagreements and failures.

    Args:
        results: The results of an experiment.
        checks: The thresholds as applied to them.

    Returns:
        The document. Texts of answers are escaped; without scipy, it has no intervals and no differences.
    """
    try:
        summary, differences = results.summary(), list(results.differences())
        missing = ""
    except ImportError as error:
        summary, differences, missing = results.summary(intervals=False), [], f"{error}."
    trials = counted(len(results), "trial")
    if not results.is_complete:
        trials = f"{len(results):,} of {results.total:,} trials so far"
    parts = [
        f"# {_cell(results.name)}",
        f"{trials}. Means over rows, with intervals of 95 %.",
        _table(summary),
        missing,
    ]
    if checks:
        failed = sum(not check.passed for check in checks)
        parts += [f"## Thresholds: {f'{failed} of {len(checks)} failed' if failed else 'all passed'}", _table(checks)]
    if differences:
        parts += [
            "## Differences",
            "\n".join(f"- {_cell(one.scorer)}: {_cell(str(one))}" for one in _clear_first(differences)),
        ]
    for title, table in (("Disagreements", results.disagreements()), ("Failures", results.failures())):
        if table:
            more = f"… and {len(table) - _MOST_ROWS:,} more" if len(table) > _MOST_ROWS else ""
            parts += [f"## {title}", _table(table[:_MOST_ROWS]), more]
    return "\n\n".join(part for part in parts if part) + "\n"


def _clear_first(differences: Iterable[Difference]) -> list[Difference]:
    return sorted(differences, key=lambda one: not one.is_clear)


def _table(rows: Iterable[TableRow]) -> str:
    records: list[Mapping[str, object]] = [row.columns() for row in rows]
    names = list(dict.fromkeys(name for record in records for name in record))
    names = [name for name in names if any(record.get(name) not in (None, "") for record in records)]
    lines: list[Sequence[object]] = [
        names,
        ["---"] * len(names),
        *([record.get(name) for name in names] for record in records),
    ]
    return "\n".join(f"| {' | '.join(map(_cell, line))} |" for line in lines)


def _cell(value: object) -> str:
    return safe_markdown(one_line(value, _LONGEST_CELL)).replace("|", "\\|")
