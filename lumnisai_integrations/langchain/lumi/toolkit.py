"""The toolkit: what an agent may do in a Lumi.new application, for one user."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, ClassVar

from langchain_core.tools import BaseTool, BaseToolkit, StructuredTool, ToolException
from pydantic import ConfigDict, Field

from lumnisai_core.exceptions import LumnisAIError
from lumnisai_integrations._shared.lumi.connection import LumiConnection
from lumnisai_integrations._shared.lumi.tools import Collections, LumiAction, LumiFunction, Selection, refusal_text
from lumnisai_integrations.langchain.errors import model_error, model_errors


class LumiToolkit(LumiConnection, BaseToolkit):
    """Tools for agents on a Lumi.new application: documents, e-mail, files, images, and functions.

    All tools work with the rights of one user, that of the token; each has a schema of its arguments, and answers with
    JSON text. What the service refuses (a missing document, a missing right, arguments that do not fit) becomes the
    output of the tool, so that the model can react; other errors are raised.

    >>> toolkit = LumiToolkit(authorization="Bearer ...", entities={"Tickets": "write", "Rooms": "read"}, email=False)
    >>> agent = create_agent(model, toolkit.get_tools())

    Attributes:
        entities: Collections that the tools may use: a list of names, or a dict with ``read`` or ``write`` for each;
            an empty one leaves these tools out. Default: every collection.
        read_only: Whether only tools that change nothing are left. Default False.
        email: Whether there is a tool that sends e-mail. Default True.
        files: Whether there are tools that upload and delete files. Default True.
        images: Whether there is a tool that draws images. Default True.
        functions: Functions of the application, a tool each. Default: none.
        handle_tool_error: Whether refusals become output of the tool. Default True.
        project_id, api_base_url, authorization, lumi_api_key, sign_key, top_access_key, timeout, max_retries: The
            connection, as of :class:`ChatLumi`.
        client, async_client: Your own clients, which may be signed in, instead of the connection.

    Raises:
        ConfigurationError: There is no application, or a choice cannot be used.
    """

    model_config: ClassVar[ConfigDict] = ConfigDict(extra="forbid")

    entities: Collections = None
    read_only: bool = False
    email: bool = True
    files: bool = True
    images: bool = True
    functions: list[LumiFunction] = Field(default_factory=list)
    handle_tool_error: bool = True

    if not TYPE_CHECKING:  # type checkers read the fields instead

        def __init__(self, **fields: Any) -> None:
            super().__init__(**fields)
            with model_errors():
                self.check_connection()
                self._selection().tools()

    def get_tools(self) -> list[BaseTool]:
        """Return the tools."""
        return [self._tool(action) for action in self._selection().tools()]

    def _selection(self) -> Selection:
        return Selection(self.entities, self.read_only, self.email, self.files, self.images, self.functions)

    def _tool(self, action: LumiAction) -> BaseTool:
        def call(**arguments: Any) -> str:
            with self._errors():
                return action.text(action.start(self._client(), action.read(arguments)))

        async def acall(**arguments: Any) -> str:
            with self._errors():
                return action.text(await action.start(self._aclient(), action.read(arguments)))

        return StructuredTool.from_function(
            call,
            acall,
            name=action.name,
            description=action.description,
            args_schema=action.arguments,
            infer_schema=False,
            handle_tool_error=self.handle_tool_error,
            handle_validation_error=self.handle_tool_error,
        )

    @contextmanager
    def _errors(self) -> Iterator[None]:
        try:
            yield
        except LumnisAIError as error:
            refusal = refusal_text(error) if self.handle_tool_error else None
            if refusal is not None:
                raise ToolException(refusal) from error
            raise model_error(error) from error.__cause__
