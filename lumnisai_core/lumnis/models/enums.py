"""Enumerations of the platform. Values that they do not list are kept as plain text."""

from __future__ import annotations

from enum import StrEnum

__all__ = ["AgentMode", "MessageRole", "ModelType", "ResponseStatus", "Scope"]


class Scope(StrEnum):
    """Whether a call works on the data of one user or of the whole tenant."""

    USER = "user"
    TENANT = "tenant"


class ResponseStatus(StrEnum):
    """State of a run. The last three are final."""

    QUEUED = "queued"
    IN_PROGRESS = "in_progress"
    SUCCEEDED = "succeeded"
    FAILED = "failed"
    CANCELLED = "cancelled"


class MessageRole(StrEnum):
    """Author of a message."""

    SYSTEM = "system"
    USER = "user"
    ASSISTANT = "assistant"


class ModelType(StrEnum):
    """The five purposes that a model can be chosen for."""

    CHEAP_MODEL = "CHEAP_MODEL"
    FAST_MODEL = "FAST_MODEL"
    SMART_MODEL = "SMART_MODEL"
    REASONING_MODEL = "REASONING_MODEL"
    VISION_MODEL = "VISION_MODEL"


class AgentMode(StrEnum):
    """Whether one agent or several work on a run."""

    AUTO = "auto"
    SINGLE_AGENT = "single_agent"
    MULTI_AGENT = "multi_agent"
