"""Models of the agent platform, one file for each resource. Those of less used resources load on first use."""

# ruff: noqa: F403 - each file defines public names only, or lists them in __all__

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

from lumnisai_core.lumnis.models import requests, responses, threads
from lumnisai_core.lumnis.models.requests import *
from lumnisai_core.lumnis.models.responses import *
from lumnisai_core.lumnis.models.threads import *

#: Files that load on first use, and the names in them, which must be known without loading the file.
_LATE = {
    "external_api_keys": "ApiKeyMode ApiKeyModeObject ApiProvider ExternalApiKey",
    "files": "BulkDeleteResult BulkUploadResult ContentType DuplicateHandling FailedUpload FileChunk FileContentResult "
    "FileDeleteResult FileList FileMetadata FileProcessingStatus FileScope FileSearchResult FileSearchResults "
    "FileStatistics FileUploadResult ProcessingStatus",
    "integrations": "AppConnection AppConnectionList AppEnabled AppList AppRequiredFields ConnectionCallbackResult "
    "ConnectionStart ConnectionStatus DisconnectResult IntegrationProvider IntegrationProviderList IntegrationTool "
    "IntegrationToolList LinkedInConnectionsDeleted LinkedInSync",
    "mcp_servers": "MCPServer MCPServerList MCPTestResult MCPTool MCPToolList MCPTransport",
    "model_preferences": "ModelAvailability ModelPreference ModelPreferenceList ModelProvider",
    "people": "PeopleDataSource PeopleSearchResult Person PostPreview PostPreviews SalaryRange SpecializedAgent",
    "run_parts": "ArtifactList Feedback FeedbackCreated FeedbackList FeedbackType StoredArtifact",
    "skills": "SkillAnalytics SkillList SkillObject SkillOutcome SkillUsage SkillUsageList",
    "tenant": "TenantObject",
    "users": "Pagination UserList UserObject",
}
_HOMES = {name: file for file, names in _LATE.items() for name in names.split()}

if TYPE_CHECKING:
    from lumnisai_core.lumnis.models.external_api_keys import *
    from lumnisai_core.lumnis.models.files import *
    from lumnisai_core.lumnis.models.integrations import *
    from lumnisai_core.lumnis.models.mcp_servers import *
    from lumnisai_core.lumnis.models.model_preferences import *
    from lumnisai_core.lumnis.models.people import *
    from lumnisai_core.lumnis.models.run_parts import *
    from lumnisai_core.lumnis.models.skills import *
    from lumnisai_core.lumnis.models.tenant import *
    from lumnisai_core.lumnis.models.users import *
else:
    # Hidden from type checkers, which take every name of a star import as public if there is no list.
    __all__ = requests.__all__ + responses.__all__ + threads.__all__ + list(_HOMES)


def _load(name: str) -> object:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = getattr(import_module(f"{__name__}.{_HOMES[name]}"), name)
    globals()[name] = value
    return value


# Not a `def __getattr__`: type checkers would then accept any name.
globals()["__getattr__"] = _load


def __dir__() -> list[str]:
    return sorted({*globals(), *_HOMES})
