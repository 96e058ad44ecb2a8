"""Many runs at once: results as they come, failures as values, and a ledger to go on from."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Iterable
from functools import partial
from pathlib import Path

from lumnisai_core._transport._async.transport import AsyncTransport
from lumnisai_core._transport.waiting import GRACE, GRACE_POLICY, async_beside, async_each, async_grace
from lumnisai_core.exceptions import LumnisAIError, RunCancelledError, ValidationError
from lumnisai_core.lumnis._async.following import STOP_FAILURE, AsyncRunStream
from lumnisai_core.lumnis.calls.runs import (
    InvokeParameters,
    MessagesInput,
    RunParameters,
    RunStart,
    cancel_call,
    create_call,
    get_call,
    split_parameters,
    watch_options,
)
from lumnisai_core.lumnis.config import Settings
from lumnisai_core.lumnis.models import ResponseObject
from lumnisai_core.lumnis.runs.batch import Entry, Ledger, RunInput, RunOutcome, digest_of, numbered, open_ledger


async def map_runs(
    transport: AsyncTransport,
    settings: Settings,
    inputs: Iterable[RunInput | MessagesInput],
    parameters: InvokeParameters,
    *,
    max_in_flight: int,
    ledger: Path | None,
) -> AsyncGenerator[RunOutcome, None]:
    """Make a run of each input and yield what became of it, in the order in which they end."""
    job = _AsyncJob(transport, settings, parameters, await async_beside(lambda: open_ledger(ledger)))
    outcomes = async_each(job.outcome, numbered(inputs), limit=max_in_flight, stop=job.stop)
    try:
        async for outcome in outcomes:
            yield outcome
    finally:
        await outcomes.aclose()


class _AsyncJob:
    """What the runs of one ``map`` share."""

    def __init__(
        self, transport: AsyncTransport, settings: Settings, parameters: InvokeParameters, ledger: Ledger
    ) -> None:
        self._transport = transport
        self._settings = settings
        self._shared, how = split_parameters(parameters)
        self._options, self._listeners = watch_options(how, listening=False)
        self._ledger = ledger
        self._under_way: dict[int, AsyncRunStream] = {}

    async def outcome(self, item: tuple[int, RunInput]) -> RunOutcome:
        """Make or find the run of one input and follow it to its end."""
        index, given = item
        try:
            return RunOutcome(index, response=await self._run(index, given))
        except LumnisAIError as error:
            return RunOutcome(index, error=error)
        finally:
            self._under_way.pop(index, None)

    async def _run(self, index: int, given: RunInput) -> ResponseObject:
        parameters: RunParameters = {**self._shared, **given.parameters}
        digest = digest_of(create_call(self._settings, given.messages, parameters).body)
        known = self._ledger.known(index, digest)
        attempt = 0
        if known is not None:
            try:
                return await self._follow(index, RunStart(get_call(known.response_id), known.response_id))
            except RunCancelledError:
                attempt = known.attempt + 1  # stopped when the job was interrupted: it is made again
        parameters.setdefault("idempotency_key", self._ledger.idempotency_key(index, attempt))
        start = RunStart(create_call(self._settings, given.messages, parameters))
        return await self._follow(index, start, digest=digest, attempt=attempt)

    async def _follow(
        self, index: int, start: RunStart, *, digest: str | None = None, attempt: int = 0
    ) -> ResponseObject:
        stream = AsyncRunStream(self._transport, start, self._options, self._listeners)
        self._under_way[index] = stream
        async with stream:
            async for update in stream:
                if digest is not None:
                    entry = Entry(digest, update.response_id, attempt)
                    digest = None
                    await async_beside(partial(self._ledger.add, index, entry))
        return await stream.result()

    async def stop(self) -> None:
        """Make all runs that are under way end, for a caller who leaves early."""
        streams = list(self._under_way.values())
        for stream in streams:
            stream.detach()
        if self._options.cancel_on_interrupt:
            await async_grace(lambda: self._cancel_all(streams), failure=STOP_FAILURE)

    async def _cancel_all(self, streams: list[AsyncRunStream]) -> None:
        for stream in streams:
            if stream.response_id is not None:
                try:
                    await self._transport.send(cancel_call(stream.response_id), timeout=GRACE, policy=GRACE_POLICY)
                except ValidationError:
                    continue  # it is over already
