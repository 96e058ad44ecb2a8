"""The LLM: Lumnis agents wherever LlamaIndex takes an LLM."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

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
    MessageRole,
)
from llama_index.core.llms.llm import ToolSelection
from llama_index.core.tools.types import BaseTool
from pydantic import Field

from lumnisai_core import AsyncClient, Client, ResponseObject, Scope
from lumnisai_integrations._shared.runs import stops_of
from lumnisai_integrations._shared.sending import Sent
from lumnisai_integrations.llama_index.lumnis.calls import RunCall, run_call
from lumnisai_integrations.llama_index.lumnis.convert import ChunkWriter, convert_out
from lumnisai_integrations.llama_index.lumnis.function_calling import plain_tool, selections_of
from lumnisai_integrations.llama_index.lumnis.listeners import Listeners
from lumnisai_integrations.llama_index.lumnis.settings import LumnisSettings
from lumnisai_integrations.llama_index.lumnis.structured import NativeStructuredLLM
from lumnisai_integrations.llama_index.reporting import (
    aclosing_all,
    areported,
    closing_all,
    reported,
    reports_chat,
    reports_completion,
)


class LumnisLLM(LumnisSettings, NativeStructuredLLM):
    """Runs Lumnis agents wherever LlamaIndex takes an LLM.

    Each call is one run of an agent. The fields below from ``scope`` on are also keywords of calls. Streams carry the
    agent's progress as ``thinking_delta`` and stop the run on the service when they are left early.

    Tools of LlamaIndex work: the agent requests tool calls, and the caller of the LLM runs them (``FunctionAgent``,
    ``predict_and_call``). Tools that the agent uses on the platform are progress. A conversation whose messages are
    tagged with a thread (``LumnisThreadMemory``) continues that thread, and only messages not stored there yet are
    sent. Parameters of other LLMs that have no effect, such as ``temperature``, are ignored with one warning.

    Args:
        api_key: API key. Default: environment variable ``LUMNISAI_API_KEY``. It is not part of ``repr``, ``to_dict``
            or a pickle; an LLM that is restored from one takes the key from the environment.
        base_url: Address of the service. Default: ``LUMNISAI_BASE_URL``, then https://api.lumnis.ai.
        tenant_id: Tenant of a cross-tenant key. Default: ``LUMNISAI_TENANT_ID``, then the key's own tenant.
        timeout: Seconds to wait for a connection, for sending, and for an answer. Default 30.
        max_retries: Tries after the first one, of requests that can be repeated safely. Default 3.
        scope: ``user`` (default) or ``tenant``: whose data runs work on.
        user_id: User the runs are for. Required in user scope.
        thread_id: Conversation that all runs continue. Default: each run starts a new one.
        model: Model of the agent as ``provider:model_name``; the same as ``model_overrides={"smart_model": ...}``.
        model_overrides, agent_config, response_format, response_format_instructions, files, options: Parameters of
            every run, as of :class:`lumnisai_core.RunParameters`. The object of a ``response_format`` is in ``raw``.
        specialized_agent, specialized_agent_params, idempotency_key, extra_body: Further parameters of every run.
        run_timeout, progress_interval, cancel_on_interrupt, show_progress: How runs are watched, as of
            :class:`lumnisai_core.WatchParameters`.
        context_window: Tokens that LlamaIndex may put into one prompt. Default 200000; with less, query engines split
            their material and start more runs.
        stream_chunk_size: Longest ``delta`` of a stream in characters. Default None: the answer is one delta.
        stop: Texts before which the answer is cut off, on the client's side; objects stay whole.

    Raises:
        ConfigurationError: No API key, or a value that is not valid.
    """

    scope: Scope = Scope.USER
    context_window: int = Field(default=200_000, gt=0)
    stream_chunk_size: int | None = Field(default=None, gt=0)
    stop: list[str] | None = None

    def __init__(self, **fields: Any) -> None:
        if stops := stops_of(fields, {}):
            fields = {**fields, "stop": stops, "stop_sequences": None}
        own, others = self._split_fields(fields)
        super().__init__(**own)
        self._warn_of_ignored(others)

    @classmethod
    def class_name(cls) -> str:
        """Return the name under which LlamaIndex serializes this class."""
        return "lumnis_llm"

    @property
    def metadata(self) -> LLMMetadata:
        """Capabilities of this LLM for LlamaIndex."""
        return LLMMetadata(
            context_window=self.context_window,
            num_output=-1,
            is_chat_model=True,
            is_function_calling_model=True,
            model_name=self.model or "lumnis",
        )

    # Tools

    def _prepare_chat_with_tools(
        self,
        tools: Sequence[BaseTool],
        user_msg: str | ChatMessage | None = None,
        chat_history: list[ChatMessage] | None = None,
        verbose: bool = False,  # noqa: ARG002 - the caller runs the tools and prints
        allow_parallel_tool_calls: bool = False,
        tool_required: bool = False,
        **kwargs: Any,
    ) -> dict[str, Any]:
        last = ChatMessage(role=MessageRole.USER, content=user_msg) if isinstance(user_msg, str) else user_msg
        choice = kwargs.get("tool_choice")
        return {
            **kwargs,
            "messages": [*(chat_history or ()), *([] if last is None else [last])],
            # Plain dicts, because keywords are part of events, which back ends write as JSON.
            "tools": [plain_tool(tool) for tool in tools],
            "tool_choice": ("required" if tool_required else "auto") if choice is None else choice,
            "parallel_tool_calls": allow_parallel_tool_calls,
        }

    def get_tool_calls_from_response(
        self,
        response: ChatResponse,
        error_on_no_tool_call: bool = True,
        **kwargs: Any,  # noqa: ARG002 - part of the framework's signature
    ) -> list[ToolSelection]:
        """Return the tool calls of an answer or of a chunk of a stream.

        Raises:
            StructuredOutputError: Without a call, or with one that cannot be run, if ``error_on_no_tool_call``.
        """
        return selections_of(response, strict=error_on_no_tool_call)

    # Blocking

    @reports_chat
    def chat(self, messages: Sequence[ChatMessage], **kwargs: Any) -> ChatResponse:
        """Run an agent on a conversation and wait for its answer.

        Args:
            messages: The conversation, oldest first.
            **kwargs: Parameters of this run.

        Raises:
            ValidationError: A message or a parameter is not valid; nothing was sent.
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

    def _chat(self, messages: Sequence[ChatMessage], **keywords: Any) -> ChatResponse:
        call, listeners = self._call(messages, keywords)
        client = self._client()
        response = call.turn.answered_by(lambda sent: _answer(client, sent, call, listeners), client, call.parameters)
        return convert_out(response, call.offer, call.stop)

    def _chunks(self, messages: Sequence[ChatMessage], keywords: dict[str, Any]) -> ChatResponseGen:
        return _read(self, self._client(), *self._call(messages, keywords))

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

    async def _achat(self, messages: Sequence[ChatMessage], **keywords: Any) -> ChatResponse:
        call, listeners = self._call(messages, keywords)
        client = self._aclient()
        response = await call.turn.aanswered_by(
            lambda sent: _aanswer(client, sent, call, listeners), client, call.parameters
        )
        return convert_out(response, call.offer, call.stop)

    def _achunks(self, messages: Sequence[ChatMessage], keywords: dict[str, Any]) -> ChatResponseAsyncGen:
        return _aread(self, self._aclient(), *self._call(messages, keywords))

    def _call(self, messages: Sequence[ChatMessage], keywords: dict[str, Any]) -> tuple[RunCall, Listeners]:
        self._warn_of_ignored(keywords)
        return run_call(self.__dict__, messages, keywords), Listeners.here(self.callback_manager)


