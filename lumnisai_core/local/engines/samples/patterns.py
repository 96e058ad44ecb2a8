"""Texts that match a regular expression, made from its parsed form; nothing is ever matched here."""

from __future__ import annotations

import importlib
import re
from collections.abc import Iterator
from itertools import islice
from random import Random
from typing import Any

_parser: Any = importlib.import_module("re._parser")
_CLASSES = {
    "CATEGORY_DIGIT": "0123456789",
    "CATEGORY_SPACE": " ",
    "CATEGORY_WORD": "abcdefghijklmnopqrstuvwxyz0123456789",
}
_PRINTABLE = [chr(code) for code in range(32, 127)]
_PLAIN = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789 -_.@/:"
_MAX_REPEAT = 2_000
_PROPERTIES = {"L": "A-Za-z", "Lu": "A-Z", "Ll": "a-z", "N": "0-9", "Nd": "0-9", "P": "!-/:-@", "Letter": "A-Za-z"}


def examples(pattern: str, random: Random, least: int = 0) -> Iterator[str]:
    """Yield texts that likely match; `least` is a length to aim at. Nothing for a pattern that cannot be read."""
    try:
        tree = _parser.parse(_python_syntax(pattern))
    except (re.error, OverflowError, RecursionError):
        return
    for extra in (0, 1, 2, 3, max(0, least), max(0, least) // 2, max(0, least) // 4):
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
        if operation == "LITERAL":
            return chr(argument)
        if operation == "NOT_LITERAL":
            return next(char for char in _PLAIN if ord(char) != argument)
        if operation == "ANY":
            return self._random.choice("abcdefgh")
        if operation == "IN":
            return self._of_set(argument)
        if operation in ("MAX_REPEAT", "MIN_REPEAT", "POSSESSIVE_REPEAT"):
            return self._repeat(*argument)
        if operation == "BRANCH":
            return self.make(self._random.choice(argument[1]))
        if operation == "SUBPATTERN":
            self._groups[argument[0] or 0] = made = self.make(argument[3])
            return made
        if operation == "GROUPREF":
            return self._groups.get(argument, "")
        if operation == "ATOMIC_GROUP":
            return self.make(argument)
        return self.make(argument[1]) if operation == "ASSERT" and argument[0] > 0 else ""

    def _repeat(self, least: int, most: Any, tree: Any) -> str:
        count = min(least + self._extra, int(most), max(least, _MAX_REPEAT))
        return "".join(self.make(tree) for _ in range(min(count, 100_000)))

    def _of_set(self, items: Any) -> str:
        negated = str(items[0][0]) == "NEGATE"
        chars = {char for item in items for char in islice(_chars(str(item[0]), item[1]), 200)}
        allowed = [c for c in (*_PLAIN, *_PRINTABLE) if c not in chars] if negated else sorted(chars)
        return self._random.choice(allowed) if allowed else ""


def _chars(kind: str, argument: Any) -> Iterator[str]:
    if kind == "LITERAL":
        yield chr(argument)
    elif kind == "RANGE":
        yield from (chr(code) for code in range(argument[0], argument[1] + 1))
    elif kind == "CATEGORY":
        name = str(argument)
        known = _CLASSES.get(name.replace("NOT_", ""), "")
        yield from (char for char in _PLAIN if char not in known) if "NOT_" in name else known
