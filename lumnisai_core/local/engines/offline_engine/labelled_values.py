"""Values that stand next to the name of what they are for: `name: value`, `name is value`, `5 results`."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from itertools import islice
from typing import Any

from lumnisai_core.local.engines.offline_engine import question_pieces as phrases
from lumnisai_core.local.engines.offline_engine.question_pieces import Piece
from lumnisai_core.local.engines.offline_engine.schema_fields import Leaf
from lumnisai_core.local.engines.offline_engine.sentences import COMMON_WORDS
from lumnisai_core.local.web.text import word_set

_SIGN = re.compile(r"\s*(?:=|:|\uff1a)\s*")
_COPULA = re.compile(r"\s+(?:is|are|was|should be|of|to|as|named|called|set to)\s+(?:the\s+)?", re.IGNORECASE)
_GAP = re.compile(r"\s+")
_FREE_TEXT = re.compile(r"[^\n,;\u3002\uff0c]+?(?=[,;\n\u3002\uff0c]|[.!?](?:\s|$)|\s+(?:and\s+)?\w+\s*[=:]|$)")
_LIST = re.compile(r"\[[^\]\n]*\]|[^.;\n!?]+")
_LIST_COMMA = re.compile(r"\s*(?:,\s*(?:and\s+|or\s+)?|\s+and\s+|\s+or\s+|、|\uff0c)\s*")
_MOST_PLACES = 50
_YES = word_set("true yes on enabled")
_NO = word_set("false no off disabled")
_NEGATION = re.compile(r"(?<!\w)(?:not|no|without|don['\u2019]?t|never|disable)\s+(?:\w+\s+){0,2}$", re.IGNORECASE)


def labelled(leaf: Leaf, text: str) -> Iterator[Piece]:
    """Yield what stands next to the name of a leaf, the surest first."""
    for label in _labels(leaf):
        yield from _next_to(label, leaf, text)


def occurring(options: Sequence[Any], text: str) -> list[Piece]:
    """Return the choices that occur in a text, in order; of two in one place the longer."""
    found: list[Piece] = []
    for option in options:
        if option is None or isinstance(option, bool):
            continue
        spoken = re.sub(r"[\s_-]+", r"[\\s_-]+", re.escape(str(option)).replace(r"\ ", " ").replace(r"\-", "-"))
        flags = re.IGNORECASE if len(str(option)) > 1 else 0
        ends = ("(?<!\\w)", "(?!\\w)") if str(option).isascii() else ("", "")
        places = re.finditer(f"{ends[0]}{spoken}{ends[1]}", text, flags) if str(option) else ()
        found += [Piece(option, *match.span(), "choice") for match in places]
    found.sort(key=lambda piece: piece.start - piece.end)
    kept: list[Piece] = []
    for piece in found:
        if not any(piece.overlaps(other) or piece.value == other.value for other in kept):
            kept.append(piece)
    return sorted(kept, key=lambda piece: piece.start)


def switched(leaf: Leaf, text: str) -> Iterator[Piece]:
    """Yield true or false if a switch is named: as it says, else false after a negation, else true."""
    for match in _places(_spoken(leaf), text):
        said = re.match(r"\s*(?:[=:]|is|to)?\s*(\w+)", text[match.end() :])
        word = said[1].lower() if said else ""
        if word in _YES | _NO:
            yield Piece(word in _YES, match.start(), match.end() + (said.end() if said else 0), "switch")
        else:
            yield Piece(not _NEGATION.search(text[: match.start()]), *match.span(), "switch")


def listed(leaf: Leaf, text: str) -> list[Any]:
    """Return the values enumerated after the name of a list."""
    for match in _places(_spoken(leaf), text):
        place = _after(text, match.end(), _SIGN, _COPULA)
        found = _LIST.match(text, place) if place is not None else None
        if found is None:
            continue
        value = phrases.literal(found.group())
        parts = value if isinstance(value, list) else _LIST_COMMA.split(found.group().strip())
        values = [_item(part, leaf) for part in parts if part != ""]
        if values and leaf.fits(values):
            return values
    return []


def _item(part: Any, leaf: Leaf) -> Any:
    if not isinstance(part, str):
        return part
    quoted = phrases.quotations(part)
    return quoted[0].value if quoted else part.strip() if "string" in leaf.items else phrases.literal(part)


def _labels(leaf: Leaf) -> list[str]:
    """Return the name of a leaf as it may be written, then its single words."""
    single = [re.escape(word) for word in sorted(leaf.words, key=len, reverse=True)]
    whole = _spoken(leaf)
    return list(dict.fromkeys([whole, *(word for word in single if len(word) > 2 and word not in COMMON_WORDS)]))


def _spoken(leaf: Leaf) -> str:
    parts = re.findall(r"[A-Z]?[^\W\d_A-Z]+|[A-Z]+(?![a-z])|\d+|[^\W\d_]+", leaf.path[-1])
    return r"[\s_-]*".join(map(re.escape, parts)) or re.escape(leaf.path[-1])


def _places(label: str, text: str) -> Iterator[re.Match[str]]:
    plain = label.rstrip("s") if len(label) > 3 else label
    ending = r"(?:s|d|ed|'s|\u2019s)?" if len(label) > 2 else ""
    return islice(re.finditer(rf"(?<!\w){plain}{ending}(?!\w)", text, re.IGNORECASE), _MOST_PLACES)


def _after(text: str, place: int, *separators: re.Pattern[str]) -> int | None:
    found = next((match for separator in separators if (match := separator.match(text, place))), None)
    return None if found is None else found.end()


def _next_to(label: str, leaf: Leaf, text: str) -> Iterator[Piece]:
    is_number = bool(leaf.kinds & {"number", "integer"})
    for match in _places(label, text):
        sign, copula = _after(text, match.end(), _SIGN), _after(text, match.end(), _COPULA)
        gap = _after(text, match.end(), _GAP) if len(match.group()) > 1 else None
        if "string" in leaf.kinds and sign is not None:
            yield from _text_after_sign(text, sign)
        for place in (sign, copula, gap):
            if place is None:
                continue
            if is_number:
                yield from _starting(phrases.numbers(text), place)
            if "string" in leaf.kinds:
                yield from _text_at(text, place)
        if is_number and len(match.group()) > 1:
            yield from (
                piece for piece in phrases.numbers(text) if not text[piece.end : match.start()].strip(" -")
                and piece.end <= match.start()
            )  # fmt: skip


def _text_after_sign(text: str, place: int) -> Iterator[Piece]:
    """Yield a quotation, a name with a comma in it, or all up to the next break."""
    yield from _starting(phrases.quotations(text), place)
    free = _FREE_TEXT.match(text, place)
    if free is not None:
        yield from (name for name in _starting(phrases.names(text), place) if name.end > free.end())
        yield Piece(free.group().strip(" \"'.?!"), *free.span(), "labelled")


def _text_at(text: str, place: int) -> Iterator[Piece]:
    yield from _starting(phrases.quotations(text), place)
    yield from _starting(phrases.names(text), place)
    for piece in _starting(phrases.tokens(text), place):
        if any(map(str.isdigit, piece.value)):
            yield piece


def _starting(pieces: Sequence[Piece], place: int) -> list[Piece]:
    return [piece for piece in pieces if piece.start == place]
