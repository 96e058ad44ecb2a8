"""Documents: files that hold an answer, and the passages of them that a question is about."""

from __future__ import annotations

import math
import re
from collections import Counter
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import NamedTuple

from lumnisai_core.file_texts import Unreadable, pieces_of, read_text
from lumnisai_integrations._commands import CommandError

#: Passages, of about 1,000 characters each, that a question is sent with.
PASSAGES = 4

#: Usual constants of BM25: how soon repetition stops counting, and how much long passages are held back.
_SATURATION, _LENGTH = 1.5, 0.75

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

    Where no passage has a word of the question, these are the first ones.
    """
    words = [Counter(_words(passage.text)) for passage in passages]
    sizes = [sum(counted.values()) for counted in words]
    mean = sum(sizes) / max(1, len(sizes)) or 1
    wanted = {word: sum(word in counted for counted in words) for word in set(_words(question))}

    def score(place: int) -> float:
        total = 0.0
        for word, found in wanted.items():
            if times := words[place][word]:
                rare = math.log(1 + (len(passages) - found + 0.5) / (found + 0.5))
                held = _SATURATION * (1 - _LENGTH + _LENGTH * sizes[place] / mean)
                total += rare * times * (_SATURATION + 1) / (times + held)
        return total

    ranked = sorted(range(len(passages)), key=lambda place: (-score(place), place))
    return [passages[place] for place in sorted(ranked[:most])]


def _words(text: str) -> list[str]:
    # A plural is found by its singular, and the other way round.
    return [word[:-1] if len(word) > 3 and word.endswith("s") else word for word in _WORDS.findall(text.lower())]


def prompt_about(passages: Sequence[NamedText], question: str) -> str:
    """Write a question about passages as one message."""
    texts = "\n\n".join(f"File {passage.name}:\n{passage.text}" for passage in passages)
    return f"Answer the question from these passages of files.\n\n{texts}\n\nQuestion: {question}"
