"""Sessions of the module-level calls: begun, bound to a block, updated, ended."""

from __future__ import annotations

import inspect
import os
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Iterator, Mapping
from contextlib import asynccontextmanager, contextmanager
from functools import partial
from typing import Any, ParamSpec, TypeVar

from lumnisai_core._transport.waiting import async_beside
from lumnisai_core.exceptions import ConfigurationError, LucidicNotInitializedError
from lumnisai_core.lucidic import calls, context, exits, export
from lumnisai_core.lucidic._sync.sessions import failure
from lumnisai_core.lucidic.config import flag
from lumnisai_core.lucidic.delivery import Statistics, TrackedSession
from lumnisai_core.lucidic.events import create_error_event, is_recorded
from lumnisai_core.lucidic.instrumentation import instrument
from lumnisai_core.lucidic.plain import Mask
from lumnisai_core.lucidic.tracing import tracing

P = ParamSpec("P")
T = TypeVar("T")


def init(
    session_name: str | None = None,
    *,
    session_id: str | None = None,
    api_key: str | None = None,
    agent_id: str | None = None,
    providers: Iterable[str] | None = None,
    task: str | None = None,
    tags: Iterable[str] | None = None,
    evaluators: Iterable[str] | None = None,
    experiment_id: str | None = None,
    datasetitem_id: str | None = None,
    production_monitoring: bool = False,
    auto_end: bool | None = None,
    masking_function: Mask | None = None,
    capture_uncaught: bool | None = None,
    flush_on_sigterm: bool = False,
    spool: str | os.PathLike[str] | None = None,
    base_url: str | None = None,
    region: str | None = None,
    timeout: float | None = None,
) -> str:
    """Begin a session, and make it the current one of this context and of threads without one.

    The session is created before this returns. A service that does not answer within 5 seconds does not stop the
    program: the session is created in the background then, before its events.

    Args:
        session_name: Its name. Default: ``Unnamed Session``.
        session_id: Id of a session to resume, or an id of your own. Default: a new UUID.
        api_key: The API key. Default: ``LUCIDIC_API_KEY``.
        agent_id: The agent that the session belongs to. Default: ``LUCIDIC_AGENT_ID``.
        providers: Libraries whose calls are recorded, such as ``openai`` and ``langchain``; see :func:`instrument`.
        task: What the session is about.
        tags: Tags to find it by.
        evaluators: Names of evaluators to run on it.
        experiment_id: The experiment that it belongs to.
        datasetitem_id: The item of a dataset that it runs.
        production_monitoring: Whether the service monitors it as production traffic.
        auto_end: Whether the end of the process ends it. Default: ``LUCIDIC_AUTO_END``, then True.
        masking_function: Hides personal data in a text. It is applied to every text of payloads, metadata, tasks and
            reasons before anything leaves the process; where it raises, a notice is sent instead.
            Sessions that are begun later have it too. Default: none.
        capture_uncaught: Whether an exception that ends the program becomes an event. Default:
            ``LUCIDIC_CAPTURE_UNCAUGHT``, then True.
        flush_on_sigterm: Whether SIGTERM sends what waits, before the earlier handler or the default action.
        spool: A folder where events are kept until they are sent, so that not even ``kill -9`` loses one; the next
            start with the same folder sends what it finds there.
        base_url: Address of the API instead of that of a region. Default: ``LUCIDIC_BASE_URL``.
        region: ``us`` or ``india``. Default: ``LUCIDIC_REGION``, then ``us``.
        timeout: Seconds that a request may take. Default: ``LUCIDIC_TIMEOUT``, then 30.

    Returns:
        The id of the session.

    Raises:
        APIKeyVerificationError: The service refuses the key.
        ConfigurationError: There is no key or no agent id, or a value is invalid.
    """
    opened = _begin(
        session_name=session_name,
        session_id=session_id,
        settings={
            "api_key": api_key,
            "agent_id": agent_id,
            "base_url": base_url,
            "region": region,
            "timeout": timeout,
        },
        providers=providers,
        task=task,
        tags=tags,
        evaluators=evaluators,
        experiment_id=experiment_id,
        datasetitem_id=datasetitem_id,
        production_monitoring=production_monitoring,
        auto_end=auto_end,
        masking_function=masking_function,
        capture_uncaught=capture_uncaught,
        flush_on_sigterm=flush_on_sigterm,
        spool=spool,
    )
    set_active_session(opened.id)
    return opened.id


