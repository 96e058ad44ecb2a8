"""The tool: an agent that other models may call."""

from __future__ import annotations

import re
from typing import Unpack

from llama_index.core import Settings
from llama_index.core.base.response.schema import Response
from llama_index.core.tools.tool_spec.base import SPEC_FUNCTION_TYPE, BaseToolSpec
from llama_index.core.tools.types import ToolMetadata
from pydantic import BaseModel

from lumnisai_core.exceptions import ValidationError
from lumnisai_integrations._shared.runs import AGENT_DESCRIPTION, AgentTask
from lumnisai_integrations.llama_index.agent import Agent, AgentFields
from lumnisai_integrations.llama_index.results import response_of

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
        _check_tool(name, description)
        self.name = name
        self.description = description
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
        run = self._agent.ask(_checked_task(task), Settings.callback_manager)
        return response_of(run, self._agent.response_format, [])

    async def arun_task(self, task: str) -> Response:
        """Do the same as :meth:`run_task` without blocking the event loop."""
        run = await self._agent.aask(_checked_task(task), Settings.callback_manager)
        return response_of(run, self._agent.response_format, [])

    def get_fn_schema_from_fn_name(
        self, fn_name: str, spec_functions: list[SPEC_FUNCTION_TYPE] | None = None
    ) -> type[BaseModel] | None:
        """Return the class of the arguments that a model chooses."""
        return AgentTask if fn_name in _FUNCTIONS else super().get_fn_schema_from_fn_name(fn_name, spec_functions)

    def get_metadata_from_fn_name(
        self, fn_name: str, spec_functions: list[SPEC_FUNCTION_TYPE] | None = None
    ) -> ToolMetadata | None:
        """Return name, description and arguments of the tool."""
        if fn_name not in _FUNCTIONS:
            return super().get_metadata_from_fn_name(fn_name, spec_functions)
        return ToolMetadata(
            name=self.name, description=self.description, fn_schema=AgentTask, return_direct=self.return_direct
        )

    def close(self) -> None:
        """Close the connections of blocking calls; a later call opens new ones."""
        self._agent.close()

    async def aclose(self) -> None:
        """Close the connections of the running event loop; a later call opens new ones."""
        await self._agent.aclose()


def _checked_task(task: object) -> str:
    if not isinstance(task, str) or not task.strip():
        raise ValidationError(f"task must be a non-empty string that says what to do, got {task!r}.")
    return task


def _check_tool(name: str, description: str) -> None:
    if not isinstance(name, str) or not re.fullmatch(r"[A-Za-z0-9_-]{1,64}", name):
        raise ValidationError(
            f"name must be 1 to 64 letters, digits, '_' or '-', because models call the tool by it, got {name!r}."
        )
    if not isinstance(description, str) or not description.strip():
        raise ValidationError(
            f"description must be a non-empty string that says when to call the tool, got {description!r}."
        )
