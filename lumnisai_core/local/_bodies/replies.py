"""The shapes of all replies, for the OpenAPI document. Replies are made elsewhere; tests compare the two."""

from __future__ import annotations

from datetime import datetime
from typing import (
    Any,
    Literal,
    NotRequired,  # pydantic asks for this one before Python 3.12
)
from uuid import UUID

from typing_extensions import TypedDict

from lumnisai_core.local._bodies.files import FileScope
from lumnisai_core.local._bodies.models import KeyProvider, ModelProvider, ModelType
from lumnisai_core.local._bodies.runs import Status

ConnectionStatus = Literal["pending", "active", "failed", "expired", "not_connected"]
ProcessingStatus = Literal["pending", "parsing", "embedding", "completed", "partial_success", "error"]


class ErrorText(TypedDict):
    """What went wrong."""

    code: str
    message: str
    details: NotRequired[dict[str, Any]]


class Error(TypedDict):
    """The body of every refusal but those of the wrong shape."""

    error: ErrorText


class WrappedError(TypedDict):
    """The body of a refusal of the people endpoints."""

    detail: Error


class InvalidPart(TypedDict):
    """One thing that is wrong with a request, and where."""

    loc: list[str | int]
    msg: str
    type: str


class Invalid(TypedDict):
    """The body of the refusal of a request of the wrong shape."""

    detail: list[InvalidPart]


class Text(TypedDict):
    """A message."""

    message: str


class Health(TypedDict):
    """The service is up."""

    status: Literal["ok"]


class Tenant(TypedDict):
    """A tenant."""

    id: UUID
    name: str
    api_key_mode: Literal["platform", "byo_keys"]
    created_at: datetime
    updated_at: datetime | None
    developer_id: UUID
    developer_email: str
    plan: str
    db_status: str
    billing_status: str


class CreatedRun(TypedDict):
    """A run that was accepted."""

    response_id: UUID
    thread_id: UUID
    tenant_id: UUID
    status: Status
    created_at: datetime


class Message(TypedDict):
    """One message."""

    role: Literal["system", "user", "assistant"]
    content: str


class ProgressEntry(TypedDict):
    """One thing that a run has done."""

    ts: datetime
    state: str
    message: str
    tool_calls: list[dict[str, Any]] | None
    output_text: str | None


class RunError(TypedDict):
    """Why a run has failed."""

    code: str
    message: str


class Run(TypedDict):
    """A run."""

    response_id: UUID
    thread_id: UUID
    tenant_id: UUID
    user_id: UUID | None
    status: Status
    progress: list[ProgressEntry]
    input_messages: list[Message]
    output_text: str | None
    structured_response: Any
    artifacts: list[dict[str, Any]] | None
    response_title: str | None
    error: RunError | None
    options: dict[str, Any] | None
    created_at: datetime
    completed_at: datetime | None


class Runs(TypedDict):
    """A page of runs."""

    responses: list[Run]
    total: int
    limit: int
    offset: int


class Cancelled(TypedDict):
    """A run was cancelled."""

    status: Literal["cancelled"]
    message: str


class Artifact(TypedDict):
    """What a run left behind."""

    artifact_id: UUID
    response_id: UUID
    name: str
    uri: str
    mime_type: str
    bytes: int
    created_at: datetime


class Artifacts(TypedDict):
    """A page of artifacts."""

    artifacts: list[Artifact]
    total: int
    limit: int
    offset: int


class GivenFeedback(TypedDict):
    """Feedback that was accepted."""

    feedback_id: UUID
    created_at: datetime


class Feedback(TypedDict):
    """What a run was told."""

    feedback_id: UUID
    response_id: UUID
    tenant_id: UUID
    user_id: UUID | None
    feedback_text: str
    feedback_type: Literal["suggestion", "correction", "guidance"]
    progress_id: str | None
    tool_call_id: str | None
    tool_args_update: dict[str, Any] | None
    is_consumed: bool
    consumed_at: datetime | None
    created_at: datetime


class AllFeedback(TypedDict):
    """All that a run was told."""

    response_id: UUID
    progress_id_filter: str | None
    total_feedback: int
    consumed_count: int
    unconsumed_count: int
    feedback: list[Feedback]
    note: str


class Thread(TypedDict):
    """A thread."""

    thread_id: UUID
    tenant_id: UUID
    user_id: UUID | None
    title: str | None
    created_at: datetime
    updated_at: datetime | None
    response_count: int
    last_response_at: datetime | None


