"""The keyword arguments that several methods share, each described once.

:class:`RunParameters` says what to run, :class:`WatchParameters` how to watch it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, TypedDict
from uuid import UUID

from lumnisai_core._create import ResponseFormat
from lumnisai_core._waiting import ProgressCallback
from lumnisai_core.models import AgentConfig, FileAttachment, ModelOverrides, Scope


class RunParameters(TypedDict, total=False):
    """What to run; every part is optional.

    Attributes:
        user_id: UUID, e-mail address or other id of the user the run is for. Needed in user scope.
        scope: ``user`` or ``tenant`` instead of the client's scope.
        thread_id: Conversation to continue; without it the service starts a new one.
        response_format: Pydantic class or JSON Schema of the object wanted in ``structured_response``.
        response_format_instructions: Extra guidance for that object.
        model_overrides: Models for this run, each as ``provider:model_name``.
        agent_config: How the agent works.
        files: Files by URI or artifact id.
        options: Free-form options, echoed in the run.
        specialized_agent: Name of a specialized agent to route the run to.
        specialized_agent_params: Its parameters.
        idempotency_key: Key under which the service makes only one run, also over several calls. A fresh one is made
            if it is left out, so that retries never make a second run.
        extra_body: Further fields for the request body, sent as they are.
    """

    user_id: str | UUID | None
    scope: Scope | str | None
    thread_id: str | UUID | None
    response_format: ResponseFormat | None
    response_format_instructions: str | None
    model_overrides: ModelOverrides | Mapping[str, str] | None
    agent_config: AgentConfig | Mapping[str, Any] | None
    files: Sequence[FileAttachment | Mapping[str, Any]] | None
    options: Mapping[str, Any] | None
    specialized_agent: str | None
    specialized_agent_params: Mapping[str, Any] | None
    idempotency_key: str | None
    extra_body: Mapping[str, Any] | None


class WatchParameters(TypedDict, total=False):
    """How to watch a run; every part is optional.

    Attributes:
        show_progress: Whether to print status changes, messages and tool calls. Default False: nothing is printed.
        on_progress: Called with each :class:`RunUpdate`; a coroutine function is awaited by the asyncio client. What
            it raises is logged and does not end the run.
        run_timeout: Seconds after which :class:`RunTimeoutError` is raised; the run itself goes on. Default 600;
            None for no limit.
        progress_interval: Seconds a poll is held while somebody listens, so news is at most this old. Default 1.
        cancel_on_interrupt: Whether Ctrl-C, a cancelled task or leaving a stream early stops the run on the service.
            Default True.
    """

    show_progress: bool
    on_progress: ProgressCallback | None
    run_timeout: float | None
    progress_interval: float
    cancel_on_interrupt: bool


class InvokeParameters(RunParameters, WatchParameters, total=False):
    """What to run and how to watch it."""
