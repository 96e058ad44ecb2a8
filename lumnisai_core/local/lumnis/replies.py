"""Replies made from stored rows: what a row shows, and the artifacts of a run."""

from __future__ import annotations

import json
import mimetypes
from typing import Any, TypeVar
from uuid import UUID, uuid5

from lumnisai_core.local.lumnis.settings import ArtifactShape
from lumnisai_core.local.lumnis.shapes.files import File
from lumnisai_core.local.lumnis.shapes.runs import Artifact, Run
from lumnisai_core.local.lumnis.shapes.users import Tenant
from lumnisai_core.local.lumnis.store.rows import ArtifactRow, FileRow, RunRow, TenantRow
from lumnisai_core.local.store.table import AnyRow
from lumnisai_core.local.web.ids import now, tenant_id_of
from lumnisai_core.local.web.json_text import dumps

_Shape = TypeVar("_Shape", bound=AnyRow)


def shown(shape: type[_Shape], row: AnyRow, **more: Any) -> _Shape:
    """Return the columns of a row that a shape has, with its further fields."""
    columns = {name: getattr(row, name) for name in shape.__dataclass_fields__ if name not in more}
    return shape(**columns, **more)


def run_reply(run: RunRow, artifact_shape: ArtifactShape) -> Run:
    """Return a run; inline artifacts are as the engine made them, or in the shape with one `content`."""
    if run.artifacts is None or artifact_shape == "parts":
        return shown(Run, run)
    return shown(Run, run, artifacts=dumps([_content_of(item) for item in json.loads(run.artifacts)]))


def file_reply(file: FileRow) -> File:
    """Return a file; the embedded service has no address for its bytes."""
    return shown(File, file, blob_url=None)


def artifact_reply(artifact: ArtifactRow) -> Artifact:
    """Return a stored artifact without its text."""
    return shown(Artifact, artifact, uri=f"artifact_{artifact.artifact_id}", bytes=len(artifact.text.encode()))


def tenant_reply(tenant: TenantRow) -> Tenant:
    """Return a tenant, with the parts of an account that the embedded service does not have."""
    return shown(
        Tenant,
        tenant,
        developer_id=tenant_id_of(tenant.id),
        developer_email="developer@localhost",
        plan="shared",
        db_status="active",
        billing_status="active",
    )


def artifacts_of(run: RunRow, inline: str | None) -> list[ArtifactRow]:
    """Read the inline artifacts of a run (JSON); of several with one id the last counts."""
    made = (_artifact(run, index, item) for index, item in enumerate(json.loads(inline or "[]")))
    return list({artifact.artifact_id: artifact for artifact in made}.values())


def _content_of(item: dict[str, Any]) -> dict[str, Any]:
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
    return ArtifactRow(
        artifact_id=_uuid(run.response_id, str(item.get("artifactId") or item.get("artifact_id") or index)),
        response_id=run.response_id,
        tenant_id=run.tenant_id,
        user_id=run.user_id,
        name=name,
        mime_type=mimetypes.guess_type(name)[0] or "text/plain",
        text="\n".join(texts) if texts else str(item.get("content") or ""),
        created_at=now(),
    )


def _uuid(response_id: str, name: str) -> str:
    """Return a UUID: the name itself if it is one, else one that follows from run and name."""
    try:
        return str(UUID(name.removeprefix("artifact_")))
    except ValueError:
        return str(uuid5(UUID(response_id), name))
