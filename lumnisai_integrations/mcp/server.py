"""The MCP server: tools and resources in front of a client of the agent platform."""

from __future__ import annotations

import logging
from typing import Any

from mcp.server.lowlevel import Server
from mcp.shared.exceptions import MCPError
from mcp_types import (
    INTERNAL_ERROR,
    INVALID_PARAMS,
    CallToolRequestParams,
    CallToolResult,
    ListResourcesResult,
    ListResourceTemplatesResult,
    ListToolsResult,
    PaginatedRequestParams,
    ReadResourceRequestParams,
    ReadResourceResult,
)

from lumnisai_core import AsyncClient, ResponseObject, RunParameters, RunUpdate, __version__
from lumnisai_core.exceptions import LumnisAIError, NotFoundError, RunTimeoutError, ValidationError
from lumnisai_integrations.mcp import resources, tools

_logger = logging.getLogger("lumnisai_integrations.mcp")


def mcp_server(
    client: AsyncClient, *, answer_within: float = tools.ANSWER_WITHIN, parameters: RunParameters | None = None
) -> Server[Any]:
    """Make an MCP server whose tools ``ask``, ``wait``, ``status`` and ``cancel`` are runs of agents.

    Files of the client's user, and documents that agents made, are its resources.

    A run that takes longer than ``answer_within`` continues: the tool answers with its id, and ``wait`` picks it up. A
    call of ``ask`` that is cancelled, or whose client leaves, stops its run; leaving ``wait`` does not.

    Args:
        client: The client whose key, address, user and scope all calls use. The caller closes it.
        answer_within: Seconds after which ``ask`` and ``wait`` answer although the run works, more than 0. Default 50:
            many clients give up after a minute.
        parameters: Run parameters of all runs, such as ``model_overrides``; see :class:`lumnisai_core.RunParameters`.
            Arguments of ``ask`` override them.

    Returns:
        The server, for :func:`serve_stdio`, :func:`serve_http` and :func:`http_app`, or for anything else that runs
        servers of the package ``mcp``.

    Raises:
        ValidationError: ``answer_within`` is not a positive number of seconds.
    """
    if not 0 < answer_within < float("inf"):
        raise ValidationError(f"answer_within must be a positive number of seconds, got {answer_within!r}.")
    handlers = _Handlers(client, answer_within, parameters or {})
    return Server(
        "lumnis",
        title="Lumnis agents",
        version=__version__,
        instructions=tools.INSTRUCTIONS,
        on_list_tools=handlers.list_tools,
        on_call_tool=handlers.call_tool,
        on_list_resources=handlers.list_resources,
        on_list_resource_templates=handlers.list_templates,
        on_read_resource=handlers.read_resource,
    )


class _Handlers:
    """Answers the requests of clients; ``context`` is the request's context of the package ``mcp``."""

    def __init__(self, client: AsyncClient, answer_within: float, parameters: RunParameters) -> None:
        self._client = client
        self._answer_within = answer_within
        self._parameters = parameters

    async def list_tools(self, context: Any, params: PaginatedRequestParams | None) -> ListToolsResult:  # noqa: ARG002
        return ListToolsResult(tools=tools.listed_tools())

    async def call_tool(self, context: Any, params: CallToolRequestParams) -> CallToolResult:
        if params.name not in tools.TOOLS:
            known = ", ".join(tools.TOOLS)
            raise MCPError(code=INVALID_PARAMS, message=f"There is no tool {params.name!r}; there are {known}.")
        try:
            arguments = tools.read_arguments(params.name, params.arguments)
            return tools.result_of(await self._run(params.name, arguments, context.session))
        except (tools.ArgumentError, LumnisAIError) as error:
            return tools.error_result(error)
        except Exception as error:
            _logger.exception("The tool %s failed", params.name)
            return tools.error_result(error)

    async def _run(self, tool: str, arguments: tools.Ask | tools.OfRun, session: Any) -> ResponseObject:
        responses = self._client.responses
        steps = 0

        async def show(update: RunUpdate) -> None:
            nonlocal steps
            if text := tools.progress_text(update):
                steps += 1
                await session.report_progress(steps, None, text)

        try:
            if isinstance(arguments, tools.Ask):
                run = tools.run_parameters(arguments, self._parameters)
                return await self._client.invoke(
                    arguments.question, on_progress=show, run_timeout=self._answer_within, **run
                )
            if tool == "status":
                return await responses.get(arguments.run_id)
            if tool == "cancel":
                return await responses.cancel(arguments.run_id)
            # Its id is known, so whoever leaves can come back.
            return await responses.wait(
                arguments.run_id, on_progress=show, run_timeout=self._answer_within, cancel_on_interrupt=False
            )
        except RunTimeoutError as error:
            if isinstance(error.response, ResponseObject):
                return error.response
            return await responses.get(error.response_id)

    async def list_resources(self, context: Any, params: PaginatedRequestParams | None) -> ListResourcesResult:  # noqa: ARG002
        try:
            return await resources.list_files(self._client, None if params is None else params.cursor)
        except LumnisAIError as error:
            raise _protocol_error(error) from error

    async def list_templates(
        self,
        context: Any,  # noqa: ARG002
        params: PaginatedRequestParams | None,  # noqa: ARG002
    ) -> ListResourceTemplatesResult:
        return ListResourceTemplatesResult(resource_templates=resources.TEMPLATES)

    async def read_resource(self, context: Any, params: ReadResourceRequestParams) -> ReadResourceResult:  # noqa: ARG002
        try:
            return await resources.read_resource(self._client, str(params.uri))
        except LumnisAIError as error:
            raise _protocol_error(error) from error


def _protocol_error(error: LumnisAIError) -> MCPError:
    known = isinstance(error, ValidationError | NotFoundError)
    return MCPError(code=INVALID_PARAMS if known else INTERNAL_ERROR, message=str(error))
