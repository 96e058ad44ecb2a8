"""Runs as the service reports them (``/v1/responses``), and the updates made from them."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Annotated, Any, ClassVar, Self, TypeAlias

from pydantic import Field

from lumnisai_core._transport.wire import OPEN_ENUM, Items, Page, Timestamp, WireModel

__all__ = [
    "TERMINAL_STATUSES",
    "Artifact",
    "ArtifactPart",
    "Message",
    "MessageRole",
    "ProgressEntry",
    "ResponseList",
    "ResponseObject",
    "ResponseStatus",
    "RunUpdate",
    "TokenUsage",
    "ToolCall",
]


class ResponseStatus(StrEnum):
    """State of a run. The last three are final."""

    QUEUED = "queued"
    IN_PROGRESS = "in_progress"
    SUCCEEDED = "succeeded"
    FAILED = "failed"
    CANCELLED = "cancelled"


#: The final states of a run.
TERMINAL_STATUSES = frozenset({ResponseStatus.SUCCEEDED, ResponseStatus.FAILED, ResponseStatus.CANCELLED})


#: Characters of a line, after which messages and tool calls are cut off.
_LONGEST_MESSAGE = 1000
_LONGEST_TOOL_CALL = 160


class MessageRole(StrEnum):
    """Author of a message."""

    SYSTEM = "system"
    USER = "user"
    ASSISTANT = "assistant"


class Message(WireModel):
    """One turn of a conversation: a role and plain text."""

    role: Annotated[MessageRole | str, OPEN_ENUM]
    content: str


class ToolCall(WireModel):
    """A tool that the agent used on the service. Only the name is certain; unknown fields are kept."""

    name: str = ""
    args: dict[str, Any] = Field(default_factory=dict)
    output_text: str | None = None

    def __str__(self) -> str:
        arguments = ", ".join(
            f"{name}={json.dumps(value, ensure_ascii=False, default=str)}" for name, value in self.args.items()
        )
        return f"{self.name}({arguments})"


class ProgressEntry(WireModel):
    """One step of a run. Its ``tool_calls`` and ``output_text``, the answer so far, can grow while the run works."""

    ts: Timestamp | None = None
    state: str = ""
    message: str = ""
    tool_calls: Items[ToolCall] = Field(default_factory=list)
    output_text: str | None = None


class ArtifactPart(WireModel):
    """A piece of an artifact."""

    kind: str = "text"
    text: str = ""
    metadata: dict[str, Any] | None = None


class Artifact(WireModel):
    """A document that the agent made. Fields differ between versions of the service; all are kept."""

    artifact_id: str | None = Field(default=None, alias="artifactId")
    name: str | None = None
    description: str | None = None
    parts: Items[ArtifactPart] = Field(default_factory=list)
    metadata: dict[str, Any] | None = None
    extensions: Items[Any] = Field(default_factory=list)


class TokenUsage(WireModel):
    """How many tokens a run took."""

    input_tokens: int = 0
    output_tokens: int = 0
    total_tokens: int = 0


class ResponseObject(WireModel):
    """One run: its state, its progress and, once it has succeeded, its answer.

    Attributes:
        response_id: Id of the run.
        thread_id: Id of the thread it belongs to.
        status: ``queued``, ``in_progress``, ``succeeded``, ``failed`` or ``cancelled``.
        progress: Steps the agent has reported, oldest first.
        output_text: The answer as Markdown. Final only when the status is.
        structured_response: The object requested with ``response_format``. It can be None although the run succeeded.
        error: Reason for a failure. The service does not declare its shape.
        usage: Number of tokens that the run took, where the service says so.
        model: Name of the model that answered, where the service says so.
    """

    _id: ClassVar[str] = "response_id"

    response_id: str
    thread_id: str | None = None
    tenant_id: str | None = None
    user_id: str | None = None
    status: Annotated[ResponseStatus | str, OPEN_ENUM] = ResponseStatus.QUEUED
    progress: Items[ProgressEntry] = Field(default_factory=list)
    input_messages: Items[Message] = Field(default_factory=list)
    output_text: str | None = None
    structured_response: dict[str, Any] | None = None
    artifacts: Items[Artifact] = Field(default_factory=list)
    response_title: str | None = None
    error: Any = None
    options: dict[str, Any] | None = None
    created_at: Timestamp | None = None
    completed_at: Timestamp | None = None
    usage: TokenUsage | None = None
    model: str | None = None

    @property
    def content(self) -> str | None:
        """The same as ``output_text``."""
        return self.output_text

    @property
    def is_terminal(self) -> bool:
        """Whether the run has ended. Only the status decides this, never a progress entry."""
        return self.status in TERMINAL_STATUSES

    def table_row(self) -> dict[str, object]:
        """Return the values to show in a table of runs, by column."""
        questions = [message.content for message in self.input_messages if message.role == MessageRole.USER]
        ended, began = self.completed_at, self.created_at
        return {
            "response_id": self.response_id,
            "status": self.status,
            "question": questions[-1] if questions else self.response_title,
            "answer": self.output_text or self.error,
            "created_at": began,
            "seconds": (ended - began).total_seconds() if ended and began else None,
        }

    def _display_fields(self) -> dict[str, object]:
        # All the progress would bury the reason why there is no answer.
        progress = {"last progress": next((entry.message for entry in reversed(self.progress) if entry.message), None)}
        before = {name: getattr(self, name) for name in ("status", "response_id", "thread_id", "error")}
        return before | progress | {name: getattr(self, name) for name in ("output_text", "created_at", "completed_at")}

    def _repr_mimebundle_(self, **options: Any) -> dict[str, str]:
        from lumnisai_core.display import answer_markdown  # noqa: PLC0415 - only notebooks need it

        documents = [artifact.name or artifact.artifact_id for artifact in self.artifacts]
        answer = answer_markdown(self.output_text or "", self.structured_response, documents)
        if answer and self.status == ResponseStatus.SUCCEEDED:
            return {"text/markdown": answer}
        return super()._repr_mimebundle_(**options)


class ResponseList(Page[ResponseObject]):
    """One page of runs, newest first."""

    _list: ClassVar[str] = "responses"

    responses: Items[ResponseObject] = Field(default_factory=list)
    limit: int | None = None
    offset: int = 0


@dataclass(frozen=True, slots=True)
class RunUpdate:
    """One update of a run, which the client makes for listeners; the service never sends one.

    Attributes:
        response_id: Id of the run.
        thread_id: Id of the conversation that the run belongs to.
        status: Status of the run at the time of the update.
        state: State of the progress entry (an open set, such as ``processing``); ``tool_update`` when an older
            entry gained tool calls; ``text_update`` when the answer in it has grown; the status itself for an update
            that is not about an entry.
        message: Text of the progress entry; for ``tool_update`` and ``text_update`` that of the entry that grew; else
            empty.
        tool_calls: The entry's tool calls; for ``tool_update`` only the new ones.
        entry_index: Position of the progress entry (from 0), or None for an update that is not about an entry.
        ts: Server time of the entry, or of completion for the last update.
        output_text: The answer. Only on the last update.
        structured_response: The object requested by ``response_format``. Only on the last update.
        artifacts: Documents the agent made. Only on the last update.
        response: The whole run. Only on the last update.
        delta: Text that the answer has gained since the update before, where the service shows it while it is
            written. All of them are the beginning of ``output_text``. Empty on the last update.
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
    delta: str = ""

    @property
    def is_growth(self) -> bool:
        """Whether the update is about an entry that was reported before and has gained tool calls or text."""
        return self.state in ("tool_update", "text_update")

    @property
    def is_last(self) -> bool:
        """Whether the run is over and no further update follows."""
        return self.status in TERMINAL_STATUSES

    def as_data(self) -> dict[str, Any]:
        """Return the update as plain data for JSON: its fields up to ``entry_index``, and ``delta`` if it has one."""
        plain = {name: getattr(self, name) for name in ("response_id", "thread_id", "state", "message", "entry_index")}
        calls = [call.model_dump(mode="json", exclude_none=True) for call in self.tool_calls]
        written = {"delta": self.delta} if self.delta else {}
        return {**plain, "status": str(self.status), "tool_calls": calls, **written}

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
            delta=str(data.get("delta") or ""),
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
        if self.message and not self.is_growth:  # else the message was shown with its entry
            state, message = one_line(self.state.upper(), _LONGEST_TOOL_CALL), one_line(self.message, _LONGEST_MESSAGE)
            lines = [f"{state}: {message}" if state else message]
        lines += [f"  {one_line(call, _LONGEST_TOOL_CALL)}" for call in self.tool_calls]
        return lines + status if self.is_last else status + lines


