"""Engines: the protocol, one asynchronous method that turns a request into a result, and the choice by agent."""

# ruff: noqa: ARG002 - a silent report drops what it receives

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
    """The result of a successful run.

    `usage` counts tokens: `input_tokens`, `output_tokens` and `total_tokens`; `model` is the name of the model that
    answered. Both are None when the engine does not know.
    """

    output_text: str | None = None
    structured_response: Any = None
    artifacts: tuple[Mapping[str, Any], ...] = ()
    usage: Mapping[str, int] | None = None
    model: str | None = None


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
    """Progress reports of an engine. Every method may be called from any thread.

    An engine that streams has one entry, the last one while it writes, whose `output_text` is the answer so far: it
    grows with `replace`, and stays the beginning of the run's final `output_text`.
    """

    def progress(
        self,
        message: str,
        *,
        state: str = "processing",
        tool_calls: list[ToolCall] | None = None,
        output_text: str | None = None,
    ) -> int:
        """Append a progress entry and return its index."""

    def add_tool_calls(self, index: int, *calls: ToolCall) -> None:
        """Add tool calls to an existing entry, which grows in place."""

    def replace(
        self,
        index: int,
        *,
        message: str | None = None,
        state: str | None = None,
        tool_calls: list[ToolCall] | None = None,
        output_text: str | None = None,
    ) -> None:
        """Change parts of an existing entry; None leaves a part as it is."""

    def reset(self) -> None:
        """Delete all entries, for a run that starts over."""

    def title(self, text: str) -> None:
        """Set the short title of the run."""

    def feedback(self) -> list[Feedback]:
        """Return the feedback that came in since the last call, oldest first; it counts as consumed."""


class SilentReport:
    """A report that nobody reads, for answers outside a run."""

    def progress(
        self,
        message: str,
        *,
        state: str = "processing",
        tool_calls: list[ToolCall] | None = None,
        output_text: str | None = None,
    ) -> int:
        """Drop a progress entry."""
        return 0

    def add_tool_calls(self, index: int, *calls: ToolCall) -> None:
        """Drop tool calls."""

    def replace(
        self,
        index: int,
        *,
        message: str | None = None,
        state: str | None = None,
        tool_calls: list[ToolCall] | None = None,
        output_text: str | None = None,
    ) -> None:
        """Drop the new parts of an entry."""

    def reset(self) -> None:
        """Do nothing: there are no entries."""

    def title(self, text: str) -> None:
        """Drop the title."""

    def feedback(self) -> list[Feedback]:
        """Return nothing: nobody can comment."""
        return []


@runtime_checkable
class Engine(Protocol):
    """Answers runs.

    An engine that knows no specialized agents has an attribute `specialized_agents = False`: their runs then fail with
    `AGENT_NOT_AVAILABLE`, unless the engine is registered for that agent.
    """

    async def run(self, request: RunRequest, report: RunReport) -> RunResult:
        """Answer one run; raise `EngineError` to fail it; being cancelled means the run was cancelled."""


class AgentEngines:
    """Chooses the engine of a run by its specialized agent; a ValueError names what is wrong with `engine` or `agents`.

    A default engine with an attribute `specialized_agents = False`, such as the built-in one, does not get the runs of
    an agent without an engine of its own: an answer would only look like the agent's.
    """

    def __init__(self, engine: Engine, agents: Mapping[str, Engine] | None = None) -> None:
        _check("engine", engine)
        self._engine = engine
        self._agents = dict(agents or {})
        for name, agent in self._agents.items():
            if not isinstance(name, str) or not name.strip():
                raise ValueError(f"agents: a name must be a non-empty string, got {name!r}")
            _check(f"agents[{name!r}]", agent)

    async def run(self, request: RunRequest, report: RunReport) -> RunResult:
        """Answer one run; one of an agent without an engine fails with `AGENT_NOT_AVAILABLE`."""
        name = request.specialized_agent
        if name is None:
            return await self._engine.run(request, report)
        if name not in self._agents and not getattr(self._engine, "specialized_agents", True):
            known = ", ".join(sorted(self._agents)) or "none"
            message = f"There is no engine for the specialized agent {name!r}; agents with an engine: {known}."
            raise EngineError("AGENT_NOT_AVAILABLE", message)
        return await self._agents.get(name, self._engine).run(request, report)


def _check(name: str, engine: object) -> None:
    if isinstance(engine, type):  # it has the method, but there is no object to call it on
        raise ValueError(f"{name} must be an engine, got the class {engine.__name__}: make an object of it")
    if not isinstance(engine, Engine):
        raise ValueError(f"{name} must be an engine, got {type(engine).__name__}: it has no method run")
