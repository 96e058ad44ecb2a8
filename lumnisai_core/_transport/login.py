"""Logging in: flows written once as generators, and one login at a time for all callers of a client."""

from __future__ import annotations

import threading
from collections.abc import Awaitable, Callable, Generator, Iterator
from concurrent.futures import Future
from contextlib import contextmanager
from typing import Any, NamedTuple, TypeAlias, TypeVar

from lumnisai_core._transport import forks
from lumnisai_core._transport.call import Call
from lumnisai_core.exceptions import LumnisAIError

T = TypeVar("T")


class Pause(NamedTuple):
    """A step of a login: wait for some seconds."""

    seconds: float


class Invoke(NamedTuple):
    """A step of a login: call a function of the user's, which may be a coroutine function for the asyncio client."""

    function: Callable[[], object]


Step: TypeAlias = Call[Any] | Pause | Invoke

#: A login, as a generator: it yields steps and receives the result of each, or has its error raised at the ``yield``.
#: It keeps what it won (a cookie, a token) in its service, whose ``authorise`` uses it.
LoginFlow: TypeAlias = Generator[Step, Any, None]


def send(call: Call[T]) -> Generator[Step, Any, T]:
    """Send a call and return its result, in a login flow, by ``yield from``.

    Raises:
        LumnisAIError: There is no good answer. The flow may handle the error.
    """
    result: T = yield call
    return result


def pause(seconds: float) -> Generator[Step, Any, None]:
    """Wait for some seconds, in a login flow, by ``yield from``."""
    yield Pause(seconds)


def invoke(function: Callable[[], T | Awaitable[T]]) -> Generator[Step, Any, T]:
    """Call a function of the user's and return its result, in a login flow, by ``yield from``."""
    result: T = yield Invoke(function)
    return result


def next_step(flow: LoginFlow, result: Any = None, error: Exception | None = None) -> Step | None:
    """Continue a login with the result of its last step, or the error, and return its next step; None at its end."""
    try:
        return flow.send(result) if error is None else flow.throw(error)
    except StopIteration:
        return None


class Logins:
    """The logins of one client, shared by its threads and event loops.

    Attributes:
        count: How many logins have succeeded.
    """

    def __init__(self) -> None:
        self.count = 0
        self._lock = threading.Lock()
        self._under_way: Future[LumnisAIError | None] | None = None
        forks.register(self)

    def after_fork(self) -> None:
        """Leave a login that is under way to the parent."""
        self._lock, self._under_way = threading.Lock(), None

    def join(self, seen: int) -> Future[LumnisAIError | None] | None:
        """Return the login to wait for, or None if the caller has to log in, within :meth:`turn`.

        Args:
            seen: The ``count`` before the request that needs a login. If there are more by now, the returned one is
                over already.

        Returns:
            The outcome: an error to raise, or None if the login succeeded or was given up half-way.
        """
        with self._lock:
            if self.count != seen:
                over: Future[LumnisAIError | None] = Future()
                over.set_result(None)
                return over
            if self._under_way is None:
                self._under_way = Future()
                self._under_way.set_running_or_notify_cancel()  # nobody who waits can cancel it
                return None
            return self._under_way

    @contextmanager
    def turn(self) -> Iterator[None]:
        """Log in inside this block; at its end, everybody who waits continues."""
        failure: LumnisAIError | None = None
        succeeded = False
        try:
            yield
            succeeded = True
        except LumnisAIError as error:
            failure = error
            raise
        finally:
            with self._lock:
                under_way, self._under_way = self._under_way, None
                self.count += succeeded
            if under_way is not None:
                under_way.set_result(failure)
