"""Connections of an event loop: closed together with the loop, or when their client is dropped."""

from __future__ import annotations

import asyncio
import weakref
from collections.abc import AsyncGenerator
from contextlib import suppress
from typing import Generic, NamedTuple, Protocol, TypeVar

from lumnisai_core._transport.waiting import last_requests_done


class Closable(Protocol):
    """An object with connections."""

    async def aclose(self) -> None:
        """Close the connections."""


ClosableT = TypeVar("ClosableT", bound=Closable)


class LoopBound(Generic[ClosableT]):
    """An object that is closed with its event loop, or when nobody refers to it any more, whichever comes first.

    ``asyncio.run`` closes suspended asynchronous generators before it closes the loop, so a generator that waits in
    front of ``aclose`` is all it takes.
    """

    def __init__(self, held: ClosableT) -> None:
        self.held = held
        self._closing = _Closing(held)
        self._guard = _closing_with_loop(self._closing)
        self._started = False

    async def started(self) -> None:
        """Start the guard, once."""
        if not self._started:
            self._started = True
            dropped = weakref.finalize(self, _close_soon, asyncio.get_running_loop(), self._guard, self._closing)
            dropped.atexit = False
            await anext(self._guard)

    async def close(self) -> None:
        """Close now."""
        await self._guard.aclose()
        await self._closing.done()


class _Closing:
    """Closes an object once; concurrent callers wait until it is closed."""

    def __init__(self, held: Closable) -> None:
        self._held = held
        self._lock = asyncio.Lock()
        self._is_done = False

    async def done(self) -> None:
        async with self._lock:
            if not self._is_done:
                await last_requests_done()
                await self._held.aclose()
                self._is_done = True
        dropped_connections.pop(self, None)


class _Dropped(NamedTuple):
    loop: asyncio.AbstractEventLoop
    guard: AsyncGenerator[None, None]
    task: asyncio.Task[None] | None = None


#: Connections to close because their client was dropped. ``asyncio.run`` cancels all tasks at its end, so the task may
#: never run; the guard, kept alive here, then closes them.
dropped_connections: dict[_Closing, _Dropped] = {}


async def _closing_with_loop(closing: _Closing) -> AsyncGenerator[None, None]:
    try:
        yield
    finally:
        await closing.done()


def _close_soon(loop: asyncio.AbstractEventLoop, guard: AsyncGenerator[None, None], closing: _Closing) -> None:
    def begin() -> None:
        dropped_connections[closing] = _Dropped(loop, guard, loop.create_task(closing.done()))

    for left in [known for known, about in list(dropped_connections.items()) if about.loop.is_closed()]:
        dropped_connections.pop(left, None)
    with suppress(RuntimeError):  # the loop is closed, and the guard has done its work
        loop.call_soon_threadsafe(begin)
        dropped_connections[closing] = _Dropped(loop, guard)