class Threads(TypedDict):
    """A page of threads."""

    threads: list[Thread]
    total: int
    limit: int
    offset: int


class User(TypedDict):
    """A user."""

    id: UUID
    email: str
    first_name: str | None
    last_name: str | None
    tenant_id: UUID
    is_active: bool
    created_at: datetime
    updated_at: datetime


class Pagination(TypedDict):
    """Where a page of users stands."""

    page: int
    page_size: int
    total: int
    total_pages: int
    has_next: bool
    has_prev: bool


class Users(TypedDict):
    """A page of users."""

    users: list[User]
    pagination: Pagination


class Key(TypedDict):
    """A key of a model provider, without the key itself."""

    key_id: UUID
    provider: KeyProvider
    key_name: str | None
    expires_at: datetime | None
    created_at: datetime
    updated_at: datetime
    is_active: bool
    created_by: str | None


class WhoseKeys(TypedDict):
    """Whose keys are used."""

    api_key_mode: Literal["platform", "byo_keys"]


class Preference(TypedDict):
    """The model for one kind of work."""

    tenant_id: UUID
    model_type: ModelType
    provider: ModelProvider
    model_name: str
    is_active: bool
    created_at: datetime
    updated_at: datetime


class Preferences(TypedDict):
    """The models for all kinds of work."""

    tenant_id: UUID
    preferences: list[Preference]
    defaults_applied: list[ModelType]


class Availability(TypedDict):
    """Whether a model could be used."""

    model_type: ModelType
    provider: ModelProvider
    model_name: str
    is_available: bool
    reason: str | None
    requires_api_key: bool


class File(TypedDict):
    """What is known of a file."""

    id: UUID
    tenant_id: UUID
    user_id: UUID | None
    file_name: str
    original_file_name: str
    file_type: str
    mime_type: str
    file_size: int
    file_scope: FileScope
    processing_status: ProcessingStatus
    error_message: str | None
    total_chunks: int
    chunks_embedded: int
    tags: list[str] | None
    created_at: datetime
    updated_at: datetime
    deleted_at: datetime | None
    blob_url: str | None


class Files(TypedDict):
    """A page of files."""

    files: list[File]
    total_count: int
    page: int
    limit: int
    has_more: bool


class Uploaded(TypedDict):
    """A file that was taken."""

    file_id: UUID
    file_name: str
    status: ProcessingStatus
    message: str


class FailedUpload(TypedDict):
    """A file that was not taken."""

    filename: str
    error: str


class BulkUploaded(TypedDict):
    """What became of several files."""

    uploaded: list[Uploaded]
    failed: list[FailedUpload]
    total_uploaded: int
    total_failed: int


class Content(TypedDict):
    """The text of a file, or some lines of it."""

    file_id: UUID
    content_type: Literal["text"]
    text: str
    metadata: dict[str, Any] | None
    start_line: int | None
    end_line: int | None
    total_lines: int


class FileStatus(TypedDict):
    """How far a file has been processed."""

    status: ProcessingStatus
    progress_percentage: float
    chunks_embedded: int
    total_chunks: int
    estimated_time_remaining_seconds: int | None
    error_message: str | None
    jobs: list[dict[str, Any]]


class Chunk(TypedDict):
    """A piece of a file that was found."""

    id: UUID
    chunk_index: int
    chunk_text: str
    start_line: int | None
    end_line: int | None
    token_count: int | None
    metadata: dict[str, Any] | None
    similarity_score: float


class FoundFile(TypedDict):
    """A file in which something was found."""

    file: File
    chunks: list[Chunk]
    overall_score: float


class Found(TypedDict):
    """What a search has found."""

    results: list[FoundFile]
    total_count: int
    query: str
    processing_time_ms: int


class DeletedFile(TypedDict):
    """A file was deleted."""

    message: str
    file_id: UUID
    hard_delete: bool


class DeletedFiles(TypedDict):
    """What became of several files."""

    deleted: list[UUID]
    failed: list[str]
    hard_delete: bool
    total_requested: int


class FileStatistics(TypedDict):
    """How many files there are, of which kinds."""

    total_files: int
    total_size_bytes: int
    files_by_type: dict[str, int]
    files_by_status: dict[str, int]
    files_by_scope: dict[str, int]
    average_file_size_bytes: float
    average_processing_time_seconds: float | None
    storage_usage_percentage: float | None


class Initiated(TypedDict):
    """A connection that has begun."""

    redirect_url: str
    status: ConnectionStatus
    message: str
    connection_id: UUID


