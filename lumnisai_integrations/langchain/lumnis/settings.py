"""Settings of components as pydantic fields: connection, then run parameters."""

from __future__ import annotations

from collections.abc import Set
from typing import TYPE_CHECKING, Annotated, Any, ClassVar

from langchain_core.load.serializable import Serializable
from langchain_core.runnables import ConfigurableFieldSpec
from langchain_core.utils import from_env, secret_from_env
from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, SecretStr

from lumnisai_core import AgentConfig, FileAttachment, KeyFunction, ModelOverrides
from lumnisai_core.tools import answer_schema
from lumnisai_integrations._shared.clients import Connection, Id
from lumnisai_integrations._shared.runs import (
    DEFAULT_MODEL_NAME,
    History,
    check_model,
    plain_agent_config,
    plain_files,
    plain_overrides,
)
from lumnisai_integrations.langchain.errors import model_errors
from lumnisai_integrations.langchain.lumnis.durable import Durable


class LumnisConnection(Connection):
    """Where the service is and for whom it works."""

    lumnis_api_key: SecretStr | None = Field(
        default_factory=secret_from_env("LUMNISAI_API_KEY", default=None), alias="api_key"
    )
    base_url: str | None = Field(default_factory=from_env("LUMNISAI_BASE_URL", default=None))
    tenant_id: Id | None = Field(default_factory=from_env("LUMNISAI_TENANT_ID", default=None))

    _key_field: ClassVar[str] = "lumnis_api_key"

    model_config: ClassVar[ConfigDict] = ConfigDict(populate_by_name=True, hide_input_in_errors=True, defer_build=True)

    if not TYPE_CHECKING:  # type checkers read the fields instead

        def __init__(self, **fields: Any) -> None:
            own, others = self._split_fields(fields)
            fields = own | {name: value for name, value in others.items() if value is not None}
            _refuse_unknown(type(self), fields.keys())
            super().__init__(**fields)
            with model_errors():  # here, because pydantic would wrap what a validator raises
                self._client_settings().check()
                self._check()

    def _check(self) -> None:
        """Refuse fields that pydantic cannot judge."""

    @classmethod
    def is_lc_serializable(cls) -> bool:
        """Whether LangChain may save this. The API key is saved as a reference to the environment."""
        return True

    @property
    def lc_secrets(self) -> dict[str, str]:
        """Environment variable from which a saved component that is loaded takes its API key."""
        return {"lumnis_api_key": "LUMNISAI_API_KEY"}


def _refuse_unknown(component: type[BaseModel], names: Set[str]) -> None:
    known = {name for field, info in component.model_fields.items() for name in (field, info.alias) if name}
    unknown = names - known
    if unknown:
        raise TypeError(f"{component.__name__} has no {', '.join(sorted(unknown))}; it has {', '.join(sorted(known))}.")


# Plain data, so that components can be compared, traced and saved.
_AgentConfig = Annotated[AgentConfig | dict[str, Any], AfterValidator(plain_agent_config)]
_ModelOverrides = Annotated[ModelOverrides | dict[str, str], AfterValidator(plain_overrides)]
_Files = Annotated[list[FileAttachment | dict[str, Any]], AfterValidator(plain_files)]
_ModelName = Annotated[str, BeforeValidator(lambda name: DEFAULT_MODEL_NAME if name is None else name)]
_ResponseFormat = Annotated[Any, AfterValidator(answer_schema)]


#: Keys of ``config["configurable"]`` that components read. Servers and histories drop keys that are not declared.
USER_SPEC = ConfigurableFieldSpec(
    id="lumnis_user_id", annotation=str | None, name="User", description="User of Lumnis the runs are for."
)
THREAD_SPEC = ConfigurableFieldSpec(
    id="lumnis_thread_id", annotation=str | None, name="Thread", description="Thread of Lumnis to continue."
)


class LumnisSettings(LumnisConnection, Serializable):
    """Configuration fields shared by ChatLumnis and LumnisRunnable: every parameter of a run that may stay the same."""

    model_name: _ModelName = Field(default=DEFAULT_MODEL_NAME, alias="model")
    thread_id: Id | None = None
    history: History = "client"
    model_overrides: _ModelOverrides | None = None
    agent_config: _AgentConfig | None = None
    response_format: _ResponseFormat | None = None
    response_format_instructions: str | None = None
    files: _Files | None = None
    options: dict[str, Any] | None = None
    specialized_agent: str | None = None
    specialized_agent_params: dict[str, Any] | None = None
    idempotency_key: str | KeyFunction | None = None
    durable: Durable = "auto"
    extra_body: dict[str, Any] | None = None
    run_timeout: float | None = 600.0
    progress_interval: float = 1.0
    cancel_on_interrupt: bool = True
    show_progress: bool = False

    model_config: ClassVar[ConfigDict] = ConfigDict(protected_namespaces=())

    def _check(self) -> None:
        check_model(None if self.model_name == DEFAULT_MODEL_NAME else self.model_name)

    @property
    def config_specs(self) -> list[ConfigurableFieldSpec]:
        """Keys of ``config["configurable"]`` that are read: user and thread."""
        return [USER_SPEC, THREAD_SPEC]
