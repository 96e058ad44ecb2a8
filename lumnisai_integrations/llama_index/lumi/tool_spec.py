"""The tool spec: what an agent may do in a Lumi.new application, for one user."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Unpack

from llama_index.core.tools import FunctionTool
from llama_index.core.tools.tool_spec.base import SPEC_FUNCTION_TYPE, BaseToolSpec
from llama_index.core.tools.types import ToolMetadata

from lumnisai_core.exceptions import LumnisAIError
from lumnisai_integrations._shared.lumi.connection import LumiConnection, LumiConnectionFields
from lumnisai_integrations._shared.lumi.tools import Collections, LumiAction, LumiFunction, Selection, refusal_text


class LumiToolSpec(BaseToolSpec):
    """Tools for agents on a Lumi.new application: documents, e-mail, files, images, and functions.

    All tools work with the rights of one user, that of the token; each has a schema of its arguments, and answers with
    JSON text. What the service refuses (a missing document, a missing right, arguments that do not fit) becomes the
    output of the tool, so that the model can react; other errors are raised.

    >>> spec = LumiToolSpec(authorization="Bearer ...", entities={"Tickets": "write", "Rooms": "read"}, email=False)
    >>> agent = FunctionAgent(tools=spec.to_tool_list(), llm=llm)

    Args:
        entities: Collections that the tools may use: a list of names, or a dict with ``read`` or ``write`` for each;
            an empty one leaves these tools out. Default: every collection.
        read_only: Whether only tools that change nothing are left. Default False.
        email: Whether there is a tool that sends e-mail. Default True.
        files: Whether there are tools that upload and delete files. Default True.
        images: Whether there is a tool that draws images. Default True.
        functions: Functions of the application, a tool each. Default: none.
        **connection: The connection, as of :class:`LumiLLM`, or your own ``client`` and ``async_client``.

    Raises:
        ConfigurationError: There is no application, or a choice cannot be used.
    """

    def __init__(
        self,
        *,
        entities: Collections = None,
        read_only: bool = False,
        email: bool = True,
        files: bool = True,
        images: bool = True,
        functions: Sequence[LumiFunction] = (),
        **connection: Unpack[LumiConnectionFields],
    ) -> None:
        self._connection = LumiConnection(**connection)
        self._connection.check_connection()
        self._actions = Selection(entities, read_only, email, files, images, functions).tools()
        self.spec_functions: list[SPEC_FUNCTION_TYPE] = [action.name for action in self._actions]

    def to_tool_list(
        self,
        spec_functions: list[SPEC_FUNCTION_TYPE] | None = None,
        func_to_metadata_mapping: dict[str, ToolMetadata] | None = None,
    ) -> list[FunctionTool]:
        """Return the tools.

        Args:
            spec_functions: Only the tools of these names.
            func_to_metadata_mapping: Other metadata by the names of tools.
        """
        chosen = self.spec_functions if spec_functions is None else spec_functions
        others = func_to_metadata_mapping or {}
        return [self._tool(action, others.get(action.name)) for action in self._actions if action.name in chosen]

    def _tool(self, action: LumiAction, metadata: ToolMetadata | None) -> FunctionTool:
        def call(**arguments: Any) -> str:
            try:
                return action.text(action.start(self._connection._client(), action.read(arguments)))
            except LumnisAIError as error:
                return _output(error)

        async def acall(**arguments: Any) -> str:
            try:
                return action.text(await action.start(self._connection._aclient(), action.read(arguments)))
            except LumnisAIError as error:
                return _output(error)

        known = metadata or ToolMetadata(action.description, action.name, fn_schema=action.arguments)
        return FunctionTool(call, known, async_fn=acall)

    def close(self) -> None:
        """Close the connections of blocking calls; a client of yours stays open."""
        self._connection.close()

    async def aclose(self) -> None:
        """Close the connections of asyncio calls in the running event loop; a client of yours stays open."""
        await self._connection.aclose()


def _output(error: LumnisAIError) -> str:
    """Return an error that a model can react to as the output of a tool; raise all others."""
    refusal = refusal_text(error)
    if refusal is None:
        raise error
    return refusal
