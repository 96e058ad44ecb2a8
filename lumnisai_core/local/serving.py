"""Servers as objects: contexts that start and close, also in the foreground until a signal ends them."""

from __future__ import annotations

import asyncio
import signal
import threading
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from queue import Empty, SimpleQueue
from typing import Self


class Server(ABC):
    """A server in a thread of its own, between `start` and `close`.

    Attributes:
        api_key: The key that clients must send.
    """

    api_key: str

    def __init__(self) -> None:
        self._closing: SimpleQueue[None] = SimpleQueue()

    @property
    @abstractmethod
    def base_url(self) -> str:
        """Address of the running server."""

    @abstractmethod
    def start(self) -> Self:
        """Start serving; returns when requests are answered. Does nothing if it runs already."""

    @abstractmethod
    def close(self) -> None:
        """Stop serving, and end `serve_forever`."""

    def serve_forever(self, on_ready: Callable[[str, str], None] | None = None) -> None:
        """Serve in the foreground until Ctrl-C, SIGTERM or `close`; prints nothing.

        Args:
            on_ready: Called with address and key once requests are answered.
        """
        with suppress(Empty):
            while True:
                self._closing.get_nowait()  # of closing it before
        with _until_ended(self._closing) as wait:
            try:
                self.start()
                if on_ready is not None:
                    on_ready(self.base_url, self.api_key)
                wait()
            finally:
                self.close()

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(self, *_: object) -> None:
        self.close()

    async def __aenter__(self) -> Self:
        return await asyncio.to_thread(self.start)

    async def __aexit__(self, *_: object) -> None:
        await asyncio.to_thread(self.close)


@contextmanager
def _until_ended(closing: SimpleQueue[None]) -> Iterator[Callable[[], None]]:
    """Yield a function that waits for Ctrl-C, SIGTERM or the queue; only the main thread can wait for the signals.

    A queue and not an event: only its `put` may be called by a signal handler while the same thread waits.
    """

    def wait() -> None:
        while True:
            with suppress(Empty):
                return closing.get(timeout=0.5)

    is_main = threading.current_thread() is threading.main_thread()
    numbers = (signal.SIGINT, signal.SIGTERM) if is_main else ()
    previous = {number: signal.signal(number, lambda *_: closing.put(None)) for number in numbers}
    try:
        yield wait
    finally:
        for number, handler in previous.items():
            signal.signal(number, handler)
