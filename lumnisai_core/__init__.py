"""Client for the Lumnis agent platform: run agents, follow their progress, keep conversations in threads.

>>> from lumnisai_core import Client
>>> client = Client(user_id="user-123")          # LUMNISAI_API_KEY from the environment
>>> client.invoke("What is a neap tide?").output_text
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from lumnisai_core._transport.hooks import RequestHook, RequestInfo, ResponseHook, ResponseInfo
from lumnisai_core._version import VERSION
from lumnisai_core.lumnis import models
from lumnisai_core.lumnis._async.client import AsyncClient
from lumnisai_core.lumnis._async.following import AsyncRunStream
from lumnisai_core.lumnis._sync.client import Client
from lumnisai_core.lumnis._sync.following import RunStream
from lumnisai_core.lumnis.calls.runs import InvokeParameters, RunParameters, WatchParameters
from lumnisai_core.lumnis.config import check_settings
from lumnisai_core.lumnis.models import (
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
from lumnisai_core.lumnis.models.updates import ProgressCallback
from lumnisai_core.lumnis.runs.batch import RunInput, RunOutcome

if TYPE_CHECKING:
    from lumnisai_core.lumnis.models import (
        ApiKeyMode,
        ApiKeyModeObject,
        ApiProvider,
        AppConnection,
        AppConnectionList,
        AppEnabled,
        AppList,
        AppRequiredFields,
        ArtifactList,
        BulkDeleteResult,
        BulkUploadResult,
        ConnectionCallbackResult,
        ConnectionStart,
        ConnectionStatus,
        ContentType,
        DisconnectResult,
        DuplicateHandling,
        ExternalApiKey,
        FailedUpload,
        Feedback,
        FeedbackCreated,
        FeedbackList,
        FeedbackType,
        FileChunk,
        FileContentResult,
        FileDeleteResult,
        FileList,
        FileMetadata,
        FileProcessingStatus,
        FileScope,
        FileSearchResult,
        FileSearchResults,
        FileStatistics,
        FileUploadResult,
        IntegrationProvider,
        IntegrationProviderList,
        IntegrationTool,
        IntegrationToolList,
        LinkedInConnectionsDeleted,
        LinkedInSync,
        MCPServer,
        MCPServerList,
        MCPTestResult,
        MCPTool,
        MCPToolList,
        MCPTransport,
        ModelAvailability,
        ModelPreference,
        ModelPreferenceList,
        ModelProvider,
        Pagination,
        PeopleDataSource,
        PeopleSearchResult,
        Person,
        PostPreview,
        PostPreviews,
        ProcessingStatus,
        SalaryRange,
        SkillAnalytics,
        SkillList,
        SkillObject,
        SkillOutcome,
        SkillUsage,
        SkillUsageList,
        SpecializedAgent,
        StoredArtifact,
        TenantObject,
        UserList,
        UserObject,
    )

__version__ = VERSION

__all__ = [
    "AgentConfig",
    "AgentMode",
    "ApiKeyMode",
    "ApiKeyModeObject",
    "ApiProvider",
    "AppConnection",
    "AppConnectionList",
    "AppEnabled",
    "AppList",
    "AppRequiredFields",
    "Artifact",
    "ArtifactList",
    "ArtifactPart",
    "AsyncClient",
    "AsyncRunStream",
    "BulkDeleteResult",
    "BulkUploadResult",
    "Client",
    "ConnectionCallbackResult",
    "ConnectionStart",
    "ConnectionStatus",
    "ContentType",
    "DisconnectResult",
    "DuplicateHandling",
    "ExternalApiKey",
    "FailedUpload",
    "Feedback",
    "FeedbackCreated",
    "FeedbackList",
    "FeedbackType",
    "FileAttachment",
    "FileChunk",
    "FileContentResult",
    "FileDeleteResult",
    "FileList",
    "FileMetadata",
    "FileProcessingStatus",
    "FileScope",
    "FileSearchResult",
    "FileSearchResults",
    "FileStatistics",
    "FileUploadResult",
    "IntegrationProvider",
    "IntegrationProviderList",
    "IntegrationTool",
    "IntegrationToolList",
    "InvokeParameters",
    "LinkedInConnectionsDeleted",
    "LinkedInSync",
    "MCPServer",
    "MCPServerList",
    "MCPTestResult",
    "MCPTool",
    "MCPToolList",
    "MCPTransport",
    "Message",
    "MessageRole",
    "ModelAvailability",
    "ModelOverrides",
    "ModelPreference",
    "ModelPreferenceList",
    "ModelProvider",
    "ModelType",
    "Pagination",
    "PeopleDataSource",
    "PeopleSearchResult",
    "Person",
    "PostPreview",
    "PostPreviews",
    "ProcessingStatus",
    "ProgressCallback",
    "ProgressEntry",
    "RequestHook",
    "RequestInfo",
    "ResponseHook",
    "ResponseInfo",
    "ResponseList",
    "ResponseObject",
    "ResponseStatus",
    "RunInput",
    "RunOutcome",
    "RunParameters",
    "RunStream",
    "RunUpdate",
    "SalaryRange",
    "Scope",
    "SkillAnalytics",
    "SkillList",
    "SkillObject",
    "SkillOutcome",
    "SkillUsage",
    "SkillUsageList",
    "SpecializedAgent",
    "StoredArtifact",
    "TenantObject",
    "ThreadList",
    "ThreadObject",
    "ToolCall",
    "UserList",
    "UserObject",
    "WatchParameters",
    "__version__",
    "check_settings",
]


def _imported_late(name: str) -> object:
    # Types of the less used resources are imported when they are first asked for.
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = getattr(models, name)
    globals()[name] = value
    return value


# Not by a `def` of that name: then type checkers would take any name for one of these.
globals()["__getattr__"] = _imported_late


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
