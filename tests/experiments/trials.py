"""Trials for tests of results: two or more variants over the same rows, with scores as the test wants them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from lumnisai_integrations.experiments import Results, Trial


def trials_of(scores: Mapping[str, Sequence[float | None]], *, repeats: int = 1) -> list[Trial]:
    """Return trials with a score ``exact``; without a score a trial has failed.

    Args:
        scores: The scores of each variant: row by row, and in each row repeat by repeat.
        repeats: How often each row is repeated.
    """
    return [
        Trial(
            variant=variant,
            row=f"row-{place // repeats}",
            input={"question": f"Question {place // repeats}?"},
            expected="yes",
            repeat=place % repeats,
            output=None if score is None else ("yes" if score else "no"),
            scores={"exact": score},
            error="The run failed." if score is None else None,
            seconds=None if score is None else 1.0 + place,
            response_id=f"{variant}-{place}",
        )
        for variant, listed in scores.items()
        for place, score in enumerate(listed)
    ]


def results_of(scores: Mapping[str, Sequence[float | None]], *, repeats: int = 1) -> Results:
    """Return results over such trials."""
    return Results(trials_of(scores, repeats=repeats), name="tides")
