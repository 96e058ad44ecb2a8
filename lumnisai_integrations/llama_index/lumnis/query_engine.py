"""The query engine: an agent that answers questions about the files of a user."""

from __future__ import annotations

import logging
from collections.abc import AsyncGenerator, Generator, Iterator
from contextlib import AbstractContextManager
from typing import Any, Unpack

from llama_index.core import Settings
from llama_index.core.base.base_query_engine import BaseQueryEngine
from llama_index.core.base.response.schema import (
    RESPONSE_TYPE,
    AsyncStreamingResponse,
    PydanticResponse,
    Response,
    StreamingResponse,
)
from llama_index.core.callbacks import CallbackManager, CBEventType, EventPayload
from llama_index.core.callbacks.base import EventContext
from llama_index.core.prompts import BasePromptTemplate, PromptTemplate
from llama_index.core.prompts.mixin import PromptDictType, PromptMixinType
from llama_index.core.schema import NodeWithScore, QueryBundle
from pydantic import BaseModel

from lumnisai_core import AsyncRunStream, ResponseObject, RunStream
from lumnisai_core.exceptions import LumnisAIError, ValidationError
from lumnisai_integrations._shared.files import DEFAULT_PASSAGES, MOST_PASSAGES
from lumnisai_integrations._shared.runs import check_number
from lumnisai_integrations.llama_index.lumnis.agent import Agent, AgentFields
from lumnisai_integrations.llama_index.lumnis.convert import convert_in, pieces_of
from lumnisai_integrations.llama_index.lumnis.listeners import Listeners
from lumnisai_integrations.llama_index.lumnis.results import (
    metadata_of,
    pydantic_response_of,
    response_of,
    text_of,
    tool_sources,
)
from lumnisai_integrations.llama_index.lumnis.retriever import LumnisFilesRetriever
from lumnisai_integrations.llama_index.lumnis.settings import LumnisConnection

_logger = logging.getLogger(__name__)

_TEMPLATE = "query_template"
_QUERY = "query_str"


