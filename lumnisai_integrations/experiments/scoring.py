"""Scoring: what a scorer is, what it may return, and functions as scorers."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from typing import Any, ClassVar, NamedTuple, TypeAlias

from lumnisai_core.exceptions import ValidationError
from lumnisai_integrations.experiments.calls import CLIENT_ERRORS, Calls
from lumnisai_integrations.experiments.plain import digest
from lumnisai_integrations.experiments.trial import Trial

#: A function that scores a trial: with a number, a yes or no, either of them with a reason, or None for no score.
ScoreFunction: TypeAlias = Callable[[Trial], Any]


class Score(NamedTuple):
    """The score of one trial.

    Args:
        value: The number, 1 for yes and 0 for no; None if there is none.
        reason: Why it is what it is, or why there is none.
        is_final: Whether the trial need not be scored again by a later start.
    """

    value: float | None
    reason: str = ""
    is_final: bool = True


class Scorer:
    """Base of all scorers: a name, and how to score a trial. Those of your own override :meth:`check`.

    Args:
        name: Name of the score.
    """

    #: Whether it compares with the expected answer, where nothing else was passed.
    needs_expected: bool = False
    #: Whether scoring makes runs of the agent platform.
    makes_runs: ClassVar[bool] = False

    def __init__(self, name: str) -> None:
        if not isinstance(name, str) or not name.strip():
            raise ValidationError(f"the name of a scorer must be a non-empty string, got {name!r}.")
        self.name = name

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self.name!r})"

    def check(self, trial: Trial) -> Any:
        """Return the score of a trial, at once: a number, True or False, either of them with a reason, or None.

        Args:
            trial: The trial, which has an answer and no scores yet.
        """
        raise NotImplementedError(f"{type(self).__name__} must define check(trial).")

    def _settings(self) -> Any:
        """Return what makes a score another one, as plain data. Trials are scored again when it changes."""
        return None

    def fingerprint(self, expected: Any) -> str:
        """Return a fingerprint of the settings and an expected answer."""
        return digest([type(self).__name__, self._settings(), expected])

    async def score(self, trial: Trial, calls: Calls) -> Score:
        """Score a trial. What goes wrong is the reason why there is no score.

        Args:
            trial: The trial, which has an answer.
            calls: What makes the calls.

        Raises:
            ConfigurationError: A judge has no client, or that has no key.
            AuthenticationError: The key of the client is refused.
        """
        try:
            return read_score(await self._judged(trial, calls))
        except Exception as error:
            if self.makes_runs and isinstance(error, CLIENT_ERRORS):
                raise
            return Score(None, f"{type(error).__name__}: {error}", is_final=False)

    async def _judged(self, trial: Trial, calls: Calls) -> Any:  # noqa: ARG002 - for scorers that call something
        return self.check(trial)


class Function(Scorer):
    """A function as a scorer. It is made of any function among the scorers of an experiment.

    A function whose code has changed does not score finished trials again: give it another name, or start the
    experiment with ``rescore=True``.

    Args:
        function: Takes a :class:`Trial` and returns a number, True or False, either of them with a reason as a tuple,
            a dict with ``score`` and ``reason``, or None for no score. It may be a coroutine function.
        name: Name of the score. Default: that of the function.
    """

    def __init__(self, function: ScoreFunction, name: str | None = None) -> None:
        super().__init__(name or str(getattr(function, "__name__", type(function).__name__)))
        self._function = function

    async def _judged(self, trial: Trial, calls: Calls) -> Any:
        return await calls.call(self._function, trial)


def read_score(value: Any) -> Score:
    """Read what a scorer or an evaluator returned.

    Raises:
        ValueError: There is no number in it.
    """
    if isinstance(value, Score):
        return value
    reason = ""
    if isinstance(value, tuple) and len(value) == 2:
        value, reason = value[0], str(value[1] or "")
    elif isinstance(value, Mapping):
        reason = str(value.get("reason") or value.get("reasoning") or value.get("comment") or "")
        value = value.get("score")
    if value is None:
        return Score(None, reason or "The scorer gave no score.")
    if hasattr(value, "item"):  # a number of NumPy
        value = value.item()
    if not isinstance(value, bool | int | float) or not math.isfinite(value):
        raise ValueError(f"a score must be a finite number, True or False, got {value!r:.100}")
    return Score(float(value), reason)
