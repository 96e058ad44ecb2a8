"""The tool: an agent that other models may call."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from langchain_core.callbacks import AsyncCallbackManagerForToolRun, CallbackManagerForToolRun
from langchain_core.runnables import ConfigurableFieldSpec, RunnableConfig
from langchain_core.runnables.config import patch_config
from langchain_core.tools import BaseTool, ToolException
from langchain_core.tools.base import ArgsSchema

from lumnisai_core import ResponseObject
from lumnisai_core.exceptions import LumnisAIError
from lumnisai_integrations._shared.runs import AGENT_DESCRIPTION, NO_TEXT, AgentTask
from lumnisai_integrations.langchain.lumnis.convert import convert_out
from lumnisai_integrations.langchain.lumnis.runnable import LumnisRunnable
from lumnisai_integrations.langchain.lumnis.settings import USER_SPEC

_RESPONSE_FORMATS = ("content", "content_and_artifact")


class LumnisTool(BaseTool):
    """A tool that gives a task to an agent on the Lumnis platform.

    The model that calls it chooses the ``task``; everything else is set when the tool is made, as arguments of the
    tool or as a :class:`LumnisRunnable`:

    >>> LumnisTool(user_id="user-123", name="researcher", description="Researches a question on the web.")
    >>> LumnisTool(runnable=LumnisRunnable(user_id="user-123", response_format=Report), name="reporter")

    The content of the tool message is the answer, as JSON text if the runnable has a ``response_format``; its artifact
    is the whole run as plain data, which every checkpointer stores: ``ResponseObject.model_validate(artifact)``.
    Progress reaches callbacks and streams as it does for :class:`LumnisRunnable`, and cancelling the call stops the
    run.

    Each call is a conversation of its own: a ``lumnis_thread_id`` in ``config["configurable"]`` belongs to the
    surrounding conversation and is not used. ``lumnis_user_id`` is used.

    With ``handle_tool_error`` errors of the platform become the output of the tool, so that the model can react;
    without it they are raised as they are.

    Attributes:
        runnable: The agent. Default: a :class:`LumnisRunnable` of the arguments that are not the tool's own, such as
            ``user_id``, ``api_key``, ``model``, ``agent_config`` and ``run_timeout``.
        name: Name by which models call it. Default ``lumnis_agent``.
        description: When models should call it.

    Raises:
        ConfigurationError: No API key, or a value that is not valid.
        TypeError: There is no such argument, or there are arguments of the agent besides ``runnable``.
    """

    name: str = "lumnis_agent"
    description: str = AGENT_DESCRIPTION
    args_schema: ArgsSchema | None = AgentTask
    response_format: str = "content_and_artifact"  # type: ignore[assignment] # checked in the constructor
    runnable: LumnisRunnable

    def __init__(self, runnable: LumnisRunnable | None = None, **fields: Any) -> None:
        own = {name: value for name, value in fields.items() if name in type(self).model_fields}
        of_agent = {name: value for name, value in fields.items() if name not in own}
        _check_arguments(own, of_agent, runnable)
        super().__init__(runnable=runnable or LumnisRunnable(**of_agent), **own)

    @property
    def config_specs(self) -> list[ConfigurableFieldSpec]:
        """Keys of ``config["configurable"]`` that are read: the user."""
        return [USER_SPEC]

    def _run(
        self, task: str, config: RunnableConfig, run_manager: CallbackManagerForToolRun | None = None
    ) -> tuple[str, dict[str, Any]] | str:
        inner = patch_config(config, callbacks=run_manager.get_child() if run_manager else None)
        with _tool_errors(handled=bool(self.handle_tool_error)):
            return self._output(self.runnable.invoke(task, inner, thread_id=self.runnable.thread_id))

    async def _arun(
        self, task: str, config: RunnableConfig, run_manager: AsyncCallbackManagerForToolRun | None = None
    ) -> tuple[str, dict[str, Any]] | str:
        inner = patch_config(config, callbacks=run_manager.get_child() if run_manager else None)
        with _tool_errors(handled=bool(self.handle_tool_error)):
            return self._output(await self.runnable.ainvoke(task, inner, thread_id=self.runnable.thread_id))

    def _output(self, response: ResponseObject) -> tuple[str, dict[str, Any]] | str:
        message = convert_out(response, structured=self.runnable.response_format is not None)
        content = str(message.text) or NO_TEXT
        return (
            (content, response.model_dump(mode="json")) if self.response_format == "content_and_artifact" else content
        )


def _check_arguments(own: Mapping[str, Any], of_agent: Mapping[str, Any], runnable: LumnisRunnable | None) -> None:
    if own.get("response_format", "content") not in _RESPONSE_FORMATS:
        raise TypeError(
            f"response_format of a tool must be one of {', '.join(_RESPONSE_FORMATS)}. To get an object from the "
            "agent pass runnable=LumnisRunnable(response_format=...)."
        )
    if runnable is not None and of_agent:
        raise TypeError(f"Pass {', '.join(sorted(of_agent))} to the runnable: LumnisTool takes them without one only.")


@contextmanager
def _tool_errors(*, handled: bool) -> Iterator[None]:
    try:
        yield
    except LumnisAIError as error:
        # Tools handle errors of this class only; without handling, the precise error is more useful.
        if handled:
            raise ToolException(str(error)) from error
        raise
