"""The agent behind tools and query engines: everything about its runs except the question."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

from llama_index.core.callbacks import CallbackManager
from pydantic import Field

from lumnisai_core import (
    AsyncRunStream,
    InvokeParameters,
    ResponseObject,
    RunParameters,
    RunStream,
    RunUpdate,
    WatchParameters,
)
from lumnisai_integrations.llama_index.lumnis.calls import call_parameters
from lumnisai_integrations.llama_index.lumnis.listeners import Listeners
from lumnisai_integrations.llama_index.lumnis.settings import ConnectionFields, LumnisSettings

Messages = str | Sequence[Mapping[str, str]]


class AgentFields(ConnectionFields, RunParameters, WatchParameters, total=False):
    """Which agent answers, for whom, and how; every part is optional.

    They are the connection (``api_key``, ``base_url``, ``tenant_id``, ``timeout`` and ``max_retries`` as of
    ``LumnisLLM``), all parameters of a run (:class:`lumnisai_core.RunParameters`, such as ``user_id``, ``thread_id``,
    ``agent_config`` and ``response_format``), those of watching it (:class:`lumnisai_core.WatchParameters`, such as
    ``run_timeout``), and ``model``: the model of the agent as ``provider:model_name``, the same as
    ``model_overrides={"smart_model": ...}``.
    """

    model: str | None


class Agent(LumnisSettings):
    """An agent with everything about its runs except the question. :class:`AgentFields` describes the fields."""

    run_timeout: float | None = Field(default=600.0, gt=0)
    progress_interval: float = Field(default=1.0, gt=0)
    on_progress: Callable[[RunUpdate], object] | None = Field(default=None, exclude=True, repr=False)

    def ask(self, messages: Messages, callbacks: CallbackManager) -> ResponseObject:
        """Run the agent, pass its progress to all listeners, and return the finished run."""
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
        """Return the stream of a run, which begins when the stream is first read."""
        run: RunStream = self.client().invoke(messages, stream=True, **self._parameters())
        return run

    def astart(self, messages: Messages) -> AsyncRunStream:
        """Do the same as :meth:`start` for asyncio."""
        run: AsyncRunStream = self.aclient().invoke(messages, stream=True, **self._parameters())
        return run

    def _parameters(self) -> InvokeParameters:
        return call_parameters(self.__dict__, {"on_progress": self.on_progress})
