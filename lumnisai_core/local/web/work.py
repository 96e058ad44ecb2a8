"""Work on callers' input, off the event loop: callers take turns, and each piece of work has an end."""

from __future__ import annotations

import asyncio
import threading
import time
from collections import deque
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from contextvars import ContextVar
from functools import partial
from typing import Any, TypeVar

_T = TypeVar("_T")


class OutOfTime(Exception):
    """Work has taken longer than it may, or nobody waits for it any more."""


class _Limit:
    """The end of a piece of work: after some seconds of its thread, or as soon as it is left."""

    def __init__(self, seconds: float) -> None:
        self._seconds = seconds
        self._end = time.thread_time() + seconds
        self.is_left = False

    def check(self) -> None:
        if self.is_left or time.thread_time() > self._end:
            raise OutOfTime(f"it takes more than {self._seconds:g} seconds")


_limit: ContextVar[_Limit | None] = ContextVar("limit", default=None)


def check_time() -> None:
    """Raise `OutOfTime` if the piece of work that this thread does has to end; loops over a caller's input call it."""
    if (limit := _limit.get()) is not None:
        limit.check()


class Work:
    """Threads for the work of callers. One caller has one of them at a time, and callers take turns.

    Args:
        threads: how many threads there are at most.
        seconds: how much time of a processor a piece of work may take.
    """

    def __init__(self, threads: int = 2, seconds: float = 10.0) -> None:
        self._threads = threads
        self._seconds = seconds
        self._lock = threading.Lock()
        self._pool: ThreadPoolExecutor | None = None
        self._waiting: dict[str, deque[Callable[[], None]]] = {}
        self._busy: set[str] = set()

    async def do(self, caller: str, function: Callable[..., _T], *arguments: Any) -> _T:
        """Call a function in a thread; it ends at its next `check_time` when this is cancelled.

        Raises:
            OutOfTime: the function takes too long.
        """
        future: Future[_T] = Future()
        limits: list[_Limit] = []

        def work() -> None:
            if not future.set_running_or_notify_cancel():
                return
            limits.append(limit := _Limit(self._seconds))
            token = _limit.set(limit)
            try:
                future.set_result(function(*arguments))
            except BaseException as error:  # noqa: BLE001 - handed to the caller
                future.set_exception(error)
            finally:
                _limit.reset(token)

        with self._lock:
            self._waiting.setdefault(caller, deque()).append(work)
        self._begin()
        try:
            return await asyncio.wrap_future(future)
        finally:
            for limit in limits:
                limit.is_left = True

    def _begin(self) -> None:
        """Give a thread to the next caller that has none."""
        with self._lock:
            caller = next((name for name in self._waiting if name not in self._busy), None)
            if caller is None:
                return
            jobs = self._waiting.pop(caller)
            job = jobs.popleft()
            if jobs:
                self._waiting[caller] = jobs  # behind all others
            self._busy.add(caller)
            self._pool = self._pool or ThreadPoolExecutor(self._threads, "lumnis-work")
            self._pool.submit(partial(self._work, caller, job))

    def _work(self, caller: str, job: Callable[[], None]) -> None:
        try:
            job()
        finally:
            with self._lock:
                self._busy.discard(caller)
            self._begin()
