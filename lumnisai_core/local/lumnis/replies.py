"""Stored rows as wire JSON. Columns that already hold JSON are spliced in as they are."""

from __future__ import annotations

import json
import mimetypes
from collections.abc import Collection, Iterable
from dataclasses import fields
from typing import Any, Literal
from uuid import UUID, uuid5

from lumnisai_core.local.lumnis.store import (
    ArtifactRow,
    ChunkRow,
    FileRow,
    KeyRow,
    RunRow,
    TenantRow,
    ThreadRow,
    UserRow,
)
from lumnisai_core.local.store.table import AnyRow
from lumnisai_core.local.web.ids import is_past, now, tenant_id_of

ArtifactShape = Literal["parts", "content"]


def dumps(value: Any) -> str:
    """Return compact JSON.

    Raises:
        ValueError: the value holds NaN, infinity or half a character.
        TypeError: it holds something JSON has no form for.
    """
    text = json.dumps(value, ensure_ascii=False, allow_nan=False, separators=(",", ":"))
    text.encode()
    return text


def array(items: Iterable[str]) -> str:
    """Join JSON texts into a JSON array."""
    return f"[{','.join(items)}]"


def page(name: str, items: Iterable[str], total: int, limit: int, offset: int) -> str:
    """Return a list reply of the limit/offset style."""
    return f'{{"{name}":{array(items)},"total":{total},"limit":{limit},"offset":{offset}}}'


def row(stored: AnyRow, *, without: Collection[str] = (), **more: Any) -> dict[str, Any]:
    """Return the columns of a row by name, columns of JSON text as values, with more fields added."""
    values: dict[str, Any] = {}
    for column in fields(stored):
        value = getattr(stored, column.name)
        if column.name not in without:
            is_json = isinstance(value, str) and str(column.type).startswith("Json")
            values[column.name] = json.loads(value) if is_json else value
    return {**values, **more}


def run_json(run: RunRow, artifact_shape: ArtifactShape) -> str:
    """Return a ResponseObject; inline artifacts are as the engine made them, or in the shape with one `content`."""
    artifacts = run.artifacts
    if artifacts is not None and artifact_shape == "content":
        artifacts = dumps([content_of(item) for item in json.loads(artifacts)])
    known = dumps(
        {
            "response_id": run.response_id,
            "thread_id": run.thread_id,
            "tenant_id": run.tenant_id,
            "user_id": run.user_id,
            "status": run.status,
            "output_text": run.output_text,
            "response_title": run.response_title,
            "created_at": run.created_at,
            "completed_at": run.completed_at,
        }
    )
    spliced = {
        "progress": run.progress,
        "input_messages": run.input_messages,
        "structured_response": run.structured_response,
        "artifacts": artifacts,
        "error": run.error,
        "options": run.options,
    }
    rest = ",".join(f'"{name}":{"null" if text is None else text}' for name, text in spliced.items())
    return f"{known[:-1]},{rest}}}"


def created_json(run: RunRow) -> str:
    """Return the reply to a create."""
    names = ("response_id", "thread_id", "tenant_id", "status", "created_at")
    return dumps({name: getattr(run, name) for name in names})


def artifact_json(artifact: ArtifactRow) -> str:
    """Return a stored artifact."""
    known = row(artifact, without=("tenant_id", "user_id", "text"))
    return dumps({**known, "uri": f"artifact_{artifact.artifact_id}", "bytes": len(artifact.text.encode())})


def file_value(file: FileRow) -> dict[str, Any]:
    """Return a FileMetadata."""
    return row(file, without=("total_lines", "processed_at"), blob_url=None)


def chunk_value(chunk: ChunkRow, score: float) -> dict[str, Any]:
    """Return a piece of a file that was found."""
    return row(chunk, without=("file_id",), metadata=None, similarity_score=score)


def thread_json(thread: ThreadRow) -> str:
    """Return a ThreadObject."""
    return dumps(row(thread))


def user_json(user: UserRow) -> str:
    """Return a User."""
    return dumps(row(user))


def key_json(key: KeyRow) -> str:
    """Return a Key; it is active until it expires."""
    active = not is_past(key.expires_at, now())
    return dumps(row(key, without=("tenant_id",), is_active=active, created_by=None))


def tenant_json(tenant: TenantRow) -> str:
    """Return a Tenant."""
    return dumps(
        {
            "id": tenant.id,
            "name": tenant.name,
            "api_key_mode": tenant.api_key_mode,
            "created_at": tenant.created_at,
            "updated_at": tenant.updated_at,
            "developer_id": tenant_id_of(tenant.id),
            "developer_email": "developer@localhost",
            "plan": "shared",
            "db_status": "active",
            "billing_status": "active",
        }
    )


def artifacts_of(run: RunRow, inline: str | None) -> list[ArtifactRow]:
    """Read the inline artifacts of a run (JSON); of those with one id the last counts."""
    made = (_artifact(run, index, item) for index, item in enumerate(json.loads(inline or "[]")))
    return list({artifact.artifact_id: artifact for artifact in made}.values())


def content_of(item: dict[str, Any]) -> dict[str, Any]:
    """Return an inline artifact in the shape with one `content`; one that has this shape already stays as it is."""
    parts = item.get("parts")
    if not isinstance(parts, list):
        return {"type": "text", "content": "", **item}
    texts = [part["text"] for part in parts if isinstance(part, dict) and isinstance(part.get("text"), str)]
    language = {"language": item["language"]} if item.get("language") else {}
    return {"type": "text", "content": "\n".join(texts), **language}


def _artifact(run: RunRow, index: int, item: dict[str, Any]) -> ArtifactRow:
    name = str(item.get("name") or f"artifact-{index + 1}")
    parts = item.get("parts")
    texts = [str(part.get("text") or "") for part in parts if isinstance(part, dict)] if isinstance(parts, list) else []
    text = "\n".join(texts) if texts else str(item.get("content") or "")
    given_id = str(item.get("artifactId") or item.get("artifact_id") or index)
    return ArtifactRow(
        artifact_id=_uuid(run.response_id, given_id),
        response_id=run.response_id,
        tenant_id=run.tenant_id,
        user_id=run.user_id,
        name=name,
        mime_type=mimetypes.guess_type(name)[0] or "text/plain",
        text=text,
        created_at=now(),
    )


def _uuid(response_id: str, given_id: str) -> str:
    """Return a UUID: the given one, or one that follows from run and name."""
    try:
        return str(UUID(given_id.removeprefix("artifact_")))
    except ValueError:
        return str(uuid5(UUID(response_id), given_id))