#: A listener to progress; the asyncio client awaits the result of a coroutine function.
ProgressCallback: TypeAlias = Callable[[RunUpdate], object]


def _tool_call(data: object) -> ToolCall:
    return ToolCall.model_validate(data) if isinstance(data, Mapping) else ToolCall(name=str(data))


class ProgressPrinter:
    """Prints the updates of one run line by line, for ``show_progress=True``; an answer as it is written."""

    def __init__(self) -> None:
        self._shown_status: str = ResponseStatus.QUEUED
        self._answer = ""
        self._is_in_line = False

    def __call__(self, update: RunUpdate) -> None:
        """Print one update."""
        lines = update.as_lines(self._shown_status)
        if update.is_last and self._answer and (update.output_text or "").startswith(self._answer):
            self._write((update.output_text or "")[len(self._answer) :])
        if self._is_in_line and lines:
            self._write("\n")
        for line in lines:
            self._write(line + "\n")
        self._answer += update.delta
        self._write(update.delta)
        if update.is_last and self._is_in_line:
            self._write("\n")
        sys.stdout.flush()
        self._shown_status = update.status

    def _write(self, text: str) -> None:
        from lumnisai_core.display import terminal_text  # noqa: PLC0415 - only where progress is shown

        if text:
            sys.stdout.write(terminal_text(text))
            self._is_in_line = not text.endswith("\n")
