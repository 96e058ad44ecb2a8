# Generated from lumnisai_core/lumnis/_async/batch.py by `make sync`; edit that file.
"""Jobs: many runs at a time, each made once, with failures as values and a ledger for continuing after an interrupt."""

from __future__ import annotations

import time
from collections.abc import Generator, Iterable, Mapping, Sized
from dataclasses import replace
from functools import partial
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Self, Unpack
from uuid import uuid4

from lumnisai_core._transport._sync.transport import Transport
from lumnisai_core._transport.waiting import (
    GRACE,
    GRACE_POLICY,
    INTERRUPTS,
    beside,
    each,
    grace,
)
from lumnisai_core.exceptions import LumnisAIError, RunError, ValidationError
from lumnisai_core.lumnis._sync.following import STOP_FAILURE, RunStream
from lumnisai_core.lumnis.calls.keys import digest_of
from lumnisai_core.lumnis.calls.runs import (
    InvokeParameters,
    MessagesInput,
    RunParameters,
    RunStart,
    cancel_call,
    create_call,
    run_start,
    split_parameters,
)
from lumnisai_core.lumnis.config import Settings
from lumnisai_core.lumnis.models import ResponseObject, ResponseStatus
from lumnisai_core.lumnis.runs.batch import (
    Prices,
    RunInput,
    RunOutcome,
    answer_of,
    check_in_flight,
    data_frame,
    how_to_resume,
    is_made_again,
    job_start,
    numbered,
    recorded_start,
    run_of,
)
from lumnisai_core.lumnis.runs.ledger import RunLedger, RunRecord, open_ledger
from lumnisai_core.lumnis.runs.progress import JobProgress, JobProgressCallback, ProgressLine, progress_shown
from lumnisai_core.lumnis.runs.watch import add_hint, watch_options

if TYPE_CHECKING:
    from pandas import DataFrame


class RunJob:
    """The runs of one job: each input has one run, however often and by how many processes the job is started.

    Made by ``client.responses.job``. The idempotency key of a run comes from the name of the job, the key of its input
    and the request itself: a repeated start finds the run, and a changed request has a run of its own.
    """

    def __init__(
        self,
        transport: Transport,
        settings: Settings,
        job: str,
        parameters: InvokeParameters,
        *,
        ledger: RunLedger | None = None,
        attempts: int = 1,
    ) -> None:
        self._transport = transport
        self._settings = settings
        self._job = job
        self._parameters, watch = split_parameters(parameters)
        self._options, self._listeners = watch_options(watch, listening=False)
        self._ledger = ledger
        self._attempts = attempts
        self._streams: dict[RunStream, RunStart] = {}
        self._is_stopped = False
        #: Streams whose run was still being created when the job was stopped. Each stops its run itself.
        self._late: set[RunStream] = set()
        self._failure: LumnisAIError | None = None

    @property
    def under_way(self) -> list[str]:
        """Ids of the runs that the service has begun and that have not ended, as far as it is known."""
        return [stream.response_id for stream in list(self._streams) if stream.response_id is not None]

    def run(self, key: str, messages: MessagesInput, **parameters: Unpack[RunParameters]) -> ResponseObject:
        """Create or find the run of one input and return it at its end.

        Args:
            key: What identifies the input in its job, such as the id of a row.
            messages: A string, one message, or the messages of a conversation.
            **parameters: Parameters of this run, which override those of the job.

        Raises:
            ValidationError: Something about the run is invalid, or the ledger cannot be used.
            RunError: There is no answer; see ``client.invoke``.
            LumnisAIError: The service cannot be reached or refuses the request.
        """
        chosen: RunParameters = {**self._parameters, **parameters}
        call = create_call(self._settings, messages, chosen)
        digest = digest_of(call.body)
        if self._failure is not None:
            raise self._failure
        record = None if self._ledger is None else beside(partial(self._ledger.find, key, digest))
        attempt, failures = (0, 0) if record is None else (record.attempt, 0)
        while True:
            if record is not None:
                start = recorded_start(record.response_id)
            elif chosen.get("idempotency_key") is not None:
                start = run_start(self._settings, messages, chosen)
            else:
                start, attempt = job_start(call, self._job, key, digest, attempt)
            try:
                if record is not None and record.response is not None:
                    return answer_of(record.response)
                return self._follow(start, record or RunRecord(key, digest, "", attempt))
            except RunError as error:
                run = run_of(error)
                failures += run is not None and run.status == ResponseStatus.FAILED
                if run is None or not is_made_again(start, run, failures=failures, attempts=self._attempts):
                    raise
            record, attempt = None, attempt + 1

    def _follow(self, start: RunStart, record: RunRecord) -> ResponseObject:
        stream = RunStream(self._transport, start, self._options, self._listeners)
        self._streams[stream] = start
        try:
            if self._is_stopped:
                raise LumnisAIError("The job was stopped: it makes no further runs.")
            with stream:
                for update in stream:
                    if not record.response_id:
                        record = replace(record, response_id=update.response_id)
                        self._recorded(record)
            if stream in self._late:
                grace(lambda: self._cancel_all({stream: start}), failure=STOP_FAILURE)
            return stream.result()
        finally:
            self._streams.pop(stream, None)
            self._late.discard(stream)
            if self._ledger is not None and stream.response is not None and stream.response.is_terminal:
                ended = replace(record, response_id=stream.response.response_id, response=stream.response)
                beside(partial(self._ledger.end, ended))

    def _recorded(self, record: RunRecord) -> None:
        if self._ledger is None:
            return
        try:
            beside(partial(self._ledger.add, record))
        except LumnisAIError as error:
            self._failure = error
            self._detach()  # the next start of the job finds these runs by their keys
            raise

    def stop(self) -> None:
        """Stop all unfinished runs, because the caller is leaving early. The job makes no further runs."""
        self._is_stopped = True
        cancels = self._options.cancel_on_interrupt and self._failure is None
        streams = dict(self._streams)
        created = {stream: start for stream, start in streams.items() if stream.response_id is not None}
        if cancels:
            self._late.update(streams.keys() - created.keys())
        self._detach()
        if cancels:
            grace(lambda: self._cancel_all(created), failure=STOP_FAILURE)

    def _detach(self) -> None:
        for stream in list(self._streams):
            stream.detach()

    def _cancel_all(self, streams: Mapping[RunStream, RunStart]) -> None:
        for stream, start in streams.items():
            if stream.response_id is not None:
                try:
                    self._transport.send(cancel_call(stream.response_id), timeout=GRACE, policy=GRACE_POLICY)
                    start.ended(None)
                except ValidationError:
                    continue  # it has ended already


