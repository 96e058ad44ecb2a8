"""Settings of components as pydantic fields: connection, then run parameters; and clients that they share."""

from __future__ import annotations

import os
from typing import Annotated, Any, ClassVar, TypedDict
from uuid import UUID, uuid4

from pydantic import AfterValidator, ConfigDict, Field, PlainSerializer, SecretStr

from lumnisai_core import AgentConfig, AsyncClient, Client, FileAttachment, ModelOverrides
from lumnisai_integrations._shared.clients import Clients, ClientSettings, Connection, Id
from lumnisai_integrations._shared.runs import check_model
from lumnisai_integrations._shared.schemas import answer_schema


class ConnectionFields(TypedDict, total=False):
    """Where the service is; the same as the fields of ``LumnisLLM``."""

    api_key: str | SecretStr | None
    base_url: str | None
    tenant_id: str | UUID | None
    timeout: float | None
    max_retries: int | None


class LumnisConnection(Connection):
    """Where the service is and for whom it works."""

    model_config: ClassVar[ConfigDict] = ConfigDict(extra="forbid", hide_input_in_errors=True)

    api_key: SecretStr | None = Field(default=None, exclude=True, repr=False)

    def __init__(self, **fields: Any) -> None:
        super().__init__(**fields)
        check_model(getattr(self, "model", None))
        self._client_settings().check()

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
    idempotency_key: str | None = None
    extra_body: dict[str, Any] | None = None
    run_timeout: float | None = 600.0
    progress_interval: float = 1.0
    cancel_on_interrupt: bool = True
    show_progress: bool = False


_Known = tuple[ClientSettings, tuple[str | None, ...]]

_references: dict[_Known, str] = {}
_shared: dict[str, tuple[ClientSettings, Clients]] = {}


def share(settings: ClientSettings) -> tuple[str, Clients]:
    """Return the clients of these settings, and a reference to both."""
    # Settings that are None come from the environment; with other values there, the clients are others.
    environment = tuple(os.environ.get(f"LUMNISAI_{name}") for name in ("API_KEY", "BASE_URL", "TENANT_ID"))
    reference = _references.setdefault((settings, environment), uuid4().hex)
    _, clients = _shared.setdefault(reference, (settings, Clients()))
    return reference, clients


def key_of(reference: str | None, base_url: str | None) -> SecretStr | None:
    """Return the API key that belongs to a reference, for the same service only."""
    settings, _ = _shared.get(reference or "", (None, None))
    return settings.api_key if settings is not None and settings.base_url == base_url else None
