"""What agents run with: the fields of a runnable, without anything that runs."""

from __future__ import annotations

from typing import Annotated, Any, ClassVar
from uuid import UUID

from langchain_core.load.serializable import Serializable
from pydantic import AfterValidator, ConfigDict, Field

from lumnisai_core import AgentConfig, FileAttachment, ModelOverrides
from lumnisai_integrations.langchain.calls import History, plain_agent_config, plain_files, plain_overrides
from lumnisai_integrations.langchain.connection import LumnisConnection
from lumnisai_integrations.langchain.structured import json_schema_of

# Kept as plain data, so that runnables can be compared, traced and saved.
_AgentConfig = Annotated[AgentConfig | dict[str, Any], AfterValidator(plain_agent_config)]
_ModelOverrides = Annotated[ModelOverrides | dict[str, str], AfterValidator(plain_overrides)]
_Files = Annotated[list[FileAttachment | dict[str, Any]], AfterValidator(plain_files)]
_ResponseFormat = Annotated[type[Any] | dict[str, Any], AfterValidator(json_schema_of)]


class LumnisSettings(LumnisConnection, Serializable):
    """Whom to ask, for whom, and how: the part of :class:`LumnisRunnable` that runs nothing."""

    model_name: str | None = Field(default=None, alias="model")
    thread_id: str | UUID | None = None
    history: History = "client"
    model_overrides: _ModelOverrides | None = None
    agent_config: _AgentConfig | None = None
    response_format: _ResponseFormat | None = None
    response_format_instructions: str | None = None
    files: _Files | None = None
    options: dict[str, Any] | None = None
    run_timeout: float | None = 600.0
    progress_interval: float = 1.0
    cancel_on_interrupt: bool = True

    model_config: ClassVar[ConfigDict] = ConfigDict(
        populate_by_name=True, hide_input_in_errors=True, protected_namespaces=(), defer_build=True
    )
