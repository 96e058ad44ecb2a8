"""Reports of LLM calls to the framework's callbacks, and streams that close what they read from."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Callable, Generator
from typing import Any, TypeAlias, TypeVar, cast

from llama_index.core.llms.callbacks import llm_chat_callback, llm_completion_callback

T = TypeVar("T")
MethodT = TypeVar("MethodT", bound=Callable[..., Any])
Stream: TypeAlias = Generator[T, None, None]
AsyncStream: TypeAlias = AsyncGenerator[T, None]
Decorator: TypeAlias = Callable[[Callable[..., Any]], Callable[..., Any]]


def reports_chat(method: MethodT) -> MethodT:
    """Report calls of a method that takes messages."""
    return cast("MethodT", llm_chat_callback()(method))


def reports_completion(method: MethodT) -> MethodT:
    """Report calls of a method that takes a prompt."""
    return cast("MethodT", llm_completion_callback()(method))


# The framework's decorators wrap a generator without closing it. Leaving a stream early must reach the run at once, not
# when the garbage collector runs.


def reported(
    report: Decorator, llm: object, question: object, source: Stream[T], keywords: dict[str, Any]
) -> Stream[T]:
    """Return a stream that one of the framework's decorators reports as the answer to messages or a prompt."""

    def stream(*_: object, **__: object) -> Stream[T]:
        return source

    return cast("Stream[T]", report(stream)(llm, question, **keywords))


async def areported(
    report: Decorator, llm: object, question: object, source: AsyncStream[T], keywords: dict[str, Any]
) -> AsyncStream[T]:
    """Return an asyncio stream that one of the framework's decorators reports as the answer."""

    async def stream(*_: object, **__: object) -> AsyncStream[T]:
        return source

    return cast("AsyncStream[T]", await report(stream)(llm, question, **keywords))


def closing_all(stream: Stream[T], *sources: Stream[Any]) -> Stream[T]:
    """Return a stream that closes its sources, outermost first, when it ends or is closed."""
    try:
        yield from stream
    finally:
        for source in sources:
            source.close()


async def aclosing_all(stream: AsyncStream[T], *sources: AsyncStream[Any]) -> AsyncStream[T]:
    """Return a stream that closes itself and its sources when it ends or is closed."""
    try:
        async for item in stream:
            yield item
    finally:
        for source in (stream, *sources):
            await source.aclose()
