"""Lumnis agents as an LLM of LlamaIndex."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, Any
from uuid import UUID

from llama_index.core.base.llms.generic_utils import (
    achat_to_completion_decorator,
    astream_chat_response_to_completion_response,
    chat_to_completion_decorator,
    prompt_to_messages,
    stream_chat_response_to_completion_response,
)
from llama_index.core.base.llms.types import (
    ChatMessage,
    ChatResponse,
    ChatResponseAsyncGen,
    ChatResponseGen,
    CompletionResponse,
    CompletionResponseAsyncGen,
    CompletionResponseGen,
    LLMMetadata,
)
from llama_index.core.instrumentation.span import active_span_id
from pydantic import BeforeValidator, ConfigDict, Field, PrivateAttr, SecretStr

from lumnisai_core import (
    AgentConfig,
    AsyncClient,
    AsyncRunStream,
    Client,
    FileAttachment,
    InvokeParameters,
    ModelOverrides,
    RunStream,
    Scope,
)
from lumnisai_integrations._shared.clients import Clients, ClientSettings
from lumnisai_integrations.llama_index.convert import ChatChunks, convert_in, convert_out
from lumnisai_integrations.llama_index.parameters import RUN_FIELDS, run_parameters
from lumnisai_integrations.llama_index.progress import announce, somebody_listens
from lumnisai_integrations.llama_index.reporting import (
    aclosing_all,
    areported,
    closing_all,
    reported,
    reports_chat,
    reports_completion,
)
from lumnisai_integrations.llama_index.structured import NativeStructuredLLM

Id = Annotated[str, BeforeValidator(lambda value: str(value) if isinstance(value, UUID) else value)]


class LumnisLLM(NativeStructuredLLM):
    """Runs Lumnis agents wherever LlamaIndex takes an LLM.

    Each call is one run of an agent. Whatever says what to run or how to watch it can also be a keyword of a call:
    the fields below from ``scope`` on, and every other parameter of :meth:`lumnisai_core.Client.invoke`, such as
    ``response_format`` or ``idempotency_key``. Streams carry the agent's progress as ``thinking_delta`` and stop the
    run on the service when they are left early.

    Args:
        api_key: API key. Default: environment variable ``LUMNISAI_API_KEY``. It is not part of ``repr``, ``to_dict``
            or a pickle; an LLM that is restored from one takes the key from the environment.
        base_url: Address of the service. Default: ``LUMNISAI_BASE_URL``, then https://api.lumnis.ai.
        tenant_id: Tenant of a cross-tenant key. Default: ``LUMNISAI_TENANT_ID``, then the key's own tenant.
        timeout: Seconds to wait for a connection, for sending, and for an answer. Default 30.
        max_retries: Tries after the first one, of requests that can be repeated safely. Default 3.
        scope: ``user`` (default) or ``tenant``: whose data runs work on.
        user_id: User the runs are for. Needed in user scope.
        thread_id: Conversation that all runs continue. Default: each run starts a new one.
        model: Model of the agent as ``provider:model_name``; the same as ``model_overrides={"smart_model": ...}``.
        model_overrides: Models by use. Default: the tenant's choice.
        agent_config: How the agent works. Default: the platform's choice.
        files: Files by URI or artifact id that every run gets.
        options: Free-form options, echoed in the run.
        run_timeout: Seconds after which a run is given up; it goes on at the service. Default 600; None for no limit.
        progress_interval: Seconds between looks at a run whose progress somebody reads. Default 1.
        cancel_on_interrupt: Whether leaving a run early stops it on the service. Default True.
        context_window: Tokens that LlamaIndex may put into one prompt. Default 200000; with less, query engines split
            their material and start more runs.
        stream_chunk_size: Longest ``delta`` of a stream in characters. Default None: the answer is one delta.

    Raises:
        ConfigurationError: No API key, or a value that cannot work.
    """

    model_config = ConfigDict(arbitrary_types_allowed=True, extra="forbid", hide_input_in_errors=True)

    api_key: SecretStr | None = Field(default=None, exclude=True, repr=False)
    base_url: str | None = None
    tenant_id: Id | None = None
    timeout: float | None = None
    max_retries: int | None = None
    scope: Scope = Scope.USER
    user_id: Id | None = None
    thread_id: Id | None = None
    model: str | None = None
    model_overrides: ModelOverrides | None = None
    agent_config: AgentConfig | None = None
    files: list[FileAttachment] | None = None
    options: dict[str, Any] | None = None
    run_timeout: float | None = 600.0
    progress_interval: float = 1.0
    cancel_on_interrupt: bool = True
    context_window: int = Field(default=200_000, gt=0)
    stream_chunk_size: int | None = Field(default=None, gt=0)

    _clients: Clients = PrivateAttr(default_factory=Clients)

    def __init__(self, **fields: Any) -> None:
        super().__init__(**fields)
        self._client()  # checks the settings; connections are opened by the first call

    def __getstate__(self) -> dict[str, Any]:
        state = super().__getstate__()
        return state | {"__dict__": state["__dict__"] | {"api_key": None}}

    @classmethod
    def class_name(cls) -> str:
        """Return the name under which LlamaIndex serializes this class."""
        return "lumnis_llm"

    @property
    def metadata(self) -> LLMMetadata:
        """What LlamaIndex may expect of this LLM."""
        return LLMMetadata(
            context_window=self.context_window,
            num_output=-1,
            is_chat_model=True,
            model_name=self.model or "lumnis",
        )

    # Blocking

    @reports_chat
    def chat(self, messages: Sequence[ChatMessage], **kwargs: Any) -> ChatResponse:
        """Run an agent on a conversation and wait for its answer.

        Args:
            messages: The conversation, oldest first.
            **kwargs: Parameters of this run.

        Raises:
            ValidationError: Something about the run is not acceptable; nothing was sent.
            RunError: The run failed, was cancelled or took longer than ``run_timeout``.
            LumnisAIError: The service cannot be reached or refuses.
        """
        return self._chat(messages, **kwargs)

    @reports_completion
    def complete(self, prompt: str, formatted: bool = False, **kwargs: Any) -> CompletionResponse:  # noqa: ARG002
        """Run an agent on one message of the user; otherwise the same as :meth:`chat`."""
        return chat_to_completion_decorator(self._chat)(prompt, **kwargs)

    def stream_chat(self, messages: Sequence[ChatMessage], **kwargs: Any) -> ChatResponseGen:
        """Run an agent and stream its progress and its answer.

        Returns:
            A generator that starts the run when it is first read. Closing it before its end stops the run.
        """
        chunks = self._chunks(messages, kwargs)
        return closing_all(reported(reports_chat, self, messages, chunks, kwargs), chunks)

    def stream_complete(self, prompt: str, formatted: bool = False, **kwargs: Any) -> CompletionResponseGen:  # noqa: ARG002
        """Stream a run on one message of the user; otherwise the same as :meth:`stream_chat`."""
        chunks = self._chunks(prompt_to_messages(prompt), kwargs)
        texts = stream_chat_response_to_completion_response(chunks)
        return closing_all(reported(reports_completion, self, prompt, texts, kwargs), texts, chunks)

    def _chat(self, messages: Sequence[ChatMessage], **given: Any) -> ChatResponse:
        if not somebody_listens():
            return convert_out(self._client().invoke(convert_in(messages), **self._parameters(given)))
        span_id = active_span_id.get()
        with self._start(messages, given) as run:
            for update in run:
                announce(update, span_id)
        return convert_out(run.result())

    def _chunks(self, messages: Sequence[ChatMessage], given: dict[str, Any]) -> ChatResponseGen:
        chunks = ChatChunks(given.get("stream_chunk_size", self.stream_chunk_size))
        return _read(self._start(messages, given), chunks, active_span_id.get())

    def _start(self, messages: Sequence[ChatMessage], given: dict[str, Any]) -> RunStream:
        return self._client().invoke(convert_in(messages), stream=True, **self._parameters(given))

    # Asyncio

    @reports_chat
    async def achat(self, messages: Sequence[ChatMessage], **kwargs: Any) -> ChatResponse:
        """Do the same as :meth:`chat` without blocking the event loop."""
        return await self._achat(messages, **kwargs)

    @reports_completion
    async def acomplete(self, prompt: str, formatted: bool = False, **kwargs: Any) -> CompletionResponse:  # noqa: ARG002
        """Do the same as :meth:`complete` without blocking the event loop."""
        return await achat_to_completion_decorator(self._achat)(prompt, **kwargs)

    async def astream_chat(self, messages: Sequence[ChatMessage], **kwargs: Any) -> ChatResponseAsyncGen:
        """Do the same as :meth:`stream_chat` without blocking the event loop."""
        chunks = self._achunks(messages, kwargs)
        return aclosing_all(await areported(reports_chat, self, messages, chunks, kwargs), chunks)

    async def astream_complete(self, prompt: str, formatted: bool = False, **kwargs: Any) -> CompletionResponseAsyncGen:  # noqa: ARG002
        """Do the same as :meth:`stream_complete` without blocking the event loop."""
        chunks = self._achunks(prompt_to_messages(prompt), kwargs)
        texts = astream_chat_response_to_completion_response(chunks)
        return aclosing_all(await areported(reports_completion, self, prompt, texts, kwargs), texts, chunks)

    async def _achat(self, messages: Sequence[ChatMessage], **given: Any) -> ChatResponse:
        if not somebody_listens():
            return convert_out(await self._aclient().invoke(convert_in(messages), **self._parameters(given)))
        span_id = active_span_id.get()
        async with self._astart(messages, given) as run:
            async for update in run:
                announce(update, span_id)
        return convert_out(await run.result())

    def _achunks(self, messages: Sequence[ChatMessage], given: dict[str, Any]) -> ChatResponseAsyncGen:
        chunks = ChatChunks(given.get("stream_chunk_size", self.stream_chunk_size))
        return _aread(self._astart(messages, given), chunks, active_span_id.get())

    def _astart(self, messages: Sequence[ChatMessage], given: dict[str, Any]) -> AsyncRunStream:
        return self._aclient().invoke(convert_in(messages), stream=True, **self._parameters(given))

    # Settings and connections

    def close(self) -> None:
        """Close the connections of blocking calls; a later call opens new ones."""
        self._clients.close()

    async def aclose(self) -> None:
        """Close the connections of the running event loop; a later call opens new ones."""
        await self._clients.aclose()

    def _client(self) -> Client:
        return self._clients.blocking(self._client_settings())

    def _aclient(self) -> AsyncClient:
        return self._clients.asyncio(self._client_settings())

    def _client_settings(self) -> ClientSettings:
        return ClientSettings(self.api_key, self.base_url, self.tenant_id, self.timeout, self.max_retries)

    def _parameters(self, given: dict[str, Any]) -> InvokeParameters:
        given = {name: value for name, value in given.items() if name != "stream_chunk_size"}
        return run_parameters({name: getattr(self, name) for name in RUN_FIELDS}, given)


def _read(run: RunStream, chunks: ChatChunks, span_id: str | None) -> ChatResponseGen:
    with run:
        for update in run:
            announce(update, span_id)
            yield from chunks.accept(update)


async def _aread(run: AsyncRunStream, chunks: ChatChunks, span_id: str | None) -> ChatResponseAsyncGen:
    async with run:
        async for update in run:
            announce(update, span_id)
            for chunk in chunks.accept(update):
                yield chunk
