"""Attempts of clients at one run: retries that join it, and clients that leave it."""

from __future__ import annotations

import asyncio
import hashlib
import logging
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from uuid import uuid4

from starlette.requests import Request

from lumnisai_core.local.web.errors import ApiError
from lumnisai_core.local.web.shapes import Object

#: Header in which clients made by Stainless, such as those of OpenAI, count the retries of a request.
_RETRIES = "x-stainless-retry-count"
_KEY = "idempotency-key"
#: Seconds in which a client tries again; OpenAI's clients pause for at most 8.
PATIENCE = 10.0
_logger = logging.getLogger("lumnisai.local")

Start = Callable[[str | None], Awaitable[Object]]
Stop = Callable[[str], Awaitable[None]]


@dataclass(frozen=True, slots=True)
class Identity:
    """What tells whether two requests are tries of one.

    Attributes:
        digest: The same for requests with the same key, path and body.
        key: The idempotency key that the client sends, if it sends one.
        is_retry: Whether the client says that it has tried before.
        may_retry: Whether the client may try again when there is no answer.
    """

    digest: str
    key: str | None
    is_retry: bool
    may_retry: bool

    @classmethod
    def of(cls, request: Request, body: bytes) -> Identity:
        """Read the identity of a request."""
        headers = request.headers
        key, count = headers.get(_KEY, "").strip() or None, headers.get(_RETRIES, "")
        whose = f"{headers.get('authorization', '')}\n{headers.get('x-api-key', '')}\n{request.url.path}\n"
        digest = hashlib.sha256(whose.encode() + body).hexdigest()
        is_retry = key is not None or (count.isdigit() and int(count) > 0)
        return cls(digest if key is None else f"{digest} {key}", key, is_retry, may_retry=bool(key or count))


@dataclass(eq=False, slots=True)
class Attempt:
    """A run that requests wait for, or have left a short time ago."""

    digest: str
    key: str | None
    run: asyncio.Future[Object]
    waiting: int = 0
    is_over: bool = False
    end: asyncio.TimerHandle | None = None
    stop: Callable[[], Awaitable[None]] | None = None


class Attempts:
    """The attempts of a short time. To be used in one event loop.

    OpenAI's clients send no idempotency key, only the number of the retry. So a retry joins the run of an earlier
    request with the same key, path and body: rather one that was left without an answer than one that others wait for.

    Args:
        patience: Seconds for which a run waits for a retry of a client that has left without an answer, before it is
            stopped, and in which a retry gets an answer that was sent already.
    """

    def __init__(self, patience: float = PATIENCE) -> None:
        self._patience = patience
        self._open: dict[str, list[Attempt]] = {}
        self._tasks: set[asyncio.Task[None]] = set()

    async def join(self, identity: Identity, start: Start) -> Attempt:
        """Return the attempt of a request: that of an earlier try, or a new one with a run that `start` creates.

        Raises:
            ApiError: The run was refused.
        """
        attempt = self._earlier(identity)
        if attempt is None:
            key = identity.key or (str(uuid4()) if identity.may_retry else None)
            attempt = Attempt(identity.digest, key, asyncio.ensure_future(start(key)))
            self._open.setdefault(identity.digest, []).append(attempt)
        elif attempt.run.done() and (attempt.run.cancelled() or attempt.run.exception() is not None):
            attempt.run = asyncio.ensure_future(start(attempt.key))
        if attempt.end is not None:
            attempt.end.cancel()
            attempt.end = None
        attempt.waiting += 1
        try:
            await asyncio.shield(attempt.run)
        except BaseException:
            self.leave(attempt)
            raise
        return attempt

    def leave(self, attempt: Attempt, stop: Stop | None = None, *, at_once: bool = False) -> None:
        """Leave an attempt. The last one to leave decides about the run.

        Args:
            attempt: The attempt.
            stop: Stops the run, unless somebody joins in time; None to leave it alone.
            at_once: Whether nobody will join.
        """
        attempt.waiting -= 1
        attempt.is_over = stop is None
        if attempt.waiting:
            return
        attempt.stop = None if stop is None else lambda: _stop(attempt, stop)
        pause = 0.0 if at_once else self._patience
        attempt.end = asyncio.get_running_loop().call_later(pause, self._forget, attempt)

    async def close(self) -> None:
        """Stop the runs that wait for a retry."""
        for attempt in [attempt for attempts in self._open.values() for attempt in attempts]:
            if attempt.end is not None:
                attempt.end.cancel()
                self._forget(attempt)
        await asyncio.gather(*self._tasks, return_exceptions=True)

    def _earlier(self, identity: Identity) -> Attempt | None:
        """Return the attempt that a retry joins: one that was left, one that somebody waits for, one that is over."""
        known = self._open.get(identity.digest, ()) if identity.is_retry else ()
        return min(known, key=lambda attempt: (attempt.is_over, attempt.waiting > 0), default=None)

    def _forget(self, attempt: Attempt) -> None:
        attempts = self._open.get(attempt.digest, [])
        if attempt in attempts:
            attempts.remove(attempt)
        if not attempts:
            self._open.pop(attempt.digest, None)
        if attempt.stop is not None:
            task = asyncio.ensure_future(attempt.stop())
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)


async def _stop(attempt: Attempt, stop: Stop) -> None:
    """Stop the run of an attempt, also one that is still being created."""
    try:
        run = await attempt.run
        await stop(str(run["response_id"]))
    except ApiError as error:
        _logger.info("A run that its client has left could not be stopped: %s", error.message)
