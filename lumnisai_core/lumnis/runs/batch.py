"""Batches of runs: inputs, outcomes, the key of each run, and when an input has a further attempt."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from importlib import import_module
from typing import TYPE_CHECKING, Any, TypeAlias, cast

from lumnisai_core._transport.call import Call
from lumnisai_core.exceptions import LumnisAIError, RunError, ValidationError
from lumnisai_core.lumnis.calls.keys import CreatedRun, digest_of, is_used_up
from lumnisai_core.lumnis.calls.runs import MessagesInput, RunParameters, RunStart, get_call
from lumnisai_core.lumnis.models import ResponseObject, ResponseStatus
from lumnisai_core.lumnis.runs.progress import usage_of
from lumnisai_core.lumnis.runs.watch import error_of_run

if TYPE_CHECKING:
    from pandas import DataFrame

#: For each model, the price of a million input tokens and of a million output tokens.
Prices: TypeAlias = Mapping[str, tuple[float, float]]


@dataclass(frozen=True, slots=True)
class RunInput:
    """One input of a batch, with parameters of its own.

    Attributes:
        messages: A string, one message, or the messages of a conversation.
        parameters: Parameters of this run, which override those of the batch.
    """

    messages: MessagesInput
    parameters: RunParameters = field(default_factory=RunParameters)


@dataclass(frozen=True, slots=True)
class RunOutcome:
    """The outcome of one input: a finished run or an error.

    Attributes:
        index: Position of the input, from 0.
        response: The run, if it succeeded.
        error: Reason why there is no answer; a :class:`RunError` carries the run.
    """

    index: int
    response: ResponseObject | None = None
    error: LumnisAIError | None = None

    def result(self) -> ResponseObject:
        """Return the run.

        Raises:
            LumnisAIError: The error of this outcome, if there is one.
        """
        if self.error is not None:
            raise self.error
        if self.response is None:
            raise LumnisAIError(f"Input {self.index} has neither a run nor an error.")
        return self.response

    @property
    def run(self) -> ResponseObject | None:
        """The run as far as it is known, also that of an error."""
        return self.response or run_of(self.error)

    def columns(self) -> dict[str, Any]:
        """Return the outcome as values of a table: ``answer``, ``structured``, ``response_id``, ``status``, ``error``.

        What there is none of is None. ``status`` is that of the run, ``error`` a text.
        """
        run, error = self.run, self.error
        return {
            "answer": None if run is None else run.output_text,
            "structured": None if run is None else run.structured_response,
            "response_id": run.response_id if run else error.response_id if isinstance(error, RunError) else None,
            "status": None if run is None else str(run.status),
            "error": None if error is None else str(error),
        }


#: A failed run is followed by another one only as often as the job allows.
_RENEWED_AFTER = frozenset({ResponseStatus.CANCELLED})
_TEXTS = ("answer", "structured", "response_id", "status", "error", "model")


def run_of(error: LumnisAIError | None) -> ResponseObject | None:
    """Return the run that an error carries, if there is one."""
    run = error.response if isinstance(error, RunError) else None
    return run if isinstance(run, ResponseObject) else None


def how_to_resume(*, has_ledger: bool, is_stopped: bool) -> str:
    """Say what happens to the runs of a batch that is interrupted, and how to resume it."""
    fate = "The service was asked to stop the unfinished runs." if is_stopped else "The unfinished runs continue."
    way = "The same call with the same ledger resumes." if has_ledger else "With ledger=path, the same call resumes."
    return f"{fate} {way}"


def data_frame(outcomes: Iterable[RunOutcome], prices: Prices) -> DataFrame:
    """Return a table of outcomes, in the order of the inputs.

    Raises:
        ImportError: pandas is not installed.
    """
    try:
        pandas = import_module("pandas")
    except ImportError as error:
        raise ImportError("to_pandas() needs pandas: pip install pandas", name="pandas") from error
    listed = sorted(outcomes, key=lambda outcome: outcome.index)
    index = pandas.Index([outcome.index for outcome in listed], name="index")
    rows = table_rows(listed, prices)
    # Text columns hold objects, in which None stays None.
    columns = {
        name: pandas.Series([row[name] for row in rows], index, object if name in _TEXTS else None)
        for name in (rows[0] if rows else _TEXTS)
    }
    return cast("DataFrame", pandas.DataFrame(columns, index=index))


def table_rows(listed: Sequence[RunOutcome], prices: Prices) -> list[dict[str, Any]]:
    """Return the rows of a table of outcomes, with usage and cost as far as they are known."""
    usages = [usage_of(outcome.run) for outcome in listed]
    names = list(dict.fromkeys(name for usage in usages for name in usage))
    rows = []
    for outcome, usage in zip(listed, usages, strict=True):
        row = outcome.columns() | {name: usage.get(name) for name in names}
        if prices and names:
            row["cost"] = _cost(outcome.run, prices)
        rows.append(row)
    return rows


def _cost(run: ResponseObject | None, prices: Prices) -> float | None:
    price = None if run is None or run.usage is None else prices.get(run.model or "")
    if run is None or run.usage is None or price is None:
        return None
    return (run.usage.input_tokens * price[0] + run.usage.output_tokens * price[1]) / 1_000_000


def numbered(inputs: Iterable[RunInput | MessagesInput]) -> Iterator[tuple[int, RunInput]]:
    """Number the inputs as they are taken; plain messages become a :class:`RunInput`."""
    for index, item in enumerate(inputs):
        yield index, item if isinstance(item, RunInput) else RunInput(item)


def check_in_flight(max_in_flight: object) -> int:
    """Validate the number of runs at the same time."""
    if not isinstance(max_in_flight, int) or isinstance(max_in_flight, bool) or max_in_flight < 1:
        raise ValidationError(f"max_in_flight must be a whole number, 1 or more, not {max_in_flight!r}.")
    return max_in_flight


def run_key(job: str, key: str, digest: str, attempt: int) -> str:
    """Return the idempotency key of a run: the same however often, and by how many processes, the job is started.

    Another request under the same key has another digest, and so a run of its own.
    """
    return f"{digest_of([job, key, digest])}-{attempt}"


def answer_of(run: ResponseObject) -> ResponseObject:
    """Return a run that a ledger keeps, or raise the error of one that has no answer."""
    error = error_of_run(run)
    if error is not None:
        raise error
    return run


def job_start(call: Call[ResponseObject], job: str, key: str, digest: str, attempt: int) -> tuple[RunStart, int]:
    """Describe how to find or create the run of an input, at the first attempt that is not known to be used up."""
    while is_used_up(made := run_key(job, key, digest, attempt)):
        attempt += 1
    return RunStart(call._replace(read=CreatedRun(), idempotency_key=made), renewed_after=_RENEWED_AFTER), attempt


def recorded_start(response_id: str) -> RunStart:
    """Describe how to find the run of an input that a ledger knows."""
    return RunStart(get_call(response_id), response_id, renewed_after=_RENEWED_AFTER)


def is_made_again(start: RunStart, run: ResponseObject, *, failures: int, attempts: int) -> bool:
    """Decide whether an input whose run ended without an answer has a further attempt.

    A failed run has one as long as fewer than ``attempts`` runs failed. A cancelled run has one if it was there before:
    an earlier start of the job was interrupted. A run of this start that somebody cancels stays cancelled.

    Args:
        start: How the run was found or created.
        run: The run that ended.
        failures: Runs of this input that failed, with this one.
        attempts: Runs of an input that may fail.
    """
    if run.status == ResponseStatus.FAILED:
        return failures < attempts
    return start.again is None and start.is_renewed_after(run)  # otherwise it has been considered