class LumnisQueryEngine(BaseQueryEngine):
    """A query engine whose questions are answered by an agent on the Lumnis platform with the files of its user.

    Each query is one run; the platform finds, reads and cites the files it needs. For retrieval under your own control
    use ``LumnisFilesRetriever`` in a ``RetrieverQueryEngine``.

    ``source_nodes`` of a response begin with the passages that a search of the files finds for the query, best first.
    That search is separate from the run: it shows where the files mention the question, and the agent may have read
    other passages. Then come the known results of the agent's tools, with ``tool_name`` in the metadata and without a
    score. ``metadata`` has ``response_id``, ``thread_id``, ``response_title``, ``structured_response`` and
    ``artifacts``.

    Progress reaches event handlers, callbacks and the stream of the surrounding workflow as it does for ``LumnisLLM``.
    Cancelling a query and Ctrl-C stop the run on the service, and so does closing the ``response_gen`` of a stream.

    Args:
        use_files: Whether runs may use the files; sent as ``options={"use_files": True}``. Default True.
        similarity_top_k: Maximum number of passages of files among the sources, 1 to 50; 0 makes no search. Default 4.
        streaming: Whether queries return a stream, whose run begins when it is first read. ``metadata`` and
            ``source_nodes`` are complete at its end. Default False.
        stream_chunk_size: Longest piece of a stream in characters. Default None: the answer is one piece.
        query_template: Message to the agent, with ``query_str`` for the query; several messages are possible.
            Default: the query.
        callback_manager: Receives the events. Default: that of ``Settings``.
        **agent: Which agent answers, for whom, and how: the fields of :class:`AgentFields`. With a pydantic class as
            ``response_format`` a query returns a ``PydanticResponse``, with a JSON Schema the object as JSON text.

    Raises:
        ConfigurationError: No API key, or a value that is not valid.
        ValidationError: A value is not valid.
    """

    def __init__(
        self,
        *,
        use_files: bool = True,
        similarity_top_k: int = DEFAULT_PASSAGES,
        streaming: bool = False,
        stream_chunk_size: int | None = None,
        query_template: BasePromptTemplate | None = None,
        callback_manager: CallbackManager | None = None,
        **agent: Unpack[AgentFields],
    ) -> None:
        super().__init__(callback_manager=callback_manager or Settings.callback_manager)
        check_number("similarity_top_k", similarity_top_k, least=0, most=MOST_PASSAGES)
        if stream_chunk_size is not None:
            check_number("stream_chunk_size", stream_chunk_size, least=1)
        self._agent = Agent(**agent)
        self._retriever: LumnisFilesRetriever | None = None
        if use_files:
            self._agent.options = {"use_files": True, **(self._agent.options or {})}
            if similarity_top_k:
                about = {name: getattr(self._agent, name) for name in LumnisConnection.model_fields}
                self._retriever = LumnisFilesRetriever(similarity_top_k=similarity_top_k, **about)
        self._streaming = streaming
        self._chunk_size = stream_chunk_size
        self._template = _checked_template(query_template or PromptTemplate(f"{{{_QUERY}}}"))

    # Prompts

    def _get_prompts(self) -> PromptDictType:
        return {_TEMPLATE: self._template}

    def _update_prompts(self, prompts: PromptDictType) -> None:
        if _TEMPLATE in prompts:
            self._template = _checked_template(prompts[_TEMPLATE])

    def _get_prompt_modules(self) -> PromptMixinType:
        return {}

    # Blocking

    def _query(self, query_bundle: QueryBundle) -> RESPONSE_TYPE:
        messages = self._messages(query_bundle)
        with self._reported(query_bundle) as event:
            response: RESPONSE_TYPE
            if self._streaming:
                response = self._stream(messages, query_bundle)
            else:
                run = self._agent.ask(messages, self.callback_manager)
                response = self._answer(run, self._passages(query_bundle))
            event.on_end(payload={EventPayload.RESPONSE: response})
        return response

    def _stream(self, messages: list[dict[str, str]], query: QueryBundle) -> StreamingResponse:
        run, listeners = self._agent.start(messages), Listeners.here(self.callback_manager)
        sources, about = self._passages(query), dict[str, Any]()
        return StreamingResponse(self._read(run, listeners, sources, about), source_nodes=sources, metadata=about)

    # Sources and metadata of a streamed response are filled in place while its run works.

    def _read(
        self, run: RunStream, listeners: Listeners, sources: list[NodeWithScore], about: dict[str, Any]
    ) -> Generator[str, None, None]:
        with listeners.reading(self) as inner, run:
            for update in run:
                about |= {"response_id": update.response_id, "thread_id": update.thread_id}
                inner.notify(update)
        yield from self._finish(run.response, sources, about)

    def _passages(self, query: QueryBundle) -> list[NodeWithScore]:
        if self._retriever is None:
            return []
        try:
            return self._retriever.retrieve(query)
        except LumnisAIError as error:
            return _no_sources(error)

    # Asyncio

    async def _aquery(self, query_bundle: QueryBundle) -> RESPONSE_TYPE:
        messages = self._messages(query_bundle)
        with self._reported(query_bundle) as event:
            response: RESPONSE_TYPE
            if self._streaming:
                response = await self._astream(messages, query_bundle)
            else:
                run = await self._agent.aask(messages, self.callback_manager)
                response = self._answer(run, await self._apassages(query_bundle))
            event.on_end(payload={EventPayload.RESPONSE: response})
        return response

    async def _astream(self, messages: list[dict[str, str]], query: QueryBundle) -> AsyncStreamingResponse:
        run, listeners = self._agent.astart(messages), Listeners.here(self.callback_manager)
        sources, about = await self._apassages(query), dict[str, Any]()
        return AsyncStreamingResponse(self._aread(run, listeners, sources, about), source_nodes=sources, metadata=about)

    async def _aread(
        self, run: AsyncRunStream, listeners: Listeners, sources: list[NodeWithScore], about: dict[str, Any]
    ) -> AsyncGenerator[str, None]:
        with listeners.reading(self) as inner:
            async with run:
                async for update in run:
                    about |= {"response_id": update.response_id, "thread_id": update.thread_id}
                    inner.notify(update)
        for piece in self._finish(run.response, sources, about):
            yield piece

    async def _apassages(self, query: QueryBundle) -> list[NodeWithScore]:
        if self._retriever is None:
            return []
        try:
            return await self._retriever.aretrieve(query)
        except LumnisAIError as error:
            return _no_sources(error)

    # Both

    def _messages(self, query: QueryBundle) -> list[dict[str, str]]:
        if not query.query_str.strip():
            raise ValidationError(f"The query must be a non-empty string, got {query.query_str!r}.")
        return convert_in(self._template.format_messages(query_str=query.query_str))

    def _answer(self, run: ResponseObject, sources: list[NodeWithScore]) -> Response | PydanticResponse:
        response_format = self._agent.response_format
        if isinstance(response_format, type) and issubclass(response_format, BaseModel):
            return pydantic_response_of(run, response_format, sources)
        return response_of(run, response_format, sources)

    def _finish(self, run: ResponseObject | None, sources: list[NodeWithScore], about: dict[str, Any]) -> Iterator[str]:
        if run is None:
            raise LumnisAIError("This stream was closed before it began: query again.")
        about |= metadata_of(run)
        sources += tool_sources(run)
        return pieces_of(text_of(run, self._agent.response_format), self._chunk_size)

    def _reported(self, query: QueryBundle) -> AbstractContextManager[EventContext]:
        payload: dict[str, Any] = {EventPayload.QUERY_STR: query.query_str}
        return self.callback_manager.event(CBEventType.QUERY, payload=payload)

    def close(self) -> None:
        """Close the connections of blocking calls; a later call opens new ones."""
        self._agent.close()
        if self._retriever is not None:
            self._retriever.close()

    async def aclose(self) -> None:
        """Close the connections of the running event loop; a later call opens new ones."""
        await self._agent.aclose()
        if self._retriever is not None:
            await self._retriever.aclose()


def _no_sources(error: LumnisAIError) -> list[NodeWithScore]:
    # The answer is paid for and must not be lost because the search of sources failed.
    _logger.warning("The files could not be searched for sources; the answer has none: %s", error)
    return []


def _checked_template(template: object) -> BasePromptTemplate:
    if not isinstance(template, BasePromptTemplate):
        raise ValidationError(f"{_TEMPLATE} must be a prompt template, such as PromptTemplate(...), got {template!r}.")
    known = {*template.template_vars, *(template.template_var_mappings or {}), *(template.function_mappings or {})}
    if _QUERY not in known:
        raise ValidationError(f"{_TEMPLATE} must have the variable {_QUERY!r}, without which the query is not sent.")
    return template
