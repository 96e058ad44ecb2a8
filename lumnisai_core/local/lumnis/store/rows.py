"""Rows of tables with columns that no request sees. The other tables hold shapes of replies."""

from __future__ import annotations

from dataclasses import dataclass

from lumnisai_core.local.lumnis.shapes.external_api_keys import KeyColumns
from lumnisai_core.local.lumnis.shapes.files import ChunkColumns, FileColumns
from lumnisai_core.local.lumnis.shapes.integrations import ConnectionStatus, Provider
from lumnisai_core.local.lumnis.shapes.runs import Run
from lumnisai_core.local.lumnis.shapes.users import ApiKeyMode
from lumnisai_core.local.web.json_text import Json
from lumnisai_core.local.web.shapes import Object


@dataclass(frozen=True, slots=True)
class TenantRow:
    """A tenant: whoever holds one of its keys."""

    id: str
    name: str
    created_at: str
    api_key_mode: ApiKeyMode
    updated_at: str | None


@dataclass(frozen=True, slots=True)
class RunRow(Run):
    """A run with the rest of its request."""

    request: Json[Object]


@dataclass(frozen=True, slots=True)
class ArtifactRow:
    """The text of an artifact that a run made."""

    artifact_id: str
    response_id: str
    tenant_id: str
    user_id: str | None
    name: str
    mime_type: str
    text: str
    created_at: str


@dataclass(frozen=True, slots=True)
class KeyRow(KeyColumns):
    """A key of a model provider that was stored for a tenant. The key itself is not kept."""

    tenant_id: str


@dataclass(frozen=True, slots=True)
class FileRow(FileColumns):
    """An uploaded file."""

    total_lines: int
    processed_at: str | None


@dataclass(frozen=True, slots=True)
class ChunkRow(ChunkColumns):
    """A piece of a file's text."""

    file_id: str


@dataclass(frozen=True, slots=True)
class ConnectionRow:
    """A user's connection to an app; `state` is the secret part of the address that completes it."""

    connection_id: str
    tenant_id: str
    user_id: str
    provider: Provider
    app_name: str
    status: ConnectionStatus
    connected_at: str | None
    error_message: str | None
    state: str
    success_url: str | None
    failure_url: str | None
    created_at: str
