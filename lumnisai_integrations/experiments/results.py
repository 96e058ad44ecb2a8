"""Results of an experiment: its trials as a value, with means, differences, disagreements, failures and plots."""

from __future__ import annotations

import json
import math
import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from html import escape
from itertools import combinations
from pathlib import Path
from statistics import fmean, median
from typing import TYPE_CHECKING, Any, Literal, Self

from pydantic_core import to_jsonable_python

from lumnisai_core.display import one_line
from lumnisai_core.exceptions import ValidationError
from lumnisai_integrations.experiments.statistics import Difference, Mean, counted, difference_of, holm, mean_of
from lumnisai_integrations.experiments.tables import Disagreement, Failure, Table, VariantSummary, data_frame
from lumnisai_integrations.experiments.trial import Trial

if TYPE_CHECKING:
    from matplotlib.figure import Figure
    from pandas import DataFrame

_FORMAT = "lumnis-results-1"

#: Differences that a notebook and a terminal show below the table; all are in ``differences()``.
_MOST_SENTENCES = 10


@dataclass(frozen=True)
class Results:
    """The trials of an experiment and what they say. An immutable value.

    Statistics are over rows of the data: repeats of a row are averaged first, and two variants are compared over the
    rows that both have. Means are over the rows that have a score; failures are counted beside them.

    Args:
        trials: The trials, in the order of variants, rows and repeats in which they are to be shown.
        name: Name of the experiment.
        total: Number of trials of the whole experiment. Default: as many as there are.
        seed: Seed of bootstraps and permutation tests, so that the same trials always give the same numbers.

    Raises:
        ValidationError: Two trials are of the same variant, row and repeat.
    """

    trials: Sequence[Trial]
    name: str = "experiment"
    total: int | None = None
    seed: int = 0

    def __post_init__(self) -> None:
        object.__setattr__(self, "trials", tuple(self.trials))
        cells: set[tuple[str, str, int]] = set()
        for trial in self.trials:
            if trial.cell in cells:
                variant, row, repeat = trial.cell
                raise ValidationError(f"two trials are of variant {variant!r}, row {row!r} and repeat {repeat}")
            cells.add(trial.cell)

    def __len__(self) -> int:
        return len(self.trials)

    def __iter__(self) -> Iterator[Trial]:
        return iter(self.trials)

    @cached_property
    def variants(self) -> tuple[str, ...]:
        """Names of the variants."""
        return tuple(dict.fromkeys(trial.variant for trial in self.trials))

    @cached_property
    def scorers(self) -> tuple[str, ...]:
        """Names of the scores."""
        return tuple(dict.fromkeys(scorer for trial in self.trials for scorer in trial.scores))

    @cached_property
    def rows(self) -> tuple[str, ...]:
        """Keys of the rows."""
        return tuple(dict.fromkeys(trial.row for trial in self.trials))

    @property
    def is_complete(self) -> bool:
        """Whether every trial of the experiment is there."""
        return self.total is None or len(self.trials) >= self.total

    def summary(self, *, intervals: bool = True) -> Table[VariantSummary]:
        """Return one row for each variant: means with intervals of 95 %, failures, seconds and tokens.

        Args:
            intervals: Whether to compute intervals, for which scipy is needed.

        Raises:
            ImportError: scipy is not installed (extra ``notebook``).
        """
        return self._summary if intervals else self._summarised(intervals=False)

    def differences(self, baseline: str | None = None, *, scorer: str | None = None) -> Table[Difference]:
        """Compare the variants in pairs, over the rows that both have.

        Args:
            baseline: A variant with which all others are compared. Default: each with each.
            scorer: The score to compare. Default: each.

        Returns:
            One row for each score and pair, with the difference of the means, its interval of 95 % (paired bootstrap
            over rows) and p (permutation test). The p values of one score are corrected for the number of its pairs by
            Holm's method, so fewer pairs, as with a baseline, show smaller differences.

        Raises:
            ValidationError: There is no such variant or score.
            ImportError: scipy is not installed (extra ``notebook``).
        """
        if baseline is None and scorer is None:
            return self._differences
        if baseline is not None:
            _check_name("variant", baseline, self.variants)
        return self._compared(baseline, [self._known_scorer(scorer)] if scorer is not None else self.scorers)

    def disagreements(self, scorer: str | None = None) -> Table[Disagreement]:
        """Return the rows of the data that variants answer differently, those with the largest spread first.

        Args:
            scorer: The score to compare. Default: the first one; without any score, the answers themselves.

        Raises:
            ValidationError: There is no such score.
        """
        chosen = self._known_scorer(scorer) if scorer is not None else next(iter(self.scorers), None)
        by_row: dict[str, dict[str, list[Trial]]] = {}
        for trial in self.trials:
            by_row.setdefault(trial.row, {}).setdefault(trial.variant, []).append(trial)
        found = [self._disagreement(variants, chosen) for variants in by_row.values()]
        rows = [row for row in found if row is not None]
        what = "answers" if chosen is None else f"score {chosen}"
        return Table(
            sorted(rows, key=lambda row: -row.spread),
            note=f"{what} differ in {len(rows):,} of {len(by_row):,} rows" if rows else "",
            nothing=f"no disagreement: {what} of all variants are equal in every row",
        )

    def failures(self) -> Table[Failure]:
        """Return the trials without an answer and the scores that could not be made, each with the reason."""
        return Table((failure for trial in self.trials for failure in _failures_of(trial)), nothing="no failures")

    def compare(self, other: Results, *, scorer: str | None = None) -> Table[Difference]:
        """Compare each variant with itself in other results of the same data, such as those of another day.

        Rows are paired by key. Rows whose input or expected answer has changed are left out and counted in the note.

        Args:
            other: The earlier results.
            scorer: The score to compare. Default: each that both have.

        Returns:
            One row for each score and variant: what has changed from the other results to these.

        Raises:
            ValidationError: No variant or no score is in both, or none has this name.
            ImportError: scipy is not installed (extra ``notebook``).
        """
        variants = [variant for variant in self.variants if variant in other.variants]
        scorers = [name for name in self.scorers if name in other.scorers]
        for what, common, mine, theirs in (
            ("variant", variants, self.variants, other.variants),
            ("score", scorers, self.scorers, other.scorers),
        ):
            if not common:
                raise ValidationError(f"no {what} is in both results: {_listed(mine)} here, {_listed(theirs)} there")
        if scorer is not None:
            _check_name("score", scorer, scorers)
            scorers = [scorer]
        questions, before = self._questions, other._questions
        same = {row for row, question in questions.items() if before.get(row) == question}
        changed = sum(row in before for row in questions) - len(same)
        new = len(questions) - len(same) - changed
        notes = [f"left out: {counted(changed, 'changed row')}"] * bool(changed) + [counted(new, "new row")] * bool(new)
        found: list[Difference] = []
        for name in scorers:
            found += holm(
                [
                    difference_of(
                        name,
                        f"{variant} before",
                        f"{variant} now",
                        {row: score for row, score in other._scores[name].get(variant, {}).items() if row in same},
                        self._scores[name].get(variant, {}),
                        self.seed,
                    )
                    for variant in variants
                ]
            )
        return Table(found, note="; ".join(notes))

    def plot(self, what: Literal["means", "differences"] = "means", *, scorer: str | None = None) -> Figure:
        """Draw means, or differences of pairs, as points with their intervals of 95 %; one panel for each score.

        A notebook shows the figure when it is the value of a cell; ``savefig(path)`` writes it to a file.

        Args:
            what: ``means`` (default) or ``differences``, in which a line marks zero.
            scorer: The score to draw. Default: each.

        Raises:
            ValidationError: There is no such score, no score at all, or no such plot.
            ImportError: matplotlib or scipy is not installed (extra ``notebook``).
        """
        if what not in ("means", "differences"):
            raise ValidationError(f"what must be 'means' or 'differences', got {what!r}")
        scorers = [self._known_scorer(scorer)] if scorer is not None else list(self.scorers)
        if not scorers:
            raise ValidationError("there is nothing to plot: no trial has a score")
        try:
            from lumnisai_integrations.experiments import plots  # noqa: PLC0415 - needs matplotlib
        except ImportError as error:
            if not (error.name or "").startswith("matplotlib"):
                raise
            hint = 'plot() needs matplotlib: pip install "lumnisai-integrations[notebook]"'
            raise ImportError(hint, name=error.name) from error
        if what == "means":
            return plots.draw_means(self.name, self.summary(), scorers)
        return plots.draw_differences(self.name, self._compared(None, scorers), scorers)

    def to_pandas(self) -> DataFrame:
        """Return the trials as a data frame, one line each, with columns such as ``input.question``, ``score.exact``.

        Raises:
            ImportError: pandas is not installed.
        """
        return data_frame([_record(trial) for trial in self.trials])

    def to_dict(self) -> dict[str, Any]:
        """Return the results as plain data, which JSON can hold."""
        return {
            "format": _FORMAT,
            "name": self.name,
            "seed": self.seed,
            "total": self.total,
            "trials": to_jsonable_python([trial.to_dict() for trial in self.trials], fallback=str),
        }

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> Self:
        """Return the results that ``to_dict`` wrote.

        Args:
            data: What ``to_dict`` returned.

        Raises:
            ValidationError: The data is of another kind.
        """
        if data.get("format") != _FORMAT:
            raise ValidationError(f"results of an experiment have the format {_FORMAT!r}, got {data.get('format')!r}")
        trials = [Trial.from_dict(trial) for trial in data["trials"]]
        return cls(trials, data["name"], data["total"], data["seed"])

    def save(self, path: str | os.PathLike[str]) -> None:
        """Write the results to a file, for :meth:`load` and :meth:`compare` on another day.

        Args:
            path: The file. It is replaced as a whole.
        """
        target = Path(path)
        draft = target.with_name(f"{target.name}.{os.getpid()}.part")
        try:
            draft.write_text(json.dumps(self.to_dict(), ensure_ascii=False), "utf-8", errors="surrogatepass")
            draft.replace(target)
        finally:
            draft.unlink(missing_ok=True)

    @classmethod
    def load(cls, path: str | os.PathLike[str]) -> Self:
        """Read results that :meth:`save` wrote.

        Args:
            path: The file.

        Raises:
            ValidationError: The file holds something else.
        """
        try:
            data = json.loads(Path(path).read_text("utf-8", errors="surrogatepass"))
            return cls.from_dict(data)
        except (ValueError, LookupError, TypeError, AttributeError) as error:
            raise ValidationError(f"{os.fspath(path)!r} holds no results of an experiment: {error}") from error

    def __str__(self) -> str:
        table, sentences, notes = self._shown
        return "\n".join([self._heading, str(table), *[""] * bool(sentences), *sentences, *notes])

    def __repr__(self) -> str:
        return str(self)

    def _repr_html_(self) -> str:
        table, sentences, notes = self._shown
        items = "".join(f"<li>{escape(sentence)}</li>" for sentence in sentences)
        below = f"<ul>{items}</ul>" if items else ""
        ends = "".join(f"<div>{escape(note)}</div>" for note in notes)
        return f"<div><b>{escape(self._heading)}</b></div>{table._repr_html_()}{below}{ends}"

    @property
    def _heading(self) -> str:
        counts = [(self.variants, "variant"), (self.rows, "row")]
        parts = [counted(len(names), noun) for names, noun in counts]
        trials = counted(len(self.trials), "trial")
        if not self.is_complete:
            trials = f"{len(self.trials):,} of {self.total:,} trials so far"
        return f"{one_line(self.name, 100)}: {', '.join(parts)}, {trials}"

    @cached_property
    def _shown(self) -> tuple[Table[VariantSummary], list[str], list[str]]:
        """The table, the sentences on differences, and notes. Display must work without scipy, too."""
        notes: list[str] = []
        sentences: list[str] = []
        try:
            table = self.summary()
            # The clear ones first: they are what the experiment was made for.
            listed = sorted(self.differences(), key=lambda one: not one.is_clear)
            sentences = [one_line(f"{one.scorer}: {one}", 500) for one in listed[:_MOST_SENTENCES]]
            if len(listed) > _MOST_SENTENCES:
                notes.append(f"{len(listed) - _MOST_SENTENCES:,} more comparisons are in differences()")
        except ImportError as error:
            table = self.summary(intervals=False)
            notes.append(str(error))
        failed = len(self.failures())
        if failed:
            notes.append(f"{counted(failed, 'failure')}: failures() has the reasons")
        return table, sentences, notes

    @cached_property
    def _scores(self) -> dict[str, dict[str, dict[str, float]]]:
        """The mean of a row's repeats, by scorer, variant and row."""
        found: dict[str, dict[str, dict[str, list[float]]]] = {scorer: {} for scorer in self.scorers}
        for trial in self.trials:
            for scorer, score in trial.scores.items():
                if score is not None and math.isfinite(score):
                    found[scorer].setdefault(trial.variant, {}).setdefault(trial.row, []).append(float(score))
        return {
            scorer: {
                variant: {row: fmean(scores) for row, scores in rows.items()} for variant, rows in variants.items()
            }
            for scorer, variants in found.items()
        }

    @cached_property
    def _questions(self) -> dict[str, str]:
        """What each row asks and expects, in a form that a file keeps."""
        return {
            trial.row: json.dumps(to_jsonable_python([trial.input, trial.expected], fallback=str), sort_keys=True)
            for trial in self.trials
        }

    @cached_property
    def _summary(self) -> Table[VariantSummary]:
        return self._summarised(intervals=True)

    def _summarised(self, *, intervals: bool) -> Table[VariantSummary]:
        by_variant: dict[str, list[Trial]] = {variant: [] for variant in self.variants}
        for trial in self.trials:
            by_variant[trial.variant].append(trial)
        return Table(self._summary_of(*one, intervals=intervals) for one in by_variant.items())

    def _summary_of(self, variant: str, trials: list[Trial], *, intervals: bool) -> VariantSummary:
        scores = {scorer: list(self._scores[scorer].get(variant, {}).values()) for scorer in self.scorers}
        means: dict[str, Mean] = {
            scorer: mean_of(values, self.seed, intervals=intervals) for scorer, values in scores.items()
        }
        seconds = sorted(trial.seconds for trial in trials if trial.seconds is not None and trial.error is None)
        return VariantSummary(
            variant=variant,
            rows=len({trial.row for trial in trials}),
            trials=len(trials),
            failed=sum(trial.error is not None for trial in trials),
            means=means,
            seconds=median(seconds) if seconds else None,
            slow_seconds=seconds[math.ceil(0.9 * len(seconds)) - 1] if seconds else None,
            input_tokens=_sum(trial.input_tokens for trial in trials),
            output_tokens=_sum(trial.output_tokens for trial in trials),
        )

    @cached_property
    def _differences(self) -> Table[Difference]:
        return self._compared(None, self.scorers)

    def _compared(self, baseline: str | None, scorers: Iterable[str]) -> Table[Difference]:
        pairs = list(combinations(self.variants, 2))
        if baseline is not None:
            pairs = [(baseline, variant) for variant in self.variants if variant != baseline]
        found: list[Difference] = []
        for scorer in scorers:
            scores = self._scores[scorer]
            found += holm(
                [
                    difference_of(scorer, first, second, scores.get(first, {}), scores.get(second, {}), self.seed)
                    for first, second in pairs
                ]
            )
        return Table(found, nothing="no pair of variants to compare")

    def _disagreement(self, variants: Mapping[str, Sequence[Trial]], scorer: str | None) -> Disagreement | None:
        one = next(iter(variants.values()))[0]
        outputs = {variant: tuple(trial.output for trial in trials) for variant, trials in variants.items()}
        scores = (
            {}
            if scorer is None
            else {
                variant: self._scores[scorer][variant][one.row]
                for variant in variants
                if one.row in self._scores[scorer].get(variant, {})
            }
        )
        if scorer is not None:
            spread = max(scores.values()) - min(scores.values()) if scores else 0.0
        else:
            answers = [set(texts) for texts in outputs.values()]
            spread = sum(texts != answers[0] for texts in answers) / len(answers)
        return Disagreement(one.row, one.input, one.expected, outputs, scores, spread) if spread > 1e-12 else None

    def _known_scorer(self, scorer: str) -> str:
        _check_name("score", scorer, self.scorers)
        return scorer


