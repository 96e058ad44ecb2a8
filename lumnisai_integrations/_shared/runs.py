"""What both adapters decide about a run from their fields and the keywords of one call. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from pydantic import BaseModel, Field

from lumnisai_core import RunUpdate, Scope

#: Parameters that chat models have in common and that the platform decides itself.
SAMPLING_PARAMETERS = frozenset(
    {
        "temperature",
        "max_tokens",
        "max_completion_tokens",
        "top_p",
        "top_k",
        "n",
        "seed",
        "frequency_penalty",
        "presence_penalty",
        "logit_bias",
        "logprobs",
        "top_logprobs",
        "reasoning_effort",
    }
)


def with_smart_model(overrides: Mapping[str, Any], model: str | None, *, of_this_call: bool) -> dict[str, Any]:
    """Return model overrides in which a model named by itself stands for ``smart_model``.

    Args:
        overrides: Models by use.
        model: The model as ``provider:model``, or None.
        of_this_call: Whether the call names the model, which is more precise than any override; that of the adapter's
            field is less precise.
    """
    named = {} if model is None else {"smart_model": model}
    return {**overrides, **named} if of_this_call else {**named, **overrides}


def asks_for_tenant_view(keywords: Mapping[str, Any]) -> bool:
    """Say whether one call wants tenant scope, so that the adapter's own user does not go along."""
    return keywords.get("scope") == Scope.TENANT and "user_id" not in keywords


#: When a model should call an agent.
AGENT_DESCRIPTION = (
    "Gives a task to an agent that plans, researches and works on its own, and returns its answer. It may take "
    "minutes: use it for tasks that need several steps, not for what you know yourself."
)


class AgentTask(BaseModel):
    """What a model says when it calls the tool."""

    task: str = Field(
        min_length=1,
        description="What to do, in full sentences and with everything that must be known for it: the agent sees "
        "nothing of this conversation.",
    )


def reasoning_text(update: RunUpdate) -> str:
    """Return what an update adds to the visible reasoning of a model: its message or new tool calls, a line each.

    Returns:
        Text that ends in a line break, or an empty text if there is nothing to show.
    """
    # The message of an entry that gained tool calls was shown with the entry.
    lines = [update.message] if update.message and update.state != "tool_update" else []
    return "".join(f"{line}\n" for line in [*lines, *map(str, update.tool_calls)])
