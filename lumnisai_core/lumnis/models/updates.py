"""Updates: what listeners to a run receive. The client makes them; the service never sends them."""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Self, TypeAlias

from lumnisai_core.lumnis.models.enums import ResponseStatus
from lumnisai_core.lumnis.models.responses import TERMINAL_STATUSES, Artifact, ResponseObject, ToolCall

__all__ = ["RunUpdate"]

#: Characters of a line, after which messages and tool calls are cut off.
_LONGEST_MESSAGE = 1000
_LONGEST_TOOL_CALL = 160


@dataclass(frozen=True, slots=True)
class RunUpdate:
    """One update of a run.

    Attributes:
        response_id: Id of the run.
        thread_id: Id of the conversation that the run belongs to.
        status: Status of the run at the time of the update.
        state: State of the progress entry (an open set, such as ``processing``); ``tool_update`` when an older
            entry gained tool calls; the status itself for an update that is not about an entry.
        message: Text of the progress entry; for ``tool_update`` that of the entry that grew; else empty.
        tool_calls: The entry's tool calls; for ``tool_update`` only the new ones.
        entry_index: Position of the progress entry (from 0), or None for an update that is not about an entry.
        ts: Server time of the entry, or of completion for the last update.
        output_text: The answer. Only on the last update.
        structured_response: The object requested by ``response_format``. Only on the last update.
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
        return self.status in TERMINAL_STATUSES

    def as_data(self) -> dict[str, Any]:
        """Return the update as plain data for JSON: its fields up to ``entry_index``, each tool call as a dict."""
        plain = {name: getattr(self, name) for name in ("response_id", "thread_id", "state", "message", "entry_index")}
        calls = [call.model_dump(mode="json", exclude_none=True) for call in self.tool_calls]
        return {**plain, "status": str(self.status), "tool_calls": calls}

    @classmethod
    def from_data(cls, data: Mapping[str, Any]) -> Self:
        """Return the update that :meth:`as_data` wrote; missing or unusable values of other data are left out."""
        calls, index = data.get("tool_calls"), data.get("entry_index")
        return cls(
            response_id=str(data.get("response_id") or ""),
            thread_id=str(data.get("thread_id") or "") or None,
            status=str(data.get("status") or ""),
            state=str(data.get("state") or ""),
            message=str(data.get("message") or ""),
            tool_calls=tuple(map(_tool_call, calls)) if isinstance(calls, list | tuple) else (),
            entry_index=index if isinstance(index, int) else None,
        )

    def as_lines(self, shown_status: str | None = None) -> list[str]:
        """Write the update as lines of text, cut to a readable length and unable to steer a terminal.

        Args:
            shown_status: The status of the run that was shown last. Default None: the status is not shown.

        Returns:
            ``STATE: message`` for an entry, two spaces and a tool call for each new one, and ``Status: ...`` if the
            status is not the shown one: before the others, or after them if the run is over.
        """
        from lumnisai_core.display import one_line  # noqa: PLC0415 - only where progress is shown

        status = [f"Status: {self.status}"] if shown_status not in (None, self.status) else []
        lines = []
        if self.message and self.state != "tool_update":  # else the message was shown with its entry
            state, message = one_line(self.state.upper(), _LONGEST_TOOL_CALL), one_line(self.message, _LONGEST_MESSAGE)
            lines = [f"{state}: {message}" if state else message]
        lines += [f"  {one_line(call, _LONGEST_TOOL_CALL)}" for call in self.tool_calls]
        return lines + status if self.is_last else status + lines


#: A listener to progress; the asyncio client awaits the result of a coroutine function.
ProgressCallback: TypeAlias = Callable[[RunUpdate], object]


def _tool_call(data: object) -> ToolCall:
    return ToolCall.model_validate(data) if isinstance(data, Mapping) else ToolCall(name=str(data))


class ProgressPrinter:
    """Prints the updates of one run line by line, for ``show_progress=True``."""

    def __init__(self) -> None:
        self._shown_status: str = ResponseStatus.QUEUED

    def __call__(self, update: RunUpdate) -> None:
        """Print one update."""
        for line in update.as_lines(self._shown_status):
            sys.stdout.write(line + "\n")
        sys.stdout.flush()
        self._shown_status = update.status
