"""The chat model whose calls go through the privacy gateway."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Self, TypeAlias

from langchain_core.callbacks import AsyncCallbackManagerForLLMRun, CallbackManagerForLLMRun
from langchain_core.language_models import BaseChatModel, LangSmithParams, LanguageModelInput
from langchain_core.messages import (
    AIMessage,
    AIMessageChunk,
    BaseMessage,
    ChatMessage,
    FunctionMessage,
    SystemMessage,
    ToolMessage,
)
from langchain_core.messages.utils import count_tokens_approximately
from langchain_core.outputs import ChatGeneration, ChatGenerationChunk, ChatResult
from langchain_core.runnables import ConfigurableFieldSpec, RunnableConfig
from langchain_core.runnables.config import ensure_config

from lumnisai_core.exceptions import ValidationError
from lumnisai_core.liminal import ModelInstance
from lumnisai_core.tools import cut_at, left_out, spoken, tool_calls_text, tool_result_text
from lumnisai_integrations._shared.privacy.gateway import Gateway
from lumnisai_integrations._shared.privacy.prompts import (
    PROVIDER,
    THREAD_KEY,
    THREAD_NAME,
    Prompt,
    Spoken,
    StopMarks,
    facts_of,
    facts_of_stream,
    instance_of,
    prompt_of,
    thread_of,
)
from lumnisai_integrations.langchain.errors import model_errors

if TYPE_CHECKING:
    from langchain_core.language_models.chat_model_stream import AsyncChatModelStream, ChatModelStream
    from langchain_core.runnables.schema import StreamEvent

_Stop: TypeAlias = list[str] | None
_Manager: TypeAlias = CallbackManagerForLLMRun | None
_AsyncManager: TypeAlias = AsyncCallbackManagerForLLMRun | None

_TEXTS = frozenset({"text", "text-plain"})
#: Blocks that are sent in another way, or that no model has to read again.
_UNSENT = frozenset({"reasoning", "tool_call", "tool_call_chunk", "invalid_tool_call", "server_tool_call"})


class ChatLiminal(Gateway, BaseChatModel):
    """A chat model behind the Liminal privacy gateway: the model reads placeholders, the caller the true values.

    Each call submits one prompt to a model instance. The answer is an ``AIMessage`` whose ``response_metadata`` has the
    thread, the chat, the model, and how many values of each type were replaced, never the values.

    ``model_instance``, ``thread_id`` and ``history`` are also keywords of calls (``model.invoke(..., thread_id=904)``,
    ``model.bind(...)``); the thread can also be set as ``liminal_thread_id`` in ``config["configurable"]``. The call
    wins over the config, the config over the field. The gateway keeps the turns of a thread, so what an answer of the
    thread already stands for is not sent again.

    Callbacks, caches and traces see what the caller sees: the true values. Put a model behind ``LiminalGuard`` to keep
    them out. The gateway has no tool calling and no parameters of models.

    Nothing is sent and no connection is opened before the first call. A model may be shared by threads and event loops,
    copied and pickled; a pickle holds no token, it takes that of the environment.

    Attributes:
        base_url: Address of the tenant. Default: environment variable ``LIMINAL_API_SERVER_URL``.
        token: Environment token, also as ``api_key``. Default: ``LIMINAL_TOKEN``, or another way to log in of
            ``Client``.
        model_instance: Name or id of the model instance, also as ``model``. Default: the only one there is.
        thread_id: Conversation to continue. Answers in a thread are never taken from a cache.
        history: Who remembers the conversation. With ``client`` (default) a call sends all messages on a new thread.
            With ``server`` a call continues the thread of the last answer among its messages, and sends newer messages
            only.
        streaming: Whether ``invoke`` reads the answer as a stream, too. Default False.
        stop: Texts before which the answer is cut off, on the client's side.
        timeout: Seconds for connecting, sending, and an answer or the next piece of a stream.
        max_retries: Retries of requests that can be repeated; prompts are never submitted twice.
        client: Client for blocking calls, such as one with a session or an identity provider; it is not closed.
        async_client: Client for asyncio calls.

    Raises:
        ConfigurationError: There is no address or no way to log in, or a value is invalid.
    """

    streaming: bool = False

    if not TYPE_CHECKING:  # type checkers read the fields instead

        def __init__(self, **fields: Any) -> None:
            fields = self._renamed(fields)
            known = {name: value for name, value in fields.items() if name in type(self).model_fields}
            super().__init__(**known)
            with model_errors():
                self._check()
            self._warn_of_ignored({name: value for name, value in fields.items() if name not in known})

    # Answers

    def _generate(
        self,
        messages: list[BaseMessage],
        stop: _Stop = None,
        run_manager: _Manager = None,  # noqa: ARG002 - the framework's signature
        **kwargs: Any,
    ) -> ChatResult:
        with model_errors():
            prompt = self._prompt(messages, stop, kwargs)
            instance = self._instance(prompt.model_instance)
            answer = self._blocking().prompt.submit(instance.id, prompt.text, thread_id=prompt.thread_id)
            return self._result(prompt, instance, answer.answer, facts_of(answer))

    async def _agenerate(
        self,
        messages: list[BaseMessage],
        stop: _Stop = None,
        run_manager: _AsyncManager = None,  # noqa: ARG002 - the framework's signature
        **kwargs: Any,
    ) -> ChatResult:
        with model_errors():
            prompt = self._prompt(messages, stop, kwargs)
            instance = await self._ainstance(prompt.model_instance)
            answer = await self._asyncio().prompt.submit(instance.id, prompt.text, thread_id=prompt.thread_id)
            return self._result(prompt, instance, answer.answer, facts_of(answer))

    def _stream(
        self,
        messages: list[BaseMessage],
        stop: _Stop = None,
        run_manager: _Manager = None,  # noqa: ARG002 - the framework's signature
        **kwargs: Any,
    ) -> Iterator[ChatGenerationChunk]:
        with model_errors():
            prompt, client = self._prompt(messages, stop, kwargs), self._blocking()
            instance = self._instance(prompt.model_instance)
            found = client.prompt.analyze(instance.id, prompt.text)
            thread_id = prompt.thread_id or client.thread.create(instance.id, THREAD_NAME).id
            marks = StopMarks(prompt.stops)
            with client.prompt.stream(instance.id, prompt.text, thread_id=thread_id, findings=found) as pieces:
                for piece in pieces:
                    if text := "" if marks.is_reached else marks.piece(piece.content):
                        yield _chunk(text)
            yield self._last(prompt, instance, marks, facts_of_stream(instance, thread_id, found))

    async def _astream(
        self,
        messages: list[BaseMessage],
        stop: _Stop = None,
        run_manager: _AsyncManager = None,  # noqa: ARG002 - the framework's signature
        **kwargs: Any,
    ) -> AsyncIterator[ChatGenerationChunk]:
        with model_errors():
            prompt, client = self._prompt(messages, stop, kwargs), self._asyncio()
            instance = await self._ainstance(prompt.model_instance)
            found = await client.prompt.analyze(instance.id, prompt.text)
            thread_id = prompt.thread_id or (await client.thread.create(instance.id, THREAD_NAME)).id
            marks = StopMarks(prompt.stops)
            async with client.prompt.stream(instance.id, prompt.text, thread_id=thread_id, findings=found) as pieces:
                async for piece in pieces:
                    if text := "" if marks.is_reached else marks.piece(piece.content):
                        yield _chunk(text)
            yield self._last(prompt, instance, marks, facts_of_stream(instance, thread_id, found))

    def _prompt(self, messages: Sequence[BaseMessage], stop: _Stop, keywords: Mapping[str, Any]) -> Prompt:
        self._warn_of_ignored(keywords)
        known = {**keywords, **({"stop": stop} if stop else {})}
        return prompt_of(spoken_messages(messages), self.__dict__, known, self._instructions)

    def _result(self, prompt: Prompt, instance: ModelInstance, text: str, facts: Mapping[str, Any]) -> ChatResult:
        message = AIMessage(cut_at(text, prompt.stops), response_metadata=self._metadata(prompt, instance, facts))
        return ChatResult(generations=[ChatGeneration(message=message)])

    def _last(
        self, prompt: Prompt, instance: ModelInstance, marks: StopMarks, facts: Mapping[str, Any]
    ) -> ChatGenerationChunk:
        return _chunk(marks.rest(), response_metadata=self._metadata(prompt, instance, facts), chunk_position="last")

    def _metadata(self, prompt: Prompt, instance: ModelInstance, facts: Mapping[str, Any]) -> dict[str, Any]:
        self._note(facts["thread_id"], prompt.instructions)
        about = {"model_provider": PROVIDER, "model_instance": instance.name, "finish_reason": "stop"}
        return {**about, **facts}

    # The thread of the config. It is read here, not while running, so that caches and traces see it, too.

    def invoke(self, input: LanguageModelInput, config: RunnableConfig | None = None, **kwargs: Any) -> AIMessage:
        """Submit a prompt and return the answer. ``config["configurable"]`` may name the thread."""
        return super().invoke(input, config, **_with_thread(config, kwargs))

    async def ainvoke(
        self, input: LanguageModelInput, config: RunnableConfig | None = None, **kwargs: Any
    ) -> AIMessage:
        """Submit a prompt and return the answer. ``config["configurable"]`` may name the thread."""
        return await super().ainvoke(input, config, **_with_thread(config, kwargs))

    def stream(
        self, input: LanguageModelInput, config: RunnableConfig | None = None, **kwargs: Any
    ) -> Iterator[AIMessageChunk]:
        """Submit a prompt and yield the answer in pieces."""
        return super().stream(input, config, **_with_thread(config, kwargs))

    def astream(
        self, input: LanguageModelInput, config: RunnableConfig | None = None, **kwargs: Any
    ) -> AsyncIterator[AIMessageChunk]:
        """Submit a prompt and yield the answer in pieces."""
        return super().astream(input, config, **_with_thread(config, kwargs))

    if not TYPE_CHECKING:  # type checkers read the overloads of the base class

        def stream_events(
            self, input: LanguageModelInput, config: RunnableConfig | None = None, **kwargs: Any
        ) -> ChatModelStream:
            """Submit a prompt and return the content blocks of the answer as they arrive."""
            return super().stream_events(input, config, **_with_thread(config, kwargs))

        def astream_events(
            self, input: LanguageModelInput, config: RunnableConfig | None = None, **kwargs: Any
        ) -> AsyncIterator[StreamEvent] | Awaitable[AsyncChatModelStream]:
            """Submit a prompt and return its content blocks as they arrive; before v3, the events of callbacks."""
            return super().astream_events(input, config, **_with_thread(config, kwargs))

    @property
    def config_specs(self) -> list[ConfigurableFieldSpec]:
        """Key of ``config["configurable"]`` that is read: the thread."""
        about = "Thread of Liminal to continue."
        return [ConfigurableFieldSpec(id=THREAD_KEY, annotation=int | None, name="Thread", description=about)]

    # Caching

    def _generate_with_cache(
        self, messages: list[BaseMessage], stop: _Stop = None, run_manager: _Manager = None, **kwargs: Any
    ) -> ChatResult:
        model = self._for_caching(kwargs)
        return super(ChatLiminal, model)._generate_with_cache(messages, stop=stop, run_manager=run_manager, **kwargs)

    async def _agenerate_with_cache(
        self, messages: list[BaseMessage], stop: _Stop = None, run_manager: _AsyncManager = None, **kwargs: Any
    ) -> ChatResult:
        model = self._for_caching(kwargs)
        return await super(ChatLiminal, model)._agenerate_with_cache(
            messages, stop=stop, run_manager=run_manager, **kwargs
        )

    def _for_caching(self, keywords: Mapping[str, Any]) -> Self:
        thread_id, follows = thread_of(self.__dict__, keywords)
        return self.model_copy(update={"cache": False}) if thread_id is not None or follows else self

    # Descriptions for the framework

    @property
    def lc_secrets(self) -> dict[str, str]:
        """Environment variable from which a saved model that is loaded takes its token."""
        return {"token": "LIMINAL_TOKEN"}

    @property
    def _llm_type(self) -> str:
        return "liminal-chat"

    @property
    def _identifying_params(self) -> dict[str, Any]:
        names = ("base_url", "model_instance", "thread_id", "history", "stop")
        return {name: value for name in names if (value := getattr(self, name)) is not None}

    def _get_ls_params(
        self,
        stop: _Stop = None,  # noqa: ARG002 - the framework's signature
        **kwargs: Any,
    ) -> LangSmithParams:
        name = str(instance_of(self.__dict__, kwargs) or PROVIDER)
        return LangSmithParams(ls_provider=PROVIDER, ls_model_type="chat", ls_model_name=name)

    def get_num_tokens_from_messages(self, messages: Sequence[BaseMessage], tools: Sequence[Any] | None = None) -> int:
        """Estimate the number of tokens of messages, without a tokenizer.

        Args:
            messages: The messages.
            tools: Tools whose schemas count, too.
        """
        return count_tokens_approximately(messages, tools=list(tools) if tools else None)


def _with_thread(config: RunnableConfig | None, keywords: dict[str, Any]) -> dict[str, Any]:
    """Return the keywords of a call on top of the thread of its config."""
    thread_id = (ensure_config(config).get("configurable") or {}).get(THREAD_KEY)
    return keywords if thread_id is None else {"thread_id": thread_id, **keywords}


def _chunk(text: str, **known: Any) -> ChatGenerationChunk:
    return ChatGenerationChunk(message=AIMessageChunk(content=text, **known))


def spoken_messages(messages: Sequence[BaseMessage]) -> list[Spoken]:
    """Return messages as roles and texts, with the threads of answers.

    Tool calls and their results become text. Instead of what else cannot be sent, such as a picture in an older
    message, there is a line of text.

    Raises:
        ValidationError: The newest message, or an instruction, has something that is not text.
    """
    return [_spoken(at, message, is_last=at == len(messages) - 1) for at, message in enumerate(messages)]


def _spoken(at: int, message: BaseMessage, *, is_last: bool) -> Spoken:
    text = _text(at, message, is_fixed=is_last or isinstance(message, SystemMessage))
    match message:
        case SystemMessage():
            return Spoken("system", text)
        case AIMessage():
            calls = [{key: call[key] for key in ("id", "name", "args")} for call in message.tool_calls]
            known = message.response_metadata
            thread_id = known.get("thread_id") if known.get("model_provider") == PROVIDER else None
            written = tool_calls_text(text, calls) if calls else spoken(message.name, text)
            return Spoken("assistant", written, thread_id if isinstance(thread_id, int) else None)
        case ToolMessage():
            name, call_id, status = message.name, message.tool_call_id, message.status
            return Spoken("user", tool_result_text(text, name=name, call_id=call_id, status=status))
        case FunctionMessage():
            return Spoken("user", tool_result_text(text, name=message.name, call_id=None))
        case ChatMessage() if message.role.lower() in ("system", "developer"):
            return Spoken("system", text)
        case ChatMessage() if message.role.lower() in ("ai", "assistant"):
            return Spoken("assistant", text)
    return Spoken("user", spoken(message.name, text))


def _text(at: int, message: BaseMessage, *, is_fixed: bool) -> str:
    if isinstance(message.content, str):
        return message.content
    texts: list[str] = []
    for block in message.content_blocks:
        kind = str(block["type"])
        if kind in _TEXTS:
            texts.append(str(block.get("text") or ""))
        elif kind not in _UNSENT and is_fixed:
            raise ValidationError(f"messages[{at}] has a block of type {kind!r}: Liminal takes plain text only.")
        elif kind not in _UNSENT:
            texts.append(left_out(f"a block of type {kind!r}"))
    return ("" if isinstance(message, AIMessage) else "\n").join(texts)
