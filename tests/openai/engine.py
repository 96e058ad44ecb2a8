"""An engine on a stage: each run plays the next act, which may write its answer in pieces and wait for the test."""

from __future__ import annotations

import asyncio
import threading
from collections import deque
from collections.abc import Mapping, Sequence
from concurrent.futures import Future, InvalidStateError
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any

from lumnisai_core.local import EngineError, RunReport, RunRequest, RunResult

#: Seconds after which a test that waits gives up.
LONG = 20.0


class Gate:
    """Opened by a test in any thread, and waited for in an event loop."""

    def __init__(self) -> None:
        self._opened: Future[None] = Future()

    def set(self) -> None:
        """Open it; it stays open."""
        with suppress(InvalidStateError):
            self._opened.set_result(None)

    async def wait(self) -> None:
        """Wait until it is open."""
        await asyncio.wrap_future(self._opened)


@dataclass
class Act:
    """How one run goes.

    Args:
        text: The answer; None for none.
        value: The object that it returns.
        steps: Messages of progress.
        calls: Tool calls of the platform's own, in the last step.
        pieces: The text is written piece by piece.
        error: Code and message to fail with.
        usage: Numbers of tokens.
        model: The model that answers.
        waits: Whether it waits for `go` before it answers, behind the first piece if there are pieces.
    """

    text: str | None = "High at noon."
    value: Any = None
    steps: Sequence[str] = ()
    calls: Sequence[Mapping[str, Any]] = ()
    pieces: Sequence[str] = ()
    error: tuple[str, str] | None = None
    usage: Mapping[str, int] | None = None
    model: str | None = None
    waits: bool = False
    go: Gate = field(default_factory=Gate)
    started: threading.Event = field(default_factory=threading.Event)
    cancelled: threading.Event = field(default_factory=threading.Event)


class Stage:
    """Plays acts in order of arrival, then answers `High at noon.`; keeps the requests."""

    def __init__(self) -> None:
        self._acts: deque[Act] = deque()
        self.requests: list[RunRequest] = []

    def clear(self) -> None:
        """Start over."""
        self._acts.clear()
        self.requests.clear()

    def play(self, *acts: Act) -> None:
        """Add acts for the next runs."""
        self._acts.extend(acts)

    async def run(self, request: RunRequest, report: RunReport) -> RunResult:
        """Play the next act."""
        act = self._acts.popleft() if self._acts else Act()
        self.requests.append(request)
        act.started.set()
        try:
            for step in act.steps:
                report.progress(step, tool_calls=list(act.calls) if step == act.steps[-1] and act.calls else None)
            if act.pieces:
                at, text = report.progress("Writing the answer", output_text=act.pieces[0]), act.pieces[0]
                if act.waits:
                    await act.go.wait()
                for piece in act.pieces[1:]:
                    text += piece
                    report.replace(at, output_text=text)
                    await asyncio.sleep(0)
            elif act.waits:
                await act.go.wait()
        except asyncio.CancelledError:
            act.cancelled.set()
            raise
        if act.error is not None:
            raise EngineError(*act.error)
        return RunResult("".join(act.pieces) or act.text, act.value, usage=act.usage, model=act.model)
