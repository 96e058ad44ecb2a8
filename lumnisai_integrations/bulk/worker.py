"""Workers: one event loop and one client in each process, on which the rows of all blocks of a job run."""

from __future__ import annotations

import asyncio
import atexit
import os
import threading
import time
from collections.abc import Callable, Collection, Mapping, Sequence
from concurrent.futures import CancelledError, Future
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from lumnisai_core import AsyncClient, AsyncRunJob, CoolDown, InvokeParameters, RunOutcome, RunParameters
from lumnisai_core.exceptions import ConfigurationError, LumnisAIError
from lumnisai_integrations._shared.locks import ProcessLock
from lumnisai_integrations.bulk.ledger import BlockLedger, JobLedger

#: Seconds without a row after which a worker closes its client and ends its thread.
_IDLE = 10.0

#: Seconds that stopping runs may take, and how often a block that is waited for looks whether to stop.
_STOPPING = 8.0
_LOOK = 0.2


class RowRequest(NamedTuple):
    """What one row asks the agent, or why it cannot.

    Attributes:
        key: Key of the row.
        messages: The messages.
        parameters: Parameters of this run.
        error: Why there is no request.
    """

    key: str = ""
    messages: Any = ""
    parameters: RunParameters = RunParameters()
    error: LumnisAIError | None = None


@dataclass(frozen=True)
class JobSettings:
    """How to reach the service, and what all rows have in common. Holds no key, only the name of its variable."""

    job: str
    max_in_flight: int
    parameters: InvokeParameters
    client: Mapping[str, Any]
    api_key_env: str
    ledger: str | None = None
    attempts: int = 1


@dataclass(frozen=True)
class Sharing:
    """What workers of a cluster share; by default nothing.

    Attributes:
        cool_down: The pause after 429.
        report: Takes the outcome of each row.
        is_over: Whether the job was cancelled.
        jobs: The jobs of the blocks under way in this process.
    """

    cool_down: CoolDown = field(default_factory=CoolDown)
    report: Callable[[RunOutcome], object] | None = None
    is_over: Callable[[], bool] | None = None
    jobs: set[AsyncRunJob] = field(default_factory=set)

    def under_way(self) -> list[str]:
        """Return the ids of the runs under way in this process."""
        return [run for job in list(self.jobs) for run in job.under_way]


class Block:
    """The rows of one block under way."""

    def __init__(self, rows: int, future: Future[list[dict[str, Any]]], has_stopped: threading.Event) -> None:
        self.rows = rows
        self._future = future
        self._has_stopped = has_stopped

    @property
    def is_done(self) -> bool:
        """Whether all rows have an outcome."""
        return self._future.done()

    def results(self, is_over: Callable[[], bool] | None = None) -> list[dict[str, Any]]:
        """Wait for all rows and return the new columns of each. Leaving early stops the runs under way.

        Raises:
            CancelledError: The job was cancelled.
        """
        try:
            while True:
                try:
                    return self._future.result(None if is_over is None else _LOOK)
                except TimeoutError:
                    if is_over is not None and is_over():
                        raise CancelledError from None
        except BaseException:
            self.stop()
            raise

    def stop(self) -> None:
        """Stop the runs under way, and wait for that."""
        if self._future.cancel():
            self._has_stopped.wait(_STOPPING)


