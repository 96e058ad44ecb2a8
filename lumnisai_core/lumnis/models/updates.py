"""What a listener to a run receives. Made by the client, never sent by the service."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, TypeAlias

from lumnisai_core.lumnis.models.responses import Artifact, ResponseObject, ToolCall

__all__ = ["RunUpdate"]


@dataclass(frozen=True, slots=True)
class RunUpdate:
    """One piece of news from a run.

    Attributes:
        response_id: Id of the run.
        status: Status of the run when the news came.
        state: State of the progress entry (an open set, such as ``processing``); ``tool_update`` when an older
            entry gained tool calls; the status itself for news that is not about an entry.
        message: Text of the progress entry; for ``tool_update`` that of the entry that grew; else empty.
        tool_calls: The entry's tool calls; for ``tool_update`` only the new ones.
        entry_index: Position of the progress entry (from 0), or None for news that is not about an entry.
        ts: Server time of the entry, or of completion for the last update.
        output_text: The answer. Only on the last update.
        structured_response: The object asked for by ``response_format``. Only on the last update.
        artifacts: Documents the agent made. Only on the last update.
        response: The whole run. Only on the last update.
    """

    response_id: str
    thread_id: str | None
    status: str
    state: str
    message: str = ""
    tool_calls: Sequence[ToolCall] = ()
    entry_index: int | None = None
    ts: datetime | None = None
    output_text: str | None = None
    structured_response: dict[str, Any] | None = None
    artifacts: Sequence[Artifact] = ()
    response: ResponseObject | None = None

    @property
    def is_last(self) -> bool:
        """Whether the run is over and no further update follows."""
        return self.response is not None


#: A listener to progress; the asyncio client awaits the result of a coroutine function.
ProgressCallback: TypeAlias = Callable[[RunUpdate], object]
