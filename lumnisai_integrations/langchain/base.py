"""What a Lumnis chat model is made of, and how the framework sees it: fields, identity, cache keys, saving."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence, Set
from typing import TYPE_CHECKING, Annotated, Any, Self
from uuid import UUID

from langchain_core.callbacks import AsyncCallbackManagerForLLMRun, CallbackManagerForLLMRun
from langchain_core.language_models import BaseChatModel, LangSmithParams, ModelProfile
from langchain_core.messages import BaseMessage
from langchain_core.messages.utils import count_tokens_approximately
from langchain_core.outputs import ChatResult
from langchain_core.utils import from_env, secret_from_env
from pydantic import AfterValidator, ConfigDict, Field, PrivateAttr, SecretStr

from lumnisai_core import AgentConfig, FileAttachment, ModelOverrides, Scope
from lumnisai_integrations._shared.clients import Clients, ClientSettings
from lumnisai_integrations._shared.runs import SAMPLING_PARAMETERS
from lumnisai_integrations.langchain.calls import (
    History,
    cache_facts,
    continues_a_thread,
    model_name_of,
    plain_agent_config,
    plain_files,
    plain_overrides,
    warn_of_ignored,
)
from lumnisai_integrations.langchain.convert import DEFAULT_MODEL_NAME
from lumnisai_integrations.langchain.structured import json_schema_of

# Kept as plain data, so that models can be compared, traced and saved.
_AgentConfig = Annotated[AgentConfig | dict[str, Any], AfterValidator(plain_agent_config)]
_ModelOverrides = Annotated[ModelOverrides | dict[str, str], AfterValidator(plain_overrides)]
_Files = Annotated[list[FileAttachment | dict[str, Any]], AfterValidator(plain_files)]
_ResponseFormat = Annotated[type[Any] | dict[str, Any], AfterValidator(json_schema_of)]


#: What agents and middleware may expect. The platform does not say how much a model can read, so neither does this.
_PROFILE: ModelProfile = {
    "text_inputs": True,
    "text_outputs": True,
    "reasoning_output": True,
    "tool_calling": True,
    "tool_choice": True,
    "structured_output": True,
    "image_inputs": False,
    "image_url_inputs": False,
    "pdf_inputs": False,
    "audio_inputs": False,
    "video_inputs": False,
    "image_tool_message": False,
    "pdf_tool_message": False,
    "image_outputs": False,
    "audio_outputs": False,
    "video_outputs": False,
}


class LumnisModel(BaseChatModel):
    """The part of :class:`ChatLumnis` that runs nothing."""

    lumnis_api_key: SecretStr | None = Field(
        default_factory=secret_from_env("LUMNISAI_API_KEY", default=None), alias="api_key"
    )
    base_url: str | None = Field(default_factory=from_env("LUMNISAI_BASE_URL", default=None))
    tenant_id: str | None = Field(default_factory=from_env("LUMNISAI_TENANT_ID", default=None))
    timeout: float | None = None
    max_retries: int | None = None
    streaming: bool = False
    model_name: str | None = Field(default=None, alias="model")
    user_id: str | UUID | None = None
    scope: Scope | None = None
    thread_id: str | UUID | None = None
    history: History = "client"
    model_overrides: _ModelOverrides | None = None
    agent_config: _AgentConfig | None = None
    response_format: _ResponseFormat | None = None
    response_format_instructions: str | None = None
    files: _Files | None = None
    options: dict[str, Any] | None = None
    idempotency_key: str | None = None
    stop: list[str] | None = None
    run_timeout: float | None = 600.0
    progress_interval: float = 1.0
    cancel_on_interrupt: bool = True

    _clients: Clients = PrivateAttr(default_factory=Clients)

    model_config = ConfigDict(populate_by_name=True, hide_input_in_errors=True, protected_namespaces=())

    if not TYPE_CHECKING:  # type checkers read the fields instead

        def __init__(self, **fields: Any) -> None:
            ignored = fields.keys() & SAMPLING_PARAMETERS
            if any(fields[name] is not None for name in ignored):
                warn_of_ignored(ignored)
            _refuse_unknown(type(self), fields.keys() - ignored)
            super().__init__(**{name: value for name, value in fields.items() if name not in ignored})
            # Pydantic would wrap what a validator raises. A core client opens nothing: making one checks the settings.
            self._client_settings().make_client()

    def __getstate__(self) -> dict[Any, Any]:
        state = super().__getstate__()
        return state | {"__dict__": state["__dict__"] | {"lumnis_api_key": None}}

    def _client_settings(self) -> ClientSettings:
        return ClientSettings(
            api_key=self.lumnis_api_key,
            base_url=self.base_url,
            tenant_id=self.tenant_id,
            timeout=self.timeout,
            max_retries=self.max_retries,
        )

    # Caching

    def _get_llm_string(self, stop: list[str] | None = None, **kwargs: Any) -> str:
        settings = self._client_settings()
        key = settings.api_key.get_secret_value() if settings.api_key else ""
        facts = {
            "type": self._llm_type,
            "key": hashlib.sha256(key.encode()).hexdigest()[:16],
            "base_url": settings.base_url,
            "tenant_id": settings.tenant_id,
            "call": cache_facts(self.__dict__, stop, kwargs),
        }
        return json.dumps(facts, sort_keys=True, default=str)

    def _generate_with_cache(
        self,
        messages: list[BaseMessage],
        stop: list[str] | None = None,
        run_manager: CallbackManagerForLLMRun | None = None,
        **kwargs: Any,
    ) -> ChatResult:
        model = self._for_caching(messages, kwargs)
        return super(LumnisModel, model)._generate_with_cache(messages, stop=stop, run_manager=run_manager, **kwargs)

    async def _agenerate_with_cache(
        self,
        messages: list[BaseMessage],
        stop: list[str] | None = None,
        run_manager: AsyncCallbackManagerForLLMRun | None = None,
        **kwargs: Any,
    ) -> ChatResult:
        model = self._for_caching(messages, kwargs)
        return await super(LumnisModel, model)._agenerate_with_cache(
            messages, stop=stop, run_manager=run_manager, **kwargs
        )

    def _for_caching(self, messages: Sequence[BaseMessage], keywords: Mapping[str, Any]) -> Self:
        in_thread = continues_a_thread(self.__dict__, messages, keywords)
        return self.model_copy(update={"cache": False}) if in_thread else self

    # What the framework asks

    def _resolve_model_profile(self) -> ModelProfile:
        return {**_PROFILE}

    @property
    def _llm_type(self) -> str:
        return "lumnis-chat"

    @property
    def _identifying_params(self) -> dict[str, Any]:
        names = ("base_url", "tenant_id", "scope", "user_id", "thread_id", "history", "model_overrides", "agent_config")
        known = {name: getattr(self, name) for name in names}
        shown = {name: str(value) if isinstance(value, UUID) else value for name, value in known.items()}
        return {"model_name": self.model_name or DEFAULT_MODEL_NAME} | {
            name: value for name, value in shown.items() if value is not None
        }

    def _get_ls_params(self, stop: list[str] | None = None, **kwargs: Any) -> LangSmithParams:
        shown = LangSmithParams(
            ls_provider="lumnis",
            ls_model_type="chat",
            ls_model_name=model_name_of(self.__dict__, kwargs) or DEFAULT_MODEL_NAME,
        )
        if stop or self.stop:
            shown["ls_stop"] = list(stop or self.stop or ())
        return shown

    @classmethod
    def is_lc_serializable(cls) -> bool:
        """Whether LangChain may save this model. The API key is saved as a reference to the environment."""
        return True

    @property
    def lc_secrets(self) -> dict[str, str]:
        """Where the API key is read from when a saved model is loaded."""
        return {"lumnis_api_key": "LUMNISAI_API_KEY"}

    def get_num_tokens_from_messages(self, messages: Sequence[BaseMessage], tools: Sequence[Any] | None = None) -> int:
        """Estimate the tokens of messages, without a tokenizer.

        Args:
            messages: The messages.
            tools: Tools whose schemas count, too.
        """
        return count_tokens_approximately(messages, tools=list(tools) if tools else None)


def _refuse_unknown(model: type[BaseChatModel], names: Set[str]) -> None:
    known = {name for field, info in model.model_fields.items() for name in (field, info.alias) if name}
    unknown = names - known
    if unknown:
        raise TypeError(f"{model.__name__} has no {', '.join(sorted(unknown))}; it has {', '.join(sorted(known))}.")
