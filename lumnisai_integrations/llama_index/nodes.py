"""Files of the platform as documents and nodes. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from llama_index.core.schema import Document, NodeRelationship, NodeWithScore, ObjectType, RelatedNodeInfo, TextNode

from lumnisai_integrations._shared.file_texts import FileText
from lumnisai_integrations._shared.files import Passage, file_metadata

#: What a model may read besides the text, so that it can name its sources.
_SHOWN = frozenset({"file_name", "tags"})


def node_of(passage: Passage) -> NodeWithScore:
    """Return a passage as a node with a score, related to its file."""
    metadata = passage.metadata
    node = TextNode(
        id_=passage.id,
        text=passage.text,
        metadata=metadata,
        excluded_embed_metadata_keys=list(metadata),
        excluded_llm_metadata_keys=_hidden(metadata),
        relationships={
            NodeRelationship.SOURCE: RelatedNodeInfo(
                node_id=passage.file.id, node_type=ObjectType.DOCUMENT, metadata=file_metadata(passage.file)
            )
        },
    )
    return NodeWithScore(node=node, score=passage.score)


def document_of(file: FileText) -> Document:
    """Return a file as a document that keeps its id."""
    metadata = file.metadata
    return Document(
        id_=file.id,
        text=file.text,
        metadata=metadata,
        excluded_embed_metadata_keys=list(metadata),
        excluded_llm_metadata_keys=_hidden(metadata),
    )


def _hidden(metadata: Mapping[str, Any]) -> list[str]:
    return [name for name in metadata if name not in _SHOWN]
