"""Spans of runs: whether there is tracing at all, before anything of OpenTelemetry is imported."""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, nullcontext
from types import TracebackType
from typing import TYPE_CHECKING, Self, TypeAlias, TypeVar

from lumnisai_core._transport.call import Call
from lumnisai_core.lumnis.calls.runs import RunStart
from lumnisai_core.lumnis.models import ResponseObject, RunUpdate

if TYPE_CHECKING:
    from lumnisai_core.lumnis.runs.tracing import PassingSpan

T = TypeVar("T")
RunSpan: TypeAlias = "NoSpan | PassingSpan"

_begin: Callable[[RunStart, str, str], PassingSpan | None] | None = None


def run_span(start: RunStart, base_url: str, part: str) -> RunSpan:
    """Begin the span of a run, as a child of the current one, if the program uses OpenTelemetry.

    Args:
        start: How the run is created or found.
        base_url: Address of the service.
        part: What the span covers: ``create`` without the end, ``follow`` without the creation, or the ``whole`` run.
    """
    global _begin  # noqa: PLW0603 - an import statement takes longer than everything else without a tracer provider
    if _begin is None:
        if "opentelemetry.trace" not in sys.modules:  # then nobody can have set a tracer provider
            return _NO_SPAN
        from lumnisai_core.lumnis.runs.tracing import begin  # noqa: PLC0415 - it imports OpenTelemetry

        _begin = begin
    return _begin(start, base_url, part) or _NO_SPAN


class NoSpan:
    """Stands for the span of a run where nothing is recorded; the methods are those of :class:`tracing.PassingSpan`."""

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        return None

    def sending(self) -> AbstractContextManager[object]:
        """Surround the sending of a request."""
        return _NOTHING

    def carried_by(self, call: Call[T]) -> Call[T]:
        """Return the call as it is."""
        return call

    def started(self, response: ResponseObject) -> ResponseObject:
        """Return the first answer."""
        return response

    def reported(self, updates: Sequence[RunUpdate]) -> Sequence[RunUpdate]:
        """Return new updates."""
        return updates


_NOTHING = nullcontext()
_NO_SPAN = NoSpan()
