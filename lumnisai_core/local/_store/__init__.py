"""The database: the only place with SQL. Used from the service's own thread only."""

from lumnisai_core.local._store.database import StoreError
from lumnisai_core.local._store.rows import (
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
from lumnisai_core.local._store.store import Store

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
