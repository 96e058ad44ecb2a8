"""Stored documents of a run (``/v1/responses/{id}/artifacts``); those inside a run are :class:`Artifact`."""

from __future__ import annotations

from pydantic import Field

from lumnisai_core.models._base import Items, Page, Timestamp, WireModel

__all__ = ["ArtifactList", "StoredArtifact"]


class StoredArtifact(WireModel):
    """A document that the service keeps.

    Attributes:
        uri: Where it is; usable in ``files=`` of a run.
        bytes: Size in bytes.
    """

    artifact_id: str
    response_id: str | None = None
    name: str = ""
    uri: str = ""
    mime_type: str = ""
    bytes: int = 0
    created_at: Timestamp | None = None


class ArtifactList(Page[StoredArtifact]):
    """One page of stored documents."""

    artifacts: Items[StoredArtifact] = Field(default_factory=list)
    limit: int | None = None
    offset: int = 0

    @property
    def items(self) -> list[StoredArtifact]:
        """The same as ``artifacts``."""
        return self.artifacts
