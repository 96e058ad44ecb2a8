"""The chat model."""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Generator, Iterator, Mapping, Sequence
from contextlib import aclosing, closing
from typing import TYPE_CHECKING, Any, Literal, Self, cast
from uuid import UUID

from langchain_core.callbacks import AsyncCallbackManagerForLLMRun, CallbackManagerForLLMRun
from langchain_core.globals import get_llm_cache
from langchain_core.language_models import BaseChatModel, LangSmithParams, LanguageModelInput, ModelProfile
from langchain_core.messages import AIMessage, AIMessageChunk, BaseMessage
from langchain_core.messages.utils import count_tokens_approximately
from langchain_core.outputs import ChatGeneration, ChatGenerationChunk, ChatResult
from langchain_core.runnables import Runnable, RunnableConfig
from langchain_core.runnables.config import ensure_config

from lumnisai_core import ResponseObject
from lumnisai_integrations._shared.runs import SAMPLING_PARAMETERS
from lumnisai_integrations.langchain.calls import (
    AdoptingHistory,
    RunCall,
    adopt,
    cache_facts,
    continues_a_thread,
    from_config,
    model_name_of,
    run_call,
    stops_of,
    waiting_history,
    warn_of_ignored,
)
from lumnisai_integrations.langchain.convert import DEFAULT_MODEL_NAME, convert_out
from lumnisai_integrations.langchain.errors import model_errors
from lumnisai_integrations.langchain.function_calling import (
    StructuredChain,
    ToolBinding,
    ToolLike,
    bound_tools,
    tool_keywords,
)
from lumnisai_integrations.langchain.listeners import async_progress_callback, progress_callback
from lumnisai_integrations.langchain.settings import LumnisSettings
from lumnisai_integrations.langchain.streaming import ChunkWriter, EventWriter
from lumnisai_integrations.langchain.structured import Schema, structured_chain

if TYPE_CHECKING:
    from langchain_core.language_models.chat_model_stream import AsyncChatModelStream, ChatModelStream
    from langchain_core.runnables.schema import StreamEvent
    from langchain_protocol.protocol import MessagesData

#: What agents and middleware may expect. The platform does not say how much a model can read, so neither does this.
_PROFILE: ModelProfile = {
    "text_inputs": True,
    "text_outputs": True,
    "reasoning_output": True,
    "tool_calling": True,
    "tool_choice": True,
    "structured_output": True,
    "image_inputs": False,
    "image_url_inputs": False,
    "pdf_inputs": False,
    "audio_inputs": False,
    "video_inputs": False,
    "image_tool_message": False,
    "pdf_tool_message": False,
    "image_outputs": False,
    "audio_outputs": False,
    "video_outputs": False,
}