def _begin(
    *,
    settings: Mapping[str, Any],
    providers: Iterable[str] | None = None,
    auto_end: bool | None,
    masking_function: Mask | None,
    capture_uncaught: bool | None,
    flush_on_sigterm: bool,
    spool: str | os.PathLike[str] | None,
    **known: Any,
) -> TrackedSession:
    """Create a session and have what happens at the end of the process arranged for."""
    if masking_function is not None and not callable(masking_function):
        raise ConfigurationError(f"masking_function must be a function from string to string: {masking_function!r}.")
    if auto_end is None:
        auto_end = flag("LUCIDIC_AUTO_END", os.environ, default=True)
    if capture_uncaught is None:
        capture_uncaught = flag("LUCIDIC_CAPTURE_UNCAUGHT", os.environ, default=True)
    if providers is not None:
        instrument(providers)
    owner = tracing()
    client = owner.client_for(**settings)
    owner.choose(client)
    export.span_processor()
    exits.arrange(capture_uncaught=capture_uncaught, flush_on_sigterm=flush_on_sigterm)
    if masking_function is not None:
        owner.mask = masking_function
    if spool is not None:
        owner.keep_in(spool, client)
    return owner.create(client, mask=owner.mask, auto_end=auto_end, **known)


# Blocks


@contextmanager
def session(session_name: str | None = None, **options: Any) -> Iterator[str]:
    """Run a block as a session of its own, which ends with the block.

    Args:
        session_name: Its name.
        options: Arguments of :func:`init`. With ``auto_end=False`` the session stays open after the block.

    Returns:
        A context manager for the id of the session. An exception that leaves the block is recorded, and ends the
        session as a failure.
    """
    opened, auto_end = _begun(session_name, options)
    with context.bound(context.session_id, opened.id), context.bound(context.parent_event_id, None):
        try:
            yield opened.id
        except BaseException as error:
            _finish(opened, error, auto_end=auto_end)
            raise
        _finish(opened, None, auto_end=auto_end)


@asynccontextmanager
async def session_async(session_name: str | None = None, **options: Any) -> AsyncIterator[str]:
    """Do the same as :func:`session` in a coroutine, whose event loop is not blocked meanwhile.

    Args:
        session_name: Its name.
        options: Arguments of :func:`init`.
    """
    opened, auto_end = await async_beside(partial(_begun, session_name, options))
    with context.bound(context.session_id, opened.id), context.bound(context.parent_event_id, None):
        try:
            yield opened.id
        except BaseException as error:
            _finish(opened, error, auto_end=auto_end)
            raise
        _finish(opened, None, auto_end=auto_end)


_SETTINGS = ("api_key", "agent_id", "base_url", "region", "timeout")
_UNSET = {
    "auto_end": None,
    "masking_function": None,
    "capture_uncaught": None,
    "flush_on_sigterm": False,
    "spool": None,
}


def _begun(session_name: str | None, options: Mapping[str, Any]) -> tuple[TrackedSession, bool]:
    """Create the session of a block. The second value says whether the block ends it."""
    rest = {**_UNSET, **options}
    settings = {name: rest.pop(name, None) for name in _SETTINGS}
    opened = _begin(settings=settings, session_name=session_name, **rest)
    return opened, opened.auto_end


def _finish(opened: TrackedSession, error: BaseException | None, *, auto_end: bool) -> None:
    if isinstance(error, Exception | KeyboardInterrupt) and not is_recorded(error):
        create_error_event(error, session_id=opened.id, parent_event_id=None)
    if auto_end and not isinstance(error, GeneratorExit):
        tracing().end(opened, {} if error is None else failure(error))


@contextmanager
def bind_session(session_id: str) -> Iterator[str]:
    """Make a session the current one inside a block, without beginning or ending it.

    Args:
        session_id: Its id, also of a session that another process has begun.
    """
    with context.bound(context.session_id, session_id), context.bound(context.parent_event_id, None):
        yield session_id


@asynccontextmanager
async def bind_session_async(session_id: str) -> AsyncIterator[str]:
    """Do the same as :func:`bind_session`, for ``async with``.

    Args:
        session_id: Its id.
    """
    with bind_session(session_id):
        yield session_id


def run_session(
    function: Callable[..., T],
    *args: Any,
    init_params: Mapping[str, Any] | None = None,
    **kwargs: Any,
) -> T:
    """Call a function inside a session of its own.

    Args:
        function: What to call. A coroutine function gives a coroutine, whose session begins when it is awaited.
        args: Its arguments.
        init_params: Arguments of :func:`init`.
        kwargs: Its keyword arguments.

    Returns:
        The result of the function.
    """
    if inspect.iscoroutinefunction(function):
        return _run_session_async(function, args, kwargs, dict(init_params or {}))  # type: ignore[return-value]
    with session(**dict(init_params or {})):
        return function(*args, **kwargs)


