"""Ray: a data set through an agent with one limit, one pause and one progress line for the whole cluster."""

from __future__ import annotations

import asyncio
import atexit
import threading
import time
import weakref
from contextlib import suppress
from dataclasses import replace
from typing import TYPE_CHECKING, Any, NamedTuple
from uuid import uuid4

from lumnisai_core import CoolDown, JobProgress, JobProgressCallback, ProgressLine, RunOutcome
from lumnisai_core.exceptions import ValidationError
from lumnisai_integrations.bulk.batch import LumnisBatch
from lumnisai_integrations.bulk.worker import Sharing

try:
    import ray
    from ray.data import ActorPoolStrategy
except ImportError as error:
    raise ImportError(
        'lumnisai_integrations.bulk.ray needs Ray Data: pip install "lumnisai-integrations[ray]"', name="ray"
    ) from error

if TYPE_CHECKING:
    from ray.data import Dataset

#: Seconds for which the hub holds the call of a worker or of the progress line when it has nothing new.
_HELD = 0.5

#: Seconds that a program which leaves waits for workers to stop their runs.
_LEAVING = 8.0

#: Blocks that a worker has under way, so that the end of one leaves no room unused; no more, so that all get some.
_BLOCKS = 2

#: Seconds by which a pause must be longer than the one that all know, to be announced.
_LONGER = 0.05


def map_runs(
    dataset: Dataset,
    batch: LumnisBatch,
    *,
    workers: int = 2,
    total_in_flight: int | None = None,
    rows_per_block: int | None = None,
    num_cpus: float = 0.25,
    progress: bool | JobProgressCallback = True,
    total: int | None = None,
) -> Dataset:
    """Run an agent for each row of a Ray data set and add the answers as columns; nothing starts before it is consumed.

    It does the same as ``dataset.map_batches(batch)``, with one limit of runs for the whole cluster, and one pause:
    when the service answers 429 to one worker, all wait. When Ray cancels the job, as after Ctrl-C, the workers stop
    the runs under way.

    Args:
        dataset: The rows.
        batch: What to do with each row.
        workers: Number of processes. Default 2.
        total_in_flight: Runs at the same time in all workers together. Default: ``max_in_flight`` of the batch for
            each worker.
        rows_per_block: Rows that a worker takes at a time. Default: as many as it may have under way, at least 16.
        num_cpus: Cores that each worker reserves; it mostly waits for the network. Default 0.25.
        progress: Whether to show a line with rows, rate and errors of the whole cluster in the terminal or notebook
            of the program; or a function that is called with a :class:`JobProgress`. Default True.
        total: Number of rows, if it is known; then the line shows the time left.

    Returns:
        The data set with the columns of the batch, all of them text; ``structured`` is JSON.

    Raises:
        ValidationError: An argument is invalid.
    """
    if not isinstance(batch, LumnisBatch):
        raise ValidationError(f"batch must be a LumnisBatch, not {type(batch).__name__}.")
    _check_counts(workers=workers, total_in_flight=total_in_flight, rows_per_block=rows_per_block)
    room = batch.max_in_flight if total_in_flight is None else total_in_flight // workers
    if room < 1:
        raise ValidationError(
            f"total_in_flight must be at least the number of workers, {workers}, not {total_in_flight}: use fewer "
            "workers."
        )
    hub = _Hub.options(name=f"lumnis-{batch.job}-{uuid4()}").remote(JobProgress(total=total))
    _hubs.add(hub)
    if progress is not False:
        _Watch(hub, ProgressLine() if progress is True else progress)
    rows = rows_per_block or max(16, room)
    return dataset.repartition(target_num_rows_per_block=rows).map_batches(  # divides large blocks
        _Rows,
        batch_size=rows,  # joins small ones
        batch_format="pyarrow",
        zero_copy_batch=True,
        fn_constructor_args=(batch.with_room(room), hub),
        compute=ActorPoolStrategy(
            size=workers,
            max_tasks_in_flight_per_actor=_BLOCKS,
            max_concurrent_calls_per_actor=_BLOCKS,
            enable_true_multi_threading=True,
        ),
        num_cpus=num_cpus,
    )


