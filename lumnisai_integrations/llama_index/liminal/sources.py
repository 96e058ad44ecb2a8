"""Guarded tools, retrievers and node postprocessors: they work with the true values and show none."""

from __future__ import annotations

import copy
import dataclasses
import inspect
from typing import Any, NoReturn

from llama_index.core.base.base_retriever import BaseRetriever
from llama_index.core.postprocessor.types import BaseNodePostprocessor
from llama_index.core.schema import NodeWithScore, QueryBundle
from llama_index.core.tools import AsyncBaseTool, BaseTool, FunctionTool, ToolMetadata, ToolOutput, adapt_to_async_tool
from pydantic import Field

from lumnisai_core.exceptions import LumnisAIError, ValidationError
from lumnisai_integrations._shared.privacy.guard import Exchange, Flow, Guard
from lumnisai_integrations.llama_index.liminal.contents import special, undecorated, unseen, unsummarised


class GuardedTool(AsyncBaseTool):
    """A tool that gets the true values and whose output has placeholders.

    Args:
        guard: The guard.
        tool: The tool.
    """

    def __init__(self, guard: Guard, tool: BaseTool) -> None:
        self._guard = guard
        self._tool = adapt_to_async_tool(tool)

    @property
    def metadata(self) -> ToolMetadata:
        """Name, description and schema of the tool."""
        return self._tool.metadata

    @unseen
    def __call__(self, *args: Any, **kwargs: Any) -> ToolOutput:
        """Call it, without a span around, which would show the true values."""
        return self.call(*args, **kwargs)

    @unseen
    def call(self, *args: Any, **kwargs: Any) -> ToolOutput:
        """Call the tool."""
        return _called(self._guard, undecorated(self._tool, "call"), args, kwargs)  # type: ignore[no-any-return]

    @unseen
    async def acall(self, *args: Any, **kwargs: Any) -> ToolOutput:
        """Call the tool."""
        return await _acalled(self._guard, undecorated(self._tool, "acall"), args, kwargs)  # type: ignore[no-any-return]


class GuardedFunctionTool(FunctionTool):
    """A function as a tool: it gets the true values, also a context; its output has placeholders.

    Args:
        guard: The guard.
        tool: The tool.
    """

    def __init__(self, guard: Guard, tool: FunctionTool) -> None:
        self.__dict__.update(copy.copy(tool).__dict__)
        self._guard = guard
        function, coroutine = tool._fn, tool._async_fn

        def guarded(*args: Any, **kwargs: Any) -> Any:
            return _called(guard, function, args, kwargs)

        async def aguarded(*args: Any, **kwargs: Any) -> Any:
            return await _acalled(guard, coroutine, args, kwargs)

        self._fn, self._async_fn = guarded, aguarded

    # Spans of calls show placeholders, also where an agent around them has the true values.

    @unseen
    def __call__(self, *args: Any, **kwargs: Any) -> ToolOutput:
        """Call it, without a span around, which would show the true values."""
        return self.call(*args, **kwargs)

    @unseen
    def call(self, *args: Any, **kwargs: Any) -> ToolOutput:
        """Call the function."""
        args, kwargs = self._guard.run(self._guard.cleansed((args, kwargs), Exchange(), special, strict=False))
        with unsummarised():
            return super().call(*args, **kwargs)

    @unseen
    async def acall(self, *args: Any, **kwargs: Any) -> ToolOutput:
        """Call the function."""
        args, kwargs = await self._guard.arun(self._guard.cleansed((args, kwargs), Exchange(), special, strict=False))
        with unsummarised():
            return await super().acall(*args, **kwargs)


def _called(guard: Guard, function: Any, args: Any, kwargs: Any) -> Any:
    exchange = Exchange()
    args, kwargs = guard.run(guard.restored((args, kwargs), exchange, special))
    failure = None
    try:
        output = function(*args, **kwargs)
    except Exception as error:  # noqa: BLE001 - its text may have true values
        failure = error
    if failure is not None:
        _raise(guard.run(_failure(guard, failure, exchange)))
    return guard.run(_output(guard, output, exchange))


async def _acalled(guard: Guard, function: Any, args: Any, kwargs: Any) -> Any:
    exchange = Exchange()
    args, kwargs = await guard.arun(guard.restored((args, kwargs), exchange, special))
    failure = None
    try:
        output = await function(*args, **kwargs)
    except Exception as error:  # noqa: BLE001 - its text may have true values
        failure = error
    if failure is not None:
        _raise(await guard.arun(_failure(guard, failure, exchange)))
    return await guard.arun(_output(guard, output, exchange))


