"""Ray: a data set through an agent with one limit, one pause and one progress line for the whole cluster."""

from __future__ import annotations

import asyncio
import atexit
import threading
import time
import weakref
from collections.abc import Sequence
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
    from ray.exceptions import ActorDiedError, ActorUnavailableError
except ImportError as error:
    raise ImportError(
        'lumnisai_integrations.bulk.ray needs Ray Data: pip install "lumnisai-integrations[ray]"', name="ray"
    ) from error

if TYPE_CHECKING:
    from ray.data import Dataset

#: Seconds for which the hub holds a call of a worker or of the program when it has nothing new, so that what it knows
#: of the runs under way is hardly older.
_HELD = 0.2

#: Seconds that a program which leaves waits for workers to stop their runs.
_LEAVING = 8.0

#: Seconds in which a worker that ends by itself sends its last counts and leaves, when Ray calls it dead already.
_ENDING = 3.0

#: Blocks of a worker: two are under way, so that the end of one leaves no room unused, and one waits, because Ray takes
#: up to a fifth of a second to replace one. No more, so that all workers get some.
_BLOCKS, _UNDER_WAY = 3, 2

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
    when the service answers 429 to one worker, all wait. When the job ends early, as after Ctrl-C or a ``break`` out of
    its rows, the runs under way are stopped; if Ray kills the workers for that, those of the last moment may go on.

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
    hub = _Hub.options(name=f"lumnis-{batch.job}-{uuid4()}").remote(batch, JobProgress(total=total))
    _hubs.add(hub)
    _Watch(hub, ProgressLine() if progress is True else progress or None)
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
            max_concurrent_calls_per_actor=_UNDER_WAY,
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


class _State(NamedTuple):
    """What a worker does now: blocks and runs under way."""

    calls: int = 0
    runs: Sequence[str] = ()


class _HubState:
    """What all workers share: the pause, the counts, who works, and on which runs."""

    def __init__(self, batch: LumnisBatch, progress: JobProgress) -> None:
        self._batch = batch
        self._progress = progress
        self._began: float | None = None
        self._working: dict[str, _State] = {}
        self._watches: set[asyncio.Task[None]] = set()
        self._pause = (0, 0.0, 0.0)
        self._changed = asyncio.Condition()

    async def join(self, worker: str, actor: Any) -> None:
        """Stop the runs of a worker when Ray has killed it for good, as it does when an iterator is left early."""
        watch = asyncio.create_task(self._watch(worker, actor))
        self._watches.add(watch)
        watch.add_done_callback(self._watches.discard)

    async def _watch(self, worker: str, actor: Any) -> None:
        with suppress(ActorDiedError):
            while True:
                with suppress(ActorUnavailableError):  # it has crashed, and is started again
                    await actor.__ray_ready__.remote()
                await asyncio.sleep(_HELD)
        async with self._changed:
            with suppress(TimeoutError):
                async with asyncio.timeout(_ENDING):
                    await self._changed.wait_for(lambda: worker not in self._working)
                return
        await self._batch.stop(self._working[worker].runs)
        await self.leave(worker)

    async def exchange(self, worker: str, counts: _Counts, state: _State, seen: int) -> tuple[int, float, float]:
        """Add counts and return number, seconds left and spread of the pause; held until there is a new one."""
        async with self._changed:
            if self._began is None:
                self._began = time.monotonic()
            self._working[worker] = state
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

    async def progress(self, seen: int) -> tuple[JobProgress, bool, bool]:
        """Return the progress, whether work has begun, and whether workers are left; held until there is news."""
        async with self._changed:
            with suppress(TimeoutError):
                async with asyncio.timeout(_HELD):
                    await self._changed.wait_for(lambda: self._progress.done != seen)
            return self._progress, self._began is not None, bool(self._working)

    async def quiet(self) -> None:
        """Wait until no worker has rows under way."""
        async with self._changed:
            await self._changed.wait_for(lambda: not any(state.calls for state in self._working.values()))


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
        with suppress(Exception):  # the first rows tell the program, and Ray starts no worker again for it
            batch.open(self._link.sharing)

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
        context = ray.get_runtime_context()
        self._worker = context.get_actor_id() or str(uuid4())
        self._counts = _Counts()
        self._calls = 0
        self._lock = threading.Lock()
        self._has_ended = False
        self._cool_down = _SharedCoolDown(hub)
        self.sharing = Sharing(self._cool_down, self._report, context.is_canceled)
        if context.get_actor_id():
            hub.join.remote(self._worker, context.current_actor)
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
            ray.get(self._hub.exchange.remote(self._worker, self._taken(), _State(), -1), timeout=1.0)
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
                    self._hub.exchange.remote(
                        self._worker, self._taken(), _State(self._calls, self.sharing.under_way()), seen
                    )
                )
            except Exception:  # noqa: BLE001 - the program has left; the rows end by themselves
                return
            if number != seen:
                seen = number
                if seconds > 0:
                    self._cool_down.accept(seconds, spread)


class _Watch:
    """Shows the progress of the cluster in the program, in a thread of its own, as long as the data set is there.

    While workers are left, it holds the hub, which may have runs to stop when the data set is gone.
    """

    def __init__(self, hub: Any, show: JobProgressCallback | None) -> None:
        self._hub, self._show = weakref.ref(hub), show
        threading.Thread(target=self._run, name="lumnis-progress", daemon=True).start()

    def _run(self) -> None:
        done, hub = 0, None
        with suppress(Exception, SystemExit):  # Ray was shut down
            while (hub := hub or self._hub()) is not None:
                progress, has_begun, has_workers = ray.get(hub.progress.remote(done))
                if progress.done != done:
                    done = progress.done
                    if self._show is not None:
                        self._show(progress)
                if has_begun and not has_workers:
                    break
                if not has_begun:
                    hub = None
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
