"""Values of named properties in a text: `city: Paris`, `the city is Paris`, `5 results`, choices and quotations."""

from __future__ import annotations

import ast
import json
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from enum import IntEnum
from functools import cached_property
from itertools import islice
from typing import Any

from lumnisai_core.local.web.text import COMMON_WORDS, word_set, words
from lumnisai_core.local.web.work import check_time

Path = tuple[str, ...]

_PROSE = word_set(
    """answer summary text content description message response result reply output explanation reason body detail
    details note notes abstract overview conclusion statement finding findings question query prompt input request
    task instruction instructions"""
)
_TITLES = word_set("name title subject topic headline label heading")
_SWITCH = {"true": True, "yes": True, "on": True, "false": False, "no": False, "off": False}
_NUMBER = re.compile(r"(?<![\w.,])[-+]?\d{1,99}(?:[,\u202f]\d{3})*(?:\.\d+)?(?:[eE][-+]?\d{1,2}(?!\w))?(?!\d)")
_TOKEN = re.compile(r"[^\s\"'<>()\[\]{}\uff0c。、]+")
_CAPITAL = r"[^\W\d_a-z\u3040-\u9fff\uac00-\ud7af][\w'\u2019&-]*"
_NAME = re.compile(rf"(?<!\w){_CAPITAL}(?:\s+(?:(?:of|the|de|la|von|van|del)\s+)?{_CAPITAL})*(?:,\s[A-Z]{{2}}\b)?")
_QUOTED = re.compile(
    r"\"([^\"\n]+)\"|(?<!\w)'([^'\n]+)'(?!\w)|\u201c([^\u201d\n]+)\u201d|\u2018([^\u2019\n]+)\u2019(?!\w)|`([^`\n]+)`"
    r"|\u300c([^\u300d\n]+)\u300d|\u300e([^\u300f\n]+)\u300f|\u00ab([^\u00bb\n]+)\u00bb"
)
_MARKS = " \"'`\u201c\u201d\u2018\u2019\u300c\u300d\u300e\u300f\u00ab\u00bb"
_SIGN = re.compile(r"[\"']?\s*[=:\uff1a]\s*")
_COPULA = re.compile(r"\s+(?:is|are|was|were)\s+(?:the\s+)?", re.IGNORECASE)
_LINK = re.compile(r"\s+(?:(?:of|to|as|named|called)\s+)?(?:the\s+)?", re.IGNORECASE)
_REST = re.compile(r"[^\n,;\u3002\uff0c]+?(?=[,;\n\u3002\uff0c]|[.!?](?:\s|$)|\s+(?:and\s+)?\w+\s*[=:]|$)")
_LIST = re.compile(r"\[[^\]\n]*\]|[^.;\n!?]+")
_COMMA = re.compile(r"\s*(?:,\s*(?:and\s+|or\s+)?|\s+and\s+|\s+or\s+|、|\uff0c)\s*")
_MOST_PLACES = 50
_MOST_SENTENCES = 400
_MOST_TOKENS = 2_000


class Stage(IntEnum):
    """How sure a value is: the text names it for the property, the text has it, or it is a neutral one."""

    NAMED = 1
    GUESSED = 2
    NEUTRAL = 3


@dataclass(frozen=True, slots=True)
class Piece:
    """A value with its place in the text; a value that can be used again has an empty one."""

    value: Any
    start: int = 0
    end: int = 0

    def overlaps(self, other: Piece) -> bool:
        """Return whether two pieces share a character."""
        return self.start < other.end and other.start < self.end


