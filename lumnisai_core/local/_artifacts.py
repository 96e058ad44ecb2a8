"""Artifacts: what a run leaves behind, from the inline form of a finished run to texts of their own."""

from __future__ import annotations

import json
import mimetypes
from typing import Any
from uuid import UUID, uuid5

from lumnisai_core.local._store import ArtifactRow, RunRow
from lumnisai_core.local._times import now


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
