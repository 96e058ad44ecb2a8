"""Filters and sort orders of lists, in the language of MongoDB; the only place that names mongomock."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping
from functools import partial
from importlib import import_module
from typing import Any

from lumnisai_core.local.web.errors import ApiError
from lumnisai_core.local.web.json_schema import SchemaError, linear_pattern
from lumnisai_core.local.web.json_text import dumps
from lumnisai_core.local.web.shapes import Object

#: Most values and conditions in a filter: each document is compared with all of them.
_MOST_VALUES = 1_000
_DEEPEST = 20
_MOST_KEYS = 32
_GROUPS = ("$and", "$or", "$nor")
_LISTS = ("$in", "$nin", "$all")
_VALUES = ("$eq", "$ne", "$gt", "$gte", "$lt", "$lte", "$exists")
_OPTIONS = frozenset("imsx")


class Query:
    """A filter and a sort order, both checked.

    Args:
        condition: the filter; None or empty for every document.
        sort: fields with 1 for ascending or -1 for descending; None or empty for the order of creation.

    Raises:
        ApiError: one of them cannot be used.
    """

    def __init__(self, condition: Mapping[str, Any] | None = None, sort: Mapping[str, int] | None = None) -> None:
        self._condition = _Checked().condition(condition or {}, 0)
        self._sort = list((sort or {}).items())
        if len(self._sort) > _MOST_KEYS or any(not name or name.startswith("$") for name, _ in self._sort):
            raise _refused(f"sort must have at most {_MOST_KEYS} fields, none of which is empty or begins with $.")

        #: Filter and sort order as one text, to tell queries apart.
        self.text = dumps([condition or {}, self._sort])

    @property
    def is_everything(self) -> bool:
        """Whether all documents are wanted, in the order of creation."""
        return not self._condition and not self._sort

    def matching(self, texts: Iterable[str]) -> list[Object]:
        """Return the documents that the filter applies to, cut down to `_id` and what they are sorted by.

        Args:
            texts: documents as JSON.
        """
        applies = _library().filter_applies
        kept = {"_id", *(name.partition(".")[0] for name, _ in self._sort)}
        try:
            found = [document for document in map(json.loads, texts) if applies(self._condition, document)]
        except Exception as error:  # the library raises whatever a comparison raises
            raise _refused(f"The filter cannot be applied: {type(error).__name__}.") from error
        return [{name: document[name] for name in kept & document.keys()} for document in found]

    def ordered(self, found: list[Object]) -> list[str]:
        """Return the ids of documents in the order that the query wants."""
        for name, direction in reversed(self._sort):
            key = partial(_library().resolve_sort_key, name)
            found = sorted(found, key=key, reverse=direction < 0)
        return [document["_id"] for document in found]


class _Checked:
    """Copies a filter while it checks it; patterns become matchers that take linear time."""

    def __init__(self) -> None:
        self._room = _MOST_VALUES

    def condition(self, condition: Any, depth: int) -> Object:
        """Check conditions on a document."""
        if not isinstance(condition, Mapping):
            raise _refused("A filter must be an object.")
        if depth > _DEEPEST:
            raise _refused(f"A filter may be nested at most {_DEEPEST} times.")
        checked: Object = {}
        for name, value in condition.items():
            self._take(1)
            if name in _GROUPS:
                if not isinstance(value, list) or not value:
                    raise _refused(f"{name} must be a non-empty list of filters.")
                checked[name] = [self.condition(one, depth + 1) for one in value]
            elif name.startswith("$") or not name:
                raise _refused(f"{name[:50] or 'An empty name'} is not a field or a supported operator.")
            else:
                checked[name] = self._field(value, depth)
        return checked

    def _field(self, value: Any, depth: int) -> Any:
        """Check what a field must be: a value, or operators."""
        if isinstance(value, Mapping) and any(name.startswith("$") for name in value):
            return self._operators(value, depth + 1)
        return self._value(value)

    def _operators(self, operators: Mapping[str, Any], depth: int) -> Object:
        if depth > _DEEPEST:
            raise _refused(f"A filter may be nested at most {_DEEPEST} times.")
        checked: Object = {}
        for name, value in operators.items():
            self._take(1)
            if name == "$options":
                if "$regex" not in operators:
                    raise _refused("$options needs $regex.")
            elif name == "$regex":
                checked[name] = _pattern(value, operators.get("$options", ""))
            elif name == "$not":
                if not isinstance(value, Mapping) or not value or not all(key.startswith("$") for key in value):
                    raise _refused("$not must be an object of operators.")
                checked[name] = self._operators(value, depth + 1)
            elif name == "$elemMatch":
                if not isinstance(value, Mapping) or not value:
                    raise _refused("$elemMatch must be a non-empty object.")
                inner = all(key.startswith("$") and key not in _GROUPS for key in value)
                checked[name] = self._operators(value, depth + 1) if inner else self.condition(value, depth + 1)
            elif name in _LISTS:
                if not isinstance(value, list):
                    raise _refused(f"{name} must be a list.")
                checked[name] = self._value(value)
            elif name == "$size":
                if not isinstance(value, int) or isinstance(value, bool) or value < 0:
                    raise _refused("$size must be a number of items.")
                checked[name] = value
            elif name in _VALUES:
                checked[name] = self._value(value)
            else:
                raise _refused(f"{name[:50]} is not a supported operator.")
        return checked

    def _value(self, value: Any) -> Any:
        """Check a value; numbers of values inside it count."""
        if isinstance(value, Mapping):
            self._take(len(value))
            if any(name.startswith("$") for name in value):
                raise _refused("A value to compare with must have no operators in it.")
            for inner in value.values():
                self._value(inner)
        elif isinstance(value, list):
            self._take(len(value))
            for inner in value:
                self._value(inner)
        return value

    def _take(self, count: int) -> None:
        self._room -= count
        if self._room < 0:
            raise _refused(f"A filter may have at most {_MOST_VALUES} conditions and values.")


class _Pattern:
    """A regular expression in the form that mongomock takes from the `bson` package."""

    def __init__(self, search: Callable[[str], bool]) -> None:
        self.search = search

    def try_compile(self) -> _Pattern:
        """Return the pattern, which is compiled."""
        return self


def _pattern(pattern: Any, options: Any) -> _Pattern:
    if not isinstance(pattern, str) or not isinstance(options, str) or not _OPTIONS.issuperset(options):
        raise _refused("$regex must be a string, and $options some of the letters i, m, s and x.")
    try:
        return _Pattern(linear_pattern(f"(?{options}){pattern}" if options else pattern))
    except SchemaError as error:
        raise _refused(
            "$regex must be a regular expression without look-around and back references, of moderate size."
        ) from error


def _refused(message: str) -> ApiError:
    return ApiError(400, "INVALID_FILTER", message)


def _library() -> Any:
    """Return the part of the library that its `find` consists of; it takes a quarter of a second to import.

    Its collections are not used: they copy every document several times.
    """
    try:
        return import_module("mongomock.filtering")
    except ImportError as error:
        raise ImportError(
            f'Filters of the Lumi backend need {error.name}: pip install "lumnisai-integrations[local]"',
            name=error.name,
        ) from error
