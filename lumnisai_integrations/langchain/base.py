"""What a Lumnis chat model is made of, and how the framework sees it: fields, identity, cache keys, saving."""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, Self
from uuid import UUID

from langchain_core.callbacks import AsyncCallbackManagerForLLMRun, CallbackManagerForLLMRun
from langchain_core.globals import get_llm_cache
from langchain_core.language_models import BaseChatModel, LangSmithParams, ModelProfile
from langchain_core.messages import BaseMessage
from langchain_core.messages.utils import count_tokens_approximately
from langchain_core.outputs import ChatResult

from lumnisai_integrations._shared.runs import SAMPLING_PARAMETERS
from lumnisai_integrations.langchain.calls import (
    cache_facts,
    continues_a_thread,
    model_name_of,
    stops_of,
    warn_of_ignored,
)
from lumnisai_integrations.langchain.convert import DEFAULT_MODEL_NAME
from lumnisai_integrations.langchain.errors import model_errors
from lumnisai_integrations.langchain.settings import LumnisSettings

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


class LumnisModel(LumnisSettings, BaseChatModel):
    """The part of :class:`ChatLumnis` that runs nothing."""

    streaming: bool = False
    idempotency_key: str | None = None
    stop: list[str] | None = None

    if not TYPE_CHECKING:  # type checkers read the fields instead

        def __init__(self, **fields: Any) -> None:
            ignored = fields.keys() & SAMPLING_PARAMETERS
            if any(fields[name] is not None for name in ignored):
                warn_of_ignored(ignored)
            super().__init__(**{name: value for name, value in fields.items() if name not in ignored})

    # Caching

    def _get_llm_string(self, stop: list[str] | None = None, **kwargs: Any) -> str:
        settings = self._client_settings()
        key = settings.api_key.get_secret_value() if settings.api_key else ""
        with model_errors():
            call = cache_facts(self.__dict__, stop, kwargs)
        facts = {
            "type": self._llm_type,
            "key": hashlib.sha256(key.encode()).hexdigest()[:16],
            "base_url": settings.base_url,
            "tenant_id": settings.tenant_id,
            "call": call,
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
        if self.cache is False or (self.cache is None and get_llm_cache() is None):
            return self  # there is none, as mostly
        with model_errors():
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
        stops = stops_of(self.__dict__, stop)
        if stops:
            shown["ls_stop"] = stops
        return shown

    def get_num_tokens(self, text: str) -> int:
        """Estimate the tokens of a text, without a tokenizer unless ``custom_get_token_ids`` is one.

        Args:
            text: The text.
        """
        if self.custom_get_token_ids is not None:
            return super().get_num_tokens(text)
        return math.ceil(len(text) / 4)  # as count_tokens_approximately does

    def get_num_tokens_from_messages(self, messages: Sequence[BaseMessage], tools: Sequence[Any] | None = None) -> int:
        """Estimate the tokens of messages, without a tokenizer.

        Args:
            messages: The messages.
            tools: Tools whose schemas count, too.
        """
        return count_tokens_approximately(messages, tools=list(tools) if tools else None)
