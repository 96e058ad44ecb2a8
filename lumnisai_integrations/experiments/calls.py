"""Calls of an experiment: runs of the agent platform, and functions of the caller, awaited or in threads."""

from __future__ import annotations

import asyncio
import inspect
from collections.abc import Callable, Coroutine, Mapping
from concurrent.futures import Future, ThreadPoolExecutor, wait
from contextvars import copy_context
from functools import partial
from queue import SimpleQueue
from typing import Any, TypeVar, cast

from lumnisai_core import AsyncClient, AsyncRunJob, Client, InvokeParameters, ResponseObject, RunJob, RunLedger
from lumnisai_core.exceptions import (
    AuthenticationError,
    ConfigurationError,
    MissingUserId,
    TenantScopeUserIdConflict,
)

T = TypeVar("T")

#: Errors that are about the client, and so about all rows.
CLIENT_ERRORS = (AuthenticationError, ConfigurationError, MissingUserId, TenantScopeUserIdConflict)

#: Seconds that stopping the runs under way may take when the caller leaves.
_STOPPING = 10.0


class Calls:
    """Makes the calls of one start of an experiment.

    Args:
        client: The client of runs; None if there are none.
        job: Name of the job, from which the keys of runs are made.
        ledger: Records the runs under way.
        max_in_flight: Threads for functions that block.
        blocking: Whether objects with methods of both kinds are called by the blocking one. That is so where the event
            loop lives for one start only: clients inside of such objects belong to another one.
    """

    def __init__(
        self,
        client: Client | AsyncClient | None = None,
        job: str = "",
        ledger: RunLedger | None = None,
        *,
        max_in_flight: int = 8,
        blocking: bool = False,
    ) -> None:
        self.blocking = blocking
        self._client = client
        self._job = job
        self._ledger = ledger
        self._jobs: dict[int, RunJob | AsyncRunJob] = {}
        self._threads = ThreadPoolExecutor(max_in_flight, thread_name_prefix="lumnis-experiment")

    async def run(self, key: str, messages: Any, parameters: Mapping[str, Any], *, attempts: int = 1) -> ResponseObject:
        """Create or find the run of a key and return it at its end.

        Args:
            key: What identifies the run in its job.
            messages: A string, or the messages of a conversation.
            parameters: Parameters of ``invoke``. Runs with the same mapping share a job.
            attempts: Runs that may fail.
        """
        job = self._jobs.get(id(parameters))
        if job is None:
            if self._client is None:
                raise ConfigurationError("the experiment has no client for runs: pass client=.")
            chosen = cast("InvokeParameters", parameters)
            job = self._client.responses.job(self._job, ledger=self._ledger, attempts=attempts, **chosen)
            self._jobs[id(parameters)] = job
        return cast("ResponseObject", await self.call(job.run, key, messages))

    async def call(self, function: Callable[..., Any], /, *arguments: Any, **keywords: Any) -> Any:
        """Call a function: a coroutine function is awaited, any other one runs in a thread, in the caller's context."""
        called = partial(function, *arguments, **keywords)
        if inspect.iscoroutinefunction(function) or inspect.iscoroutinefunction(getattr(function, "__call__", None)):  # noqa: B004 - objects with an asynchronous __call__
            return await called()
        result = await asyncio.get_running_loop().run_in_executor(self._threads, copy_context().run, called)
        return await result if inspect.isawaitable(result) else result

    async def stop(self) -> None:
        """Stop the runs under way that threads wait for, because the caller leaves early."""
        jobs = [job for job in self._jobs.values() if isinstance(job, RunJob)]
        await asyncio.gather(*(asyncio.to_thread(job.stop) for job in jobs), return_exceptions=True)

    def close(self) -> None:
        """Give the threads back. Those that are still busy end by themselves."""
        self._threads.shutdown(wait=False, cancel_futures=True)


def blocking(work: Callable[[], Coroutine[Any, Any, T]]) -> T:
    """Do asynchronous work in an event loop of its own thread, so that it may be called where a loop runs already.

    An interrupt cancels the work and waits for its end; a second one leaves at once.
    """
    began: SimpleQueue[tuple[asyncio.AbstractEventLoop, asyncio.Task[Any] | None]] = SimpleQueue()

    async def main() -> T:
        began.put((asyncio.get_running_loop(), asyncio.current_task()))
        return await work()

    threads = ThreadPoolExecutor(1, thread_name_prefix="lumnis-experiment-loop")
    future: Future[T] = threads.submit(copy_context().run, lambda: asyncio.run(main()))
    try:
        return future.result()
    except BaseException:
        if not future.done():
            loop, task = began.get()
            if task is not None:
                loop.call_soon_threadsafe(task.cancel)
            wait([future], _STOPPING)
        raise
    finally:
        threads.shutdown(wait=False)