def _check_name(what: str, name: str, known: Sequence[str]) -> None:
    if name not in known:
        raise ValidationError(f"there is no {what} {name!r}: {_listed(known)}")


def _listed(names: Sequence[str]) -> str:
    return ", ".join(map(repr, names)) or "none"


def _sum(numbers: Iterable[int | None]) -> int | None:
    known = [number for number in numbers if number is not None]
    return sum(known) if known else None


def _failures_of(trial: Trial) -> Iterator[Failure]:
    if trial.error is not None:
        yield Failure(trial.variant, trial.row, trial.repeat, None, trial.error, trial.response_id)
        return
    for scorer, score in trial.scores.items():
        if score is None or not math.isfinite(score):
            reason = trial.reasons.get(scorer, f"the score is {score}")
            yield Failure(trial.variant, trial.row, trial.repeat, scorer, reason, trial.response_id)


def _record(trial: Trial) -> dict[str, Any]:
    return {
        "variant": trial.variant,
        "row": trial.row,
        "repeat": trial.repeat,
        **{f"input.{name}": value for name, value in trial.input.items()},
        "expected": trial.expected,
        "output": trial.output,
        "structured": trial.structured,
        **{f"score.{name}": score for name, score in trial.scores.items()},
        **{f"reason.{name}": reason for name, reason in trial.reasons.items()},
        "error": trial.error,
        "seconds": trial.seconds,
        "input_tokens": trial.input_tokens,
        "output_tokens": trial.output_tokens,
        "response_id": trial.response_id,
        "session_id": trial.session_id,
    }
