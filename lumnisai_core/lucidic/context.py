"""The current session and the current parent event: context variables that tasks inherit and threads can be handed."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar, copy_context
from functools import wraps
from typing import NamedTuple, ParamSpec, TypeVar

P = ParamSpec("P")
T = TypeVar("T")

#: Id of the session that events belong to.
session_id: ContextVar[str | None] = ContextVar("lucidic.session_id", default=None)

#: Id of the event that new events are children of.
parent_event_id: ContextVar[str | None] = ContextVar("lucidic.parent_event_id", default=None)


class EnclosingRun(NamedTuple):
    """The run of a framework in which the caller is.

    Attributes:
        event_id: Id of its event.
        session_id: The session that it is recorded into.
        around: Id of the event that was the current one where its root run began, or None.
    """

    event_id: str
    session_id: str | None
    around: str | None


#: Functions of the frameworks' handlers that return the run in which the caller is, or None.
run_finders: list[Callable[[], EnclosingRun | None]] = []


def add_run_finder(find: Callable[[], EnclosingRun | None]) -> None:
    """Make events inside the runs of a framework children of these runs, for a handler that records them.

    Args:
        find: Returns the run in which the caller is, or None. It is called for each event, so it must be quick.
    """
    if find not in run_finders:
        run_finders.append(find)


@contextmanager
def bound(variable: ContextVar[str | None], value: str | None) -> Iterator[None]:
    """Set a context variable for a block.

    The earlier value is put back by setting it, not by a token: a block may be left in another context than the one
    it was entered in, such as a generator's or another task's.
    """
    before = variable.get()
    variable.set(value)
    try:
        yield
    finally:
        variable.set(before)


def in_context(function: Callable[P, T]) -> Callable[P, T]:
    """Return a function that runs in a copy of the present context, for threads and pools.

    Tasks and ``asyncio.to_thread`` inherit the session and the parent event; new threads and pools do not, and neither
    does ``loop.run_in_executor``. Wrap what they run:

    >>> pool.submit(lai.in_context(work), item)

    Args:
        function: The function to run elsewhere, any number of times, also at the same time.

    Returns:
        A function with the same arguments and result.
    """
    context = copy_context()

    @wraps(function)
    def run(*args: P.args, **kwargs: P.kwargs) -> T:
        return context.copy().run(function, *args, **kwargs)

    return run
