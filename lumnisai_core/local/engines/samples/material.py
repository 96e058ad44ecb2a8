"""What the material has to say about a property: texts, numbers and choices found by the words of its name."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from typing import Any, Protocol

from lumnisai_core.local.engines.offline_engine.sentences import words
from lumnisai_core.local.web.text import word_set

Path = tuple[str, ...]

_PROSE = word_set(
    """answer summary text content description message response result reply output explanation reason body detail
    details note notes abstract overview conclusion statement finding findings"""
)
_NAMES = word_set("name title subject topic headline label heading")
_NUMBER = re.compile(r"(?<![\w.,])[-+]?\d+(?:[,\u202f]\d{3})*(?:\.\d+)?(?:[eE][-+]?\d+)?(?![\d])")
_TOKEN = re.compile(r"[^\s\"'<>()\[\]{}\uff0c。、]+")
_CAMEL = re.compile(r"[A-Z]?[a-z]+|[A-Z]+(?![a-z])|\d+")
_NAME = re.compile(r"(?:[A-Z][\w'\u2019-]*)(?:\s+(?:of|the|de|von|van|and|&)?\s*[A-Z][\w'\u2019-]*)*")
_MAX_SENTENCES = 400
_MAX_TOKENS = 2_000


class Fill(Protocol):
    """Where texts and numbers come from."""

    @property
    def has_material(self) -> bool:
        """Whether there is anything to fill with."""
        ...

    def only(self, number: int) -> Fill:
        """Return what fills from the `number`-th best sentence alone."""
        ...

    def texts(self, path: Path, about: str) -> Iterator[str]:
        """Yield texts that suit the property, best first."""
        ...

    def tokens(self) -> Iterator[str]:
        """Yield the single words of the material, marks included: addresses, dates, codes."""
        ...

    def numbers(self, path: Path, about: str) -> Iterator[int | float]:
        """Yield numbers that suit the property, best first."""
        ...

    def fitting(self, options: list[Any], path: Path, about: str) -> list[Any]:
        """Return those options that occur in the material, best first."""
        ...


class Nothing:
    """Fills nothing: every value is a neutral sample."""

    has_material = False

    def only(self, number: int) -> Fill:
        """Return itself."""
        del number
        return self

    def texts(self, path: Path, about: str) -> Iterator[str]:
        """Yield nothing."""
        del path, about
        return iter(())

    def tokens(self) -> Iterator[str]:
        """Yield nothing."""
        return iter(())

    def numbers(self, path: Path, about: str) -> Iterator[int | float]:
        """Yield nothing."""
        del path, about
        return iter(())

    def fitting(self, options: list[Any], path: Path, about: str) -> list[Any]:
        """Return nothing."""
        del options, path, about
        return []


class Quotes:
    """Fills from sentences.

    Args:
        best: the sentences that answer the question, best first.
        others: further sentences of the material, in reading order.
        answer: the answer as a text.
    """

    def __init__(self, best: Sequence[str], others: Sequence[str] = (), answer: str = "") -> None:
        self._sentences = [*best, *(part for part in others if part not in best)][:_MAX_SENTENCES]
        self._best = list(best)
        self._answer = answer

    @property
    def has_material(self) -> bool:
        """Whether there is anything to fill with."""
        return bool(self._sentences)

    def only(self, number: int) -> Fill:
        """Return what fills from the `number`-th best sentence alone."""
        return Quotes(self._best[number : number + 1], (), "".join(self._best[number : number + 1]))

    def texts(self, path: Path, about: str) -> Iterator[str]:
        """Yield a labelled value, a name or whole sentences, as the name of the property suggests."""
        name = name_words(path)
        listed = bool(path) and path[-1].isdigit()
        if name & _PROSE or not name:
            yield from [] if listed or not self._answer else [self._answer]
            yield from self._best
            return
        for sentence in self._sentences:
            yield from _labelled(sentence, name)
        if name & _NAMES:
            for sentence in self._best:
                yield from (match.group() for match in _NAME.finditer(sentence))
        yield from self._about(name, about)
        if listed or name & _NAMES:
            yield from self._best

    def tokens(self) -> Iterator[str]:
        """Yield the single words of the material, marks included."""
        count = 0
        for sentence in self._sentences:
            for match in _TOKEN.finditer(sentence):
                yield match.group().rstrip(".,;:!?")
                count += 1
                if count >= _MAX_TOKENS:
                    return

    def numbers(self, path: Path, about: str) -> Iterator[int | float]:
        """Yield the numbers with most words of the property's name in their sentence, the nearest first."""
        name = name_words(path)
        near: list[tuple[int, int, int, int | float]] = []
        for order, sentence in enumerate(self._sentences):
            places = [found for word in name if (found := _places(sentence, word))]
            for match in _NUMBER.finditer(sentence) if places else ():
                distance = sum(min(abs(match.start() - place) for place in found) for found in places)
                near.append((-len(places), distance, order, _number(match.group())))
        yield from (value for *_, value in sorted(near, key=lambda item: item[:3]))
        for sentence in [*self._about(set(), about), *self._best]:
            yield from (_number(match.group()) for match in _NUMBER.finditer(sentence))

    def fitting(self, options: list[Any], path: Path, about: str) -> list[Any]:
        """Return the options whose words all occur in one sentence; the earlier the sentence, the better."""
        del path, about
        found: list[tuple[int, int]] = []
        for index, option in enumerate(options):
            wanted = set(words(_spoken(str(option)))) if isinstance(option, str) else set()
            for order, sentence in enumerate(self._sentences):
                if wanted and wanted <= set(words(sentence)):
                    found.append((order, index))
                    break
        return [options[index] for _, index in sorted(found)]

    def _about(self, name: set[str], about: str) -> list[str]:
        """Return sentences that share words with the name or the description of a property, most shared first."""
        wanted = {_stem(word) for word in (*name, *words(about))}
        shared = [(len(wanted & set(map(_stem, words(part)))), part) for part in self._sentences]
        return [part for count, part in sorted(shared, key=lambda item: -item[0]) if count]


def name_words(path: Path) -> set[str]:
    """Return the words of the last name on a path; list positions do not count."""
    name = next((part for part in reversed(path) if not part.isdigit()), "")
    return {word.lower() for word in _CAMEL.findall(name)} or set(words(name))


def _spoken(name: str) -> str:
    return " ".join(_CAMEL.findall(name)) if re.search(r"[_-]|[a-z][A-Z]", name) else name


def _stem(word: str) -> str:
    return word[:-1] if len(word) > 3 and word.endswith("s") else word


def _labelled(sentence: str, name: set[str]) -> Iterator[str]:
    """Yield the value of `name: value`, `the name is value` or `the name Value`."""
    for word in sorted(name, key=len, reverse=True):
        for place in _places(sentence, word):
            rest = sentence[place + len(word) : place + len(word) + 200]
            match = re.match(
                r"\w{0,2}\s*(?:[:=\uff1a]|\b(?:is|was|are)\b)\s*([^\n,;。]{1,120}?)(?=[,;。]|\.(?:\s|$)|$)", rest
            )
            match = match or re.match(rf"\s+({_NAME.pattern})", rest)
            if match:
                yield match[1].strip()


def _places(sentence: str, word: str) -> list[int]:
    stem = re.escape(_stem(word))
    return [match.start() for match in re.finditer(rf"(?<![^\W_]){stem}", sentence, re.IGNORECASE)]


def _number(text: str) -> int | float:
    plain = text.replace(",", "").replace("\u202f", "")
    return float(plain) if re.search(r"[.eE]", plain) else int(plain)
