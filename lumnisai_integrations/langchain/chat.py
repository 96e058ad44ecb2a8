"""The chat model."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator, Mapping
from typing import Any

from langchain_core.callbacks import AsyncCallbackManagerForLLMRun, CallbackManagerForLLMRun
from langchain_core.language_models import LanguageModelInput
from langchain_core.messages import AIMessage, AIMessageChunk, BaseMessage
from langchain_core.outputs import ChatGeneration, ChatGenerationChunk, ChatResult
from langchain_core.runnables import Runnable, RunnableConfig
from langchain_core.runnables.config import ensure_config

from lumnisai_core import ResponseObject
from lumnisai_integrations.langchain.base import LumnisModel
from lumnisai_integrations.langchain.calls import RunCall, from_config, run_call
from lumnisai_integrations.langchain.convert import ChunkWriter, convert_out
from lumnisai_integrations.langchain.errors import model_errors
from lumnisai_integrations.langchain.progress import async_progress_callback, progress_callback
from lumnisai_integrations.langchain.structured import Schema, structured_chain


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
        model_overrides: Models for each use. Wins over ``model_name``, which stands for ``smart_model``.
        agent_config: How the agent works.
        response_format: Class or schema of the object to answer with; the content is then JSON.
        response_format_instructions: Extra guidance for that object.
        files: Files by URI or artifact id.
        options: Free-form options, echoed in the run.
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
            client = self._clients.blocking(self._client_settings())
            response = client.invoke(call.messages, on_progress=progress_callback(run_manager), **call.parameters)
        return _result(call, response)

    async def _agenerate(
        self,
        messages: list[BaseMessage],
        stop: list[str] | None = None,
        run_manager: AsyncCallbackManagerForLLMRun | None = None,
        **kwargs: Any,
    ) -> ChatResult:
        with model_errors():
            call = run_call(self.__dict__, messages, stop, kwargs)
            client = self._clients.asyncio(self._client_settings())
            listener = async_progress_callback(run_manager)
            response = await client.invoke(call.messages, on_progress=listener, **call.parameters)
        return _result(call, response)

    def _stream(
        self,
        messages: list[BaseMessage],
        stop: list[str] | None = None,
        run_manager: CallbackManagerForLLMRun | None = None,
        **kwargs: Any,
    ) -> Iterator[ChatGenerationChunk]:
        with model_errors():
            call = run_call(self.__dict__, messages, stop, kwargs)
            client = self._clients.blocking(self._client_settings())
            listener = progress_callback(run_manager)
            writer = ChunkWriter(**call.writing)
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
            client = self._clients.asyncio(self._client_settings())
            listener = async_progress_callback(run_manager)
            writer = ChunkWriter(**call.writing)
            async with client.invoke(call.messages, stream=True, on_progress=listener, **call.parameters) as updates:
                async for update in updates:
                    chunk = writer.accept(update)
                    if chunk is not None:
                        yield chunk

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
        return super().invoke(input, config, stop=stop, **_with_config(config, kwargs))

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
        return await super().ainvoke(input, config, stop=stop, **_with_config(config, kwargs))

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
        return super().stream(input, config, stop=stop, **_with_config(config, kwargs))

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
        return super().astream(input, config, stop=stop, **_with_config(config, kwargs))

    # Structured output

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
            **kwargs: Keywords for each call, such as ``response_format_instructions``.

        Raises:
            ValidationError: The schema or the method is not known.
            StructuredOutputError: From the chain: a run has no object that fits. Carries the run.
        """
        return structured_chain(
            self.bind, schema, method=method, include_raw=include_raw, strict=strict, parameters=kwargs
        )

    # Closing

    def close(self) -> None:
        """Close the connections of blocking calls. Good manners, not a duty; a later call opens new ones."""
        self._clients.close()

    async def aclose(self) -> None:
        """Close the connections of asyncio calls in the running event loop."""
        await self._clients.aclose()


def _with_config(config: RunnableConfig, keywords: Mapping[str, Any]) -> dict[str, Any]:
    return {**from_config(config.get("configurable") or {}), **keywords}


def _result(call: RunCall, response: ResponseObject) -> ChatResult:
    return ChatResult(generations=[ChatGeneration(message=convert_out(response, **call.writing))])
