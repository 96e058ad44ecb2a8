"""Statistics of experiments: means and paired differences over rows, their intervals, and whether they are chance.

Rows are the unit: repeats of a row are averaged before. Intervals come from a bootstrap over rows, p values from a
permutation test of paired rows, both of scipy, which is loaded when the first interval is needed. Seeds make every
number the same each time. Pure.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from importlib import import_module
from typing import Any

#: Share of intervals that contain the true value, and the share of false alarms among differences that are chance.
CONFIDENCE = 0.95
ALPHA = 0.05

#: Values that one interval or test draws at most, and the samples that are drawn within that.
_DRAWN = 4_000_000
_FEWEST_SAMPLES, _MOST_SAMPLES = 999, 9_999

#: Rows that must differ before a difference can be more than chance: with five, p is 2 / 2**5 at best.
_FEWEST_DIFFERING = 6


@dataclass(frozen=True, slots=True)
class Mean:
    """The mean of a score over rows.

    Attributes:
        value: The mean; None if no row has a score.
        low: Lower end of its interval of 95 %; None with fewer than two rows, and without scipy.
        high: Upper end.
        rows: Rows with a score.
    """

    value: float | None
    low: float | None = None
    high: float | None = None
    rows: int = 0

    def __str__(self) -> str:
        return "" if self.value is None else f"{self.value:.2f}{_interval_text(self.low, self.high)}"


@dataclass(frozen=True, slots=True)
class Difference:
    """How the scores of two variants differ, over the rows that both have.

    Attributes:
        scorer: Name of the score.
        first: The variant to compare with.
        second: The variant that is compared.
        value: Mean of the second minus mean of the first; None if no row has both.
        low: Lower end of its interval of 95 %; None with fewer than two rows.
        high: Upper end.
        p: How often chance alone makes a difference at least as large, from 0 to 1; corrected by Holm's method where
            several pairs are compared.
        rows: Rows in which both have a score.
        differing: Those of them in which the scores are not equal.
    """

    scorer: str
    first: str
    second: str
    value: float | None
    low: float | None = None
    high: float | None = None
    p: float = 1.0
    rows: int = 0
    differing: int = 0

    @property
    def is_clear(self) -> bool:
        """Whether chance is an unlikely explanation: p is below 0.05."""
        return self.p < ALPHA

    def __str__(self) -> str:
        over = counted(self.rows, "row")
        if self.value is None:
            return f"{self.first} and {self.second} have no row in common"
        if not self.differing:
            where = "the only row" if self.rows == 1 else f"all {over}"
            return f"{self.first} and {self.second} score the same in {where}"
        interval = _interval_text(self.low, self.high)
        better = self._better
        worse = self.first if better == self.second else self.second
        if self.value < 0 and self.low is not None and self.high is not None:
            interval = _interval_text(-self.high, -self.low)
        by = f"{abs(self.value):.2f}{interval}, {_p_text(self.p)}, {over}"
        if self.is_clear:
            return f"{better} is better than {worse} by {by}"
        few = f" of which {self.differing:,} differ" if self.differing < _FEWEST_DIFFERING else ""
        if not round(self.value, 9):
            return f"{self.first} and {self.second} have equal means, the difference is {by}{few}"
        return f"could be chance: {better} scores more than {worse} by {by}{few}"

    def columns(self) -> dict[str, object]:
        """Return the difference as a row of a table."""
        return {
            "scorer": self.scorer,
            "pair": f"{self.second} - {self.first}",
            "difference": "" if self.value is None else f"{self.value:+.2f}{_interval_text(self.low, self.high)}",
            "p": _p_text(self.p).removeprefix("p = ").removeprefix("p "),
            "rows": f"{self.rows:,}, {self.differing:,} differ",
            "verdict": f"{self._better} is better" if self.is_clear else "could be chance",
        }

    @property
    def _better(self) -> str:
        return self.second if (self.value or 0) > 0 else self.first


def counted(number: int, noun: str) -> str:
    """Write a number with its noun, such as ``1 row`` and ``2,000 rows``."""
    return f"{number:,} {noun}{'' if number == 1 else 's'}"


def _interval_text(low: float | None, high: float | None) -> str:
    return "" if low is None or high is None else f" ({low:.2f} to {high:.2f})".replace("-0.00", "0.00")


def _p_text(p: float) -> str:
    return "p < 0.001" if p < 0.001 else f"p = {p:.3f}" if p < 0.1 else f"p = {p:.2f}"


def mean_of(scores: Sequence[float], seed: int = 0, *, intervals: bool = True) -> Mean:
    """Return the mean of scores from 0 to 1 and its interval.

    Args:
        scores: One score for each row.
        seed: Seed of the bootstrap.
        intervals: Whether to compute the interval, for which scipy is needed.

    Raises:
        ImportError: scipy is not installed.
    """
    if not scores:
        return Mean(None)
    low, high = _interval(scores, 0.0, 1.0, seed) if intervals else (None, None)
    return Mean(math.fsum(scores) / len(scores), low, high, len(scores))


def difference_of(
    scorer: str, first: str, second: str, before: Mapping[str, float], after: Mapping[str, float], seed: int = 0
) -> Difference:
    """Compare two variants over the rows that both have.

    Args:
        scorer: Name of the score.
        first: Name of the variant to compare with.
        second: Name of the variant that is compared.
        before: The scores of the first by row, from 0 to 1.
        after: The scores of the second.
        seed: Seed of the bootstrap and of the permutation test.

    Raises:
        ImportError: scipy is not installed.
    """
    # Means of repeats differ in their last digits by rounding alone.
    changes = [round(after[row] - score, 12) for row, score in before.items() if row in after]
    if not changes:
        return Difference(scorer, first, second, None)
    low, high = _interval(changes, -1.0, 1.0, seed)
    moved = [change for change in changes if change]
    mean = math.fsum(changes) / len(changes)
    return Difference(scorer, first, second, mean, low, high, _p_value(moved, seed), len(changes), len(moved))


def holm(differences: Sequence[Difference]) -> list[Difference]:
    """Correct the p values of several comparisons by Holm's method; differences without rows do not count."""
    counted = sorted((one.p, place) for place, one in enumerate(differences) if one.value is not None)
    corrected, highest = list(differences), 0.0
    for rank, (p, place) in enumerate(counted):
        highest = max(highest, min(1.0, p * (len(counted) - rank)))
        corrected[place] = replace(differences[place], p=highest)
    return corrected


