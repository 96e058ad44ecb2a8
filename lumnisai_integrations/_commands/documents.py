"""Documents: files that hold an answer, and the passages of them that a question is about."""

from __future__ import annotations

import re
import sqlite3
from collections.abc import Iterable, Sequence
from contextlib import closing
from itertools import islice
from pathlib import Path
from typing import NamedTuple

from lumnisai_core.file_texts import Unreadable, pieces_of, read_text
from lumnisai_integrations._commands import CommandError

#: Passages, of about 1,000 characters each, that a question is sent with.
PASSAGES = 4

# Scripts without spaces between words are compared letter by letter.
_WORDS = re.compile("[\u3040-\u30ff\u3400-\u9fff\uac00-\ud7af]|[^\\W_\u3040-\u30ff\u3400-\u9fff\uac00-\ud7af]+")


class NamedText(NamedTuple):
    """The text of a file, or a passage of it, under the file's name."""

    name: str
    text: str


def read_documents(paths: Sequence[Path]) -> list[NamedText]:
    """Read files of text, PDF and Word; the error names all that are missing, empty, folders or not readable."""
    problems: list[str] = []
    documents: list[NamedText] = []
    for path in paths:
        try:
            # Bytes of a name that are not text could not be sent.
            documents.append(NamedText(path.name.encode(errors="replace").decode(), _read(path)))
        except CommandError as problem:
            problems.append(f"{path} {problem}")
    if problems:
        raise CommandError("cannot read all files: " + "; ".join(problems))
    return documents


def _read(path: Path) -> str:
    kind = path.suffix.lower().removeprefix(".")
    try:
        text = read_text(path, kind).removeprefix("\ufeff")
    except FileNotFoundError:
        raise CommandError("does not exist: there is no such file") from None
    except IsADirectoryError:
        raise CommandError("is a folder: name the files in it") from None
    except OSError as error:
        raise CommandError(f"cannot be read: {error.strerror or error}") from None
    except Unreadable as error:
        needs = ': pip install "lumnisai-integrations[files]"' if "not installed" in str(error) else ""
        raise CommandError(f"cannot be read: {str(error).rstrip('.')}{needs}") from None
    if not text.strip():
        raise CommandError("is empty")
    return text


def passages_of(documents: Iterable[NamedText]) -> list[NamedText]:
    """Cut documents into passages, in their order."""
    return [
        NamedText(document.name, text)
        for document in documents
        for text, _, _ in pieces_of(document.text.splitlines())
        if text.strip()
    ]


def best_passages(passages: Sequence[NamedText], question: str, most: int = PASSAGES) -> list[NamedText]:
    """Return the passages that a question is about, ranked by BM25, in the order of the documents.

    Where too few passages have a word of the question, the first of the others are among them.
    """
    wanted = " OR ".join(f'"{word}"' for word in dict.fromkeys(_words(question)))
    with closing(sqlite3.connect(":memory:")) as sql:
        sql.execute("CREATE VIRTUAL TABLE passages USING fts5 (words, tokenize = 'unicode61 remove_diacritics 0')")
        rows = ((place, " ".join(_words(passage.text))) for place, passage in enumerate(passages))
        sql.executemany("INSERT INTO passages (rowid, words) VALUES (?, ?)", rows)
        query = "SELECT rowid FROM passages WHERE passages MATCH ? ORDER BY rank, rowid LIMIT ?"
        ranked = [place for (place,) in sql.execute(query, (wanted, most))] if wanted else []
    others = (place for place in range(len(passages)) if place not in ranked)
    return [passages[place] for place in sorted([*ranked, *islice(others, most - len(ranked))])]


def _words(text: str) -> list[str]:
    # A plural is found by its singular, and the other way round.
    return [word[:-1] if len(word) > 3 and word.endswith("s") else word for word in _WORDS.findall(text.lower())]


def prompt_about(passages: Sequence[NamedText], question: str) -> str:
    """Write a question about passages as one message."""
    texts = "\n\n".join(f"File {passage.name}:\n{passage.text}" for passage in passages)
    return f"Answer the question from these passages of files.\n\n{texts}\n\nQuestion: {question}"
