"""Middleware for agents: the model and the conversation have placeholders, tools the true values."""

from __future__ import annotations

import warnings
from collections.abc import Awaitable, Callable, Sequence
from typing import Any

from langchain.agents.middleware import AgentMiddleware, AgentState, ModelRequest
from langchain.agents.middleware.types import ToolCallRequest
from langchain_core.messages import BaseMessage
from langchain_core.runnables import ensure_config
from langchain_core.tools import BaseTool

from lumnisai_integrations._shared.privacy.guard import Exchange, Flow, Guard
from lumnisai_integrations.langchain.liminal.contents import special
from lumnisai_integrations.langchain.liminal.guarded import WITHIN, GuardedChatModel
from lumnisai_integrations.langchain.liminal.sources import GuardedTool

_State = AgentState[Any]

#: Key of ``config["configurable"]`` under which LangGraph hands the checkpointer to its nodes.
_CHECKPOINTER = "__pregel_checkpointer"

_SAVED = (
    "This agent saves its input and its result with the true values, because middleware cannot change what a "
    "checkpointer gets. Call guard.chain(agent) instead of the agent."
)


class LiminalGuardMiddleware(AgentMiddleware[_State, Any, Any]):
    """Guards an agent of ``create_agent``.

    The messages of the agent have placeholders from its beginning to its end, which is what its model and its tool runs
    see. What enters and leaves the agent is outside of any middleware, so behind ``guard.chain(agent)`` only do its own
    run and all of its checkpoints have placeholders, too; without it, an agent with a checkpointer is warned about.

    Args:
        guard: The guard.
    """

    def __init__(self, guard: Guard) -> None:
        super().__init__()
        self._guard = guard

    # The beginning and the end

    def before_agent(self, state: _State, runtime: Any) -> dict[str, Any] | None:  # noqa: ARG002 - of the base class
        """Cleanse the messages of the state."""
        self._warn_of_checkpoints()
        return self._guard.run(self._cleansed_state(state))

    async def abefore_agent(self, state: _State, runtime: Any) -> dict[str, Any] | None:  # noqa: ARG002 - of the base class
        """Cleanse the messages of the state."""
        self._warn_of_checkpoints()
        return await self._guard.arun(self._cleansed_state(state))

    def after_agent(self, state: _State, runtime: Any) -> dict[str, Any] | None:  # noqa: ARG002 - of the base class
        """Restore the messages of the state and the structured response."""
        return None if self._is_within() else self._guard.run(self._restored_state(state))

    async def aafter_agent(self, state: _State, runtime: Any) -> dict[str, Any] | None:  # noqa: ARG002 - of the base class
        """Restore the messages of the state and the structured response."""
        return None if self._is_within() else await self._guard.arun(self._restored_state(state))

    def _warn_of_checkpoints(self) -> None:
        saves = ensure_config()["configurable"].get(_CHECKPOINTER) is not None
        if saves and not self._is_within():
            warnings.warn(_SAVED, UserWarning, stacklevel=2)

    def _is_within(self) -> bool:
        return ensure_config()["configurable"].get(WITHIN) == id(self._guard)

    def _cleansed_state(self, state: _State) -> Flow[dict[str, Any] | None]:
        messages = list(state["messages"])
        cleansed = yield from self._guard.cleansed(messages, Exchange(), special)
        return _changed(messages, cleansed)

    def _restored_state(self, state: _State) -> Flow[dict[str, Any] | None]:
        messages = list(state["messages"])
        structured = state.get("structured_response")
        true, answer = yield from self._guard.restored((messages, structured), Exchange(), special)
        update = _changed(messages, true) or {}
        return (update if answer is structured else {**update, "structured_response": answer}) or None

    # Calls of the model and of tools

    def wrap_model_call(self, request: ModelRequest[Any], handler: Callable[[ModelRequest[Any]], Any]) -> Any:
        """Call the model with cleansed messages."""
        return handler(self._guard.run(self._cleansed_request(request)))

    async def awrap_model_call(
        self, request: ModelRequest[Any], handler: Callable[[ModelRequest[Any]], Awaitable[Any]]
    ) -> Any:
        """Call the model with cleansed messages."""
        return await handler(await self._guard.arun(self._cleansed_request(request)))

    def _cleansed_request(self, request: ModelRequest[Any]) -> Flow[ModelRequest[Any]]:
        model = request.model.bound if isinstance(request.model, GuardedChatModel) else request.model
        data = (request.system_message, request.messages)
        system, messages = yield from self._guard.cleansed(data, Exchange(), special)
        return request.override(model=model, system_message=system, messages=messages)

    def wrap_tool_call(self, request: ToolCallRequest, handler: Callable[[ToolCallRequest], Any]) -> Any:
        """Call the tool with the true values."""
        return handler(self._with_guarded_tool(request))

    async def awrap_tool_call(
        self, request: ToolCallRequest, handler: Callable[[ToolCallRequest], Awaitable[Any]]
    ) -> Any:
        """Call the tool with the true values."""
        return await handler(self._with_guarded_tool(request))

    def _with_guarded_tool(self, request: ToolCallRequest) -> ToolCallRequest:
        tool = request.tool
        if isinstance(tool, BaseTool) and not isinstance(tool, GuardedTool):
            return request.override(tool=GuardedTool(self._guard, tool))
        return request


def _changed(before: Sequence[BaseMessage], after: Sequence[BaseMessage]) -> dict[str, Any] | None:
    """Return the update that replaces the messages that have changed, by their ids."""
    changed = [new for old, new in zip(before, after, strict=True) if new is not old]
    return {"messages": changed} if changed else None
