"""Client for the Lumnis agent platform: run agents, follow their progress, keep conversations in threads.

>>> from lumnisai_core import Client
>>> client = Client(user_id="user-123")          # LUMNISAI_API_KEY from the environment
>>> client.invoke("What is a neap tide?").output_text
"""

from __future__ import annotations

from lumnisai_core._async.client import AsyncClient
from lumnisai_core._async.following import AsyncRunStream
from lumnisai_core._parameters import InvokeParameters, RunParameters, WatchParameters
from lumnisai_core._sync.client import Client
from lumnisai_core._sync.following import RunStream
from lumnisai_core._version import VERSION
from lumnisai_core._waiting import ProgressCallback
from lumnisai_core.models import (
    AgentConfig,
    AgentMode,
    Artifact,
    ArtifactPart,
    FileAttachment,
    Message,
    MessageRole,
    ModelOverrides,
    ModelType,
    ProgressEntry,
    ResponseList,
    ResponseObject,
    ResponseStatus,
    RunUpdate,
    Scope,
    ThreadList,
    ThreadObject,
    ToolCall,
)

__version__ = VERSION

__all__ = [
    "AgentConfig",
    "AgentMode",
    "Artifact",
    "ArtifactPart",
    "AsyncClient",
    "AsyncRunStream",
    "Client",
    "FileAttachment",
    "InvokeParameters",
    "Message",
    "MessageRole",
    "ModelOverrides",
    "ModelType",
    "ProgressCallback",
    "ProgressEntry",
    "ResponseList",
    "ResponseObject",
    "ResponseStatus",
    "RunParameters",
    "RunStream",
    "RunUpdate",
    "Scope",
    "ThreadList",
    "ThreadObject",
    "ToolCall",
    "WatchParameters",
    "__version__",
]
