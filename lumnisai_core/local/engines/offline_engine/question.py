"""The question of a conversation, and the material to answer it from."""

from __future__ import annotations

import base64
import binascii
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from urllib.parse import unquote_to_bytes

from lumnisai_core.local.engines.base import Message

NOTHING = "The embedded engine only quotes the prompt, which "
#: What ends a question.
QUESTION_MARKS = ("?", "\uff1f")
_LABEL = re.compile(
    r"^[ \t>*#]*(?:(?:the|my|user|original|new|input|follow[- ]?up|standalone)[ \t]+){0,3}"
    r"(?:question|query|task|request|input|frage|pregunta|\u8cea\u554f|\u95ee\u9898)\b[^:\uff1a?\n]{0,30}"
    r"[:\uff1a][ \t*]*(?:\n[ \t]*)?(\S[^\n]*)",
    re.IGNORECASE | re.MULTILINE,
)
_BARE_LABEL = re.compile(
    r"^\W*(?:\w+\s+){0,2}(?:answer|response|output|assistant|ai|question|query)\W*[:\uff1a]\W*$", re.IGNORECASE
)
_STOP = re.compile(r"[.!?](?=\s)|[\u3002\uff01\uff1f]|\n|\?$")


@dataclass(frozen=True, slots=True)
class Query:
    """A question, the questions before it, the texts to answer it from, and feedback on the answer meanwhile."""

    question: str
    earlier: tuple[str, ...] = ()
    material: tuple[str, ...] = ()
    hints: tuple[str, ...] = ()

    @property
    def size(self) -> int:
        """Length of the material in characters."""
        return sum(map(len, self.material))


def query_of(messages: Sequence[Message], files: Iterable[Mapping[str, Any]] = ()) -> Query:
    """Find the question in the last user message; everything else in the conversation is material."""
    if not messages:
        return Query("")
    last = max((i for i, item in enumerate(messages) if item.role == "user"), default=len(messages) - 1)
    question, rest = split_question(messages[last].content)
    earlier: list[str] = []
    material: list[str] = []
    for item in messages[:last]:
        if item.role == "user":
            before, about = split_question(item.content)
            earlier.append(before)
            material.append(about)
            if not about and not before.rstrip().endswith(QUESTION_MARKS):
                material.append(before)
        elif not item.content.startswith(NOTHING):
            material.append(item.content)
    material += [rest, *(item.content for item in messages[last + 1 :]), *map(_file_text, files)]
    return Query(question, tuple(earlier), tuple(text for text in material if text.strip()))


def split_question(text: str) -> tuple[str, str]:
    """Split a message into its question and the rest.

    In this order: the last line that is labelled as a question, a sentence with a question mark (in the last
    paragraph, else in the first, else the last one), the whole message if it is one line, else its first paragraph if
    that announces the rest, else the shorter of first and last.
    """
    labelled = [match.span(1) for match in _LABEL.finditer(text) if not _BARE_LABEL.match(match[1])]
    if labelled:
        return _cut(text, *labelled[-1])
    asking = _asking(text)
    if not asking:
        return _by_paragraph(text)
    body = text.rstrip()
    first, last = body.find("\n\n"), body.rfind("\n\n")
    if asking[-1][1] > last:
        return _cut(text, *asking[-1])
    return _cut(text, *max((span for span in asking if span[1] <= first), default=asking[-1]))


def _asking(text: str) -> list[tuple[int, int]]:
    """Return where sentences with a question mark are."""
    found, start = [], 0
    for match in _STOP.finditer(text):
        sentence = text[start : match.end()]
        if match.group() in QUESTION_MARKS and len(sentence.strip()) > 1:
            found.append((start + len(sentence) - len(sentence.lstrip()), match.end()))
        start = match.end()
    return found


def _cut(text: str, start: int, end: int) -> tuple[str, str]:
    line_start = text.rfind("\n", 0, start) + 1
    keep = start if re.search(r"[.!?。\uff01\uff1f]\s*$", text[line_start:start]) else line_start
    lines = (line for line in f"{text[:keep]}\n{text[end:]}".splitlines() if not _BARE_LABEL.match(line))
    return text[start:end].strip(), "\n".join(lines).strip()


def _by_paragraph(text: str) -> tuple[str, str]:
    paragraphs = [part.strip() for part in text.split("\n\n") if part.strip()]
    if len(paragraphs) < 2:
        lines = text.strip().splitlines()
        if len(lines) < 2:
            return text.strip(), ""
        paragraphs = [lines[0].strip(), "\n".join(lines[1:])]
    first, last = paragraphs[0], paragraphs[-1]
    if first.endswith((":", "\uff1a")) or len(first) <= len(last):
        return first, "\n\n".join(paragraphs[1:])
    return last, "\n\n".join(paragraphs[:-1])


def _file_text(file: Mapping[str, Any]) -> str:
    """Return the text of a file that is stored or came along as a `data:` address; empty for any other."""
    if isinstance(file.get("text"), str):
        return str(file["text"])
    head, comma, data = str(file.get("uri", "")).partition(",")
    if not comma or not re.match(r"data:(text/|application/json|;|$)", head):
        return ""
    try:
        raw = base64.b64decode(data, validate=True) if head.endswith(";base64") else unquote_to_bytes(data)
        return raw.decode()
    except (binascii.Error, UnicodeDecodeError):
        return ""
