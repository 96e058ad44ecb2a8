"""Rows of the tables. A row that requests see as it is, or with other fields, also declares the shape of its reply."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Annotated, Any, Literal, NotRequired, TypeVar

from typing_extensions import TypedDict

from lumnisai_core.local.store.database import AnyRow
from lumnisai_core.local.web.ids import new_id, now
from lumnisai_core.local.web.json_text import Json
from lumnisai_core.local.web.shapes import Id, Object, OneOf, Time

ApiKeyMode = Literal["platform", "byo_keys"]
Status = Literal["queued", "in_progress", "succeeded", "failed", "cancelled"]
Role = Literal["system", "user", "assistant"]
FeedbackType = Literal["suggestion", "correction", "guidance"]
FileScope = Literal["user", "tenant"]
ProcessingStatus = Literal["pending", "parsing", "embedding", "completed", "partial_success", "error"]
ServerScope = Literal["tenant", "user"]
Transport = Literal["stdio", "streamable_http", "sse"]
Outcome = Literal["success", "partial", "failed", "cancelled", "not_executed"]
ConnectionProvider = Literal["composio", "unipile"]
ConnectionStatus = Literal["pending", "active", "failed", "expired", "not_connected"]
ModelType = Literal["CHEAP_MODEL", "FAST_MODEL", "SMART_MODEL", "REASONING_MODEL", "VISION_MODEL"]
ModelProvider = Annotated[
    str,
    OneOf(
        """openai anthropic azure_openai azure_ai google_vertexai google_genai google_anthropic_vertex bedrock
        bedrock_converse cohere fireworks together mistralai huggingface groq ollama deepseek ibm nvidia xai
        perplexity"""
    ),
]
KeyProvider = Annotated[
    str,
    OneOf(
        """OPENAI_API_KEY ANTHROPIC_API_KEY GOOGLE_API_KEY COHERE_API_KEY GROQ_API_KEY NVIDIA_API_KEY
        FIREWORKS_API_KEY MISTRAL_API_KEY TOGETHER_API_KEY XAI_API_KEY PPLX_API_KEY HUGGINGFACE_API_KEY
        DEEPSEEK_API_KEY IBM_API_KEY EXA_API_KEY SERPAPI_API_KEY CRUSTDATA_API_KEY E2B_API_KEY CORESIGNAL_API_KEY
        PDL_API_KEY FIBER_API_KEY FIRECRAWL_API_KEY ENRICH_LAYER_API_KEY AWS_ACCESS_KEY_ID AWS_SECRET_ACCESS_KEY
        OPENROUTER_API_KEY PROSPEO_API_KEY"""
    ),
]
_Shape = TypeVar("_Shape", bound=AnyRow)


def view(shape: type[_Shape], row: AnyRow, **more: Any) -> _Shape:
    """Return the columns of a row that a shape has, with its further fields."""
    columns = {name: getattr(row, name) for name in row.__dataclass_fields__ if name in shape.__dataclass_fields__}
    return shape(**{**columns, **more})


@dataclass(frozen=True, slots=True, kw_only=True)
class TenantRow:
    """A key, and the tenant that it opens."""

    key_hash: str
    id: Id
    name: str
    created_at: Time = field(default_factory=now)
    api_key_mode: ApiKeyMode = "platform"
    updated_at: Time | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class User:
    """A user."""

    id: Id
    email: str
    first_name: str | None
    last_name: str | None
    tenant_id: Id
    is_active: bool = True
    created_at: Time = field(default_factory=now)
    updated_at: Time = field(default_factory=now)


@dataclass(frozen=True, slots=True, kw_only=True)
class Thread:
    """A thread: a conversation that runs belong to."""

    thread_id: Id = field(default_factory=new_id)
    tenant_id: Id
    user_id: Id | None
    title: str | None = None
    created_at: Time
    updated_at: Time | None
    response_count: int = 0
    last_response_at: Time | None = None


class Message(TypedDict):
    """One message."""

    role: Role
    content: str


class ProgressEntry(TypedDict):
    """One step of a run."""

    id: NotRequired[str]
    ts: Time
    state: str
    message: str
    tool_calls: list[Object] | None
    output_text: str | None


class TokenUsage(TypedDict):
    """How many tokens a run took."""

    input_tokens: int
    output_tokens: int
    total_tokens: int


class RunError(TypedDict):
    """Why a run has failed."""

    code: str
    message: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Run:
    """A run."""

    response_id: Id = field(default_factory=new_id)
    thread_id: Id
    tenant_id: Id
    user_id: Id | None
    status: Status = "queued"
    progress: Json[list[ProgressEntry]] = field(default=Json("[]"))
    input_messages: Json[list[Message]]
    output_text: str | None = None
    structured_response: Json[Any] | None = None
    artifacts: Json[list[Object]] | None = None
    response_title: str | None = None
    error: Json[RunError] | None = None
    options: Json[Object] | None
    created_at: Time
    completed_at: Time | None = None
    usage: Json[TokenUsage] | None = None
    model: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class RunRow(Run):
    """A run with the rest of its request."""

    request: Json[Object]


@dataclass(frozen=True, slots=True, kw_only=True)
class ArtifactColumns:
    """The columns of an artifact that requests see."""

    artifact_id: Id
    response_id: Id
    name: str
    mime_type: str
    created_at: Time = field(default_factory=now)


@dataclass(frozen=True, slots=True, kw_only=True)
class ArtifactRow(ArtifactColumns):
    """The text of an artifact that a run made."""

    tenant_id: str
    user_id: str | None
    text: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Feedback:
    """Feedback for a run."""

    feedback_id: Id = field(default_factory=new_id)
    response_id: Id
    tenant_id: Id
    user_id: Id | None
    feedback_text: str
    feedback_type: FeedbackType
    progress_id: str | None
    tool_call_id: str | None
    tool_args_update: Json[Object] | None
    is_consumed: bool = False
    consumed_at: Time | None = None
    created_at: Time = field(default_factory=now)


@dataclass(frozen=True, slots=True, kw_only=True)
class KeyColumns:
    """The columns of a key of a model provider that requests see; the key itself is not kept."""

    key_id: Id = field(default_factory=new_id)
    provider: KeyProvider
    key_name: str | None
    expires_at: Time | None
    created_at: Time = field(default_factory=now)
    updated_at: Time = field(default_factory=now)


@dataclass(frozen=True, slots=True, kw_only=True)
class KeyRow(KeyColumns):
    """A key of a model provider that was stored for a tenant."""

    tenant_id: str


@dataclass(frozen=True, slots=True)
class Preference:
    """The model for one kind of work."""

    tenant_id: Id
    model_type: ModelType
    provider: ModelProvider
    model_name: str
    created_at: Time
    updated_at: Time
    is_active: bool = True


@dataclass(frozen=True, slots=True, kw_only=True)
class FileColumns:
    """The columns of a file that requests see."""

    id: Id = field(default_factory=new_id)
    tenant_id: Id
    user_id: Id | None
    file_name: str
    original_file_name: str
    file_type: str
    mime_type: str
    file_size: int
    file_scope: FileScope
    processing_status: ProcessingStatus = "pending"
    error_message: str | None = None
    total_chunks: int = 0
    chunks_embedded: int = 0
    tags: Json[list[str]] | None
    created_at: Time = field(default_factory=now)
    updated_at: Time = field(default_factory=now)
    deleted_at: Time | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class FileRow(FileColumns):
    """An uploaded file."""

    total_lines: int = 0
    processed_at: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class ChunkColumns:
    """The columns of a piece of a file that requests see; lines count from 1."""

    id: Id = field(default_factory=new_id)
    chunk_index: int
    chunk_text: str
    start_line: int | None
    end_line: int | None
    token_count: int | None


@dataclass(frozen=True, slots=True, kw_only=True)
class ChunkRow(ChunkColumns):
    """A piece of a file's text."""

    file_id: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Server:
    """An MCP server."""

    id: Id = field(default_factory=new_id)
    tenant_id: Id
    user_id: Id | None
    scope: ServerScope
    name: str
    description: str | None
    transport: Transport
    command: str | None
    args: Json[list[str]] | None
    url: str | None
    is_active: bool = True
    created_at: Time = field(default_factory=now)
    updated_at: Time = field(default_factory=now)