class ConnectionState(TypedDict):
    """How a user is connected to an app; the time has no zone."""

    app_name: str
    status: ConnectionStatus
    connected_at: str | None
    error_message: str | None
    is_enabled: bool


class Connection(ConnectionState):
    """A user's connection to an app."""

    connection_id: UUID
    tenant_id: UUID
    user_id: UUID
    provider: str
    metadata: dict[str, Any]


class Connections(TypedDict):
    """All connections of a user."""

    user_id: str
    connections: list[Connection]


class ConnectionStates(TypedDict):
    """How a user is connected to several apps."""

    user_id: str
    connections: list[ConnectionState]
    total_checked: int
    active_count: int


class CalledBack(TypedDict):
    """A connection that is complete, or failed."""

    success: bool
    status: ConnectionStatus
    message: str


class Disconnected(TypedDict):
    """A connection that has ended."""

    success: bool
    message: str


class AppTool(TypedDict):
    """A tool of an app."""

    name: str
    description: str
    app_name: str
    parameters: dict[str, Any]


class AppTools(TypedDict):
    """The tools of a user's apps."""

    user_id: str
    tools: list[AppTool]
    tool_count: int


class Apps(TypedDict):
    """The apps of a tenant."""

    enabled_apps: list[str]
    total_enabled: int
    available_apps: list[str] | None
    total_available: int | None
    providers: dict[str, list[str]]
    total_providers: int


class Providers(TypedDict):
    """The providers of connections."""

    providers: list[str]
    total: int


class AppEnabled(TypedDict):
    """Whether an app is enabled."""

    app_name: str
    enabled: bool
    message: str
    provider: str | None


class AppSet(TypedDict):
    """An app was switched on or off."""

    app_name: str
    enabled: bool
    message: str
    updated_at: datetime


class ContactsStatus(TypedDict):
    """How far contacts are copied."""

    status: Literal["idle", "no_account"]
    synced_count: int
    last_synced_at: datetime | None


class ContactsSync(TypedDict):
    """Copying of contacts was asked for."""

    status: Literal["started", "already_running", "no_account"]
    message: str


class ContactsDeleted(TypedDict):
    """Copied contacts were deleted."""

    deleted_count: int
    message: str


class Server(TypedDict):
    """An MCP server."""

    id: UUID
    tenant_id: UUID
    user_id: UUID | None
    scope: Literal["tenant", "user"]
    name: str
    description: str | None
    transport: Literal["stdio", "streamable_http", "sse"]
    command: str | None
    args: list[str] | None
    url: str | None
    is_active: bool
    created_at: datetime
    updated_at: datetime


class Servers(TypedDict):
    """A page of MCP servers."""

    servers: list[Server]
    total: int
    skip: int
    limit: int


class ServerTools(TypedDict):
    """The tools of an MCP server."""

    server_id: UUID
    server_name: str
    tools: list[dict[str, Any]]
    total: int


class ServerTested(TypedDict):
    """What a test of an MCP server has shown."""

    success: bool
    message: str
    tool_count: int | None
    error_details: str | None


class Skill(TypedDict):
    """A skill."""

    id: UUID
    name: str
    description: str
    content: str
    category: str | None
    version: str
    tenant_id: UUID
    user_id: UUID | None
    is_active: bool
    created_at: datetime
    updated_at: datetime


class Skills(TypedDict):
    """A page of skills."""

    skills: list[Skill]
    total: int
    page: int
    page_size: int


class Usage(TypedDict):
    """That a run had a skill at hand, and what became of it."""

    id: UUID
    response_id: UUID
    skill_id: UUID
    skill_name: str
    tenant_id: UUID
    user_id: UUID | None
    relevance_score: float | None
    planner_selected: bool | None
    usage_reasoning: str | None
    priority: int | None
    execution_outcome: Literal["success", "partial", "failed", "cancelled", "not_executed"] | None
    effectiveness_score: float | None
    feedback_notes: str | None
    created_at: datetime
    updated_at: datetime


class Usages(TypedDict):
    """A page of usages."""

    usages: list[Usage]
    total: int
    page: int
    page_size: int


class SkillAnalytics(TypedDict):
    """How often skills were at hand, chosen and of use."""

    skill_id: str | None
    total_retrievals: int
    total_selections: int
    successful_executions: int
    selection_rate: float
    success_rate: float
    avg_effectiveness: float
    usage_frequency: float


class Post(TypedDict):
    """A post that could not be read."""

    url: str
    status: Literal["success", "error"]
    error: str


class Posts(TypedDict):
    """Posts in the order they were asked for."""

    posts: list[Post]
