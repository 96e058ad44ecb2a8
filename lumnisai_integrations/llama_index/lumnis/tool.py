"""The tool: an agent that other models may call."""

from __future__ import annotations

import re
from typing import Unpack

from llama_index.core import Settings
from llama_index.core.base.response.schema import Response
from llama_index.core.tools.tool_spec.base import SPEC_FUNCTION_TYPE, BaseToolSpec
from llama_index.core.tools.types import ToolMetadata

from lumnisai_core.exceptions import ValidationError
from lumnisai_integrations._shared.runs import AGENT_DESCRIPTION, AgentTask
from lumnisai_integrations.llama_index.lumnis.agent import Agent, AgentFields
from lumnisai_integrations.llama_index.lumnis.results import response_of

_FUNCTIONS = ("run_task", "arun_task")


class LumnisToolSpec(BaseToolSpec):
    """A tool that gives a task to an agent on the Lumnis platform.

    The model that calls it chooses the ``task``; everything else is set when the tool is made:

    >>> LumnisToolSpec(user_id="user-123", name="researcher").to_tool_list()

    The output of the tool is the answer as text, as JSON if there is a ``response_format``. Its ``raw_output`` is a
    :class:`llama_index.core.base.response.schema.Response`: ``source_nodes`` are the known results of tools that the
    agent used on the platform; ``metadata`` has ``response_id``, ``thread_id``, ``response_title``,
    ``structured_response`` and ``artifacts``.

    Progress reaches event handlers, callbacks of ``Settings`` and the stream of the surrounding workflow as it does
    for ``LumnisLLM``. Cancelling the call, such as by ``handler.cancel_run()``, and Ctrl-C stop the run on the service.

    Args:
        name: Name by which models call the tool: letters, digits, ``_`` and ``-``. Default ``run_task``.
        description: When models should call it.
        return_direct: Whether an agent ends with the output of the tool. Default False.
        **agent: Which agent answers, for whom, and how: the fields of :class:`AgentFields`.

    Raises:
        ConfigurationError: No API key, or a value that is not valid.
        ValidationError: The name or the description is not valid.
    """

    spec_functions: list[SPEC_FUNCTION_TYPE] = [_FUNCTIONS]  # noqa: RUF012 - declared so by the framework

    def __init__(
        self,
        *,
        name: str = "run_task",
        description: str = AGENT_DESCRIPTION,
        return_direct: bool = False,
        **agent: Unpack[AgentFields],
    ) -> None:
        if not isinstance(name, str) or not re.fullmatch(r"[A-Za-z0-9_-]{1,64}", name):
            raise ValidationError(
                f"name must be 1 to 64 letters, digits, '_' or '-', because models call the tool by it, got {name!r}."
            )
        self.name = name
        self.description: str = _non_empty("description", description, "when to call the tool")
        self.return_direct = return_direct
        self._agent = Agent(**agent)

    def run_task(self, task: str) -> Response:
        """Run an agent on a task and wait for its answer.

        Args:
            task: What to do.

        Raises:
            ValidationError: The task is empty; nothing was sent.
            RunError: The run failed, was cancelled or took longer than ``run_timeout``.
            LumnisAIError: The service cannot be reached or refuses.
        """
        run = self._agent.ask(_non_empty("task", task, "what to do"), Settings.callback_manager)
        return response_of(run, self._agent.response_format)

    async def arun_task(self, task: str) -> Response:
        """Do the same as :meth:`run_task` without blocking the event loop."""
        run = await self._agent.aask(_non_empty("task", task, "what to do"), Settings.callback_manager)
        return response_of(run, self._agent.response_format)

    def get_metadata_from_fn_name(
        self, fn_name: str, spec_functions: list[SPEC_FUNCTION_TYPE] | None = None
    ) -> ToolMetadata | None:
        """Return name, description and arguments of the tool."""
        if fn_name not in _FUNCTIONS:
            return super().get_metadata_from_fn_name(fn_name, spec_functions)
        return ToolMetadata(self.description, self.name, fn_schema=AgentTask, return_direct=self.return_direct)

    def close(self) -> None:
        """Close the connections of blocking calls; a later call opens new ones."""
        self._agent.close()

    async def aclose(self) -> None:
        """Close the connections of the running event loop; a later call opens new ones."""
        await self._agent.aclose()


def _non_empty(name: str, value: object, content: str) -> str:
    if not isinstance(value, str) or not value.strip():
        raise ValidationError(f"{name} must be a non-empty string that says {content}, got {value!r}.")
    return value
