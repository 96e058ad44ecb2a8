"""Batches: many runs at a time, with failures as values and a ledger for continuing after an interrupt."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Iterable
from functools import partial
from pathlib import Path

from lumnisai_core._transport._async.transport import AsyncTransport
from lumnisai_core._transport.waiting import GRACE, GRACE_POLICY, async_beside, async_each, async_grace
from lumnisai_core.exceptions import LumnisAIError, RunCancelledError, ValidationError
from lumnisai_core.lumnis._async.following import STOP_FAILURE, AsyncRunStream
from lumnisai_core.lumnis.calls.keys import digest_of
from lumnisai_core.lumnis.calls.runs import (
    InvokeParameters,
    MessagesInput,
    RunParameters,
    RunStart,
    cancel_call,
    create_call,
    get_call,
    split_parameters,
)
from lumnisai_core.lumnis.config import Settings
from lumnisai_core.lumnis.models import ResponseObject
from lumnisai_core.lumnis.runs.batch import Entry, Ledger, RunInput, RunOutcome, numbered, open_ledger
from lumnisai_core.lumnis.runs.watch import watch_options


async def map_runs(
    transport: AsyncTransport,
    settings: Settings,
    inputs: Iterable[RunInput | MessagesInput],
    parameters: InvokeParameters,
    *,
    max_in_flight: int,
    ledger: Path | None,
) -> AsyncGenerator[RunOutcome, None]:
    """Create a run for each input and yield the outcomes in the order in which runs end."""
    batch = _AsyncBatch(transport, settings, parameters, await async_beside(lambda: open_ledger(ledger)))
    outcomes = async_each(batch.outcome, numbered(inputs), limit=max_in_flight, stop=batch.stop)
    try:
        async for outcome in outcomes:
            yield outcome
    finally:
        await outcomes.aclose()


class _AsyncBatch:
    """State shared by the runs of one ``map``."""

    def __init__(
        self, transport: AsyncTransport, settings: Settings, parameters: InvokeParameters, ledger: Ledger
    ) -> None:
        self._transport = transport
        self._settings = settings
        self._parameters, watch = split_parameters(parameters)
        self._options, self._listeners = watch_options(watch, listening=False)
        self._ledger = ledger
        self._streams: dict[int, AsyncRunStream] = {}

    async def outcome(self, item: tuple[int, RunInput]) -> RunOutcome:
        """Create or find the run of one input and follow it to its end."""
        index, run_input = item
        try:
            return RunOutcome(index, response=await self._run(index, run_input))
        except LumnisAIError as error:
            if error is self._ledger.failure:
                raise
            return RunOutcome(index, error=error)
        finally:
            self._streams.pop(index, None)

    async def _run(self, index: int, run_input: RunInput) -> ResponseObject:
        parameters: RunParameters = {**self._parameters, **run_input.parameters}
        digest = digest_of(create_call(self._settings, run_input.messages, parameters).body)
        entry = self._ledger.find(index, digest)
        attempt = 0
        if entry is not None:
            try:
                return await self._follow(index, RunStart(get_call(entry.response_id), entry.response_id))
            except RunCancelledError:
                attempt = entry.attempt + 1  # cancelled when the batch was interrupted: create a new run
        parameters.setdefault("idempotency_key", self._ledger.idempotency_key(index, attempt))
        start = RunStart(create_call(self._settings, run_input.messages, parameters))
        return await self._follow(index, start, digest=digest, attempt=attempt)

    async def _follow(
        self, index: int, start: RunStart, *, digest: str | None = None, attempt: int = 0
    ) -> ResponseObject:
        self._ledger.check()
        stream = AsyncRunStream(self._transport, start, self._options, self._listeners)
        self._streams[index] = stream
        async with stream:
            async for update in stream:
                if digest is not None:
                    entry = Entry(digest, update.response_id, attempt)
                    digest = None
                    try:
                        await async_beside(partial(self._ledger.add, index, entry))
                    except LumnisAIError:
                        self._detach()  # the next start of the job finds these runs by their keys
                        raise
        return await stream.result()

    async def stop(self) -> None:
        """Stop all unfinished runs, because the caller is leaving early."""
        streams = self._detach()
        if self._options.cancel_on_interrupt and self._ledger.failure is None:
            await async_grace(lambda: self._cancel_all(streams), failure=STOP_FAILURE)

    def _detach(self) -> list[AsyncRunStream]:
        streams = list(self._streams.values())
        for stream in streams:
            stream.detach()
        return streams

    async def _cancel_all(self, streams: list[AsyncRunStream]) -> None:
        for stream in streams:
            if stream.response_id is not None:
                try:
                    await self._transport.send(cancel_call(stream.response_id), timeout=GRACE, policy=GRACE_POLICY)
                except ValidationError:
                    continue  # it has ended already