def _output(guard: Guard, output: Any, exchange: Exchange) -> Flow[Any]:
    try:
        return (yield from guard.cleansed(output, exchange, special))
    except ValidationError:
        return (yield from guard.cleansed(str(output), exchange))  # as LlamaIndex writes it, too


def _failure(guard: Guard, error: Exception, exchange: Exchange) -> Flow[Exception]:
    """Return an error of a tool as one that holds no true value."""
    if isinstance(error, LumnisAIError) or type(error).__module__.startswith("workflows"):  # it controls the workflow
        return error
    text = yield from guard.cleansed(str(error), exchange)
    return RuntimeError(f"{type(error).__name__}: {text}")


def _raise(error: Exception) -> NoReturn:
    """Raise an error without the one behind it."""
    error.__cause__ = error.__context__ = None
    raise error.with_traceback(None)


class GuardedRetriever(BaseRetriever):
    """A retriever that searches for the true values and whose nodes have placeholders.

    Args:
        guard: The guard.
        retriever: The retriever.
    """

    def __init__(self, guard: Guard, retriever: BaseRetriever) -> None:
        super().__init__(callback_manager=retriever.callback_manager)
        self._guard = guard
        self._retriever = retriever

    def _retrieve(self, query_bundle: QueryBundle) -> list[NodeWithScore]:
        exchange = Exchange()
        query = self._guard.run(self._guard.restored(query_bundle, exchange, special))
        failure = None
        try:
            if (embed := self._embedder("_get_query_embedding", query)) is not None:
                query = QueryBundle(
                    query.query_str, query.image_path, query.custom_embedding_strs, embed(query.query_str)
                )
            found = undecorated(self._retriever, "_retrieve")(query)
            found = self._retriever._handle_recursive_retrieval(query, found)
        except Exception as error:  # noqa: BLE001 - its text may have true values
            failure = error
        if failure is not None:
            _raise(self._guard.run(_failure(self._guard, failure, exchange)))
        nodes: list[NodeWithScore] = self._guard.run(self._guard.cleansed(found, exchange, special))
        return nodes

    async def _aretrieve(self, query_bundle: QueryBundle) -> list[NodeWithScore]:
        exchange = Exchange()
        query = await self._guard.arun(self._guard.restored(query_bundle, exchange, special))
        failure = None
        try:
            if (embed := self._embedder("_aget_query_embedding", query)) is not None:
                query = dataclasses.replace(query, embedding=await embed(query.query_str))
            if inspect.unwrap(type(self._retriever)._aretrieve) is inspect.unwrap(BaseRetriever._aretrieve):
                found = undecorated(self._retriever, "_retrieve")(query)  # it has only this
            else:
                found = await undecorated(self._retriever, "_aretrieve")(query)
            found = await self._retriever._ahandle_recursive_retrieval(query, found)
        except Exception as error:  # noqa: BLE001 - its text may have true values
            failure = error
        if failure is not None:
            _raise(await self._guard.arun(_failure(self._guard, failure, exchange)))
        nodes: list[NodeWithScore] = await self._guard.arun(self._guard.cleansed(found, exchange, special))
        return nodes

    def _embedder(self, name: str, query: QueryBundle) -> Any:
        """Return what embeds the query, because events of the embedding model would show the true values."""
        model = getattr(self._retriever, "_embed_model", None)
        return None if model is None or query.embedding is not None else undecorated(model, name)


class GuardedPostprocessor(BaseNodePostprocessor):
    """Puts placeholders into nodes, between a retriever and what reads them."""

    guard: Any = Field(exclude=True, repr=False)

    @classmethod
    def class_name(cls) -> str:
        """Name of the class."""
        return "GuardedPostprocessor"

    @unseen
    def _postprocess_nodes(
        self,
        nodes: list[NodeWithScore],
        query_bundle: QueryBundle | None = None,  # noqa: ARG002 - of the base class
    ) -> list[NodeWithScore]:
        changed: list[NodeWithScore] = self.guard.run(self.guard.cleansed(nodes, Exchange(), special))
        return changed

    @unseen
    async def _apostprocess_nodes(
        self,
        nodes: list[NodeWithScore],
        query_bundle: QueryBundle | None = None,  # noqa: ARG002 - of the base class
    ) -> list[NodeWithScore]:
        changed: list[NodeWithScore] = await self.guard.arun(self.guard.cleansed(nodes, Exchange(), special))
        return changed
