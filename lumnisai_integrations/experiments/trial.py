"""Trials: what one variant answered to one row of the data, and its scores."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from typing import Any, Self


@dataclass(frozen=True, slots=True)
class Trial:
    """One variant's answer to one row of the data, with its scores.

    Args:
        variant: The variant's name.
        row: The row's key.
        input: The row's fields, without its key and its expected answer.
        expected: The row's expected answer, if it has one.
        repeat: Which repetition of the row this is, from 0.
        output: The answer's text; None if the trial failed.
        structured: The answer as data, where the variant gives any.
        scores: A number for each scorer, 1 for yes and 0 for no; None where the scorer or the trial failed.
        reasons: Why a score is what it is, for each scorer that gives a reason; what went wrong for one that failed.
        error: Why the trial has no answer; None if it has one.
        seconds: How long the answer took, in seconds.
        response_id: The run that answered; None for variants that are no runs of the agent platform.
        input_tokens: Tokens of the question, where the variant reports them.
        output_tokens: Tokens of the answer, where the variant reports them.
        session_id: The session that records the trial in Lucidic.
    """

    variant: str
    row: str
    input: Mapping[str, Any]
    expected: Any = None
    repeat: int = 0
    output: str | None = None
    structured: Any = None
    scores: Mapping[str, float | None] = field(default_factory=dict)
    reasons: Mapping[str, str] = field(default_factory=dict)
    error: str | None = None
    seconds: float | None = None
    response_id: str | None = None
    input_tokens: int | None = None
    output_tokens: int | None = None
    session_id: str | None = None

    @property
    def cell(self) -> tuple[str, str, int]:
        """The trial's place in its experiment: variant, row and repeat."""
        return self.variant, self.row, self.repeat

    def to_dict(self) -> dict[str, Any]:
        """Return the trial as plain data, which JSON can hold if its input and answer can."""
        return {one.name: getattr(self, one.name) for one in fields(self)}

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> Self:
        """Return the trial that ``to_dict`` wrote.

        Args:
            data: What ``to_dict`` returned. Keys that a trial does not have are ignored.
        """
        names = {one.name for one in fields(cls)}
        return cls(**{name: value for name, value in data.items() if name in names})
