"""The chat model, and its registration as a provider of ``init_chat_model``."""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable, Generator, Iterator, Mapping, Sequence
from contextlib import aclosing, closing
from importlib import import_module
from importlib.metadata import version
from typing import TYPE_CHECKING, Any, Self, TypeAlias, TypeVar, cast

from langchain_core.callbacks import AsyncCallbackManagerForLLMRun, CallbackManagerForLLMRun
from langchain_core.globals import get_llm_cache
from langchain_core.language_models import BaseChatModel, LangSmithParams, LanguageModelInput, ModelProfile
from langchain_core.messages import AIMessage, AIMessageChunk, BaseMessage
from langchain_core.messages.utils import count_tokens_approximately
from langchain_core.outputs import ChatGeneration, ChatGenerationChunk, ChatResult
from langchain_core.runnables import Runnable, RunnableConfig

from lumnisai_core import ResponseObject, RunUpdate
from lumnisai_integrations._shared.runs import DEFAULT_MODEL_NAME, stops_of
from lumnisai_integrations.langchain.errors import model_errors
from lumnisai_integrations.langchain.lumnis.binding import ModelBinding
from lumnisai_integrations.langchain.lumnis.calls import (
    RunCall,
    adopt,
    cache_facts,
    continues_a_thread,
    model_name_of,
    run_call,
    with_config,
)
from lumnisai_integrations.langchain.lumnis.convert import convert_out, growing_answer
from lumnisai_integrations.langchain.lumnis.function_calling import ToolLike
from lumnisai_integrations.langchain.lumnis.history import LumnisChatMessageHistory
from lumnisai_integrations.langchain.lumnis.listeners import async_progress_callback, progress_callback
from lumnisai_integrations.langchain.lumnis.settings import LumnisSettings
from lumnisai_integrations.langchain.lumnis.streaming import StreamWriter
from lumnisai_integrations.langchain.lumnis.structured import Schema

if TYPE_CHECKING:
    from langchain_core.language_models.chat_model_stream import AsyncChatModelStream, ChatModelStream
    from langchain_core.runnables.schema import StreamEvent
    from langchain_protocol.protocol import MessagesData

T = TypeVar("T")
_Stop: TypeAlias = list[str] | None
_Manager: TypeAlias = CallbackManagerForLLMRun | None
_AsyncManager: TypeAlias = AsyncCallbackManagerForLLMRun | None
_Items: TypeAlias = Callable[[StreamWriter, RunUpdate], Iterator[T]]

#: Capabilities that agents and middleware read. The platform reports no input limit of its models, so there is none.
_CAPABLE = ("text_inputs", "text_outputs", "reasoning_output", "tool_calling", "tool_choice", "structured_output")
_NO_INPUTS = ("image_inputs", "image_url_inputs", "pdf_inputs", "audio_inputs", "video_inputs")
_NO_OUTPUTS = ("image_tool_message", "pdf_tool_message", "image_outputs", "audio_outputs", "video_outputs")


