"""Which of LangChain's runs are going on, and how one has ended. Pure, but for a class of errors."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field
from uuid import UUID

from lumnisai_core import ResponseStatus
from lumnisai_core.exceptions import RunCancelledError


@dataclass
class _Run:
    title: str
    parent: UUID | None
    children: set[UUID] = field(default_factory=set)


class RunTree:
    """Which LangChain runs are going on, and which began which."""

    def __init__(self) -> None:
        self._runs: dict[UUID, _Run] = {}

    def start(self, run_id: UUID, parent: UUID | None, title: str) -> None:
        """Remember a run."""
        self._runs[run_id] = _Run(title, parent)
        if parent in self._runs:
            self._runs[parent].children.add(run_id)

    def __contains__(self, run_id: UUID) -> bool:
        return run_id in self._runs

    def title(self, run_id: UUID) -> str:
        """What a run is about; empty if it is not known."""
        return self._runs[run_id].title if run_id in self._runs else ""

    def end(self, run_id: UUID) -> list[UUID]:
        """Forget a run and all that are left of those it began, and return them, itself first."""
        known = self._runs.pop(run_id, None)
        if known is None:
            return [run_id]
        if known.parent in self._runs:
            self._runs[known.parent].children.discard(run_id)
        return [run_id, *(run for child in known.children for run in self.end(child))]


def ending_of(error: BaseException) -> tuple[str, str]:
    """Say how a call that raised this has ended: the status to show and the reason."""
    if isinstance(error, RunCancelledError | asyncio.CancelledError | KeyboardInterrupt | GeneratorExit):
        return str(ResponseStatus.CANCELLED), ""
    return str(ResponseStatus.FAILED), str(error) or type(error).__name__
