"""Guarded query and chat engines: questions are cleansed, answers restored, and retrievers inside are guarded."""

from __future__ import annotations

import copy
from collections.abc import AsyncGenerator, Generator, Iterable
from contextlib import aclosing
from typing import Any

from llama_index.core.base.base_query_engine import BaseQueryEngine
from llama_index.core.base.base_retriever import BaseRetriever
from llama_index.core.base.response.schema import AsyncStreamingResponse, StreamingResponse
from llama_index.core.chat_engine.types import BaseChatEngine, StreamingAgentChatResponse
from llama_index.core.llms import ChatMessage
from llama_index.core.schema import NodeWithScore, QueryBundle
from llama_index.core.tools import ToolOutput

from lumnisai_integrations._shared.privacy.guard import Exchange, Flow, Guard
from lumnisai_integrations.llama_index.liminal.contents import TextStream, special, unseen
from lumnisai_integrations.llama_index.liminal.sources import GuardedRetriever


def with_guarded_sources(guard: Guard, engine: Any) -> Any:
    """Return a copy of an engine whose retrievers, also those of engines inside it, give nodes with placeholders."""
    copied = copy.copy(engine)
    for name, value in vars(engine).items():
        changed = _guarded_part(guard, value)
        if changed is not value:
            setattr(copied, name, changed)
    return copied


def _guarded_part(guard: Guard, value: Any) -> Any:
    match value:
        case GuardedRetriever() | GuardedQueryEngine():
            return value
        case BaseRetriever():
            return GuardedRetriever(guard, value)
        case BaseQueryEngine():
            return with_guarded_sources(guard, value)
        case dict() if any(isinstance(one, BaseRetriever | BaseQueryEngine) for one in value.values()):
            return {name: _guarded_part(guard, one) for name, one in value.items()}
        case list() | tuple() if any(isinstance(one, BaseRetriever | BaseQueryEngine) for one in value):
            return type(value)(_guarded_part(guard, one) for one in value)
    return value


class GuardedQueryEngine(BaseQueryEngine):
    """A query engine behind a guard.

    Args:
        guard: The guard.
        engine: The engine.
    """

    def __init__(self, guard: Guard, engine: BaseQueryEngine) -> None:
        super().__init__(engine.callback_manager)
        self._guard = guard
        self._engine = with_guarded_sources(guard, engine)

    def _get_prompt_modules(self) -> dict[str, Any]:
        return {"engine": self._engine}

    @unseen
    def query(self, str_or_query_bundle: Any) -> Any:
        """Answer a question."""
        exchange = Exchange()
        query = self._guard.run(self._guard.cleansed(str_or_query_bundle, exchange, special))
        return self._guard.run(_answer(self._guard, self._engine.query(query), exchange))

    @unseen
    async def aquery(self, str_or_query_bundle: Any) -> Any:
        """Answer a question."""
        exchange = Exchange()
        query = await self._guard.arun(self._guard.cleansed(str_or_query_bundle, exchange, special))
        return await self._guard.arun(_answer(self._guard, await self._engine.aquery(query), exchange))

    @unseen
    def _query(self, query_bundle: QueryBundle) -> Any:
        return self.query(query_bundle)

    @unseen
    async def _aquery(self, query_bundle: QueryBundle) -> Any:
        return await self.aquery(query_bundle)


