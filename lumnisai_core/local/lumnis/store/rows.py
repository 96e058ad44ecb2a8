"""What is stored, row by row. Fields of the type `Json` hold JSON text."""

from __future__ import annotations

from dataclasses import dataclass

Json = str


@dataclass(frozen=True, slots=True)
class TenantRow:
    """A tenant: whoever holds the key."""

    id: str
    name: str
    created_at: str
    api_key_mode: str = "platform"
    updated_at: str | None = None


@dataclass(frozen=True, slots=True)
class ThreadRow:
    """A conversation."""

    thread_id: str
    tenant_id: str
    user_id: str | None
    title: str | None
    created_at: str
    updated_at: str | None
    response_count: int = 0
    last_response_at: str | None = None


@dataclass(frozen=True, slots=True)
class RunRow:
    """A run."""

    response_id: str
    thread_id: str
    tenant_id: str
    user_id: str | None
    status: str
    progress: Json
    input_messages: Json
    output_text: str | None
    structured_response: Json | None
    artifacts: Json | None
    response_title: str | None
    error: Json | None
    options: Json | None
    created_at: str
    completed_at: str | None
    request: Json


@dataclass(frozen=True, slots=True)
class RunFilter:
    """Which runs a list shows; dates are `YYYY-MM-DD`, `before` is exclusive."""

    tenant_id: str
    user_id: str | None = None
    thread_id: str | None = None
    status: str | None = None
    since: str | None = None
    before: str | None = None


@dataclass(frozen=True, slots=True)
class FeedbackRow:
    """What somebody told a run while it worked."""

    feedback_id: str
    response_id: str
    tenant_id: str
    user_id: str | None
    feedback_text: str
    feedback_type: str
    progress_id: str | None
    tool_call_id: str | None
    tool_args_update: Json | None
    is_consumed: bool
    consumed_at: str | None
    created_at: str


@dataclass(frozen=True, slots=True)
class ArtifactRow:
    """The text of an artifact that a run left behind."""

    artifact_id: str
    response_id: str
    tenant_id: str
    user_id: str | None
    name: str
    mime_type: str
    text: str
    created_at: str


@dataclass(frozen=True, slots=True)
class UserRow:
    """A user who was made, not only named by a run."""

    id: str
    email: str
    first_name: str | None
    last_name: str | None
    tenant_id: str
    is_active: bool
    created_at: str
    updated_at: str


@dataclass(frozen=True, slots=True)
class KeyRow:
    """That a key of a provider was handed in. The key itself is not kept."""

    key_id: str
    tenant_id: str
    provider: str
    key_name: str | None
    expires_at: str | None
    created_at: str
    updated_at: str


@dataclass(frozen=True, slots=True)
class PreferenceRow:
    """The model a tenant wants for one kind of work."""

    tenant_id: str
    model_type: str
    provider: str
    model_name: str
    is_active: bool
    created_at: str
    updated_at: str


@dataclass(frozen=True, slots=True)
class FileRow:
    """An uploaded file."""

    id: str
    tenant_id: str
    user_id: str | None
    file_name: str
    original_file_name: str
    file_type: str
    mime_type: str
    file_size: int
    file_scope: str
    processing_status: str
    error_message: str | None
    total_chunks: int
    chunks_embedded: int
    total_lines: int
    tags: Json | None
    created_at: str
    updated_at: str
    processed_at: str | None = None
    deleted_at: str | None = None


@dataclass(frozen=True, slots=True)
class ChunkRow:
    """A piece of a file's text; lines count from 1."""

    id: str
    file_id: str
    chunk_index: int
    chunk_text: str
    start_line: int
    end_line: int
    token_count: int


@dataclass(frozen=True, slots=True)
class ServerRow:
    """An MCP server. Its environment and headers are secrets that the service has no use for: they are not kept."""

    id: str
    tenant_id: str
    user_id: str | None
    scope: str
    name: str
    description: str | None
    transport: str
    command: str | None
    args: Json | None
    url: str | None
    is_active: bool
    created_at: str
    updated_at: str


@dataclass(frozen=True, slots=True)
class SkillRow:
    """A skill."""

    id: str
    name: str
    description: str
    content: str
    category: str | None
    version: str
    tenant_id: str
    user_id: str | None
    is_active: bool
    created_at: str
    updated_at: str


@dataclass(frozen=True, slots=True)
class UsageRow:
    """That a run had a skill at hand, and what became of it."""

    id: str
    response_id: str
    skill_id: str
    skill_name: str
    tenant_id: str
    user_id: str | None
    relevance_score: float | None
    planner_selected: bool | None
    usage_reasoning: str | None
    priority: int | None
    execution_outcome: str | None
    effectiveness_score: float | None
    feedback_notes: str | None
    created_at: str
    updated_at: str


@dataclass(frozen=True, slots=True)
class ConnectionRow:
    """A user's connection to an app; `state` is the secret part of the address that completes it."""

    connection_id: str
    tenant_id: str
    user_id: str
    provider: str
    app_name: str
    status: str
    connected_at: str | None
    error_message: str | None
    state: str
    success_url: str | None
    failure_url: str | None
    created_at: str
