"""An agent of the platform, as the tools and query engines of LlamaIndex ask it."""

from __future__ import annotations

from collections.abc import Generator, Mapping, Sequence
from typing import Any, TypedDict
from uuid import UUID

from llama_index.core.callbacks import CallbackManager
from pydantic import BaseModel, Field, SecretStr

from lumnisai_core import (
    AgentConfig,
    AsyncRunStream,
    FileAttachment,
    InvokeParameters,
    ModelOverrides,
    ResponseObject,
    RunStream,
    Scope,
)
from lumnisai_integrations.llama_index.calls import RUN_FIELDS, run_parameters
from lumnisai_integrations.llama_index.listeners import Listeners
from lumnisai_integrations.llama_index.settings import Id, LumnisConnection

Messages = str | Sequence[Mapping[str, Any]]

_RUN_FIELDS = (
    *RUN_FIELDS,
    "response_format",
    "response_format_instructions",
    "specialized_agent",
    "specialized_agent_params",
)


class AgentFields(TypedDict, total=False):
    """What agent is asked, for whom, and how; every part is optional.

    Attributes:
        api_key: API key. Default: environment variable ``LUMNISAI_API_KEY``.
        base_url: Address of the service. Default: ``LUMNISAI_BASE_URL``, then that of the platform.
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
        response_format: Pydantic class or JSON Schema of the object that is wanted instead of a text.
        response_format_instructions: Extra guidance for that object.
        specialized_agent: Name of a specialized agent to route runs to.
        specialized_agent_params: Its parameters.
        run_timeout: Seconds after which a run is given up; it goes on at the service. Default 600; None for no limit.
        progress_interval: Seconds between looks at a run whose progress somebody reads. Default 1.
        cancel_on_interrupt: Whether leaving a run early stops it on the service. Default True.
    """

    api_key: str | SecretStr | None
    base_url: str | None
    tenant_id: str | UUID | None
    timeout: float | None
    max_retries: int | None
    scope: Scope | str | None
    user_id: str | UUID | None
    thread_id: str | UUID | None
    model: str | None
    model_overrides: ModelOverrides | Mapping[str, str] | None
    agent_config: AgentConfig | Mapping[str, Any] | None
    files: Sequence[FileAttachment | Mapping[str, Any]] | None
    options: Mapping[str, Any] | None
    response_format: type[BaseModel] | Mapping[str, Any] | None
    response_format_instructions: str | None
    specialized_agent: str | None
    specialized_agent_params: Mapping[str, Any] | None
    run_timeout: float | None
    progress_interval: float
    cancel_on_interrupt: bool


class Agent(LumnisConnection):
    """An agent with everything that is settled about its runs but the question. :class:`AgentFields` has the fields."""

    thread_id: Id | None = None
    model: str | None = None
    model_overrides: ModelOverrides | None = None
    agent_config: AgentConfig | None = None
    files: list[FileAttachment] | None = None
    options: dict[str, Any] | None = None
    response_format: type[BaseModel] | dict[str, Any] | None = None
    response_format_instructions: str | None = None
    specialized_agent: str | None = None
    specialized_agent_params: dict[str, Any] | None = None
    run_timeout: float | None = Field(default=600.0, gt=0)
    progress_interval: float = Field(default=1.0, gt=0)
    cancel_on_interrupt: bool = True

    def ask(self, messages: Messages, callbacks: CallbackManager) -> ResponseObject:
        """Run the agent, tell whoever listens of its progress, and return the finished run.

        Raises:
            ValidationError: Something about the run is not acceptable; nothing was sent.
            RunError: The run failed, was cancelled or took longer than ``run_timeout``.
            LumnisAIError: The service cannot be reached or refuses.
        """
        listeners = Listeners.here(callbacks)
        if not listeners:
            return self.client().invoke(messages, **self._parameters())
        with self.start(messages) as run:
            for update in run:
                listeners.tell(update)
        return run.result()

    async def aask(self, messages: Messages, callbacks: CallbackManager) -> ResponseObject:
        """Do the same as :meth:`ask` without blocking the event loop."""
        listeners = Listeners.here(callbacks)
        if not listeners:
            return await self.aclient().invoke(messages, **self._parameters())
        async with self.astart(messages) as run:
            async for update in run:
                listeners.tell(update)
        return await run.result()

    def start(self, messages: Messages) -> RunStream:
        """Return the stream of a run, which begins when the stream is first read.

        Raises:
            ValidationError: Something about the run is not acceptable.
        """
        return self.client().invoke(messages, stream=True, **self._parameters())

    def astart(self, messages: Messages) -> AsyncRunStream:
        """Do the same as :meth:`start` for asyncio."""
        return self.aclient().invoke(messages, stream=True, **self._parameters())

    def _parameters(self) -> InvokeParameters:
        return run_parameters({name: getattr(self, name) for name in _RUN_FIELDS}, {})


def pieces_of(text: str, size: int | None) -> Generator[str, None, None]:
    """Cut a text into pieces of at most so many characters; None leaves it whole."""
    step = size or len(text) or 1
    for begin in range(0, len(text), step):
        yield text[begin : begin + step]
