"""What a run is told while it works (``POST /v1/responses/{id}/feedback``). Pure."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from lumnisai_core._checks import given, member
from lumnisai_core.exceptions import ValidationError
from lumnisai_core.models.feedback import FeedbackType

_LONGEST_FEEDBACK = 5000


def feedback_body(
    feedback_text: str,
    *,
    feedback_type: FeedbackType | str,
    user_id: str | None,
    progress_id: str | None,
    tool_call_id: str | None,
    tool_args_update: Mapping[str, Any] | None,
) -> dict[str, Any]:
    """Check feedback and write it as the service reads it.

    Raises:
        ValidationError: The text is empty or too long, the type is unknown, or arguments have no tool call.
    """
    if not isinstance(feedback_text, str) or not 1 <= len(feedback_text) <= _LONGEST_FEEDBACK:
        raise ValidationError(f"feedback_text must be a text of 1 to {_LONGEST_FEEDBACK} characters.")
    if tool_args_update is not None and tool_call_id is None:
        raise ValidationError("tool_args_update needs tool_call_id: name the tool call that gets new arguments.")
    return given(
        feedback_text=feedback_text,
        feedback_type=member(FeedbackType, "feedback_type", feedback_type).value,
        user_id=user_id,
        progress_id=progress_id,
        tool_call_id=tool_call_id,
        tool_args_update=tool_args_update,
    )
