"""Waiting: what differs between asyncio and blocking code, as pairs with the same meaning.

Other modules import these names and never need to know whether they run sync or async: the blocking half is generated
by renaming ``async_x`` to ``x``.
"""

from __future__ import annotations

import asyncio
import inspect
import logging
import time
from collections.abc import AsyncGenerator, Awaitable, Callable, Generator, Iterable
from concurrent.futures import Future, ThreadPoolExecutor
from contextvars import copy_context
from itertools import islice
from queue import SimpleQueue
from typing import Self, TypeVar, cast

from lumnisai_core._transport.retry import RetryPolicy
from lumnisai_core.exceptions import LumnisAIError, ValidationError

logger = logging.getLogger("lumnisai_core")

T = TypeVar("T")
Item = TypeVar("Item")

#: Ways in which the caller stops listening: Ctrl-C, a cancelled task, a stream that is closed early.
INTERRUPTS = (KeyboardInterrupt, asyncio.CancelledError, GeneratorExit)

#: Seconds that a last request may delay a caller who wants to leave, and how often it is tried.
GRACE = 5.0
GRACE_POLICY = RetryPolicy(max_retries=1, budget=GRACE)

async_sleep = asyncio.sleep
sleep = time.sleep


class AsyncReady:
    """An object that can be awaited and is ready at once, as ``await client.invoke(..., stream=True)`` is written."""

    def __await__(self) -> Generator[None, None, Self]:
        yield from ()
        return self


class Ready:
    """The blocking twin, which needs no awaiting."""


# Last requests of a caller who leaves

_shielded: set[asyncio.Task[None]] = set()


async def async_grace(action: Callable[[], Awaitable[object]], *, failure: str) -> None:
    """Make a last request for a caller who is leaving: bounded, shielded from cancellation, never raising.

    A second cancellation ends the waiting at once; the request then continues in the background.

    Args:
        action: Makes the request.
        failure: Log message if it fails.
    """

    async def bounded() -> None:
        try:
            async with asyncio.timeout(GRACE):
                await action()
        except (LumnisAIError, TimeoutError) as error:
            logger.warning("%s: %s", failure, error)

    task = asyncio.ensure_future(bounded())
    _shielded.add(task)
    task.add_done_callback(_shielded.discard)
    await asyncio.shield(task)


def grace(action: Callable[[], object], *, failure: str) -> None:
    """Make a last request for a caller who is leaving. A second Ctrl-C ends it at once.

    Args:
        action: Makes the request.
        failure: Log message if it fails.
    """
    try:
        action()
    except LumnisAIError as error:
        logger.warning("%s: %s", failure, error)


async def last_requests_done() -> None:
    """Wait for everything that :func:`async_grace` started in this event loop."""
    await asyncio.sleep(0)  # streams that are closed together with the loop start theirs first
    loop = asyncio.get_running_loop()
    while tasks := [task for task in _shielded if task.get_loop() is loop]:
        await asyncio.wait(tasks)


# Many things at once


async def async_each(
    work: Callable[[Item], Awaitable[T]],
    items: Iterable[Item],
    *,
    limit: int,
    stop: Callable[[], Awaitable[object]],  # noqa: ARG001 - cancelling the tasks does it
) -> AsyncGenerator[T, None]:
    """Work on many items at once and yield the results as they come.

    Args:
        work: Function for one item.
        items: Taken one by one, when there is room.
        limit: Items worked on at the same time.
        stop: For threads; tasks are cancelled when the generator is closed early or the work raises.
    """
    finished: asyncio.Queue[asyncio.Task[T]] = asyncio.Queue()
    under_way: set[asyncio.Task[T]] = set()
    left = iter(items)
    try:
        while True:
            for item in islice(left, limit - len(under_way)):
                task = asyncio.ensure_future(work(item))
                under_way.add(task)
                task.add_done_callback(finished.put_nowait)
            if not under_way:
                return
            done = await finished.get()
            under_way.discard(done)
            yield done.result()
    finally:
        for task in under_way:
            task.cancel()
        await asyncio.gather(*under_way, return_exceptions=True)


def each(
    work: Callable[[Item], T], items: Iterable[Item], *, limit: int, stop: Callable[[], object]
) -> Generator[T, None, None]:
    """Work on many items at once, each in a thread with the caller's context, and yield the results as they come.

    Args:
        work: Function for one item.
        items: Taken one by one, when there is room.
        limit: Items worked on at the same time.
        stop: Called first when the generator is closed early or the work raises; it has to end the work under way.
    """
    finished: SimpleQueue[Future[T]] = SimpleQueue()
    under_way: set[Future[T]] = set()
    left = iter(items)
    with ThreadPoolExecutor(limit, thread_name_prefix="client-each") as threads:
        try:
            while True:
                for item in islice(left, limit - len(under_way)):
                    future = threads.submit(copy_context().run, work, item)
                    under_way.add(future)
                    future.add_done_callback(finished.put)
                if not under_way:
                    return
                done = finished.get()
                under_way.discard(done)
                yield done.result()
        finally:
            if under_way:
                stop()


# Other threads and the caller's own functions


async def async_beside(action: Callable[[], T]) -> T:
    """Do something that touches the disk without holding up the event loop."""
    return await asyncio.to_thread(action)


def beside(action: Callable[[], T]) -> T:
    """Do something that touches the disk."""
    return action()


async def async_outcome(future: Future[T]) -> T:
    """Wait for the result of work in any thread or event loop."""
    return await asyncio.wrap_future(future)


def outcome(future: Future[T]) -> T:
    """Wait for the result of work in any thread or event loop."""
    return future.result()


async def async_returned(function: Callable[[], T | Awaitable[T]]) -> T:
    """Return the result of a caller's function; one that is not a coroutine function runs in a thread."""
    result = function() if inspect.iscoroutinefunction(function) else await asyncio.to_thread(function)
    return await cast("Awaitable[T]", result) if inspect.isawaitable(result) else result


def returned(function: Callable[[], T | Awaitable[T]]) -> T:
    """Return the result of a caller's function.

    Raises:
        ValidationError: The function is asynchronous.
    """
    result = function()
    if inspect.isawaitable(result):
        if inspect.iscoroutine(result):
            result.close()
        raise ValidationError(f"{function!r} is asynchronous, which needs AsyncClient: pass a plain function.")
    return result


async def async_notify(callback: Callable[[T], object], event: T) -> None:
    """Call a caller's listener; its exceptions are logged, so that they do not end what it listens to."""
    try:
        result = callback(event)
        if inspect.isawaitable(result):
            await result
    except Exception:
        logger.exception("A callback failed; the run or request continues.")


def notify(callback: Callable[[T], object], event: T) -> None:
    """Call a caller's listener; its exceptions are logged, so that they do not end what it listens to."""
    try:
        callback(event)
    except Exception:
        logger.exception("A callback failed; the run or request continues.")


def check_async_callback(name: str, callback: object) -> None:
    """Accept functions and coroutine functions."""
    if not callable(callback):
        raise ValidationError(f"{name} must be callable, not {type(callback).__name__}.")


def check_callback(name: str, callback: object) -> None:
    """Accept functions; a coroutine function would never run in the blocking client."""
    check_async_callback(name, callback)
    if inspect.iscoroutinefunction(callback):
        raise ValidationError(f"{name} is a coroutine function, which needs AsyncClient: pass a plain function.")
