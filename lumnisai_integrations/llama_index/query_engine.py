"""The query engine: an agent that answers questions about the files of a user."""

from __future__ import annotations

import logging
from collections.abc import AsyncGenerator, Generator, Iterator
from contextlib import AbstractContextManager, contextmanager
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

from lumnisai_core import AsyncRunStream, ResponseObject, RunStream, RunUpdate
from lumnisai_core.exceptions import LumnisAIError, ValidationError
from lumnisai_integrations._shared.files import DEFAULT_PASSAGES, MOST_PASSAGES
from lumnisai_integrations.llama_index.agent import Agent, AgentFields
from lumnisai_integrations.llama_index.convert import convert_in, pieces_of
from lumnisai_integrations.llama_index.listeners import Listeners
from lumnisai_integrations.llama_index.results import (
    metadata_of,
    pydantic_response_of,
    response_of,
    text_of,
    tool_sources,
)
from lumnisai_integrations.llama_index.retriever import LumnisFilesRetriever

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
        _check_number("similarity_top_k", similarity_top_k, least=0, most=MOST_PASSAGES)
        if stream_chunk_size is not None:
            _check_number("stream_chunk_size", stream_chunk_size, least=1)
        self._agent = _with_files(Agent(**agent), use_files=use_files)
        self._retriever = _retriever_of(self._agent, similarity_top_k) if use_files and similarity_top_k else None
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
        facts = _StreamFacts(self._passages(query))
        return StreamingResponse(self._read(run, listeners, facts), source_nodes=facts.sources, metadata=facts.metadata)

    def _read(self, run: RunStream, listeners: Listeners, facts: _StreamFacts) -> Generator[str, None, None]:
        with listeners.reading(self) as inner, run:
            for update in run:
                facts.note(update)
                inner.notify(update)
        yield from self._pieces(facts.finish(run.response))

    def _passages(self, query: QueryBundle) -> list[NodeWithScore]:
        if self._retriever is None:
            return []
        with _logged():
            return self._retriever.retrieve(query)
        return []

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
        facts = _StreamFacts(await self._apassages(query))
        gen = self._aread(run, listeners, facts)
        return AsyncStreamingResponse(gen, source_nodes=facts.sources, metadata=facts.metadata)

    async def _aread(self, run: AsyncRunStream, listeners: Listeners, facts: _StreamFacts) -> AsyncGenerator[str, None]:
        with listeners.reading(self) as inner:
            async with run:
                async for update in run:
                    facts.note(update)
                    inner.notify(update)
        for piece in self._pieces(facts.finish(run.response)):
            yield piece

    async def _apassages(self, query: QueryBundle) -> list[NodeWithScore]:
        if self._retriever is None:
            return []
        with _logged():
            return await self._retriever.aretrieve(query)
        return []

    # Both

    def _messages(self, query: QueryBundle) -> list[dict[str, str]]:
        if not query.query_str.strip():
            raise ValidationError(f"The query must be a non-empty string, got {query.query_str!r}.")
        return convert_in(self._template.format_messages(query_str=query.query_str))

    def _answer(self, run: ResponseObject, sources: list[NodeWithScore]) -> Response | PydanticResponse:
        response_format = self._agent.response_format
        if isinstance(response_format, type):
            return pydantic_response_of(run, response_format, sources)
        return response_of(run, response_format, sources)

    def _pieces(self, run: ResponseObject) -> Iterator[str]:
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


class _StreamFacts:
    """Sources and metadata of a streamed response, filled in place while its run works."""

    def __init__(self, sources: list[NodeWithScore]) -> None:
        self.sources = sources
        self.metadata: dict[str, Any] = {}

    def note(self, update: RunUpdate) -> None:
        self.metadata |= {"response_id": update.response_id, "thread_id": update.thread_id}

    def finish(self, run: ResponseObject | None) -> ResponseObject:
        if run is None:
            raise LumnisAIError("This stream was closed before it began: query again.")
        self.metadata |= metadata_of(run)
        self.sources += tool_sources(run)
        return run


def _with_files(agent: Agent, *, use_files: bool) -> Agent:
    if use_files:
        agent.options = {"use_files": True, **(agent.options or {})}
    return agent


def _retriever_of(agent: Agent, count: int) -> LumnisFilesRetriever:
    return LumnisFilesRetriever(
        user_id=agent.user_id,
        scope=agent.scope,
        similarity_top_k=count,
        api_key=agent.api_key,
        base_url=agent.base_url,
        tenant_id=agent.tenant_id,
        timeout=agent.timeout,
        max_retries=agent.max_retries,
    )


@contextmanager
def _logged() -> Iterator[None]:
    # The answer is paid for and must not be lost because the search of sources failed.
    try:
        yield
    except LumnisAIError as error:
        _logger.warning("The files could not be searched for sources; the answer has none: %s", error)


def _checked_template(template: object) -> BasePromptTemplate:
    if not isinstance(template, BasePromptTemplate):
        raise ValidationError(f"{_TEMPLATE} must be a prompt template, such as PromptTemplate(...), got {template!r}.")
    known = {*template.template_vars, *(template.template_var_mappings or {}), *(template.function_mappings or {})}
    if _QUERY not in known:
        raise ValidationError(f"{_TEMPLATE} must have the variable {_QUERY!r}, without which the query is not sent.")
    return template


def _check_number(name: str, value: object, *, least: int, most: int | None = None) -> None:
    fits = isinstance(value, int) and not isinstance(value, bool) and least <= value
    if not fits or (most is not None and value > most):  # type: ignore[operator] # it is a number here
        limit = "" if most is None else f" to {most}"
        raise ValidationError(f"{name} must be a whole number from {least}{limit}, got {value!r}.")
