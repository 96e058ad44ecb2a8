"""Placeholders: values replaced by numbered tokens, put back again, and answers cut into pieces. Pure."""

from __future__ import annotations

import base64
import hashlib
import hmac
import re
from collections.abc import Iterable, Iterator, Mapping
from typing import NamedTuple

from lumnisai_core.local.liminal.detection import Detection

#: A token, such as ``PERSON_0``. What follows must not continue it: ``PERSON_1`` does not begin ``PERSON_10``.
_TOKEN = re.compile(r"(?<![A-Za-z0-9_])[A-Z][A-Z0-9_]*_\d+(?![A-Za-z0-9_])")


class Span(NamedTuple):
    """A token in a text, or the value in its place."""

    start: int
    end: int
    token: str


class Placed(NamedTuple):
    """A text and the spans that were replaced in it, in order."""

    text: str
    spans: list[Span]


class Tokens:
    """The tokens of one thread: the same value has the same token, numbered from 0 for each type.

    Args:
        values: The values of the thread so far, by their tokens.
    """

    def __init__(self, values: Mapping[str, str]) -> None:
        self.values = dict(values)
        self.new: dict[str, str] = {}
        self._tokens = {(token.rpartition("_")[0], value): token for token, value in values.items()}

    def token_for(self, kind: str, value: str, text: str) -> str:
        """Return the token of a value; a new one does not occur in the text already."""
        known = self._tokens.get((kind, value))
        if known is not None:
            return known
        number = sum(token.rpartition("_")[0] == kind for token in self.values)
        while (token := f"{kind}_{number}") in text or token in self.values:
            number += 1
        self.values[token] = self.new[token] = value
        self._tokens[kind, value] = token
        return token


def cleansed(text: str, found: Iterable[Detection], tokens: Tokens) -> Placed:
    """Replace the detected spans of a text, which do not overlap and are in order, by tokens."""
    return _replaced(
        text, [(one.start, one.end, tokens.token_for(one.type, text[one.start : one.end], text)) for one in found]
    )


def hydrated(text: str, values: Mapping[str, str]) -> Placed:
    """Put values back in the place of their tokens; unknown tokens stay."""
    found = [(match.start(), match.end(), match[0]) for match in _TOKEN.finditer(text) if match[0] in values]
    return _replaced(text, found, values)


def hashed(placed: Placed, values: Mapping[str, str], key: bytes) -> Placed:
    """Replace the tokens of a cleansed text by opaque ones, which depend on the value and the key."""
    opaque = {span.token: opaque_token(values[span.token], key) for span in placed.spans}
    return _replaced(placed.text, [(span.start, span.end, span.token) for span in placed.spans], opaque)


def opaque_token(value: str, key: bytes) -> str:
    """Return the opaque token of a value."""
    return base64.b64encode(hmac.new(key, value.encode(errors="surrogatepass"), hashlib.sha256).digest()).decode()


def _replaced(text: str, found: Iterable[tuple[int, int, str]], by: Mapping[str, str] | None = None) -> Placed:
    """Replace spans by their tokens, or by what a mapping has for these."""
    pieces: list[str] = []
    spans: list[Span] = []
    at = length = 0
    for start, end, token in found:
        inserted = token if by is None else by[token]
        pieces += (text[at:start], inserted)
        length += start - at
        spans.append(Span(length, length + len(inserted), token))
        length += len(inserted)
        at = end
    return Placed("".join([*pieces, text[at:]]), spans)


def pieces_of(answer: str, values: Mapping[str, str]) -> Iterator[str]:
    """Cut an answer into words with their spaces and put the values back; no piece holds a part of a token."""
    for piece in re.findall(r"\s*\S+|\s+$", answer):
        yield hydrated(piece, values).text
