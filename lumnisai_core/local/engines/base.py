"""The engine protocol: one asynchronous method that turns a request into a result."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal, Protocol, runtime_checkable

Role = Literal["system", "user", "assistant"]
ToolCall = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Message:
    """One message of a conversation."""

    role: Role
    content: str


@dataclass(frozen=True, slots=True)
class RunRequest:
    """Everything an engine knows about the run it answers.

    `messages` is the whole conversation of the thread, ending with `input_messages`, the messages of this run. `files`
    are those of the run and the stored ones of the thread's earlier runs; a stored file or artifact has its `text`.
    With `options={"use_files": true}` all files that the run's user may see are among them.
    """

    response_id: str
    thread_id: str
    tenant_id: str
    user_id: str | None
    messages: tuple[Message, ...]
    input_messages: tuple[Message, ...]
    response_format: Mapping[str, Any] | None = None
    response_format_instructions: str | None = None
    model_overrides: Mapping[str, Any] | None = None
    agent_config: Mapping[str, Any] | None = None
    files: tuple[Mapping[str, Any], ...] = ()
    options: Mapping[str, Any] | None = None
    specialized_agent: str | None = None
    specialized_agent_params: Mapping[str, Any] | None = None


@dataclass(frozen=True, slots=True)
class RunResult:
    """The result of a successful run."""

    output_text: str | None = None
    structured_response: Any = None
    artifacts: tuple[Mapping[str, Any], ...] = ()


@dataclass(frozen=True, slots=True)
class Feedback:
    """A comment of a user on a run while it works, perhaps on one progress entry or one tool call."""

    feedback_id: str
    text: str
    type: str = "suggestion"
    user_id: str | None = None
    progress_id: str | None = None
    tool_call_id: str | None = None
    tool_args_update: Mapping[str, Any] | None = None


class EngineError(Exception):
    """Raised by an engine to fail its run with a code and a message of its own."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(f"{code}: {message}")
        self.code = code
        self.message = message


class RunReport(Protocol):
    """Progress reports of an engine. Every method may be called from any thread."""

    def progress(self, message: str, *, state: str = "processing", tool_calls: list[ToolCall] | None = None) -> int:
        """Append a progress entry and return its index."""
        ...

    def add_tool_calls(self, index: int, *calls: ToolCall) -> None:
        """Add tool calls to an existing entry, which grows in place."""
        ...

    def replace(
        self,
        index: int,
        *,
        message: str | None = None,
        state: str | None = None,
        tool_calls: list[ToolCall] | None = None,
    ) -> None:
        """Change parts of an existing entry; None leaves a part as it is."""
        ...

    def reset(self) -> None:
        """Delete all entries, for a run that starts over."""
        ...

    def title(self, text: str) -> None:
        """Set the short title of the run."""
        ...

    def feedback(self) -> list[Feedback]:
        """Return the feedback that came in since the last call, oldest first; it counts as consumed."""
        ...


@runtime_checkable
class Engine(Protocol):
    """Answers runs.

    An engine that knows no specialized agents has an attribute `specialized_agents = False`: their runs then fail with
    `AGENT_NOT_AVAILABLE`, unless the engine is registered for that agent.
    """

    async def run(self, request: RunRequest, report: RunReport) -> RunResult:
        """Answer one run; raise `EngineError` to fail it; being cancelled means the run was cancelled."""
        ...