class LumnisModel(LumnisSettings, BaseChatModel):
    """The part of :class:`ChatLumnis` that runs nothing."""

    streaming: bool = False
    idempotency_key: str | None = None
    stop: list[str] | None = None

    if not TYPE_CHECKING:  # type checkers read the fields instead

        def __init__(self, **fields: Any) -> None:
            ignored = fields.keys() & SAMPLING_PARAMETERS
            if any(fields[name] is not None for name in ignored):
                warn_of_ignored(ignored)
            super().__init__(**{name: value for name, value in fields.items() if name not in ignored})

    # Caching

    def _get_llm_string(self, stop: list[str] | None = None, **kwargs: Any) -> str:
        settings = self._client_settings()
        key = settings.api_key.get_secret_value() if settings.api_key else ""
        with model_errors():
            call = cache_facts(self.__dict__, stop, kwargs)
        facts = {
            "type": self._llm_type,
            "key": hashlib.sha256(key.encode()).hexdigest()[:16],
            "base_url": settings.base_url,
            "tenant_id": settings.tenant_id,
            "call": call,
        }
        return json.dumps(facts, sort_keys=True, default=str)

    def _generate_with_cache(
        self,
        messages: list[BaseMessage],
        stop: list[str] | None = None,
        run_manager: CallbackManagerForLLMRun | None = None,
        **kwargs: Any,
    ) -> ChatResult:
        model = self._for_caching(messages, kwargs)
        return super(LumnisModel, model)._generate_with_cache(messages, stop=stop, run_manager=run_manager, **kwargs)

    async def _agenerate_with_cache(
        self,
        messages: list[BaseMessage],
        stop: list[str] | None = None,
        run_manager: AsyncCallbackManagerForLLMRun | None = None,
        **kwargs: Any,
    ) -> ChatResult:
        model = self._for_caching(messages, kwargs)
        return await super(LumnisModel, model)._agenerate_with_cache(
            messages, stop=stop, run_manager=run_manager, **kwargs
        )

    def _for_caching(self, messages: Sequence[BaseMessage], keywords: Mapping[str, Any]) -> Self:
        if self.cache is False or (self.cache is None and get_llm_cache() is None):
            return self  # there is none, as mostly
        with model_errors():
            in_thread = continues_a_thread(self.__dict__, messages, keywords)
        return self.model_copy(update={"cache": False}) if in_thread else self

    # What the framework asks

    def _resolve_model_profile(self) -> ModelProfile:
        return {**_PROFILE}

    @property
    def _llm_type(self) -> str:
        return "lumnis-chat"

    @property
    def _identifying_params(self) -> dict[str, Any]:
        names = ("base_url", "tenant_id", "scope", "user_id", "thread_id", "history", "model_overrides", "agent_config")
        known = {name: getattr(self, name) for name in names}
        shown = {name: str(value) if isinstance(value, UUID) else value for name, value in known.items()}
        return {"model_name": self.model_name or DEFAULT_MODEL_NAME} | {
            name: value for name, value in shown.items() if value is not None
        }

    def _get_ls_params(self, stop: list[str] | None = None, **kwargs: Any) -> LangSmithParams:
        shown = LangSmithParams(
            ls_provider="lumnis",
            ls_model_type="chat",
            ls_model_name=model_name_of(self.__dict__, kwargs) or DEFAULT_MODEL_NAME,
        )
        stops = stops_of(self.__dict__, stop)
        if stops:
            shown["ls_stop"] = stops
        return shown

    def get_num_tokens(self, text: str) -> int:
        """Estimate the tokens of a text, without a tokenizer unless ``custom_get_token_ids`` is one.

        Args:
            text: The text.
        """
        if self.custom_get_token_ids is not None:
            return super().get_num_tokens(text)
        return math.ceil(len(text) / 4)  # as count_tokens_approximately does

    def get_num_tokens_from_messages(self, messages: Sequence[BaseMessage], tools: Sequence[Any] | None = None) -> int:
        """Estimate the tokens of messages, without a tokenizer.

        Args:
            messages: The messages.
            tools: Tools whose schemas count, too.
        """
        return count_tokens_approximately(messages, tools=list(tools) if tools else None)