class NamedValues:
    """Values from the sentences that answer a question, best first, or (`is_request`) from one request as a whole.

    In `others` only named values are looked up; `answer` is the text for properties such as `answer` or `query`;
    `known` are values by the name of a property, which win over the text. Quotations and names in a request are values
    even if nothing names them, and its sentences are not.
    """

    def __init__(
        self,
        best: Sequence[str],
        others: Sequence[str] = (),
        *,
        answer: str = "",
        known: Mapping[str, Any] | None = None,
        is_request: bool = False,
    ) -> None:
        self._best = list(best)
        self._sentences = [*best, *(part for part in others if part not in best)][:_MOST_SENTENCES]
        self._text = "\n".join(self._sentences)
        self._answering = len("\n".join(self._best))
        self._answer = answer
        self._known = dict(known or {})
        self._is_request = is_request
        self._spans_of: dict[str, list[tuple[int, int]]] = {}

    def only(self, number: int) -> NamedValues:
        """Return the values of the `number`-th best sentence alone."""
        part = [] if self._is_request else self._best[number : number + 1]
        return NamedValues(part, answer="".join(part))

    def wholes(self, path: Path) -> Iterator[Piece]:
        """Yield the known value of a property, then a list that is enumerated after its name."""
        if len(path) == 1 and path[0] in self._known:
            value = self._known[path[0]]
            yield from map(Piece, (value, *([] if value is None else [str(value), [value]])))
        for match in () if _is_item(path) else self._places(_label(path)):
            found = _LIST.match(self._text, _end(match, _SIGN, _COPULA))
            if found is not None and found.start() > match.end():
                value = literal(found.group())
                parts = value if isinstance(value, list) else _COMMA.split(found.group().strip())
                texts = [part.strip(_MARKS) if isinstance(part, str) else part for part in parts if part != ""]
                yield Piece(texts, *found.span())
                yield Piece([literal(str(part)) for part in parts if part != ""], *found.span())

    def candidates(
        self, stage: Stage, path: Path, kind: str, options: Sequence[Any] | None = None, *, special: bool = False
    ) -> Iterable[Piece]:
        """Return values for a plain place: those that the text names, or those that may be meant.

        `options` are its choices if it has any, and `special` texts have a format or a pattern.
        """
        named = stage is Stage.NAMED
        if options is not None:
            return self._choices(options, path) if named else ()
        if kind == "string":
            return self._texts(path, special=special) if named else self._other_texts(path)
        if kind in ("number", "integer"):
            return self._near_numbers(path) if named else self._in_best(self._numbers)
        switches = self._choices(list(_SWITCH), path, anywhere=False) if named and kind == "boolean" else ()
        return [Piece(_SWITCH[piece.value], piece.start, piece.end) for piece in switches]

    def _texts(self, path: Path, *, special: bool) -> Iterator[Piece]:
        """Yield the answer, a labelled value, a name or whole sentences, as the name of the property suggests."""
        name = _name_words(path)
        if special:
            yield from self._tokens
        if not self._is_request and (not name or name & _PROSE):
            if self._answer and not _is_item(path):
                yield Piece(self._answer)
            yield from map(Piece, self._best)
            return
        yield from self._labelled_texts(path)
        if not self._is_request and name & _TITLES:
            yield from self._in_best(self._names)

    def _other_texts(self, path: Path) -> Iterator[Piece]:
        """Yield quotations, the names in a request, and the request itself."""
        if not self._is_request:
            yield from map(Piece, self._best if _is_item(path) or _name_words(path) & _TITLES else ())
            return
        whole = [] if _is_item(path) else [Piece(self._answer)]
        yield from self._quotations
        yield from whole if _name_words(path) & _PROSE else ()
        yield from self._in_best(self._names)
        yield from whole

    @cached_property
    def _tokens(self) -> list[Piece]:
        """The single words, marks included: addresses, dates, codes."""
        found = islice(_TOKEN.finditer(self._text), _MOST_TOKENS)
        return [Piece(match.group().rstrip(".,;:!?"), *match.span()) for match in found]

    @cached_property
    def _quotations(self) -> list[Piece]:
        return [Piece(match[match.lastindex or 0], *match.span()) for match in _QUOTED.finditer(self._text)]

    @cached_property
    def _numbers(self) -> list[Piece]:
        return [Piece(_number(match.group()), *match.span()) for match in _NUMBER.finditer(self._text)]

    @cached_property
    def _names(self) -> list[Piece]:
        """Capitalised names; a single word that begins a sentence comes last."""
        found: list[tuple[bool, Piece]] = []
        for match in _NAME.finditer(self._text):
            before = self._text[max(0, match.start() - 3) : match.start()].rstrip(" ")
            word, _, rest = match.group().partition(" ")
            value = rest if rest and word.lower() in COMMON_WORDS else match.group()
            if value.lower() not in COMMON_WORDS:
                begins = not rest and (not before or before[-1] in ".!?:\n")
                found.append((begins, Piece(value, match.end() - len(value), match.end())))
        return [piece for _, piece in sorted(found, key=lambda item: item[0])]

    def _in_best(self, pieces: Iterable[Piece]) -> list[Piece]:
        return [piece for piece in pieces if piece.end <= self._answering]

    def _places(self, *labels: str) -> Iterator[re.Match[str]]:
        """Yield where labels stand, also in the plural."""
        for label in filter(None, labels):
            plain = label.rstrip("s") if len(label) > 3 else label
            spelled = rf"(?<!\w){plain}(?:s|'s|\u2019s)?(?!\w)"
            yield from islice(re.finditer(spelled, self._text, re.IGNORECASE), _MOST_PLACES)

    def _labelled_texts(self, path: Path) -> Iterator[Piece]:
        """Yield a quotation, a name with a comma in it, or all up to the next break, after the name of the property."""
        for match in self._places(*_labels(path)):
            place, rest = _end(match, _SIGN, _COPULA), None
            if place > match.end():
                rest = _REST.match(self._text, place)
                yield from (piece for piece in self._quotations if piece.start == place)
            if rest is not None:
                yield from (piece for piece in self._names if piece.start == place and piece.end > rest.end())
                if not self._is_request or _SIGN.match(self._text, match.end()):
                    yield Piece(rest.group().strip(" \"'.?!"), *rest.span())
            if len(match.group()) > 1:
                place = max(place, _end(match, _LINK))
                yield from (piece for piece in (*self._quotations, *self._names) if piece.start == place)

    def _near_numbers(self, path: Path) -> list[Piece]:
        """Return the numbers in sentences with words of the name, those next to most words of it first."""
        near: list[tuple[int, int, Piece]] = []
        labels = [[match.start() for match in self._places(label)] for label in _labels(path)]
        for piece in self._numbers if any(labels) else ():
            start, end = self._text.rfind("\n", 0, piece.start), self._text.find("\n", piece.end)
            inside = [[at for at in places if start < at and (at < end or end < 0)] for places in labels]
            distances = [min(abs(at - piece.start) for at in places) for places in inside if places]
            near += [(-len(distances), sum(distances), piece)] if distances else []
        return [piece for *_, piece in sorted(near, key=lambda item: item[:2])]

    def _choices(self, options: Sequence[Any], path: Path, *, anywhere: bool = True) -> list[Piece]:
        """Return the choices that stand after the name, then those that occur `anywhere`; the longer of two first."""
        labelled = {_end(match, _SIGN, _COPULA, _LINK) for match in self._places(*_labels(path))}
        found: list[tuple[bool, Piece]] = []
        for option in options:
            check_time()
            if option is None or isinstance(option, bool) or not str(option):
                continue
            spans = self._spans(str(option))
            speaks = spans and anywhere and isinstance(option, str) and words(" ".join(name_parts(option)))
            for start, end in spans:
                if speaks or start in labelled:
                    found += [(start not in labelled, Piece(option, start, end))]
        return [piece for _, piece in sorted(found, key=lambda item: (item[0], item[1].start, -item[1].end))]

    def _spans(self, choice: str) -> list[tuple[int, int]]:
        """Return where a choice stands in the text; each item of a list has the same choices, and there may be many."""
        if choice not in self._spans_of:
            spoken = rf"(?<!\w){_spelled(choice)}(?!\w)" if choice.isascii() else _spelled(choice)
            found = islice(re.finditer(spoken, self._text, re.IGNORECASE), _MOST_PLACES)
            self._spans_of[choice] = [match.span() for match in found]
        return self._spans_of[choice]


