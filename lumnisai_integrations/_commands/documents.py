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
    """Read text files.

    Args:
        paths: The files. UTF-8, with or without a byte order mark.

    Raises:
        CommandError: A file is missing, empty, a folder or not text; the message names all such files.
    """
    problems: list[str] = []
    documents: list[Document] = []
    for path in paths:
        text, problem = _read(path)
        if problem:
            problems.append(f"{path} {problem}")
        else:
            documents.append(Document(text=text, metadata={"file_name": _sendable(path.name)}))
    if problems:
        raise CommandError("cannot read all files: " + "; ".join(problems))
    return documents


def _sendable(name: str) -> str:
    # Bytes of a name that are not text could not be sent.
    return name.encode(errors="replace").decode()


def _read(path: Path) -> tuple[str, str | None]:
    try:
        content = path.read_bytes()
    except FileNotFoundError:
        return "", "does not exist: there is no such file"
    except IsADirectoryError:
        return "", "is a folder: name the files in it"
    except OSError as error:
        return "", f"cannot be read: {error.strerror or error}"
    if b"\x00" in content:
        return "", "is not a text file; convert it to text first"
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        return "", f"is not UTF-8 text (byte {error.start}); convert it first"
    return (text, None) if text.strip() else ("", "is empty")


def own_documents() -> list[Document]:
    """Return this project's own documents: pages of the checkout, or the description in the package's metadata."""
    paths = [path for path in (_PROJECT / "README.md", _PROJECT / "CHANGELOG.md") if path.is_file()]
    if paths:
        return read_documents(paths)
    description = metadata("lumnisai-integrations").json.get("description", "")
    return [Document(text=str(description), metadata={"file_name": "README.md"})]


class _WatchedLLM(LumnisLLM):
    """Makes each run with further parameters and keeps the last one as the service sent it."""

    _parameters: InvokeParameters = PrivateAttr(default_factory=InvokeParameters)
    _last: ResponseObject | None = PrivateAttr(default=None)

    def chat(self, messages: Sequence[ChatMessage], **kwargs: Any) -> ChatResponse:
        """Run an agent on a conversation and keep its run."""
        answer = super().chat(messages, **self._parameters, **kwargs)
        self._last = ResponseObject.model_validate(answer.raw)
        return answer


def answer_from(
    documents: Sequence[Document],
    question: str,
    *,
    service: Connection,
    parameters: InvokeParameters,
) -> tuple[ResponseObject, tuple[str, ...]]:
    """Answer a question from documents.

    Args:
        documents: At least one, with ``file_name`` in the metadata.
        question: What the user wants to know.
        service: Where the run goes.
        parameters: Further parameters of the run, and how to watch it.

    Returns:
        The run, and the names of the files whose passages it used.

    Raises:
        CommandError: There was no run, because LlamaIndex ignored an error.
        LumnisAIError: The service cannot be reached, refuses, or the run fails.
    """
    splitter = SentenceSplitter(chunk_size=_TOKENS_OF_A_PASSAGE, chunk_overlap=32)
    passages = splitter.get_nodes_from_documents(documents)
    retriever = BM25Retriever.from_defaults(nodes=passages, similarity_top_k=min(_PASSAGES, len(passages)))
    llm = _WatchedLLM(api_key=service.api_key, base_url=service.base_url, user_id=service.user_id, scope=service.scope)
    llm._parameters = parameters  # a field would be saved with the LLM
    try:
        response = RetrieverQueryEngine.from_args(retriever, llm=llm).query(question)
    finally:
        llm.close()
    if llm._last is None:
        raise CommandError("the question and the passages of the files could not be sent to the agent")
    names = (str(source.node.metadata.get("file_name")) for source in response.source_nodes)
    return llm._last, tuple(dict.fromkeys(names))
