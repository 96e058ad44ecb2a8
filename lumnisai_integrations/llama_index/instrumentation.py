"""Instrumentation of LLM calls: typed forms of LlamaIndex' decorators, and streams that close their sources.

The framework's decorators wrap a generator without closing it. Leaving a stream early must reach the run at once, not
when the garbage collector runs.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, Callable, Generator
from typing import Any, TypeAlias, TypeVar, cast

from llama_index.core.llms.callbacks import llm_chat_callback, llm_completion_callback

T = TypeVar("T")
MethodT = TypeVar("MethodT", bound=Callable[..., Any])
Decorator: TypeAlias = Callable[[Callable[..., Any]], Callable[..., Any]]


def reports_chat(method: MethodT) -> MethodT:
    """Report calls of a method that takes messages."""
    return cast("MethodT", llm_chat_callback()(method))


def reports_completion(method: MethodT) -> MethodT:
    """Report calls of a method that takes a prompt."""
    return cast("MethodT", llm_completion_callback()(method))


def reported(
    report: Decorator, llm: object, question: object, source: Generator[T, None, None], keywords: dict[str, Any]
) -> Generator[T, None, None]:
    """Return a stream that one of the framework's decorators reports as the answer to messages or a prompt."""

    def stream(*_: object, **__: object) -> Generator[T, None, None]:
        return source

    return cast("Generator[T, None, None]", report(stream)(llm, question, **keywords))


async def areported(
    report: Decorator, llm: object, question: object, source: AsyncGenerator[T, None], keywords: dict[str, Any]
) -> AsyncGenerator[T, None]:
    """Do the same with an asynchronous stream."""

    async def stream(*_: object, **__: object) -> AsyncGenerator[T, None]:
        return source

    return cast("AsyncGenerator[T, None]", await report(stream)(llm, question, **keywords))


def closing_all(stream: Generator[T, None, None], *sources: Generator[Any, None, None]) -> Generator[T, None, None]:
    """Return a stream that closes its sources, outermost first, when it ends or is closed."""
    try:
        yield from stream
    finally:
        for source in sources:
            source.close()


async def aclosing_all(stream: AsyncGenerator[T, None], *sources: AsyncGenerator[Any, None]) -> AsyncGenerator[T, None]:
    """Do the same with asynchronous streams."""
    try:
        async for item in stream:
            yield item
    finally:
        for source in (stream, *sources):
            await source.aclose()
