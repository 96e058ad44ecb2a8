"""Documents: text files and this project's own pages, and answers from them through a LlamaIndex query engine."""

from __future__ import annotations

from collections.abc import Sequence
from importlib.metadata import metadata
from pathlib import Path
from typing import Any

from llama_index.core import Document
from llama_index.core.base.llms.types import ChatMessage, ChatResponse
from llama_index.core.node_parser import SentenceSplitter
from llama_index.core.query_engine import RetrieverQueryEngine
from llama_index.retrievers.bm25 import BM25Retriever
from pydantic import PrivateAttr

from lumnisai_core import InvokeParameters, ResponseObject
from lumnisai_integrations._commands import CommandError
from lumnisai_integrations._commands.connection import Connection
from lumnisai_integrations.llama_index import LumnisLLM

_PROJECT = Path(__file__).resolve().parent.parent.parent

_PASSAGES = 4
_TOKENS_OF_A_PASSAGE = 256


def read_documents(paths: Sequence[Path]) -> list[Document]:
    """Read text files in UTF-8; the error names all that are missing, empty, folders or not text."""
    problems: list[str] = []
    documents: list[Document] = []
    for path in paths:
        try:
            # Bytes of a name that are not text could not be sent.
            name = path.name.encode(errors="replace").decode()
            documents.append(Document(text=_read(path), metadata={"file_name": name}))
        except CommandError as problem:
            problems.append(f"{path} {problem}")
    if problems:
        raise CommandError("cannot read all files: " + "; ".join(problems))
    return documents


def _read(path: Path) -> str:
    try:
        content = path.read_bytes()
        text = content.decode("utf-8-sig")
    except FileNotFoundError:
        raise CommandError("does not exist: there is no such file") from None
    except IsADirectoryError:
        raise CommandError("is a folder: name the files in it") from None
    except OSError as error:
        raise CommandError(f"cannot be read: {error.strerror or error}") from None
    except UnicodeDecodeError as error:
        raise CommandError(f"is not UTF-8 text (byte {error.start}); convert it first") from None
    if "\0" in text:
        raise CommandError("is not a text file; convert it to text first")
    if not text.strip():
        raise CommandError("is empty")
    return text


def own_documents() -> list[Document]:
    """Return this project's own documents: pages of the checkout, or the description in the package's metadata."""
    paths = [path for path in (_PROJECT / "README.md", _PROJECT / "CHANGELOG.md") if path.is_file()]
    if paths:
        return read_documents(paths)
    description = metadata("lumnisai-integrations").json.get("description", "")
    return [Document(text=str(description), metadata={"file_name": "README.md"})]


class _WatchedLLM(LumnisLLM):
    """Makes each run with further parameters and keeps the last one as the service sent it."""

    _parameters: InvokeParameters = PrivateAttr(default_factory=InvokeParameters)  # a field would be saved
    _last: ResponseObject | None = PrivateAttr(default=None)

    def chat(self, messages: Sequence[ChatMessage], **kwargs: Any) -> ChatResponse:
        """Run an agent on a conversation and keep its run."""
        answer = super().chat(messages, **self._parameters, **kwargs)
        self._last = ResponseObject.model_validate(answer.raw)
        return answer


def answer_from(
    documents: Sequence[Document], question: str, service: Connection, parameters: InvokeParameters
) -> tuple[ResponseObject, Sequence[str]]:
    """Answer a question from documents: return the run, and the names of the files whose passages it used."""
    splitter = SentenceSplitter(chunk_size=_TOKENS_OF_A_PASSAGE, chunk_overlap=32)
    passages = splitter.get_nodes_from_documents(documents)
    retriever = BM25Retriever.from_defaults(nodes=passages, similarity_top_k=min(_PASSAGES, len(passages)))
    llm = _WatchedLLM(**service.settings)
    llm._parameters = parameters
    try:
        response = RetrieverQueryEngine.from_args(retriever, llm=llm).query(question)
    finally:
        llm.close()
    if llm._last is None:
        raise CommandError("the question and the passages of the files could not be sent to the agent")
    names = (str(source.node.metadata.get("file_name")) for source in response.source_nodes)
    return llm._last, tuple(dict.fromkeys(names))