def _check_counts(**counts: object) -> None:
    for name, count in counts.items():
        if count is not None and (not isinstance(count, int) or isinstance(count, bool) or count < 1):
            raise ValidationError(f"{name} must be a whole number, 1 or more, not {count!r}.")


class _Counts(NamedTuple):
    """What a worker did since its last call."""

    done: int = 0
    errors: int = 0
    input_tokens: int = 0
    output_tokens: int = 0
    has_usage: bool = False

    def after(self, outcome: RunOutcome) -> _Counts:
        usage = None if outcome.run is None else outcome.run.usage
        return _Counts(
            self.done + 1,
            self.errors + (outcome.error is not None),
            self.input_tokens + (usage.input_tokens if usage else 0),
            self.output_tokens + (usage.output_tokens if usage else 0),
            self.has_usage or usage is not None,
        )


class _HubState:
    """What all workers share: the pause, the counts, and who works."""

    def __init__(self, progress: JobProgress) -> None:
        self._progress = progress
        self._began: float | None = None
        self._working: dict[str, int] = {}
        self._pause = (0, 0.0, 0.0)
        self._changed = asyncio.Condition()

    async def exchange(self, worker: str, counts: _Counts, calls: int, seen: int) -> tuple[int, float, float]:
        """Add counts and return number, seconds left and spread of the pause; held until there is a new one."""
        async with self._changed:
            if self._began is None:
                self._began = time.monotonic()
            self._working[worker] = calls
            self._progress = _added(self._progress, counts, time.monotonic() - self._began)
            self._changed.notify_all()
            with suppress(TimeoutError):
                async with asyncio.timeout(_HELD):
                    await self._changed.wait_for(lambda: self._pause[0] != seen)
            number, over_at, spread = self._pause
            return number, max(0.0, over_at - time.monotonic()), spread

    async def leave(self, worker: str) -> None:
        """Take a worker that ends off the list."""
        async with self._changed:
            self._working.pop(worker, None)
            self._changed.notify_all()

    async def begin_pause(self, seconds: float, spread: float) -> None:
        """Begin a pause of all workers, or prolong the present one."""
        async with self._changed:
            number, over_at, _ = self._pause
            ends_at = time.monotonic() + seconds
            if ends_at > over_at + _LONGER:
                self._pause = (number + 1, ends_at, spread)
                self._changed.notify_all()

    async def progress(self, seen: int) -> tuple[JobProgress, bool]:
        """Return the progress and whether workers are left; held until there is something new."""
        async with self._changed:
            with suppress(TimeoutError):
                async with asyncio.timeout(_HELD):
                    await self._changed.wait_for(lambda: self._progress.done != seen)
            return self._progress, self._began is None or bool(self._working)

    async def quiet(self) -> None:
        """Wait until no worker has rows under way."""
        async with self._changed:
            await self._changed.wait_for(lambda: not any(self._working.values()))


def _added(progress: JobProgress, counts: _Counts, seconds: float) -> JobProgress:
    return replace(
        progress,
        done=progress.done + counts.done,
        errors=progress.errors + counts.errors,
        seconds=seconds,
        input_tokens=(progress.input_tokens or 0) + counts.input_tokens if counts.has_usage else progress.input_tokens,
        output_tokens=(progress.output_tokens or 0) + counts.output_tokens
        if counts.has_usage
        else progress.output_tokens,
    )


_Hub: Any = ray.remote(num_cpus=0, max_concurrency=1000)(_HubState)


