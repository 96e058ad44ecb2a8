"""The decorator that records calls of functions, coroutine functions and generators as events."""

from __future__ import annotations

import inspect
from collections.abc import AsyncGenerator, Callable, Generator, Iterable, Mapping
from functools import partial, wraps
from typing import Any, ParamSpec, TypeVar, cast, overload

from lumnisai_core.exceptions import ValidationError
from lumnisai_core.lucidic import context
from lumnisai_core.lucidic.delivery import logger
from lumnisai_core.lucidic.events import OpenEvent, create_error_event, is_recorded, start_event
from lumnisai_core.lucidic.payloads import EventType, string_list

P = ParamSpec("P")
T = TypeVar("T")


@overload
def event(function: Callable[P, T], /) -> Callable[P, T]: ...


@overload
def event(
    function: None = None,
    /,
    *,
    name: str | None = None,
    tags: Iterable[str] | None = None,
    metadata: Mapping[str, Any] | None = None,
    capture_arguments: bool = True,
    capture_result: bool = True,
    **fields: Any,
) -> Callable[[Callable[P, T]], Callable[P, T]]: ...


def event(
    function: Callable[P, T] | None = None,
    /,
    *,
    name: str | None = None,
    tags: Iterable[str] | None = None,
    metadata: Mapping[str, Any] | None = None,
    capture_arguments: bool = True,
    capture_result: bool = True,
    **fields: Any,
) -> Callable[P, T] | Callable[[Callable[P, T]], Callable[P, T]]:
    """Record each call of a function as an event, with its arguments, its result or exception, and its time.

    Works for functions, coroutine functions, generators and asynchronous generators, which stay what they are: nothing
    is consumed, and results are passed on as they are. Events inside of the call are children of its event. Without a
    session the function is called as it is.

    Args:
        function: The function, if the decorator is written without parentheses.
        name: Name to record. Default: the function's own.
        tags: Tags of each event.
        metadata: Metadata of each event.
        capture_arguments: Whether the arguments are recorded.
        capture_result: Whether the result is recorded.
        fields: More of the payload of each event.

    Returns:
        The decorated function, or a decorator.
    """
    tags = string_list("tags", tags)
    if metadata is not None and not isinstance(metadata, Mapping):
        raise ValidationError(f"metadata must be an object, not {metadata!r}.")

    def decorate(function: Callable[P, T]) -> Callable[P, T]:
        shown = name or getattr(function, "__name__", type(function).__name__)
        arguments_of = _binder(function) if capture_arguments else None

        def begin(args: tuple[Any, ...], kwargs: dict[str, Any]) -> OpenEvent | None:
            try:
                arguments = None if arguments_of is None else arguments_of(args, kwargs)
                opened = start_event(
                    EventType.FUNCTION_CALL,
                    tags=tags,
                    metadata=metadata,
                    function_name=shown,
                    arguments=arguments,
                    **fields,
                )
            except Exception:  # noqa: BLE001 - recording never breaks what is recorded
                logger.exception("Lucidic: a call of %s is not recorded", shown)
                return None
            return opened if opened.is_recording else None

        return cast("Callable[P, T]", _wrapped(function, begin, capture_result=capture_result))

    return decorate if function is None else decorate(function)


_Begin = Callable[[tuple[Any, ...], dict[str, Any]], OpenEvent | None]


def _wrapped(function: Callable[..., Any], begin: _Begin, *, capture_result: bool) -> Callable[..., Any]:
    """Return a function of the same kind whose calls are recorded."""
    succeed = partial(_succeed, capture_result=capture_result)
    if inspect.iscoroutinefunction(function):
        return _coroutine(function, begin, succeed)
    if inspect.isgeneratorfunction(function):
        return _generator(function, begin)
    if inspect.isasyncgenfunction(function):
        return _async_generator(function, begin)
    return _function(function, begin, succeed)


_Succeed = Callable[[OpenEvent, Any], None]
_parent = context.parent_event_id


def _function(function: Callable[..., Any], begin: _Begin, succeed: _Succeed) -> Callable[..., Any]:
    @wraps(function)
    def recorded(*args: Any, **kwargs: Any) -> Any:
        opened = begin(args, kwargs)
        if opened is None:
            return function(*args, **kwargs)
        before = _parent.get()
        _parent.set(opened.id)
        try:
            result = function(*args, **kwargs)
        except BaseException as error:
            _fail(opened, error)
            raise
        finally:
            _parent.set(before)
        succeed(opened, result)
        return result

    return recorded


def _coroutine(function: Callable[..., Any], begin: _Begin, succeed: _Succeed) -> Callable[..., Any]:
    @wraps(function)
    async def recorded(*args: Any, **kwargs: Any) -> Any:
        opened = begin(args, kwargs)
        if opened is None:
            return await function(*args, **kwargs)
        before = _parent.get()
        _parent.set(opened.id)
        try:
            result = await function(*args, **kwargs)
        except BaseException as error:
            _fail(opened, error)
            raise
        finally:
            _parent.set(before)
        succeed(opened, result)
        return result

    return recorded


