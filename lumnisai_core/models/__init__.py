"""Wire models, one file per resource."""

from __future__ import annotations

from lumnisai_core.models.enums import AgentMode, MessageRole, ModelType, ResponseStatus, Scope
from lumnisai_core.models.requests import AgentConfig, FileAttachment, ModelOverrides
from lumnisai_core.models.responses import (
    TERMINAL_STATUSES,
    Artifact,
    ArtifactPart,
    Message,
    ProgressEntry,
    ResponseList,
    ResponseObject,
    ToolCall,
)
from lumnisai_core.models.threads import ThreadList, ThreadObject
from lumnisai_core.models.updates import RunUpdate

__all__ = [
    "TERMINAL_STATUSES",
    "AgentConfig",
    "AgentMode",
    "Artifact",
    "ArtifactPart",
    "FileAttachment",
    "Message",
    "MessageRole",
    "ModelOverrides",
    "ModelType",
    "ProgressEntry",
    "ResponseList",
    "ResponseObject",
    "ResponseStatus",
    "RunUpdate",
    "Scope",
    "ThreadList",
    "ThreadObject",
    "ToolCall",
]