class _SharedCoolDown(CoolDown):
    """The pause of one worker, which all others share."""

    def __init__(self, hub: Any) -> None:
        super().__init__()
        self._hub = hub

    def begin(self, now: float, seconds: float, *, spread: float = 0.0) -> None:
        """Begin a pause in all workers."""
        if now + seconds > self.over_at + _LONGER:
            self._hub.begin_pause.remote(seconds, spread)
        super().begin(now, seconds, spread=spread)

    def accept(self, seconds: float, spread: float) -> None:
        """Begin a pause that another worker has announced."""
        super().begin(time.monotonic(), seconds, spread=spread)


class _Rows:
    """One worker: a batch, and its link to the hub."""

    def __init__(self, batch: LumnisBatch, hub: Any) -> None:
        self._batch = batch
        self._link = _Link(hub)

    def __call__(self, block: Any) -> Any:
        with self._link:
            return self._batch.run(block, self._link.sharing)

    def __del__(self) -> None:
        self._batch.close()
        self._link.close()


class _Link:
    """Exchanges counts and pauses with the hub, in a thread of its own."""

    def __init__(self, hub: Any) -> None:
        self._hub = hub
        self._worker = ray.get_runtime_context().get_actor_id() or str(uuid4())
        self._counts = _Counts()
        self._calls = 0
        self._lock = threading.Lock()
        self._has_ended = False
        self._cool_down = _SharedCoolDown(hub)
        self.sharing = Sharing(self._cool_down, self._report, ray.get_runtime_context().is_canceled)
        self._thread = threading.Thread(target=self._exchange, name="lumnis-hub", daemon=True)
        self._thread.start()

    def __enter__(self) -> None:
        with self._lock:
            self._calls += 1

    def __exit__(self, *_: object) -> None:
        with self._lock:
            self._calls -= 1

    def close(self) -> None:
        """Send the last counts and leave the hub."""
        self._has_ended = True
        self._thread.join(2 * _HELD)  # Ray must not end while a thread waits in it
        with suppress(Exception):  # the hub may be gone
            ray.get(self._hub.exchange.remote(self._worker, self._taken(), 0, -1), timeout=1.0)
            ray.get(self._hub.leave.remote(self._worker), timeout=1.0)

    def _report(self, outcome: RunOutcome) -> None:
        with self._lock:
            self._counts = self._counts.after(outcome)

    def _taken(self) -> _Counts:
        with self._lock:
            counts, self._counts = self._counts, _Counts()
            return counts

    def _exchange(self) -> None:
        seen = 0
        while not self._has_ended:
            try:
                number, seconds, spread = ray.get(
                    self._hub.exchange.remote(self._worker, self._taken(), self._calls, seen)
                )
            except Exception:  # noqa: BLE001 - the program has left; the rows end by themselves
                return
            if number != seen:
                seen = number
                if seconds > 0:
                    self._cool_down.accept(seconds, spread)


class _Watch:
    """Shows the progress of the cluster in the program, in a thread of its own, as long as the data set is there."""

    def __init__(self, hub: Any, show: JobProgressCallback) -> None:
        self._hub, self._show = weakref.ref(hub), show
        threading.Thread(target=self._run, name="lumnis-progress", daemon=True).start()

    def _run(self) -> None:
        done = 0
        with suppress(Exception):  # Ray was shut down
            while (hub := self._hub()) is not None:
                answer = hub.progress.remote(done)
                del hub
                progress, has_workers = ray.get(answer)
                if progress.done != done:
                    done = progress.done
                    self._show(progress)
                if not has_workers:
                    break
        if isinstance(self._show, ProgressLine) and done:
            self._show.close()


# The hubs of this program. Their handles belong to the data sets, with which they end.
_hubs: weakref.WeakSet[Any] = weakref.WeakSet()


def _leave() -> None:
    """Wait until the workers of jobs that were cancelled have stopped their runs."""
    if ray.is_initialized():
        with suppress(Exception):
            ray.get([hub.quiet.remote() for hub in _hubs], timeout=_LEAVING)


atexit.register(_leave)
