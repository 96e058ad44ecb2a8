"""Text files as documents."""

from __future__ import annotations

from collections.abc import Sequence
from importlib.metadata import metadata
from pathlib import Path

from llama_index.core import Document

from lumnisai_integrations._commands.errors import CommandError

_PROJECT = Path(__file__).resolve().parent.parent.parent


def read_documents(paths: Sequence[Path]) -> list[Document]:
    """Read text files.

    Args:
        paths: The files. UTF-8, with or without a byte order mark.

    Raises:
        CommandError: A file does not exist, is no file, is no text or is empty; the message names all of them.
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
    # A name may hold bytes that are no text, which could not be sent.
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
    """Return this project's own documents: those of the checkout, or the text that came with the package."""
    paths = [path for path in (_PROJECT / "README.md", _PROJECT / "CHANGELOG.md") if path.is_file()]
    if paths:
        return read_documents(paths)
    description = metadata("lumnisai-integrations").json.get("description", "")
    return [Document(text=str(description), metadata={"file_name": "README.md"})]
