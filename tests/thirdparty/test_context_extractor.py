"""``DocumentContextExtractor`` of LlamaIndex: contextual retrieval with a LumnisLLM that places each chunk."""

from __future__ import annotations

from llama_index.core.extractors import DocumentContextExtractor
from llama_index.core.ingestion import IngestionPipeline
from llama_index.core.node_parser import TokenTextSplitter
from llama_index.core.schema import Document, TextNode
from llama_index.core.storage.docstore import SimpleDocumentStore

from lumnisai_core.local import RunRequest
from tests.thirdparty.conftest import Play
from tests.thirdparty.moves import Move, Says, all_text

TEXT = "High tide at North Quay is at noon. " * 12 + "Low tide at South Quay is at six. " * 12


def place(request: RunRequest) -> Move:
    """Say which quay a chunk is about, from the chunk alone."""
    chunk = all_text(request).split("<chunk>")[1].split("</chunk>")[0]
    return Says("About both quays." if "North" in chunk and "South" in chunk else "About one quay.")


async def test_each_chunk_gets_its_context(play: Play) -> None:
    """The extractor marks the document for another provider's cache and passes that provider's headers."""
    stage = play(plan=place)
    document = Document(text=TEXT, doc_id="tides")
    store = SimpleDocumentStore()
    await store.async_add_documents([document])
    splitter = TokenTextSplitter(chunk_size=100, chunk_overlap=0)
    extractor = DocumentContextExtractor(docstore=store, llm=stage.llm(), max_context_length=10_000)
    nodes = await IngestionPipeline(transformations=[splitter, extractor]).arun(documents=[document])
    assert len(nodes) > 2
    for node in nodes:
        assert isinstance(node, TextNode)
        both = "North" in node.text and "South" in node.text
        assert node.metadata["context"] == ("About both quays." if both else "About one quay.")
    assert len(stage.requests) == len(nodes)
    for request in stage.requests:
        assert "<document>High tide" in request.messages[0].content
        assert "cache_control" not in all_text(request)