class ChatLumnis(LumnisModel):
    """A chat model whose answers come from agent runs on the Lumnis platform.

    Each call makes one run: the messages go out, the answer comes back as an ``AIMessage`` whose
    ``response_metadata`` names the run and its thread. What the agent reports on its way reaches callbacks as the
    custom event ``lumnis_progress``, and streams as chunks with ``additional_kwargs["reasoning_content"]``. A caller
    who leaves early stops the run on the service.

    Every field from ``user_id`` on can also be given for one call (``model.invoke(..., thread_id=...)``,
    ``model.bind(...)``); ``thread_id`` and ``user_id`` moreover as ``lumnis_thread_id`` and ``lumnis_user_id`` in
    ``config["configurable"]``. The call wins over the config, the config over the field. Calls also take the other
    keywords of the core's ``invoke``, such as ``idempotency_key`` and ``extra_body``.

    Nothing is sent and no connection is opened before the first call. A model may be shared by threads and event loops,
    copied and pickled; a pickle does not hold the API key, and a model that is restored from one takes it from the
    environment.

    Attributes:
        lumnis_api_key: API key, also as ``api_key``. Default: environment variable ``LUMNISAI_API_KEY``.
        base_url: Address of the service. Default: ``LUMNISAI_BASE_URL``, then that of the platform.
        tenant_id: Tenant of a cross-tenant key. Default: ``LUMNISAI_TENANT_ID``, then the key's own.
        timeout: Seconds for connecting, sending and each answer. Default 30. Runs have their own: ``run_timeout``.
        max_retries: Tries after the first one. Default 3.
        streaming: Whether ``invoke`` reads the run as a stream, too.
        model_name: Model as ``provider:model``, also as ``model``. Default: the platform's choice.
        user_id: User the runs are for. Needed in user scope.
        scope: ``user`` (default) or ``tenant``.
        thread_id: Conversation to continue. The service knows its earlier turns: send only the new ones. Answers in a
            thread are never taken from a cache.
        history: Who remembers the conversation. With ``client`` (default) a call sends all messages on a new thread.
            With ``server`` a call continues the thread of the last Lumnis answer among its messages and sends only
            what is newer; messages that were trimmed or edited before that stay on the thread as they were.
        model_overrides: Models for each use. Wins over ``model_name``, which stands for ``smart_model``.
        agent_config: How the agent works.
        response_format: Class or schema of the object to answer with; the content is then JSON.
        response_format_instructions: Extra guidance for that object.
        files: Files by URI or artifact id.
        options: Free-form options, echoed in the run.
        idempotency_key: Key under which the service makes only one run, also over several calls; meant for one call.
        stop: Texts before which the answer is cut off, on this side.
        run_timeout: Seconds after which the call gives up waiting for a run. Default 600; None for no limit.
        progress_interval: Seconds that progress may be late. Default 1.
        cancel_on_interrupt: Whether leaving early stops the run on the service. Default True.

    Raises:
        ConfigurationError: No API key, or a value that cannot work.
    """

    # Running

    def _generate(
        self,
        messages: list[BaseMessage],
        stop: list[str] | None = None,
        run_manager: CallbackManagerForLLMRun | None = None,
        **kwargs: Any,
    ) -> ChatResult:
        with model_errors():
            call = run_call(self.__dict__, messages, stop, kwargs)
            client = self._client()
            response = client.invoke(call.messages, on_progress=progress_callback(run_manager), **call.parameters)
        return self._result(call, response)

    async def _agenerate(
        self,
        messages: list[BaseMessage],
        stop: list[str] | None = None,
        run_manager: AsyncCallbackManagerForLLMRun | None = None,
        **kwargs: Any,
    ) -> ChatResult:
        with model_errors():
            call = run_call(self.__dict__, messages, stop, kwargs)
            client = self._aclient()
            listener = async_progress_callback(run_manager)
            response = await client.invoke(call.messages, on_progress=listener, **call.parameters)
        return self._result(call, response)

    def _stream(
        self,
        messages: list[BaseMessage],
        stop: list[str] | None = None,
        run_manager: CallbackManagerForLLMRun | None = None,
        **kwargs: Any,
    ) -> Iterator[ChatGenerationChunk]:
        with model_errors():
            call = run_call(self.__dict__, messages, stop, kwargs)
            client = self._client()
            listener = progress_callback(run_manager)
            writer = ChunkWriter(**call.writing, as_blocks=self._writes_blocks)
            with client.invoke(call.messages, stream=True, on_progress=listener, **call.parameters) as updates:
                for update in updates:
                    chunk = writer.accept(update)
                    if chunk is not None:
                        yield chunk

    async def _astream(
        self,
        messages: list[BaseMessage],
        stop: list[str] | None = None,
        run_manager: AsyncCallbackManagerForLLMRun | None = None,
        **kwargs: Any,
    ) -> AsyncIterator[ChatGenerationChunk]:
        with model_errors():
            call = run_call(self.__dict__, messages, stop, kwargs)
            client = self._aclient()
            listener = async_progress_callback(run_manager)
            writer = ChunkWriter(**call.writing, as_blocks=self._writes_blocks)
            async with client.invoke(call.messages, stream=True, on_progress=listener, **call.parameters) as updates:
                async for update in updates:
                    chunk = writer.accept(update)
                    if chunk is not None:
                        yield chunk

    def _stream_chat_model_events(
        self,
        messages: list[BaseMessage],
        stop: list[str] | None = None,
        run_manager: CallbackManagerForLLMRun | None = None,
        **kwargs: Any,
    ) -> Iterator[MessagesData]:
        with model_errors():
            call = run_call(self.__dict__, messages, stop, kwargs)
            client = self._client()
            listener = progress_callback(run_manager)
            writer = EventWriter(**call.writing)
            with client.invoke(call.messages, stream=True, on_progress=listener, **call.parameters) as updates:
                for update in updates:
                    yield from writer.accept(update)

    async def _astream_chat_model_events(
        self,
        messages: list[BaseMessage],
        stop: list[str] | None = None,
        run_manager: AsyncCallbackManagerForLLMRun | None = None,
        **kwargs: Any,
    ) -> AsyncIterator[MessagesData]:
        with model_errors():
            call = run_call(self.__dict__, messages, stop, kwargs)
            client = self._aclient()
            listener = async_progress_callback(run_manager)
            writer = EventWriter(**call.writing)
            async with client.invoke(call.messages, stream=True, on_progress=listener, **call.parameters) as updates:
                async for update in updates:
                    for event in writer.accept(update):
                        yield event

    @property
    def _writes_blocks(self) -> bool:
        return self.output_version == "v1"

    def _result(self, call: RunCall, response: ResponseObject) -> ChatResult:
        message = convert_out(response, **call.writing, as_blocks=self._writes_blocks)
        return ChatResult(generations=[ChatGeneration(message=message)])

    # Threads and users from the config. Reading it here, not while running, gives caches and traces the same view.

    def invoke(
        self,
        input: LanguageModelInput,  # noqa: A002 - the framework's name
        config: RunnableConfig | None = None,
        *,
        stop: list[str] | None = None,
        **kwargs: Any,
    ) -> AIMessage:
        """Run an agent and return its answer. ``config["configurable"]`` may name thread and user."""
        config = ensure_config(config)
        history = waiting_history(config.get("configurable") or {})
        message = super().invoke(input, config, stop=stop, **_with_config(config, kwargs))
        adopt(history, message)
        return message

    async def ainvoke(
        self,
        input: LanguageModelInput,  # noqa: A002 - the framework's name
        config: RunnableConfig | None = None,
        *,
        stop: list[str] | None = None,
        **kwargs: Any,
    ) -> AIMessage:
        """Run an agent and return its answer. ``config["configurable"]`` may name thread and user."""
        config = ensure_config(config)
        history = waiting_history(config.get("configurable") or {})
        message = await super().ainvoke(input, config, stop=stop, **_with_config(config, kwargs))
        adopt(history, message)
        return message

    def stream(
        self,
        input: LanguageModelInput,  # noqa: A002 - the framework's name
        config: RunnableConfig | None = None,
        *,
        stop: list[str] | None = None,
        **kwargs: Any,
    ) -> Iterator[AIMessageChunk]:
        """Run an agent and yield its progress, then its answer."""
        config = ensure_config(config)
        history = waiting_history(config.get("configurable") or {})
        chunks = super().stream(input, config, stop=stop, **_with_config(config, kwargs))
        return chunks if history is None else _adopting(history, chunks)

    def astream(
        self,
        input: LanguageModelInput,  # noqa: A002 - the framework's name
        config: RunnableConfig | None = None,
        *,
        stop: list[str] | None = None,
        **kwargs: Any,
    ) -> AsyncIterator[AIMessageChunk]:
        """Run an agent and yield its progress, then its answer."""
        config = ensure_config(config)
        history = waiting_history(config.get("configurable") or {})
        chunks = super().astream(input, config, stop=stop, **_with_config(config, kwargs))
        return chunks if history is None else _aadopting(history, chunks)

    if not TYPE_CHECKING:  # type checkers read the overloads of the base class

        def stream_events(
            self,
            input: LanguageModelInput,  # noqa: A002 - the framework's name
            config: RunnableConfig | None = None,
            *,
            version: Literal["v1", "v2", "v3"] = "v2",
            **kwargs: Any,
        ) -> ChatModelStream:
            """Run an agent and return its content blocks as they come."""
            config = ensure_config(config)
            return super().stream_events(input, config, version=version, **_with_config(config, kwargs))

        def astream_events(
            self,
            input: LanguageModelInput,  # noqa: A002 - the framework's name
            config: RunnableConfig | None = None,
            *,
            version: Literal["v1", "v2", "v3"] = "v2",
            **kwargs: Any,
        ) -> AsyncIterator[StreamEvent] | Awaitable[AsyncChatModelStream]:
            """Run an agent and return its content blocks as they come, or, before v3, what callbacks hear."""
            config = ensure_config(config)
            return super().astream_events(input, config, version=version, **_with_config(config, kwargs))

    # Tools and structured output

    def bind_tools(
        self,
        tools: Sequence[ToolLike],
        *,
        tool_choice: str | bool | Mapping[str, Any] | None = None,
        parallel_tool_calls: bool | None = None,
        **kwargs: Any,
    ) -> Runnable[LanguageModelInput, AIMessage]:
        """Return the model with tools that the caller runs: an answer's ``tool_calls`` say which, with what arguments.

        The platform has no field for them. They go out in ``response_format``, as a choice between calls and an answer,
        besides a ``response_format`` of the caller. The agent's own tools stay as they are; what they did is in the
        progress of a run, not in ``tool_calls``.

        Args:
            tools: Functions, LangChain tools, pydantic classes, TypedDicts, or dicts in the form of OpenAI or
                Anthropic. With an empty list nothing about tools is sent.
            tool_choice: ``auto`` (default), ``any`` or ``required`` or True, ``none``, the name of a tool, or a dict in
                the form of OpenAI or Anthropic.
            parallel_tool_calls: False for one call at a time. Default: several may come at once.
            **kwargs: Keywords for each call, such as ``response_format``.

        Raises:
            ValidationError: Something is no tool, or the choice names none of them.
        """
        keywords = tool_keywords(tools, tool_choice=tool_choice, parallel_tool_calls=parallel_tool_calls, **kwargs)
        return ToolBinding(bound=self, kwargs=keywords, config={})

    def with_structured_output(
        self,
        schema: Schema,
        *,
        method: str = "json_schema",
        include_raw: bool = False,
        strict: bool | None = None,
        **kwargs: Any,
    ) -> Runnable[LanguageModelInput, Any]:
        """Return a chain that answers with objects.

        Args:
            schema: Pydantic class or dataclass (checked instances), TypedDict, JSON Schema or tool dict (plain dicts).
            method: ``json_schema``, ``function_calling`` or ``json_mode``; all are the platform's ``response_format``.
            include_raw: Whether to answer with ``{"raw": message, "parsed": object or None, "parsing_error": ...}``.
            strict: Accepted for uniformity.
            **kwargs: Keywords for each call, such as ``response_format_instructions``. With ``tools`` the agent may ask
                for these before it answers; the chain shows its calls if ``include_raw`` is True and raises otherwise.

        Raises:
            ValidationError: The schema or the method is not known.
            StructuredOutputError: From the chain: a run has no object that fits. Carries the run.
        """
        with model_errors():
            if kwargs.get("tools"):
                kwargs["tools"] = bound_tools(kwargs["tools"])
            chain = structured_chain(
                self.bind, schema, method=method, include_raw=include_raw, strict=strict, parameters=kwargs
            )
        return StructuredChain(bound=chain, kwargs={}, config={})


def _with_config(config: RunnableConfig, keywords: Mapping[str, Any]) -> dict[str, Any]:
    return {**from_config(config.get("configurable") or {}), **keywords}


def _adopting(history: AdoptingHistory, chunks: Iterator[AIMessageChunk]) -> Iterator[AIMessageChunk]:
    with closing(cast("Generator[AIMessageChunk]", chunks)) as news:
        for chunk in news:
            adopt(history, chunk)
            yield chunk


async def _aadopting(history: AdoptingHistory, chunks: AsyncIterator[AIMessageChunk]) -> AsyncIterator[AIMessageChunk]:
    async with aclosing(cast("AsyncGenerator[AIMessageChunk]", chunks)) as news:
        async for chunk in news:
            adopt(history, chunk)
            yield chunk
