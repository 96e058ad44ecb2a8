"""Agents as tools: what the models of other agents are told of them, and what these say."""

from __future__ import annotations

from pydantic import BaseModel, Field

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