@dataclass(frozen=True, slots=True, kw_only=True)
class Skill:
    """A skill."""

    id: Id = field(default_factory=new_id)
    name: str
    description: str
    content: str
    category: str | None
    version: str
    tenant_id: Id
    user_id: Id | None
    is_active: bool = True
    created_at: Time = field(default_factory=now)
    updated_at: Time = field(default_factory=now)


@dataclass(frozen=True, slots=True, kw_only=True)
class Usage:
    """A skill that was available to a run, and how it was used."""

    id: Id = field(default_factory=new_id)
    response_id: Id
    skill_id: Id
    skill_name: str
    tenant_id: Id
    user_id: Id | None
    relevance_score: float | None
    planner_selected: bool | None = None
    usage_reasoning: str | None = None
    priority: int | None = None
    execution_outcome: Outcome | None = None
    effectiveness_score: float | None = None
    feedback_notes: str | None = None
    created_at: Time = field(default_factory=now)
    updated_at: Time = field(default_factory=now)


@dataclass(frozen=True, slots=True, kw_only=True)
class ConnectionRow:
    """A user's connection to an app; `state` is the secret part of the address that completes it."""

    connection_id: str = field(default_factory=new_id)
    tenant_id: str
    user_id: str
    provider: ConnectionProvider
    app_name: str
    status: ConnectionStatus = "pending"
    connected_at: str | None
    error_message: str | None = None
    state: str
    success_url: str | None
    failure_url: str | None
    created_at: str = field(default_factory=now)
