"""Documents of runs that the service keeps (``/v1/responses/{id}/artifacts``)."""

from __future__ import annotations

from typing import ClassVar

from pydantic import Field

from lumnisai_core._transport.wire import Items, Page, Timestamp, WireModel

__all__ = ["ArtifactList", "StoredArtifact"]


class StoredArtifact(WireModel):
    """A document of a run that the service keeps.

    Attributes:
        uri: Address of the document; accepted by ``files=`` of a run.
        bytes: Size in bytes.
    """

    _id: ClassVar[str] = "artifact_id"

    artifact_id: str
    response_id: str | None = None
    name: str = ""
    uri: str = ""
    mime_type: str = ""
    bytes: int = 0
    created_at: Timestamp | None = None


class ArtifactList(Page[StoredArtifact]):
    """One page of stored documents."""

    _list: ClassVar[str] = "artifacts"

    artifacts: Items[StoredArtifact] = Field(default_factory=list)
    limit: int | None = None
    offset: int = 0
