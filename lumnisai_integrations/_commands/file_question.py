"""Question about files in ``lumnis demo``: a query engine of LlamaIndex that shows its progress and its sources."""

from __future__ import annotations

from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from llama_index.core.instrumentation.event_handlers import BaseEventHandler
from llama_index.core.query_engine import RetrieverQueryEngine
from llama_index.core.retrievers import BaseRetriever
from llama_index.core.schema import NodeWithScore, QueryBundle, TextNode
from llama_index_instrumentation import get_dispatcher
from llama_index_instrumentation.base import BaseEvent
from pydantic import PrivateAttr

from lumnisai_core import RunUpdate
from lumnisai_integrations._commands.connection import Connection
from lumnisai_integrations._commands.documents import NamedText, best_passages, read_documents
from lumnisai_integrations._commands.page import Page
from lumnisai_integrations._shared.display import ProgressDisplay
from lumnisai_integrations.llama_index import LucidicHandler, LumnisLLM, LumnisProgressEvent

FILES = {
    "prices.txt": "One night costs 42 euros.\nElectricity is included.\n",
    "tides.txt": "Spring tides follow new and full moon.\nNeap tides come two days after half moon.\n",
    "rules.txt": (
        "The harbour office opens at 7:30.\n"
        "Boats with a draught above 2.5 m leave at spring tides only.\n"
        "Dogs are welcome on all piers.\n"
    ),
}

QUESTION = "Which tides let boats with deep draught leave?"


class FileLines(BaseRetriever):
    """Finds the lines of the files in a folder that a question is about."""

    def __init__(self, folder: Path) -> None:
        super().__init__()
        files = read_documents(sorted(folder.iterdir()))
        self._lines = [
            NamedText(f"{name}, line {number}", line)
            for name, text in files
            for number, line in enumerate(text.splitlines(), 1)
        ]

    def _retrieve(self, query_bundle: QueryBundle) -> list[NodeWithScore]:
        found = best_passages(self._lines, query_bundle.query_str, 2)
        return [NodeWithScore(node=TextNode(text=line, metadata={"source": place})) for place, line in found]


class _Steps(BaseEventHandler):
    """Shows the progress of runs."""

    _progress: ProgressDisplay = PrivateAttr()

    def __init__(self, progress: ProgressDisplay) -> None:
        super().__init__()
        self._progress = progress

    def handle(self, event: BaseEvent, **_: Any) -> None:
        """Show an update."""
        if isinstance(event, LumnisProgressEvent):
            self._progress(RunUpdate.from_data({**event.to_dict(), "tool_calls": ()}))


def ask(page: Page, service: Connection) -> None:
    """Ask a question about files in a folder, and show the answer with the lines that it comes from."""
    page.note("You ask:")
    page.text(QUESTION)
    llm = LumnisLLM(**service.settings)
    handlers = get_dispatcher("lumnisai_integrations.llama_index").event_handlers
    with LucidicHandler(), TemporaryDirectory() as folder, page.progress() as progress:
        handlers.append(steps := _Steps(progress))
        try:
            for name, text in FILES.items():
                Path(folder, name).write_text(text, encoding="utf-8")
            engine = RetrieverQueryEngine.from_args(FileLines(Path(folder)), llm=llm)
            response = engine.query(QUESTION)
        finally:
            handlers.remove(steps)
            llm.close()
    page.note("The answer:")
    page.text(str(response))
    page.note("Sources:")
    page.text("\n".join(str(source.node.metadata["source"]) for source in response.source_nodes))
