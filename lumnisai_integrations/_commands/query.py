"""A LlamaIndex query engine over text: BM25 finds the passages, Lumnis answers from them."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from queue import SimpleQueue
from threading import Thread
from typing import Any

from llama_index.core import Document
from llama_index.core.instrumentation.event_handlers import BaseEventHandler
from llama_index.core.instrumentation.events import BaseEvent
from llama_index.core.node_parser import SentenceSplitter
from llama_index.core.query_engine import RetrieverQueryEngine
from llama_index.retrievers.bm25 import BM25Retriever
from llama_index_instrumentation import get_dispatcher

from lumnisai_integrations._commands.connection import Connection
from lumnisai_integrations.llama_index import LumnisLLM, LumnisProgressEvent

_PASSAGES = 4
_TOKENS_OF_A_PASSAGE = 256


@dataclass(frozen=True)
class Answer:
    """What a query engine said, and the names of the files it read for it."""

    text: str
    sources: tuple[str, ...]


def answer_from(
    documents: Sequence[Document],
    question: str,
    *,
    service: Connection,
    user_id: str,
    progress: Callable[[str], None],
) -> Answer:
    """Answer a question from documents.

    Args:
        documents: At least one, with ``file_name`` in the metadata.
        question: What the user wants to know.
        service: Where the run goes.
        user_id: User the run is for.
        progress: Called with each line of progress.
    """
    splitter = SentenceSplitter(chunk_size=_TOKENS_OF_A_PASSAGE, chunk_overlap=32)
    passages = splitter.get_nodes_from_documents(documents)
    retriever = BM25Retriever.from_defaults(nodes=passages, similarity_top_k=min(_PASSAGES, len(passages)))
    llm = LumnisLLM(api_key=service.api_key, base_url=service.base_url, user_id=user_id)
    try:
        engine = RetrieverQueryEngine.from_args(retriever, llm=llm)
        with _progress_to(progress):
            response = engine.query(question)
    finally:
        llm.close()
    names = (str(source.node.metadata.get("file_name")) for source in response.source_nodes)
    return Answer(str(response), tuple(dict.fromkeys(names)))


class _LineHandler(BaseEventHandler):
    """Hands on the lines of progress events."""

    hand_on: Callable[[str], None]

    def handle(self, event: BaseEvent, **_: Any) -> None:
        """Hand on what one event says if it is about a run's progress."""
        if isinstance(event, LumnisProgressEvent):
            self.hand_on("\n".join(filter(None, [event.message, event.tool_calls])))


@contextmanager
def _progress_to(tell: Callable[[str], None]) -> Iterator[None]:
    """Show progress of the runs in the block.

    It is shown by a thread of its own: LlamaIndex swallows whatever is raised while an event is handled, and that must
    not be the user's Ctrl-C.
    """
    lines: SimpleQueue[str | None] = SimpleQueue()
    shower = Thread(target=_show, args=(lines, tell), daemon=True)
    dispatcher = get_dispatcher("lumnisai_integrations.llama_index")
    handler = _LineHandler(hand_on=lines.put)
    dispatcher.add_event_handler(handler)
    shower.start()
    try:
        yield
    finally:
        dispatcher.event_handlers.remove(handler)
        lines.put(None)
        shower.join()


def _show(lines: SimpleQueue[str | None], tell: Callable[[str], None]) -> None:
    while (line := lines.get()) is not None:
        tell(line)