class Worker:
    """The event loop and the client of one process for one job."""

    def __init__(self, settings: JobSettings, sharing: Sharing) -> None:
        key = os.environ.get(settings.api_key_env)
        if not key:
            raise ConfigurationError(
                f"The environment variable {settings.api_key_env} is not set in this process: set it on every machine "
                "that works on the job. The key itself is never sent along."
            )
        self._settings = settings
        self._sharing = sharing
        self._client = AsyncClient(key, cool_down=sharing.cool_down, **settings.client)
        self._ledger = None if settings.ledger is None else JobLedger(settings.ledger, settings.job)
        self._job(None)  # refuses parameters that are not known
        self._loop: asyncio.AbstractEventLoop
        self._room: asyncio.Semaphore
        self._turn: asyncio.Lock
        self._end: asyncio.Event
        self._is_ready = threading.Event()
        self._thread = threading.Thread(target=self._run, name="lumnis-batch", daemon=True)
        self._thread.start()
        self._is_ready.wait()

    def start(self, rows: Sequence[RowRequest]) -> Block:
        """Begin with the rows of a block."""
        has_stopped = threading.Event()
        future = asyncio.run_coroutine_threadsafe(self._block(rows, has_stopped), self._loop)
        return Block(len(rows), future, has_stopped)

    def look_later(self) -> None:
        """Look after a while whether workers are idle."""
        self._loop.call_soon_threadsafe(lambda: self._loop.call_later(_IDLE, close_idle))

    def close(self) -> None:
        """Close the client and end the thread."""
        self._loop.call_soon_threadsafe(self._end.set)
        if threading.current_thread() is not self._thread:
            self._thread.join(_STOPPING)

    def _run(self) -> None:
        asyncio.run(self._serve())

    async def _serve(self) -> None:
        self._loop, self._end = asyncio.get_running_loop(), asyncio.Event()
        self._room, self._turn = asyncio.Semaphore(self._settings.max_in_flight), asyncio.Lock()
        self._is_ready.set()
        async with self._client:
            await self._end.wait()

    def _job(self, ledger: BlockLedger | None) -> AsyncRunJob:
        settings = self._settings
        responses = self._client.responses
        return responses.job(settings.job, ledger=ledger, attempts=settings.attempts, **settings.parameters)

    async def _block(self, rows: Sequence[RowRequest], has_stopped: threading.Event) -> list[dict[str, Any]]:
        ledger = None if self._ledger is None else BlockLedger(self._ledger)
        job = self._job(ledger)
        results: list[dict[str, Any]] = [{}] * len(rows)

        async def row(index: int) -> None:
            outcome = await _outcome(job, index, rows[index])
            results[index] = outcome.columns()
            if self._sharing.report is not None:
                self._sharing.report(outcome)

        self._sharing.jobs.add(job)
        try:
            # In the order of the blocks: if their rows took turns, all would end at once and leave the room unused.
            async with asyncio.TaskGroup() as group, self._turn:
                for index in range(len(rows)):
                    await self._room.acquire()
                    group.create_task(row(index)).add_done_callback(lambda _: self._room.release())
            return results
        finally:
            self._sharing.jobs.discard(job)
            if ledger is not None:
                await asyncio.shield(asyncio.to_thread(ledger.close))
            has_stopped.set()


async def _outcome(job: AsyncRunJob, index: int, request: RowRequest) -> RunOutcome:
    if request.error is not None:
        return RunOutcome(index, error=request.error)
    try:
        return RunOutcome(index, response=await job.run(request.key, request.messages, **request.parameters))
    except LumnisAIError as error:
        return RunOutcome(index, error=error)
    except Exception as error:  # noqa: BLE001 - whatever a row has, it must not end the job
        return RunOutcome(index, error=as_error(error))


async def stop_runs(settings: JobSettings, runs: Collection[str]) -> None:
    """Stop the runs that a killed process has left, unless the job says that its runs go on.

    Nothing happens without the variable with the key, and to a run that cannot be stopped.
    """
    key = os.environ.get(settings.api_key_env)
    if not key or not runs or settings.parameters.get("cancel_on_interrupt") is False:
        return

    async def stop(run: str) -> None:
        with suppress(LumnisAIError):  # it has ended, or the service is away
            await client.responses.cancel(run)

    with suppress(TimeoutError):
        async with asyncio.timeout(_STOPPING), AsyncClient(key, **settings.client) as client:
            await asyncio.gather(*map(stop, runs))


def as_error(error: Exception) -> LumnisAIError:
    """Return an error of a row as one of our family."""
    return error if isinstance(error, LumnisAIError) else LumnisAIError(f"{type(error).__name__}: {error}")


# The workers of this process

_workers: dict[str, Worker] = {}
_used: dict[str, tuple[int, float]] = {}
_lock = ProcessLock()


class Use:
    """A use of the worker of a job, as a context; a worker that is not used for a while is closed.

    Args:
        name: Which worker.
        settings: How to make it if there is none.
        sharing: What it shares.
    """

    def __init__(self, name: str, settings: JobSettings, sharing: Sharing) -> None:
        self._name, self._settings, self._sharing = name, settings, sharing

    def __enter__(self) -> Worker:
        with _lock.held():
            worker = _workers.get(self._name)
            if worker is None:
                worker = _workers[self._name] = Worker(self._settings, self._sharing)
            _used[self._name] = (_used.get(self._name, (0, 0.0))[0] + 1, time.monotonic())
            return worker

    def __exit__(self, *_: object) -> None:
        with _lock.held():
            uses = _used[self._name][0] - 1
            _used[self._name] = (uses, time.monotonic())
            if not uses:
                _workers[self._name].look_later()


def close_idle(name: str | None = None) -> None:
    """Close the workers that have not been used for a while, or the one of a name if it is not used now."""
    latest = time.monotonic() - _IDLE
    with _lock.held():
        idle = [
            known
            for known, (uses, at) in _used.items()
            if uses == 0 and (known == name if name is not None else at <= latest)
        ]
        ended = [_workers.pop(known) for known in idle]
        for known in idle:
            del _used[known]
    for worker in ended:
        worker.close()


def _close_all() -> None:
    with _lock.held():
        ended = list(_workers.values())
        _leave()
    for worker in ended:
        worker.close()


def _leave() -> None:
    _workers.clear()
    _used.clear()


atexit.register(_close_all)
if hasattr(os, "register_at_fork"):  # not on Windows; the threads are not in the child
    os.register_at_fork(after_in_child=_leave)