# Functions, because tracers record each method of an LLM as a call of it.


def _answer(client: Client, sent: Sent, call: RunCall, listeners: Listeners) -> ResponseObject:
    if not listeners:
        return client.invoke(sent.messages, **call.parameters_for(sent))
    with client.invoke(sent.messages, stream=True, **call.parameters_for(sent)) as run:
        for update in run:
            listeners.notify(update)
    response: ResponseObject = run.result()
    return response


async def _aanswer(client: AsyncClient, sent: Sent, call: RunCall, listeners: Listeners) -> ResponseObject:
    if not listeners:
        return await client.invoke(sent.messages, **call.parameters_for(sent))
    async with client.invoke(sent.messages, stream=True, **call.parameters_for(sent)) as run:
        async for update in run:
            listeners.notify(update)
    response: ResponseObject = await run.result()
    return response


def _read(llm: LumnisLLM, client: Client, call: RunCall, listeners: Listeners) -> ChatResponseGen:
    writer = ChunkWriter(call.chunk_size, call.offer, call.stop)
    with (
        listeners.reading(llm) as inner,
        call.turn.updates_by(
            lambda sent: client.invoke(sent.messages, stream=True, **call.parameters_for(sent)),
            client,
            call.parameters,
        ) as updates,
    ):
        for update in updates:
            inner.notify(update)
            yield from writer.chunks(update)


async def _aread(llm: LumnisLLM, client: AsyncClient, call: RunCall, listeners: Listeners) -> ChatResponseAsyncGen:
    writer = ChunkWriter(call.chunk_size, call.offer, call.stop)
    with listeners.reading(llm) as inner:
        async with call.turn.aupdates_by(
            lambda sent: client.invoke(sent.messages, stream=True, **call.parameters_for(sent)),
            client,
            call.parameters,
        ) as updates:
            async for update in updates:
                inner.notify(update)
                for chunk in writer.chunks(update):
                    yield chunk


def register() -> None:
    """Let ``load_llm`` of LlamaIndex restore a :class:`LumnisLLM` from its ``to_dict``. May be called repeatedly."""
    # Imported here, because it loads the LLMs of every provider that is installed.
    from llama_index.core.llms.loading import RECOGNIZED_LLMS  # noqa: PLC0415

    RECOGNIZED_LLMS[LumnisLLM.class_name()] = LumnisLLM
