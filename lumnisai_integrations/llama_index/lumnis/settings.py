"""Settings of components as pydantic fields: connection, then run parameters; and clients that they share."""

from __future__ import annotations

from typing import Annotated, Any, ClassVar, TypedDict
from uuid import UUID

from pydantic import AfterValidator, ConfigDict, Field, PlainSerializer, SecretStr, field_serializer

from lumnisai_core import AgentConfig, AsyncClient, Client, FileAttachment, KeyFunction, ModelOverrides
from lumnisai_core.tools import answer_schema
from lumnisai_integrations._shared.clients import Connection, Id, share, shared
from lumnisai_integrations._shared.runs import check_model


class ConnectionFields(TypedDict, total=False):
    """Where the service is; the same as the fields of ``LumnisLLM``."""

    api_key: str | SecretStr | None
    base_url: str | None
    tenant_id: str | UUID | None
    timeout: float | None
    max_retries: int | None


class LumnisConnection(Connection):
    """Where the service is and for whom it works.

    Saved forms have a reference in ``connection`` instead of the API key: in the same process, what is restored has the
    key and the connections of the first one, in another process the key of the environment.
    """

    model_config: ClassVar[ConfigDict] = ConfigDict(extra="forbid", hide_input_in_errors=True, defer_build=True)

    api_key: SecretStr | None = Field(default=None, exclude=True, repr=False)

    connection: str | None = Field(default=None, repr=False)

    def __init__(self, **fields: Any) -> None:
        fields.pop("class_name", None)  # part of what pydantic dumps
        key, clients = shared(fields.get("connection"), fields.get("base_url"))
        if clients is not None and fields.get("api_key") is None:
            fields["api_key"] = key
        super().__init__(**fields)
        if clients is not None:
            self._clients = clients
        check_model(getattr(self, "model", None))
        self._client_settings().check()

    @field_serializer("connection")
    def _reference(self, _: str | None) -> str:
        return share(self._client_settings(), self._clients)

    def client(self) -> Client:
        """Return the blocking client of these settings."""
        return self._client()

    def aclient(self) -> AsyncClient:
        """Return the asyncio client of these settings, which serves any number of event loops."""
        return self._aclient()


def _checked(response_format: object) -> object:
    answer_schema(response_format)
    return response_format


# A class stays one, so that its instances can be made.
_ResponseFormat = Annotated[Any, AfterValidator(_checked), PlainSerializer(answer_schema)]


class LumnisSettings(LumnisConnection):
    """Configuration fields shared by LumnisLLM and Agent: every parameter of a run that may stay the same."""

    thread_id: Id | None = None
    model: str | None = None
    model_overrides: ModelOverrides | None = None
    agent_config: AgentConfig | None = None
    response_format: _ResponseFormat | None = None
    response_format_instructions: str | None = None
    files: list[FileAttachment] | None = None
    options: dict[str, Any] | None = None
    specialized_agent: str | None = None
    specialized_agent_params: dict[str, Any] | None = None
    idempotency_key: str | KeyFunction | None = None
    extra_body: dict[str, Any] | None = None
    run_timeout: float | None = 600.0
    progress_interval: float = 1.0
    cancel_on_interrupt: bool = True
    show_progress: bool = False