def _interval(values: Sequence[float], least: float, most: float, seed: int) -> tuple[float | None, float | None]:
    if len(values) < 2:
        return None, None
    low, high = min(values), max(values)
    if low == high:
        # A bootstrap of equal values has no width, however few they are. The exact interval of the share of rows that
        # are different although none was seen (Clopper and Pearson) is the room that remains.
        unseen = 1 - ((1 - CONFIDENCE) / 2) ** (1 / len(values))
        return low - max(0.0, low - least) * unseen, high + max(0.0, most - high) * unseen
    found = _scipy_stats().bootstrap(
        (values,),
        _mean,
        vectorized=True,
        n_resamples=_samples(len(values)),
        batch=max(1, _DRAWN // len(values)),
        confidence_level=CONFIDENCE,
        method="percentile",
        rng=seed,
    )
    return float(found.confidence_interval.low), float(found.confidence_interval.high)


def _p_value(moved: Sequence[float], seed: int) -> float:
    """Test whether changes have no direction: under chance, each could as well have the other sign."""
    if len(moved) < 2:
        return 1.0
    test = _scipy_stats().permutation_test(
        (moved,),
        _mean,
        permutation_type="samples",
        vectorized=True,
        n_resamples=_samples(len(moved)),
        batch=max(1, _DRAWN // len(moved)),
        rng=seed,
    )
    return float(test.pvalue)


def _samples(rows: int) -> int:
    return max(_FEWEST_SAMPLES, min(_MOST_SAMPLES, _DRAWN // rows))


def _mean(values: Any, axis: int) -> Any:
    return values.mean(axis=axis)


def _scipy_stats() -> Any:
    try:
        return import_module("scipy.stats")
    except ImportError as error:
        hint = 'intervals and differences need scipy: pip install "lumnisai-integrations[notebook]"'
        raise ImportError(hint, name="scipy") from error
