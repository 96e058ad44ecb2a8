# Generated from lumnisai_core/_transport/_async/stream.py by `make sync`; edit that file.
"""Streamed answers while they are read: results as they come, errors as for any other answer."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable, Generator
from types import TracebackType
from typing import TYPE_CHECKING, Any, Generic, Self, TypeVar

from lumnisai_core._transport.answer import Answer, Problem, error_for, nothing, read_with
from lumnisai_core._transport.call import Call
from lumnisai_core._transport.lines import BrokenStream, Parser
from lumnisai_core._transport.request import ExchangeFailed, merged
from lumnisai_core._transport.secrets import redact
from lumnisai_core._transport.service import Service
from lumnisai_core._transport.waiting import Ready
from lumnisai_core.exceptions import TransportError, TruncatedStreamError

if TYPE_CHECKING:
    from lumnisai_core._transport.pool import Body

T = TypeVar("T")


class Stream(Ready, Generic[T]):
    """Results of a streamed answer, as an iterator and a context manager."""

    def __init__(self, results: Generator[T, None]) -> None:
        # The generator must not refer to this object: without a cycle, a stream that is dropped is closed at once.
        self._results = results

    def __iter__(self) -> Self:
        return self

    def __next__(self) -> T:
        return next(self._results)

    def close(self) -> None:
        """Close the connection, if the stream is not over."""
        self._results.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


class Reading(Generic[T]):
    """The state of one stream over all its tries: the open answer, its parser and events not yet handed out.

    Args:
        service: The service that streams.
        call: The request and how to read one event.
        parser: Makes a parser for each try.
        total: Seconds from now that the whole stream may take, or None.
    """

    def __init__(self, service: Service, call: Call[T], parser: Callable[[], Parser], total: float | None) -> None:
        self.call = call._replace(headers=merged({"Accept": parser().accept}, call.headers))
        self._service = service
        self._new_parser = parser
        self._total = total
        self._began = time.monotonic()
        self._parser = parser()
        self._body: Body | None = None
        self._head = Answer(0)
        self._chunks: Generator[bytes, None] | None = None
        self._events: deque[Any] = deque()
        self._first: list[T] = []
        self._failure: ExchangeFailed | None = None
        self._is_over = False
        self._count = 0

    def receive(self, body: Body) -> Answer:
        """Read a good answer up to its first event, or whole if it is not a stream.

        Raises:
            ExchangeFailed: The answer broke off, cannot be parsed, or time ran out.
        """
        self.close()  # what a try before has left
        self._body, self._head = body, body.head.without(self._service.secrets())
        self._parser, self._events = self._new_parser(), deque()
        self._failure, self._is_over = None, False
        if self._parser.json_is_whole and "json" in body.head.headers.get("content-type", "").lower():
            return body.read()
        self._chunks = body.chunks()
        while not self._events and not self._is_over:
            self._read_more(self._chunks)
        if self._failure is not None and not self._events:
            raise self._failure
        return body.head

    def check(self, answer: Answer) -> None:
        """Raise the error that came instead of a stream or as its first event.

        Raises:
            LumnisAIError: The service reports an error, or the answer is not a stream.
        """
        if self._chunks is None:
            self._service.result_of(self.call.read_by(nothing), answer, now=time.time())
            raise TransportError(
                f"{self.call}: the answer is not a stream of events but JSON.",
                status_code=answer.status,
                request_id=answer.request_id,
            )
        self._first = [self._result(self._events.popleft())] if self._events else []

    def results(self) -> Generator[T, None]:
        """Yield the results, the first of which :meth:`check` has read.

        Raises:
            TransportError: The stream broke off, or an event cannot be read.
            LumnisAIError: An event reports an error.
        """
        for result in self._first:
            yield result
        while True:
            while self._events:
                yield self._result(self._events.popleft())
            if self._failure is not None:
                raise self._broken(self._failure) from self._failure.__cause__
            if self._is_over or self._chunks is None:
                return
            self._read_more(self._chunks)

    def _read_more(self, chunks: Generator[bytes, None]) -> None:
        """Read some more bytes, or the end of the stream. A failure is kept until the events before it are read."""
        try:
            chunk = next(chunks, None)
            self._is_over = chunk is None
            self._events.extend(self._parser.finish() if chunk is None else self._parser.feed(chunk))
            if self._total is not None and time.monotonic() - self._began > self._total:
                raise ExchangeFailed(f"the stream was not over within {self._total:g} s")
        except ExchangeFailed as failure:
            self._failure, self._is_over = failure, True

    def _result(self, event: Any) -> T:
        try:
            result = read_with(self.call, event, self._head)
        except BrokenStream as broken:
            raise self._broken(broken) from broken
        except Problem as problem:
            error = error_for(self.call, self._head, problem, None, now=time.time())
            redact(error, self._service.secrets())
            raise error from None
        self._count += 1
        return result

    def _broken(self, failure: Exception) -> TruncatedStreamError:
        error = TruncatedStreamError(
            f"{self.call}: the stream broke off after {self._count} events: {failure}",
            request_id=self._head.request_id,
        )
        redact(error, self._service.secrets())
        return error

    def close(self) -> None:
        """Close the answer, and its connection if the stream is not over."""
        chunks, self._chunks = self._chunks, None
        body, self._body = self._body, None
        if chunks is not None:
            chunks.close()
        if body is not None:
            body.close()
