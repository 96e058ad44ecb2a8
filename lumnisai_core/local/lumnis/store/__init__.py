"""The database: the only place with SQL. Used from the service's own thread only."""

from lumnisai_core.local.lumnis.store.rows import (
    ArtifactRow,
    ChunkRow,
    ConnectionRow,
    FeedbackRow,
    FileRow,
    KeyRow,
    PreferenceRow,
    RunFilter,
    RunRow,
    ServerRow,
    SkillRow,
    TenantRow,
    ThreadRow,
    UsageRow,
    UserRow,
)
from lumnisai_core.local.lumnis.store.store import Store
from lumnisai_core.local.store.database import StoreError

__all__ = [
    "ArtifactRow",
    "ChunkRow",
    "ConnectionRow",
    "FeedbackRow",
    "FileRow",
    "KeyRow",
    "PreferenceRow",
    "RunFilter",
    "RunRow",
    "ServerRow",
    "SkillRow",
    "Store",
    "StoreError",
    "TenantRow",
    "ThreadRow",
    "UsageRow",
    "UserRow",
]
