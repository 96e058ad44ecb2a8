"""Guarded tools and retrievers: inside a guarded chain they work with the true values, outside they show none."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from inspect import signature
from typing import Any, NoReturn

from langchain_core.callbacks import AsyncCallbackManagerForRetrieverRun, CallbackManagerForRetrieverRun
from langchain_core.callbacks.manager import AsyncCallbackManagerForToolRun, CallbackManagerForToolRun
from langchain_core.documents import Document
from langchain_core.retrievers import BaseRetriever
from langchain_core.runnables import RunnableConfig, ensure_config
from langchain_core.runnables.config import var_child_runnable_config
from langchain_core.tools import BaseTool, ToolException
from langchain_core.tools.base import _get_runnable_config_param
from langsmith import tracing_context
from pydantic import Field

from lumnisai_core.exceptions import LumnisAIError, ValidationError
from lumnisai_integrations._shared.privacy.guard import Exchange, Flow, Guard
from lumnisai_integrations.langchain.liminal.contents import special


@contextmanager
def _unseen(config: RunnableConfig | None = None) -> Iterator[RunnableConfig]:
    """Keep callbacks and traces out of what runs in the block, which has the true values."""
    quiet: RunnableConfig = {**ensure_config(config), "callbacks": None}
    token = var_child_runnable_config.set(quiet)
    try:
        with tracing_context(enabled=False, parent=False):
            yield quiet
    finally:
        var_child_runnable_config.reset(token)


class GuardedTool(BaseTool):
    """A tool that gets the true values and whose result has placeholders; its own run shows placeholders only."""

    guard: Any = Field(exclude=True, repr=False)
    tool: BaseTool

    def __init__(self, guard: Guard, tool: BaseTool) -> None:
        same = ("name", "description", "return_direct", "response_format", "tags", "metadata", "extras")
        copied = {name: getattr(tool, name) for name in same}
        super().__init__(
            guard=guard,
            tool=tool,
            args_schema=tool.args_schema or tool.get_input_schema(),
            handle_tool_error=tool.handle_tool_error,
            handle_validation_error=tool.handle_validation_error,
            **copied,
        )

    @property
    def func(self) -> Any:
        """The function of the tool, in whose signature agents look for what they inject."""
        return getattr(self.tool, "func", None)

    @property
    def coroutine(self) -> Any:
        """The coroutine function of the tool, likewise."""
        return getattr(self.tool, "coroutine", None)

    @property
    def _injected_args_keys(self) -> frozenset[str]:
        return self.tool._injected_args_keys

    def _to_args_and_kwargs(
        self, tool_input: str | dict[str, Any], tool_call_id: str | None
    ) -> tuple[tuple[Any, ...], dict[str, Any]]:
        # Validated later: a schema may refuse placeholders.
        return (tool_input, tool_call_id), {}

    def _run(
        self,
        tool_input: str | dict[str, Any],
        call_id: str | None,
        config: RunnableConfig,
        run_manager: CallbackManagerForToolRun | None = None,  # noqa: ARG002 - of the base class
    ) -> Any:
        exchange = Exchange()
        arguments = self.guard.run(self._true(tool_input, exchange))
        failure = None
        try:
            with _unseen(config) as quiet:
                args, kwargs = self.tool._to_args_and_kwargs(arguments, call_id)
                manager = CallbackManagerForToolRun.get_noop_manager()
                output = self.tool._run(*args, **kwargs, **_wanted(self.tool._run, manager, quiet))
        except Exception as error:  # noqa: BLE001 - its text may have true values
            failure = error
        if failure is not None:
            _raise(self.guard.run(_failure(self.guard, failure, exchange)))
        return self.guard.run(_output(self.guard, output, exchange))

    async def _arun(
        self,
        tool_input: str | dict[str, Any],
        call_id: str | None,
        config: RunnableConfig,
        run_manager: AsyncCallbackManagerForToolRun | None = None,  # noqa: ARG002 - of the base class
    ) -> Any:
        exchange = Exchange()
        arguments = await self.guard.arun(self._true(tool_input, exchange))
        failure = None
        try:
            with _unseen(config) as quiet:
                args, kwargs = self.tool._to_args_and_kwargs(arguments, call_id)
                function = self.tool._run if type(self.tool)._arun is BaseTool._arun else self.tool._arun
                manager = AsyncCallbackManagerForToolRun.get_noop_manager()
                output = await self.tool._arun(*args, **kwargs, **_wanted(function, manager, quiet))
        except Exception as error:  # noqa: BLE001 - its text may have true values
            failure = error
        if failure is not None:
            _raise(await self.guard.arun(_failure(self.guard, failure, exchange)))
        return await self.guard.arun(_output(self.guard, output, exchange))

    def _true(self, tool_input: str | dict[str, Any], exchange: Exchange) -> Flow[Any]:
        """Return the arguments with the true values; what an agent injects stays as it is."""
        if isinstance(tool_input, str):
            return (yield from self.guard.restored(tool_input, exchange))
        written = self._filter_injected_args(tool_input)
        true = yield from self.guard.restored(written, exchange, special)
        return {**{name: item for name, item in tool_input.items() if name not in written}, **true}


def _wanted(function: Any, manager: Any, config: RunnableConfig) -> dict[str, Any]:
    """Return the manager and the config, as far as a function takes them."""
    wanted = {"run_manager": manager} if "run_manager" in signature(function).parameters else {}
    name = _get_runnable_config_param(function)
    return {**wanted, name: config} if name else wanted


def _output(guard: Guard, output: Any, exchange: Exchange) -> Flow[Any]:
    try:
        return (yield from guard.cleansed(output, exchange, special))
    except ValidationError:
        if isinstance(output, tuple) and len(output) == 2:  # content and artifact
            return (yield from _output(guard, output[0], exchange)), None
        return (yield from guard.cleansed(str(output), exchange))  # as LangChain writes it, too


def _failure(guard: Guard, error: Exception, exchange: Exchange) -> Flow[Exception]:
    """Return an error of a tool as one that holds no true value."""
    graphs = sys.modules.get("langgraph.errors")
    if graphs is not None and isinstance(error, graphs.GraphBubbleUp):  # an interrupt, not a failure
        error.args = yield from guard.cleansed(error.args, exchange, special)
        interrupt: Exception = error
        return interrupt
    if isinstance(error, LumnisAIError):
        return error
    text = yield from guard.cleansed(str(error), exchange)
    return ToolException(text if isinstance(error, ToolException) else f"{type(error).__name__}: {text}")


def _raise(error: Exception) -> NoReturn:
    """Raise an error without the one behind it."""
    error.__cause__ = error.__context__ = None
    raise error.with_traceback(None)


class GuardedRetriever(BaseRetriever):
    """A retriever that searches for the true values and whose documents have placeholders."""

    guard: Any = Field(exclude=True, repr=False)
    retriever: BaseRetriever

    def _get_relevant_documents(
        self,
        query: str,
        *,
        run_manager: CallbackManagerForRetrieverRun,  # noqa: ARG002 - of the base class
    ) -> list[Document]:
        exchange = Exchange()
        true = self.guard.run(self.guard.restored(query, exchange))
        failure = None
        try:
            with _unseen() as quiet:
                search = self.retriever._get_relevant_documents
                manager = CallbackManagerForRetrieverRun.get_noop_manager()
                found = search(true, **_wanted(search, manager, quiet))
        except Exception as error:  # noqa: BLE001 - its text may have true values
            failure = error
        if failure is not None:
            _raise(self.guard.run(_failure(self.guard, failure, exchange)))
        documents: list[Document] = self.guard.run(self.guard.cleansed(found, exchange, special))
        return documents

    async def _aget_relevant_documents(
        self,
        query: str,
        *,
        run_manager: AsyncCallbackManagerForRetrieverRun,  # noqa: ARG002 - of the base class
    ) -> list[Document]:
        exchange = Exchange()
        true = await self.guard.arun(self.guard.restored(query, exchange))
        failure = None
        try:
            with _unseen() as quiet:
                search = self.retriever._aget_relevant_documents
                manager = AsyncCallbackManagerForRetrieverRun.get_noop_manager()
                found = await search(true, **_wanted(search, manager, quiet))
        except Exception as error:  # noqa: BLE001 - its text may have true values
            failure = error
        if failure is not None:
            _raise(await self.guard.arun(_failure(self.guard, failure, exchange)))
        documents: list[Document] = await self.guard.arun(self.guard.cleansed(found, exchange, special))
        return documents