class ChatLumnis(LumnisSettings, BaseChatModel):
    """A chat model whose answers come from agent runs on the Lumnis platform.

    Each call makes one run: it sends the messages and returns the answer as an ``AIMessage`` whose
    ``response_metadata`` names the run and its thread. The progress of the agent reaches callbacks as the custom event
    ``lumnis_progress``, and streams as chunks with ``additional_kwargs["reasoning_content"]``. Leaving a call early
    stops the run on the service.

    Every field from ``user_id`` on is also a keyword of calls (``model.invoke(..., thread_id=...)``,
    ``model.bind(...)``); ``thread_id`` and ``user_id`` can also be set as ``lumnis_thread_id`` and
    ``lumnis_user_id`` in ``config["configurable"]``. The call wins over the config, the config over the field.

    Nothing is sent and no connection is opened before the first call. A model may be shared by threads and event loops,
    copied and pickled. A pickle does not hold the API key: in the same process it is found again, in another one it
    comes from the environment.

    Attributes:
        lumnis_api_key: API key, also as ``api_key``. Default: environment variable ``LUMNISAI_API_KEY``.
        base_url: Address of the service. Default: ``LUMNISAI_BASE_URL``, then that of the platform.
        tenant_id: Tenant of a cross-tenant key. Default: ``LUMNISAI_TENANT_ID``, then the key's own.
        timeout: Seconds for connecting, sending and each answer. Default 30. Runs have a limit of their own:
            ``run_timeout``.
        max_retries: Tries after the first one. Default 3.
        streaming: Whether ``invoke`` reads the run as a stream, too. Default False.
        stream_progress: Whether ``stream`` yields chunks of progress before the answer. Default True; callbacks get
            the progress in any case.
        model_name: Model as ``provider:model``, also as ``model``. Default: the platform's choice.
        user_id: User the runs are for. Required in user scope.
        scope: ``user`` (default) or ``tenant``.
        thread_id: Conversation to continue. The service has its earlier turns: send only the new ones. Answers in a
            thread are never taken from a cache.
        history: Who remembers the conversation. With ``client`` (default) a call sends all messages on a new thread.
            With ``server`` a call continues the thread of the last Lumnis answer among its messages and sends only
            newer messages; trimming or editing older ones does not change the thread.
        model_overrides: Models for each use. Wins over ``model_name``, which stands for ``smart_model``.
        agent_config: How the agent works.
        response_format: Class or schema of the object to answer with; the content is then JSON.
        response_format_instructions: Extra guidance for that object.
        files: Files by URI or artifact id.
        options: Free-form options, echoed in the run.
        specialized_agent: Name of a specialized agent to route runs to.
        specialized_agent_params: Its parameters.
        idempotency_key: Key under which the service makes only one run; or a function that makes it for each call.
        durable: ``auto`` (default): graph nodes that are executed again find their runs. ``off``: they make new ones.
        extra_body: Further fields for the request body, sent as they are.
        stop: Texts before which the answer is cut off, on the client's side.
        run_timeout: Seconds to wait for a run. Default 600; None for no limit.
        progress_interval: Seconds that progress may be late. Default 1.
        cancel_on_interrupt: Whether leaving early stops the run on the service. Default True.
        show_progress: Whether to print the progress of runs. Default False.

    Raises:
        ConfigurationError: No API key, or a value that is not valid.
    """

    streaming: bool = False
    stream_progress: bool = True
    stop: list[str] | None = None

    if not TYPE_CHECKING:  # type checkers read the fields instead

        def __init__(self, **fields: Any) -> None:
            if stops := stops_of(fields, {}):
                fields = {**fields, "stop": stops, "stop_sequences": None}
            own, others = self._split_fields(fields)
            super().__init__(**own)
            self._warn_of_ignored(others)

    # Running

    def _generate(
        self, messages: list[BaseMessage], stop: _Stop = None, run_manager: _Manager = None, **kwargs: Any
    ) -> ChatResult:
        with model_errors():
            client, call = self._client(), self._call(messages, stop, kwargs)
            listener = progress_callback(run_manager, growing_answer(call.answer))
            response = call.turn.answered_by(
                lambda sent: client.invoke(sent.messages, on_progress=listener, **call.parameters_for(sent)),
                client,
                call.parameters,
            )
            return self._result(call, response)

    async def _agenerate(
        self, messages: list[BaseMessage], stop: _Stop = None, run_manager: _AsyncManager = None, **kwargs: Any
    ) -> ChatResult:
        with model_errors():
            client, call = self._aclient(), self._call(messages, stop, kwargs)
            listener = async_progress_callback(run_manager, growing_answer(call.answer))
            response = await call.turn.aanswered_by(
                lambda sent: client.invoke(sent.messages, on_progress=listener, **call.parameters_for(sent)),
                client,
                call.parameters,
            )
            return self._result(call, response)

    def _result(self, call: RunCall, response: ResponseObject) -> ChatResult:
        message = convert_out(response, **call.answer, as_blocks=self._writes_blocks)
        return ChatResult(generations=[ChatGeneration(message=message)])

    def _call(self, messages: list[BaseMessage], stop: _Stop, keywords: Mapping[str, Any]) -> RunCall:
        self._warn_of_ignored(keywords)
        return run_call(self.__dict__, messages, stop, keywords)

    @property
    def _writes_blocks(self) -> bool:
        return self.output_version == "v1"

    def _stream(
        self, messages: list[BaseMessage], stop: _Stop = None, run_manager: _Manager = None, **kwargs: Any
    ) -> Iterator[ChatGenerationChunk]:
        return self._written(StreamWriter.chunks, messages, stop, run_manager, kwargs)

    def _astream(
        self, messages: list[BaseMessage], stop: _Stop = None, run_manager: _AsyncManager = None, **kwargs: Any
    ) -> AsyncIterator[ChatGenerationChunk]:
        return self._awritten(StreamWriter.chunks, messages, stop, run_manager, kwargs)

    def _stream_chat_model_events(
        self, messages: list[BaseMessage], stop: _Stop = None, run_manager: _Manager = None, **kwargs: Any
    ) -> Iterator[MessagesData]:
        return self._written(StreamWriter.events, messages, stop, run_manager, kwargs)

    def _astream_chat_model_events(
        self, messages: list[BaseMessage], stop: _Stop = None, run_manager: _AsyncManager = None, **kwargs: Any
    ) -> AsyncIterator[MessagesData]:
        return self._awritten(StreamWriter.events, messages, stop, run_manager, kwargs)

    def _written(
        self, items: _Items[T], messages: list[BaseMessage], stop: _Stop, manager: _Manager, keywords: dict[str, Any]
    ) -> Generator[T, None, None]:
        with model_errors():
            call, listener = self._call(messages, stop, keywords), progress_callback(manager)
            writer = StreamWriter(as_blocks=self._writes_blocks, shows_progress=call.shows_progress, **call.answer)
            client = self._client()
            with call.turn.updates_by(
                lambda sent: client.invoke(
                    sent.messages, stream=True, on_progress=listener, **call.parameters_for(sent)
                ),
                client,
                call.parameters,
            ) as updates:
                for update in updates:
                    yield from items(writer, update)

    async def _awritten(
        self,
        items: _Items[T],
        messages: list[BaseMessage],
        stop: _Stop,
        manager: _AsyncManager,
        keywords: dict[str, Any],
    ) -> AsyncGenerator[T, None]:
        with model_errors():
            call, listener = self._call(messages, stop, keywords), async_progress_callback(manager)
            writer = StreamWriter(as_blocks=self._writes_blocks, shows_progress=call.shows_progress, **call.answer)
            client = self._aclient()
            async with call.turn.aupdates_by(
                lambda sent: client.invoke(
                    sent.messages, stream=True, on_progress=listener, **call.parameters_for(sent)
                ),
                client,
                call.parameters,
            ) as updates:
                async for update in updates:
                    for item in items(writer, update):
                        yield item

    # Thread and user of the config. They are read here, not while running, so that caches and traces see them, too.

    def invoke(self, input: LanguageModelInput, config: RunnableConfig | None = None, **kwargs: Any) -> AIMessage:
        """Run an agent and return its answer. ``config["configurable"]`` may name thread and user."""
        config, kwargs, history = with_config(config, kwargs)
        return adopt(history, super().invoke(input, config, **kwargs))

    async def ainvoke(
        self, input: LanguageModelInput, config: RunnableConfig | None = None, **kwargs: Any
    ) -> AIMessage:
        """Run an agent and return its answer. ``config["configurable"]`` may name thread and user."""
        config, kwargs, history = with_config(config, kwargs)
        return adopt(history, await super().ainvoke(input, config, **kwargs))

    def stream(
        self, input: LanguageModelInput, config: RunnableConfig | None = None, **kwargs: Any
    ) -> Iterator[AIMessageChunk]:
        """Run an agent and yield its progress, then its answer."""
        config, kwargs, history = with_config(config, kwargs)
        chunks = super().stream(input, config, **kwargs)
        return chunks if history is None else _adopting(history, chunks)

    def astream(
        self, input: LanguageModelInput, config: RunnableConfig | None = None, **kwargs: Any
    ) -> AsyncIterator[AIMessageChunk]:
        """Run an agent and yield its progress, then its answer."""
        config, kwargs, history = with_config(config, kwargs)
        chunks = super().astream(input, config, **kwargs)
        return chunks if history is None else _aadopting(history, chunks)

    if not TYPE_CHECKING:  # type checkers read the overloads of the base class

        def stream_events(
            self, input: LanguageModelInput, config: RunnableConfig | None = None, **kwargs: Any
        ) -> ChatModelStream:
            """Run an agent and return its content blocks as they arrive."""
            config, kwargs, _ = with_config(config, kwargs)
            return super().stream_events(input, config, **kwargs)

        def astream_events(
            self, input: LanguageModelInput, config: RunnableConfig | None = None, **kwargs: Any
        ) -> AsyncIterator[StreamEvent] | Awaitable[AsyncChatModelStream]:
            """Run an agent and return its content blocks as they arrive; before v3, the events of callbacks."""
            config, kwargs, _ = with_config(config, kwargs)
            return super().astream_events(input, config, **kwargs)

    # Tools and structured output

    def bind_tools(
        self,
        tools: Sequence[ToolLike],
        *,
        tool_choice: str | bool | Mapping[str, Any] | None = None,
        parallel_tool_calls: bool | None = None,
        **kwargs: Any,
    ) -> Runnable[LanguageModelInput, AIMessage]:
        """Return the model with tools that the caller runs: an answer requests them in ``tool_calls``.

        The platform has no field for them. They are sent in ``response_format``, as a choice between tool calls and an
        answer, which may have a ``response_format`` of the caller. The agent keeps its own tools; calls of these are
        in the progress of a run, not in ``tool_calls``.

        Args:
            tools: Functions, LangChain tools, pydantic classes, TypedDicts, or dicts in the form of OpenAI or
                Anthropic. With an empty list nothing about tools is sent.
            tool_choice: ``auto`` (default), ``any`` or ``required`` or True, ``none``, the name of a tool, or a dict in
                the form of OpenAI or Anthropic.
            parallel_tool_calls: False for one call at a time. Default: several may come at once.
            **kwargs: Keywords for each call, such as ``response_format``.

        Raises:
            ValidationError: Something cannot be used as a tool, or the choice names none of the tools.
        """
        choices = {"tool_choice": tool_choice, "parallel_tool_calls": parallel_tool_calls}
        return self.bind().bind_tools(tools, **choices, **kwargs)

    def with_structured_output(
        self,
        schema: Schema | None = None,
        *,
        method: str = "json_schema",
        include_raw: bool = False,
        strict: bool | None = None,
        **kwargs: Any,
    ) -> Runnable[LanguageModelInput, Any]:
        """Return a chain that answers with objects.

        Args:
            schema: Pydantic class, dataclass or type such as ``list[int]`` (checked instances), TypedDict, JSON Schema
                or tool dict (plain data). May be left out with ``json_mode``: any object.
            method: ``json_schema``, ``function_calling`` or ``json_mode``; all are the platform's ``response_format``.
            include_raw: Whether to answer with ``{"raw": message, "parsed": object or None, "parsing_error": ...}``.
            strict: Accepted for uniformity.
            **kwargs: Keywords for each call, such as ``response_format_instructions``. With ``tools`` the agent may
                request these before it answers; the chain returns the requests if ``include_raw`` is True and raises
                otherwise.

        Raises:
            ValidationError: The schema or the method is not known.
            StructuredOutputError: From the chain: a run has no object that fits. Carries the run.
        """
        options = {"method": method, "include_raw": include_raw, "strict": strict}
        return self.bind().with_structured_output(schema, **options, **kwargs)

    # Composition. All of these return bindings that keep what was bound before; those of the framework lose it.

    def bind(self, **kwargs: Any) -> ModelBinding:  # type: ignore[override] # a binding of its own
        """Return the model with keywords for each call."""
        return ModelBinding(bound=self, kwargs=kwargs, config={})

    def with_config(self, config: RunnableConfig | None = None, **kwargs: Any) -> ModelBinding:
        """Return the model with a config for each call."""
        return self.bind().with_config(config, **kwargs)

    def with_retry(self, **kwargs: Any) -> ModelBinding:
        """Return the model with further tries when a call fails."""
        return ModelBinding(bound=super().with_retry(**kwargs), kwargs={}, config={})

    def with_fallbacks(  # type: ignore[override] # a binding around it
        self, fallbacks: Sequence[Runnable[Any, Any]], **kwargs: Any
    ) -> ModelBinding:
        """Return the model with other models that take over when it fails, also while it streams.

        LangChain takes the first chunk of a stream for success. So chunks of progress are held back; callbacks still
        get the progress. ``bind(stream_progress=True)`` before this keeps the chunks.
        """
        return self.bind().with_fallbacks(fallbacks, **kwargs)

    def with_listeners(self, **kwargs: Any) -> Runnable[LanguageModelInput, AIMessage]:
        """Return the model with functions that are called when a call starts and ends."""
        return self.bind().with_listeners(**kwargs)

    def with_alisteners(self, **kwargs: Any) -> Runnable[LanguageModelInput, AIMessage]:
        """Return the model with coroutine functions that are called when a call starts and ends."""
        return self.bind().with_alisteners(**kwargs)

    def with_types(self, **kwargs: Any) -> Runnable[LanguageModelInput, AIMessage]:
        """Return the model with other types of input and output in schemas."""
        return self.bind().with_types(**kwargs)

    def configurable_fields(self, **kwargs: Any) -> ModelBinding:
        """Return the model with fields that a config may set."""
        return ModelBinding(bound=super().configurable_fields(**kwargs), kwargs={}, config={})

    def configurable_alternatives(self, which: Any, **kwargs: Any) -> ModelBinding:
        """Return the model with alternatives that a config may choose."""
        return ModelBinding(bound=super().configurable_alternatives(which, **kwargs), kwargs={}, config={})

    # Caching

    def _get_llm_string(self, stop: list[str] | None = None, **kwargs: Any) -> str:
        key = self.lumnis_api_key.get_secret_value() if self.lumnis_api_key else ""
        own = {"type": self._llm_type, "base_url": self.base_url, "tenant_id": self.tenant_id}
        with model_errors():
            facts = own | {"call": cache_facts(self.__dict__, stop, kwargs)}
        facts["key"] = hashlib.sha256(key.encode()).hexdigest()[:16]
        return json.dumps(facts, sort_keys=True, default=str)

    def _generate_with_cache(
        self, messages: list[BaseMessage], stop: _Stop = None, run_manager: _Manager = None, **kwargs: Any
    ) -> ChatResult:
        model = self._for_caching(messages, kwargs)
        return super(ChatLumnis, model)._generate_with_cache(messages, stop=stop, run_manager=run_manager, **kwargs)

    async def _agenerate_with_cache(
        self, messages: list[BaseMessage], stop: _Stop = None, run_manager: _AsyncManager = None, **kwargs: Any
    ) -> ChatResult:
        model = self._for_caching(messages, kwargs)
        return await super(ChatLumnis, model)._agenerate_with_cache(
            messages, stop=stop, run_manager=run_manager, **kwargs
        )

    def _for_caching(self, messages: Sequence[BaseMessage], keywords: Mapping[str, Any]) -> Self:
        if self.cache is False or (self.cache is None and get_llm_cache() is None):
            return self
        with model_errors():
            in_thread = continues_a_thread(self.__dict__, messages, keywords)
        return self.model_copy(update={"cache": False}) if in_thread else self

    # Descriptions for the framework

    def _resolve_model_profile(self) -> ModelProfile:
        return cast("ModelProfile", dict.fromkeys(_CAPABLE, True) | dict.fromkeys(_NO_INPUTS + _NO_OUTPUTS, False))

    @property
    def _llm_type(self) -> str:
        return "lumnis-chat"

    @property
    def _identifying_params(self) -> dict[str, Any]:
        names = ("base_url", "tenant_id", "scope", "user_id", "thread_id", "history", "model_overrides", "agent_config")
        known = {name: value for name in names if (value := getattr(self, name)) is not None}
        printed = {"show_progress": True} if self.show_progress else {}
        return {"model_name": self.model_name or DEFAULT_MODEL_NAME} | known | printed

    def _get_ls_params(self, stop: list[str] | None = None, **kwargs: Any) -> LangSmithParams:
        name = model_name_of(self.__dict__, kwargs) or DEFAULT_MODEL_NAME
        params = LangSmithParams(ls_provider="lumnis", ls_model_type="chat", ls_model_name=name)
        if stops := stops_of({"stop": stop, **kwargs}, self.__dict__):
            params["ls_stop"] = stops
        return params

    def get_num_tokens(self, text: str) -> int:
        """Estimate the number of tokens of a text, without a tokenizer unless ``custom_get_token_ids`` is one.

        Args:
            text: The text.
        """
        if self.custom_get_token_ids is not None:
            return super().get_num_tokens(text)
        return math.ceil(len(text) / 4)  # as count_tokens_approximately does

    def get_num_tokens_from_messages(self, messages: Sequence[BaseMessage], tools: Sequence[Any] | None = None) -> int:
        """Estimate the number of tokens of messages, without a tokenizer.

        Args:
            messages: The messages.
            tools: Tools whose schemas count, too.
        """
        return count_tokens_approximately(messages, tools=list(tools) if tools else None)