class RunOutcomes:
    """The outcomes of many runs, in the order in which these end; made by ``client.responses.map``.

    Leaving early stops the unfinished runs, unless ``cancel_on_interrupt=False``.
    """

    def __init__(
        self,
        outcomes: Generator[RunOutcome, None],
        total: int | None,
        show: JobProgressCallback | None,
        resuming: str,
    ) -> None:
        self._outcomes = outcomes
        self._progress = JobProgress(total=total)
        self._show = show
        self._resuming = resuming
        self._began = 0.0

    @property
    def progress(self) -> JobProgress:
        """How far the runs are."""
        return self._progress

    def __iter__(self) -> Self:
        return self

    def __next__(self) -> RunOutcome:
        self._began = self._began or time.monotonic()
        try:
            outcome = next(self._outcomes)
        except BaseException as error:  # also the end
            self._end()
            if isinstance(error, INTERRUPTS):
                add_hint(error, f"Interrupted at {self._progress}. {self._resuming}")
            raise
        taken = time.monotonic() - self._began
        self._progress = self._progress.after(outcome.run, is_error=outcome.error is not None, seconds=taken)
        if self._show is not None:
            self._show(self._progress)
        return outcome

    def to_pandas(self, *, prices: Prices | None = None) -> DataFrame:
        """Wait for all runs that are left and return their outcomes as a table, in the order of the inputs.

        Args:
            prices: For each model, the price of a million input tokens and of a million output tokens. With them, and
                if the service reports the usage of runs, the table has a column ``cost``.

        Returns:
            A data frame whose index is the position of the input, with the columns ``answer``, ``structured``,
            ``response_id``, ``status`` and ``error``, and ``model``, ``input_tokens`` and ``output_tokens`` if the
            service reports them.

        Raises:
            ImportError: pandas is not installed.
        """
        with self:
            outcomes = [outcome for outcome in self]
        return data_frame(outcomes, prices or {})

    def close(self) -> None:
        """Stop the runs that are not finished."""
        self._end()
        self._outcomes.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _end(self) -> None:
        if isinstance(self._show, ProgressLine):
            self._show.close()
        self._show = None


def map_runs(
    transport: Transport,
    settings: Settings,
    inputs: Iterable[RunInput | MessagesInput],
    parameters: InvokeParameters,
    *,
    max_in_flight: int,
    ledger: Path | None,
    progress: bool | JobProgressCallback,
) -> RunOutcomes:
    """Create a run for each input and return the outcomes in the order in which runs end."""
    total = len(inputs) if isinstance(inputs, Sized) else None
    limit = check_in_flight(max_in_flight)
    outcomes = _outcomes(transport, settings, inputs, parameters, max_in_flight=limit, path=ledger)
    resuming = how_to_resume(
        has_ledger=ledger is not None, is_stopped=parameters.get("cancel_on_interrupt") is not False
    )
    return RunOutcomes(outcomes, total, progress_shown(progress), resuming)


def _outcomes(
    transport: Transport,
    settings: Settings,
    inputs: Iterable[RunInput | MessagesInput],
    parameters: InvokeParameters,
    *,
    max_in_flight: int,
    path: Path | None,
) -> Generator[RunOutcome, None]:
    ledger = None if path is None else beside(partial(open_ledger, path))
    name = str(uuid4()) if ledger is None else ledger.job
    job = RunJob(transport, settings, name, parameters, ledger=ledger)

    def outcome(item: tuple[int, RunInput]) -> RunOutcome:
        index, run_input = item
        try:
            return RunOutcome(index, response=job.run(str(index), run_input.messages, **run_input.parameters))
        except LumnisAIError as error:
            if ledger is not None and error is ledger.failure:
                raise
            return RunOutcome(index, error=error)

    outcomes = each(outcome, numbered(inputs), limit=max_in_flight, stop=job.stop)
    try:
        for one in outcomes:
            yield one
    finally:
        outcomes.close()
