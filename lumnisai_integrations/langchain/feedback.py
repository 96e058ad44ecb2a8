"""Telling a run something while it works."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any
from uuid import UUID

from langchain_core.runnables import RunnableConfig
from langchain_core.runnables.config import ensure_config

from lumnisai_core import FeedbackCreated, FeedbackType
from lumnisai_integrations.langchain.calls import from_config
from lumnisai_integrations.langchain.errors import model_errors
from lumnisai_integrations.langchain.settings import LumnisSettings


class FeedbackSender(LumnisSettings):
    """The part of :class:`LumnisRunnable` that talks to running agents."""

    def send_feedback(
        self,
        response_id: str | UUID,
        feedback_text: str,
        config: RunnableConfig | None = None,
        *,
        feedback_type: FeedbackType | str = FeedbackType.SUGGESTION,
        user_id: str | UUID | None = None,
        progress_id: str | None = None,
        tool_call_id: str | None = None,
        tool_args_update: Mapping[str, Any] | None = None,
    ) -> FeedbackCreated:
        """Tell a run something while it works, for instance what a human answered to an interrupt.

        It is sent each time this is called: after an interrupt, call it behind ``interrupt()``, where a node comes by
        once.

        Args:
            response_id: Id of the run.
            feedback_text: What to tell, 1 to 5000 characters.
            config: May name the user as ``lumnis_user_id``. Default: that of the chain or graph around.
            feedback_type: ``suggestion`` (default), ``correction`` or ``guidance``.
            user_id: Who says so. Default: the user of the config, then of the runnable.
            progress_id: Progress entry it is about.
            tool_call_id: Tool call it is about.
            tool_args_update: New arguments for that tool call; needs ``tool_call_id``.

        Raises:
            ValidationError: The text or a combination is unusable; nothing was sent.
            ConflictError: The run is over. Its thread can be continued with a run of its own.
            NotFoundError: There is no such run.
        """
        with model_errors():
            return self._client().responses.create_feedback(
                str(response_id),
                feedback_text,
                feedback_type=feedback_type,
                user_id=user_id or self._user_of(config),
                progress_id=progress_id,
                tool_call_id=tool_call_id,
                tool_args_update=tool_args_update,
            )

    async def asend_feedback(
        self,
        response_id: str | UUID,
        feedback_text: str,
        config: RunnableConfig | None = None,
        *,
        feedback_type: FeedbackType | str = FeedbackType.SUGGESTION,
        user_id: str | UUID | None = None,
        progress_id: str | None = None,
        tool_call_id: str | None = None,
        tool_args_update: Mapping[str, Any] | None = None,
    ) -> FeedbackCreated:
        """Do the same in asyncio."""
        with model_errors():
            return await self._aclient().responses.create_feedback(
                str(response_id),
                feedback_text,
                feedback_type=feedback_type,
                user_id=user_id or self._user_of(config),
                progress_id=progress_id,
                tool_call_id=tool_call_id,
                tool_args_update=tool_args_update,
            )

    def _user_of(self, config: RunnableConfig | None) -> str | UUID | None:
        of_config: str | UUID | None = from_config(ensure_config(config).get("configurable") or {}).get("user_id")
        return of_config or self.user_id
