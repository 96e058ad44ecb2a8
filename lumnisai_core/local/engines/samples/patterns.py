"""Texts that match a regular expression, made from its parsed form; nothing is ever matched here."""

from __future__ import annotations

import importlib
import re
from collections.abc import Iterator
from random import Random
from typing import Any

_parser: Any = importlib.import_module("re._parser")
_PRINTABLE = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789 -_.@/:" + "".join(map(chr, range(32, 127)))
_MAX_REPEAT, _MAX_LENGTH = 2_000, 100_000
_PROPERTIES = {"L": "A-Za-z", "Lu": "A-Z", "Ll": "a-z", "N": "0-9", "Nd": "0-9", "P": "!-/:-@", "Letter": "A-Za-z"}


def examples(pattern: str, least: int = 0) -> Iterator[str]:
    """Yield texts that likely match; `least` is a length to aim at. Nothing for a pattern that cannot be read."""
    try:
        tree = _parser.parse(_python_syntax(pattern))
    except (re.error, OverflowError, RecursionError):
        return
    random = Random(0)  # noqa: S311 - repeatable on purpose, nothing secret
    for extra in (0, 1, 2, 3, least, least // 2, least // 4):
        for _ in range(3):
            yield _Maker(random, extra).make(tree)
    if not pattern.endswith("$"):
        text = _Maker(random, 0).make(tree)
        yield from (f"{text}{number}" for number in range(1, 100))


def _python_syntax(pattern: str) -> str:
    """Rewrite what ECMA 262 spells differently."""
    pattern = re.sub(r"\(\?<(?![=!])", "(?P<", pattern)
    pattern = re.sub(r"\\p\{(?:\w+=)?(\w+)\}", _property, pattern)
    pattern = re.sub(r"\\u\{([0-9a-fA-F]{1,8})\}", lambda m: re.escape(chr(int(m[1], 16) % 0x110000)), pattern)
    return re.sub(r"\\c([A-Za-z])", lambda m: f"\\x{ord(m[1]) % 32:02x}", pattern).replace("\\/", "/")


def _property(match: re.Match[str]) -> str:
    body = _PROPERTIES.get(match[1], "A-Za-z")
    before = match.string[: match.start()]
    inside = before.count("[") - before.count("\\[") > before.count("]") - before.count("\\]")
    return body if inside else f"[{body}]"


class _Maker:
    """Makes one text; optional repetitions get `extra` more than their least number."""

    def __init__(self, random: Random, extra: int) -> None:
        self._random = random
        self._extra = extra
        self._groups: dict[int, str] = {}

    def make(self, tree: Any) -> str:
        return "".join(self._one(str(operation), argument) for operation, argument in tree)

    def _one(self, operation: str, argument: Any) -> str:
        match operation:
            case "LITERAL":
                return chr(argument)
            case "NOT_LITERAL":
                return "b" if argument == ord("a") else "a"
            case "ANY":
                return self._random.choice("abcdefgh")
            case "IN":
                allowed = [char for char in _PRINTABLE if _is_in(char, argument)] or list(_first_of(argument))
                return self._random.choice(allowed) if allowed else ""
            case "MAX_REPEAT" | "MIN_REPEAT" | "POSSESSIVE_REPEAT":
                least, most, part = argument
                count = min(least + self._extra, int(most), max(least, _MAX_REPEAT), _MAX_LENGTH)
                return "".join(self.make(part) for _ in range(count))
            case "BRANCH":
                return self.make(self._random.choice(argument[1]))
            case "SUBPATTERN":
                self._groups[argument[0] or 0] = made = self.make(argument[3])
                return made
            case "GROUPREF":
                return self._groups.get(argument, "")
            case "ATOMIC_GROUP":
                return self.make(argument)
            case "ASSERT" if argument[0] > 0:
                return self.make(argument[1])
            case _:
                return ""


def _is_in(char: str, items: Any) -> bool:
    """Return whether a character belongs to a parsed set."""
    negated = str(items[0][0]) == "NEGATE"
    return any(_has(str(kind), argument, char) for kind, argument in items) != negated


def _has(kind: str, argument: Any, char: str) -> bool:
    if kind == "LITERAL":
        return bool(ord(char) == argument)
    if kind == "RANGE":
        return bool(argument[0] <= ord(char) <= argument[1])
    if kind != "CATEGORY":
        return False
    name = str(argument)
    found = char.isdigit() if "DIGIT" in name else char.isspace() if "SPACE" in name else char.isalnum() or char == "_"
    return found != ("NOT_" in name)


def _first_of(items: Any) -> Iterator[str]:
    """Yield the first character of each part of a set without printable ASCII characters."""
    for kind, argument in items:
        if str(kind) in ("LITERAL", "RANGE"):
            yield chr(argument if str(kind) == "LITERAL" else argument[0])
