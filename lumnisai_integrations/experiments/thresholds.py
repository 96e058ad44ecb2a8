"""Thresholds: what the results of an experiment must reach, for tests in CI."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

from lumnisai_core.exceptions import ValidationError
from lumnisai_integrations.experiments.results import Results
from lumnisai_integrations.experiments.statistics import Difference, Mean, counted
from lumnisai_integrations.experiments.tables import VariantSummary

_OF_SCORES = ("at_least", "surely_at_least", "better_than", "not_worse_than")
_OF_TRIALS = ("failed_at_most", "seconds_at_most")


@dataclass(frozen=True, slots=True)
class Check:
    """One threshold applied to one variant.

    Attributes:
        text: What was required, in words.
        passed: Whether the results reach it.
        found: What the results are.
    """

    text: str
    passed: bool
    found: str

    def columns(self) -> dict[str, object]:
        """Return the check as a row of a table."""
        return {"threshold": self.text, "": "passed" if self.passed else "FAILED", "found": self.found}


@dataclass(frozen=True, slots=True, kw_only=True)
class Threshold:
    """A requirement on the results of an experiment. Exactly one of the criteria is set.

    Args:
        variant: The variant that must reach it. Default: each, but for the one that it is compared with.
        scorer: The score that is meant. Default: each.
        at_least: The mean of the score must be at least this.
        surely_at_least: The lower end of the mean's interval of 95 % must be at least this.
        better_than: The variant must be better than this one, and the difference must not be chance.
        not_worse_than: The variant must not be worse than this one, unless the difference could be chance.
        failed_at_most: Trials without an answer: a number, or a share such as 0.02 of the variant's trials.
        seconds_at_most: The median of the seconds that an answer takes.

    Raises:
        ValidationError: Not exactly one criterion is set, or a value is not a number.
    """

    variant: str | None = None
    scorer: str | None = None
    at_least: float | None = None
    surely_at_least: float | None = None
    better_than: str | None = None
    not_worse_than: str | None = None
    failed_at_most: float | None = None
    seconds_at_most: float | None = None

    def __post_init__(self) -> None:
        names = (*_OF_SCORES, *_OF_TRIALS)
        chosen = [name for name in names if getattr(self, name) is not None]
        if len(chosen) != 1:
            got = " and ".join(chosen) or "none"
            raise ValidationError(f"a threshold has exactly one of {', '.join(names)}, got {got}")
        if self.scorer is not None and chosen[0] in _OF_TRIALS:
            raise ValidationError(f"{chosen[0]} concerns trials, not scores: remove scorer {self.scorer!r}")
        value = getattr(self, chosen[0])
        is_name = chosen[0] in ("better_than", "not_worse_than")
        if not (isinstance(value, str) if is_name else isinstance(value, int | float) and not isinstance(value, bool)):
            kind = "the name of a variant" if is_name else "a number"
            raise ValidationError(f"{chosen[0]} must be {kind}, got {value!r}")
        if value == self.variant:
            raise ValidationError(f"{chosen[0]} compares variant {value!r} with itself")

    @property
    def baseline(self) -> str | None:
        """The variant that others are compared with, if there is one."""
        return self.better_than if self.better_than is not None else self.not_worse_than

    def check(self, results: Results) -> list[Check]:
        """Apply the threshold.

        Args:
            results: The results of an experiment.

        Returns:
            One check for each variant and score that is meant.

        Raises:
            ValidationError: The experiment has no such variant or score.
            ImportError: scipy is needed and not installed (extra ``notebook``).
        """
        for what, name, known in (
            ("variant", self.variant, results.variants),
            ("variant", self.baseline, results.variants),
            ("score", self.scorer, results.scorers),
        ):
            if name is not None and name not in known:
                listed = ", ".join(map(repr, known)) or "none"
                raise ValidationError(f"a threshold names the {what} {name!r}, which the results do not have: {listed}")
        checks = list(self._of_pairs(results) if self.baseline is not None else self._of_variants(results))
        if not checks:
            raise ValidationError("a threshold applies to nothing: the results have no score or no second variant")
        return checks

    def _of_pairs(self, results: Results) -> Iterator[Check]:
        for one in results.differences(self.baseline, scorer=self.scorer):
            if self.variant in (None, one.second):
                yield self._of_pair(one)

    def _of_pair(self, one: Difference) -> Check:
        has_rows = one.value is not None
        is_better = one.is_clear and (one.value or 0) > 0
        is_worse = one.is_clear and (one.value or 0) < 0
        relation, passed = ("better", is_better) if self.better_than is not None else ("not worse", not is_worse)
        return Check(f"{one.scorer} of {one.second} is {relation} than {one.first}", has_rows and passed, str(one))

    def _of_variants(self, results: Results) -> Iterator[Check]:
        for summary in results.summary(intervals=self.surely_at_least is not None):
            if self.variant not in (None, summary.variant):
                continue
            if self.failed_at_most is not None or self.seconds_at_most is not None:
                yield self._of_trials(summary)
                continue
            for scorer, mean in summary.means.items():
                if self.scorer in (None, scorer):
                    yield self._of_mean(summary.variant, scorer, mean)

    def _of_mean(self, variant: str, scorer: str, mean: Mean) -> Check:
        over = f"{mean}, {counted(mean.rows, 'row')}" if mean.value is not None else "no row has a score"
        if self.at_least is not None:
            passed = mean.value is not None and mean.value >= self.at_least
            return Check(f"{scorer} of {variant} is at least {self.at_least:g}", passed, over)
        least = self.surely_at_least or 0.0
        passed = mean.low is not None and mean.low >= least
        return Check(f"{scorer} of {variant} is at least {least:g} in its whole interval", passed, over)

    def _of_trials(self, summary: VariantSummary) -> Check:
        if self.seconds_at_most is not None:
            passed = summary.seconds is not None and summary.seconds <= self.seconds_at_most
            found = "no answer" if summary.seconds is None else f"{summary.seconds:.3g} s"
            return Check(f"{summary.variant} takes at most {self.seconds_at_most:g} s (median)", passed, found)
        most = self.failed_at_most or 0
        is_share = 0 < most < 1
        limit = most * summary.trials if is_share else most
        text = f"{100 * most:g} %" if is_share else f"{most:g}"
        found = f"{summary.failed:,} of {summary.trials:,}"
        return Check(f"trials of {summary.variant} that failed are at most {text}", summary.failed <= limit, found)


def check_all(results: Results, thresholds: Sequence[Threshold], *, before: Results | None = None) -> list[Check]:
    """Apply thresholds to results.

    Args:
        results: The results of an experiment.
        thresholds: What they must reach. Unless one of them limits failures, no trial may fail.
        before: Earlier results. No variant may be worse than there, unless the difference could be chance.

    Returns:
        The checks, in the order of the thresholds.

    Raises:
        ValidationError: A threshold names a variant or score that the results do not have, or ``before`` has none of
            them.
        ImportError: scipy is needed and not installed (extra ``notebook``).
    """
    applied: Iterable[Threshold] = thresholds
    if all(threshold.failed_at_most is None for threshold in thresholds):
        applied = [*thresholds, Threshold(failed_at_most=0)]
    checks = [check for threshold in applied for check in threshold.check(results)]
    if before is not None:
        for one in results.compare(before):
            is_worse = one.is_clear and (one.value or 0) < 0
            text = f"{one.scorer} of {one.second} is not worse than {one.first}"
            checks.append(Check(text, one.value is not None and not is_worse, str(one)))
    if not results.is_complete:
        found = f"{len(results):,} of {results.total:,}"
        checks.append(Check("every trial of the experiment is there", passed=False, found=found))
    return checks
