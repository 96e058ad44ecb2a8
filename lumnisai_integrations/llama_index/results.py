"""Finished runs and files as responses, nodes and documents of LlamaIndex. Pure."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from llama_index.core.base.response.schema import PydanticResponse, Response
from llama_index.core.schema import Document, NodeRelationship, NodeWithScore, ObjectType, RelatedNodeInfo, TextNode
from pydantic import BaseModel

from lumnisai_core import ResponseObject
from lumnisai_integrations._shared.file_reading import FileText
from lumnisai_integrations._shared.files import Passage, file_metadata
from lumnisai_integrations._shared.runs import NO_TEXT
from lumnisai_integrations._shared.structured import structured_text
from lumnisai_integrations.llama_index.structured import object_of_run


def response_of(run: ResponseObject, response_format: object, sources: list[NodeWithScore]) -> Response:
    """Return a finished run as a response: text, sources with those of the agent's tools last, and metadata.

    Args:
        run: The run.
        response_format: Format of the object in it; None for a text.
        sources: Further sources, which come first.

    Raises:
        StructuredOutputError: The run succeeded without the object it should return.
    """
    text = text_of(run, response_format)
    return Response(text, source_nodes=[*sources, *tool_sources(run)], metadata=metadata_of(run))


def pydantic_response_of(
    run: ResponseObject, output_cls: type[BaseModel], sources: list[NodeWithScore]
) -> PydanticResponse:
    """Return a finished run as a response with an object; otherwise the same as :func:`response_of`."""
    value = object_of_run(output_cls, run)
    return PydanticResponse(value, source_nodes=[*sources, *tool_sources(run)], metadata=metadata_of(run))


def text_of(run: ResponseObject, response_format: object) -> str:
    """Return the answer of a run as text, an object as JSON.

    Raises:
        StructuredOutputError: The run succeeded without the object it should return.
    """
    return structured_text(run) if response_format is not None else run.output_text or NO_TEXT


def metadata_of(run: ResponseObject) -> dict[str, Any]:
    """Return id, thread, title, object and artifacts of a run as plain data."""
    known = {"response_id", "thread_id", "response_title", "structured_response", "artifacts"}
    return run.model_dump(mode="json", include=known)


def tool_sources(run: ResponseObject) -> list[NodeWithScore]:
    """Return the results of the tools that an agent used on the platform, as nodes without a score.

    Their id is ``response_id:entry:call``, both counted from 0; ``metadata`` has ``tool_name`` and, as JSON text,
    ``tool_args``. Calls without a known result are left out.
    """
    return [
        NodeWithScore(
            node=TextNode(
                id_=f"{run.response_id}:{at}:{number}",
                text=call.output_text,
                metadata={
                    "tool_name": call.name,
                    "tool_args": json.dumps(call.args, ensure_ascii=False, default=str),
                    "response_id": run.response_id,
                },
                excluded_embed_metadata_keys=["tool_name", "tool_args", "response_id"],
                excluded_llm_metadata_keys=["tool_args", "response_id"],
            )
        )
        for at, entry in enumerate(run.progress)
        for number, call in enumerate(entry.tool_calls)
        if call.output_text
    ]


#: Metadata that a model may read with the text, so that it can name its sources.
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