def _adopting(history: LumnisChatMessageHistory, chunks: Iterator[AIMessageChunk]) -> Iterator[AIMessageChunk]:
    with closing(cast("Generator[AIMessageChunk]", chunks)) as stream:
        for chunk in stream:
            yield adopt(history, chunk)


async def _aadopting(
    history: LumnisChatMessageHistory, chunks: AsyncIterator[AIMessageChunk]
) -> AsyncIterator[AIMessageChunk]:
    async with aclosing(cast("AsyncGenerator[AIMessageChunk]", chunks)) as stream:
        async for chunk in stream:
            yield adopt(history, chunk)


def register() -> None:
    """Make ``init_chat_model("lumnis:openai:gpt-4o", user_id=...)`` return a :class:`ChatLumnis`.

    The model comes after ``lumnis:``; an empty one (``"lumnis:"``) leaves the choice to the platform. It also works
    with ``model_provider="lumnis"``, with configurable models, and wherever LangChain takes the name of a model, such
    as ``create_agent``. Calling it again changes nothing.

    Raises:
        ImportError: The package ``langchain`` is not installed; ``langchain-core`` alone has no ``init_chat_model``.
        RuntimeError: This version of ``langchain`` keeps its providers differently, or has another ``lumnis``.
    """
    entry = ("lumnisai_integrations.langchain", "ChatLumnis", _make_model)
    registered = _providers().setdefault("lumnis", entry)
    if registered != entry:
        raise RuntimeError(f"langchain already has another provider 'lumnis': {registered!r}.")


def _make_model(cls: type[ChatLumnis], *, model: str | None = None, **fields: Any) -> ChatLumnis:
    return cls(model=model or None, **fields)


def _providers() -> dict[str, Any]:
    try:
        import_module("langchain")
    except ModuleNotFoundError as error:
        if error.name != "langchain":
            raise
        raise ImportError("register() needs langchain for init_chat_model: pip install langchain") from error
    known = getattr(getattr(import_module("langchain.chat_models"), "base", None), "_BUILTIN_PROVIDERS", None)
    providers: dict[str, Any] = known if isinstance(known, dict) else {"": None}
    # There is no public way to add a provider; other versions have another table, or none.
    if not all(isinstance(entry, tuple) and len(entry) == 3 and callable(entry[2]) for entry in providers.values()):
        raise RuntimeError(
            f"langchain {version('langchain')} keeps the providers of init_chat_model in a way that register() "
            "does not support: make the model with ChatLumnis(model=...) instead."
        )
    return providers