class GuardedChatEngine(BaseChatEngine):
    """A chat engine behind a guard. Its memory has placeholders; ``chat_history`` shows the true values.

    Args:
        guard: The guard.
        engine: The engine.
    """

    def __init__(self, guard: Guard, engine: BaseChatEngine) -> None:
        self._guard = guard
        self._engine = with_guarded_sources(guard, engine)

    @unseen
    def chat(self, message: str, chat_history: list[ChatMessage] | None = None) -> Any:
        """Answer a message."""
        exchange = Exchange()
        cleansed = self._guard.run(self._guard.cleansed((message, chat_history), exchange, special))
        return self._guard.run(_answer(self._guard, self._engine.chat(*cleansed), exchange))

    @unseen
    async def achat(self, message: str, chat_history: list[ChatMessage] | None = None) -> Any:
        """Answer a message."""
        exchange = Exchange()
        cleansed = await self._guard.arun(self._guard.cleansed((message, chat_history), exchange, special))
        return await self._guard.arun(_answer(self._guard, await self._engine.achat(*cleansed), exchange))

    @unseen
    def stream_chat(self, message: str, chat_history: list[ChatMessage] | None = None) -> Any:
        """Stream the answer to a message."""
        exchange = Exchange()
        cleansed = self._guard.run(self._guard.cleansed((message, chat_history), exchange, special))
        return self._guard.run(_answer(self._guard, self._engine.stream_chat(*cleansed), exchange))

    @unseen
    async def astream_chat(self, message: str, chat_history: list[ChatMessage] | None = None) -> Any:
        """Stream the answer to a message."""
        exchange = Exchange()
        cleansed = await self._guard.arun(self._guard.cleansed((message, chat_history), exchange, special))
        return await self._guard.arun(_answer(self._guard, await self._engine.astream_chat(*cleansed), exchange))

    def reset(self) -> None:
        """Forget the conversation."""
        self._engine.reset()

    @property
    def chat_history(self) -> list[ChatMessage]:
        """The conversation so far."""
        history = list(self._engine.chat_history)
        restored: list[ChatMessage] = self._guard.run(self._guard.restored(history, Exchange(), special))
        return restored


def _answer(guard: Guard, response: Any, exchange: Exchange) -> Flow[Any]:
    """Return the answer of an engine with the true values; its metadata says how many values were replaced."""
    report = {"liminal": guard.report(exchange)}
    match response:
        case StreamingAgentChatResponse():
            data = (response.sources, response.source_nodes)
            sources, nodes = yield from guard.restored(data, exchange, special)
            return GuardedStream(guard, response, exchange, sources, nodes)
        case StreamingResponse() | AsyncStreamingResponse():
            sources, metadata = yield from guard.restored((response.source_nodes, response.metadata), exchange, special)
            pieces: Any = response.response_gen
            made: Any = _restored if isinstance(response, StreamingResponse) else _arestored
            return type(response)(made(guard, exchange, pieces), sources, {**(metadata or {}), **report})
    restored = yield from guard.restored(response, exchange, special)
    if restored is response:
        restored = copy.copy(response)
    restored.metadata = {**(restored.metadata or {}), **report}
    return restored


def _restored(guard: Guard, exchange: Exchange, pieces: Iterable[str]) -> Generator[str, None, None]:
    stream = TextStream(guard, exchange)
    for piece in pieces:
        yield from guard.run(stream.feed(piece))
    yield from guard.run(stream.end())


async def _arestored(guard: Guard, exchange: Exchange, pieces: AsyncGenerator[str, None]) -> AsyncGenerator[str, None]:
    stream = TextStream(guard, exchange)
    async with aclosing(pieces):
        async for piece in pieces:
            for ready in await guard.arun(stream.feed(piece)):
                yield ready
    for ready in await guard.arun(stream.end()):
        yield ready


class GuardedStream(StreamingAgentChatResponse):
    """A streamed answer of a chat engine, restored piece by piece.

    Args:
        guard: The guard.
        response: The answer of the engine.
        exchange: Knows the values.
        sources: Outputs of tools, restored.
        source_nodes: Nodes that it stands on, restored.
    """

    def __init__(
        self,
        guard: Guard,
        response: StreamingAgentChatResponse,
        exchange: Exchange,
        sources: list[ToolOutput],
        source_nodes: list[NodeWithScore],
    ) -> None:
        super().__init__(sources=sources, source_nodes=source_nodes)
        self._guard = guard
        self._inner = response
        self._exchange = exchange

    @property
    def response_gen(self) -> Generator[str, None, None]:
        """The pieces of the answer."""
        for piece in _restored(self._guard, self._exchange, self._inner.response_gen):
            self.response += piece
            yield piece

    async def async_response_gen(self) -> AsyncGenerator[str, None]:
        """The pieces of the answer."""
        async for piece in _arestored(self._guard, self._exchange, self._inner.async_response_gen()):
            self.response += piece
            yield piece

    def __str__(self) -> str:
        if not self.response:
            for _ in self.response_gen:
                pass
        return self.response
