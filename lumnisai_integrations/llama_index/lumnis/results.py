"""Finished runs and files as responses, nodes and documents of LlamaIndex. Pure."""

from __future__ import annotations

import json
from collections.abc import Collection, Sequence
from typing import Any

from llama_index.core.base.response.schema import PydanticResponse, Response
from llama_index.core.schema import Document, NodeRelationship, NodeWithScore, ObjectType, RelatedNodeInfo, TextNode
from pydantic import BaseModel

from lumnisai_core import ResponseObject
from lumnisai_core.tools import answer_schema, structured_text
from lumnisai_integrations._shared.file_reading import FileText
from lumnisai_integrations._shared.files import Passage, file_metadata
from lumnisai_integrations._shared.runs import NO_TEXT
from lumnisai_integrations.llama_index.lumnis.structured import object_of_run


def response_of(run: ResponseObject, response_format: object, sources: Sequence[NodeWithScore] = ()) -> Response:
    """Return a finished run as a response: text, sources with those of the agent's tools last, and metadata."""
    nodes = [*sources, *tool_sources(run)]
    return Response(text_of(run, response_format), source_nodes=nodes, metadata=metadata_of(run))


def pydantic_response_of(
    run: ResponseObject, output_cls: type[BaseModel], sources: Sequence[NodeWithScore]
) -> PydanticResponse:
    """Return a finished run as a response with an object; otherwise the same as :func:`response_of`."""
    nodes = [*sources, *tool_sources(run)]
    return PydanticResponse(object_of_run(output_cls, run), source_nodes=nodes, metadata=metadata_of(run))


def text_of(run: ResponseObject, response_format: object) -> str:
    """Return the answer of a run as text, an object as JSON."""
    return structured_text(run) if answer_schema(response_format) is not None else run.output_text or NO_TEXT


def metadata_of(run: ResponseObject) -> dict[str, Any]:
    """Return id, thread, title, object and artifacts of a run as plain data."""
    known = {"response_id", "thread_id", "response_title", "structured_response", "artifacts"}
    return run.model_dump(mode="json", include=known)


def tool_sources(run: ResponseObject) -> list[NodeWithScore]:
    """Return the results of the tools that an agent used on the platform, as nodes without a score.

    Their id is ``response_id:entry:call``, both counted from 0; ``metadata`` has ``tool_name`` and, as JSON text,
    ``tool_args``. Calls without a known result are left out.
    """
    sources = []
    for at, entry in enumerate(run.progress):
        for number, call in enumerate(entry.tool_calls):
            if call.output_text:
                args = json.dumps(call.args, ensure_ascii=False, default=str)
                about = {"tool_name": call.name, "tool_args": args, "response_id": run.response_id}
                content = _content(f"{run.response_id}:{at}:{number}", call.output_text, about, shown={"tool_name"})
                sources.append(NodeWithScore(node=TextNode(**content)))
    return sources


#: Metadata that a model may read with the text, so that it can name its sources.
_SHOWN = frozenset({"file_name", "tags"})


def node_of(passage: Passage) -> NodeWithScore:
    """Return a passage as a node with a score, related to its file."""
    about = file_metadata(passage.file)
    file = RelatedNodeInfo(node_id=passage.file.id, node_type=ObjectType.DOCUMENT, metadata=about)
    content = _content(passage.id, passage.text, passage.metadata)
    return NodeWithScore(node=TextNode(**content, relationships={NodeRelationship.SOURCE: file}), score=passage.score)


def document_of(file: FileText) -> Document:
    """Return a file as a document that keeps its id."""
    return Document(**_content(*file))


def _content(id_: str, text: str, metadata: dict[str, Any], shown: Collection[str] = _SHOWN) -> dict[str, Any]:
    hidden = [name for name in metadata if name not in shown]
    embedded = {"excluded_embed_metadata_keys": list(metadata), "excluded_llm_metadata_keys": hidden}
    return {"id_": id_, "text": text, "metadata": metadata, **embedded}
