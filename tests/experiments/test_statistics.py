"""Statistics of experiments, compared with other methods of scipy and with enumeration by hand."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from itertools import product
from random import Random

import pytest
from scipy import stats

from lumnisai_integrations.experiments.statistics import Difference, Mean, difference_of, holm, mean_of


def compared(before: Sequence[float], after: Sequence[float], seed: int = 0) -> Difference:
    """Compare two lists of scores row by row."""
    first, second = ({str(row): score for row, score in enumerate(scores)} for scores in (before, after))
    return difference_of("exact", "A", "B", first, second, seed)


def random_scores(count: int, seed: int) -> list[float]:
    """Return scores between 0 and 1."""
    draw = Random(seed)
    return [round(draw.betavariate(4, 2), 3) for _ in range(count)]


@pytest.mark.parametrize(("count", "tolerance"), [(40, 0.015), (400, 0.004), (5_000, 0.001)])
def test_the_interval_of_a_mean_is_that_of_a_t_test(count: int, tolerance: float) -> None:
    """Where both methods hold, with dozens of scores, they give the same interval."""
    scores = random_scores(count, 1)
    mean = mean_of(scores)
    other = stats.ttest_1samp(scores, 0).confidence_interval(0.95)
    assert mean.value == pytest.approx(sum(scores) / count)
    assert (mean.low, mean.high) == pytest.approx((other.low, other.high), abs=tolerance)


@pytest.mark.parametrize("rows", [2, 5, 50])
@pytest.mark.parametrize("score", [0.0, 1.0])
def test_equal_scores_of_few_rows_prove_little(rows: int, score: float) -> None:
    """A bootstrap of equal scores has no width; the interval is the exact one of a share."""
    mean = mean_of([score] * rows)
    exact = stats.binomtest(int(score * rows), rows).proportion_ci(0.95, method="exact")
    assert (mean.low, mean.high) == pytest.approx((exact.low, exact.high))


def test_a_mean_of_one_row_has_no_interval() -> None:
    assert mean_of([0.5]) == Mean(0.5, None, None, 1)
    assert mean_of([]) == Mean(None)


@pytest.mark.parametrize(("won", "lost", "same"), [(1, 0, 3), (5, 0, 0), (6, 0, 10), (8, 2, 5), (9, 1, 40), (6, 6, 1)])
def test_p_of_right_and_wrong_answers_is_that_of_an_exact_mcnemar_test(won: int, lost: int, same: int) -> None:
    """With two outcomes, the permutation test is a binomial test of the rows that differ."""
    difference = compared([0.0] * won + [1.0] * lost + [1.0] * same, [1.0] * won + [0.0] * lost + [1.0] * same)
    assert difference.p == pytest.approx(stats.binomtest(won, won + lost, 0.5).pvalue)
    assert (difference.rows, difference.differing) == (won + lost + same, won + lost)


def test_p_of_graded_scores_counts_all_changes_of_sign() -> None:
    """Of all ways to swap the scores of rows, p is the share with a difference at least as large."""
    before, after = random_scores(9, 2), random_scores(9, 3)
    changes = [second - first for first, second in zip(before, after, strict=True)]
    sums = [
        sum(sign * change for sign, change in zip(signs, changes, strict=True)) for signs in product((1, -1), repeat=9)
    ]
    share = sum(abs(one) >= abs(sum(changes)) - 1e-9 for one in sums) / len(sums)
    assert compared(before, after).p == pytest.approx(share)


@pytest.mark.parametrize("rows", [200, 3_000])
def test_p_of_many_rows_is_near_that_of_a_paired_t_test(rows: int) -> None:
    """Too many rows to count all changes of sign: a sample of them is drawn."""
    before = random_scores(rows, 4)
    after = [score + change for score, change in zip(before, random_scores(rows, 5), strict=True)]
    shift = sum(after) / rows - sum(before) / rows - 0.9 * rows**-0.5 * 0.3
    moved = [score - shift for score in after]
    other = stats.ttest_rel(moved, before)
    difference = compared(before, moved)
    interval = other.confidence_interval(0.95)
    assert difference.p == pytest.approx(other.pvalue, abs=0.03)
    assert (difference.low, difference.high) == pytest.approx((interval.low, interval.high), abs=0.05 * rows**-0.5)


def test_chance_is_rarely_called_a_difference() -> None:
    """Of 100 comparisons of scores from one source, about five may be called clear."""
    found = [compared(random_scores(9, seed), random_scores(9, 1_000 + seed)).is_clear for seed in range(100)]
    assert sum(found) <= 9


def test_only_rows_of_both_variants_are_compared() -> None:
    """Rows that one of them has not answered are left out on both sides."""
    difference = difference_of("exact", "A", "B", {"1": 1.0, "2": 0.0, "3": 0.0}, {"2": 1.0, "3": 1.0, "4": 0.0})
    assert (difference.value, difference.rows) == (1.0, 2)


def test_rounding_makes_no_difference() -> None:
    """Means of repeats whose last digits differ are equal."""
    assert compared([0.1 + 0.2, 0.5], [0.3, 0.5]).differing == 0


def test_equal_scores_leave_room_for_rows_that_were_not_in_the_data() -> None:
    """Nothing differs in five rows: among other rows, some may."""
    difference = compared([1.0, 0.0, 1.0, 0.0, 1.0], [1.0, 0.0, 1.0, 0.0, 1.0])
    assert (difference.value, difference.p) == (0.0, 1.0)
    assert difference.low is not None
    assert difference.low == -(difference.high or 0)
    assert difference.low < -0.4


def test_the_same_seed_gives_the_same_numbers() -> None:
    scores, others = random_scores(30, 6), random_scores(30, 7)
    assert compared(scores, others, seed=3) == compared(scores, others, seed=3)
    assert mean_of(scores, seed=3) != mean_of(scores, seed=4)


def test_holm_corrects_for_the_number_of_comparisons() -> None:
    """The smallest p counts for all, the next one for those that remain, and the order stays."""
    raw = [0.01, 0.04, 0.03, 0.005]
    differences = [Difference("exact", "A", "B", 0.1, p=p) for p in raw]
    assert [one.p for one in holm(differences)] == pytest.approx([0.03, 0.06, 0.06, 0.02])
    assert [one.p for one in holm([Difference("exact", "A", "B", None), differences[0]])] == [1.0, 0.01]
    assert holm([]) == []


WORDS = [
    (
        Difference("s", "A", "B", 0.12, 0.03, 0.21, 0.012, 50, 20),
        "B is better than A by 0.12 (0.03 to 0.21), p = 0.012, 50 rows",
    ),
    (
        Difference("s", "A", "B", -0.12, -0.21, -0.03, 0.0001, 50, 20),
        "A is better than B by 0.12 (0.03 to 0.21), p < 0.001, 50 rows",
    ),
    (
        Difference("s", "A", "B", -0.02, -0.1, 0.06, 0.7, 50, 20),
        "could be chance: A scores more than B by 0.02 (-0.06 to 0.10), p = 0.70, 50 rows",
    ),
    (
        Difference("s", "A", "B", 0.6, 0.2, 1.0, 0.25, 5, 3),
        "could be chance: B scores more than A by 0.60 (0.20 to 1.00), p = 0.25, 5 rows of which 3 differ",
    ),
    (
        Difference("s", "A", "B", 0.0, -0.2, 0.2, 1.0, 50, 8),
        "A and B have equal means, the difference is 0.00 (-0.20 to 0.20), p = 1.00, 50 rows",
    ),
    (Difference("s", "A", "B", 0.0, -0.5, 0.5, 1.0, 1, 0), "A and B score the same in the only row"),
    (Difference("s", "A", "B", None), "A and B have no row in common"),
]


@pytest.mark.parametrize(("difference", "words"), WORDS)
def test_a_difference_is_a_sentence(difference: Difference, words: str) -> None:
    """It says which is better, by how much, and plainly where that could be chance."""
    assert str(difference) == words


def test_without_scipy_the_error_names_the_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    """Means alone do not need it."""
    monkeypatch.setitem(sys.modules, "scipy.stats", None)
    with pytest.raises(ImportError, match=r"lumnisai-integrations\[notebook\]"):
        mean_of([0.0, 1.0])
    assert mean_of([0.0, 1.0], intervals=False) == Mean(0.5, None, None, 2)
