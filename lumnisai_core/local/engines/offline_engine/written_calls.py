"""Calls and JSON objects that are written out in a text: `search("tides", limit=3)`, `{"query": "tides"}`."""

from __future__ import annotations

import ast
import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import islice
from typing import Any

from lumnisai_core.local.engines.samples.named_values import literal

_LONGEST_CALL = 4_000
_MOST_ENDS = 50
_MOST_OBJECTS = 100


@dataclass(frozen=True, slots=True)
class WrittenCall:
    """A call with its arguments by place and by name."""

    positional: tuple[Any, ...]
    named: dict[str, Any]


def written_calls(text: str, name: str) -> Iterator[WrittenCall]:
    """Yield the calls of a function as Python or JavaScript would write them."""
    for match in re.finditer(rf"(?<![\w.]){re.escape(name)}(?=\()", text):
        arguments = text[match.end() : match.end() + _LONGEST_CALL]
        for end in islice(re.finditer(r"\)", arguments), _MOST_ENDS):
            try:
                call = ast.parse(f"f{arguments[: end.end()]}", mode="eval").body
            except (SyntaxError, ValueError, RecursionError, MemoryError):
                continue
            if isinstance(call, ast.Call):
                named = {item.arg: literal(ast.unparse(item.value)) for item in call.keywords if item.arg is not None}
                yield WrittenCall(tuple(literal(ast.unparse(item)) for item in call.args), named)
            break


def written_objects(text: str) -> Iterator[tuple[dict[str, Any], int, int]]:
    """Yield the JSON objects in a text with start and end, among the first places where one may begin."""
    decoder = json.JSONDecoder()
    start, tried = text.find("{"), 0
    while start >= 0 and tried < _MOST_OBJECTS:
        tried += 1
        try:
            value, end = decoder.raw_decode(text, start)
        except (ValueError, RecursionError):
            end = start + 1
        else:
            if isinstance(value, dict):
                yield value, start, end
        start = text.find("{", end)