def _generator(function: Callable[..., Any], begin: _Begin) -> Callable[..., Any]:
    @wraps(function)
    def recorded(*args: Any, **kwargs: Any) -> Generator[Any, Any, Any]:
        opened = begin(args, kwargs)
        iterator = function(*args, **kwargs)
        return (yield from iterator if opened is None else _stepped(iterator, opened))

    return recorded


def _async_generator(function: Callable[..., Any], begin: _Begin) -> Callable[..., Any]:
    @wraps(function)
    async def recorded(*args: Any, **kwargs: Any) -> AsyncGenerator[Any, Any]:
        opened = begin(args, kwargs)
        iterator = function(*args, **kwargs)
        step, count = iterator.asend(None), 0
        try:
            while True:
                before = _parent.get()
                _parent.set(before if opened is None else opened.id)
                try:
                    value = await step
                finally:
                    _parent.set(before)
                count += 1
                try:
                    sent = yield value
                except GeneratorExit:
                    await iterator.aclose()
                    raise
                except BaseException as error:  # noqa: BLE001 - thrown in by the caller
                    step = iterator.athrow(error)
                else:
                    step = iterator.asend(sent)
        except (StopAsyncIteration, GeneratorExit) as end:
            _finish_stream(opened, count)
            if isinstance(end, GeneratorExit):
                raise
        except BaseException as error:
            if opened is not None:
                _fail(opened, error)
            raise

    return recorded


def _stepped(iterator: Generator[Any, Any, Any], opened: OpenEvent) -> Generator[Any, Any, Any]:
    """Run a generator so that only its own steps are inside of its event."""
    step, count = partial(next, iterator), 0
    try:
        while True:
            before = _parent.get()
            _parent.set(opened.id)
            try:
                value = step()
            except StopIteration as end:
                _finish_stream(opened, count)
                return end.value
            finally:
                _parent.set(before)
            count += 1
            try:
                sent = yield value
            except GeneratorExit:
                iterator.close()
                raise
            except BaseException as error:  # noqa: BLE001 - thrown in by the caller
                step = partial(iterator.throw, error)
            else:
                step = partial(iterator.send, sent)
    except GeneratorExit:
        _finish_stream(opened, count)
        raise
    except BaseException as error:
        _fail(opened, error)
        raise


def _finish_stream(opened: OpenEvent | None, count: int) -> None:
    if opened is not None:
        opened.end(return_value=f"<{count} items>")


def _succeed(opened: OpenEvent, result: Any, *, capture_result: bool) -> None:
    try:
        if capture_result:
            opened.end(return_value=result)
        else:
            opened.end()
    except Exception:  # noqa: BLE001 - recording never breaks what is recorded
        logger.exception("Lucidic: a call is not recorded")


def _fail(opened: OpenEvent, error: BaseException) -> None:
    """Finish an event with an exception, which has an event of its own below the innermost call that it left."""
    try:
        if isinstance(error, Exception) and not is_recorded(error):
            create_error_event(error, parent_event_id=opened.id, session_id=opened.session_id)
        opened.end(error=error)
    except Exception:  # noqa: BLE001 - recording never breaks what is recorded
        logger.exception("Lucidic: a call is not recorded")


def _binder(function: Callable[..., Any]) -> Callable[[tuple[Any, ...], dict[str, Any]], dict[str, Any]]:
    """Return a function that names the arguments of a call, defaults included and ``self`` left out."""
    try:
        signature = inspect.signature(function)
    except (TypeError, ValueError):  # some functions written in C
        return lambda args, kwargs: {"args": args, **kwargs}
    parameters = list(signature.parameters.values())
    skipped = next((parameter.name for parameter in parameters[:1] if parameter.name in ("self", "cls")), None)
    plainly = all(parameter.kind is parameter.POSITIONAL_OR_KEYWORD for parameter in parameters)
    names = [parameter.name for parameter in parameters]
    defaults = {
        parameter.name: parameter.default for parameter in parameters if parameter.default is not parameter.empty
    }

    def named(args: tuple[Any, ...], kwargs: dict[str, Any]) -> dict[str, Any]:
        if plainly and len(args) <= len(names):
            arguments = {**defaults, **dict(zip(names, args, strict=False)), **kwargs}
        else:
            try:
                bound = signature.bind(*args, **kwargs)
            except TypeError:  # the call itself will raise
                return {"args": args, **kwargs}
            bound.apply_defaults()
            arguments = bound.arguments
        if skipped is not None:
            arguments.pop(skipped, None)
        return arguments

    return named
