"""Tables of experiments: their rows, shown as HTML in Jupyter and as text in a terminal."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from importlib import import_module
from typing import TYPE_CHECKING, Any, ClassVar, Generic, Protocol, TypeVar, cast, overload

from lumnisai_core.display import one_line, table_html, table_text
from lumnisai_integrations.experiments.statistics import Mean

if TYPE_CHECKING:
    from pandas import DataFrame

#: Characters that a table shows of an answer, an input or a reason.
_LONGEST_TEXT = 120


class TableRow(Protocol):
    """An object that can be shown as a row of a table."""

    def columns(self) -> Mapping[str, object]:
        """Return the values to show by column."""
        ...


RowT_co = TypeVar("RowT_co", bound=TableRow, covariant=True)


class Table(Sequence[RowT_co], Generic[RowT_co]):
    """A sequence of rows that shows itself as a table: HTML in a notebook, text elsewhere.

    Args:
        rows: The rows.
        note: A sentence below the table.
        nothing: What to show if there are no rows.
    """

    def __init__(self, rows: Iterable[RowT_co], *, note: str = "", nothing: str = "nothing") -> None:
        self._rows = tuple(rows)
        self.note = note
        self._nothing = nothing

    @overload
    def __getitem__(self, place: int) -> RowT_co: ...
    @overload
    def __getitem__(self, place: slice) -> Table[RowT_co]: ...
    def __getitem__(self, place: int | slice) -> RowT_co | Table[RowT_co]:
        if isinstance(place, slice):
            return Table(self._rows[place], note=self.note, nothing=self._nothing)
        return self._rows[place]

    def __len__(self) -> int:
        return len(self._rows)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Table) and self._rows == other._rows

    __hash__: ClassVar[None] = None  # type: ignore[assignment] # rows hold dicts

    def __str__(self) -> str:
        shown = table_text(self.records()) if self._rows else self._nothing
        return f"{shown}\n{self.note}" if self.note else shown

    __repr__ = __str__

    def _repr_html_(self) -> str:
        if not self._rows:
            return table_html([], note=". ".join(filter(None, [self._nothing, self.note])))
        return table_html(self.records(), note=self.note)

    def records(self) -> list[dict[str, object]]:
        """Return the values that are shown, a dict for each row."""
        return [dict(row.columns()) for row in self._rows]

    def to_pandas(self) -> DataFrame:
        """Return the values that are shown as a data frame.

        Raises:
            ImportError: pandas is not installed.
        """
        return data_frame(self.records())


def data_frame(records: Sequence[Mapping[str, Any]]) -> DataFrame:
    """Make a data frame of records.

    Raises:
        ImportError: pandas is not installed.
    """
    try:
        pandas = import_module("pandas")
    except ImportError as error:
        hint = 'to_pandas() needs pandas: pip install "lumnisai-integrations[notebook]"'
        raise ImportError(hint, name="pandas") from error
    return cast("DataFrame", pandas.DataFrame.from_records(list(records)))


def shown_text(value: object) -> str:
    """Write a value as a short line that is safe in a terminal; the only field of a mapping without its name."""
    if isinstance(value, Mapping):
        if len(value) != 1:
            return one_line(", ".join(f"{name}: {part}" for name, part in value.items()), _LONGEST_TEXT)
        value = next(iter(value.values()))
    return one_line(value, _LONGEST_TEXT)


@dataclass(frozen=True, slots=True)
class VariantSummary:
    """One variant in the table of an experiment.

    Attributes:
        variant: Its name.
        rows: Rows of the data that it has trials of.
        trials: Its trials.
        failed: Trials without an answer.
        means: Its mean of each score, over the rows that have one.
        seconds: Median of the seconds that an answer took; None if they are unknown.
        slow_seconds: Seconds within which nine of ten answers came.
        input_tokens: Tokens that its trials read; None where they are unknown.
        output_tokens: Tokens that they wrote.
    """

    variant: str
    rows: int
    trials: int
    failed: int
    means: Mapping[str, Mean] = field(default_factory=dict)
    seconds: float | None = None
    slow_seconds: float | None = None
    input_tokens: int | None = None
    output_tokens: int | None = None

    def columns(self) -> dict[str, object]:
        """Return the summary as a row of a table."""
        taken = ("variant", "failed", "median s", "90 % within s", "tokens")
        return {
            "variant": one_line(self.variant, _LONGEST_TEXT),
            **{
                f"score {scorer}" if scorer in taken else scorer: self._mean_text(mean)
                for scorer, mean in self.means.items()
            },
            "failed": f"{self.failed:,} of {self.trials:,}",
            "median s": _seconds_text(self.seconds),
            "90 % within s": _seconds_text(self.slow_seconds),
            "tokens": self._tokens_text(),
        }

    def _mean_text(self, mean: Mean) -> str:
        if mean.value is None:
            return "no score"
        return f"{mean}, {mean.rows:,} of {self.rows:,} rows" if mean.rows < self.rows else str(mean)

    def _tokens_text(self) -> str:
        if self.input_tokens is None and self.output_tokens is None:
            return ""
        return f"{self.input_tokens or 0:,} + {self.output_tokens or 0:,}"


def _seconds_text(seconds: float | None) -> str:
    return "" if seconds is None else f"{seconds:.3g}"


@dataclass(frozen=True, slots=True)
class Disagreement:
    """A row of the data that variants answer differently.

    Attributes:
        row: The row's key.
        input: The row's fields.
        expected: Its expected answer, if it has one.
        outputs: The answers of each variant, one for each repeat; None for those that failed.
        scores: The mean score of each variant, if a scorer is compared.
        spread: Best score minus worst score, or the share of variants whose answers differ from the first one's.
    """

    row: str
    input: Mapping[str, Any]
    expected: Any
    outputs: Mapping[str, tuple[str | None, ...]]
    scores: Mapping[str, float]
    spread: float

    def columns(self) -> dict[str, object]:
        """Return the row of the data as a row of a table, with a column for each variant."""
        return {
            "row": self.row,
            "input": shown_text(self.input),
            "expected": shown_text(self.expected),
            **{f"answer of {variant}": self._answer_text(variant) for variant in self.outputs},
        }

    def _answer_text(self, variant: str) -> str:
        answers = list(dict.fromkeys("failed" if text is None else shown_text(text) for text in self.outputs[variant]))
        text = answers[0] if len(answers) == 1 else shown_text(" | ".join(answers))
        return f"{self.scores[variant]:.2f}: {text}" if variant in self.scores else text


@dataclass(frozen=True, slots=True)
class Failure:
    """A trial without an answer, or without one of its scores.

    Attributes:
        variant: The trial's variant.
        row: The key of its row.
        repeat: Which repetition of the row it is, from 0.
        scorer: The scorer that failed; None if the answer did.
        reason: What went wrong.
        response_id: The run, if there is one.
    """

    variant: str
    row: str
    repeat: int
    scorer: str | None
    reason: str
    response_id: str | None = None

    def columns(self) -> dict[str, object]:
        """Return the failure as a row of a table."""
        return {
            "variant": one_line(self.variant, _LONGEST_TEXT),
            "row": self.row,
            "repeat": self.repeat,
            "failed": "the answer" if self.scorer is None else f"score {self.scorer}",
            "reason": shown_text(self.reason),
            "run": self.response_id,
        }
