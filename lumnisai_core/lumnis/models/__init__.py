"""Wire models, one file per resource. Those of the less used resources are imported when they are first asked for."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

from lumnisai_core.lumnis.models.enums import AgentMode, MessageRole, ModelType, ResponseStatus, Scope
from lumnisai_core.lumnis.models.requests import AgentConfig, FileAttachment, ModelOverrides
from lumnisai_core.lumnis.models.responses import (
    TERMINAL_STATUSES,
    Artifact,
    ArtifactList,
    ArtifactPart,
    Feedback,
    FeedbackCreated,
    FeedbackList,
    FeedbackType,
    Message,
    ProgressEntry,
    ResponseList,
    ResponseObject,
    StoredArtifact,
    ToolCall,
)
from lumnisai_core.lumnis.models.threads import ThreadList, ThreadObject
from lumnisai_core.lumnis.models.updates import RunUpdate

if TYPE_CHECKING:
    from lumnisai_core.lumnis.models.external_api_keys import (
        ApiKeyMode,
        ApiKeyModeObject,
        ApiProvider,
        ExternalApiKey,
    )
    from lumnisai_core.lumnis.models.files import (
        BulkDeleteResult,
        BulkUploadResult,
        ContentType,
        DuplicateHandling,
        FailedUpload,
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
        ProcessingStatus,
    )
    from lumnisai_core.lumnis.models.integrations import (
        AppConnection,
        AppConnectionList,
        AppEnabled,
        AppList,
        AppRequiredFields,
        ConnectionCallbackResult,
        ConnectionStart,
        ConnectionStatus,
        DisconnectResult,
        IntegrationProvider,
        IntegrationProviderList,
        IntegrationTool,
        IntegrationToolList,
        LinkedInConnectionsDeleted,
        LinkedInSync,
    )
    from lumnisai_core.lumnis.models.mcp_servers import (
        MCPServer,
        MCPServerList,
        MCPTestResult,
        MCPTool,
        MCPToolList,
        MCPTransport,
    )
    from lumnisai_core.lumnis.models.model_preferences import (
        ModelAvailability,
        ModelPreference,
        ModelPreferenceList,
        ModelProvider,
    )
    from lumnisai_core.lumnis.models.people import (
        PeopleDataSource,
        PeopleSearchResult,
        Person,
        PostPreview,
        PostPreviews,
        SalaryRange,
        SpecializedAgent,
    )
    from lumnisai_core.lumnis.models.skills import (
        SkillAnalytics,
        SkillList,
        SkillObject,
        SkillOutcome,
        SkillUsage,
        SkillUsageList,
    )
    from lumnisai_core.lumnis.models.tenant import TenantObject
    from lumnisai_core.lumnis.models.users import Pagination, UserList, UserObject

__all__ = [
    "TERMINAL_STATUSES",
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
    "BulkDeleteResult",
    "BulkUploadResult",
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
    "ProgressEntry",
    "ResponseList",
    "ResponseObject",
    "ResponseStatus",
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
]

#: The modules that are imported late, and the names each of them gives.
_LATER = {
    "external_api_keys": (
        "ApiKeyMode",
        "ApiKeyModeObject",
        "ApiProvider",
        "ExternalApiKey",
    ),
    "files": (
        "BulkDeleteResult",
        "BulkUploadResult",
        "ContentType",
        "DuplicateHandling",
        "FailedUpload",
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
        "ProcessingStatus",
    ),
    "integrations": (
        "AppConnection",
        "AppConnectionList",
        "AppEnabled",
        "AppList",
        "AppRequiredFields",
        "ConnectionCallbackResult",
        "ConnectionStart",
        "ConnectionStatus",
        "DisconnectResult",
        "IntegrationProvider",
        "IntegrationProviderList",
        "IntegrationTool",
        "IntegrationToolList",
        "LinkedInConnectionsDeleted",
        "LinkedInSync",
    ),
    "mcp_servers": (
        "MCPServer",
        "MCPServerList",
        "MCPTestResult",
        "MCPTool",
        "MCPToolList",
        "MCPTransport",
    ),
    "model_preferences": (
        "ModelAvailability",
        "ModelPreference",
        "ModelPreferenceList",
        "ModelProvider",
    ),
    "people": (
        "PeopleDataSource",
        "PeopleSearchResult",
        "Person",
        "PostPreview",
        "PostPreviews",
        "SalaryRange",
        "SpecializedAgent",
    ),
    "skills": (
        "SkillAnalytics",
        "SkillList",
        "SkillObject",
        "SkillOutcome",
        "SkillUsage",
        "SkillUsageList",
    ),
    "tenant": ("TenantObject",),
    "users": (
        "Pagination",
        "UserList",
        "UserObject",
    ),
}
_HOMES = {name: module for module, names in _LATER.items() for name in names}


def _imported_late(name: str) -> object:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = getattr(import_module(f"{__name__}.{_HOMES[name]}"), name)
    globals()[name] = value
    return value


# Not by a `def` of that name: then type checkers would take any name for one of these.
globals()["__getattr__"] = _imported_late


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