async def _run_session_async(
    function: Callable[..., Awaitable[T]],
    args: tuple[Any, ...],
    kwargs: Mapping[str, Any],
    options: dict[str, Any],
) -> T:
    async with session_async(**options):
        return await function(*args, **kwargs)


def run_in_session(session_id: str, function: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
    """Call a function with a session as the current one, such as the target of a thread.

    Args:
        session_id: Id of the session.
        function: What to call. A coroutine function gives a coroutine that runs in the session.
        args: Its arguments.
        kwargs: Its keyword arguments.

    Returns:
        The result of the function.
    """
    if inspect.iscoroutinefunction(function):
        return _run_in_session_async(session_id, function, args, kwargs)  # type: ignore[return-value]
    with bind_session(session_id):
        return function(*args, **kwargs)


async def _run_in_session_async(
    session_id: str, function: Callable[..., Awaitable[T]], args: tuple[Any, ...], kwargs: Mapping[str, Any]
) -> T:
    with bind_session(session_id):
        return await function(*args, **kwargs)


#: The product's name for the target of a thread.
thread_worker_with_session = run_in_session


# The current session


def set_active_session(session_id: str | None) -> None:
    """Make a session the current one of this context, and of threads and contexts without one.

    Args:
        session_id: Its id.
    """
    context.session_id.set(session_id)
    tracing().active = session_id


def clear_active_session() -> None:
    """Leave this context and the process without a current session; the session stays open."""
    set_active_session(None)


def get_session_id() -> str | None:
    """Return the id of the current session, or None."""
    current = tracing().session(None)
    return None if current is None else current.id


def update_session(
    *,
    session_id: str | None = None,
    task: str | None = None,
    tags: Iterable[str] | None = None,
    session_eval: float | None = None,
    session_eval_reason: str | None = None,
    is_successful: bool | None = None,
    is_successful_reason: str | None = None,
) -> None:
    """Change a session in the background; what is None stays as it is.

    Args:
        session_id: Its id. Default: the current one.
        task: What it is about.
        tags: Tags, instead of the earlier ones.
        session_eval: Score of the session.
        session_eval_reason: Why it has this score.
        is_successful: Whether it was a success.
        is_successful_reason: Why it was or was not.

    Raises:
        LucidicNotInitializedError: There is no current session.
    """
    changes = calls.session_changes(
        task=task,
        tags=tags,
        session_eval=session_eval,
        session_eval_reason=session_eval_reason,
        is_successful=is_successful,
        is_successful_reason=is_successful_reason,
    )
    if changes:
        tracing().delivery.change(_current(session_id), changes)


def end_session(
    *,
    session_id: str | None = None,
    session_eval: float | None = None,
    session_eval_reason: str | None = None,
    is_successful: bool | None = None,
    is_successful_reason: str | None = None,
) -> None:
    """End a session in the background, after its events.

    Args:
        session_id: Its id. Default: the current one.
        session_eval: Score of the session.
        session_eval_reason: Why it has this score.
        is_successful: Whether it was a success.
        is_successful_reason: Why it was or was not.

    Raises:
        LucidicNotInitializedError: There is no current session.
    """
    current = _current(session_id)
    changes = calls.session_changes(
        session_eval=session_eval,
        session_eval_reason=session_eval_reason,
        is_successful=is_successful,
        is_successful_reason=is_successful_reason,
    )
    tracing().end(current, changes)
    if context.session_id.get() == current.id:
        context.session_id.set(None)


def _current(session_id: str | None) -> TrackedSession:
    current = tracing().session(session_id)
    if current is None:
        raise LucidicNotInitializedError("There is no current session: call init() first, or pass session_id=.")
    return current


# Delivery


def flush(timeout_seconds: float = 2.0) -> bool:
    """Wait until everything recorded so far is sent.

    Args:
        timeout_seconds: Seconds to wait at most.

    Returns:
        Whether nothing waits any more; what still does is sent in the background.
    """
    export.span_processor().hand_on()
    return tracing().delivery.drain(timeout_seconds)


def statistics() -> Statistics:
    """Return how many events of this process wait, were delivered, dropped or refused."""
    return tracing().delivery.statistics
