"""Connections of an event loop: closed with the loop, when their client is dropped, or at the end of the program."""

from __future__ import annotations

import asyncio
import atexit
import weakref
from collections.abc import AsyncGenerator
from contextlib import suppress
from typing import Generic, NamedTuple, Protocol, TypeVar, cast

from lumnisai_core._transport.waiting import last_requests_done


class Closable(Protocol):
    """An object with connections."""

    async def aclose(self) -> None:
        """Close the connections."""


ClosableT = TypeVar("ClosableT", bound=Closable)


class LoopBound(Generic[ClosableT]):
    """An object that is closed with its event loop, or when nobody refers to it any more, whichever comes first.

    ``asyncio.run`` closes suspended asynchronous generators before it closes the loop, so a generator that waits in
    front of ``aclose`` is all it takes. A closed object holds nothing of its loop, which can be collected then.
    """

    def __init__(self, held: ClosableT) -> None:
        self._closing = _Closing(held)
        self._started = False

    @property
    def held(self) -> ClosableT:
        """The object.

        Raises:
            RuntimeError: It is closed.
        """
        if self._closing.held is None:
            raise RuntimeError("the event loop is about to close")
        return cast("ClosableT", self._closing.held)

    async def started(self) -> None:
        """Start the guard, once."""
        if not self._started:
            self._started = True
            closing, loop = self._closing, asyncio.get_running_loop()
            guard = closing.guard = _closing_with_loop(closing)
            closing.dropped = weakref.finalize(self, _close_soon, loop, guard, closing)
            closing.dropped.atexit = False
            _open[closing] = weakref.ref(loop)
            await anext(guard)

    async def close(self) -> None:
        """Close now."""
        await self._closing.close()


class _Closing:
    """Closes an object once; concurrent callers wait until it is closed. Nothing of the loop is kept then."""

    def __init__(self, held: Closable) -> None:
        self.held: Closable | None = held
        self.guard: AsyncGenerator[None, None] | None = None
        self.dropped: weakref.finalize[..., object] | None = None
        self._lock: asyncio.Lock | None = asyncio.Lock()

    async def close(self) -> None:
        if self.guard is not None:
            await self.guard.aclose()  # collected while it waits, it would start a task
        await self.done()

    async def done(self) -> None:
        if self._lock is not None:
            async with self._lock:
                if self.held is not None:
                    await last_requests_done()
                    await self.held.aclose()
        if self.dropped is not None:
            self.dropped.detach()
        self.held = self.guard = self.dropped = self._lock = None
        dropped_connections.pop(self, None)
        _open.pop(self, None)


class _Dropped(NamedTuple):
    loop: asyncio.AbstractEventLoop
    guard: AsyncGenerator[None, None]
    task: asyncio.Task[None] | None = None


#: Connections to close because their client was dropped. ``asyncio.run`` cancels all tasks at its end, so the task may
#: never run; the guard, kept alive here, then closes them.
dropped_connections: dict[_Closing, _Dropped] = {}

#: Connections that are open, each with its loop.
_open: weakref.WeakKeyDictionary[_Closing, weakref.ref[asyncio.AbstractEventLoop]]
_open = weakref.WeakKeyDictionary()


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


@atexit.register
def _close_at_exit() -> None:
    """Close what is open in loops that were neither closed nor are running, as notebooks leave them."""
    for closing, reference in list(_open.items()):
        loop = reference()
        if loop is not None and not loop.is_closed() and not loop.is_running():
            with suppress(Exception):
                loop.run_until_complete(closing.close())
