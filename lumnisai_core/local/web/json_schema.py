"""JSON Schema: compiling schemas and checking values."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Protocol

import jsonschema_rs

from lumnisai_core.local.web.schema_cost import SchemaCost


class SchemaError(ValueError):
    """The schema cannot be used; the text says why."""


class Validator(Protocol):
    """A compiled schema."""

    def is_valid(self, instance: Any) -> bool:
        """Tell whether the value satisfies the schema."""

    def validate(self, instance: Any) -> None:
        """Raise if the value does not satisfy the schema."""


class _Bounded:
    """A compiled schema that leaves out checks which would take too long."""

    def __init__(self, validator: Validator, cost: SchemaCost) -> None:
        self._validator = validator
        self._cost = cost

    def is_valid(self, instance: Any) -> bool:
        """Tell whether the value satisfies the schema, and that could be checked."""
        return self._cost.is_affordable(instance) and self._validator.is_valid(instance)

    def validate(self, instance: Any) -> None:
        """Raise if the value does not satisfy the schema, or checking it would take too long."""
        if not self._cost.is_affordable(instance):
            raise ValueError("checking the value would take too long")
        self._validator.validate(instance)


def compile_schema(schema: dict[str, Any] | bool, *, formats: bool = False) -> Validator:
    """Compile a schema. References to other documents are never read.

    Raises:
        SchemaError: it is not valid, or would take too much work; see `SchemaCost`.
    """
    cost = SchemaCost(schema)
    if cost.excess is not None:
        raise SchemaError(cost.excess)
    try:
        validator: Validator = jsonschema_rs.validator_for(schema, retriever=_refuse, validate_formats=formats)
    except (ValueError, TypeError, jsonschema_rs.ReferencingError) as error:
        raise SchemaError(_reason(error)) from error
    return _Bounded(validator, cost) if cost.is_recursive else validator


def problem(validator: Validator, value: Any) -> str | None:
    """Return what is wrong with a value; None if it satisfies the schema."""
    try:
        validator.validate(value)
    except ValueError as error:
        return _reason(error)
    return None


def fit_schema(value: Any, schema: Mapping[str, Any]) -> tuple[Any, str | None]:
    """Check a value against a JSON Schema, with null for each property that an object lacks and must have.

    Args:
        value: The value, as plain data.
        schema: A valid JSON Schema.

    Returns:
        The value, with those nulls if it does not fit without them, and what is wrong with it; None if it fits.

    Raises:
        SchemaError: The schema is not valid, or would take too much work.
    """
    check = compile_schema(dict(schema))
    reason = problem(check, value)
    if reason is None or not isinstance(value, Mapping):
        return value, reason
    filled = {**value, **{name: None for name in schema.get("required", ()) if name not in value}}
    return filled, None if check.is_valid(filled) else reason


def linear_pattern(pattern: str) -> Callable[[str], bool]:
    """Return a search for a regular expression, in linear time for any text, or raise `SchemaError`."""
    limits = jsonschema_rs.RegexOptions(size_limit=1 << 20, dfa_size_limit=10 << 20)
    try:
        return jsonschema_rs.validator_for({"pattern": pattern}, pattern_options=limits).is_valid
    except ValueError as error:
        raise SchemaError(_reason(error)) from error


def _refuse(uri: str) -> Any:
    raise ValueError(f"external reference {uri} is not read")


def _reason(error: Exception) -> str:
    text = str(getattr(error, "message", "") or error).strip().splitlines()[0]
    path = getattr(error, "instance_path", None)
    return f"{text} (at {'/'.join(str(part) for part in path)})" if path else text