def name_parts(name: str) -> list[str]:
    """Return the words of a name such as `max_results` or `maxResults`."""
    return re.findall(r"[A-Z]?[^\W\d_A-Z]+|[A-Z]+(?![a-z])|\d+|[^\W\d_]+", name)


def literal(text: str) -> Any:
    """Read a value as JSON or Python write it; anything else is a text."""
    text = text.strip()
    for read in (json.loads, ast.literal_eval):
        try:
            return json.loads(json.dumps(read(text), allow_nan=False))
        except (ValueError, SyntaxError, TypeError, RecursionError, MemoryError):
            continue
    return text


def _is_item(path: Path) -> bool:
    return bool(path) and path[-1].isdigit()


def _name(path: Path) -> str:
    """Return the last name on a path; positions in a list do not count."""
    return next((part for part in reversed(path) if not part.isdigit()), "")


def _name_words(path: Path) -> set[str]:
    return {word.lower() for word in name_parts(_name(path))}


def _spelled(name: str) -> str:
    """Return a pattern for a name as it may be written."""
    return r"[\s_-]*".join(map(re.escape, name_parts(name))) or re.escape(name)


def _label(path: Path) -> str:
    return _spelled(_name(path))


def _labels(path: Path) -> list[str]:
    """Return patterns for the name of a property, then for its single words."""
    single = sorted((word for word in _name_words(path) if len(word) > 2), key=lambda word: (-len(word), word))
    return list(dict.fromkeys([_label(path), *(re.escape(word) for word in single if word not in COMMON_WORDS)]))


def _end(match: re.Match[str], *separators: re.Pattern[str]) -> int:
    """Return where the first of the separators that follows a match ends; the end of the match if none does."""
    ends = (found.end() for pattern in separators if (found := pattern.match(match.string, match.end())))
    return next(ends, match.end())


def _number(text: str) -> int | float:
    plain = text.replace(",", "").replace("\u202f", "")
    return float(plain) if re.search(r"[.eE]", plain) else int(plain)
