"""The agent behind tools and query engines: everything about its runs except the question."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from uuid import UUID

from llama_index.core.callbacks import CallbackManager
from pydantic import Field, SecretStr

from lumnisai_core import (
    AsyncRunStream,
    InvokeParameters,
    ResponseObject,
    RunParameters,
    RunStream,
    RunUpdate,
    WatchParameters,
)
from lumnisai_integrations.llama_index.calls import call_parameters
from lumnisai_integrations.llama_index.listeners import Listeners
from lumnisai_integrations.llama_index.settings import LumnisSettings

Messages = str | Sequence[Mapping[str, str]]


class AgentFields(RunParameters, WatchParameters, total=False):
    """Which agent answers, for whom, and how; every part is optional.

    They include all parameters of a run (:class:`lumnisai_core.RunParameters`, such as ``user_id``, ``thread_id``,
    ``agent_config`` and ``response_format``) and of watching it (:class:`lumnisai_core.WatchParameters`, such as
    ``run_timeout``).

    Attributes:
        api_key: API key. Default: environment variable ``LUMNISAI_API_KEY``.
        base_url: Address of the service. Default: ``LUMNISAI_BASE_URL``, then that of the platform.
        tenant_id: Tenant of a cross-tenant key. Default: ``LUMNISAI_TENANT_ID``, then the key's own tenant.
        timeout: Seconds to wait for a connection, for sending, and for an answer. Default 30.
        max_retries: Tries after the first one, of requests that can be repeated safely. Default 3.
        model: Model of the agent as ``provider:model_name``; the same as ``model_overrides={"smart_model": ...}``.
    """

    api_key: str | SecretStr | None
    base_url: str | None
    tenant_id: str | UUID | None
    timeout: float | None
    max_retries: int | None
    model: str | None


class Agent(LumnisSettings):
    """An agent with everything about its runs except the question. :class:`AgentFields` describes the fields."""

    run_timeout: float | None = Field(default=600.0, gt=0)
    progress_interval: float = Field(default=1.0, gt=0)
    on_progress: Callable[[RunUpdate], object] | None = Field(default=None, exclude=True, repr=False)

    def ask(self, messages: Messages, callbacks: CallbackManager) -> ResponseObject:
        """Run the agent, pass its progress to all listeners, and return the finished run.

        Raises:
            ValidationError: A parameter of the run is not valid; nothing was sent.
            RunError: The run failed, was cancelled or took longer than ``run_timeout``.
            LumnisAIError: The service cannot be reached or refuses.
        """
        listeners = Listeners.here(callbacks)
        if not listeners:
            return self.client().invoke(messages, **self._parameters())
        with self.start(messages) as run:
            for update in run:
                listeners.notify(update)
        return run.result()

    async def aask(self, messages: Messages, callbacks: CallbackManager) -> ResponseObject:
        """Do the same as :meth:`ask` without blocking the event loop."""
        listeners = Listeners.here(callbacks)
        if not listeners:
            return await self.aclient().invoke(messages, **self._parameters())
        async with self.astart(messages) as run:
            async for update in run:
                listeners.notify(update)
        return await run.result()

    def start(self, messages: Messages) -> RunStream:
        """Return the stream of a run, which begins when the stream is first read.

        Raises:
            ValidationError: A parameter of the run is not valid.
        """
        return self.client().invoke(messages, stream=True, **self._parameters())

    def astart(self, messages: Messages) -> AsyncRunStream:
        """Do the same as :meth:`start` for asyncio."""
        return self.aclient().invoke(messages, stream=True, **self._parameters())

    def _parameters(self) -> InvokeParameters:
        return call_parameters(self.__dict__, {"on_progress": self.on_progress})
