"""Nested data: every text in lists, mappings, JSON, models and dataclasses changed by a function. Pure."""

from __future__ import annotations

import copy
import dataclasses
import json
import re
from collections import deque
from collections.abc import Callable, Iterable, Mapping
from datetime import date, datetime, time, timedelta
from decimal import Decimal
from enum import Enum
from numbers import Number
from pathlib import PurePath
from types import MappingProxyType
from typing import Any, TypeAlias
from uuid import UUID

from pydantic import BaseModel

from lumnisai_core.exceptions import ValidationError

#: Changes a text; the second argument is the name of the field that holds it, or an empty string.
Change: TypeAlias = Callable[[str, str], str]

#: Changes an object of a framework with the help of the walk, or returns NotImplemented for any other object.
Special: TypeAlias = "Callable[[Walk, Any, str], Any]"

_SCALARS = (Number, Decimal, date, datetime, time, timedelta, UUID, PurePath)
#: Shorter numbers identify nobody, and replacing them would break counts and indexes.
_SHORTEST_NUMBER = 6
_DEEPEST = 100
#: Keys like this are names of fields, which programs need as they are.
_FIELD = re.compile(r"[a-z_][a-z0-9_]{0,39}")
_OPAQUE = (type(None), bool, Enum, type)


def nothing_special(_walk: Walk, _value: Any, _label: str) -> Any:
    """Handle no object in a special way."""
    return NotImplemented


class Walk:
    """Changes all texts in a value and returns the new value; what has no changed text stays the same object.

    Args:
        change: The new text for a text.
        special: Handles objects of a framework.
        strict: Whether an object that cannot be looked into is refused, rather than kept.
    """

    def __init__(self, change: Change, special: Special = nothing_special, *, strict: bool = False) -> None:
        self._change = change
        self._special = special
        self.strict = strict
        self._depth = 0

    def __call__(self, value: Any, label: str = "") -> Any:
        """Return a value with changed texts.

        Raises:
            ValidationError: It holds an object that cannot be looked into, or is too deep.
        """
        if isinstance(value, _OPAQUE):
            return value
        self._depth += 1
        try:
            if self._depth > _DEEPEST:
                raise ValidationError(f"The data is nested more than {_DEEPEST} levels deep: pass a flatter value.")
            return self._changed(value, label)
        finally:
            self._depth -= 1

    def _changed(self, value: Any, label: str) -> Any:
        special = self._special(self, value, label)
        if special is not NotImplemented:
            return special
        match value:
            case str():
                return self._text(value, label)
            case _ if isinstance(value, _SCALARS):
                return self._scalar(value, label)
            case Mapping():
                return self._mapping(value)
            case list() | tuple() | set() | frozenset() | deque():
                return self._items(value, label)
            case BaseModel():
                return self._model(value)
            case _ if dataclasses.is_dataclass(value):
                return self._object(value, {field.name for field in dataclasses.fields(value)})
        return self.unknown(value)

    def unknown(self, value: Any) -> Any:
        """Return an object as it is.

        Raises:
            ValidationError: The walk is strict.
        """
        if self.strict and not callable(value):
            raise ValidationError(
                f"The guard cannot look into a {type(value).__name__}, so it is not passed on: pass texts, numbers, "
                "lists, mappings, dataclasses, pydantic models, or objects of the framework."
            )
        return value

    def _text(self, text: str, label: str) -> str:
        document = _container(text)
        if document is None:
            changed = self._change(text, label)
            return text if changed == text else changed
        changed = self(document, label)
        return text if changed is document else json.dumps(changed, ensure_ascii=False)

    def _scalar(self, value: Any, label: str) -> Any:
        text = str(value)
        if isinstance(value, Number) and len(text) < _SHORTEST_NUMBER:
            return value
        changed = self._change(text, label)
        return value if changed == text else changed

    def _mapping(self, value: Mapping[Any, Any]) -> Any:
        changed = {self._key(key): self(item, key if isinstance(key, str) else "") for key, item in value.items()}
        if _same(changed.keys(), value.keys()) and _same(changed.values(), value.values()):
            return value
        if type(value) is dict or isinstance(value, MappingProxyType):
            return changed
        copied: Any = copy.copy(value)
        copied.clear()
        copied.update(changed)
        return copied

    def _key(self, key: Any) -> Any:
        return key if isinstance(key, str) and _FIELD.fullmatch(key) else self(key)

    def _items(self, value: Any, label: str) -> Any:
        changed = [self(item, label) for item in value]
        if _same(changed, value):
            return value
        return type(value)(*changed) if hasattr(value, "_fields") else type(value)(changed)

    def _model(self, value: BaseModel) -> BaseModel:
        fields = {**{name: getattr(value, name) for name in type(value).model_fields}, **(value.model_extra or {})}
        return value.model_copy(update=update) if (update := self.changes(fields)) else value

    def _object(self, value: Any, names: Iterable[str]) -> Any:
        update = self.changes({name: getattr(value, name) for name in names if hasattr(value, name)})
        return with_attributes(value, update) if update else value

    def changes(self, fields: Mapping[str, Any]) -> dict[str, Any]:
        """Return those of some fields whose value changes."""
        changed = {name: self(value, name) for name, value in fields.items()}
        return {name: value for name, value in changed.items() if value is not fields[name]}


def with_attributes(value: Any, update: Mapping[str, Any]) -> Any:
    """Return a shallow copy of an object with other values in some attributes, frozen or not."""
    copied = copy.copy(value)
    for name, changed in update.items():
        object.__setattr__(copied, name, changed)
    return copied


def _same(one: Iterable[Any], other: Iterable[Any]) -> bool:
    ones, others = list(one), list(other)
    return len(ones) == len(others) and all(a is b for a, b in zip(ones, others, strict=True))


def _container(text: str) -> Any:
    """Return the object or list that a text is in JSON, or None."""
    stripped = text.strip()
    if not stripped or stripped[0] + stripped[-1] not in ("{}", "[]"):
        return None
    try:
        document = json.loads(stripped)
    except (ValueError, RecursionError):
        return None
    return document if isinstance(document, dict | list) else None


def texts_in(value: Any, special: Special = nothing_special) -> list[str]:
    """Return all texts in a value, in order."""
    found: list[str] = []

    def note(text: str, _label: str) -> str:
        found.append(text)
        return text

    Walk(note, special)(value)
    return found
